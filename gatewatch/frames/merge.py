"""Summing rows of many batches, and turning minutes into the frame that detectors and charts read.

All functions are pure: a DuckDB connection is made and closed inside, and the result does not depend on the order
of the rows or on how they were cut into batches.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from gatewatch.frames.histogram import quantiles_ms
from gatewatch.frames.inprocess import asking, in_process
from gatewatch.frames.interleave import interleaved, order_codes
from gatewatch.frames.intime import in_time
from gatewatch.frames.schema import CLIENT_KEYS, CLIENTS, HISTOGRAMS, MINUTE_COUNTS, MINUTE_KEYS, MINUTES

SKETCH_SIZE = 64
CLIENT_SUMS = "sum(n)::BIGINT AS n, bit_or(seconds) AS seconds"
"""How the CLIENTS rows of one key become one, in SQL."""

CLOSE_DELAY = timedelta(minutes=2)
"""A minute closes this long after its end when the source does not tell delivery times (design.md 4,
docs/decisions/0013)."""

_LISTS = {"b": pd.ArrowDtype(pa.list_(pa.int16())), "c": pd.ArrowDtype(pa.list_(pa.int32()))}
_SKETCHES = pd.ArrowDtype(pa.list_(pa.uint32()))
_QUANTILES = {
    "latency": (0.5, 0.9, 0.95, 0.99),
    "integration": (0.5, 0.95),
    "authorizer": (0.5, 0.95),
    "gateway": (0.5, 0.95),
}


def merge_sql(keys: tuple[str, ...], relation: str) -> str:
    """DuckDB query that merges the MINUTES rows of `relation` by `keys` (a subset of MINUTE_KEYS).

    Histograms of a key with one row pass through untouched; the others are unnested, summed and listed again.
    """
    names = ", ".join(keys)
    same = " AND ".join(f"rows_in.{key} IS NOT DISTINCT FROM ids.{key}" for key in keys)
    counts = ", ".join(f"sum({name})::BIGINT AS {name}" for name in MINUTE_COUNTS)
    firsts = ", ".join(f"any_value({name}_{part}) AS {name}_{part}" for name in HISTOGRAMS for part in "bc")
    merged = "".join(
        f""",
        {name}_flat AS (
            SELECT g, unnest({name}_b) AS b, unnest({name}_c) AS c FROM several WHERE {name}_b IS NOT NULL
        ),
        {name}_sum AS (SELECT g, b, sum(c)::INTEGER AS c FROM {name}_flat GROUP BY g, b),
        {name}_list AS (
            SELECT g, list(b ORDER BY b) AS {name}_b, list(c ORDER BY b) AS {name}_c FROM {name}_sum GROUP BY g
        )"""
        for name in HISTOGRAMS
    )
    joins = " ".join(f"LEFT JOIN {name}_list USING (g)" for name in HISTOGRAMS)
    chosen = ", ".join(
        f"coalesce({name}_list.{name}_{part}, CASE WHEN rows_merged = 1 THEN grouped.{name}_{part} END) "
        f"AS {name}_{part}"
        for name in HISTOGRAMS
        for part in "bc"
    )
    return f"""
        WITH ids AS MATERIALIZED (
            SELECT {names}, row_number() OVER () AS g FROM (SELECT DISTINCT {names} FROM {relation})
        ),
        numbered AS MATERIALIZED (
            SELECT rows_in.*, ids.g FROM {relation} AS rows_in JOIN ids ON {same}
        ),
        grouped AS MATERIALIZED (
            SELECT g, {", ".join(f"any_value({key}) AS {key}" for key in keys)}, count(*) AS rows_merged, {counts},
                   {firsts}, flatten(list(clients_k) FILTER (WHERE clients_k IS NOT NULL)) AS clients_k,
                   bit_or(visible) AS visible, max(available_at) AS available_at
            FROM numbered GROUP BY g
        ),
        several AS MATERIALIZED (
            SELECT numbered.* FROM numbered JOIN grouped USING (g) WHERE rows_merged > 1
        ){merged}
        SELECT {", ".join(f"grouped.{key}" for key in keys)}, {", ".join(MINUTE_COUNTS)}, {chosen},
               list_slice(list_sort(list_distinct(grouped.clients_k)), 1, {SKETCH_SIZE}) AS clients_k,
               visible, available_at
        FROM grouped {joins} ORDER BY {", ".join(f"grouped.{key} NULLS FIRST" for key in keys)}
    """


def merge_minutes(minutes: pa.Table) -> pa.Table:
    """MINUTES rows of any number of batches -> one row per MINUTE_KEYS, sorted by them.

    Only keys with several rows are summed; the others, most of them when files follow each other in time, pass by.
    """
    return interleaved(minutes, np.arange(len(minutes)), _summed).cast(MINUTES)


def _summed(doubled: pa.Table) -> pa.Table:
    with asking("merging", in_process) as connection:
        connection.register("doubled", doubled)
        merged = connection.sql(merge_sql(MINUTE_KEYS, "doubled")).to_arrow_table()
    return merged.select(MINUTES.names).cast(MINUTES)


def merge_minute_parts(parts: Iterable[pa.Table]) -> pa.Table:
    """`merge_minutes` of tables that are in order already: minutes that only one of them has pass by."""
    return in_time(parts, MINUTES, lambda shared: merge_minutes(pa.concat_tables(shared)))


def merge_clients(clients: pa.Table) -> pa.Table:
    """CLIENTS rows of any number of batches -> one row per CLIENT_KEYS, sorted by them (NULL first)."""
    names = ", ".join(CLIENT_KEYS)
    order = ", ".join(f"{key} NULLS FIRST" for key in CLIENT_KEYS)
    with asking("merging", in_process) as connection:
        connection.register("clients_in", clients)
        query = f"SELECT {names}, {CLIENT_SUMS} FROM clients_in GROUP BY {names} HAVING sum(n) > 0 ORDER BY {order}"
        return connection.sql(query).to_arrow_table().cast(CLIENTS)


def merge_client_parts(parts: Sequence[pa.Table]) -> pa.Table:
    """`merge_clients` of tables that are merged and in order already: only what several of them have is summed."""
    return in_time(parts, CLIENTS, _merged_clients)


def _merged_clients(parts: Sequence[pa.Table]) -> pa.Table:
    whole = pa.concat_tables(parts)
    begins = np.cumsum([0, *(len(part) for part in parts)])
    codes = order_codes(whole)
    first = np.append(True, codes[1:] != codes[:-1])[: len(codes)]
    first[begins[begins < len(codes)]] = True
    return interleaved(whole, np.flatnonzero(first), merge_clients)


def rollup(minutes: pa.Table, *, by_route: bool) -> pd.DataFrame:
    """MINUTES rows -> the frame that detectors and charts read, one row per minute and route (or stage).

    Columns: MINUTE_KEYS (route is None when by_route is False), MINUTE_COUNTS (int64), ROLLUP_STATS (float64, NaN
    when no value), visible (uint64), closes_at (when a live service would have known the minute, aware UTC).
    """
    keys = MINUTE_KEYS if by_route else tuple(key for key in MINUTE_KEYS if key != "route")
    if by_route:
        merged = merge_minutes(minutes)
    else:
        with asking("merging", in_process) as connection:
            connection.register("minutes_in", minutes)
            merged = connection.sql(merge_sql(keys, "minutes_in")).to_arrow_table()
    frame = _measured(merged, keys, _QUANTILES)
    frame["distinct_clients"] = distinct_estimate(merged.column("clients_k").combine_chunks())
    return frame


def _measured(merged: pa.Table, keys: Sequence[str], quantiles_of: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """Keys, counts, quantiles of these latencies and when the minutes closed; by route what was measured, too."""
    frame = _counted(merged, keys)
    for name, quantiles in quantiles_of.items():
        n, values = quantiles_ms(
            merged.column(f"{name}_b").combine_chunks(), merged.column(f"{name}_c").combine_chunks(), quantiles
        )
        frame[f"{name}_n"] = n.astype(np.float64)
        for column, quantile in enumerate(quantiles):
            frame[f"{name}_p{round(quantile * 100)}_ms"] = values[:, column]
    if "route" in keys:
        for part in "bc":
            whole, behind = merged.column(f"latency_{part}"), merged.column(f"integration_{part}")
            frame[f"took_{part}"] = pd.array(pc.coalesce(whole, behind), dtype=_LISTS[part])
            frame[f"authorizer_{part}"] = pd.array(merged.column(f"authorizer_{part}"), dtype=_LISTS[part])
        frame["clients_k"] = pd.array(merged.column("clients_k"), dtype=_SKETCHES)
    frame["closes_at"] = _closing(frame)
    return frame


def stage_counts(minutes: pa.Table) -> pd.DataFrame:
    """`rollup` by stage without the columns that latencies and callers give: sums alone, at a fifth of the cost."""
    return _stage_counts(merge_minutes(minutes))


def stage_and_route_frames(minutes: pa.Table) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`stage_counts`, and `rollup` by route without quantiles of the whole latency and numbers of callers.

    It is what detectors read; rows are merged once for both.
    """
    merged = merge_minutes(minutes)
    layers = {name: quantiles for name, quantiles in _QUANTILES.items() if name != "latency"}
    return _stage_counts(merged), _measured(merged, MINUTE_KEYS, layers)


