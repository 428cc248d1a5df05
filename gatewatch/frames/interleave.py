"""Putting rows in the order of MINUTE_KEYS and finding those that must be summed, by numbers instead of texts.

Tables of many batches mostly follow each other in time, so their order is made of long runs: those are sliced, not
copied.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gatewatch.frames.schema import MINUTE_KEYS

Ints = npt.NDArray[np.int64]

_ROOM = 1 << 36
"""Numbers of key combinations stay below it, so that a number of minutes goes on top within 64 bits."""

_SLICES = 15_000


def order_codes(table: pa.Table) -> Ints:
    """One number a row that orders like its MINUTE_KEYS (NULL first); equal numbers are equal keys."""
    codes, size = np.zeros(len(table), dtype=np.int64), 1
    for name in MINUTE_KEYS:
        if name == "minute":
            continue
        ranks, count = _ranks(table.column(name))
        if count == 1:
            continue
        if size * count > _ROOM:
            seen, codes = np.unique(codes, return_inverse=True)
            size = len(seen)
        codes = codes * count + ranks
        size *= count
    if size > _ROOM:
        seen, codes = np.unique(codes, return_inverse=True)
        size = len(seen)
    minute = np.asarray(table.column("minute").cast(pa.int64()).to_numpy()) // 60_000_000
    if len(minute):
        minute = minute - minute.min()
    return minute * size + codes


def _ranks(column: pa.ChunkedArray) -> tuple[Ints, int]:
    """The place of each value among the sorted different ones (0: NULL), and how many places there are."""
    encoded = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    order = np.asarray(pc.array_sort_indices(encoded.dictionary).to_numpy(), dtype=np.int64)
    place = np.empty(len(order) + 1, dtype=np.int64)
    place[order] = np.arange(1, len(order) + 1)
    place[-1] = 0  # an index of -1: NULL
    return place[encoded.indices.fill_null(-1).to_numpy()], len(order) + 1


def interleaved(table: pa.Table, starts: Ints, merge: Callable[[pa.Table], pa.Table]) -> pa.Table:
    """The rows in the order of MINUTE_KEYS, groups with equal keys merged.

    starts: where each group begins; its rows have equal keys and are in order. merge: rows of groups with equal keys ->
    their sums, sorted.
    """
    if not len(table):
        return table
    codes = order_codes(table)[starts]
    sizes = np.diff(np.append(starts, len(table)))
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    again = ordered[1:] == ordered[:-1]
    if not again.any():
        return _taken(table, starts[order], sizes[order])
    doubled = np.zeros(len(order), dtype=bool)
    doubled[1:] |= again
    doubled[:-1] |= again
    mine = np.sort(order[doubled])
    merged = merge(_taken(table, starts[mine], sizes[mine]))
    new = order_codes(merged)
    begins = np.flatnonzero(np.append(True, new[1:] != new[:-1]))
    keys = np.unique(ordered[doubled])
    assert len(begins) == len(keys), (len(begins), len(keys))
    alone = order[~doubled]
    codes = np.concatenate([codes[alone], keys])
    starts = np.concatenate([starts[alone], begins + len(table)])
    sizes = np.concatenate([sizes[alone], np.diff(np.append(begins, len(merged)))])
    order = np.argsort(codes)
    return _taken(pa.concat_tables([table, merged]), starts[order], sizes[order])


def _taken(table: pa.Table, starts: Ints, sizes: Ints) -> pa.Table:
    """Ranges of rows one after the other; long ones are not copied."""
    new = np.append(True, starts[1:] != starts[:-1] + sizes[:-1])
    first = np.flatnonzero(new)
    if len(first) <= _SLICES and len(first) * 20 <= len(table):
        lengths = np.add.reduceat(sizes, first).tolist()
        return pa.concat_tables(
            [table.slice(begin, length) for begin, length in zip(starts[first].tolist(), lengths, strict=True)]
        )
    ends = np.cumsum(sizes)
    rows = np.arange(ends[-1]) + np.repeat(starts - (ends - sizes), sizes)
    return table.take(pa.array(rows))
