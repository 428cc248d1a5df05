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
from detect.stats.tail import beyond_nats, log_survival, nats, size
from detect.stats.windows import GRAIN, WINDOWS, prefix, trailing

BEFORE = WINDOWS[-1] - 1

_WORTH = 0.8
"""Likelihood nats below which the normal tail is near enough."""

_LENGTHS = np.array(WINDOWS, dtype=np.int64)
_CELLS = 12_000
"""Series × minutes that are looked at together: all their windows lie in the cache."""

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
    rows, begin = len(counts), counts.shape[1] - take
    # No window reaches further back, and sums over whole multiples of GRAIN are exact wherever they begin.
    counts, mean = counts[:, max(begin - BEFORE, 0) :], mean[:, max(begin - BEFORE, 0) :]
    shape = (rows, take)
    out = Scan(np.full(shape, _NOTHING), np.ones(shape, dtype=np.int64), np.zeros(shape), np.zeros(shape))
    live = np.arange(rows) if low else np.flatnonzero(counts.any(axis=1))
    many = max(_CELLS // max(take, 1), 1)
    for part in range(0, len(live), many):
        _scan(out, live[part : part + many], counts, mean, dispersion, relative, low=low)
    return out


def _scan(
    out: Scan, live: Ints, counts: Floats, mean: Floats, dispersion: Floats, relative: Floats, *, low: bool
) -> None:
    """Some rows of a scan, all windows at once."""
    take = out.score.shape[1]
    dispersion, relative = dispersion[live, 0], relative[live, 0]
    y, m = _sums(counts[live], take), _sums(mean[live], take)
    out.observed[live], out.expected[live] = y[:, 0], m[:, 0]
    # Only what lies beyond its mean has anything to say.
    told = np.flatnonzero(y < np.maximum(m, 1e-9) if low else y >= m)
    row = told // (y.size // len(live))
    some, due = y.ravel()[told], m.ravel()[told]
    rate = np.abs(nats(some, due, size(due, dispersion[row], relative[row])))
    rates = np.zeros(y.shape)
    rates.ravel()[told] = rate
    best = rates.max(axis=1)
    score = log_survival(np.sqrt(2.0 * best))
    row, at = np.nonzero(best > _WORTH)
    if len(row):
        window, found = _likeliest(y[row, :, at], m[row, :, at], rates[row, :, at], dispersion[row], relative[row], low)
        score[row, at], out.window[live[row], at] = found, _LENGTHS[window]
        out.observed[live[row], at], out.expected[live[row], at] = y[row, window, at], m[row, window, at]
    out.score[live] = score


def _likeliest(
    y: Floats, m: Floats, rates: Floats, dispersion: Floats, relative: Floats, low: bool
) -> tuple[Ints, Floats]:
    """Of minutes (any, windows): the window whose sum is the least likely, and its nats."""
    m = np.maximum(m, 1e-9)
    beyond = np.flatnonzero(y < m if low else y > m)
    row, due = beyond // y.shape[1], m.ravel()[beyond]
    r = size(due, dispersion[row], relative[row])
    found = np.zeros(y.shape)
    found.ravel()[beyond] = beyond_nats(y.ravel()[beyond], due, r, rates.ravel()[beyond], low=low)
    window = np.argmax(found, axis=1)
    return window, found[np.arange(len(found)), window]


def _sums(values: Floats, take: int) -> Floats:
    """Sums over each of WINDOWS that ends in each of the last `take` minutes: (series, windows, minutes)."""
    running = prefix(values)
    begin = values.shape[1] - take
    sums = np.empty((len(values), len(WINDOWS), take))
    for place, length in enumerate(WINDOWS):
        sums[:, place] = trailing(running, begin, take, length)
    return sums


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
