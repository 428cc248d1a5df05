"""From the accepted rows of `ev` to MINUTES and CLIENTS rows (gatewatch.frames), and to identities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gatewatch.frames import CLIENT_KEYS, CLIENTS, HISTOGRAMS, MINUTE_COUNTS, MINUTE_KEYS, MINUTES
from gatewatch.frames.histogram import BUCKET_SQL
from gatewatch.frames.merge import SKETCH_SIZE
from gatewatch.frames.schema import cause_column, scope_column
from gatewatch.records import REJECT_CAUSES, THROTTLE_SCOPES

ROLLUP_COLUMNS: tuple[str, ...] = (
    "at",
    "account",
    "region",
    "api",
    "api_type",
    "stage",
    "route",
    "status",
    "reject_cause",
    "throttle_scope",
    "latency_ms",
    "integration_latency_ms",
    "authorizer_latency_ms",
    "integration_status",
    "response_bytes",
    "client_ip",
    "principal",
    "api_key_id",
    "user_agent",
    "extended_request_id",
    "delivered_at",
)
"""What a rollup and its de-duplication need of a request: all that `scan` parses."""

_DIMENSIONS = ("account", "region", "api", "api_type", "stage", "route")
_PARTS = {
    "latency": "latency_ms",
    "integration": "integration_latency_ms",
    "authorizer": "authorizer_latency_ms",
    "gateway": "gateway_ms",
}

_MINUTES_SQL = f"""
    SELECT minute, series, min(rn) AS first_row,
        count(*) AS n,
        count(*) FILTER (WHERE status < 200) AS s1xx,
        count(*) FILTER (WHERE status BETWEEN 200 AND 299) AS s2xx,
        count(*) FILTER (WHERE status BETWEEN 300 AND 399) AS s3xx,
        count(*) FILTER (WHERE status BETWEEN 400 AND 499) AS s4xx,
        count(*) FILTER (WHERE status >= 500) AS s5xx,
        coalesce(sum(response_bytes), 0)::BIGINT AS response_bytes,
        count(*) FILTER (WHERE integration_status >= 500) AS backend_5xx,
        count(*) FILTER (WHERE latency_ms >= 28000) AS over_28s,
        {
    ", ".join(
        f"list({BUCKET_SQL.format(ms=part)}) FILTER (WHERE {part} IS NOT NULL) AS {name}_all, "
        f"coalesce(sum((1000 * {part}::DOUBLE)::BIGINT), 0)::BIGINT AS {name}_us"
        for name, part in _PARTS.items()
    )
},
        list(client) FILTER (WHERE client IS NOT NULL) AS clients_all,
        bit_or(visible) AS visible,
        max(delivered_at) AS available_at
    FROM (
        SELECT *, CASE WHEN integration_latency_ms IS NOT NULL THEN
            greatest(latency_ms - integration_latency_ms - coalesce(authorizer_latency_ms, 0), 0) END AS gateway_ms
        FROM ev
    ) GROUP BY minute, series
"""

_CAUSES_SQL = """
    SELECT minute, series, reject_cause, throttle_scope, count(*) AS n
    FROM ev WHERE reject_cause IS NOT NULL GROUP BY ALL
"""

_CLIENT_COLUMNS = {
    "minute": "to_timestamp(minute * 60)",
    "user_agent": "left(user_agent, 256)",
}

_CLIENTS_SQL = f"""
    SELECT {", ".join(f"{_CLIENT_COLUMNS.get(key, key)} AS {key}" for key in CLIENT_KEYS)}, count(*) AS n
    FROM ev WHERE reject_cause IS NOT NULL GROUP BY ALL
"""


@dataclass(frozen=True, slots=True)
class Rolled:
    """MINUTES and CLIENTS rows of one block."""

    minutes: pa.Table
    clients: pa.Table


@dataclass(frozen=True, slots=True)
class Question:
    """Identities of a block's rows, and the first and last instant (epoch seconds) among them."""

    identities: npt.NDArray[np.uint64]
    first_s: float
    last_s: float


def question(connection: duckdb.DuckDBPyConnection) -> tuple[npt.NDArray[np.int32], Question]:
    """Row numbers of the rows of `ev` that have an identity, in order, and what to ask about them."""
    columns = connection.execute("SELECT rn, identity FROM ev WHERE identity IS NOT NULL ORDER BY rn").fetchnumpy()
    span = connection.execute('SELECT epoch(min("at")), epoch(max("at")) FROM ev WHERE identity IS NOT NULL').fetchall()
    first, last = span[0]
    rows = np.asarray(columns["rn"], dtype=np.int32)
    return rows, Question(np.asarray(columns["identity"], dtype=np.uint64), first or 0.0, last or 0.0)


