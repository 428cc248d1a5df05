"""What a score is worth in this series: peaks over a threshold, hour by hour, as a calibrated tail.

A score that is -ln of a model's tail probability grows like an exponential with rate 1, if the model is right. Here
each series shows what it really does: a threshold that SHARE of its hourly maxima exceed, and by how much they do on
average. The tail beyond is exponential with what was learned, and wider (Lomax) for what is not known yet, so that a
young series claims less. Hours that an episode holds are not learned from; a single excess counts at most MOST.
Source: Pickands (1975), Coles (2001), shape 0; posterior predictive of an exponential with a gamma prior; Robbins &
Monro (1951) for the threshold.
"""

from __future__ import annotations

import numpy as np

from detect.grid import Bools, Floats
from detect.stats.fold import Fold, statistic

SHARE = 0.3
START = 6.0
"""Nats that SHARE of the hours exceed when the model is right (about four looks a minute are independent)."""

LOWEST = 0.5
SLOPE = 1.1
"""Mean excess of a right model (not 1: overlapping windows grow apart in the tail); SLOPE_PEAKS: worth so many."""

SLOPE_PEAKS = 15.0
STEEPER = 0.08
"""Further out the tail is by so much steeper than where the mean excess was taken (simulated, Poisson)."""

OFTEN = 20.0
"""Counts (over the dispersion) of an hour from which half of that is believed: where calls are rare and come in bursts,
most hours say nothing, and the tail is no steeper further out (simulated)."""

MOST = 9.0
HALF_LIFE_HOURS = 24.0 * 21
HOURS_A_WEEK = 168.0
YOUNG_HOURS = 24.0


@statistic("peaks")
class Peaks(Fold):
    """hours: hours seen, peaks, sum of their excess, threshold less START. top: the maximum of this hour, and how many
    of its minutes were seen (for `step` only).
    """

    fields = {"hours": 4, "top": 2}  # noqa: RUF012
    inputs = ("score",)
    warmup = 1440

    hours: Floats
    top: Floats

    def __init__(self, young: float = 0.0) -> None:
        super().__init__()
        self.young = young
        """A series without any hour has a limit so many times higher on top of it; this is over after a day."""
        self.often: Floats | None = None
        """What an hour counts over its dispersion (series,); None: much."""

    def step(self, start: int, **inputs: Floats) -> Floats:
        """What scores are worth: nats of an hour's maximum, after a day of hours."""
        score = inputs["score"]
        self.grow(len(score))
        out = np.full(score.shape, np.nan)
        at, total = 0, score.shape[1]
        while at < total:
            take = min(60 - (start + at) % 60, total - at)
            part = score[:, at : at + take]
            ripe = (self.hours[:, 0] >= 23.0)[:, None]
            out[:, at : at + take] = np.where(ripe & np.isfinite(part), self.nats(np.nan_to_num(part)), np.nan)
            self.see(part)
            at += take
            if (start + at) % 60 == 0:
                self.close(self.top[:, 1] >= 50)
        return out

    def limit(self, per_week: Floats | float) -> Floats:
        """Score (series,) that hourly maxima exceed `per_week` times a week."""
        start, shape, scale = self._tail()
        ratio = np.maximum(SHARE * HOURS_A_WEEK / np.asarray(per_week), 1.0)
        limit: Floats = start + scale * np.expm1(np.log(ratio) / shape)
        return limit * (1.0 + self.young * np.maximum(1.0 - self.hours[:, 0] / YOUNG_HOURS, 0.0))

    def nats(self, score: Floats) -> Floats:
        """-ln of the probability that an hour's maximum exceeds scores (series, any)."""
        start, shape, scale = (part[:, None] for part in self._tail())
        beyond = shape * np.log1p(np.maximum(score - start, 0.0) / scale) - np.log(SHARE)
        out: Floats = np.where(score > start, beyond, np.maximum(score, 0.0) / start * -np.log(SHARE))
        return out

    def see(self, score: Floats) -> None:
        """Note scores (series, minutes) of this hour; NaN: none."""
        known = np.isfinite(score)
        if score.shape[1]:
            most = np.max(np.where(known, score, 0.0), axis=1)
            self.top = np.stack([np.maximum(self.top[:, 0], most), self.top[:, 1] + known.sum(axis=1)], axis=1)

    def close(self, count: Bools) -> None:
        """End an hour; count (series,): those whose maximum is to be learned from."""
        keep = 0.5 ** (1.0 / HALF_LIFE_HOURS)
        top = self.top[:, 0]
        start = START + self.hours[:, 3]
        peak = top > start
        n = self.hours[:, 0] * keep + 1.0
        step = 3.0 / (n + 20.0)
        moved = np.maximum(start + step * (peak / SHARE - 1.0), LOWEST)
        new = np.stack(
            [
                n,
                self.hours[:, 1] * keep + peak,
                self.hours[:, 2] * keep + np.where(peak, np.minimum(top - start, MOST), 0.0),
                moved - START,
            ],
            axis=1,
        )
        self.hours = np.where(count[:, None], new, self.hours)
        self.top = np.zeros_like(self.top)

    def _tail(self) -> tuple[Floats, Floats, Floats]:
        """Threshold, and shape and scale of the tail beyond it."""
        shape = self.hours[:, 1] + SLOPE_PEAKS
        steeper = 1.0 - STEEPER * (1.0 if self.often is None else self.often / (self.often + OFTEN))
        return START + self.hours[:, 3], shape, steeper * (self.hours[:, 2] + SLOPE * SLOPE_PEAKS)
