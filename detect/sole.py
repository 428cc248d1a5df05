"""Does a stage have a single caller? Its silence is that of one client, which rests as clients do.

Of the hashes of callers (`clients_k` of MINUTES) the largest and the smallest are enough: one caller is where they are
the same. Both are kept as numbers that grow by the maximum, 0 where nobody called.
"""

from __future__ import annotations

import numpy as np

from detect.grid import Bools, Floats, Grid, Ints

HOURS = 24
"""Hours that are remembered, beside the one at hand."""

SOLE_TIMES, SOLE_MINUTES = 10.0, 600.0
"""A single caller must miss so many times what others must, or all that it owes in so many minutes if that is less."""

_TOP = float(1 << 32)


def extremes(grid: Grid, rows: Ints, many: int, minutes: int) -> Floats:
    """The largest hash + 1, and 2**32 - the smallest, of who called in each minute: (many, minutes, 2).

    grid: by route; rows: of each of its series, the row that its callers are of, or -1.
    """
    out = np.zeros((many, minutes, 2))
    if not grid.keys:
        return out
    cell, caller, _, _ = grid.callers()
    row, at = rows[cell // minutes], cell % minutes
    some = row >= 0
    hashes = caller[some].astype(np.float64)
    for slot, value in enumerate((hashes + 1.0, _TOP - hashes)):
        np.maximum.at(out[:, :, slot], (row[some], at[some]), value)
    return out


def sole(seen: Floats) -> Bools:
    """Which series had one caller in the hours that are over: (series,). seen: (series, HOURS + 1, 2).

    The hour at hand does not count, so that no cut within it changes the answer.
    """
    most = seen[:, :-1].max(axis=1)
    return np.asarray(most.sum(axis=1) == _TOP + 1.0)


def remembered(seen: Floats, who: Floats, *, closes: bool) -> Floats:
    """Take what some minutes of one hour showed: (series, minutes, 2). closes: the hour ends with them."""
    seen = seen.copy()
    seen[:, -1] = np.maximum(seen[:, -1], who.max(axis=1))
    if closes:
        seen = np.concatenate([seen[:, 1:], np.zeros_like(seen[:, :1])], axis=1)
    return seen
