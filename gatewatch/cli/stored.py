"""Stored findings as rows for people and programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from gatewatch.cli.documents import CSV_COLUMNS, SCHEMA_VERSION, csv_line, csv_row, json_text
from gatewatch.records import JSON, iso

if TYPE_CHECKING:
    from gatewatch.store.findings import FindingFilter, StoredFinding
    from gatewatch.store.state import State

PAGE = 200
COLUMNS: tuple[str, ...] = (*CSV_COLUMNS, "state", "first_seen_at", "updated_at", "occurrences")


def all_findings(state: State, wish: FindingFilter, limit: int | None = None) -> Iterator[StoredFinding]:
    """Every finding that the filter keeps, newest first, a page at a time."""
    from gatewatch.store.findings import list_findings

    cursor: str | None = None
    given = 0
    while True:
        size = PAGE if limit is None else min(PAGE, limit - given)
        if size <= 0:
            return
        with state.read() as session:
            page = list_findings(session, wish, limit=size, cursor=cursor)
        yield from page.items
        given += len(page.items)
        cursor = page.next_cursor
        if cursor is None:
            return


def to_json(stored: StoredFinding) -> dict[str, JSON]:
    return {
        "schema_version": SCHEMA_VERSION,
        **stored.finding.to_json(),
        "state": stored.state.value,
        "first_seen_at": iso(stored.first_seen_at),
        "updated_at": iso(stored.updated_at),
        "occurrences": stored.occurrences,
        "assignee": stored.assignee,
        "suppression": stored.suppression,
    }


def row(stored: StoredFinding) -> list[object]:
    """Cells in the order of COLUMNS."""
    times = (iso(stored.first_seen_at), iso(stored.updated_at))
    return [*csv_row(stored.finding), stored.state.value, *times, stored.occurrences]


def write_findings(state: State, wish: FindingFilter, form: str, out: BinaryIO) -> int:
    """Write in `form` (jsonl, csv or parquet) and return how many there were."""
    found = all_findings(state, wish)
    count = 0
    if form == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = [to_json(stored) for stored in found]
        flat = [[row_.get(name) for row_ in rows] for name in _FLAT]
        columns = {name: pa.array(values, pa.string()) for name, values in zip(_FLAT, flat, strict=True)}
        columns["finding"] = pa.array([json_text(row_) for row_ in rows], pa.string())
        pq.write_table(pa.table(columns), out, compression="zstd")
        return len(rows)
    if form == "csv":
        out.write(csv_line(COLUMNS).encode())
    for stored in found:
        out.write((csv_line(row(stored)) if form == "csv" else json_text(to_json(stored)) + "\n").encode())
        count += 1
    return count


_FLAT = ("id", "start", "kind", "severity")
