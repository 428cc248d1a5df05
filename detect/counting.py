"""Counts of many series, a minute each, scored against what is normal for the hour: the core of the count detectors.

The minutes are taken in chunks that end at full hours (at every tenth minute while young). Within a chunk the
baseline stands still; at its end the baseline learns from the minutes that no episode holds. A minute's score is the
largest tail nats over the trailing windows, so a short burst and a slow rise are both seen at their own scale.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from detect import codec
from detect.grid import Bools, Floats, Ints, Key
from detect.stats.glr import scan
from detect.stats.peaks import Peaks
from detect.stats.seasonal import MATURE_MINUTES, Seasonal, hour_of_week
from detect.stats.tail import size, tail_nats
from detect.stats.windows import GRAIN, TAIL
from gatewatch.records import JSON

YOUNG_CLOCK = 240
SLOW_HOURS: tuple[int, ...] = (3, 6, 12, 24)
RING = 24
ODDS_HALF_LIFE = 2880.0


@dataclass(slots=True)
class Slow:
    """Nats, length in hours, observed and expected of the best window of hours: (series,). peaks: as in Chunk."""

    score: Floats
    hours: Ints
    observed: Floats
    expected: Floats
    peaks: Peaks


@dataclass(slots=True)
class Chunk:
    """Some minutes of one chunk: (series, minutes) arrays.

    mean: expected; plain: without the recent level. score: nats of the best window, window: its length in minutes.
    observed, expected: sums over that window. r: size of one minute's count. age: remembered minutes (series,).
    peaks: what such scores are worth in each series. slow: the same over the best of SLOW_HOURS, at the last minute
    of a full hour, else None.
    """

    start: int
    counts: Floats
    mean: Floats
    r: Floats
    use: Bools
    score: Floats
    window: Ints
    observed: Floats
    expected: Floats
    age: Floats
    prior_counts: Floats
    prior_mean: Floats
    peaks: Peaks
    plain: Floats | None = None
    slow: Slow | None = None

    @property
    def minutes(self) -> int:
        return int(self.counts.shape[1])


Decide = Callable[[Chunk], Bools]
"""Looks at a chunk's minutes and returns which (series, minutes) an episode holds: they are not learned from."""


