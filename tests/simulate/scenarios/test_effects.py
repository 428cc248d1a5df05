"""The effect is there: the same hours with the scenario against those without it, at every level."""

from __future__ import annotations

import numpy as np
import pytest

from gatewatch.simulate.blocks import MINE
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.labels import LEVELS, Incident
from gatewatch.simulate.model import Api
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.scenarios import SCENARIOS
from tests.simulate.worlds import before_and_after, planted, world

CREDENTIALS = [
    Outcome.TOKEN_MISSING, Outcome.TOKEN_MALFORMED, Outcome.TOKEN_EXPIRED, Outcome.TOKEN_SIGNATURE,
    Outcome.TOKEN_AUDIENCE, Outcome.AUTHORIZER_DENY, Outcome.KEY_UNKNOWN, Outcome.KEY_DISABLED, Outcome.IAM_EXPIRED,
]  # fmt: skip
"""Refusals of one sort: none stands out by its name among the others."""


def during(name: str, level: str) -> tuple[Api, Incident, Calls, Calls]:
    """The API, the label, and the calls of the incident's time without and with it."""
    for rate in (2.5, 25.0):
        one = world(rate)
        for api in one.apis:
            if not SCENARIOS[name].fits(api):
                continue
            what = planted(one, name, api, level)
            if what is None:
                continue
            before, after = before_and_after(one, what, api)
            label = what.label
            assert isinstance(label, Incident)
            assert label.end_ms is not None
            span = (label.start_ms, label.end_ms)
            return api, label, before.take(before.during(*span)), after.take(after.during(*span))
    raise AssertionError(f"{name} is nowhere possible at {level} level")


def of_kind(kind: str) -> list[str]:
    return [name for name, known in SCENARIOS.items() if known.kind == kind and name != "never_called"]


def refusals(calls: Calls, after: Calls) -> int:
    """Refusals of the sort that the incident brings: by outcome, or the back end's own."""
    mine = after.take(after.incident == MINE)
    ways = set(mine.outcome[mine.status >= 400].tolist())
    own = (calls.outcome == Outcome.ANSWERED) & np.isin(calls.status, (401, 403)) & (int(Outcome.ANSWERED) in ways)
    credential = ways & {int(one) for one in CREDENTIALS}
    sorts = [int(one) for one in CREDENTIALS] if credential else sorted(ways - {int(Outcome.ANSWERED)})
    return int((own | np.isin(calls.outcome, sorts)).sum())


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", of_kind("auth_failure_spike"))
def test_there_are_more_refusals_than_chance_allows(name: str, level: str) -> None:
    api, _, before, after = during(name, level)
    usual, now = refusals(before, after), refusals(after, after)
    assert now - usual >= 15
    # six standard deviations of an over-dispersed count, had nothing happened
    assert now - usual > 6 * np.sqrt(api.dispersion * max(usual, 1))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", of_kind("throttling_abuse"))
def test_calls_are_throttled_that_never_were_before(name: str, level: str) -> None:
    _, _, before, after = during(name, level)
    assert (before.status == 429).sum() == 0
    assert (after.status == 429).sum() >= 35


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", of_kind("dead_api"))
def test_nobody_is_served_any_more(name: str, level: str) -> None:
    api, label, before, after = during(name, level)
    places = [place for place, route in enumerate(api.routes) if not route.health]
    if label.scope[0].route is not None:
        places = [api.route_index(label.scope[0].route)]
    served = [
        np.isin(calls.route, places) & (calls.outcome == Outcome.ANSWERED) & (calls.status < 500)
        for calls in (before, after)
    ]
    if label.culprits.api_key_ids:
        key = api.keys.index(label.culprits.api_key_ids[0])
        served = [one & (calls.key == key) for one, calls in zip(served, (before, after), strict=True)]
    # 14 expected calls that never come: exp(-14) is one in a million
    assert served[0].sum() >= 14
    assert served[1].sum() <= max(0.03 * served[0].sum(), 1)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", of_kind("latency_outlier"))
def test_calls_are_slower_than_they_would_have_been(name: str, level: str) -> None:
    api, label, before, after = during(name, level)
    places = [api.route_index(scope.route) for scope in label.scope if scope.route is not None]
    if places:
        before, after = before.take(np.isin(before.route, places)), after.take(np.isin(after.route, places))
    assert len(before) == len(after) >= 30
    slower = np.log(np.maximum(after.latency_ms, 1)) - np.log(np.maximum(before.latency_ms, 1))
    assert (slower >= -1e-9).all()
    spread = np.log(np.maximum(before.latency_ms, 1)).std()
    # the mean of the logarithm rises by more than four standard errors, or a hundredth of the calls by far
    assert slower.mean() > 4 * spread / np.sqrt(len(slower)) or (slower > 1).mean() > 0.01


@pytest.mark.parametrize("name", [name for name in of_kind("latency_outlier") if name != "latency_timeouts"])
def test_subtle_ones_are_smaller_than_blatant_ones(name: str) -> None:
    sizes = []
    for level in ("subtle", "blatant"):
        _, _, before, after = during(name, level)
        sizes.append(float(np.log(after.latency_ms.mean() / before.latency_ms.mean())))
    assert sizes[0] < sizes[1]
