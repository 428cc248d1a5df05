"""The latency that is normal now, on a log scale: hour of day, shrunk to the recent past, with its spread.

A series is a number a minute with a weight (how much a minute's quantile can be trusted; 0: no value). What is kept
are weighted sums by hour of day (forgetting FORGET a day), a slow mean (half-life two days), a quick one (three
hours), and squares of the residuals of 15-minute means, which tell how far a quarter of an hour strays by itself.
Residuals are clipped, so that an outlier neither moves the level nor widens the band by much.
Source: empirical-Bayes shrinkage; Huber (1964) for the clip.
"""

from __future__ import annotations

import numpy as np

from detect.grid import Floats

HOURS = 24
FORGET = 0.85
SLOW_HALF_LIFE = 2880.0
QUICK_HALF_LIFE = 180.0
PRIOR_WEIGHT = 200.0
"""Weight of the slow mean in an hour of day, as a sum of minute weights."""

PRIOR_SPREAD = 0.10
SPREAD_PARTS = 16.0
CLIP_LOW, CLIP_HIGH = -0.2, 0.25


class Level:
    """Arrays with a row a series: hour-of-day sums and weights, slow and quick (sum, weight), spread (sum, n), age."""

    fields = ("hours", "slow", "quick", "spread", "age")

    def __init__(self) -> None:
        self.hours: Floats = np.zeros((0, 2 * HOURS))
        self.slow: Floats = np.zeros((0, 2))
        self.quick: Floats = np.zeros((0, 2))
        self.spread: Floats = np.zeros((0, 2))
        self.age: Floats = np.zeros((0, 1))

    def grow(self, rows: int) -> None:
        for name in self.fields:
            old = getattr(self, name)
            if rows > len(old):
                setattr(self, name, np.concatenate([old, np.zeros((rows - len(old), old.shape[1]))]))

    def expected(self, hour: int) -> Floats:
        """Normal log level in an hour of day; NaN for a series without a value yet."""
        with np.errstate(invalid="ignore", divide="ignore"):
            slow = self.slow[:, 0] / self.slow[:, 1]
            sums, weights = self.hours[:, hour], self.hours[:, HOURS + hour]
            level: Floats = (sums + PRIOR_WEIGHT * slow) / (weights + PRIOR_WEIGHT)
        return level

    def quiet_spread(self) -> Floats:
        """How far a 15-minute mean strays from the level by itself (standard deviation of the log)."""
        # Sampling error is taken off, so a sum of few parts may be negative.
        square = (np.maximum(self.spread[:, 0], 0.0) + SPREAD_PARTS * PRIOR_SPREAD**2) / (
            self.spread[:, 1] + SPREAD_PARTS
        )
        out: Floats = np.clip(np.sqrt(square), 0.02, 0.5)
        return out

    def learn(self, hour: int, values: Floats, weights: Floats, minutes: Floats) -> None:
        """Close a chunk: values and weights (series, minutes), minutes: how many of the chunk may be learned from."""
        level = self.expected(hour)
        known = np.isfinite(level) & (self.age[:, 0] >= 60)
        center = np.where(known, level, 0.0)[:, None]
        tamed = np.where(known[:, None], center + np.clip(values - center, CLIP_LOW, CLIP_HIGH), values)
        tamed = np.where(weights > 0, tamed, 0.0)
        total, weight = (tamed * weights).sum(axis=1), weights.sum(axis=1)
        some = weight > 0
        keep = FORGET ** (values.shape[1] / 60.0)
        for column, add in ((hour, total), (HOURS + hour, weight)):
            self.hours[:, column] = np.where(some, self.hours[:, column] * keep + add, self.hours[:, column])
        for name, life in (("slow", SLOW_HALF_LIFE), ("quick", QUICK_HALF_LIFE)):
            old = getattr(self, name)
            fade = np.where(some, 0.5 ** (minutes / life), 1.0)[:, None]
            setattr(self, name, old * fade + np.stack([total, weight], axis=1))
        # An outlier must not make the next one look normal.
        calm = self.quiet_spread() ** 2
        parts = max(values.shape[1] // 15, 1)
        size = values.shape[1] // parts
        fade = np.where(known & some, 0.5 ** (minutes / (4 * 1440.0)), 1.0)
        self.spread = self.spread * fade[:, None]
        for part in range(parts):
            cut = slice(part * size, (part + 1) * size)
            w = weights[:, cut].sum(axis=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                mean = (tamed[:, cut] * weights[:, cut]).sum(axis=1) / w
            told = known & (w > 0)
            sampling = 1.0 / np.maximum(w, 1e-9)
            square = np.minimum((mean - center[:, 0]) ** 2, 9.0 * (calm + sampling)) - sampling
            self.spread[:, 0] += np.where(told, square, 0.0)
            self.spread[:, 1] += told
        self.age[:, 0] += np.where(some, minutes, 0.0)
