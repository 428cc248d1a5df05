"""One customer sends whole batches at once, larger than the bucket of its usage plan."""

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


@scenario(
    "over_plan",
    kind="throttling_abuse",
    subtype="over_plan",
    cause="client",
    minutes={"blatant": 40, "moderate": 75, "subtle": 150},
    fits=has_plans,
)
def over_plan(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """Batches come minutes apart, so that the bucket is full again; what is refused is not tried again."""
    case = Case("over_plan", world, api, level, start_ms, end_ms, rng)
    customer = customers(api, rng)[0]
    minutes = (case.until_ms - case.start_ms) / MINUTE_MS
    refused = extra_counts(np.full(round(minutes), NO_THROTTLING), 1.0, level, rng, least=case.by_level(1_500, 300, 70))
    apart = int(case.by_level(1, 3, 6))
    batches = np.arange(case.start_ms // MINUTE_MS + 1, case.until_ms // MINUTE_MS, apart, dtype=np.int64) * MINUTE_MS
    batches = batches + rng.integers(2_000, 45_000, len(batches))
    over = float(refused.sum()) / max(len(batches), 1)

    def batch(at_ms: int, rng: np.random.Generator) -> Calls:
        spread_ms = float(rng.uniform(300, 1_500))
        size = customer.plan.burst + round(customer.plan.rate * spread_ms / 1000) + 1 + int(rng.poisson(over))
        at = np.sort(at_ms + (rng.random(size) * spread_ms).astype(np.int64))
        calls = customer.calls(world, api, at, rng)
        refuse(api, calls, ~within_plan(customer.plan, at), Outcome.THROTTLED, rng)
        return made(calls)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        mine = batches[(batches >= block.start_ms) & (batches < block.end_ms)].tolist()
        return joined([calls, *(batch(at, rng) for at in mine)])

    return case.incident(
        edit,
        culprits=customer.shown(case, batches),
        tell="All refusals carry one API key, whose bursts are larger than its plan; nobody else is refused.",
    )
