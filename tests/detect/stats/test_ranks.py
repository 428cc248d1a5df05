import math

import numpy as np
import pytest

from detect.stats.ranks import BINS, LEAST_BODY, Reference, Spread, bin_ms, body_nats, quantile_ms, tail_nats


def humps(rng: np.random.Generator, size: int, *, slower: float = 1.0) -> np.ndarray:
    """Bins of latencies with two humps and a heavy tail."""
    ms = np.exp(rng.normal(np.log(20), 0.4, size)) * np.where(rng.random(size) < 0.3, 9.0, 1.0) * slower
    ms *= np.where(rng.random(size) < 0.01, rng.pareto(2.0, size) + 1, 1.0)
    return np.asarray(
        np.clip(np.floor(np.log(np.maximum(ms, 1)) / np.log(1.02) + 1) // 4, 0, BINS - 1).astype(np.int64)
    )


def learned(values: np.ndarray) -> Reference:
    usual = Reference()
    usual.grow(1)
    counts = np.bincount(values, minlength=BINS).astype(np.float64)[None, :]
    usual.learn(0, counts, np.zeros(1), np.zeros(1), np.array([1440.0]))
    return usual


def z_of(usual: Reference, values: np.ndarray) -> float:
    score = usual.body(np.zeros(len(values), np.int64), values)
    return float(score.mean() / np.sqrt(usual.variance()[0] / len(values)))


def test_ranks_are_calibrated_whatever_the_shape() -> None:
    rng = np.random.default_rng(5)
    usual = learned(humps(rng, 50_000))
    z = np.array([z_of(usual, humps(rng, 30)) for _ in range(3_000)])
    assert abs(z.mean()) < 0.1
    assert 0.9 < z.std() < 1.1
    assert 0.0002 < (z > 2.5).mean() < 0.013


def test_slower_values_rank_higher_and_the_quantiles_say_by_how_much() -> None:
    rng = np.random.default_rng(6)
    usual = learned(humps(rng, 50_000))
    slow = humps(rng, 400, slower=1.6)
    assert z_of(usual, slow) > 6
    now = np.bincount(slow, minlength=BINS).astype(np.float64)[None, :]
    assert quantile_ms(now, 0.5)[0] / usual.quantile_ms(0.5)[0] == pytest.approx(1.6, rel=0.15)


def test_a_tail_is_counted_above_its_own_edge() -> None:
    rng = np.random.default_rng(7)
    usual = learned(humps(rng, 50_000))
    share = usual.share(0)[0]
    assert 0.02 < share <= 0.0501
    seen = usual.over(0, np.zeros(20_000, np.int64), humps(rng, 20_000)).mean()
    assert seen == pytest.approx(share, rel=0.15)
    nothing, much = tail_nats(np.array([10.0, 40.0]), np.array([10.0, 10.0]), np.array([0.3, 0.3]))
    assert nothing == 0
    assert 5 < much < 40 * np.log(4)


def test_nothing_is_known_before_there_are_values() -> None:
    usual = Reference()
    usual.grow(2)
    assert (usual.total < LEAST_BODY).all()
    assert np.isnan(usual.quantile_ms(0.5)).all()
    assert bin_ms(np.array([0.0]))[0] >= 1.0


def test_one_odd_quarter_hardly_widens_what_is_usual() -> None:
    spread = Spread(0.03, (0.01, 0.2))
    spread.grow(1)
    for _ in range(50):
        spread.learn(np.array([0.02]), np.array([0.0004]), 15)
    before = spread.value()[0]
    spread.learn(np.array([0.4]), np.array([0.0004]), 15)
    assert spread.value()[0] < 1.4 * before


def test_what_creeps_for_a_day_is_not_its_own_yardstick() -> None:
    spread = Spread(0.03, (0.01, 0.2))
    spread.grow(1)

    def hours(count: int, mean: float) -> None:
        for _ in range(count):
            for sign in (1.0, -1.0, 1.0, -1.0):
                spread.learn(np.array([mean * sign]), np.array([0.0001]), 15)
            spread.hour()

    hours(24, 0.02)
    young = spread.value()[0]
    hours(48, 0.02)
    assert spread.value()[0] <= young
    usual = spread.value()[0]
    hours(23, 0.08)
    assert spread.value()[0] == pytest.approx(usual, rel=0.1), "the day is not over"
    hours(48, 0.08)
    assert spread.value()[0] > 1.6 * usual, "what lasts is usual in the end"


def test_hours_that_are_faster_do_not_widen_what_is_usual() -> None:
    def after(mean: float) -> float:
        spread = Spread(0.03, (0.01, 0.2))
        spread.grow(1)
        for hour in range(24 * 6):
            for sign in (1.0, -1.0, 1.0, -1.0):
                now = mean if 72 <= hour < 80 else 0.02 * sign
                spread.learn(np.array([now]), np.array([0.0004]), 15)
            spread.hour()
        return float(spread.value()[0])

    assert after(-0.4) == pytest.approx(after(0.0), rel=0.1)
    assert after(0.4) > 1.5 * after(0.0), "a slow side that nobody called an incident does"


def test_a_mean_rank_near_the_end_is_worth_what_its_probability_says() -> None:
    # The mean of n uniforms is within e of its end with probability (n e)^n / n! (Irwin-Hall), for n e <= 1.
    for n, e in ((4, 0.02), (6, 0.04), (9, 0.1), (14, 0.05)):
        exact = math.lgamma(n + 1) - n * math.log(n * e)
        bound = n * float(body_nats(np.array(0.5 - e)))
        assert 0.75 * exact < bound < exact, (n, e)
        assert bound > 1.2 * n * 6.0 * (0.5 - e) ** 2  # what a normal distribution would say
    small = np.array([0.0, 0.01, 0.05])
    assert np.allclose(body_nats(small), 6.0 * small**2, rtol=0.01, atol=1e-9)
    assert float(body_nats(np.array(-0.3))) == 0.0


def test_the_variance_of_a_score_follows_what_was_learned() -> None:
    usual = Reference()
    usual.grow(2)
    flat = np.ones((2, BINS))
    flat[1] = 0.0
    flat[1, 7] = 160.0  # all values alike: ties take nearly all of it
    usual.learn(3, flat, np.zeros(2), np.zeros(2), np.zeros(2))
    first = usual.variance().copy()
    assert first[0] == pytest.approx(1 / 12, rel=0.01)
    assert first[1] == 0.01
    usual.learn(3, flat[::-1] * 1e6, np.zeros(2), np.zeros(2), np.zeros(2))
    assert usual.variance()[0] == pytest.approx(0.01, rel=0.01)
