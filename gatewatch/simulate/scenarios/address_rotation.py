"""One key far above its plan, from ever new addresses, as if it were many clients."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, made
from gatewatch.simulate.calls import Calls, joined, refuse
from gatewatch.simulate.case import Case
from gatewatch.simulate.labels import Culprits
from gatewatch.simulate.model import MINUTE_MS, Api, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.people import addresses, agent
from gatewatch.simulate.plans import customers, has_plans, within_plan
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.severity import NO_THROTTLING, extra_counts


@scenario(
    "address_rotation",
    kind="throttling_abuse",
    subtype="address_rotation",
    cause="client",
    minutes={"blatant": 40, "moderate": 75, "subtle": 150},
    fits=has_plans,
)
def address_rotation(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """A scraper with a customer's key: bursts above the bucket, spread over hundreds of rented exits, one agent."""
    case = Case("address_rotation", world, api, level, start_ms, end_ms, rng)
    customer = customers(api, rng)[0]
    plan = customer.plan
    minutes = round((case.until_ms - case.start_ms) / MINUTE_MS)
    refused = extra_counts(np.full(minutes, NO_THROTTLING), 1.0, level, rng, least=case.by_level(1_800, 450, 150))
    apart = int(case.by_level(1, 2, 5))
    batches = np.arange(case.start_ms // MINUTE_MS + 1, case.until_ms // MINUTE_MS, apart, dtype=np.int64) * MINUTE_MS
    batches = batches + rng.integers(2_000, 40_000, len(batches))
    over = float(refused.sum()) / max(len(batches), 1)
    sizes = plan.burst + round(plan.rate) + 1 + rng.poisson(over, len(batches))
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    pool = addresses("proxy", min(max(int(sizes.sum()) // 4, 40), 800), rng)
    tool = agent("Go-http")

    def batch(place: int, rng: np.random.Generator) -> Calls:
        at = np.sort(batches[place] + rng.integers(0, 1_000, int(sizes[place])))
        calls = customer.calls(world, api, at, rng)
        calls.ip[:] = pool[(first[place] + np.arange(len(at))) % len(pool)]
        calls.agent[:] = tool
        refuse(api, calls, ~within_plan(plan, at), Outcome.THROTTLED, rng)
        return made(calls)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        mine = np.flatnonzero((batches >= block.start_ms) & (batches < block.end_ms)).tolist()
        return joined([calls, *(batch(place, rng) for place in mine)])

    some = customer.calls(world, api, np.full(len(pool), case.start_ms), rng)
    some.ip[:] = pool
    some.agent[:] = tool
    found = case.shown(some, agents=True, network=True)
    return case.incident(
        edit,
        culprits=Culprits(found.ips, found.api_key_ids, (), found.user_agents, found.asns),
        tell="Hundreds of addresses that were never seen before share one key and one agent, and one plan's limit.",
    )
