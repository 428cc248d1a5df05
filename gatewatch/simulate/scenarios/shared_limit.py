"""A limit of all is set too low: whoever calls is refused now and then."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, touched
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.case import Case
from gatewatch.simulate.demand import per_minute
from gatewatch.simulate.limits import above, limit_for, stage_limit, throttle
from gatewatch.simulate.model import MINUTE_MS, Api, World
from gatewatch.simulate.scenarios import Planted, Unfit, scenario
from gatewatch.simulate.severity import NO_THROTTLING, extra_counts
from gatewatch.simulate.trail import patched


@scenario(
    "shared_limit",
    kind="throttling_abuse",
    subtype="shared_limit",
    cause="config_change",
    minutes={"blatant": 30, "moderate": 50, "subtle": 120},
    fits=lambda api: api.rate_rps >= 0.05,
)
def shared_limit(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """The stage's throttle is lowered below the demand of the hour; the excess is refused, whoever it is."""
    case = Case("shared_limit", world, api, level, start_ms, end_ms, rng)
    demand = per_minute(world, api, *case.minutes)
    refused = extra_counts(
        np.full(len(demand), NO_THROTTLING), 1.0, level, rng, least=case.by_level(300, 120, 40), shape=demand
    )
    share = max(float(refused.sum() / demand.sum()), case.by_level(0.5, 0.2, 0.0))
    if share > 0.9:
        raise Unfit("too few calls for so many refusals")
    limit = limit_for(share, float(demand.mean()), api.dispersion)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        hit = above(calls, limit, rng)
        throttle(api, calls, hit, rng)
        touched(calls, hit)
        return calls

    path = "/*/*/throttling/rateLimit" if api.kind == "rest" else "/throttlingRateLimit"
    value = f"{limit / 60:.3g}"
    back = None if case.ended_ms is None else patched(case, case.ended_ms, "UpdateStage", {path: "10000"})
    change = patched(case, case.before_start(), "UpdateStage", {path: value})
    still = stage_limit(api, round(limit / MINUTE_MS * 1000, 3)) if case.ended_ms is None else None
    return case.incident(
        edit,
        changes=[change] if back is None else [change, back],
        accept_causes=("gateway",),
        inventory=still,
        tell="All clients are refused in proportion to their calls, since the stage's rate limit was lowered.",
    )