def _stage_counts(merged: pa.Table) -> pd.DataFrame:
    keys = tuple(key for key in MINUTE_KEYS if key != "route")
    starts = _begins(merged, keys)
    columns: dict[str, pa.ChunkedArray | pa.Array] = {
        name: merged.column(name).take(pa.array(starts)) for name in (*keys, "visible", "available_at")
    }
    for name in MINUTE_COUNTS:
        columns[name] = pa.array(_each(np.add, _filled(merged.column(name)), starts))
    columns["visible"] = pa.array(_each(np.bitwise_or, _filled(merged.column("visible")), starts), pa.uint64())
    known = merged.column("available_at")
    latest = _each(np.maximum, _filled(known.cast(pa.int64()), _NEVER), starts)
    columns["available_at"] = pa.array(latest, mask=latest == _NEVER).cast(known.type)
    frame = _counted(pa.table(columns), keys)
    frame["closes_at"] = _closing(frame)
    return frame


_NEVER = np.iinfo(np.int64).min


def _filled(column: pa.ChunkedArray, value: int = 0) -> npt.NDArray[np.int64]:
    return np.asarray(pc.fill_null(column, value).to_numpy())


def _each(add: np.ufunc, values: npt.NDArray[np.int64], starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """What groups of neighbouring rows add up to; starts: where each begins."""
    return np.asarray(add.reduceat(values, starts)) if len(starts) else values


def _begins(merged: pa.Table, keys: Sequence[str]) -> npt.NDArray[np.int64]:
    """The rows that differ from the one before in one of the keys, which they are sorted by."""
    differs = np.zeros(len(merged), dtype=bool)
    differs[:1] = True
    for name in keys:
        codes = merged.column(name).combine_chunks()
        if not pa.types.is_timestamp(codes.type):
            codes = codes.dictionary_encode().indices
        told = np.asarray(codes.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False))
        differs[1:] |= told[1:] != told[:-1]
    return np.flatnonzero(differs)


