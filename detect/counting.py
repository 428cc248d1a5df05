"""Counts of many series, a minute each, scored against what is normal for the hour: the core of the count detectors.

The minutes are taken in chunks that end at full hours (at every tenth minute while young). Within a chunk the
baseline stands still; at its end the baseline learns from the minutes that no episode holds. A minute's score is the
largest tail nats over the trailing windows, so a short burst and a slow rise are both seen at their own scale.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from detect import codec
from detect.grid import Bools, Floats, Ints, Key
from detect.stats.glr import Scan, scan
from detect.stats.peaks import Peaks
from detect.stats.seasonal import DAY, MATURE_MINUTES, Seasonal, hour_of_week
from detect.stats.tail import size, tail_nats
from detect.stats.windows import GRAIN, TAIL
from gatewatch.records import JSON

YOUNG_CLOCK = 240
YOUNG_TIMES = 2.0
"""On its first day nobody knows how a series scatters and what its day looks like: what is said of it must be so much
clearer."""

SLOW_HOURS: tuple[int, ...] = (3, 6, 12, 24)
RING = 24
ODDS_HALF_LIFE = 2880.0
LATE_HOURS, LATE_SLOW_HOURS = 6, 24
"""Hours that a score waits before it is learned from: of windows of minutes, of windows of hours."""


@dataclass(slots=True)
class Slow:
    """Nats, length in hours, observed and expected of the best window of hours: (series,). peaks: as in Chunk.

    now, due: observed and expected in the last of the hours.
    """

    score: Floats
    hours: Ints
    observed: Floats
    expected: Floats
    now: Floats
    due: Floats
    peaks: Peaks


@dataclass(slots=True)
class Chunk:
    """Some minutes of one chunk: (series, minutes) arrays.

    mean: expected; plain: without the recent level. score: nats of the best window, window: its length in minutes.
    observed, expected: sums over that window (these four are all 0 where nothing is scored). age: remembered minutes
    (series,). all_counts, all_mean: with TAIL minutes before. dispersion, relative: of one minute's count (series, 1).
    peaks: what such scores are worth in each series. slow: the same over the best of SLOW_HOURS, at the last minute of
    a full hour, else None.
    """

    start: int
    counts: Floats
    mean: Floats
    dispersion: Floats
    relative: Floats
    use: Bools
    score: Floats
    window: Ints
    observed: Floats
    expected: Floats
    age: Floats
    all_counts: Floats
    all_mean: Floats
    peaks: Peaks
    plain: Floats | None = None
    slow: Slow | None = None

    @property
    def minutes(self) -> int:
        return int(self.counts.shape[1])

    @property
    def prior_counts(self) -> Floats:
        return self.all_counts[:, : -self.minutes]

    @property
    def prior_mean(self) -> Floats:
        return self.all_mean[:, : -self.minutes]

    def r(self, row: int, at: int) -> float:
        """Size of one minute's count."""
        mean = self.mean[row, at : at + 1]
        return float(size(mean, self.dispersion[row], self.relative[row])[0])


Decide = Callable[[Chunk], Bools]
"""Looks at a chunk's minutes and returns which (series, minutes) an episode holds: they are not learned from."""


