"""The authorizer takes longer, and its answers are no longer cached."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, touched
from gatewatch.simulate.calls import Calls, slow
from gatewatch.simulate.case import Case, shows_any
from gatewatch.simulate.crowds import token_routes
from gatewatch.simulate.demand import per_minute
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.scenarios import Planted, Unfit, scenario
from gatewatch.simulate.severity import calls_per_quarter, shift_for
from gatewatch.simulate.slowness import spread_of, typical_ms
from gatewatch.simulate.trail import function_update, patched


def _fits(api: Api) -> bool:
    return api.kind != "http" and bool(token_routes(api)) and shows_any(api, "responseLatency", "authorizer.latency")


@scenario(
    "slow_authorizer",
    kind="latency_outlier",
    subtype="authorizer",
    cause="config_change",
    minutes={"blatant": 45, "moderate": 90, "subtle": 240},
    fits=_fits,
)
def slow_authorizer(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """The cache of decisions is switched off, and a smaller function answers: every call with a token waits for it."""
    case = Case("slow_authorizer", world, api, level, start_ms, end_ms, rng)
    routes = token_routes(api)
    weight = sum(api.routes[place].weight for place in routes)
    if per_minute(world, api, *case.minutes).sum() * weight < 30:
        raise Unfit("too few calls with tokens")
    calls = calls_per_quarter(world, api, weight, case.start_ms, case.until_ms)
    shift = shift_for(calls, spread_of(api, routes), level, rng)
    extra_ms = (typical_ms(api, routes) + api.authorizer_ms * 0.2) * (float(np.exp(shift)) - 1)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        hit = np.isin(calls.route, routes) & (calls.authorizer_ms >= 0) & (calls.outcome == Outcome.ANSWERED)
        slow(calls, hit, "authorizer", extra_ms * rng.lognormal(0.0, 0.4, int(hit.sum())))
        touched(calls, hit)
        return calls

    at_ms = case.before_start()
    changes = [patched(case, at_ms, "UpdateAuthorizer", {"/authorizerResultTtlInSeconds": "0"}, authorizerId="a1b2c3")]
    changes.append(function_update(case, at_ms + 5_000, f"{api.name}-auth", memorySize=128))
    split = shows_any(api, "authorizer.latency")
    return case.incident(
        edit,
        layer="authorizer" if split else "gateway",
        accept_subtypes=("step",) if split else ("step", "gateway"),
        accept_causes=("gateway",),
        changes=changes,
        tell=f"Calls with a token take {extra_ms:.0f} ms more, in front of the integration; those without one do not.",
    )
