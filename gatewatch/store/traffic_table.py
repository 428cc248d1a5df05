"""Traffic of a time by place or by caller: one row each, the busiest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from gatewatch.errors import UsageError
from gatewatch.frames import MINUTES, REQUESTS, bucket_value_ms
from gatewatch.store.manifest import segments
from gatewatch.store.measures import SUMS
from gatewatch.store.reading import of_segments
from gatewatch.store.request_fields import CLIENT_ID_SQL, conditions_sql
from gatewatch.store.series import RAW_ROWS
from gatewatch.store.state import State
from gatewatch.where import Term

API_KEYS: tuple[str, ...] = ("account", "region", "api", "api_type", "stage")
ROUTE_KEYS: tuple[str, ...] = (*API_KEYS, "route")
MOST_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Traffic:
    """key: by name. sums: those of measures.SUMS. p95_ms: None where no latency was logged."""

    key: dict[str, str | None]
    sums: dict[str, int]
    p95_ms: float | None
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Caller:
    """A client_id. routes: how many it called."""

    client_id: str | None
    sums: dict[str, int]
    routes: int
    first_at: datetime
    last_at: datetime
    user_agent: str | None


def traffic(
    state: State,
    keys: Sequence[str],
    since: datetime,
    until: datetime,
    terms: tuple[Term, ...] = (),
    *,
    limit: int = 200,
) -> list[Traffic]:
    """From minutes. keys: some of ROUTE_KEYS; the terms name only fields that minutes have."""
    condition, values = conditions_sql(terms)
    values |= {"since": since, "until": until}
    with state.read() as session:
        listed = segments(session, "minutes", since, until)
    if not listed:
        return []
    names = ", ".join(keys)
    sums = ", ".join(f"coalesce(sum({column}), 0)::BIGINT AS {name}" for name, (column, _) in SUMS.items())
    where = f"WHERE {condition} AND minute >= $since AND minute < $until"
    order = f"ORDER BY n DESC, {', '.join(f'{key} NULLS FIRST' for key in keys)} LIMIT {limit:d}"
    top = f"SELECT {names}, {sums}, max(minute) AS last_at FROM ({{rows}}) {where} GROUP BY ALL {order}"
    found = of_segments(state, listed, MINUTES, top, values)
    flat = f"SELECT {names}, unnest(latency_b) AS b, unnest(latency_c) AS c FROM ({{rows}}) {where}"
    took = of_segments(
        state, listed, MINUTES, f"SELECT {names}, b, sum(c)::BIGINT AS c FROM ({flat}) GROUP BY ALL ORDER BY b", values
    )
    p95 = _p95(took, keys)
    return [
        Traffic(
            {key: row[key] for key in keys},
            {name: row[name] for name in SUMS},
            p95.get(tuple(row[key] for key in keys)),
            row["last_at"],
        )
        for row in found.to_pylist()
    ]


def _p95(took: pa.Table, keys: Sequence[str]) -> dict[tuple[str | None, ...], float]:
    groups: dict[tuple[str | None, ...], tuple[list[int], list[int]]] = {}
    for row in took.to_pylist():
        buckets, counts = groups.setdefault(tuple(row[key] for key in keys), ([], []))
        buckets.append(row["b"])
        counts.append(row["c"])
    out = {}
    for key, (buckets, counts) in groups.items():
        running = np.cumsum(counts)
        place = int(np.searchsorted(running, max(np.ceil(0.95 * running[-1]), 1)))
        out[key] = float(bucket_value_ms(buckets[place]))
    return out


def callers(
    state: State, since: datetime, until: datetime, terms: tuple[Term, ...] = (), *, limit: int = 100
) -> list[Caller]:
    """From requests. UsageError: there are too many."""
    condition, values = conditions_sql(terms)
    values |= {"since": since, "until": until}
    with state.read() as session:
        listed = segments(session, "requests", since, until)
    rows = sum(one.rows for one in listed)
    if rows > RAW_ROWS:
        raise UsageError(f"{rows:,} requests lie in this time (at most {RAW_ROWS:,}): take a shorter one")
    if not listed:
        return []
    sums = ", ".join(f"({raw})::BIGINT AS {name}" for name, (_, raw) in SUMS.items())
    query = (
        f'SELECT {CLIENT_ID_SQL} AS who, {sums}, count(DISTINCT route) AS routes, min("at") AS first_at, '
        f'max("at") AS last_at, arg_max(user_agent, "at") AS user_agent FROM ({{rows}}) '
        f'WHERE {condition} AND "at" >= $since AND "at" < $until GROUP BY who ORDER BY n DESC, who NULLS FIRST '
        f"LIMIT {limit:d}"
    )
    found = of_segments(state, listed, REQUESTS, query, values)
    return [
        Caller(
            row["who"],
            {name: row[name] for name in SUMS},
            row["routes"],
            row["first_at"],
            row["last_at"],
            row["user_agent"],
        )
        for row in found.to_pylist()
    ]
