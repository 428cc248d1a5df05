"""Live: what becomes of findings, and requests as they come in, as server-sent events."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from gatewatch.api.access import VIEWER
from gatewatch.api.live import LONGEST_S, LOOK_S, ROWS, allowed, event, stream
from gatewatch.api.reading import PROBLEMS, ask
from gatewatch.api.request_query import WHERE, request_terms
from gatewatch.api.requests_shown import rows
from gatewatch.privacy import Privacy
from gatewatch.records import JSON, iso
from gatewatch.store.arriving import (
    Arrived,
    FindingNews,
    arrived,
    finding_news,
    new_segments,
    news_mark,
    segment_mark,
)
from gatewatch.store.state import State

router = APIRouter(prefix="/api/v1/events", tags=["live"], dependencies=[VIEWER])

Seconds = Annotated[int, Query(ge=1, le=LONGEST_S, description="The stream ends after so long; then come again")]
_STREAM: dict[int | str, dict[str, object]] = {
    200: {"description": "A stream of events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


@router.get(
    "/findings",
    operation_id="finding_events",
    summary="What becomes of findings, as it happens",
    response_class=Response,
    responses={**_STREAM, **PROBLEMS},
)
async def findings(
    request: Request,
    seconds: Seconds = LONGEST_S,
    last: Annotated[str | None, Header(alias="Last-Event-ID", max_length=30, description="go on after it")] = None,
) -> Response:
    privacy: Privacy = request.app.state.privacy
    mark = int(last) if last is not None and last.isascii() and last.isdigit() and len(last) < 19 else None

    async def look() -> list[bytes]:
        nonlocal mark

        def news(store: State) -> tuple[int, list[FindingNews]]:
            with store.read() as session:
                if mark is None:
                    return news_mark(session), []
                found = finding_news(session, mark)
                return (found[-1].number if found else mark), found

        mark, found = await ask(request, news)
        return [event("finding", _news(one, privacy), one.number) for one in found]

    return stream(request, look, seconds)


def _news(one: FindingNews, privacy: Privacy) -> dict[str, JSON]:
    return {
        "at": iso(one.at),
        "transition": one.transition,
        "actor": one.actor,
        "note": privacy.text(one.note, one.principals),
        "id": one.finding_id,
        "kind": one.kind,
        "severity": one.severity,
        "state": one.state,
        "title": privacy.text(one.title, one.principals),
        "api_id": one.api,
        "stage": one.stage,
        "route": one.route,
    }


@router.get(
    "/requests",
    operation_id="request_events",
    summary=f"Requests as they come in, at most {ROWS / LOOK_S:.0f} a second, of how many",
    response_class=Response,
    responses={**_STREAM, **PROBLEMS},
)
async def requests(
    request: Request,
    where: Annotated[list[str] | None, WHERE] = None,
    seconds: Seconds = LONGEST_S,
) -> Response:
    terms = request_terms(request, where)
    privacy: Privacy = request.app.state.privacy
    mark: int | None = None
    looked = time.monotonic()

    async def look() -> list[bytes]:
        nonlocal mark, looked
        waited, looked = time.monotonic() - looked, time.monotonic()

        def news(store: State) -> tuple[int, Arrived | None]:
            with store.read() as session:
                if mark is None:
                    return segment_mark(session), None
                new, listed = new_segments(session, mark)
            return new, arrived(store, listed, terms, allowed(waited)) if listed else None

        mark, found = await ask(request, news)
        if found is None or not found.total:
            return []
        shown = rows(found.rows, privacy)
        return [event("requests", {"requests": shown, "shown": len(shown), "total": found.total}, mark)]

    return stream(request, look, seconds)
