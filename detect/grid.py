"""A rollup frame as dense arrays, series × minutes: made once a block, then numpy only."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from gatewatch.frames import CLOSE_DELAY, SKETCH_SIZE

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Key: TypeAlias = "tuple[str | None, ...]"
"""(account, region, api, stage) or (account, region, api, stage, route)."""

MINUTE_US = 60_000_000
CLOSE_US = round(CLOSE_DELAY.total_seconds() * 1e6)
"""An empty minute closes this long after its end."""

BRIDGE_MINUTES = 15
"""Coverage intervals nearer than this are one: the quiet between the last line of a file and the first of the next."""

_KEYS = ["account", "region", "api", "stage"]


class Grid:
    """keys: one a row, in the order of first minute, then key, so that no cut into blocks changes the order."""

    def __init__(self, frame: pd.DataFrame, start: int, minutes: int, *, by_route: bool) -> None:
        self.start = start
        self.minutes = minutes
        names = [*_KEYS, "route"] if by_route else _KEYS
        column = micros(frame["minute"]) // MINUTE_US - start if len(frame) else np.zeros(0, np.int64)
        inside = (column >= 0) & (column < minutes)
        self._frame = frame if inside.all() else frame[inside]
        self._column = column[inside]
        codes, keys = codes_of(self._frame, names)
        first = np.full(len(keys), minutes, dtype=np.int64)
        np.minimum.at(first, codes, self._column)
        named = [(minute, *(part or "" for part in key)) for minute, key in zip(first.tolist(), keys, strict=True)]
        order = sorted(range(len(keys)), key=named.__getitem__)
        place = np.empty(len(keys), dtype=np.int64)
        place[order] = np.arange(len(keys))
        self.keys: list[Key] = [keys[k] for k in order]
        self.first: Ints = first[order]
        self._cell = place[codes] * minutes + self._column

    def counts(self, *names: str) -> Floats:
        """Sum of the columns, 0 where there is no row: (series, minutes)."""
        total = np.zeros(len(self._frame))
        for name in names:
            total += self._frame[name].to_numpy(dtype=np.float64)
        size = len(self.keys) * self.minutes
        sums: Floats = np.bincount(self._cell, weights=total, minlength=size).astype(np.float64)
        return sums.reshape(len(self.keys), self.minutes)

    def values(self, name: str) -> Floats:
        """A statistic, NaN where there is none: (series, minutes)."""
        out = np.full(len(self.keys) * self.minutes, np.nan)
        out[self._cell] = self._frame[name].to_numpy(dtype=np.float64)
        return out.reshape(len(self.keys), self.minutes)

    def histogram(self, name: str, *, width: int) -> tuple[Ints, Ints, Ints, Ints]:
        """Values of a latency: (series, minute of the block, bin, count), sorted by series, minute and bin.

        A bin is `width` buckets of gatewatch.frames.histogram; bin 0 begins below 1 ms.
        """
        lists = [_lists(self._frame[f"{name}_{part}"]) for part in "bc"]
        buckets, counts = (np.asarray(part.flatten().to_numpy(zero_copy_only=False), dtype=np.int64) for part in lists)
        lengths = lists[0].value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
        cell = np.repeat(self._cell, lengths)
        found = (buckets + 1) // width
        order = np.lexsort((found, cell))
        cell, found, counts = cell[order], found[order], counts[order]
        return cell // max(self.minutes, 1), cell % max(self.minutes, 1), found, counts

    def callers(self) -> tuple[Ints, Ints, Ints, Ints]:
        """Hashes of callers as (cell, hash) pairs; then the cells that had more callers than they keep, and their
        largest hash. A cell is series × minutes + minute of the block.
        """
        lists = _lists(self._frame["clients_k"])
        hashes = np.asarray(lists.flatten().to_numpy(zero_copy_only=False), dtype=np.int64)
        lengths = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
        full = lengths >= SKETCH_SIZE
        ends = np.cumsum(lengths)
        return np.repeat(self._cell, lengths), hashes, self._cell[full], hashes[ends[full] - 1]

    def of_type(self, api_type: str) -> Bools:
        """Which series have rows of APIs of that type: (series,)."""
        out = np.zeros(len(self.keys), dtype=np.bool_)
        out[self._cell[(self._frame["api_type"] == api_type).to_numpy(dtype=np.bool_)] // max(self.minutes, 1)] = True
        return out

    def closes(self) -> Ints:
        """Microseconds at which each minute closed: (series, minutes)."""
        out = np.tile(closing(self.start, self.minutes), len(self.keys))
        if len(self._frame):
            given = micros(self._frame["closes_at"])
            latest = np.zeros_like(out)
            np.maximum.at(latest, self._cell, given)
            out = np.where(latest > 0, latest, out)
        return out.reshape(len(self.keys), self.minutes)

    def masks(self) -> Ints:
        """The mask of columns that the formats of each minute's lines can give, 0 without a row: (series, minutes)."""
        out = np.zeros(len(self.keys) * self.minutes, dtype=np.int64)
        np.bitwise_or.at(out, self._cell, self._frame["visible"].to_numpy(dtype=np.int64))
        return out.reshape(len(self.keys), self.minutes)

    def visible(self) -> list[int]:
        """The mask of columns that the formats of each series can give (within the block)."""
        masks = self._frame["visible"].to_numpy(dtype=np.uint64)
        out = np.zeros(len(self.keys), dtype=np.uint64)
        np.bitwise_or.at(out, self._cell // max(self.minutes, 1), masks)
        return [int(mask) for mask in out]


def closing(start: int, minutes: int) -> Ints:
    """Microseconds at which the minutes from `start` on close, where no line tells: (minutes,)."""
    return (np.arange(start, start + minutes, dtype=np.int64) + 1) * MINUTE_US + CLOSE_US


def _lists(column: pd.Series[Any]) -> pa.ListArray:
    whole = pa.chunked_array(column.array.__arrow_array__())
    return whole.combine_chunks()


def codes_of(frame: pd.DataFrame, names: list[str]) -> tuple[Ints, list[Key]]:
    """Number of the key of each row, and the keys, by their first rows."""
    codes, parts, texts = np.zeros(len(frame), dtype=np.int64), [], []
    for name in names:
        part, values = pd.factorize(frame[name], use_na_sentinel=True)
        codes, _ = pd.factorize(codes * (len(values) + 1) + part + 1)
        parts.append(part)
        texts.append([*(str(value) for value in values), None])
    rows = np.empty(int(codes.max(initial=-1)) + 1, dtype=np.int64)
    rows[codes[::-1]] = np.arange(len(codes))[::-1]
    columns = [[text[code] for code in part[rows].tolist()] for part, text in zip(parts, texts, strict=True)]
    return codes.astype(np.int64), list(zip(*columns, strict=True))


def micros(column: pd.Series[Any]) -> Ints:
    """Aware instants as microseconds since the epoch."""
    naive = column.dt.tz_convert("UTC").dt.tz_localize(None)
    return np.asarray(naive.to_numpy(dtype="datetime64[us]")).astype(np.int64)


def covered_minutes(coverage: pd.DataFrame, start: int, minutes: int) -> Bools:
    """Which minutes lie in a coverage interval; the minute of an interval's last instant counts."""
    out = np.zeros(minutes + 1, dtype=np.int64)
    if not len(coverage):
        return np.zeros(minutes, dtype=bool)
    begin, end = micros(coverage["start"]) // MINUTE_US, micros(coverage["end"]) // MINUTE_US + 1
    order = np.argsort(begin, kind="stable")
    begin, end = begin[order], np.maximum.accumulate(end[order])
    gap = begin[1:] - end[:-1] > BRIDGE_MINUTES
    starts = begin[np.concatenate([[True], gap])]
    ends = end[np.concatenate([gap, [True]])]
    np.add.at(out, np.clip(starts - start, 0, minutes), 1)
    np.add.at(out, np.clip(ends - start, 0, minutes), -1)
    return np.cumsum(out)[:-1] > 0
