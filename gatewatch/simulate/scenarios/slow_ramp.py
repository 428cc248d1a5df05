"""A customer grows out of its plan: a few refusals first, then more every hour."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, made
from gatewatch.simulate.calls import Calls, joined, refuse
from gatewatch.simulate.case import Case
from gatewatch.simulate.model import MINUTE_MS, Api, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.plans import customers, has_plans, within_plan
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.severity import NO_THROTTLING, extra_counts

EVERY, RARELY = 10, 30
"""Minutes between the customer's batches: small ones, large ones."""


@scenario(
    "slow_ramp",
    kind="throttling_abuse",
    subtype="slow_ramp",
    cause="client",
    minutes={"blatant": 300, "moderate": 540, "subtle": 960},
    fits=has_plans,
)
def slow_ramp(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """Batches that just fit in at first and grow by the same number each time."""
    case = Case("slow_ramp", world, api, level, start_ms, end_ms, rng)
    customer = customers(api, rng)[0]
    plan = customer.plan
    minutes = round((case.until_ms - case.start_ms) / MINUTE_MS)
    apart = EVERY if plan.burst <= 100 else RARELY
    shape = np.linspace(0.02, 2.0, minutes)
    refused = extra_counts(
        np.full(minutes, NO_THROTTLING), 1.0, level, rng, least=case.by_level(2_000, 700, 250), shape=shape
    )
    batches = np.arange(case.start_ms // MINUTE_MS + 1, case.until_ms // MINUTE_MS, apart, dtype=np.int64) * MINUTE_MS
    batches = batches + rng.integers(3_000, 30_000, len(batches))
    over = np.cumsum(refused)[np.minimum((batches - case.start_ms) // MINUTE_MS, minutes - 1)]
    over = np.diff(np.concatenate([[0.0], over]))

    def batch(place: int, rng: np.random.Generator) -> Calls:
        size = plan.burst + round(plan.rate) + int(rng.poisson(over[place]))
        at = np.sort(batches[place] + rng.integers(0, 1_000, size))
        calls = customer.calls(world, api, at, rng)
        refuse(api, calls, ~within_plan(plan, at), Outcome.THROTTLED, rng)
        return made(calls)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        mine = np.flatnonzero((batches >= block.start_ms) & (batches < block.end_ms)).tolist()
        return joined([calls, *(batch(place, rng) for place in mine)])

    return case.incident(
        edit,
        culprits=customer.shown(case, batches),
        accept_subtypes=("over_plan",),
        tell="One key's refusals grow in a straight line over hours, as its batches do.",
    )
