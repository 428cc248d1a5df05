"""Latency ranks: where each value stands among the ordinary ones of its own series, so that no shape is assumed.

A value's body score is its mid-rank in the reference histogram less one half: mean 0 and variance below 1/12 while
nothing changed, whatever the distribution (two humps, heavy tails, cold starts). Its tail scores tell whether it lies
above the reference's upper 5 % and 1 %. Scores add up over minutes and over series that have references of their own,
so a shift of traffic between routes is no slowness. What a quarter of an hour strays by itself, beyond sampling, is
learned (`Spread`), and so is what belongs to an hour of the day.
Source: Wilcoxon (1945), Mann and Whitney (1947) for ranks; likelihood ratio of gamma-Poisson counts for tails.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detect.grid import Floats, Ints

BINS = 160
WIDTH = 4
"""Buckets of base 1.02 in a bin: 8 % wide, 1 ms to five minutes in all."""

GRAIN = float(1 << 20)
"""Scores are whole multiples of 1 / GRAIN, so that sums are exact in any order."""

TAILS: tuple[float, ...] = (0.05, 0.01)
HALF_LIFE = 4 * 1440.0
LEAST_BODY = 60.0
LEAST_TAIL = (200.0, 1_000.0)
"""Values that a reference needs before it can tell, by score."""

HOURS = 24
HOUR_PRIOR = 1_500.0
"""Values that the overall mean counts for in an hour of the day."""

MOST_FASTER, MOST_SLOWER = 0.1, 0.2
"""Mean body scores that an hour of the day may have as its own; see `Reference.shift`."""

HOUR_FADE = 0.9


def bin_ms(place: Floats | Ints) -> Floats:
    """The latency in milliseconds in the middle of a bin."""
    return np.asarray(np.power(1.02, (np.asarray(place, dtype=np.float64) + 0.5) * WIDTH - 1.0))


class Reference:
    """Ordinary values: counts by bin, and mean body scores by hour of day. One row a series."""

    def __init__(self) -> None:
        self.counts: Floats = np.zeros((0, BINS))
        self.hours: Floats = np.zeros((0, 2 * HOURS))
        self._body: Floats | None = None
        self._over: list[Ints] = []
        self._share: list[Floats] = []
        self._variance: Floats = np.zeros(0)

    def grow(self, rows: int) -> None:
        for name in ("counts", "hours"):
            old = getattr(self, name)
            if rows > len(old):
                setattr(self, name, np.concatenate([old, np.zeros((rows - len(old), old.shape[1]))]))
                self._body = None

    @property
    def total(self) -> Floats:
        return np.asarray(self.counts.sum(axis=1))

    def _tables(self) -> Floats:
        if self._body is None:
            total = np.maximum(self.total, 1e-9)[:, None]
            upto = np.cumsum(self.counts, axis=1)
            self._body = np.rint(((upto - 0.5 * self.counts) / total - 0.5) * GRAIN) / GRAIN
            above = (total - upto) / total
            share = self.counts / total
            self._variance = np.maximum((1.0 - (share * share * share).sum(axis=1)) / 12.0, 0.01)
            self._over, self._share = [], []
            for tail in TAILS:
                # The first bin above which no more than the tail is left; what is over it counts.
                edge = np.argmax(above <= tail + 1e-12, axis=1)
                self._over.append(edge.astype(np.int64))
                self._share.append(above[np.arange(len(edge)), edge])
        return self._body

    def body(self, row: Ints, place: Ints) -> Floats:
        """Body score of a value in bin `place` of series `row`."""
        return np.asarray(self._tables()[row, np.minimum(place, BINS - 1)])

    def scores(self, rows: Ints) -> Floats:
        """Body score of each bin: (rows, BINS)."""
        return np.asarray(self._tables()[rows])

    def over(self, tail: int, row: Ints, place: Ints) -> Floats:
        """1 where the value lies above the tail's edge."""
        self._tables()
        return (place > self._over[tail][row]).astype(np.float64)

    def share(self, tail: int) -> Floats:
        """Share of ordinary values above the edge, a little more where the reference is small."""
        self._tables()
        total = self.total
        return np.asarray(np.rint((self._share[tail] * total + 1.0) / (total + 1.0) * GRAIN) / GRAIN)

    def variance(self) -> Floats:
        """Of one body score: 1/12 less what ties take."""
        self._tables()
        return self._variance

    def shift(self, hour: int) -> Floats:
        """Mean body score that is ordinary in an hour of the day.

        Less is believed of what was faster: a cache that is warm for one day is not owed the next.
        """
        sums, n = self.hours[:, hour], self.hours[:, HOURS + hour]
        return np.asarray(np.rint(np.clip(sums / (n + HOUR_PRIOR), -MOST_FASTER, MOST_SLOWER) * GRAIN) / GRAIN)

    def quantile_ms(self, share: float) -> Floats:
        """A quantile of the reference in milliseconds; NaN without values."""
        return quantile_ms(self.counts, share)

    def learn(self, hour: int, counts: Floats, body: Floats, n: Floats, minutes: Floats) -> None:
        """Take a chunk. counts: (series, BINS); body, n: sum and number of body scores; minutes learned from."""
        fade = 0.5 ** (minutes / HALF_LIFE)
        self.counts = self.counts * fade[:, None] + counts
        keep = np.where(n > 0, HOUR_FADE ** (minutes / 60.0), 1.0)
        self.hours[:, hour] = self.hours[:, hour] * keep + body
        self.hours[:, HOURS + hour] = self.hours[:, HOURS + hour] * keep + n
        self._body = None

    def renew(self, rows: Ints, counts: Floats) -> None:
        """What is, is ordinary from now on."""
        some = counts.sum(axis=1) > 0
        self.counts[rows[some]] = counts[some]
        self.hours[rows[some]] = 0.0
        self._body = None


