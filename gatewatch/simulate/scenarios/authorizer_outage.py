"""The authorizer breaks: nobody can be let in, whatever they bring."""

from __future__ import annotations

import numpy as np

from gatewatch.records import JSON
from gatewatch.simulate.blocks import Block, touched
from gatewatch.simulate.calls import Calls, refuse
from gatewatch.simulate.case import Case, shows_any
from gatewatch.simulate.changes import record
from gatewatch.simulate.crowds import token_routes
from gatewatch.simulate.demand import per_minute
from gatewatch.simulate.model import MINUTE_MS, Api, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.severity import share_of_calls
from gatewatch.simulate.trail import api_ids, function_update, new_code

CACHE_MS = 5 * MINUTE_MS
"""Answers of the authorizer that the gateway cached before stay good for so long."""

WAYS = (Outcome.AUTHORIZER_MISCONFIGURED, Outcome.AUTHORIZER_FAILED, Outcome.AUTHORIZER_TIMEOUT)


def _fits(api: Api) -> bool:
    return api.kind != "http" and api.authorizer == "lambda" and shows_any(api, "error.responseType")


@scenario(
    "authorizer_outage",
    kind="auth_failure_spike",
    subtype="authorizer_outage",
    cause="config_change",
    minutes={"blatant": 30, "moderate": 45, "subtle": 90},
    fits=_fits,
)
def authorizer_outage(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """Its permission is taken away, its new code crashes, or it times out; cached decisions fade within minutes.

    blatant: every call; moderate: half of them; subtle: as few as the level needs (one of several instances is bad).
    """
    case = Case("authorizer_outage", world, api, level, start_ms, end_ms, rng)
    way = WAYS[int(rng.integers(0, 3))] if level != "subtle" else WAYS[int(rng.integers(1, 3))]
    routes = token_routes(api)
    weight = sum(api.routes[place].weight for place in routes)
    calls = per_minute(world, api, *case.minutes) * weight
    share = share_of_calls(
        calls, calls * 0 + 0.001, api.dispersion, level, rng, least=case.by_level(60, 40, 20),
        full=case.by_level(1.0, 0.5, 0.0),
    )  # fmt: skip

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        faded = (calls.at_ms - case.start_ms) / CACHE_MS
        asked = (calls.authorizer_ms > 0) | (rng.random(len(calls)) < faded)
        hit = np.isin(calls.route, routes) & asked & (rng.random(len(calls)) < share)
        refuse(api, calls, hit, way, rng)
        touched(calls, hit)
        return calls

    return case.incident(
        edit,
        cause="config_change" if way is not Outcome.AUTHORIZER_TIMEOUT else "gateway",
        accept_causes=("gateway",),
        changes=_changes(case, way),
        tell="Answers of type AUTHORIZER_… with status 500 for all clients alike, however good their tokens are.",
    )


def _changes(case: Case, way: Outcome) -> list[dict[str, JSON]]:
    at_ms, function = case.before_start(), f"{case.api.name}-auth"
    if way is Outcome.AUTHORIZER_MISCONFIGURED:
        gone: dict[str, JSON] = {"functionName": function, "statementId": f"apigateway-{case.api.id}"}
        return [record(case.world, at_ms, "RemovePermission20150331v2", gone, source="lambda")]
    if way is Outcome.AUTHORIZER_FAILED:
        update = {**api_ids(case, stage=False), "authorizerId": "a1b2c3", "name": "tokens"}
        return [new_code(case, at_ms, function), record(case.world, at_ms + 2_000, "UpdateAuthorizer", update)]
    return [function_update(case, at_ms, function, timeout=10, memorySize=128)] if case.rng.random() < 0.3 else []
