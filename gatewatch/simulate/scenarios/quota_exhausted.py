"""A customer has used up its quota of the day and calls on regardless."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, made, touched
from gatewatch.simulate.calls import Calls, joined, refuse
from gatewatch.simulate.case import Case
from gatewatch.simulate.crowds import beats
from gatewatch.simulate.labels import Culprits
from gatewatch.simulate.model import DAY_MS, Api, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.plans import customers, has_plans
from gatewatch.simulate.scenarios import Planted, Unfit, scenario
from gatewatch.simulate.severity import NO_THROTTLING, extra_counts


def _fits(api: Api) -> bool:
    return has_plans(api) and any(plan.quota_day for plan in api.plans)


@scenario(
    "quota_exhausted",
    kind="throttling_abuse",
    subtype="quota_exhausted",
    cause="client",
    minutes={"blatant": 90, "moderate": 150, "subtle": 240},
    fits=_fits,
)
def quota_exhausted(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """Every call with the key is refused until the day ends (UTC); a job of the customer polls on at its own pace."""
    end_ms = min(end_ms, (start_ms // DAY_MS + 1) * DAY_MS)
    if end_ms - start_ms < DAY_MS // 36:
        raise Unfit("the day is nearly over")
    case = Case("quota_exhausted", world, api, level, start_ms, end_ms, rng)
    customer = next(one for one in customers(api, rng) if one.plan.quota_day)
    begin, end = case.minutes
    rate = extra_counts(
        np.full((end - begin) // 60_000, NO_THROTTLING), 1.0, level, rng, least=case.by_level(2_500, 600, 120)
    )
    period_ms = max(60_000 / float(rate.mean()), 300.0)
    keyed = [place for place, route in enumerate(api.routes) if route.auth == "key"]

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        at_ms, _ = beats(block, case.start_ms, period_ms, 400, case.salt)
        polls = customer.calls(world, api, at_ms, rng)
        refuse(api, polls, np.ones(len(polls), dtype=np.bool_), Outcome.QUOTA, rng)
        hit = (calls.key == customer.key) & np.isin(calls.route, keyed)
        refuse(api, calls, hit, Outcome.QUOTA, rng)
        touched(calls, hit)
        return joined([calls, made(polls)])

    found = customer.shown(case, np.arange(case.start_ms, case.until_ms, 600_000))
    return case.incident(
        edit,
        culprits=Culprits(found.ips, found.api_key_ids),
        tell="QUOTA_EXCEEDED for every single call of one key, at an unchanged pace, until midnight UTC.",
    )
