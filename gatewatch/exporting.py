"""Stored findings and their requests as files for other programs: all of them, a page or a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from alerts.render.csv import csv_cell
from alerts.render.json import json_text
from gatewatch.cells import CSV_COLUMNS, csv_line, csv_row
from gatewatch.frames import REQUESTS
from gatewatch.privacy import Privacy
from gatewatch.records import JSON, Finding, Selection, iso
from gatewatch.store.behind import REFUSALS, causes_of
from gatewatch.store.finding_cursor import NEWEST, Order
from gatewatch.store.findings import FindingFilter, StoredFinding, list_findings
from gatewatch.store.reading import bounds, stream_requests
from gatewatch.store.state import State
from gatewatch.tables import write_batches

SCHEMA_VERSION = 1
FORMATS = ("csv", "jsonl", "parquet")
PAGE = 200

COLUMNS: tuple[str, ...] = (*CSV_COLUMNS, "state", "first_seen_at", "updated_at", "occurrences")
_FLAT = ("id", "start", "kind", "severity")


def all_findings(
    state: State, wish: FindingFilter, limit: int | None = None, *, sort: Order = NEWEST
) -> Iterator[StoredFinding]:
    """Every finding that the filter keeps, newest first, a page at a time."""
    cursor: str | None = None
    given = 0
    while True:
        size = PAGE if limit is None else min(PAGE, limit - given)
        if size <= 0:
            return
        with state.read() as session:
            page = list_findings(session, wish, limit=size, cursor=cursor, sort=sort)
        yield from page.items
        given += len(page.items)
        cursor = page.next_cursor
        if cursor is None:
            return


def to_json(stored: StoredFinding, privacy: Privacy | None = None) -> dict[str, JSON]:
    return {
        "schema_version": SCHEMA_VERSION,
        **(privacy.finding(stored.finding) if privacy else stored.finding).to_json(),
        "state": stored.state.value,
        "first_seen_at": iso(stored.first_seen_at),
        "updated_at": iso(stored.updated_at),
        "occurrences": stored.occurrences,
        "assignee": stored.assignee,
        "suppression": stored.suppression,
    }


def row(stored: StoredFinding, privacy: Privacy | None = None) -> list[object]:
    """Cells in the order of COLUMNS."""
    times = (iso(stored.first_seen_at), iso(stored.updated_at))
    finding = privacy.finding(stored.finding) if privacy else stored.finding
    return [*csv_row(finding), stored.state.value, *times, stored.occurrences]


def write_findings(
    state: State,
    wish: FindingFilter,
    form: str,
    out: BinaryIO,
    *,
    sort: Order = NEWEST,
    privacy: Privacy | None = None,
    about: Mapping[str, str] | None = None,
) -> int:
    """Write in `form` (one of FORMATS) and return how many there were.

    about: what was asked for; it stands before the first row, as `#` lines of a CSV file, as an object `export` of JSON
    lines, as metadata of Parquet. privacy: what is shown of people.
    """
    found = all_findings(state, wish, sort=sort)
    count = 0
    if form == "parquet":
        rows = [to_json(stored, privacy) for stored in found]
        flat = [[row_.get(name) for row_ in rows] for name in _FLAT]
        columns = {name: pa.array(values, pa.string()) for name, values in zip(_FLAT, flat, strict=True)}
        columns["finding"] = pa.array([json_text(row_) for row_ in rows], pa.string())
        pq.write_table(pa.table(columns).replace_schema_metadata(dict(about or {})), out, compression="zstd")
        return len(rows)
    _head(form, out, about)
    if form == "csv":
        out.write(csv_line(COLUMNS).encode())
    for stored in found:
        out.write(
            (csv_line(row(stored, privacy)) if form == "csv" else json_text(to_json(stored, privacy)) + "\n").encode()
        )
        count += 1
    return count


def write_requests(
    state: State,
    finding: Finding,
    form: str,
    out: BinaryIO,
    *,
    privacy: Privacy,
    about: Mapping[str, str] | None = None,
) -> int:
    """All requests of a finding's place and time, as they may be shown; how many. about: see write_findings."""
    asked = selection(state, finding)
    batches = (_shown(batch, privacy) for batch in stream_requests(state, asked.since, asked.until, asked=asked))
    if form == "parquet":
        schema = REQUESTS.with_metadata(dict(about or {}))
        return write_batches((batch.replace_schema_metadata(schema.metadata) for batch in batches), schema, form, out)
    _head(form, out, about)
    return write_batches(batches, REQUESTS, form, out)


def selection(state: State, finding: Finding) -> Selection:
    """The requests behind a finding: those of its place and time, and only refused ones where these are the matter."""
    until = (finding.end or max(_newest(state), finding.start)) + timedelta(minutes=1)
    least, most = REFUSALS.get(finding.kind, (None, None))
    return Selection(
        finding.start,
        until,
        finding.api,
        stage=finding.stage,
        routes=(finding.route,) if finding.route is not None else (),
        status_min=least,
        status_max=most,
        reject_causes=causes_of(finding),
    )


def _newest(state: State) -> datetime:
    known = bounds(state)
    return known[1] if known else datetime.min.replace(tzinfo=UTC)


def _head(form: str, out: BinaryIO, about: Mapping[str, str] | None) -> None:
    if not about:
        return
    if form == "csv":
        out.write("".join(f"# {csv_cell(name)}: {csv_cell(value)}\n" for name, value in about.items()).encode())
    else:
        out.write((json_text({"export": dict(about)}) + "\n").encode())


def _shown(batch: pa.RecordBatch, privacy: Privacy) -> pa.RecordBatch:
    if not privacy.on:
        return batch
    return pa.RecordBatch.from_pylist([privacy.row(one) for one in batch.to_pylist()], schema=batch.schema)