class Counting:
    """State of many count series. Rows are only added, in the order of their first minute."""

    _tails = ("counts", "mean", "plain", "base")

    def __init__(self, *, low: bool = False, lowest: float = 0.4, highest: float = 2.5) -> None:
        self.keys: list[Key] = []
        self.rows: dict[Key, int] = {}
        self.born: Ints = np.zeros(0, np.int64)
        self.first = -1
        self.clock = -1
        self.season = Seasonal()
        self.peaks = Peaks()
        self.slow_peaks = Peaks()
        self.odds: Floats = np.zeros((0, 2))
        self.counts: Floats = np.zeros((0, TAIL))
        self.mean: Floats = np.zeros((0, TAIL))
        self.plain: Floats = np.zeros((0, TAIL))
        self.base: Floats = np.zeros((0, TAIL))
        self.use: Bools = np.zeros((0, TAIL), dtype=bool)
        self.hours: Floats = np.zeros((0, 2 * RING))
        self._bounds = (lowest, highest)
        self._low = low

    def load(self, state: JSON) -> None:
        if not isinstance(state, dict) or not state:
            return
        self.keys = [tuple(cast(Sequence[str | None], key)) for key in cast(list[JSON], state["keys"])]
        self.rows = {key: row for row, key in enumerate(self.keys)}
        self.first, self.clock = int(cast(int, state["first"])), int(cast(int, state["clock"]))
        self.season.load(state["season"])
        self.peaks.load(state["peaks"])
        self.slow_peaks.load(state["slow_peaks"])
        for name in (*self._tails, "use", "hours", "odds", "born"):
            setattr(self, name, codec.unpack(state[name]))

    def dump(self) -> dict[str, JSON]:
        return {
            "keys": [list(key) for key in self.keys],
            "first": self.first,
            "clock": self.clock,
            "season": self.season.dump(),
            "peaks": self.peaks.dump(),
            "slow_peaks": self.slow_peaks.dump(),
            **{name: codec.pack(getattr(self, name)) for name in (*self._tails, "use", "hours", "odds", "born")},
        }

    def align(self, keys: Sequence[Key], first: Ints, start: int) -> Ints:
        """Row of each key; new ones are added. first: minute within the block at which each appears."""
        added = 0
        for number, key in enumerate(keys):
            if key not in self.rows:
                self.rows[key] = len(self.keys)
                self.keys.append(key)
                self.born = np.append(self.born, start + int(first[number]))
                added += 1
        if added:
            rows = len(self.keys)
            self.season.grow(rows)
            self.peaks.grow(rows)
            self.slow_peaks.grow(rows)
            for name in (*self._tails, "use", "hours", "odds"):
                old = getattr(self, name)
                more = np.zeros((rows - len(old), old.shape[1]), dtype=old.dtype)
                setattr(self, name, np.concatenate([old, more]))
        return np.array([self.rows[key] for key in keys], dtype=np.int64)

    def run(self, start: int, counts: Floats, use: Bools, decide: Decide, base: Floats | None = None) -> None:
        """Score and learn the minutes from `start` on. counts, use, base: (all series, minutes).

        base: what the counts come along with (successes): the expectation is never below their usual odds.
        """
        if self.first < 0:
            self.first = start
        total = counts.shape[1]
        zeros = np.zeros_like(counts) if base is None else base
        at = 0
        while at < total:
            minute = start + at
            begin, stop = chunk_of(minute, self.first)
            take = min(stop - minute, total - at)
            self._minutes(minute, stop, counts, zeros, use, at, take, decide)
            at += take
            self.clock = minute + take
            if self.clock == stop:
                self._learn(begin, stop)

    def hold(self, row: int, first: int, before: int) -> None:
        """Do not learn from the minutes first … before - 1 of a series; before: where the chunk at hand begins."""
        back = min(before - first, TAIL)
        if back > 0:
            self.use[row, TAIL - back :] = False

    def _minutes(
        self,
        minute: int,
        stop: int,
        counts: Floats,
        base: Floats,
        use: Bools,
        at: int,
        take: int,
        decide: Decide,
    ) -> None:
        season = self.season
        alive = use[:, at : at + take] & (np.arange(minute, minute + take) >= self.born[:, None])
        new = np.where(alive, counts[:, at : at + take], 0.0)
        based = np.where(alive, base[:, at : at + take], 0.0)
        # Always the whole hour, so that a cut block computes the very same numbers.
        whole = season.seasonal(minute - minute % 60, 60)
        plain = np.rint(np.ascontiguousarray(whole[:, minute % 60 : minute % 60 + take]) * GRAIN) / GRAIN
        moved = plain * season.factor(*self._bounds)[:, None]
        odds = (self.odds[:, 0] + 0.01) / (self.odds[:, 1] + 20.0)
        mean = np.rint(np.maximum(moved, odds[:, None] * based) * GRAIN) / GRAIN
        mean = np.where(alive, mean, 0.0)
        plain = np.where(alive, plain, 0.0)
        all_counts = np.concatenate([self.counts, new], axis=1)
        all_mean = np.concatenate([self.mean, mean], axis=1)
        chunk = self._score(minute, all_counts, all_mean, alive, take)
        if minute + take == stop and stop % 60 == 0:
            chunk.slow = self._slow(all_counts, np.concatenate([self.plain, plain], axis=1))
        chunk.plain = plain
        held = decide(chunk)
        self.peaks.see(np.where(alive & ~held, chunk.score, np.nan))
        if chunk.slow is not None:
            self.slow_peaks.see(np.where(alive[:, -1] & ~held[:, -1], chunk.slow.score, np.nan)[:, None])
        self.counts = np.ascontiguousarray(all_counts[:, -TAIL:])
        self.mean = np.ascontiguousarray(all_mean[:, -TAIL:])
        self.plain = np.ascontiguousarray(np.concatenate([self.plain, plain], axis=1)[:, -TAIL:])
        self.base = np.ascontiguousarray(np.concatenate([self.base, based], axis=1)[:, -TAIL:])
        self.use = np.ascontiguousarray(np.concatenate([self.use, alive & ~held], axis=1)[:, -TAIL:])

    def _score(self, minute: int, all_counts: Floats, all_mean: Floats, alive: Bools, take: int) -> Chunk:
        dispersion = self.season.dispersion()[:, None]
        relative = self.season.relative(hour_of_week(minute))[:, None]
        found = scan(all_counts, all_mean, take, dispersion, relative, low=self._low)
        begin = all_counts.shape[1] - take
        mean = np.ascontiguousarray(all_mean[:, begin:])
        return Chunk(
            minute,
            np.ascontiguousarray(all_counts[:, begin:]),
            mean,
            size(mean, dispersion, relative),
            alive,
            found.score,
            found.window,
            found.observed,
            found.expected,
            self.season.age,
            np.ascontiguousarray(all_counts[:, :begin]),
            np.ascontiguousarray(all_mean[:, :begin]),
            self.peaks,
        )

    def _slow(self, all_counts: Floats, all_plain: Floats) -> Slow:
        """Nats over hours, against the rate without the recent level (which would follow a slow rise)."""
        hour = np.stack([all_counts[:, -60:].sum(axis=1), all_plain[:, -60:].sum(axis=1)], axis=1)
        best = np.full(len(hour), -np.inf)
        hours = np.zeros(len(hour), dtype=np.int64)
        seen, due = np.zeros(len(hour)), np.zeros(len(hour))
        dispersion, relative = self.season.dispersion(), self.season.relative()
        y, m = hour[:, 0].copy(), hour[:, 1].copy()
        for back in range(1, RING):
            y = y + self.hours[:, 2 * (RING - back)]
            m = m + self.hours[:, 2 * (RING - back) + 1]
            if back + 1 in SLOW_HOURS:
                full = self.hours[:, 2 * (RING - back) + 1] > 0
                score = np.where(full, tail_nats(y, m, size(m, dispersion, relative)), -np.inf)
                better = score > best
                best = np.where(better, score, best)
                hours = np.where(better, back + 1, hours)
                seen, due = np.where(better, y, seen), np.where(better, m, due)
        return Slow(best, hours, seen, due, self.slow_peaks)

    def _learn(self, begin: int, stop: int) -> None:
        length = stop - begin
        counts = np.ascontiguousarray(self.counts[:, -length:])
        mean = np.ascontiguousarray(self.mean[:, -length:])
        plain = np.ascontiguousarray(self.plain[:, -length:])
        base = np.ascontiguousarray(self.base[:, -length:])
        use = np.ascontiguousarray(self.use[:, -length:])
        ripe = (self.season.age > MATURE_MINUTES)[:, None]
        # A burst that was not worth an alarm must not become normal either.
        limit = 3.0 * mean + 12.0
        tamed = np.where(ripe, np.minimum(counts, limit), counts)
        self.season.learn(hour_of_week(begin), tamed, mean, plain, use)
        minutes = use.sum(axis=1)
        fade = (0.5 ** (minutes / ODDS_HALF_LIFE))[:, None]
        gained = np.stack([np.where(use, tamed, 0.0).sum(axis=1), np.where(use, base, 0.0).sum(axis=1)], axis=1)
        self.odds = self.odds * fade + gained
        if stop % 60 == 0:
            # Two hours after a gap or an episode: until then its minutes stand in the windows.
            calm = self.use[:, -120:].sum(axis=1) >= 110
            self.peaks.close(calm & (self.season.age > 120.0))
            self.slow_peaks.close(calm & (self.season.age > 1440.0))
            full = np.where(use, counts, mean).sum(axis=1) if length == 60 else np.zeros(len(counts))
            hour = np.stack([full, plain.sum(axis=1) if length == 60 else full], axis=1)
            self.hours = np.concatenate([self.hours[:, 2:], hour], axis=1)


def chunk_of(minute: int, first: int) -> tuple[int, int]:
    """Begin and end of the chunk that a minute is in: up to a tenth minute while young, then to the full hour."""
    tenth = minute - minute % 10
    if tenth - first < YOUNG_CLOCK:
        return max(tenth, first), tenth + 10
    hour = minute - minute % 60
    # The first long chunk starts where the last short one ended.
    return max(hour, -(-(first + YOUNG_CLOCK) // 10) * 10), hour + 60
