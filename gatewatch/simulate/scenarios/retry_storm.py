"""A client answers every refusal by trying again at once."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, made
from gatewatch.simulate.calls import Calls, joined, refuse
from gatewatch.simulate.case import Case
from gatewatch.simulate.limits import stage_limit
from gatewatch.simulate.model import MINUTE_MS, Api, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.plans import any_customer, limited
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.severity import NO_THROTTLING, extra_counts

PAUSE_MS = (70.0, 160.0)
"""Between a refusal and the next try of the same call: the round trip, and nothing else."""

PATIENCE_MS = 25_000.0
"""After that a call is given up."""


@scenario(
    "retry_storm",
    kind="throttling_abuse",
    subtype="retry_storm",
    cause="client",
    minutes={"blatant": 30, "moderate": 60, "subtle": 120},
    fits=limited,
)
def retry_storm(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """Batches larger than the bucket; each refused call knocks every tenth of a second until the bucket has room.

    On APIs with usage plans it is a key's bucket, on others a throttle that the client has for itself on its route.
    """
    case = Case("retry_storm", world, api, level, start_ms, end_ms, rng)
    customer = any_customer(world, api, rng)
    plan = customer.plan
    minutes = round((case.until_ms - case.start_ms) / MINUTE_MS)
    refused = extra_counts(np.full(minutes, NO_THROTTLING), 1.0, level, rng, least=case.by_level(6_000, 1_500, 400))
    apart = int(case.by_level(1, 2, 5))
    batches = np.arange(case.start_ms // MINUTE_MS + 1, case.until_ms // MINUTE_MS, apart, dtype=np.int64) * MINUTE_MS
    batches = batches + rng.integers(1_000, 20_000, len(batches))
    each = float(refused.sum()) / max(len(batches), 1)
    pause = sum(PAUSE_MS) / 2000
    # n waiting calls, served one after the other at the plan's rate, knock n^2 / (2 rate pause) times
    waiting = max(round(float(np.sqrt(2 * plan.rate * pause * each))), 2)

    def batch(at_ms: int, rng: np.random.Generator) -> Calls:
        wait_ms = np.minimum(np.arange(1, waiting + 1) * 1000 / plan.rate, PATIENCE_MS)
        begin = at_ms + rng.integers(0, 300, plan.burst + waiting)
        knocks = (wait_ms / rng.uniform(*PAUSE_MS, waiting)).astype(np.int64) + 1
        late = begin[plan.burst :]
        step = wait_ms / knocks
        which = np.repeat(np.arange(waiting), knocks)
        nth = np.arange(len(which)) - np.repeat(np.cumsum(knocks) - knocks, knocks)
        at = late[which] + (nth * step[which]).astype(np.int64) + rng.integers(0, 12, len(which))
        served = late + wait_ms.astype(np.int64) + 1
        served = served[wait_ms < PATIENCE_MS]
        calls = customer.calls(world, api, np.concatenate([begin[: plan.burst], served, at]), rng)
        knocking = np.arange(len(calls)) >= plan.burst + len(served)
        refuse(api, calls, knocking, Outcome.THROTTLED, rng)
        return made(calls)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        mine = batches[(batches >= block.start_ms) & (batches < block.end_ms)].tolist()
        return joined([calls, *(batch(at, rng) for at in mine)])

    return case.incident(
        edit,
        route=None if api.plans else api.routes[customer.route].key,
        culprits=customer.shown(case, batches),
        accept_subtypes=("over_plan",) if level == "subtle" else (),
        inventory=None if api.plans else stage_limit(api, plan.rate),
        tell="After each 429 the same client calls again within two tenths of a second, hundreds of times in a row.",
    )