def quantile_ms(counts: Floats, share: float) -> Floats:
    """A quantile of histograms (series, BINS) in milliseconds, interpolated within its bin; NaN without values."""
    return np.asarray(quantiles_ms(counts, (share,))[0])


def quantiles_ms(counts: Floats, shares: Sequence[float]) -> Floats:
    """Quantiles of histograms (series, BINS), as `quantile_ms` gives them: (shares, series)."""
    total = counts.sum(axis=1)
    upto = np.cumsum(counts, axis=1)
    rows, out = np.arange(len(counts)), np.empty((len(shares), len(counts)))
    for at, share in enumerate(shares):
        wanted = share * total
        place = np.minimum((upto < wanted[:, None]).sum(axis=1), BINS - 1)
        inside = counts[rows, place]
        part = np.where(inside > 0, (wanted - (upto[rows, place] - inside)) / np.maximum(inside, 1e-9), 0.5)
        out[at] = np.where(total > 0, np.power(1.02, (place + np.clip(part, 0.0, 1.0)) * WIDTH - 1.0), np.nan)
    return out


class Spread:
    """How far a mean of a quarter of an hour strays by itself: excess variance over sampling, shrunk to a prior.

    What a day has shown counts when the next one is over: what creeps for hours must not be its own yardstick. A series
    that knows less than a day counts all that it has. Hours that are faster than usual (warm caches, a better release)
    say nothing of how far one strays to the slow side: once a quarter was, those after it do not count while they are.
    """

    PARTS = 12.0
    LIFE = 4 * 1440.0
    DELAY = 24
    """Hours."""

    KNOWN = 60.0
    """Quarters from which a series waits for the day to be over."""

    FAST = 2.0
    """Standard deviations below what is usual."""

    def __init__(self, prior: float, limits: tuple[float, float]) -> None:
        self.prior, self.limits = prior, limits
        self.sums: Floats = np.zeros((0, 2))
        self.late: Floats = np.zeros((0, 3 * self.DELAY))
        """By hour, the oldest first: excess squares, their weight, and minutes; not in `sums` yet."""
        self.fast: Floats = np.zeros((0, 1))
        """1 where the last quarter was faster than usual."""

    def grow(self, rows: int) -> None:
        for name in ("sums", "late", "fast"):
            old = getattr(self, name)
            if rows > len(old):
                setattr(self, name, np.concatenate([old, np.zeros((rows - len(old), old.shape[1]))]))

    def value(self) -> Floats:
        """Standard deviation, one a series."""
        sums = self.sums
        young = sums[:, 1] < self.KNOWN
        if young.any():
            late = np.where(young[:, None], self.late, 0.0)
            sums = sums + np.stack([late[:, 0::3].sum(axis=1), late[:, 1::3].sum(axis=1)], axis=1)
        square = (np.maximum(sums[:, 0], 0.0) + self.PARTS * self.prior**2) / (sums[:, 1] + self.PARTS)
        return np.asarray(np.clip(np.sqrt(square), *self.limits))

    def learn(self, mean: Floats, sampling: Floats, minutes: float) -> None:
        """Take one quarter: its mean (NaN: none) and the variance that sampling alone gives it."""
        told = np.isfinite(mean)
        usual = self.value() ** 2
        square = np.minimum(np.nan_to_num(mean) ** 2, 9.0 * (usual + sampling)) - sampling
        fast = told & (np.nan_to_num(mean) < -self.FAST * np.sqrt(usual + sampling))
        goes_on = fast & (self.fast[:, 0] > 0)
        self.fast[told, 0] = fast[told]
        # A quarter with few values says little about what is beyond sampling.
        weight = np.where(told & ~goes_on, usual / (usual + sampling), 0.0)
        self.late[:, -3:] += np.stack([square * weight, weight, np.where(told, minutes, 0.0)], axis=1)

    def hour(self) -> None:
        """End an hour: what is a day old counts from now on."""
        oldest = self.late[:, :3]
        self.sums = self.sums * (0.5 ** (oldest[:, 2] / self.LIFE))[:, None] + oldest[:, :2]
        self.late = np.concatenate([self.late[:, 3:], np.zeros((len(self.late), 3))], axis=1)


