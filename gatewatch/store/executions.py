"""What execution logs say of refused requests, in the lake: told again it changes nothing, told further it counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from gatewatch.frames import EXECUTIONS
from gatewatch.frames.executions import refined
from gatewatch.frames.schema import TIME
from gatewatch.store.appending import append
from gatewatch.store.batches import Position
from gatewatch.store.manifest import has_segments
from gatewatch.store.reading import among, asked, between
from gatewatch.store.state import State

STORED = EXECUTIONS.append(pa.field("known_at", TIME))
"""known_at: when the store was told; of two tellings of one request the later counts, whose begin may be another."""

_KEYS = "account, region, api, stage, request_id"
_APART = "INTERVAL 10 MINUTE"
"""A request id that comes again after so long is another request: a client may choose it."""

LATEST_SQL = f"""
    SELECT * EXCLUDE (known_at, begins, request) FROM (
        SELECT *, sum(begins) OVER (PARTITION BY {_KEYS} ORDER BY "at" ROWS UNBOUNDED PRECEDING) AS request FROM (
            SELECT *, coalesce("at" - lag("at") OVER (PARTITION BY {_KEYS} ORDER BY "at") > {_APART}, false)::INT
                      AS begins FROM ({{rows}}) WHERE {{condition}}))
    QUALIFY row_number() OVER (PARTITION BY {_KEYS}, request ORDER BY known_at DESC, "at", said DESC) = 1
"""
_NEAR = timedelta(minutes=2)
MOST = 200_000
"""Rows that are looked at for one answer: some 60 MB."""


def save_executions(
    state: State,
    executions: pa.Table,
    *,
    source: str,
    now: datetime,
    checkpoints: Mapping[str, Position] | None = None,
) -> int:
    """Keep the EXECUTIONS that are not there yet, or are there otherwise; how many there were.

    The checkpoints (by stream) move in the same transaction.
    """
    new = executions
    if new.num_rows:
        ends = pc.min_max(new.column("at")).as_py()
        have = read_executions(state, ends["min"], ends["max"] + timedelta(microseconds=1))
        if have.num_rows:
            same = " AND ".join(f'have."{name}" IS NOT DISTINCT FROM new."{name}"' for name in EXECUTIONS.names)
            query = f"SELECT * FROM executions AS new WHERE NOT EXISTS (SELECT 1 FROM have WHERE {same})"
            new = among(query, executions=executions, have=have).cast(EXECUTIONS)
    stamped = new.append_column(STORED.field("known_at"), pa.repeat(pa.scalar(now, TIME), new.num_rows))
    append(state, "executions", stamped, source=source, now=now, checkpoints=checkpoints)
    return len(new)


def read_executions(state: State, since: datetime | None = None, until: datetime | None = None) -> pa.Table:
    """EXECUTIONS of [since, until), each once, by time: at most MOST, the newest."""
    condition, values = between("at", since, until)
    latest = LATEST_SQL.format(rows="{rows}", condition=condition)
    query = f'SELECT * FROM ({latest}) ORDER BY "at" DESC, request_id LIMIT {MOST:d}'
    return asked(state, "executions", STORED, query, values, since, until).cast(EXECUTIONS).sort_by("at")


def with_executions(state: State, requests: pa.Table) -> pa.Table:
    """The requests, with the causes that stored execution logs name."""
    with state.read() as session:
        if not requests.num_rows or not has_segments(session, "executions"):
            return requests
    ends = pc.min_max(requests.column("at")).as_py()
    return refined(requests, read_executions(state, ends["min"] - _NEAR, ends["max"] + _NEAR))
