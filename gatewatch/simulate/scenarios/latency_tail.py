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
from gatewatch.simulate.severity import share_of_slow
from gatewatch.simulate.slowness import prolong, shows_latency, spread_of, typical_ms

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
    share = share_of_slow(calls, USUAL, level, rng, least=case.by_level(0.15, 0.07, 0.03))
    wait_ms = typical_ms(api, routes) * (8 + 12 * spread_of(api, routes))

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        hit = np.isin(calls.route, routes) & (rng.random(len(calls)) < share)
        prolong(calls, hit, "integration", wait_ms * rng.uniform(0.7, 2.0, len(calls)))
        return calls

    return case.incident(
        edit,
        layer="integration",
        accept_subtypes=("bimodal",),
        accept_causes=("unknown",),
        tell=f"{share:.0%} of the calls take some {wait_ms / 1000:.1f} s longer; the median does not move.",
    )
