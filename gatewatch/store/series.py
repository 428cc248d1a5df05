"""Series of any measure by any field, and heat maps of latency: from minutes where they can tell, else from requests.

A segment never changes, so what it adds to a series is summed once and kept (`Parts`): a question about a week reads
only what came since it was asked before. Steps begin at whole multiples of their length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gatewatch.errors import UsageError
from gatewatch.frames import MINUTES, REQUESTS, bucket_value_ms
from gatewatch.frames.merge import SKETCH_SIZE, distinct_estimate
from gatewatch.store.lake import Segment
from gatewatch.store.manifest import covered, segments
from gatewatch.store.measures import LATENCIES, MEASURES, SUMS, Measure
from gatewatch.store.parts import Parts, apart
from gatewatch.store.reading import Rows, among, of_rows, of_segments
from gatewatch.store.request_fields import ROLLED, conditions_sql, field_sql
from gatewatch.store.state import State
from gatewatch.where import Term

MOST_STEPS = 1500
MOST_POINTS = 12_000
MOST_GROUPS = 20
RAW_ROWS = 60_000_000
"""Requests that a series by a field of requests looks through, at most: about a minute of two cores."""

STEPS: tuple[int, ...] = (60, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INT = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Asked:
    """[since, until) is widened to whole steps. by: a field, or None for one line; top: groups beside "other"."""

    since: datetime
    until: datetime
    step_s: int
    terms: tuple[Term, ...] = ()
    by: str | None = None
    top: int = 8

    @property
    def first(self) -> int:
        """Number of the first step."""
        return math.floor(self.since.timestamp() / self.step_s)

    @property
    def steps(self) -> int:
        return math.ceil(self.until.timestamp() / self.step_s) - self.first

    @property
    def starts(self) -> list[datetime]:
        """Of the steps."""
        return [_EPOCH + timedelta(seconds=(self.first + step) * self.step_s) for step in range(self.steps)]

    @property
    def rolled(self) -> bool:
        """Whether minutes can tell."""
        names = {*(term.field for term in self.terms), *(() if self.by is None else (self.by,))}
        return names <= set(ROLLED)


@dataclass(frozen=True, slots=True)
class Line:
    """value: of the field; None: it is absent. other: all groups beyond the top. NaN: nothing is known there."""

    value: str | None
    other: bool
    points: list[float]


@dataclass(frozen=True, slots=True)
class Lines:
    """at: starts of the steps. known: whether a source delivered in the step. source: minutes or requests."""

    at: list[datetime]
    known: list[bool]
    lines: list[Line]
    groups: int
    source: str


def step_for(since: datetime, until: datetime, wanted: int = 200) -> int:
    """The shortest of STEPS that cuts the time into at most `wanted`."""
    seconds = (until - since).total_seconds()
    return next((one for one in STEPS if seconds / one <= wanted), STEPS[-1])


def check(asked: Asked) -> None:
    """UsageError when it is more than one answer holds."""
    if asked.step_s % 60 or asked.step_s <= 0:
        raise UsageError("a step is a whole number of minutes")
    groups = 1 if asked.by is None else asked.top + 1
    if asked.steps > MOST_STEPS or asked.steps * groups > MOST_POINTS:
        raise UsageError(
            f"{asked.steps:,} steps of {groups} lines are too many (at most {MOST_STEPS:,} steps and {MOST_POINTS:,} "
            "points): take a longer step or a shorter time"
        )


def series(state: State, name: str, asked: Asked) -> Lines:
    """A line a group, the largest first. UsageError: too many points, or too many requests to look through."""
    check(asked)
    measure = MEASURES[name]
    got = _gathered(state, asked, measure)
    count = max(got.count, 1)
    known = _known(state, asked, got.table)
    points = _points(got.table, count, asked, measure)
    points[:, ~known] = np.nan
    values = got.values or ([None] if not got.other else [])
    lines = [Line(value, False, points[row].tolist()) for row, value in enumerate(values)]
    if got.other:
        lines.append(Line(None, True, points[len(values)].tolist()))
    return Lines(asked.starts, known.tolist(), lines, got.groups, got.source)


@dataclass(frozen=True, slots=True)
class HeatMap:
    """counts: a row a latency band (its lower end in edges_ms, the last has no upper end), a column a step."""

    at: list[datetime]
    edges_ms: list[float]
    counts: list[list[int]]
    over: int
    source: str


def heat_map(state: State, asked: Asked, *, rows: int = 36) -> HeatMap:
    """How many requests took how long, when. The bands are as many equal parts of the logarithm as fit what there is.

    over: requests of 28 s or more, which are in the last bands too.
    """
    one = Asked(asked.since, asked.until, asked.step_s, asked.terms)
    check(one)
    got = _gathered(state, one, MEASURES["latency_p50"])
    step, bucket, n = (_numbers(got.table, name) for name in ("step", "b", "c"))
    if not len(n):
        return HeatMap(one.starts, [], [], 0, got.source)
    low, high = int(bucket.min()), int(bucket.max())
    size = max(1, math.ceil((high - low + 1) / rows))
    bands = (high - low) // size + 1
    counts = np.zeros((bands, one.steps), dtype=np.int64)
    np.add.at(counts, ((bucket - low) // size, step - one.first), n)
    edges = [0.0 if low + size * row < 0 else float(1.02 ** (low + size * row)) for row in range(bands)]
    over = int(n[bucket_value_ms(bucket) >= 28_000].sum())
    return HeatMap(one.starts, edges, counts.tolist(), over, got.source)


PARTS = Parts()
"""Of this process. Paths are never used twice."""


@dataclass(frozen=True, slots=True)
class _Gathered:
    """table: step, line and what adds up. values: of the lines; other: one more line for all other groups."""

    table: pa.Table
    values: list[str | None]
    other: bool
    groups: int
    source: str

    @property
    def count(self) -> int:
        return len(self.values) + self.other


def _gathered(state: State, asked: Asked, measure: Measure) -> _Gathered:
    size = timedelta(seconds=asked.step_s)
    begin = _EPOCH + asked.first * size
    end = begin + asked.steps * size
    kind = "minutes" if asked.rolled else "requests"
    with state.read() as session:
        listed = segments(session, kind, begin, end)
    if not listed:
        empty = {"step": pa.array([], pa.int64()), "line": pa.array([], pa.int64())}
        return _Gathered(pa.table({**empty, **_empty(measure)}), [], False, 0, kind)
    if not asked.rolled:
        return _raw(state, asked, measure, listed, begin, end)
    table = _summed(state, asked, measure, listed)
    step = table.column("step")
    table = table.filter(pc.and_(pc.greater_equal(step, asked.first), pc.less(step, asked.first + asked.steps)))
    return _ranked(table, asked, measure)


def _ranked(table: pa.Table, asked: Asked, measure: Measure) -> _Gathered:
    """The groups with most requests as lines of their own."""
    encoded = table.column("g").combine_chunks().dictionary_encode(null_encoding="encode")
    names: list[str | None] = encoded.dictionary.to_pylist()
    places = np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
    weights = _numbers(table, "c" if measure.histogram else "n")
    totals = np.bincount(places, weights=weights, minlength=len(names))
    order = sorted(range(len(names)), key=lambda place: (-totals[place], names[place] or ""))
    kept = order if asked.by is None else order[: asked.top]
    line_of = np.full(len(names), len(kept), dtype=np.int64)
    line_of[kept] = np.arange(len(kept))
    lines = pa.array(line_of[places] if len(names) else places)
    whole = table.drop_columns(["g"]).append_column("line", lines)
    return _Gathered(whole, [names[place] for place in kept], len(kept) < len(names), len(names), "minutes")


def _empty(measure: Measure) -> dict[str, pa.Array]:
    if measure.histogram is not None:
        return {"b": pa.array([], pa.int64()), "c": pa.array([], pa.int64())}
    if measure.callers:
        return {"n": pa.array([], pa.int64()), "k": pa.array([], pa.list_(pa.uint32()))}
    return {name: pa.array([], pa.int64()) for name in SUMS}


def _summed(state: State, asked: Asked, measure: Measure, listed: Sequence[Segment]) -> pa.Table:
    """From minutes, segment by segment, of which only new ones are read."""
    condition, values = conditions_sql(asked.terms)
    group = "NULL::VARCHAR" if asked.by is None else field_sql(asked.by)
    what = measure.histogram or ("callers" if measure.callers else "sums")
    shape = f"{state.lake.root}\0{asked.step_s}\0{asked.by}\0{what}\0{condition}\0{sorted(values.items())!r}"
    by_path = {one.path: one for one in listed}
    found, missing = PARTS.get(shape, list(by_path))
    for begin in range(0, len(missing), 256):
        some = [by_path[path] for path in missing[begin : begin + 256]]
        keys = f"segment, epoch_us(minute) // {asked.step_s * 1_000_000:d} AS step, {group} AS g"
        where = f"WHERE {condition}"
        if measure.histogram is not None:
            flat = (
                f"SELECT {keys}, unnest({measure.histogram}_b) AS b, unnest({measure.histogram}_c) AS c "
                f"FROM ({{rows}}) {where}"
            )
            query = f"SELECT segment, step, g, b::BIGINT AS b, sum(c)::BIGINT AS c FROM ({flat}) GROUP BY ALL"
        elif measure.callers:
            query = (
                f"SELECT {keys}, sum(n)::BIGINT AS n, {_sketch('clients_k')} AS k FROM ({{rows}}) {where} GROUP BY ALL"
            )
        else:
            sums = ", ".join(f"coalesce(sum({column}), 0)::BIGINT AS {name}" for name, (column, _) in SUMS.items())
            query = f"SELECT {keys}, {sums} FROM ({{rows}}) {where} GROUP BY ALL"
        table = of_segments(state, some, MINUTES, query, values, named=True)
        parts = apart(table, some)
        PARTS.put(shape, parts)
        found += parts.values()
    return pa.concat_tables(found)


def _raw(
    state: State, asked: Asked, measure: Measure, listed: Sequence[Segment], begin: datetime, end: datetime
) -> _Gathered:
    """From requests, in two passes over few columns: which groups are the largest, then those by time."""
    rows = sum(one.rows for one in listed)
    if rows > RAW_ROWS:
        raise UsageError(
            f"{rows:,} requests would have to be looked through (at most {RAW_ROWS:,}): take a shorter time, or only "
            f"fields that rollups have ({', '.join(ROLLED)})"
        )
    if asked.by in FEW and measure.histogram is None and not measure.callers:
        return _few(state, asked, measure, Rows(listed, begin, end))
    condition, values = conditions_sql(asked.terms)
    values |= {"since": begin, "until": end}
    where = f'WHERE {condition} AND "at" >= $since AND "at" < $until'
    names: list[str | None] = [None]
    groups, line = 1, "0"
    if asked.by is not None:
        group = f"{field_sql(asked.by)}::VARCHAR"
        counted = f"SELECT {group} AS g, count(*) AS n FROM ({{rows}}) {where} GROUP BY ALL"
        top = (
            f"SELECT g, count(*) OVER () AS groups FROM ({counted}) ORDER BY n DESC, g NULLS FIRST LIMIT {asked.top:d}"
        )
        found = of_segments(state, listed, REQUESTS, top, values)
        names = found.column("g").to_pylist()
        groups = found.column("groups")[0].as_py() if names else 0
        absent = names.index(None) if None in names else len(names)
        values["names"] = names
        line = (
            f"CASE WHEN {group} IS NULL THEN {absent:d} "
            f"ELSE coalesce(list_position($names::VARCHAR[], {group}) - 1, {len(names):d}) END"
        )
    if measure.histogram is not None:
        took = LATENCIES[measure.histogram]
        where += f" AND ({took}) IS NOT NULL"
        bucket = f"CASE WHEN ({took}) < 1 THEN -1 ELSE least(floor(ln({took}) / ln(1.02)), 1000) END::BIGINT AS b"
        what = f"{bucket}, count(*)::BIGINT AS c"
    elif measure.callers:
        what = f"count(*)::BIGINT AS n, approx_count_distinct({field_sql('client_id')})::DOUBLE AS callers"
    else:
        what = ", ".join(f"({SUMS[name][1]})::BIGINT AS {name}" for name in _needed(measure))
    step = f'epoch_us("at") // {asked.step_s * 1_000_000:d}'
    query = f"SELECT {step} AS step, ({line})::BIGINT AS line, {what} FROM ({{rows}}) {where} GROUP BY ALL"
    table = of_segments(state, listed, REQUESTS, query, values)
    return _Gathered(table, names if groups else [], groups > len(names), groups, "requests")


def _needed(measure: Measure) -> list[str]:
    """The sums that it is made of, and what groups are ranked by; others would be decoded for nothing."""
    return [name for name in SUMS if name in ("n", measure.top, measure.below)]


FEW = {
    "status_class": "status",
    **{name: name for name in ("status", "integration_status", "reject_cause", "throttle_scope", "api_type")},
}
"""Fields that have few values by their nature, and the column of each: one pass, and what is made of it afterwards."""


def _few(state: State, asked: Asked, measure: Measure, source: Rows) -> _Gathered:
    assert asked.by is not None
    condition, values = conditions_sql(asked.terms)
    step = f'epoch_us("at") // {asked.step_s * 1_000_000:d}'
    names = _needed(measure)
    sums = ", ".join(f"({SUMS[name][1]})::BIGINT AS {name}" for name in names)
    inner = f"SELECT {step} AS step, {FEW[asked.by]}, {sums} FROM ({{rows}}) WHERE {condition} GROUP BY ALL"
    added = ", ".join(f"sum({name})::BIGINT AS {name}" for name in names)
    query = f"SELECT step::BIGINT AS step, {field_sql(asked.by)}::VARCHAR AS g, {added} FROM ({inner}) GROUP BY ALL"
    table = of_rows(state, {"rows": source}, REQUESTS, query, values)
    return replace(_ranked(table, asked, measure), source="requests")


def _points(table: pa.Table, count: int, asked: Asked, measure: Measure) -> npt.NDArray[np.float64]:
    """One row a line, one column a step."""
    cells = _numbers(table, "line") * asked.steps + (_numbers(table, "step") - asked.first)
    size = count * asked.steps
    if measure.histogram is not None:
        flat = _quantiles(cells, _numbers(table, "b"), _numbers(table, "c"), measure.quantile, size)
    elif measure.callers:
        flat = _callers(table, cells, size)
    else:
        flat = np.bincount(cells, weights=_numbers(table, measure.top), minlength=size).astype(np.float64)
        if measure.below is not None:
            below = np.bincount(cells, weights=_numbers(table, measure.below), minlength=size)
            with np.errstate(invalid="ignore", divide="ignore"):
                flat = np.where(below > 0, flat / below, np.nan)
    return flat.reshape(count, asked.steps)


def _quantiles(cells: _INT, buckets: _INT, counts: _INT, quantile: float, size: int) -> npt.NDArray[np.float64]:
    """The value of rank ceil(q n) of each cell; NaN where there is none."""
    out = np.full(size, np.nan)
    if not len(cells):
        return out
    order = np.lexsort((buckets, cells))
    cells, buckets, counts = cells[order], buckets[order], counts[order]
    running = np.cumsum(counts)
    begins = np.flatnonzero(np.append(True, cells[1:] != cells[:-1]))
    before = running[begins] - counts[begins]
    totals = np.append(running[begins[1:] - 1], running[-1]) - before
    rank = np.maximum(np.ceil(quantile * totals).astype(np.int64), 1)
    out[cells[begins]] = bucket_value_ms(buckets[np.searchsorted(running, before + rank)])
    return out


def _callers(table: pa.Table, cells: _INT, size: int) -> npt.NDArray[np.float64]:
    out = np.zeros(size)
    if "callers" in table.column_names:  # counted already
        out[cells] = table.column("callers").to_numpy()
        return out
    sketches = pa.table({"cell": pa.array(cells), "k": table.column("k")})
    merged = among(
        f"SELECT cell, {_sketch('k')} AS k FROM sketches GROUP BY cell",
        sketches=sketches,
    )
    out[_numbers(merged, "cell")] = distinct_estimate(merged.column("k").combine_chunks().cast(pa.list_(pa.uint32())))
    return out


def _sketch(column: str) -> str:
    """Sketches of callers as one."""
    every = f"flatten(list({column}) FILTER ({column} IS NOT NULL))"
    return f"list_slice(list_sort(list_distinct({every})), 1, {SKETCH_SIZE})"


def _known(state: State, asked: Asked, table: pa.Table) -> npt.NDArray[np.bool_]:
    """For each step: a source delivered in it, or something is there."""
    out = np.zeros(asked.steps, dtype=bool)
    starts, size = asked.starts, timedelta(seconds=asked.step_s)
    with state.read() as session:
        intervals = covered(session, starts[0], starts[-1] + size)
    for _, begin, end in intervals:
        low, high = (begin - starts[0]) // size, -((starts[0] - end) // size)
        out[max(low, 0) : max(high, 0)] = True
    out[_numbers(table, "step") - asked.first] = True
    return out


def _numbers(table: pa.Table, name: str) -> _INT:
    return np.asarray(table.column(name).fill_null(0).to_numpy(), dtype=np.int64)
