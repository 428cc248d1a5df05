"""Minutes as a page reads them that shows a day or a week: summed to five minutes, a quarter or an hour.

What a segment adds is summed once and kept (`parts`), so that the next page, tab or filter reads no file of the lake
again. Segments that the asked time cuts are read as they are. The columns come apart as pages ask for them: all counts
together, each histogram, and the sketches of callers.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gatewatch.frames import MINUTE_COUNTS, MINUTES
from gatewatch.frames.histogram import HIGHEST, LOWEST
from gatewatch.frames.interleave import order_codes
from gatewatch.frames.merge import SKETCH_SIZE
from gatewatch.frames.schema import MINUTE_KEYS, TIME
from gatewatch.store.lake import Segment
from gatewatch.store.manifest import segments
from gatewatch.store.parts import Parts, apart
from gatewatch.store.reading import among, between, of_segments
from gatewatch.store.state import State

LEVELS_MIN = (60, 15, 5)
COARSE = Parts(most=192 << 20)
"""Of this process. Paths are never used twice."""

SUMS, CALLERS = "sums", "callers"
_AT_ONCE = 64
_WIDTH = HIGHEST - LOWEST + 1
_DENSE = 1 << 23
_ONE_AT_A_TIME = threading.Lock()
"""Two pages that need the same do not both sum it."""

_KEYS = pa.schema([MINUTES.field(name) for name in MINUTE_KEYS])
_COUNTS = pa.schema([*_KEYS, *(MINUTES.field(name) for name in (*MINUTE_COUNTS, "visible"))])
_Ints = npt.NDArray[np.int64]


def level_of(step: timedelta | None) -> int | None:
    """The longest of LEVELS_MIN of which `step` is a multiple; None: only minutes themselves will do."""
    if step is None:
        return LEVELS_MIN[0]
    return next((level for level in LEVELS_MIN if step % timedelta(minutes=level) == timedelta()), None)


def summed_minutes(
    state: State, what: str, since: datetime, until: datetime, step: timedelta | None = None
) -> pa.Table:
    """Rows that add up to [since, until), with MINUTE_KEYS; `minute` is good for steps of this length.

    what: SUMS for MINUTE_COUNTS, `visible` and `last` (the last minute); CALLERS for `clients_k`; or one of HISTOGRAMS
    for `b` and `c`. step None: the whole time is one.
    """
    with state.read() as session:
        listed = segments(session, "minutes", since, until)
    level = level_of(step)
    whole = [one for one in listed if level is not None and one.min_at >= since and one.max_at < until]
    inside = {one.path for one in whole}
    cut = [one for one in listed if one.path not in inside]
    tables = [] if not cut else [_plain(_read(state, what, cut, since, until), what)]
    if level is not None and whole:
        tables += _parts(state, what, whole, level)
    return pa.concat_tables(tables).combine_chunks() if tables else _plain(_schema(what).empty_table(), what)


def _schema(what: str) -> pa.Schema:
    if what == SUMS:
        return _COUNTS
    names = ("clients_k",) if what == CALLERS else (f"{what}_b", f"{what}_c")
    return pa.schema([*_KEYS, *(MINUTES.field(name) for name in names)])


def _read(
    state: State,
    what: str,
    listed: Sequence[Segment],
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    named: bool = False,
) -> pa.Table:
    condition, values = between("minute", since, until)
    query = f"SELECT * FROM ({{rows}}) WHERE {condition}"
    return of_segments(state, listed, _schema(what), query, values, named=named)


def _plain(rows: pa.Table, what: str) -> pa.Table:
    """Rows of minutes in the shape of parts."""
    if what == SUMS:
        return rows.append_column("last", rows.column("minute").cast(TIME)).cast(_SUMS_KEPT)
    if what == CALLERS:
        return rows.cast(_CALLERS_KEPT)
    return rows.rename_columns([*MINUTE_KEYS, "b", "c"]).cast(_HISTOGRAM_KEPT)


_SUMS_KEPT = pa.schema([*_COUNTS, ("last", TIME)])
_CALLERS_KEPT = pa.schema([*_KEYS, ("clients_k", pa.list_(pa.uint32()))])
_HISTOGRAM_KEPT = pa.schema([*_KEYS, ("b", pa.list_(pa.int16())), ("c", pa.list_(pa.int32()))])


def _parts(state: State, what: str, whole: Sequence[Segment], level: int) -> list[pa.Table]:
    shape = f"{state.lake.root}\0{level}\0{what}"
    by_path = {one.path: one for one in whole}
    with _ONE_AT_A_TIME:
        found, missing = COARSE.get(shape, list(by_path))
        for begin in range(0, len(missing), _AT_ONCE):
            some = [by_path[path] for path in missing[begin : begin + _AT_ONCE]]
            rows = _read(state, what, some, named=True)
            made = {path: coarsened(part, what, level) for path, part in apart(rows, some, copied=False).items()}
            COARSE.put(shape, made)
            found += made.values()
    return found


def coarsened(rows: pa.Table, what: str, level: int) -> pa.Table:
    """Rows of minutes summed by their keys to steps of `level` minutes."""
    if not len(rows):
        return _plain(_schema(what).empty_table(), what)
    size = level * 60_000_000
    micros = np.asarray(rows.column("minute").cast(pa.int64()).to_numpy(), dtype=np.int64)
    place = rows.column_names.index("minute")
    stepped = rows.set_column(place, "minute", pa.array(micros // size * size).cast(TIME))
    _, first, group = np.unique(order_codes(stepped), return_index=True, return_inverse=True)
    keys = stepped.select(MINUTE_KEYS).take(pa.array(first))
    made = {name: keys.column(name).combine_chunks() for name in MINUTE_KEYS}
    groups, group = len(first), group.astype(np.int64)
    if what == SUMS:
        made |= _counted(rows, group, groups, micros)
        return pa.table(made).select(_SUMS_KEPT.names).cast(_SUMS_KEPT)
    if what == CALLERS:
        made["clients_k"] = _sketches(rows.column("clients_k").combine_chunks(), group, groups)
        return pa.table(made).cast(_CALLERS_KEPT)
    made["b"], made["c"] = _histograms(rows, what, group, groups)
    return pa.table(made).cast(_HISTOGRAM_KEPT)


def _counted(rows: pa.Table, group: _Ints, groups: int, micros: _Ints) -> dict[str, pa.Array]:
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(groups))
    made: dict[str, pa.Array] = {}
    for name in MINUTE_COUNTS:
        values = np.asarray(rows.column(name).fill_null(0).to_numpy(), dtype=np.int64)
        made[name] = pa.array(np.add.reduceat(values[order], starts))
    seen = np.asarray(rows.column("visible").fill_null(0).to_numpy(), dtype=np.uint64)
    made["visible"] = pa.array(np.bitwise_or.reduceat(seen[order], starts))
    made["last"] = pa.array(np.maximum.reduceat(micros[order], starts)).cast(TIME)
    return made


def _flat(lists: pa.Array) -> tuple[_Ints, _Ints]:
    """(for each value the row that it is of, the values)."""
    owner = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    values = pc.list_flatten(lists).to_numpy(zero_copy_only=False)
    return np.asarray(owner, dtype=np.int64), np.asarray(values, dtype=np.int64)


def _histograms(rows: pa.Table, name: str, group: _Ints, groups: int) -> tuple[pa.Array, pa.Array]:
    owner, buckets = _flat(rows.column(f"{name}_b").combine_chunks())
    _, counts = _flat(rows.column(f"{name}_c").combine_chunks())
    cells = group[owner] * _WIDTH + (buckets - LOWEST)
    if groups * _WIDTH <= _DENSE:
        sums = np.bincount(cells, weights=counts, minlength=groups * _WIDTH)
        filled = np.flatnonzero(sums)
        values = sums[filled].astype(np.int32)
    else:
        filled, back = np.unique(cells, return_inverse=True)
        values = np.bincount(back, weights=counts).astype(np.int32)
    ends = np.searchsorted(filled // _WIDTH, np.arange(groups + 1)).astype(np.int32)
    b = pa.array((filled % _WIDTH + LOWEST).astype(np.int16))
    return pa.ListArray.from_arrays(pa.array(ends), b), pa.ListArray.from_arrays(pa.array(ends), pa.array(values))


def _sketches(lists: pa.Array, group: _Ints, groups: int) -> pa.Array:
    """The smallest SKETCH_SIZE of each group."""
    owner, hashes = _flat(lists)
    both = np.unique((group[owner].astype(np.uint64) << np.uint64(32)) | hashes.astype(np.uint64))
    of = (both >> np.uint64(32)).astype(np.int64)
    begins = np.searchsorted(of, np.arange(groups + 1))
    kept = np.arange(len(both)) - begins[of] < SKETCH_SIZE
    ends = np.concatenate([[0], np.cumsum(np.minimum(np.diff(begins), SKETCH_SIZE))]).astype(np.int32)
    values = (both[kept] & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(values))


@dataclass(frozen=True, slots=True)
class ApiSeen:
    """A stage with traffic: how many requests, and the minute of the last one."""

    account: str | None
    region: str | None
    api: str | None
    api_type: str | None
    stage: str | None
    n: int
    last_at: datetime


def api_list(state: State) -> list[ApiSeen]:
    """Every stage that ever had a request, busiest first."""
    with state.read() as session:
        by_path = {one.path: one for one in segments(session, "minutes")}
    if not by_path:
        return []
    shape = f"{state.lake.root}\0stages"
    with _ONE_AT_A_TIME:
        found, missing = SEEN.get(shape, list(by_path))
        for begin in range(0, len(missing), _MOST_FILES):
            some = [by_path[path] for path in missing[begin : begin + _MOST_FILES]]
            query = (
                f"SELECT segment, {_STAGE}, sum(n)::BIGINT AS n, max(minute) AS last_at FROM ({{rows}}) GROUP BY ALL"
            )
            rows = of_segments(state, some, _STAGES, query, {}, named=True)
            made = apart(rows, some)
            SEEN.put(shape, made)
            found += made.values()
    query = (
        f"SELECT {_STAGE}, sum(n)::BIGINT AS n, max(last_at) AS last_at FROM seen "
        "GROUP BY ALL ORDER BY n DESC, api, stage, account, region, api_type"
    )
    return [ApiSeen(**row) for row in among(query, seen=pa.concat_tables(found)).to_pylist()]


SEEN = Parts(most=32 << 20)
_MOST_FILES = 256
_STAGE = "account, region, api, api_type, stage"
_STAGES = pa.schema([MINUTES.field(name) for name in ("minute", "account", "region", "api", "api_type", "stage", "n")])
