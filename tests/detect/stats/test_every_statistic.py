"""What every statistic promises (detect/stats/fold.py): looked at over STATISTICS, so a new one is held to it."""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detect.grid import Floats
from detect.stats.fold import STATISTICS

START = 29_000_000 + 17
SERIES, MINUTES = 12, 3 * 1440
MEANS = np.geomspace(0.05, 2000.0, SERIES)[:, None]

Inputs = dict[str, Floats]


def calm(seed: int, series: int = SERIES, minutes: int = MINUTES) -> Inputs:
    """Every input that a statistic may ask for, with nothing out of line: rates from 0.05 to 2,000 a minute."""
    rng = np.random.default_rng(seed)
    mean = np.geomspace(0.05, 2000.0, series)[:, None] * np.ones(minutes)
    counts = rng.poisson(mean).astype(float)
    return {
        "counts": counts,
        "mean": mean,
        "score": rng.exponential(size=mean.shape),
    }


@lru_cache(maxsize=2)
def sample() -> Inputs:
    return calm(1)


def run(name: str, data: Inputs, lengths: list[int] | None = None) -> tuple[Floats, str]:
    """Scores and final state, the minutes given in pieces of `lengths`."""
    fold = STATISTICS[name]()
    whole = {key: data[key] for key in fold.inputs}
    minutes = next(iter(whole.values())).shape[1]
    out, at = [], 0
    for length in [*(lengths or []), minutes]:
        end = min(at + length, minutes)
        if end > at:
            out.append(fold.step(START + at, **{key: value[:, at:end] for key, value in whole.items()}))
            # What is stored and loaded goes on as if it had never left.
            stored = json.dumps(fold.dump(), allow_nan=False)
            fold = STATISTICS[name]()
            fold.load(json.loads(stored))
        at = end
    return np.concatenate(out, axis=1), json.dumps(fold.dump())


def names() -> list[str]:
    return sorted(STATISTICS)


@pytest.mark.parametrize("name", names())
def test_it_says_where_it_comes_from_and_what_it_gives(name: str) -> None:
    module = __import__(STATISTICS[name].__module__, fromlist=["x"])
    assert "Source:" in (module.__doc__ or "")
    assert STATISTICS[name].unit
    assert set(STATISTICS[name].inputs) <= set(sample())


@pytest.mark.parametrize("name", names())
def test_scores_have_the_shape_of_the_minutes(name: str) -> None:
    scores, _ = run(name, sample())
    assert scores.shape == (SERIES, MINUTES)


@pytest.mark.parametrize("name", names())
def test_nothing_looks_ahead(name: str) -> None:
    early = {key: value[:, :2500] for key, value in sample().items()}
    np.testing.assert_array_equal(run(name, sample())[0][:, :2500], run(name, early)[0])


@pytest.mark.parametrize("name", names())
@given(lengths=st.lists(st.integers(1, 1500), min_size=1, max_size=5))
@settings(max_examples=5, deadline=None)
def test_any_cut_gives_the_same_through_json(name: str, lengths: list[int]) -> None:
    scores, state = run(name, sample())
    again, end = run(name, sample(), lengths)
    np.testing.assert_array_equal(again, scores)
    assert end == state


@pytest.mark.parametrize("name", names())
def test_a_series_does_not_feel_its_neighbours(name: str) -> None:
    alone = {key: value[4:5] for key, value in sample().items()}
    np.testing.assert_allclose(run(name, alone)[0][0], run(name, sample())[0][4], rtol=1e-9)


@pytest.mark.parametrize("name", names())
def test_input_is_left_unchanged(name: str) -> None:
    data = calm(2, 3, 600)
    copies = {key: value.copy() for key, value in data.items()}
    run(name, data)
    for key, value in copies.items():
        np.testing.assert_array_equal(data[key], value)


@pytest.mark.parametrize("name", names())
def test_it_cannot_tell_while_warming_up(name: str) -> None:
    scores, _ = run(name, sample())
    warmup = STATISTICS[name].warmup
    assert np.isnan(scores[:, : max(warmup - 60, 0)]).all()
    assert np.isfinite(scores[:, warmup + 60 :]).all()


@pytest.mark.parametrize("name", names())
def test_gaps_are_not_judged_and_not_learned(name: str) -> None:
    data = {key: value.copy() for key, value in sample().items()}
    for value in data.values():
        value[:, 2000:2400] = np.nan
    scores, _ = run(name, data)
    if not STATISTICS[name].unit.startswith("a minute"):
        assert np.isnan(scores[:, 2000:2400]).all()
    after, before = np.nanmean(scores[:, 2480:]), np.nanmean(scores[:, 1500:2000])
    assert abs(after - before) < 0.3 * abs(before) + 0.2


@pytest.mark.parametrize("name", names())
def test_a_constant_series_is_calm_and_its_first_change_no_sensation(name: str) -> None:
    first = {key: value[:, :1] for key, value in calm(3).items()}
    data: Inputs = {key: np.floor(value) * np.ones(MINUTES) for key, value in first.items()}
    data["mean"] = np.maximum(data["counts"], 0.05)
    scores, _ = run(name, data)
    kind = STATISTICS[name]
    calm_most = np.nanmax(scores[:, kind.warmup + 60 :])
    if kind.unit == "nats":
        assert calm_most < 10
    change = {key: value.copy() for key, value in data.items()}
    change["counts"][:, 4000] += 1
    scores, _ = run(name, change)
    if kind.unit == "nats":
        assert np.nanmax(scores[:, kind.warmup + 60 :]) < 10


@pytest.mark.parametrize("name", [name for name in names() if STATISTICS[name].unit == "nats"])
def test_nats_are_what_they_claim(name: str) -> None:
    """A calm minute gets beyond h nats no more often than 4 looks of exp(-h) would, and not far less often."""
    data = calm(5, 40)
    scores, _ = run(name, data)
    known = scores[np.isfinite(scores)]
    for nats in (4.0, 6.0):
        share = (known > nats).mean()
        assert share < 12 * np.exp(-nats), (nats, share * np.exp(nats))
