"""Exports of all requests and rollups that match, streamed as CSV, JSON lines or Parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import pyarrow as pa
from fastapi import APIRouter, HTTPException, Query, Request
from starlette.concurrency import iterate_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from gatewatch.api.access import VIEWER
from gatewatch.api.reading import PROBLEMS, unfit
from gatewatch.api.request_query import SPAN, Span
from gatewatch.frames import MINUTES, merge_minutes
from gatewatch.privacy import Privacy
from gatewatch.records import iso
from gatewatch.store.matching import matching_minutes, matching_requests
from gatewatch.store.reading import REQUESTS_READ
from gatewatch.store.request_fields import ROLLED
from gatewatch.store.state import State
from gatewatch.tables import pieces
from gatewatch.where import words

router = APIRouter(prefix="/api/v1/export", tags=["export"], dependencies=[VIEWER])

AT_ONCE = 3
"""Exports that run at the same time in this process."""

Form = Annotated[Literal["csv", "jsonl", "parquet"], Query(alias="format")]
About = Annotated[bool, Query(description="Say first what this is: filter, range, time of export")]

_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
_ANSWERS: dict[int | str, dict[str, object]] = {
    200: {
        "description": "The rows; broken off, and not ended, when something fails on the way",
        "content": {name.partition(";")[0]: {"schema": {"type": "string"}} for name in _TYPES.values()},
    },
    **PROBLEMS,
}


@router.get(
    "/requests",
    operation_id="export_requests",
    summary="All requests that fit, in the order of time as they are stored",
    response_class=Response,
    responses=_ANSWERS,
)
async def requests(request: Request, span: Span = SPAN, form: Form = "csv", about: About = True) -> Response:
    privacy: Privacy = request.app.state.privacy

    def rows(store: State) -> Iterator[pa.RecordBatch]:
        for batch in matching_requests(store, span.since, span.until, span.terms):
            if privacy.on:
                masked = [privacy.row(row) for row in batch.to_pylist()]
                yield from pa.Table.from_pylist(masked, REQUESTS_READ).to_batches()
            else:
                yield batch

    return _export(request, "requests", rows, REQUESTS_READ, form, _told(span) if about else None)


@router.get(
    "/minutes",
    operation_id="export_minutes",
    summary="All rollups that fit: a row a minute, API, stage and route",
    response_class=Response,
    responses=_ANSWERS,
)
async def minutes(request: Request, span: Span = SPAN, form: Form = "csv", about: About = True) -> Response:
    foreign = sorted({term.field for term in span.terms} - set(ROLLED))
    if foreign:
        raise unfit(f"where: rollups have no {foreign[0]}; they have {', '.join(ROLLED)}")

    def rows(store: State) -> Iterator[pa.RecordBatch]:
        begin = span.since
        while begin < span.until:  # whole hours, so that the rows of a minute come together
            end = min(begin.replace(minute=0, second=0, microsecond=0) + timedelta(hours=6), span.until)
            yield from merge_minutes(matching_minutes(store, begin, end, span.terms)).to_batches(max_chunksize=16384)
            begin = end

    return _export(request, "minutes", rows, MINUTES, form, _told(span) if about else None)


def _told(span: Span) -> dict[str, str]:
    return {"since": iso(span.since), "until": iso(span.until), "where": "; ".join(words(span.terms))}


def _export(
    request: Request,
    what: str,
    rows: Callable[[State], Iterator[pa.RecordBatch]],
    schema: pa.Schema,
    form: str,
    told: dict[str, str] | None,
) -> Response:
    running: list[str] = request.app.state.exports
    if len(running) >= AT_ONCE:
        raise HTTPException(429, f"{AT_ONCE} exports run already; try again when one has ended", {"Retry-After": "10"})
    running.append(what)
    now = datetime.now(UTC)
    head = None if told is None else {"export": what, **told, "exported_at": iso(now)}

    def written() -> Iterator[bytes]:
        yield from pieces(rows(request.app.state.opened()), schema, form, head=head)

    name = f"gatewatch-{what}-{now:%Y%m%dT%H%M%SZ}.{form}"
    return _Export(written(), _TYPES[form], name, lambda: running.remove(what))


class _Export(StreamingResponse):
    """Tells when it is over, however that came."""

    def __init__(self, written: Iterator[bytes], media_type: str, name: str, over: Callable[[], None]) -> None:
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        super().__init__(iterate_in_threadpool(written), media_type=media_type, headers=headers)
        self._over = over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._over()