def _counted(merged: pa.Table, keys: Sequence[str]) -> pd.DataFrame:
    """The columns of a rollup that are keys, counts or neither, `available_at` among them."""
    columns = {name: merged.column(name).to_pandas() for name in (*keys, "visible", "available_at")}
    # Rows that are older than a count do not tell it.
    columns |= {name: pc.fill_null(merged.column(name), 0).to_pandas() for name in MINUTE_COUNTS}
    frame = pd.DataFrame(columns)
    if "route" not in keys:
        frame.insert(len(keys), "route", None)
    return frame


def _closing(frame: pd.DataFrame) -> pd.Series[pd.Timestamp]:
    """When a live service would have known each minute; `available_at` is taken out of the frame."""
    minute_end = frame["minute"] + pd.Timedelta(minutes=1)
    return frame.pop("available_at").fillna(minute_end + CLOSE_DELAY).clip(lower=minute_end)


def distinct_estimate(sketches: pa.ListArray) -> npt.NDArray[np.float64]:
    """Distinct clients from the k smallest 32-bit hashes: exact below 64, else (k - 1) 2^32 / largest (Beyer 2007)."""
    lengths = np.asarray(sketches.value_lengths().fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64)
    out = lengths.astype(np.float64)
    full = lengths >= SKETCH_SIZE
    if full.any():
        largest = np.asarray(sketches.flatten().to_numpy(zero_copy_only=False))[np.cumsum(lengths)[full] - 1]
        out[full] = (SKETCH_SIZE - 1) * math.pow(2, 32) / largest.astype(np.float64)
    return out
