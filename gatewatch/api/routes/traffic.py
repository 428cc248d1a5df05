"""APIs, routes and consumers: what was called, how it went, and what is declared."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from detect.inventory import declared
from gatewatch.api.access import VIEWER
from gatewatch.api.reading import PROBLEMS, answer, ask, unfit
from gatewatch.api.request_query import SPAN, Span, usage
from gatewatch.privacy import Privacy
from gatewatch.records import JSON, iso
from gatewatch.store.inventories import current_inventory
from gatewatch.store.request_fields import ROLLED, shown
from gatewatch.store.state import State
from gatewatch.store.traffic_table import API_KEYS, MOST_ROWS, ROUTE_KEYS, Traffic, callers, traffic

router = APIRouter(prefix="/api/v1", tags=["traffic"], dependencies=[VIEWER])

Limit = Annotated[int, Query(ge=1, le=MOST_ROWS)]


@router.get(
    "/apis",
    operation_id="list_apis",
    summary="Stages of APIs: their traffic in the range, the busiest first, and those that are declared and not called",
    responses={**PROBLEMS},
)
async def apis(request: Request, span: Span = SPAN, limit: Limit = 200) -> Response:
    _rolled(span)

    def listed(store: State) -> dict[str, JSON]:
        with store.read() as session:
            known = declared(current_inventory(session))
        found = traffic(store, API_KEYS, span.since, span.until, span.terms, limit=limit)
        names = {one.api: one.name for one in known}
        called = {(one.key["api"], one.key["stage"]) for one in found}
        quiet = sorted({(one.api, one.stage) for one in known if (one.api, one.stage) not in called} - called)
        return {
            "apis": [{**_row(one), "name": names.get(one.key["api"] or "")} for one in found],
            "not_called": [{"api": api, "stage": stage, "name": names.get(api)} for api, stage in quiet[:MOST_ROWS]]
            if not span.terms
            else [],
        }

    return answer(await ask(request, listed))


@router.get("/routes", operation_id="list_routes", summary="Routes by traffic in the range", responses={**PROBLEMS})
async def routes(request: Request, span: Span = SPAN, limit: Limit = 200) -> Response:
    _rolled(span)

    def listed(store: State) -> list[JSON]:
        return [_row(one) for one in traffic(store, ROUTE_KEYS, span.since, span.until, span.terms, limit=limit)]

    return answer({"routes": await ask(request, listed)})


@router.get(
    "/consumers", operation_id="list_consumers", summary="Callers by traffic in the range", responses={**PROBLEMS}
)
async def consumers(request: Request, span: Span = SPAN, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> Response:
    privacy: Privacy = request.app.state.privacy

    def listed(store: State) -> list[JSON]:
        return [
            {
                "client_id": shown(privacy, "client_id", one.client_id),
                **_sums(one.sums),
                "routes": one.routes,
                "first_at": iso(one.first_at),
                "last_at": iso(one.last_at),
                "user_agent": None if one.user_agent is None else privacy.text(one.user_agent),
            }
            for one in usage(lambda: callers(store, span.since, span.until, span.terms, limit=limit))
        ]

    return answer({"consumers": await ask(request, listed)})


def _rolled(span: Span) -> None:
    foreign = sorted({term.field for term in span.terms} - set(ROLLED))
    if foreign:
        raise unfit(f"where: rollups have no {foreign[0]}; they have {', '.join(ROLLED)}")


def _row(one: Traffic) -> dict[str, JSON]:
    return {**one.key, **_sums(one.sums), "latency_p95_ms": one.p95_ms, "last_at": iso(one.last_at)}


def _sums(sums: dict[str, int]) -> dict[str, JSON]:
    return {
        "requests": sums["n"],
        "client_errors": sums["s4xx"],
        "server_errors": sums["s5xx"],
        "auth_refusals": sums["auth"],
        "throttled": sums["throttled"],
        "response_bytes": sums["bytes"],
    }
