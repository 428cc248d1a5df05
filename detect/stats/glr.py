"""Did a count rise (or fall), whenever that began? The generalised likelihood ratio over trailing windows.

For each minute the best of the windows that end in it: `score` is -ln of the tail probability of its sum, given what
was expected. A CUSUM with an unknown beginning and an unknown size, limited to an hour: a burst of a minute and a
slow rise are each seen at their own scale, for the price of a factor 2 to 4 in looks.
Source: Lorden (1971); Lai (1995), window-limited GLR; Page (1954) for what it generalises.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detect.grid import Floats, Ints
from detect.stats.fold import Fold, statistic
from detect.stats.tail import log_survival, nats, size, tail_nats
from detect.stats.windows import GRAIN, WINDOWS, prefix, trailing

BEFORE = WINDOWS[-1] - 1

_WORTH = 0.8
"""Likelihood nats below which the normal tail is near enough."""

_NOTHING = float(log_survival(np.zeros(1))[0])


@dataclass(slots=True)
class Scan:
    """(series, minutes): nats of the best window, its length in minutes, what was seen and due in it."""

    score: Floats
    window: Ints
    observed: Floats
    expected: Floats


def scan(counts: Floats, mean: Floats, take: int, dispersion: Floats, relative: Floats, *, low: bool = False) -> Scan:
    """The last `take` minutes of counts and mean (series, minutes); dispersion, relative (series, 1)."""
    running, due = prefix(counts), prefix(mean)
    rows, begin = len(counts), counts.shape[1] - take
    shape = (rows, take)
    out = Scan(np.full(shape, _NOTHING), np.ones(shape, dtype=np.int64), np.zeros(shape), np.zeros(shape))
    live = np.arange(rows) if low else np.flatnonzero(counts[:, max(begin - WINDOWS[-1], 0) :].any(axis=1))
    if not len(live):
        return out
    running, due, dispersion, relative = running[live], due[live], dispersion[live], relative[live]
    sums = [(trailing(running, begin, take, length), trailing(due, begin, take, length)) for length in WINDOWS]
    best = np.zeros((len(live), take))
    for y, m in sums:
        np.maximum(best, nats(y, m, size(m, dispersion, relative)) * (-1.0 if low else 1.0), out=best)
    row, at = np.nonzero(best > _WORTH)
    score = np.full(len(row), -1.0)
    window = np.ones(len(row), dtype=np.int64)
    seen, expected = np.zeros(len(row)), np.zeros(len(row))
    for length, (y, m) in zip(WINDOWS, sums, strict=True):
        y, m = y[row, at], m[row, at]
        found = tail_nats(y, m, size(m, dispersion[row, 0], relative[row, 0]), low=low)
        better = found > score
        score = np.where(better, found, score)
        window = np.where(better, length, window)
        seen, expected = np.where(better, y, seen), np.where(better, m, expected)
    out.score[live] = log_survival(np.sqrt(2.0 * np.maximum(best, 0.0)))
    out.observed[live], out.expected[live] = sums[0]
    row = live[row]
    out.score[row, at], out.window[row, at] = score, window
    out.observed[row, at], out.expected[row, at] = seen, expected
    return out


@statistic("rise")
class Rise(Fold):
    """Nats of a rise of counts over a mean that is known. tail: counts, then means, of the minutes before.

    dispersion: variance / mean of one minute's count. relative: how far the mean may err.
    """

    fields = {"tail": 2 * BEFORE}  # noqa: RUF012
    inputs = ("counts", "mean")

    tail: Floats

    def __init__(self, dispersion: float = 1.0, relative: float = 0.0, *, low: bool = False) -> None:
        super().__init__()
        self.dispersion, self.relative, self.low = dispersion, relative, low

    def step(self, start: int, **inputs: Floats) -> Floats:  # noqa: ARG002
        counts, mean = inputs["counts"], inputs["mean"]
        self.grow(len(counts))
        known = np.isfinite(counts) & np.isfinite(mean)
        y = np.concatenate([self.tail[:, :BEFORE], np.where(known, counts, 0.0)], axis=1)
        # On a grid, so that running sums are exact wherever they begin.
        due = np.rint(np.where(known, mean, 0.0) * GRAIN) / GRAIN
        m = np.concatenate([self.tail[:, BEFORE:], due], axis=1)
        ones = np.ones((len(counts), 1))
        found = scan(y, m, counts.shape[1], self.dispersion * ones, self.relative * ones, low=self.low)
        self.tail = np.concatenate([y[:, -BEFORE:], m[:, -BEFORE:]], axis=1)
        return np.where(known, found.score, np.nan)
