"""One client takes the limit that all share, and the others are refused with it."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, made, stream, touched
from gatewatch.simulate.calls import Calls, joined
from gatewatch.simulate.case import Case
from gatewatch.simulate.demand import per_minute
from gatewatch.simulate.limits import above, stage_limit, throttle, weekly_peak
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.plans import any_customer
from gatewatch.simulate.scenarios import Planted, Unfit, scenario
from gatewatch.simulate.severity import NO_THROTTLING, extra_counts

ROOM = 1.3
"""The stage's limit is this many times the busiest ordinary minute."""


@scenario(
    "noisy_neighbour",
    kind="throttling_abuse",
    subtype="noisy_neighbour",
    cause="client",
    minutes={"blatant": 20, "moderate": 35, "subtle": 60},
    fits=lambda api: 0.1 <= api.rate_rps <= 60,
)
def noisy_neighbour(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """A client's own calls fill the stage's throttle; whoever calls then is refused in proportion."""
    case = Case("noisy_neighbour", world, api, level, start_ms, end_ms, rng)
    limit = weekly_peak(world, api) * ROOM
    ordinary = per_minute(world, api, *case.minutes)
    customer = any_customer(world, api, rng)
    refused = extra_counts(
        np.full(len(ordinary), NO_THROTTLING), 1.0, level, rng, least=case.by_level(600, 250, 120)
    ) + limit * case.by_level(0.6, 0.2, 0.05)
    load = np.maximum(limit - ordinary, 0) + refused
    if load.mean() > 12 * max(float(ordinary.mean()), 1.0):
        raise Unfit("at this hour the stage has room for a dozen such clients")
    flood = stream(case.start_ms, case.until_ms, load, rng)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        at_ms, _ = flood.of(block, rng)
        both = joined([calls, made(customer.calls(world, api, at_ms, rng))]).in_order()
        hit = above(both, limit, rng)
        throttle(api, both, hit, rng)
        touched(both, hit)
        return both

    return case.incident(
        edit,
        culprits=customer.shown(case, np.arange(case.start_ms, case.until_ms, 60_000)),
        inventory=stage_limit(api, limit / 60),
        tell="Refusals hit everybody alike, but one client makes nearly all of the calls that came on top.",
    )
