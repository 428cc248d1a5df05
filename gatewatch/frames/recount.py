"""Counts by minute with the causes that execution logs name: what counted as unknown counts as what it was."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gatewatch.frames.schema import (
    CLIENT_KEYS,
    CLIENTS,
    MINUTE_COUNTS,
    MINUTE_KEYS,
    MINUTES,
    TIME,
    cause_column,
    scope_column,
)

_MINUTE_US = 60_000_000
_AGENT = 256
"""Characters of a user agent that CLIENTS rows have."""

_CAUSE = ("reject_cause", "throttle_scope")
Key = tuple[Any, ...]


def moved(before: pa.Table, after: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows of both (REQUESTS, row by row the same requests) whose cause or scope is another."""
    same = [pc.equal(*(pc.fill_null(table.column(name), "") for table in (before, after))) for name in _CAUSE]
    differs = pc.invert(pc.and_(*same))
    return before.filter(differs), after.filter(differs)


def recounted_minutes(minutes: pa.Table, before: pa.Table, after: pa.Table) -> pa.Table:
    """MINUTES rows and rows that take from one cause and give to another. before, after: see `moved`.

    A request whose minute or route is not among the rows stays as it counts: routes above the cap have no row.
    """
    added: dict[Key, Counter[str]] = {}
    for table, sign in ((before, -1), (after, 1)):
        for row in _keyed(table, MINUTE_KEYS):
            counts = added.setdefault(tuple(row[name] for name in MINUTE_KEYS), Counter())
            counts[cause_column(row["reject_cause"])] += sign
            if row["throttle_scope"] is not None:
                counts[scope_column(row["throttle_scope"])] += sign
    whens = pa.array({key[0] for key in added}, TIME)
    there = minutes.filter(pc.is_in(minutes.column("minute"), whens)).select(MINUTE_KEYS)
    known = {tuple(row.values()) for row in there.to_pylist()}
    empty: dict[str, Any] = {field.name: [] for field in MINUTES if pa.types.is_list(field.type)}
    rows = [
        {**dict.fromkeys(MINUTE_COUNTS, 0), **empty, "visible": 0, **dict(zip(MINUTE_KEYS, key, strict=True)), **counts}
        for key, counts in added.items()
        if key in known
    ]
    return pa.concat_tables([minutes, pa.Table.from_pylist(rows, schema=MINUTES)]) if rows else minutes


def recounted_clients(clients: pa.Table, before: pa.Table, after: pa.Table) -> pa.Table:
    """The same for CLIENTS rows; those that come to nothing go when they are merged."""
    counts: Counter[Key] = Counter()
    seconds: dict[Key, int] = {}
    for table, sign in ((before, -1), (after, 1)):
        for row in _keyed(table, CLIENT_KEYS):
            key = tuple(row[name] for name in CLIENT_KEYS)
            counts[key] += sign
            if sign > 0:
                seconds[key] = seconds.get(key, 0) | 1 << row["second"]
    rows = [
        {**dict(zip(CLIENT_KEYS, key, strict=True)), "n": count, "seconds": seconds.get(key, 0)}
        for key, count in counts.items()
        if count
    ]
    return pa.concat_tables([clients, pa.Table.from_pylist(rows, schema=CLIENTS)]) if rows else clients


def _keyed(table: pa.Table, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """The rows with `minute`, `second`, and the columns that are asked for."""
    at = table.column("at").cast(pa.int64())
    minute = pc.multiply(pc.divide(at, _MINUTE_US), _MINUTE_US)
    second = pc.divide(pc.subtract(at, minute), 1_000_000)
    wanted = [name for name in {*names, *_CAUSE} if name != "minute"]
    rows = table.select(wanted).append_column("minute", minute.cast(TIME)).append_column("second", second)
    if "user_agent" in wanted:
        place = rows.schema.get_field_index("user_agent")
        rows = rows.set_column(place, "user_agent", pc.utf8_slice_codeunits(rows.column("user_agent"), 0, _AGENT))
    found: list[dict[str, Any]] = rows.to_pylist()
    return found