class Counting:
    """State of many count series. Rows are only added, in the order of their first minute.

    scored: else only what is expected is learned, and `scan` tells of single rows how odd they are. patient: what an
    hour's scores are worth is learned hours later, and not at all when they led to an episode; and hours are judged by
    what was expected of them a day before.
    """

    _tails = ("counts", "mean", "plain", "base")

    def __init__(
        self,
        *,
        low: bool = False,
        lowest: float = 0.4,
        highest: float = 2.5,
        scored: bool = True,
        patient: bool = False,
    ) -> None:
        self.keys: list[Key] = []
        self.rows: dict[Key, int] = {}
        self.born: Ints = np.zeros(0, np.int64)
        self.first = -1
        self.clock = -1
        self.season = Seasonal()
        self.peaks = Peaks(YOUNG_TIMES)
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
        self._scored = scored
        self.late: Floats = np.zeros((0, LATE_HOURS))
        self.slow_late: Floats = np.zeros((0, LATE_SLOW_HOURS))
        self.ahead: Floats = np.zeros((0, RING))
        self.spread: Floats = np.zeros((0, RING))
        self._kept = (
            *self._tails,
            "use",
            "hours",
            "odds",
            *(("late", "slow_late", "ahead", "spread") if patient else ()),
        )
        self._patient = patient

    def load(self, state: JSON) -> None:
        if not isinstance(state, dict) or not state:
            return
        self.keys = [tuple(cast(Sequence[str | None], key)) for key in cast(list[JSON], state["keys"])]
        self.rows = {key: row for row, key in enumerate(self.keys)}
        self.first, self.clock = int(cast(int, state["first"])), int(cast(int, state["clock"]))
        self.season.load(state["season"])
        self.peaks.load(state["peaks"])
        self.slow_peaks.load(state["slow_peaks"])
        for name in (*self._kept, "born"):
            setattr(self, name, codec.unpack(state[name]))

    def dump(self) -> dict[str, JSON]:
        return {
            "keys": [list(key) for key in self.keys],
            "first": self.first,
            "clock": self.clock,
            "season": self.season.dump(),
            "peaks": self.peaks.dump(),
            "slow_peaks": self.slow_peaks.dump(),
            **{name: codec.pack(getattr(self, name)) for name in (*self._kept, "born")},
        }

    def align(self, keys: Sequence[Key], first: Ints, start: int) -> Ints:
        """Row of each key; new ones are added. first: minute within the block at which each appears."""
        born = []
        for key, minute in zip(keys, first.tolist(), strict=True):
            if key not in self.rows:
                self.rows[key] = len(self.keys)
                self.keys.append(key)
                born.append(start + minute)
        if born:
            rows = len(self.keys)
            self.born = np.concatenate([self.born, np.array(born, dtype=np.int64)])
            self.season.grow(rows)
            self.peaks.grow(rows)
            self.slow_peaks.grow(rows)
            for name in self._kept:
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
        at = 0
        while at < total:
            minute = start + at
            begin, stop = chunk_of(minute, self.first)
            take = min(stop - minute, total - at)
            self._minutes(minute, stop, counts, base, use, at, take, decide)
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
        base: Floats | None,
        use: Bools,
        at: int,
        take: int,
        decide: Decide,
    ) -> None:
        season = self.season
        alive = use[:, at : at + take] & (np.arange(minute, minute + take) >= self.born[:, None])
        new = np.where(alive, counts[:, at : at + take], 0.0)
        # Always the whole hour, so that a cut block computes the very same numbers.
        whole = season.seasonal(minute - minute % 60, 60)
        plain = np.rint(np.ascontiguousarray(whole[:, minute % 60 : minute % 60 + take]) * GRAIN) / GRAIN
        mean = plain * season.factor(*self._bounds)[:, None]
        based = None
        if base is not None:
            based = np.where(alive, base[:, at : at + take], 0.0)
            odds = (self.odds[:, 0] + 0.01) / (self.odds[:, 1] + 20.0)
            mean = np.maximum(mean, odds[:, None] * based)
        mean = np.where(alive, np.rint(mean * GRAIN) / GRAIN, 0.0)
        plain = np.where(alive, plain, 0.0)
        all_counts = np.concatenate([self.counts, new], axis=1)
        all_mean = np.concatenate([self.mean, mean], axis=1)
        chunk = self._chunk(minute, new, mean, alive, all_counts, all_mean)
        chunk.plain = plain
        if self._scored:
            found = self.scan(chunk)
            chunk.score, chunk.window = found.score, found.window
            chunk.observed, chunk.expected = found.observed, found.expected
            if minute + take == stop and stop % 60 == 0:
                chunk.slow = self._slow(all_counts, np.concatenate([self.plain, plain], axis=1))
        held = decide(chunk)
        if self._scored:
            self.peaks.see(np.where(alive & ~held, chunk.score, np.nan))
            if chunk.slow is not None:
                self.slow_peaks.see(np.where(alive[:, -1] & ~held[:, -1], chunk.slow.score, np.nan)[:, None])
        self.counts, self.mean = _last(all_counts), _last(all_mean)
        self.plain = _last(np.concatenate([self.plain, plain], axis=1))
        if based is not None:
            self.base = _last(np.concatenate([self.base, based], axis=1))
        self.use = _last(np.concatenate([self.use, alive & ~held], axis=1))

    def _chunk(
        self, minute: int, counts: Floats, mean: Floats, alive: Bools, all_counts: Floats, all_mean: Floats
    ) -> Chunk:
        nothing, dispersion = np.zeros(counts.shape), self.season.dispersion()
        self.peaks.often = 60.0 * self.season.usual() / dispersion
        return Chunk(
            minute,
            counts,
            mean,
            dispersion[:, None],
            self.season.relative(hour_of_week(minute))[:, None],
            alive,
            nothing,
            np.zeros(counts.shape, dtype=np.int64),
            nothing,
            nothing,
            self.season.age,
            all_counts,
            all_mean,
            self.peaks,
        )

    def scan(self, chunk: Chunk, rows: Ints | None = None) -> Scan:
        """How odd the minutes of a chunk are: of all series, or of some."""
        some = slice(None) if rows is None else rows
        return scan(
            chunk.all_counts[some],
            chunk.all_mean[some],
            chunk.minutes,
            chunk.dispersion[some],
            chunk.relative[some],
            low=self._low,
        )

    def _slow(self, all_counts: Floats, all_plain: Floats) -> Slow:
        """Nats over hours, against the rate without the recent level (which would follow a slow rise)."""
        now, due = all_counts[:, -60:].sum(axis=1), self._due(all_plain[:, -60:].sum(axis=1))
        # Sums of so many hours up to now: exact, as those of minutes are.
        y, m = (
            np.cumsum(np.concatenate([part[:, None], before[:, ::-1]], axis=1), axis=1)
            for part, before in ((now, self.hours[:, 2::2]), (due, self.hours[:, 3::2]))
        )
        places = np.array(SLOW_HOURS) - 1
        full = self.hours[:, 2 * (RING - places) + 1] > 0
        y, m = y[:, places], m[:, places]
        dispersion, relative = self.season.dispersion()[:, None], self.season.relative()[:, None]
        if self._patient:
            dispersion = np.where(self.spread[:, :1] > 0, self.spread[:, :1], dispersion)
        score = np.where(full, tail_nats(y, m, size(m, dispersion, relative)), -np.inf)
        best, row = np.argmax(score, axis=1), np.arange(len(score))
        known = full.any(axis=1)
        return Slow(
            score[row, best],
            np.where(known, np.array(SLOW_HOURS)[best], 0),
            np.where(known, y[row, best], 0.0),
            np.where(known, m[row, best], 0.0),
            now,
            due,
            self.slow_peaks,
        )

    def _learn(self, begin: int, stop: int) -> None:
        length = stop - begin
        counts, mean, plain = self.counts[:, -length:], self.mean[:, -length:], self.plain[:, -length:]
        use = self.use[:, -length:]
        ripe = (self.season.age > MATURE_MINUTES)[:, None]
        # A burst that was not worth an alarm must not become normal either.
        tamed = np.where(ripe, np.minimum(counts, 3.0 * mean + 12.0), counts)
        self.season.learn(hour_of_week(begin), tamed, mean, plain, use)
        fade = (0.5 ** (use.sum(axis=1) / ODDS_HALF_LIFE))[:, None]
        came = [np.where(use, part, 0.0).sum(axis=1) for part in (tamed, self.base[:, -length:])]
        self.odds = self.odds * fade + np.stack(came, axis=1)
        if stop % 60 == 0 and self._scored:
            # Two hours after a gap or an episode: until then its minutes stand in the windows.
            calm = self.use[:, -120:].sum(axis=1) >= 110
            old, older = self.season.age > 120.0, self.season.age > 1440.0
            if self._patient:
                self.late = _waited(self.peaks, self.late, calm & old, self.season.age)
                self.slow_late = _waited(self.slow_peaks, self.slow_late, calm & older, self.season.age)
            else:
                self.peaks.close(calm & old)
                self.slow_peaks.close(calm & older)
            full = np.where(use, counts, mean).sum(axis=1) if length == 60 else np.zeros(len(counts))
            hour = np.stack([full, self._due(plain.sum(axis=1)) if length == 60 else full], axis=1)
            self.hours = np.concatenate([self.hours[:, 2:], hour], axis=1)
            if self._patient:
                # Of who comes later in the block nothing was expected in this hour.
                born = (self.born < stop)[:, None]
                tomorrow = self.season.seasonal(stop - 60 + 1440, 60).sum(axis=1)[:, None]
                tomorrow = np.where(born, np.rint(tomorrow * GRAIN) / GRAIN, 0.0)
                self.ahead = np.concatenate([self.ahead[:, 1:], tomorrow], axis=1)
                spread = np.where(born, self.season.dispersion()[:, None], 0.0)
                self.spread = np.concatenate([self.spread[:, 1:], spread], axis=1)

    def _due(self, plain: Floats) -> Floats:
        """What is due in the hour that ends: as was expected a day ago, where it was, so that no rise of hours has
        lifted it.
        """
        if not self._patient:
            return plain
        expected: Floats = np.where(self.ahead[:, 0] > 0, self.ahead[:, 0], plain)
        return expected


