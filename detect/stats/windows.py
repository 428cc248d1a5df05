"""Sums over trailing windows, with the minutes before the block carried along: exact, whatever the cut."""

from __future__ import annotations

import numpy as np

from detect.grid import Floats

TAIL = 192
"""Minutes that a state keeps; no window of minutes is longer."""

GRAIN = float(1 << 20)
"""Rates are multiples of 1/GRAIN, so that their sums are exact in any order (cut invariance)."""

WINDOWS: tuple[int, ...] = (1, 2, 3, 5, 8, 13, 20, 30, 60)


def prefix(values: Floats) -> Floats:
    """Running sums with a leading 0: (series, n + 1). Values are whole multiples of a power of two, so it is exact."""
    out = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=out[:, 1:])
    return out


def trailing(running: Floats, begin: int, count: int, window: int) -> Floats:
    """Sums of `window` values that end at positions begin … begin + count - 1 of what `prefix` was made of."""
    ends = running[:, begin + 1 : begin + 1 + count]
    starts = running[:, max(begin + 1 - window, 0) : begin + 1 + count - window]
    if starts.shape[1] < count:
        starts = np.concatenate([np.zeros((len(running), count - starts.shape[1])), starts], axis=1)
    return np.ascontiguousarray(ends - starts)
