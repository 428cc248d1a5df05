"""Exports: all findings that fit a filter, and all requests behind one, as files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import IO, Annotated, Any, BinaryIO, cast

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from gatewatch.api.access import VIEWER
from gatewatch.api.finding_query import Asked
from gatewatch.api.reading import NOT_FOUND, PROBLEMS, ask, missing
from gatewatch.api.routes.findings import FindingId
from gatewatch.exporting import selection, write_findings, write_requests
from gatewatch.records import iso
from gatewatch.store.finding_cursor import NEWEST, Order
from gatewatch.store.findings import FindingFilter, get_finding
from gatewatch.store.state import State

router = APIRouter(prefix="/api/v1/export", tags=["export"], dependencies=[VIEWER])

_IN_MEMORY = 4 << 20
_CHUNK = 256 << 10


class Format(StrEnum):
    """Of a file."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.JSONL: "application/x-ndjson",
    Format.PARQUET: "application/vnd.apache.parquet",
}
_FILE: dict[str, Any] = {
    "description": "The file; what was asked for stands before its first row, or in Parquet's metadata",
    "content": {kind.split(";")[0]: {"schema": {"type": "string", "format": "binary"}} for kind in TYPES.values()},
}
Form = Annotated[Format, Query(alias="format")]
About = Annotated[bool, Query(description="false: only rows, for programs that know no comments")]


@router.get(
    "/findings",
    operation_id="export_findings",
    summary="All findings that fit the filters of the list, as a file",
    responses={200: _FILE, **PROBLEMS},
)
async def findings(
    request: Request,
    wish: FindingFilter = Asked,
    form: Form = Format.CSV,
    sort: Annotated[Order, Query(description="-: the highest, or newest, first")] = NEWEST,
    about: About = True,
) -> Response:
    said = {"gatewatch": "findings", **told(wish), "exported": iso(datetime.now(UTC))} if about else None
    privacy = request.app.state.privacy

    def written(store: State, out: BinaryIO) -> None:
        write_findings(store, wish, form.value, out, sort=sort, privacy=privacy, about=said)

    return await _file(request, written, form, "findings")


@router.get(
    "/findings/{id}/requests",
    operation_id="export_finding_requests",
    summary="All requests of a finding's place and time, as a file",
    responses={200: _FILE, **NOT_FOUND, **PROBLEMS},
)
async def requests(request: Request, finding_id: FindingId, form: Form = Format.CSV, about: About = True) -> Response:
    def known(store: State) -> Any:
        with store.read() as session:
            return get_finding(session, finding_id)

    stored = await ask(request, known)
    if stored is None:
        raise missing("finding with this id")
    privacy = request.app.state.privacy

    def written(store: State, out: BinaryIO) -> None:
        asked = selection(store, stored.finding)
        where = {name: str(value) for name, value in asked.to_json().items()}
        said = {"gatewatch": "requests", "finding": finding_id, **where, "exported": iso(datetime.now(UTC))}
        write_requests(store, stored.finding, form.value, out, privacy=privacy, about=said if about else None)

    return await _file(request, written, form, f"requests-{stored.finding.id}")


def told(wish: FindingFilter) -> dict[str, str]:
    """A filter in the words of the query string."""
    plain = {
        "kind": wish.kind,
        "severity": wish.severity_min.value if wish.severity_min else None,
        "api": wish.api,
        "stage": wish.stage,
        "route": wish.route,
        "state": wish.state,
        "since": iso(wish.since) if wish.since else None,
        "until": iso(wish.until) if wish.until else None,
        "q": wish.text,
        "where": " and ".join(str(term) for term in wish.where) or None,
    }
    return {name: value for name, value in plain.items() if value is not None}


async def _file(request: Request, write: Callable[[State, BinaryIO], None], form: Format, name: str) -> Response:
    """Written to a file first, however large: an error is an error then, and no half of a file."""

    def made(store: State) -> IO[bytes]:
        out = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  # closed when it is sent
        try:
            write(store, cast(BinaryIO, out))
        except BaseException:
            out.close()
            raise
        out.seek(0)
        return cast(IO[bytes], out)

    headers = {"Content-Disposition": f'attachment; filename="{name}.{form.value}"'}
    return StreamingResponse(_chunks(await ask(request, made)), media_type=TYPES[form], headers=headers)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk
