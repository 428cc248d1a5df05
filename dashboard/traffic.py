"""Minutes of the lake added up by any grouping, in numpy: what tiles, lines and tables of traffic show.

The detectors' rollup merges every histogram and sketch; a page needs five numbers a group, and at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gatewatch.frames import bucket_value_ms, cause_column
from gatewatch.frames.histogram import HIGHEST, LOWEST
from gatewatch.records import AUTH_CAUSES

Numbers = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

_WIDTH = HIGHEST - LOWEST + 1
_P95 = 0.95


@dataclass(frozen=True, slots=True)
class Sums:
    """One value a group. p95_ms: NaN where no latency was logged."""

    n: Numbers
    failed: Numbers
    auth: Numbers
    throttled: Numbers
    backend_refused: Numbers
    p95_ms: Numbers


@dataclass(frozen=True, slots=True)
class Minutes:
    """Rows that add up (store.coarse): counts, and histograms of latency in `b` and `c`."""

    sums: pa.Table
    took: pa.Table


def add_up(minutes: Minutes, group: Places, took: Places, groups: int) -> Sums:
    """Minutes added up; group, took: of each row of `sums` and of `took` its group, 0 … groups - 1."""

    def total(*names: str) -> Numbers:
        out = np.zeros(groups)
        for name in names:
            values = minutes.sums.column(name).fill_null(0).to_numpy().astype(np.float64)
            out += np.bincount(group, weights=values, minlength=groups)
        return out

    return Sums(
        n=total("n"),
        failed=total("s5xx"),
        auth=total(*(cause_column(cause) for cause in sorted(AUTH_CAUSES))),
        throttled=total(cause_column("throttle"), cause_column("quota")),
        backend_refused=total(cause_column("backend_refused")),
        p95_ms=_p95(minutes.took, took, groups),
    )


def _p95(took: pa.Table, group: Places, groups: int) -> Numbers:
    buckets, counts = (took.column(name).combine_chunks() for name in "bc")
    out = np.full(groups, np.nan)
    if len(buckets) == 0:
        return out
    rows = pc.list_parent_indices(buckets).to_numpy(zero_copy_only=False).astype(np.int64)
    flat = pc.list_flatten(buckets).to_numpy(zero_copy_only=False).astype(np.int64)
    weights = pc.list_flatten(counts).to_numpy(zero_copy_only=False).astype(np.float64)
    cells = group[rows] * _WIDTH + (flat - LOWEST)
    dense = np.bincount(cells, weights=weights, minlength=groups * _WIDTH).reshape(groups, _WIDTH)
    running = dense.cumsum(axis=1)
    filled = running[:, -1] > 0
    rank = np.maximum(np.ceil(_P95 * running[filled, -1]), 1)
    out[filled] = bucket_value_ms((running[filled] >= rank[:, None]).argmax(axis=1) + LOWEST)
    return out


def time_places(minutes: pa.Table, first: datetime, size: timedelta) -> Places:
    """For each row the number of its bucket, counted from `first`."""
    micros = minutes.column("minute").cast(pa.int64()).to_numpy()
    start = int(first.timestamp()) * 1_000_000
    places: Places = (micros - start) // (int(size.total_seconds()) * 1_000_000)
    return places


def key_places(minutes: pa.Table, names: Sequence[str]) -> tuple[list[tuple[str | None, ...]], Places]:
    """(the distinct keys, for each row the place of its key)."""
    group = np.zeros(minutes.num_rows, dtype=np.int64)
    values: list[list[str | None]] = []
    for name in names:
        encoded = minutes.column(name).combine_chunks().dictionary_encode(null_encoding="encode")
        known = encoded.dictionary.to_pylist()
        values.append(known)
        group = group * max(len(known), 1) + encoded.indices.to_numpy(zero_copy_only=False)
    distinct, places = np.unique(group, return_inverse=True)
    keys = []
    for number in distinct.tolist():
        key: list[str | None] = []
        for known in reversed(values):
            number, place = divmod(number, max(len(known), 1))
            key.append(known[place])
        keys.append(tuple(reversed(key)))
    return keys, places.astype(np.int64)


def bucket_starts(since: datetime, until: datetime, size: timedelta) -> list[datetime]:
    """Starts of the buckets that cover [since, until); buckets begin at whole multiples of their size."""
    seconds = int(size.total_seconds())
    first = datetime.fromtimestamp(int(since.timestamp()) // seconds * seconds, UTC)
    return [first + size * step for step in range(-(-(until - first) // size))]


def covered(intervals: pa.Table, starts: Sequence[datetime], size: timedelta) -> npt.NDArray[np.bool_]:
    """For each bucket: some source delivered in it."""
    out = np.zeros(len(starts), dtype=bool)
    if not starts:
        return out
    for row in intervals.to_pylist():
        low = (row["start"] - starts[0]) // size
        high = -((starts[0] - row["end"]) // size)
        out[max(low, 0) : max(high, 0)] = True
    return out


def known_since(intervals: pa.Table, since: datetime, first: datetime) -> datetime:
    """From when on in a range from `since` there can be a gap: what is younger has none before its first data.

    first: the first request of all.
    """
    if first <= since:
        return since
    starts: list[datetime] = intervals.column("start").to_pylist()
    return max(since, min([first, *starts]))


def covered_share(intervals: pa.Table, since: datetime, until: datetime) -> float:
    """The share of [since, until) in which at least one source delivered."""
    total = timedelta()
    last = since
    for start, end in sorted((row["start"], row["end"]) for row in intervals.to_pylist()):
        start, end = max(start, last), min(end, until)
        if end > start:
            total += end - start
            last = end
    return total / (until - since) if until > since else 0.0
