"""Again and again, for a minute or two, a back end hangs and the gateway gives up after 29 seconds."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, touched
from gatewatch.simulate.calls import Calls, refuse
from gatewatch.simulate.case import Case
from gatewatch.simulate.demand import per_minute
from gatewatch.simulate.model import MINUTE_MS, Api, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.scenarios import Planted, Unfit, scenario
from gatewatch.simulate.slowness import has_some_route, one_route

PERIOD_MINUTES = (5, 10, 15)

LEAST = {"blatant": 100, "moderate": 40, "subtle": 12}
"""Calls that must have hung in all."""

SHARE = {"blatant": 1.0, "moderate": 0.8, "subtle": 0.5}
"""Of the route's calls while it hangs."""


@scenario(
    "latency_timeouts",
    kind="latency_outlier",
    subtype="timeout_29s",
    cause="integration",
    minutes={"blatant": 90, "moderate": 120, "subtle": 180},
    fits=has_some_route,
)
def latency_timeouts(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """One route hangs for the first part of every period of five, ten or fifteen minutes (a job holds its lock)."""
    case = Case("latency_timeouts", world, api, level, start_ms, end_ms, rng)
    place = one_route(api, rng)
    if place is None:
        raise Unfit("no route of middling size")
    period_ms = int(rng.choice(PERIOD_MINUTES)) * MINUTE_MS
    share = SHARE[level]
    calls = float(per_minute(world, api, *case.minutes).sum()) * api.routes[place].weight * share
    part = max(0.15, 1.3 * LEAST[level] / max(calls, 1e-9))
    if part > 0.5:
        raise Unfit("too few calls to tell that it hangs")

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        hangs = (calls.at_ms - start_ms) % period_ms < part * period_ms
        hit = hangs & (calls.route == place) & (calls.integration_ms > 0) & (rng.random(len(calls)) < share)
        refuse(api, calls, hit, Outcome.INTEGRATION_TIMEOUT, rng)
        touched(calls, hit)
        return calls

    return case.incident(
        edit,
        route=api.routes[place].key,
        layer="integration",
        accept_subtypes=("one_route", "tail_only"),
        tell=f"Every {period_ms // MINUTE_MS} minutes calls of one route take 29.0 s and no longer, and end with 504.",
    )
