"""Where traced requests spent their time, in the lake: a trace that comes again, further on, replaces what it was."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from gatewatch.frames import SPANS
from gatewatch.frames.schema import TIME
from gatewatch.store.appending import append
from gatewatch.store.batches import Position
from gatewatch.store.reading import among, asked, between
from gatewatch.store.state import State

STORED = pa.schema(
    [
        *((one.name, one.type.value_type if pa.types.is_dictionary(one.type) else one.type) for one in SPANS),
        ("known_at", TIME),
    ]
)
"""known_at: when the store was told; of a trace that was told more than once the last telling counts."""

_PLAIN = STORED.remove(len(SPANS))
LATEST_SQL = "QUALIFY known_at = max(known_at) OVER (PARTITION BY trace_id)"
_ORDER = '"at", trace_id, ms DESC, part, name'


def save_spans(
    state: State,
    spans: pa.Table,
    *,
    source: str,
    now: datetime,
    checkpoints: Mapping[str, Position] | None = None,
) -> int:
    """Keep the SPANS of traces that are not there yet, or are there otherwise; how many rows there were.

    All rows of a trace must be given together. The checkpoints (by stream) move in the same transaction.
    """
    new = spans.cast(_PLAIN)
    if new.num_rows:
        ends = pc.min_max(new.column("at")).as_py()
        have = read_spans(state, ends["min"], ends["max"] + timedelta(microseconds=1)).cast(_PLAIN)
        if have.num_rows:
            hashed = "SELECT trace_id, hash({}) AS row FROM {}"
            told = f"SELECT trace_id, list_sort(list(row)) AS told FROM ({hashed}) GROUP BY trace_id"
            mine, other = (
                told.format(", ".join(f'"{one}"' for one in _PLAIN.names), name) for name in ("spans", "have")
            )
            same = f"SELECT trace_id FROM ({mine}) JOIN ({other}) USING (trace_id, told)"
            query = f"SELECT * FROM spans WHERE trace_id NOT IN ({same})"
            new = among(query, spans=new, have=have).cast(_PLAIN)
    stamped = new.append_column(STORED.field("known_at"), pa.repeat(pa.scalar(now, TIME), new.num_rows))
    append(state, "spans", stamped, source=source, now=now, checkpoints=checkpoints)
    return len(new)


def read_spans(state: State, since: datetime | None = None, until: datetime | None = None) -> pa.Table:
    """SPANS of [since, until) by time and trace."""
    condition, values = between("at", since, until)
    query = f"SELECT DISTINCT * EXCLUDE (known_at) FROM (SELECT * FROM ({{rows}}) WHERE {condition} {LATEST_SQL})"
    return asked(state, "spans", STORED, f"{query} ORDER BY {_ORDER}", values, since, until).cast(SPANS)
