"""A client hits its limit now and then, waits longer each time, and gets through."""

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

WAITS_MS = (1_000, 3_000, 7_000, 15_000)
"""After the first, second … refusal of a call (exponential back-off), since the first try."""


@scenario("polite_client", benign=True, minutes={"blatant": 60, "moderate": 60, "subtle": 60}, fits=limited)
def polite_client(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """Every ten minutes a batch that is a few calls too large; what is refused comes again after 1, 3, 7, 15 s."""
    case = Case("polite_client", world, api, level, start_ms, end_ms, rng)
    customer = any_customer(world, api, rng)
    plan = customer.plan
    over = round(case.by_level(12, 7, 3))
    batches = np.arange(case.start_ms // MINUTE_MS + 1, case.until_ms // MINUTE_MS, 10, dtype=np.int64) * MINUTE_MS
    batches = batches + rng.integers(1_000, 20_000, len(batches))

    def batch(at_ms: int, rng: np.random.Generator) -> Calls:
        first = at_ms + rng.integers(0, 300, plan.burst + over)
        late = first[plan.burst :]
        room_ms = np.arange(1, over + 1) * 1000 / plan.rate
        tries = np.minimum(np.searchsorted(np.array(WAITS_MS), room_ms), len(WAITS_MS) - 1)
        passed = late + np.array(WAITS_MS)[tries] + rng.integers(0, 250, over)
        failed = [late] + [
            late[tries > number] + WAITS_MS[number] + rng.integers(0, 250, int((tries > number).sum()))
            for number in range(len(WAITS_MS) - 1)
        ]
        good = np.concatenate([first[: plan.burst], passed])
        calls = customer.calls(world, api, np.concatenate([good, *failed]), rng)
        refuse(api, calls, np.arange(len(calls)) >= len(good), Outcome.THROTTLED, rng)
        return made(calls)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        mine = batches[(batches >= block.start_ms) & (batches < block.end_ms)].tolist()
        return joined([calls, *(batch(at, rng) for at in mine)])

    return case.benign(
        edit,
        route=None if api.plans else api.routes[customer.route].key,
        inventory=None if api.plans else stage_limit(api, plan.rate),
        why="After each 429 the client waits 1, 3, 7, 15 s, and every call gets through in the end: as it should be.",
    )
