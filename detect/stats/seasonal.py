"""The rate that is normal now: hour of week, shrunk to what is known while young, moved by the recent level.

Sums of counts and of minutes in 168 hour-of-week buckets, forgetting by FORGET a week. A bucket is shrunk to the same
hour of weekdays or weekends, that to the same hour of all days, that to the mean; all with the weight of K_MINUTES.
The recent level is the ratio of observed to seasonal counts with a half-life of 90 minutes, shrunk to 1 by
K_RECENT counts. Everything is additive over closed minutes; nothing looks ahead.
Source: gamma-Poisson (empirical Bayes) shrinkage; ratio estimation.
"""

from __future__ import annotations

import numpy as np

from detect.grid import Bools, Floats

WEEK = 168
FORGET = 0.6
K_MINUTES = 20.0
K_RECENT = 8.0
HALF_LIFE = 90.0
MATURE_MINUTES = 60.0
DAY = 1440.0
GRAIN = float(1 << 20)
"""Rates are multiples of 1/GRAIN, so that their sums are exact in any order (cut invariance)."""


def hour_of_week(minute: int) -> int:
    """0 is Sunday 00:00 UTC."""
    return (minute // 60 + 4 * 24) % WEEK


class Seasonal:
    """Arrays with a row a series: sums, minutes (168 each); recent observed, expected; dispersion sums."""

    fields = ("sums", "minutes", "recent", "spread")

    def __init__(self) -> None:
        self.sums: Floats = np.zeros((0, WEEK))
        self.minutes: Floats = np.zeros((0, WEEK))
        self.recent: Floats = np.zeros((0, 2))
        self.spread: Floats = np.zeros((0, 4))

    def grow(self, rows: int) -> None:
        for name in self.fields:
            old = getattr(self, name)
            if rows > len(old):
                setattr(self, name, np.concatenate([old, np.zeros((rows - len(old), old.shape[1]))]))

    @property
    def age(self) -> Floats:
        """Remembered minutes of each series."""
        total: Floats = self.minutes.sum(axis=1)
        return total

    def dispersion(self) -> Floats:
        """Variance / mean of one minute's count, at least 1, shrunk to 1.5."""
        ratio: Floats = np.maximum((self.spread[:, 0] + 30.0) / (self.spread[:, 1] + 20.0), 1.0)
        return ratio

    def relative(self, prior: float = 0.2) -> Floats:
        """How far the expected rate of an hour errs, relative: from past hours, shrunk to `prior`."""
        square = (self.spread[:, 2] + 6.0 * prior * prior) / (self.spread[:, 3] + 6.0)
        error: Floats = np.clip(np.sqrt(square), 0.04, 0.6)
        return error

    def _hour(self, hour: int) -> Floats:
        """Seasonal rate of an hour-of-week bucket."""
        day, of_day = divmod(hour, 24)
        sums, minutes = self.sums.reshape(-1, 7, 24)[:, :, of_day], self.minutes.reshape(-1, 7, 24)[:, :, of_day]
        total, time = self.sums.sum(axis=1), self.minutes.sum(axis=1)
        rate: Floats = (total + 0.05) / (time + 5.0)
        kin = [0, 6] if day in (0, 6) else [1, 2, 3, 4, 5]
        for part, of in (
            (sums.sum(axis=1), minutes.sum(axis=1)),
            (sums[:, kin].sum(axis=1), minutes[:, kin].sum(axis=1)),
            (sums[:, day], minutes[:, day]),
        ):
            rate = (part + K_MINUTES * rate) / (of + K_MINUTES)
        return rate

    def seasonal(self, start: int, minutes: int) -> Floats:
        """Seasonal rate of each minute from `start` on, within one hour: log-linear between the hours' centres."""
        hour = hour_of_week(start)
        before, here, after = (np.log(self._hour((hour + k) % WEEK) + 1e-4) for k in (-1, 0, 1))
        offset = (np.arange(start, start + minutes) % 60 + 0.5) / 60.0 - 0.5
        early = here[:, None] + (here - before)[:, None] * offset
        late = here[:, None] + (after - here)[:, None] * offset
        rate: Floats = np.exp(np.where(offset < 0, early, late))
        return rate

    def factor(self, lowest: float, highest: float) -> Floats:
        """Recent observed / seasonal. A young series may be anywhere; a known one within the bounds."""
        raw = (self.recent[:, 0] + K_RECENT) / (self.recent[:, 1] + K_RECENT)
        young = self.age < 2 * DAY
        factor: Floats = np.clip(raw, np.where(young, lowest / 5.0, lowest), np.where(young, highest * 3.0, highest))
        return factor

    def learn(self, hour: int, counts: Floats, expected: Floats, plain: Floats, use: Bools) -> None:
        """Close a chunk of one hour. counts, expected (with factor), plain (seasonal only), use: (series, minutes)."""
        zero = np.zeros(1)
        counted = np.where(use, counts, zero)
        base = np.where(use, plain, zero)
        mean = np.where(use, expected, zero)
        minutes = use.sum(axis=1).astype(np.float64)
        keep = FORGET ** (counts.shape[1] / 60.0)
        seen = minutes > 0
        total = counted.sum(axis=1)
        self.sums[:, hour] = np.where(seen, self.sums[:, hour] * keep + total, self.sums[:, hour])
        self.minutes[:, hour] = np.where(seen, self.minutes[:, hour] * keep + minutes, self.minutes[:, hour])
        fade = (0.5 ** (minutes / HALF_LIFE))[:, None]
        self.recent = self.recent * fade + np.stack([total, base.sum(axis=1)], axis=1)
        # Two thirds of the minutes are below mean + variance; the clip keeps a single burst from widening the band.
        ripe = self.age > MATURE_MINUTES
        square = np.minimum((counted - mean) ** 2, 30.0 * (mean + 0.3))
        slow = np.where(ripe, 0.5 ** (minutes / (3.0 * DAY)), 1.0)
        phi = self.dispersion()
        overall = mean.sum(axis=1)
        miss = np.clip(((total - overall) ** 2 - phi * overall) / np.maximum(overall, 1.0) ** 2, -0.05, 1.0)
        told = ripe & (overall > 20.0 * phi) & (minutes >= 10)
        add = np.stack(
            [
                np.where(ripe, square.sum(axis=1), 0.0),
                np.where(ripe, overall, 0.0),
                np.where(told, miss * minutes / 60.0, 0.0),
                np.where(told, minutes / 60.0, 0.0),
            ],
            axis=1,
        )
        self.spread = self.spread * slow[:, None] + add
        self.spread[:, 2] = np.maximum(self.spread[:, 2], 0.0)
