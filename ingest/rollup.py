"""From the accepted rows of `ev` to MINUTES and CLIENTS rows (gatewatch.frames), and to identities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gatewatch.frames import CLIENT_KEYS, CLIENTS, HISTOGRAMS, MINUTES
from gatewatch.frames.histogram import buckets_of
from gatewatch.frames.merge import CLIENT_SUMS, SKETCH_SIZE
from gatewatch.frames.schema import TIME, cause_column, scope_column
from gatewatch.records import REJECT_CAUSES, THROTTLE_SCOPES
from ingest.book import first_seen

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
    "waf_latency_ms",
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
_CLIENT_COLUMNS = {
    "minute": "to_timestamp(minute * 60)",
    **{name: f"{name}::VARCHAR" for name in ("account", "region", "api", "api_type", "stage", "route")},
    "reject_cause": "reject_cause::VARCHAR",
    "throttle_scope": "throttle_scope::VARCHAR",
    "user_agent": "left(user_agent, 256)",
}

_IN_ORDER = ", ".join(f"{key} NULLS FIRST" for key in CLIENT_KEYS)
_CLIENTS_SQL = f"""
    SELECT {", ".join(f"{_CLIENT_COLUMNS.get(key, key)} AS {key}" for key in CLIENT_KEYS)}, count(*) AS n,
        bit_or(1::BIGINT << (epoch_us("at") // 1000000) % 60) AS seconds
    FROM accepted WHERE reject_cause IS NOT NULL GROUP BY ALL
"""


@dataclass(frozen=True, slots=True)
class Rolled:
    """MINUTES and CLIENTS rows of one block, each in the order of its keys (NULL first)."""

    minutes: pa.Table
    clients: pa.Table


@dataclass(frozen=True, slots=True)
class Question:
    """Identities of a block's rows, and the first and last instant (epoch microseconds) among all of its rows."""

    identities: npt.NDArray[np.uint64]
    span: tuple[int, int]


def question(accepted: pa.Table) -> Question:
    """What to ask about the rows that have an identity, in their order (see Reading.accepted)."""
    identified = accepted.select(["identity"])
    if identified.column("identity").null_count:
        identified = identified.filter(identified.column("identity").is_valid())
    span = pc.min_max(accepted.column("at").cast(pa.int64())).as_py()
    return Question(identified.column("identity").to_numpy(), (span["min"] or 0, span["max"] or 0))


def without(accepted: pa.Table, repeated: npt.NDArray[np.bool_]) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """The rows that are no repetitions (`repeated` answers `question`), and the row numbers of those that are."""
    if not repeated.any():
        return accepted, np.zeros(0, dtype=np.int64)
    identified = np.flatnonzero(accepted.column("identity").is_valid().to_numpy())
    keep = np.ones(len(accepted), dtype=bool)
    keep[identified[repeated]] = False
    rows = np.asarray(accepted.column("rn").to_numpy()[~keep], dtype=np.int64)
    return accepted.filter(pa.array(keep)), rows


def roll(accepted: pa.Table, connection: duckdb.DuckDBPyConnection) -> Rolled:
    """MINUTES and CLIENTS of accepted rows (at least one; see Reading.accepted).

    Rows are grouped by a hash of their six text keys (series); the texts come from one row of each series. All sums
    are taken in numpy over sorted groups: a tenth of the time that DuckDB's list and filter aggregates need.
    """
    accepted = _bounded(accepted, connection)
    rows = {name: _numpy(accepted.column(name)) for name in _MEASURED}
    texts, series = _series(accepted)
    groups = _Groups(rows["minute"], series, len(texts))
    columns: dict[str, pa.Array] = {
        "minute": pa.array(rows["minute"][groups.first].astype(np.int64) * 60_000_000).cast(TIME),
        **{name: texts.column(name).combine_chunks().take(pa.array(series[groups.first])) for name in _DIMENSIONS},
    }
    status = rows["status"]
    columns["n"] = pa.array(groups.sizes)
    for name, low, high in _CLASSES:
        columns[name] = groups.count((status >= low) & (status < high))
    columns["response_bytes"] = groups.sum(_filled(rows["response_bytes"]).astype(np.int64))
    columns["backend_5xx"] = groups.count(_filled(rows["integration_status"]) >= 500)
    total, integration = _floats(rows["latency_ms"]), _floats(rows["integration_latency_ms"])
    authorizer = _floats(rows["authorizer_latency_ms"])
    waf = _floats(rows["waf_latency_ms"])
    gateway = np.maximum(total - integration - np.nan_to_num(authorizer) - np.nan_to_num(waf), 0)
    columns["waf_us"] = groups.sum(np.rint(np.nan_to_num(waf) * 1000).astype(np.int64))
    columns["waf_n"] = groups.count(~np.isnan(waf))
    columns["over_28s"] = groups.count(total >= 28_000)
    for name, values in zip(HISTOGRAMS, (total, integration, authorizer, gateway), strict=True):
        known = ~np.isnan(values)
        columns[f"{name}_us"] = groups.sum(np.rint(np.where(known, values, 0) * 1000).astype(np.int64))
        owner = groups.owner[known]
        columns[f"{name}_b"], columns[f"{name}_c"] = _histogram(owner, buckets_of(values[known]), len(groups.sizes))
    client = rows["client"]
    known = ~np.ma.getmaskarray(client)
    columns["clients_k"] = _sketch(groups.owner[known], np.ma.getdata(client)[known], len(groups.sizes))
    columns["visible"] = pa.array(np.bitwise_or.reduceat(_filled(rows["visible"])[groups.order], groups.starts))
    columns["available_at"] = _latest(accepted.column("delivered_at"), groups)
    columns |= _causes(accepted, groups)
    minutes = pa.table({field.name: columns[field.name].cast(field.type) for field in MINUTES}, schema=MINUTES)
    refused = accepted.column("reject_cause").is_valid()
    return Rolled(minutes, _clients(accepted.select([*CLIENT_KEYS, "at"]).filter(refused), connection))


SERIES_LIMIT = 4_000
"""Series (routes of all stages) of one block. Above it only the most called ones keep their name, see OTHER."""

CLIENT_LIMIT = 20_000
"""CLIENTS rows of one block. Above it agents are no longer told apart, then only the most refused callers are."""

OTHER = "(other)"
"""The route of what stands above the limit: its totals stay exact, its parts are no longer told apart."""


def _bounded(accepted: pa.Table, connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """The rows with the rare routes of a flood of routes joined: an attacker can make up any number of paths."""
    if len(pc.unique(accepted.column("series"))) <= SERIES_LIMIT:
        return accepted
    connection.register("accepted", accepted)
    joined = connection.sql(
        f"""
        WITH named AS (
            SELECT series, true AS kept FROM accepted GROUP BY series
            ORDER BY count(*) DESC, series LIMIT {SERIES_LIMIT // 2}
        )
        SELECT accepted.* REPLACE (
            CASE WHEN kept THEN route ELSE '{OTHER}' END AS route,
            CASE WHEN kept THEN series ELSE hash(account, region, api, api_type, stage, '{OTHER}') END AS series
        ) FROM accepted LEFT JOIN named USING (series)
        """
    ).to_arrow_table()
    connection.unregister("accepted")
    return joined


def _clients(refused: pa.Table, connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """CLIENTS of the refused rows, of bounded size."""
    connection.register("accepted", refused)
    clients = connection.sql(_CLIENTS_SQL).to_arrow_table()
    connection.unregister("accepted")
    if len(clients) > CLIENT_LIMIT:
        clients = _joined(clients, connection, "NULL::VARCHAR AS user_agent", "true")
    if len(clients) > CLIENT_LIMIT:
        nobody = ", ".join(f"NULL::VARCHAR AS {name}" for name in _CALLER)
        clients = _joined(clients, connection, nobody, f"place > {CLIENT_LIMIT // 2}")
    # DuckDB takes three times as long to sort them.
    order = pc.sort_indices(clients, [(name, "ascending", "at_start") for name in CLIENT_KEYS])
    return clients.take(order).cast(CLIENTS)


_CALLER = ("client_ip", "principal", "api_key_id", "user_agent")


def _joined(clients: pa.Table, connection: duckdb.DuckDBPyConnection, replaced: str, where: str) -> pa.Table:
    """The clients with the columns replaced in the rows that `where` names, and summed anew."""
    names = ", ".join(CLIENT_KEYS)
    connection.register("clients", clients)
    joined = connection.sql(
        f"""
        WITH ranked AS (
            SELECT *, row_number() OVER (ORDER BY n DESC, hash({", ".join(_CALLER)})) AS place FROM clients
        )
        SELECT {names}, {CLIENT_SUMS} FROM (
            SELECT * REPLACE ({replaced}) FROM ranked WHERE {where}
            UNION ALL SELECT * FROM ranked WHERE NOT ({where})
        ) GROUP BY {names} ORDER BY {_IN_ORDER}
        """
    ).to_arrow_table()
    connection.unregister("clients")
    return joined


_CLASSES = (
    ("s1xx", 0, 200),
    ("s2xx", 200, 300),
    ("s3xx", 300, 400),
    ("s4xx", 400, 500),
    ("s5xx", 500, 10_000),
)

Array = npt.NDArray[Any]


_MEASURED = (
    "minute",
    "series",
    "status",
    "integration_status",
    "response_bytes",
    "latency_ms",
    "integration_latency_ms",
    "authorizer_latency_ms",
    "waf_latency_ms",
    "client",
    "visible",
)


def _numpy(column: pa.ChunkedArray) -> Array:
    """The values; a masked array when there are NULLs."""
    if not column.null_count:
        return np.asarray(column.to_numpy())
    valid = column.is_valid().to_numpy()
    return np.ma.MaskedArray(column.fill_null(0).to_numpy(), mask=~valid)


def _filled(values: Array) -> Array:
    """The values with 0 for NULL."""
    return np.ma.filled(values, 0) if isinstance(values, np.ma.MaskedArray) else values


def _floats(values: Array) -> npt.NDArray[np.float64]:
    """float64 with NaN for NULL."""
    if isinstance(values, np.ma.MaskedArray):
        return np.asarray(np.ma.filled(values.astype(np.float64), np.nan))
    return values.astype(np.float64)


class _Groups:
    """Rows grouped by minute and series, in their order.

    order: row places sorted by group; starts: where each group begins in it; owner: the group of each row.
    """

    def __init__(self, minute: Array, series: Array, count: int) -> None:
        since = minute.astype(np.int64) - int(minute.min())
        keys = _small(since * count + series)
        self.order = np.argsort(keys)
        ordered = keys[self.order]
        first = _first_of_run(ordered)
        self.starts = np.flatnonzero(first)
        self.sizes = np.diff(np.append(self.starts, len(keys)))
        self.first = self.order[self.starts]
        self.owner = np.empty(len(keys), dtype=np.int64)
        self.owner[self.order] = np.cumsum(first) - 1

    def sum(self, values: npt.NDArray[np.int64]) -> pa.Array:
        return pa.array(np.add.reduceat(values[self.order], self.starts))

    def count(self, chosen: Array) -> pa.Array:
        return pa.array(np.bincount(self.owner[np.ma.filled(chosen, False)], minlength=len(self.starts)))


def _small(codes: npt.NDArray[np.int64]) -> Array:
    """The codes (none negative) in 32 bits where they fit, which sorts twice as fast."""
    return codes.astype(np.int32) if len(codes) and int(codes.max()) < 1 << 31 else codes


def _series(accepted: pa.Table) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """The text keys of the different series, sorted (NULL first), and the place of each row's series among them."""
    encoded = accepted.column("series").combine_chunks().dictionary_encode()
    codes = np.asarray(encoded.indices.to_numpy(), dtype=np.int64)
    first = np.flatnonzero(first_seen(codes))
    some = accepted.select(list(_DIMENSIONS)).take(pa.array(first))
    texts = pa.table({name: some.column(name).cast(pa.string()) for name in _DIMENSIONS})
    order = pc.sort_indices(texts, [(name, "ascending", "at_start") for name in _DIMENSIONS]).to_numpy()
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return texts.take(pa.array(order)), place[codes]


def _latest(delivered: pa.ChunkedArray, groups: _Groups) -> pa.Array:
    rows = len(groups.starts)
    if delivered.null_count == len(delivered):
        return pa.nulls(rows, TIME)
    lowest = np.iinfo(np.int64).min
    values = _numpy(delivered.cast(pa.int64()))
    latest = np.maximum.reduceat(np.ma.filled(values, lowest)[groups.order], groups.starts)
    return pa.array(latest, mask=latest == lowest).cast(TIME)


def _causes(accepted: pa.Table, groups: _Groups) -> dict[str, pa.Array]:
    """One count column for each reject cause and throttle scope, a row a group."""
    rows = len(groups.starts)
    out: dict[str, pa.Array] = {}
    for field, names, column in (
        ("reject_cause", REJECT_CAUSES, cause_column),
        ("throttle_scope", THROTTLE_SCOPES, scope_column),
    ):
        places = {name: place for place, name in enumerate(names)}
        codes = np.zeros(0, dtype=np.int64)
        chosen = np.flatnonzero(accepted.column(field).is_valid().to_numpy())
        if len(chosen):
            words = accepted.column(field).take(pa.array(chosen)).cast(pa.string()).combine_chunks().dictionary_encode()
            known = np.array([places[word] for word in words.dictionary.to_pylist()])
            codes = known[words.indices.to_numpy()]
        counts = np.bincount(groups.owner[chosen] * len(names) + codes, minlength=rows * len(names))
        for name, place in places.items():
            out[column(name)] = pa.array(counts.reshape(rows, len(names))[:, place])
    return out


def _histogram(owner: Array, buckets: Array, rows: int) -> tuple[pa.ListArray, pa.ListArray]:
    """Run lengths of the sorted buckets of each group."""
    codes = np.sort(_small(owner * 2048 + (buckets.astype(np.int64) + 1))).astype(np.int64)
    first = np.flatnonzero(_first_of_run(codes))
    counts = np.diff(np.append(first, len(codes)))
    codes = codes[first]
    offsets = _offsets(codes // 2048, rows)
    empty = pa.array(np.diff(offsets) == 0)
    at = pa.array(offsets.astype(np.int32))
    return (
        pa.ListArray.from_arrays(at, pa.array((codes % 2048 - 1).astype(np.int16)), mask=empty),
        pa.ListArray.from_arrays(at, pa.array(counts.astype(np.int32)), mask=empty),
    )


def _sketch(owner: Array, hashes: Array, rows: int) -> pa.ListArray:
    """The SKETCH_SIZE smallest different hashes of each group, ascending."""
    codes = np.sort((owner.astype(np.uint64) << np.uint64(32)) | hashes.astype(np.uint64))
    codes = codes[_first_of_run(codes)]
    group = (codes >> np.uint64(32)).astype(np.int64)
    starts = _offsets(group, rows)
    kept = codes[np.arange(len(codes)) - starts[group] < SKETCH_SIZE]
    offsets = _offsets((kept >> np.uint64(32)).astype(np.int64), rows)
    values = pa.array((kept & np.uint64(0xFFFFFFFF)).astype(np.uint32))
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values, mask=pa.array(np.diff(offsets) == 0))


def _first_of_run(codes: Array) -> npt.NDArray[np.bool_]:
    first = np.ones(len(codes), dtype=bool)
    first[1:] = codes[1:] != codes[:-1]
    return first


def _offsets(owner: Array, rows: int) -> npt.NDArray[np.int64]:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.bincount(owner, minlength=rows))])
