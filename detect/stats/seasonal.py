"""The rate that is normal now: time of week, shrunk to what is known while young, moved by trend and recent level.

Sums of counts and of minutes in 168 hour-of-week buckets, forgetting by FORGET a week, and how they lean within the
hour. A bucket is shrunk to the same hour of weekdays or weekends, that to the same hour of all days, that to its
neighbours, that to the mean; by how far such rates differ and how little was counted. The level is observed /
seasonal counts with half-lives of two days (trend) and of 90 minutes (recent), each shrunk to 1.
What hours were off by is remembered, over all and by hour of the week: what surprised before at this time may again.
An hour far out of line moves its bucket only as far as an hour may stray, so that a past outage or attack that nobody
labelled does not become the expectation of the next week.
Everything is additive over closed minutes; nothing looks ahead.
Source: gamma-Poisson (empirical Bayes) shrinkage; ratio estimation; Huber (1964) for the clip.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from detect.grid import Bools, Floats, Ints
from detect.stats.fold import Fold, statistic

WEEK = 168
DAY = 1440.0
FORGET = 0.7
LEAST_PRIOR_MINUTES = 20.0
DAYS_DIFFER = 0.2
"""Standard deviation, relative, of one hour's rate between weekdays; HOURS_DIFFER: between hours of a day."""

HOURS_DIFFER = 0.5
LEVEL_PRIOR = 20.0
"""Counts (over the dispersion) at which half of a level's departure from 1 is believed."""

TREND_HALF_LIFE = 2880.0
RECENT_HALF_LIFE = 90.0
SPREAD_HALF_LIFE = 7.0 * DAY
LEAN_PRIOR = 700.0
"""Counts (over the dispersion) at which half of an hour's own lean is believed: leans differ by 0.15 or so."""

PRIOR_HOURS = 0.5
ODD = 3.0
"""An hour of the week has surprised when its miss is beyond so many sampling variances."""

MATURE_MINUTES = 60.0


