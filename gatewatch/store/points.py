"""Datapoints of metrics in the lake: told again they change nothing, corrected they replace what was told before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from gatewatch.frames.points import KEPT, NAMESPACE, POINT_KEYS, metrics_of
from gatewatch.frames.schema import POINTS, TIME
from gatewatch.store.appending import append
from gatewatch.store.batches import Position
from gatewatch.store.reading import among, asked, between
from gatewatch.store.state import State

STORED = POINTS.append(pa.field("known_at", TIME))
"""known_at: when the store was told; of two values of one point the later counts."""

_KEYS = ", ".join((*POINT_KEYS, '"at"'))
LATEST_SQL = f"QUALIFY row_number() OVER (PARTITION BY {_KEYS} ORDER BY known_at DESC, period_s DESC, value DESC) = 1"


def save_points(
    state: State,
    points: pa.Table,
    *,
    source: str,
    now: datetime,
    checkpoints: Mapping[str, Position] | None = None,
) -> int:
    """Keep the POINTS that are not there yet, or are there with another value; how many there were.

    The checkpoints (by stream) move in the same transaction.
    """
    new = points
    if points.num_rows:
        ends = pc.min_max(points.column("at")).as_py()
        have = read_points(state, ends["min"], ends["max"] + timedelta(microseconds=1))
        if have.num_rows:
            same = " AND ".join(f'have."{name}" IS NOT DISTINCT FROM new."{name}"' for name in POINTS.names)
            query = f"SELECT * FROM points AS new WHERE NOT EXISTS (SELECT 1 FROM have WHERE {same})"
            new = among(query, points=points, have=have).cast(POINTS)
    stamped = new.append_column(STORED.field("known_at"), pa.repeat(pa.scalar(now, TIME), new.num_rows))
    append(state, "metrics", stamped, source=source, now=now, checkpoints=checkpoints)
    return len(new)


def read_points(state: State, since: datetime | None = None, until: datetime | None = None) -> pa.Table:
    """POINTS of [since, until), each once, by series and time."""
    condition, values = between("at", since, until)
    query = f"SELECT * EXCLUDE (known_at) FROM ({{rows}}) WHERE {condition} {LATEST_SQL} ORDER BY {_KEYS}"
    return asked(state, "metrics", STORED, query, values, since, until).cast(POINTS)


def read_metrics(state: State, since: datetime, until: datetime, *, known_since: datetime) -> pa.Table:
    """METRICS of [since, until), and the first point of each series from `known_since` on.

    So a series is known that had none lately. since: the begin of a period.
    """
    condition, values = between("at", known_since, until)
    counts = ", ".join(f"'{name}'" for name in sorted(KEPT))
    query = f"""
        WITH ours AS (
            SELECT *, row_number() OVER (PARTITION BY {", ".join(POINT_KEYS)} ORDER BY "at") AS place
            FROM (SELECT * FROM ({{rows}})
                  WHERE {condition} AND namespace = '{NAMESPACE}' AND metric IN ({counts}) {LATEST_SQL})
        )
        SELECT * EXCLUDE (known_at, place) FROM ours WHERE "at" >= $begin OR place = 1 ORDER BY {_KEYS}
    """
    points = asked(state, "metrics", STORED, query, {**values, "begin": since}, known_since, until)
    return metrics_of(points.cast(POINTS))
