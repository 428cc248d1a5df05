"""Levels keep their promise: nats as asked for, and backgrounds as they are drawn."""

from __future__ import annotations

import numpy as np
import pytest

from gatewatch.simulate.calls import Calls, joined
from gatewatch.simulate.labels import LEVELS
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.scenarios import Unfit
from gatewatch.simulate.severity import (
    NATS,
    blocked,
    credential_refusals,
    extra_counts,
    log_spread,
    nats_of_counts,
    nats_of_shift,
    nats_per_missed,
    probes,
    refused_logins,
    server_errors,
    share_of_slow,
    shift_for,
    silence_ms,
)
from tests.simulate.worlds import drawn, world

CREDENTIALS = (Outcome.TOKEN_MISSING, Outcome.TOKEN_MALFORMED, Outcome.TOKEN_EXPIRED, Outcome.KEY_UNKNOWN)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("base", [0.01, 0.4, 9.0])
def test_counts_carry_at_least_what_the_level_asks_for(level: str, base: float) -> None:
    ordinary = np.full(90, base)
    extra = extra_counts(ordinary, 2.0, level, np.random.default_rng(1), least=10)
    assert nats_of_counts(extra, ordinary, 2.0) >= NATS[level][0]
    assert extra.sum() >= 10 * (1 - 1e-9)


def test_subtle_counts_carry_no_more_than_they_should_on_an_api_with_a_background() -> None:
    ordinary = np.full(90, 9.0)
    extra = extra_counts(ordinary, 2.0, "subtle", np.random.default_rng(1), least=10)
    assert nats_of_counts(extra, ordinary, 2.0) <= NATS["subtle"][1] * 1.01


def test_the_information_of_counts_is_that_of_simulated_ones() -> None:
    rng = np.random.default_rng(5)
    base, extra = np.full(40_000, 3.0), np.full(40_000, 1.5)
    counts = rng.poisson(base + extra)
    ratio = (counts * np.log((base + extra) / base) - extra).sum()
    assert nats_of_counts(extra, base, 1.0) == pytest.approx(ratio, rel=0.03)


def test_silences_are_as_improbable_as_they_claim() -> None:
    rng = np.random.default_rng(6)
    mean, dispersion = 1.2, 3.0
    counts = rng.poisson(rng.gamma(mean / (dispersion - 1), dispersion - 1, 200_000))
    assert -np.log((counts == 0).mean()) == pytest.approx(mean * nats_per_missed(dispersion), rel=0.02)
    assert nats_per_missed(1.0) == 1.0


def test_a_silence_lasts_until_enough_calls_are_missing() -> None:
    one = world()
    api = one.apis[0]
    short, long = (silence_ms(one, api, share, one.start_ms, 40.0) for share in (1.0, 0.1))
    assert short is not None
    assert long is not None
    assert long > 5 * short
    assert silence_ms(one, api, 1e-6, one.start_ms, 40.0) is None


@pytest.mark.parametrize("level", LEVELS)
def test_latency_shifts_carry_what_the_level_asks_for(level: str) -> None:
    calls = np.full(8, 30.0)
    shift = shift_for(calls, 0.5, level, np.random.default_rng(2))
    assert nats_of_shift(np.full(8, shift), calls, 0.5) >= NATS[level][0]


def test_too_few_calls_make_no_latency_incident() -> None:
    with pytest.raises(Unfit):
        shift_for(np.full(4, 0.2), 0.5, "blatant", np.random.default_rng(2))
    with pytest.raises(Unfit):
        share_of_slow(30, 0.01, "blatant", np.random.default_rng(2), least=0.1)


def test_the_spread_of_a_route_is_that_of_its_calls() -> None:
    one = world()
    api = next(api for api in one.apis if not api.cache and api.rate_rps > 0.1)
    calls, _ = a_day(one, api)
    for place, route in enumerate(api.routes):
        mine = (calls.route == place) & (calls.outcome == Outcome.ANSWERED) & (calls.integration_ms > 0)
        if mine.sum() > 1_000 and route.latency.ms_per_kb == 0:
            assert np.log(calls.integration_ms[mine]).std() == pytest.approx(log_spread(api, route), rel=0.35, abs=0.12)


def a_day(one: World, api: Api) -> tuple[Calls, tuple[int, int]]:
    """Calls of the API's chunks of about a day in the middle of the world."""
    chunks = list(one.chunks(api))
    size = max(1, 1440 // api.chunk_minutes)
    first = len(chunks) // 2
    some = chunks[first : first + size]
    return joined([drawn(one, chunk) for chunk in some]), (some[0].start_ms, some[-1].end_ms)


@pytest.mark.parametrize("place", range(13))
def test_expected_backgrounds_are_those_that_are_drawn(place: int) -> None:
    one = world()
    api = one.apis[place]
    calls, (start, end) = a_day(one, api)
    outcome, status = calls.outcome, calls.status
    answered = outcome == Outcome.ANSWERED
    minutes = (end - start) // 60_000
    for seen, expected in (
        (np.isin(outcome, CREDENTIALS).sum(), credential_refusals(one, api, start, end).sum()),
        ((answered & np.isin(status, (401, 403))).sum(), refused_logins(one, api, start, end).sum()),
        ((answered & (status >= 500)).sum(), server_errors(one, api, start, end).sum()),
    ):
        assert seen <= 2.2 * expected + 12
        assert seen >= 0.45 * expected - 12
    if api.waf:
        assert (outcome == Outcome.WAF_BLOCK).sum() <= 2 * blocked(one, api, start, end).sum() + 10
    assert (outcome == Outcome.NO_ROUTE).sum() <= 4 * probes(api, minutes).sum() + 60