def _waited(peaks: Peaks, late: Floats, calm: Bools, age: Floats) -> Floats:
    """End an hour, learning from the one that has waited longest; who is younger than two days learns at once.

    late (series, hours): the hours' largest and one more, 0: none. What works itself up must not be its own yardstick,
    so where an episode came meanwhile the hours before it are not learned from.
    """
    largest = np.where(calm, peaks.top[:, 0] + 1.0, 0.0)
    late = np.where(calm[:, None], late, 0.0)
    young = age < 2 * DAY
    due = np.where(young, largest, late[:, 0])
    peaks.top[:, 0] = np.maximum(due - 1.0, 0.0)
    peaks.close(due > 0.0)
    pushed: Floats = np.concatenate([late[:, 1:], np.where(young, 0.0, largest)[:, None]], axis=1)
    return pushed


def _last(values: np.ndarray[Any, Any]) -> Any:
    """The last TAIL minutes, in memory of their own."""
    return np.ascontiguousarray(values[:, -TAIL:])


def chunk_of(minute: int, first: int) -> tuple[int, int]:
    """Begin and end of the chunk that a minute is in: up to a tenth minute while young, then to the full hour."""
    tenth = minute - minute % 10
    if tenth - first < YOUNG_CLOCK:
        return max(tenth, first), tenth + 10
    hour = minute - minute % 60
    # The first long chunk starts where the last short one ended.
    return max(hour, -(-(first + YOUNG_CLOCK) // 10) * 10), hour + 60
