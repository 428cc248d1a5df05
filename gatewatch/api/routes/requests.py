"""Raw requests that fit a filter, a page at a time."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from gatewatch.api.access import VIEWER
from gatewatch.api.finding_query import field_names, names_of
from gatewatch.api.problems import problem
from gatewatch.api.reading import PROBLEMS, answer, ask
from gatewatch.api.request_query import SPAN, Span
from gatewatch.api.requests_shown import rows
from gatewatch.records import JSON, iso
from gatewatch.store.reading import REQUESTS_READ
from gatewatch.store.request_search import MOST, Found, find_requests
from gatewatch.store.state import State

router = APIRouter(prefix="/api/v1/requests", tags=["traffic"], dependencies=[VIEWER])

FIELDS = frozenset(REQUESTS_READ.names)


@router.get(
    "",
    operation_id="list_requests",
    summary="Raw requests, newest first",
    responses={**PROBLEMS},
)
async def list_requests(
    request: Request,
    span: Span = SPAN,
    sort: Annotated[Literal["-at", "at"], Query(description="-at: newest first")] = "-at",
    fields: Annotated[
        str | None,
        Query(max_length=1000, description="Only these, such as `at,status,path`", json_schema_extra=names_of(FIELDS)),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    cursor: Annotated[str | None, Query(max_length=512, description="next_cursor of the page before")] = None,
) -> Response:
    names = field_names(fields, FIELDS)

    def page(store: State) -> Found:
        return find_requests(
            store,
            since=span.since,
            until=span.until,
            terms=span.terms,
            limit=limit,
            cursor=cursor,
            newest_first=sort == "-at",
        )

    try:
        found = await ask(request, page)
    except ValueError:
        detail = "cursor: not one that this API gave for this order; begin again without it"
        return problem(400, detail, kind="urn:gatewatch:problem:bad-cursor")
    listed = rows(found.rows, request.app.state.privacy)
    if names is not None:
        listed = [{name: row[name] for name in names} for row in listed if isinstance(row, dict)]
    body: dict[str, JSON] = {
        "requests": listed,
        "next_cursor": found.next_cursor,
        "searched_to": None if found.searched_to is None else iso(found.searched_to),
    }
    return answer(body)