def hour_of_week(minute: int) -> int:
    """0 is Sunday 00:00 UTC."""
    return (minute // 60 + 4 * 24) % WEEK


@statistic("seasonal")
class Seasonal(Fold):
    """lean: second half less first half of full hours, then their sums. odd: squared misses, then how many.
    trend, recent: observed and seasonal counts. spread: squares and means of minutes, squared misses and hours.
    now: this hour's counts, one more than they are (0: not known), for `step` only.
    """

    fields = {  # noqa: RUF012
        "sums": WEEK,
        "minutes": WEEK,
        "lean": 2 * WEEK,
        "odd": 2 * WEEK,
        "trend": 2,
        "recent": 2,
        "spread": 4,
        "now": 60,
    }
    unit = "a minute"
    inputs = ("counts",)
    warmup = 120

    sums: Floats
    minutes: Floats
    lean: Floats
    odd: Floats
    trend: Floats
    recent: Floats
    spread: Floats
    now: Floats

    def step(self, start: int, **inputs: Floats) -> Floats:
        """Expected counts a minute: learned hour by hour, from all that is known."""
        counts = inputs["counts"]
        self.grow(len(counts))
        out = np.full(counts.shape, np.nan)
        at, total = 0, counts.shape[1]
        while at < total:
            place = (start + at) % 60
            take = min(60 - place, total - at)
            plain = self.seasonal(start + at - place, 60)
            mean = plain * self.factor(0.3, 3.0)[:, None]
            known = (self.age >= MATURE_MINUTES)[:, None]
            out[:, at : at + take] = np.where(known, mean[:, place : place + take], np.nan)
            self.now[:, place : place + take] = np.nan_to_num(counts[:, at : at + take] + 1.0, nan=0.0)
            at += take
            if place + take == 60:
                use = self.now > 0
                self.learn(hour_of_week(start + at - 60), np.maximum(self.now - 1.0, 0.0), mean, plain, use)
                self.now = np.zeros_like(self.now)
        return out

    def __init__(self) -> None:
        super().__init__()
        self._age: tuple[Floats, Floats] | None = None

    @property
    def age(self) -> Floats:
        """Remembered minutes of each series."""
        if self._age is None or self._age[0] is not self.minutes:
            self._age = self.minutes, self.minutes.sum(axis=1)
        return self._age[1]

    def usual(self) -> Floats:
        """Counts of a minute, over all that is remembered."""
        mean: Floats = self.sums.sum(axis=1) / np.maximum(self.age, 1.0)
        return mean

    def dispersion(self) -> Floats:
        """Variance / mean of one minute's count, at least 1, shrunk to 1.5."""
        ratio: Floats = np.maximum((self.spread[:, 0] + 30.0) / (self.spread[:, 1] + 20.0), 1.0)
        return ratio

    def relative(self, hour: int | None = None, prior: float = 0.25) -> Floats:
        """How far the expected rate of an hour errs, relative: from past hours, shrunk to `prior`; more where the
        same hour of the week has surprised before."""
        square = (self.spread[:, 2] + PRIOR_HOURS * prior * prior) / (self.spread[:, 3] + PRIOR_HOURS)
        if hour is not None:
            own, times = self.odd[:, hour], self.odd[:, WEEK + hour]
            square = np.maximum(square, (own + 0.5 * square) / (times + 0.5))
        error: Floats = np.clip(np.sqrt(square), 0.003, 1.0)
        return error

    def _hours(self, hours: list[int], phi: Floats) -> Floats:
        """Seasonal rates of hour-of-week buckets: (series, hours)."""
        sums, minutes = self.sums.reshape(-1, 7, 24), self.minutes.reshape(-1, 7, 24)
        all_sums, all_minutes = sums.sum(axis=1), minutes.sum(axis=1)
        overall = (_added(all_sums, range(24)) + 0.05) / (_added(all_minutes, range(24)) + 5.0)
        day, of_day = (np.array(part) for part in zip(*(divmod(hour, 24) for hour in hours), strict=True))
        weekend = np.isin(day, (0, 6))
        rate = overall[:, None]
        for part, of, differ in (
            (_near(all_sums, of_day), _near(all_minutes, of_day), HOURS_DIFFER),
            (all_sums[:, of_day], all_minutes[:, of_day], DAYS_DIFFER),
            (_kin(sums, of_day, weekend), _kin(minutes, of_day, weekend), DAYS_DIFFER),
            (sums[:, day, of_day], minutes[:, day, of_day], DAYS_DIFFER),
        ):
            weight = LEAST_PRIOR_MINUTES + phi[:, None] / (differ * differ * np.maximum(rate, 1e-4))
            rate = (part + weight * rate) / (of + weight)
        return rate

    def seasonal(self, start: int, minutes: int) -> Floats:
        """Seasonal rate of each minute from `start` on, within one hour: linear, as the hour is known to lean."""
        hour = hour_of_week(start)
        phi = self.dispersion()
        before, here, after = np.ascontiguousarray(self._hours([(hour + k) % WEEK for k in (-1, 0, 1)], phi).T)
        # As smooth a curve as the neighbours give, until the hour has shown how it leans itself.
        smooth = np.minimum(np.maximum(0.5 * (after - before) / np.maximum(here, 1e-9), -1.2), 1.2)
        weight = self.lean[:, WEEK + hour]
        lean = (4.0 * self.lean[:, hour] + LEAN_PRIOR * phi * smooth) / (weight + LEAN_PRIOR * phi)
        lean = np.minimum(np.maximum(lean, -1.9), 1.9)
        offset = (np.arange(start, start + minutes) % 60 + 0.5) / 60.0 - 0.5
        rate: Floats = here[:, None] * (1.0 + lean[:, None] * offset) + 1e-4
        return rate

    def factor(self, lowest: float, highest: float, *, recent: bool = True) -> Floats:
        """Observed / seasonal of late. A young series may be anywhere; a known one within the bounds."""
        prior = LEVEL_PRIOR * self.dispersion()
        raw = (self.trend[:, 0] + prior) / (self.trend[:, 1] + prior)
        if recent:
            raw = raw * (self.recent[:, 0] + prior) / (self.recent[:, 1] * raw + prior)
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
        total, overall = counted.sum(axis=1), mean.sum(axis=1)
        phi, wide = self.dispersion(), self.relative()
        ripe = self.age > MATURE_MINUTES
        settled = self.age > 2 * DAY
        # An hour may stray by three standard deviations and a half of what it expects; more is tamed.
        room = 3.0 * np.sqrt(phi * overall + (wide * overall) ** 2) + 0.5 * overall + 3.0 * phi
        tamed = np.where(settled, np.clip(total, overall - room, overall + room), total)
        shrink = np.where(total > 0, tamed / np.maximum(total, 1e-9), 1.0)
        for name, add in (("sums", tamed), ("minutes", minutes)):
            old = getattr(self, name)
            old[:, hour] = np.where(seen, old[:, hour] * keep + add, old[:, hour])
        self._age = None
        if counts.shape[1] == 60:
            full = use.all(axis=1)
            differ = (counted[:, 30:].sum(axis=1) - counted[:, :30].sum(axis=1)) * shrink
            for column, add in ((hour, differ), (WEEK + hour, tamed)):
                self.lean[:, column] = np.where(full, self.lean[:, column] * FORGET + add, self.lean[:, column])
        due = base.sum(axis=1)
        for name, life, came in (("trend", TREND_HALF_LIFE, tamed), ("recent", RECENT_HALF_LIFE, total)):
            fade = (0.5 ** (minutes / life))[:, None]
            setattr(self, name, getattr(self, name) * fade + np.stack([came, due], axis=1))
        self._learn_spread(hour, counted, mean, use, ripe)

    def _learn_spread(self, hour: int, counted: Floats, mean: Floats, use: Bools, ripe: Bools) -> None:
        phi, wide = self.dispersion(), self.relative()
        minutes = use.sum(axis=1).astype(np.float64)
        total, overall = counted.sum(axis=1), mean.sum(axis=1)
        # A single burst may widen the band as far as bursts of this series' kind go.
        most = 6.0 * np.sqrt(phi[:, None] * mean) + 4.0 * phi[:, None]
        square = np.where(use, np.minimum((counted - mean) ** 2, most**2), 0.0)
        slow = np.where(ripe, 0.5 ** (minutes / SPREAD_HALF_LIFE), 1.0)
        miss = ((total - overall) ** 2 - phi * overall) / np.maximum(overall, 1.0) ** 2
        told = (self.age > DAY) & (overall > 20.0 * phi) & (minutes >= 10)
        hours = minutes / 60.0
        add = np.stack(
            [
                np.where(ripe, square.sum(axis=1), 0.0),
                np.where(ripe, overall, 0.0),
                np.where(told, np.clip(miss, -0.05, 9.0 * wide * wide) * hours, 0.0),
                np.where(told, hours, 0.0),
            ],
            axis=1,
        )
        self.spread = self.spread * slow[:, None] + add
        self.spread[:, 2] = np.maximum(self.spread[:, 2], 0.0)
        # Half of all hours miss by more than their sampling variance: only what is beyond doubt belongs to this hour.
        odd = np.clip(miss - ODD * phi / np.maximum(overall, 1.0), 0.0, 1.0)
        for column, value in ((hour, odd * hours), (WEEK + hour, hours)):
            self.odd[:, column] = np.where(told, self.odd[:, column] * FORGET + value, self.odd[:, column])


def _near(columns: Floats, of_day: Ints) -> Floats:
    """Sums of the hours before, at and after each of some hours of the day."""
    before: Floats = columns[:, (of_day - 1) % 24]
    return before + columns[:, of_day] + columns[:, (of_day + 1) % 24]


def _kin(week: Floats, of_day: Ints, weekend: Bools) -> Floats:
    """Sums of some hours of the day over the weekend, or over the other days."""
    some = week[:, :, of_day]
    first, *rest = (some[:, day] for day in range(1, 6))
    for day in rest:
        first = first + day
    return np.where(weekend, some[:, 0] + some[:, 6], first)


def _added(columns: Floats, places: Iterable[int]) -> Floats:
    """Sum of some columns, added one after the other: the same for any number of rows."""
    first, *rest = places
    out = columns[:, first].copy()
    for place in rest:
        out += columns[:, place]
    return out