def _rates() -> tuple[Floats, Floats]:
    """Means of body scores, and the nats of one value at each: the Legendre transform of the uniform's cumulants."""
    tilt = np.geomspace(1e-3, 2e4, 4096)
    mean = 0.5 / np.tanh(0.5 * tilt) - 1.0 / tilt
    log_moment = 0.5 * tilt + np.log1p(-np.exp(-tilt)) - np.log(tilt)
    return np.concatenate([[0.0], mean]), np.concatenate([[0.0], np.maximum(tilt * mean - log_moment, 0.0)])


_MEANS, _NATS = _rates()


def body_nats(mean: Floats) -> Floats:
    """Nats that each value is worth in a window with this mean body score, were the values independent; 0 below 0.

    Half the square over the variance while the mean is small, far more where nearly all values lie beyond nearly all
    ordinary ones: that a mean of n ranks is so near to 1/2 is n times unlikely, not a matter of so many deviations.
    Ties only make it less likely. Source: Cramér (1938), for the uniform distribution.
    """
    return np.asarray(np.interp(mean, _MEANS, _NATS))


def tail_nats(seen: Floats, expected: Floats, spread: Floats) -> Floats:
    """Nats of so many above the edge, or more, when `expected` are; 0 where fewer were seen.

    Counts are gamma-Poisson; spread: relative standard deviation of their rate.
    """
    shape = 1.0 / np.maximum(spread, 1e-3) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.where(seen > 0, seen * np.log(seen / np.maximum(expected, 1e-9)), 0.0)
    nats = own - (seen + shape) * np.log((seen + shape) / (expected + shape))
    return np.where(seen > expected, np.maximum(nats, 0.0), 0.0)
