"""Calls come, but every one of them fails behind the gateway."""

from __future__ import annotations

import numpy as np

from gatewatch.records import JSON
from gatewatch.simulate.blocks import Block, touched
from gatewatch.simulate.calls import Calls, answer, refuse
from gatewatch.simulate.case import Case
from gatewatch.simulate.changes import record
from gatewatch.simulate.crowds import ordinary_routes
from gatewatch.simulate.demand import per_minute
from gatewatch.simulate.inventory import function_name
from gatewatch.simulate.model import MINUTE_MS, Api, Route, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.scenarios import Planted, Unfit, scenario
from gatewatch.simulate.trail import release

LEAST = {"blatant": 60, "moderate": 25, "subtle": 12}
"""Failed calls that there must be."""

WAYS = ("unreachable", "crashed", "forbidden")


@scenario(
    "outage_errors",
    kind="dead_api",
    subtype="live_outage",
    cause="integration",
    minutes={"blatant": 40, "moderate": 20, "subtle": 10},
)
def outage_errors(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """Back ends cannot be reached, crash after a release, or may no longer be called; everything answers 5xx.

    blatant: the whole API; moderate: the whole API for a short time; subtle: its least used ordinary route only.
    """
    case = Case("outage_errors", world, api, level, start_ms, end_ms, rng)
    routes = ordinary_routes(api)
    if level == "subtle":
        routes = [min(routes, key=lambda place: api.routes[place].weight)]
    weight = sum(api.routes[place].weight for place in routes)
    begin, end = case.minutes
    longest = int(per_minute(world, api, begin, min(end + 12 * 60 * MINUTE_MS, world.end_ms)).cumsum().searchsorted(
        LEAST[level] / weight
    )) + 2  # fmt: skip
    if case.ended_ms is not None:
        case.end_ms = max(case.end_ms, start_ms + longest * MINUTE_MS)
        if case.end_ms >= world.end_ms or longest > 10 * 60:
            raise Unfit("too few calls to tell an outage")
    way = WAYS[int(rng.integers(3))]

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        hit = np.isin(calls.route, routes) & (calls.outcome == Outcome.ANSWERED)
        calls.cached[hit] = False
        if way == "unreachable":
            refuse(api, calls, hit, Outcome.INTEGRATION_FAILED, rng)
        elif way == "forbidden":
            refuse(api, calls, hit, Outcome.INTEGRATION_FORBIDDEN, rng)
        else:
            served = hit & (calls.integration_ms < 0)
            calls.integration_ms[served] = rng.integers(3, 30, int(served.sum()))
            answer(calls, hit, 500)
        touched(calls, hit)
        return calls

    only = api.routes[routes[0]]
    return case.incident(
        edit,
        route=only.key if len(routes) == 1 else None,
        cause="integration" if way == "unreachable" else "config_change",
        accept_causes=("integration", "gateway"),
        changes=_changes(case, way, only),
        tell="Calls come as always, and not one of them is answered with anything but a server error.",
    )


def _changes(case: Case, way: str, route: Route) -> list[dict[str, JSON]]:
    if way == "unreachable":
        return []
    if way == "crashed":
        return release(case, route)
    gone: dict[str, JSON] = {"functionName": function_name(case.api, route), "statementId": f"apigateway-{case.api.id}"}
    return [record(case.world, case.before_start(), "RemovePermission20150331v2", gone, source="lambda")]
