"""A few calls take very long, the others as always."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.case import Case
from gatewatch.simulate.crowds import ordinary_routes
from gatewatch.simulate.demand import per_minute
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.severity import log_spread, share_of_slow
from gatewatch.simulate.slowness import prolong, shows_latency, uncached_share

USUAL = 0.006
"""Share of ordinary calls that take so long: what the tails of the background reach."""


@scenario(
    "latency_tail",
    kind="latency_outlier",
    subtype="tail_only",
    cause="integration",
    minutes={"blatant": 60, "moderate": 120, "subtle": 300},
    fits=shows_latency,
)
def latency_tail(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """A small share of calls waits some dozen medians longer (a lock, a slow replica); the median does not move."""
    case = Case("latency_tail", world, api, level, start_ms, end_ms, rng)
    routes = ordinary_routes(api)
    calls = float(per_minute(world, api, *case.minutes).sum())
    share = share_of_slow(calls * uncached_share(api, routes), USUAL, level, rng, least=case.by_level(0.15, 0.07, 0.03))
    waits = np.array([route.latency.median_ms * (8 + 12 * log_spread(api, route)) for route in api.routes])
    typical_s = float(np.average(waits, weights=[route.weight for route in api.routes])) / 1000

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        hit = np.isin(calls.route, routes) & (rng.random(len(calls)) < share)
        prolong(calls, hit, "integration", waits[calls.route] * rng.uniform(0.7, 2.0, len(calls)))
        return calls

    return case.incident(
        edit,
        layer="integration",
        accept_subtypes=("bimodal",),
        accept_causes=("unknown",),
        tell=f"{share:.0%} of the calls take some {typical_s:.1f} s longer; the median does not move.",
    )
