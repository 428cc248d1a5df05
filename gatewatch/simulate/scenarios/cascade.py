"""The database that all share is down: functions hang, the authorizer with them, and clients try again."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, made, touched
from gatewatch.simulate.calls import Calls, joined, refuse
from gatewatch.simulate.case import Case, shows_any
from gatewatch.simulate.crowds import ordinary_routes, token_routes
from gatewatch.simulate.demand import per_minute
from gatewatch.simulate.model import Api, Mask, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.scenarios import Planted, Unfit, scenario

AGAIN_MS = (2_000, 9_000)
"""After a failure half of the clients try once more."""

LEAST = {"blatant": 150, "moderate": 60, "subtle": 25}
"""Calls that there must be."""


def _fits(api: Api) -> bool:
    return api.kind == "rest" and api.authorizer == "lambda" and shows_any(api, "error.responseType")


@scenario(
    "cascade",
    kind="dead_api",
    subtype="live_outage",
    cause="integration",
    minutes={"blatant": 35, "moderate": 20, "subtle": 10},
    fits=_fits,
)
def cascade(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """One cause that shows as slow answers, as an authorizer that times out, as errors and as more calls.

    Integrations hang until the gateway gives up after 29 s; calls whose token is not in the authorizer's cache (which
    goes on being refilled by its other instances) fail before that.
    """
    case = Case("cascade", world, api, level, start_ms, end_ms, rng)
    routes, guarded = ordinary_routes(api), token_routes(api)
    if per_minute(world, api, *case.minutes).sum() < LEAST[level]:
        raise Unfit("too few calls to tell an outage")

    def fail(calls: Calls, where: Mask, rng: np.random.Generator) -> None:
        asked = where & np.isin(calls.route, guarded) & (calls.authorizer_ms > 0)
        refuse(api, calls, asked, Outcome.AUTHORIZER_TIMEOUT, rng)
        refuse(api, calls, where & ~asked, Outcome.INTEGRATION_TIMEOUT, rng)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        hit = np.isin(calls.route, routes) & (calls.outcome == Outcome.ANSWERED)
        again = calls.take(hit & (rng.random(len(calls)) < 0.5))
        fail(calls, hit, rng)
        touched(calls, hit)
        again.at_ms += rng.integers(*AGAIN_MS, len(again))
        fail(again, np.ones(len(again), dtype=np.bool_), rng)
        return joined([calls, made(again)])

    return case.incident(
        edit,
        accept_causes=("gateway", "unknown"),
        tell="Time-outs after 29 s on every route at once, and an authorizer that times out: one cause, three faces.",
    )