def roll(connection: duckdb.DuckDBPyConnection) -> Rolled:
    """MINUTES and CLIENTS of the rows in `ev` (which has accepted rows only by now).

    Rows are grouped by a hash of their six text keys (series); the texts come from one row of each series.
    """
    table = connection.sql(
        f"""
        WITH m AS MATERIALIZED ({_MINUTES_SQL}),
        s AS MATERIALIZED (SELECT series, min(first_row) AS first_row FROM m GROUP BY series),
        d AS MATERIALIZED (
            SELECT s.series, {", ".join(f"ev.{name}" for name in _DIMENSIONS)}
            FROM ev JOIN s ON ev.rn = s.first_row
        )
        SELECT to_timestamp(m.minute * 60) AS minute, m.minute AS epoch_minute, {", ".join(_DIMENSIONS)},
            m.* EXCLUDE (minute)
        FROM m JOIN d ON m.series = d.series
        """
    ).to_arrow_table()
    rows = table.num_rows
    causes = _causes(connection, table)
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        name: causes[name] if name in causes else table.column(name)
        for name in (*MINUTE_KEYS, *MINUTE_COUNTS, "visible", "available_at")
    }
    for name in HISTOGRAMS:
        columns[f"{name}_b"], columns[f"{name}_c"] = _histogram(table.column(f"{name}_all").combine_chunks(), rows)
    columns["clients_k"] = _sketch(table.column("clients_all").combine_chunks(), rows)
    minutes = pa.table({name: columns[name] for name in MINUTES.names}).cast(MINUTES)
    clients = connection.sql(_CLIENTS_SQL).to_arrow_table().cast(CLIENTS)
    return Rolled(minutes, clients)


def _causes(connection: duckdb.DuckDBPyConnection, groups: pa.Table) -> dict[str, pa.Array]:
    """One count column for each reject cause and throttle scope, a row a group."""
    counted = connection.execute(_CAUSES_SQL).fetchnumpy()
    rows = groups.num_rows
    keys = _group_key(groups.column("epoch_minute").to_numpy(), groups.column("series").to_numpy())
    order = np.argsort(keys)
    mine = _group_key(np.asarray(counted["minute"]), np.asarray(counted["series"]))
    owner = order[np.searchsorted(keys[order], mine)] if len(mine) else np.zeros(0, dtype=np.int64)
    out: dict[str, pa.Array] = {}
    for field, names, column in (
        ("reject_cause", REJECT_CAUSES, cause_column),
        ("throttle_scope", THROTTLE_SCOPES, scope_column),
    ):
        values = np.asarray(counted[field], dtype=object)
        for name in names:
            chosen = values == name
            sums = np.bincount(owner[chosen], weights=counted["n"][chosen], minlength=rows)
            out[column(name)] = pa.array(sums.astype(np.int64))
    return out


def _group_key(minute: npt.NDArray[np.int32], series: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """One number for a minute and series: both are well spread, so that different pairs do not meet."""
    return series ^ (minute.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))


def _flat(lists: pa.ListArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    lengths = np.asarray(lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64)
    values = np.asarray(lists.flatten().to_numpy(zero_copy_only=False)).astype(np.int64)
    return np.repeat(np.arange(len(lengths), dtype=np.int64), lengths), values


def _histogram(lists: pa.ListArray, rows: int) -> tuple[pa.ListArray, pa.ListArray]:
    """Run lengths of the sorted buckets of each row."""
    owner, buckets = _flat(lists)
    codes = np.sort(owner * 2048 + (buckets + 1))
    first = np.flatnonzero(_first_of_run(codes))
    counts = np.diff(np.append(first, len(codes)))
    codes = codes[first]
    offsets = _offsets(codes // 2048, rows)
    empty = pa.array(np.diff(offsets) == 0)
    buckets16 = pa.array((codes % 2048 - 1).astype(np.int16))
    counts32 = pa.array(counts.astype(np.int32))
    at = pa.array(offsets.astype(np.int32))
    return (
        pa.ListArray.from_arrays(at, buckets16, mask=empty),
        pa.ListArray.from_arrays(at, counts32, mask=empty),
    )


def _sketch(lists: pa.ListArray, rows: int) -> pa.ListArray:
    """The SKETCH_SIZE smallest different hashes of each row, ascending."""
    owner, hashes = _flat(lists)
    codes = np.sort((owner.astype(np.uint64) << np.uint64(32)) | hashes.astype(np.uint64))
    codes = codes[_first_of_run(codes)]
    owner = (codes >> np.uint64(32)).astype(np.int64)
    starts = _offsets(owner, rows)
    keep = np.arange(len(codes)) - starts[owner] < SKETCH_SIZE if len(codes) else np.zeros(0, dtype=bool)
    kept = codes[keep]
    offsets = _offsets((kept >> np.uint64(32)).astype(np.int64), rows)
    values = pa.array((kept & np.uint64(0xFFFFFFFF)).astype(np.uint32))
    empty = pa.array(np.diff(offsets) == 0)
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values, mask=empty)


def _first_of_run(codes: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    first = np.ones(len(codes), dtype=bool)
    first[1:] = codes[1:] != codes[:-1]
    return first


def _offsets(owner: npt.NDArray[np.int64], rows: int) -> npt.NDArray[np.int64]:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.bincount(owner, minlength=rows))])
