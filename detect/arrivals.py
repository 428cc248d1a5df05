"""Callers that come to be refused: each counted once an hour, whatever it tries.

Refusals come in clusters, one caller's tries after another, so that ten of them say little where hardly any are usual.
Callers do not: four of them within minutes, where one a day is usual, are four independent witnesses. A caller is one
whose address, name and key were all not refused in the hour before, so that neither a list of names tried from one
address nor one client behind many addresses counts more than once. No more callers than refusals are to be expected,
which is what they are judged by.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from detect.grid import Bools, Floats, Ints
from detect.stats.glr import Scan
from detect.stats.tail import size, tail_nats
from detect.stats.windows import WINDOWS, prefix, trailing
from detect.who import Rows

MEMORY = 60
"""Minutes for which a caller stays known; as long as the longest window."""

DIMENSIONS = ("client_ip", "principal", "api_key_id")
_LONG_AGO = -(1 << 40)


def arrivals(rows: Rows, series: int, first: int, minutes: int) -> Floats:
    """New callers of each series in the minutes from `first` - MEMORY + 1 on: (series, MEMORY - 1 + minutes).

    rows: those of 2 × MEMORY minutes before `first` on, at least. Of those that come within a minute the ones that
    share an address, a name or a key are one: the fewest that it can be. A new address with a name or key that is known
    counts half: one client behind many addresses, or one account that many try.
    """
    begin, width = first - MEMORY + 1, MEMORY - 1 + minutes
    inside = (rows.minute >= begin) & (rows.minute < first + minutes)
    cell = np.where(inside, rows.row * width + rows.minute - begin, 0)
    codes, new = {}, {}
    for name in DIMENSIONS:
        code, values = pd.factorize(rows.names[name])
        codes[name] = code
        before = _before(rows.row * (len(values) + 1) + code, rows.minute, code >= 0)
        new[name] = rows.minute - before > MEMORY
    every = np.logical_and.reduce(list(new.values())) & inside
    fewest = np.full(series * width, np.inf)
    for name in DIMENSIONS:
        part = every & (codes[name] >= 0)
        # A minute in which some do not tell their name is not counted by names.
        whole = _many(cell[every], series * width) == _many(cell[part], series * width)
        fewest = np.where(whole, np.minimum(fewest, _distinct(cell[part], codes[name][part], series * width)), fewest)
    fewest = np.where(np.isfinite(fewest), fewest, 0.0)
    part = inside & new["client_ip"] & (codes["client_ip"] >= 0)
    addresses = _distinct(cell[part], codes["client_ip"][part], series * width)
    found: Floats = (fewest + 0.5 * np.maximum(addresses - fewest, 0.0)).reshape(series, width)
    return found


def _many(cell: Ints, length: int) -> Ints:
    return np.bincount(cell, minlength=length)


def _distinct(cell: Ints, code: Ints, length: int) -> Floats:
    """How many different codes each cell has."""
    base = int(code.max(initial=0)) + 1
    return np.bincount(np.unique(cell * base + code) // base, minlength=length).astype(np.float64)


def _before(caller: Ints, minute: Ints, told: Bools) -> Ints:
    """The last minute before its own in which each row's caller was there; long ago where never, or not told."""
    out = np.full(len(caller), _LONG_AGO, dtype=np.int64)
    place = np.flatnonzero(told)
    if len(place):
        place = place[np.lexsort((minute[place], caller[place]))]
        who, at = caller[place], minute[place]
        starts = np.concatenate([[True], (who[1:] != who[:-1]) | (at[1:] != at[:-1])])
        # The first row of this caller and minute, and the row right before it, if that is the same caller's.
        first = np.maximum.accumulate(np.where(starts, np.arange(len(place)), 0))
        back = np.maximum(first - 1, 0)
        same = (first > 0) & (who[back] == who)
        out[place] = np.where(same, at[back], _LONG_AGO)
    return out


def score_of(came: Floats, mean: Floats, take: int, relative: Floats) -> Scan:
    """Judge the last `take` minutes of callers by expected refusals (series, minutes).

    relative (series, 1): how far the expectation may err.
    """
    shape = (len(came), take)
    out = Scan(np.zeros(shape), np.ones(shape, dtype=np.int64), np.zeros(shape), np.zeros(shape))
    # One caller, or two, are never enough: most series are not looked at.
    live = np.flatnonzero(came.sum(axis=1) > 2.0)
    if not len(live):
        return out
    running, due = prefix(came[live]), prefix(mean[live])
    begin, ones = came.shape[1] - take, np.ones((len(live), 1))
    for length in WINDOWS:
        y, m = trailing(running, begin, take, length), trailing(due, begin, take, length)
        found = tail_nats(y, m, size(m, ones, relative[live]))
        better = found > out.score[live]
        for kept, value in ((out.score, found), (out.window, length), (out.observed, y), (out.expected, m)):
            kept[live] = np.where(better, value, kept[live])
    return out
