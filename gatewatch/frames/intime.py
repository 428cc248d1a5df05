"""Merging tables that mostly follow each other in time: only the minutes that several of them have need a look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]

_PIECES = 2_000
"""Pieces of tables put one after the other. More of them (files that take turns minute by minute) cost more than
looking at all rows."""


def in_time(parts: Iterable[pa.Table], schema: pa.Schema, merge: Callable[[Sequence[pa.Table]], pa.Table]) -> pa.Table:
    """merge(parts), called with the rows of shared minutes only.

    Each part, and what `merge` gives, is sorted by its first column, `minute`.
    """
    parts = [part for part in parts if len(part)]
    if not parts:
        return schema.empty_table()
    minutes = [_minutes(part) for part in parts]
    firsts = [np.flatnonzero(np.append(True, minute[1:] != minute[:-1])) for minute in minutes]
    minute = np.concatenate([own[first] for own, first in zip(minutes, firsts, strict=True)])
    part = np.repeat(np.arange(len(parts)), [len(first) for first in firsts])
    row = np.concatenate(firsts)
    end = np.concatenate([np.append(first[1:], len(own)) for own, first in zip(minutes, firsts, strict=True)])
    order = np.lexsort((part, minute))
    minute, part, row, end = minute[order], part[order], row[order], end[order]
    same = minute[1:] == minute[:-1]
    shared = np.append(False, same) | np.append(same, False)
    # A piece: neighbouring minutes of one part alone, or neighbouring minutes that are shared.
    begins = np.append(True, (shared[1:] != shared[:-1]) | (~shared[1:] & (part[1:] != part[:-1])))
    starts = np.flatnonzero(begins)
    if len(starts) > _PIECES or shared.all():
        return merge(parts).cast(schema)
    merged = _shared(parts, part[shared], row[shared], end[shared], merge)
    own = _minutes(merged) if merged is not None else np.zeros(0, dtype=np.int64)
    pieces: list[pa.Table] = []
    for begin, after in zip(starts.tolist(), [*starts[1:].tolist(), len(order)], strict=True):
        if merged is not None and shared[begin]:
            low, high = np.searchsorted(own, [minute[begin], minute[after - 1] + 1]).tolist()
            pieces.append(merged.slice(low, high - low))
        else:
            pieces.append(parts[part[begin]].slice(int(row[begin]), int(end[after - 1] - row[begin])))
    return pa.concat_tables([piece.cast(schema) for piece in pieces])


def _minutes(table: pa.Table) -> Ints:
    return np.asarray(table.column("minute").cast(pa.int64()).to_numpy(), dtype=np.int64)


def _shared(
    parts: Sequence[pa.Table], part: Ints, row: Ints, end: Ints, merge: Callable[[Sequence[pa.Table]], pa.Table]
) -> pa.Table | None:
    """What the rows of shared minutes come to; None when there are none."""
    if not len(part):
        return None
    taken = []
    for number in np.unique(part).tolist():
        mine = part == number
        rows = np.concatenate([np.arange(a, b) for a, b in zip(row[mine].tolist(), end[mine].tolist(), strict=True)])
        taken.append(parts[number].take(pa.array(rows)))
    return merge(taken)
