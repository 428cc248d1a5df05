"""Requests that did not come: expected minus none, since the last good one. The core of dead_api.

The evidence of a silence is the number of requests expected in its covered minutes. What was expected is believed
only where the hour of the week was seen before; elsewhere no more than the recent level counts, so that the first
night or weekend of a stage is no outage.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import cast

import numpy as np

from detect import codec
from detect.clocks import clocks_changed, weekend
from detect.consumers import MOST_KEYS, Consumers, is_key
from detect.counting import Chunk, Counting, chunk_of
from detect.episodes import Episode
from detect.grid import Bools, Floats, Ints, Key, closing
from detect.model import Block
from detect.ordinary import Ordinary
from detect.policy import threshold_nats
from detect.removed import Removals
from detect.sole import HOURS, SOLE_MINUTES, SOLE_TIMES, remembered, sole
from detect.stats.seasonal import WEEK, hour_of_week
from detect.stats.windows import GRAIN, TAIL, WINDOWS, prefix, trailing
from detect.warming import DAY, LEAST_AGE, STREAM, TOLD_DAYS, WEEKEND_MINUTES, warming, worse
from detect.watching import Watch
from gatewatch.records import JSON, Blind

LEAST_MISSED = 15.0
EARLY_TIMES = 2.0
"""A silence of a first day is worth a word that would have taken so many times LEAST_MISSED calls."""

ROUTE_MORE = 1.3
"""A single route must miss so many times more than a stage: there are many of them."""

REMOVED, REMOVED_BEFORE = 0.4, 10
"""A stage that somebody removed must miss only this part of it; minutes for which it may go on to answer."""

KEY_MORE = 1.6
"""A customer must miss so many times more: there are more of them, and they have habits of their own."""

OTHERS_DUE, OTHERS_SEEN = 5.0, 0.4
"""Calls that the other routes owe, and the share of them that comes, before a route is silent by itself."""

ROUTE_AGE = 2880.0
"""Minutes that a route is known before its silence means anything: jobs call for an hour a day."""

STEADY_AGE, STEADY_PARTS = 1440.0, 96
"""The same for who called in so many of the day's 144 tenths of an hour: that is no job."""

REGULAR_GAPS, REGULAR_LEAST, REGULAR_CALLS = 3.0, 8.0, 300.0
"""Who never paused long says more by a pause: this many times the longest one, as requests missed, is enough for a
route or key that called so often. By chance that is more than LEAST_MISSED; for a client that calls every five
minutes it is half of it."""

LONG_MINUTES = 26 * 60
"""A silence that began in a quiet hour may be a holiday: it must outlast a day."""

TRUSTED_MINUTES = 30.0
LEAST_FAILED, FAILED_A_MINUTE = 8.0, 3.0
FAILED_NATS = 6.0
"""Failures in a row that are worth a word, how many of one minute count, and the nats beyond the budget's that they
must be worth: failures come in runs, as the same caller tries again."""

FAILED_AGE, FAILED_ROUTE_AGE = 60.0, 360.0
"""Minutes that a stage or route is known before its failures mean anything: they need no habit to be missed."""

FAIL_WINDOWS = (3, 5, 10, 20)
MOSTLY = (0.1, 0.2, 0.5, 0.5)
"""An outage are also so many minutes in which no more than this share was answered well: one host of ten that lives, or
half of them for longer."""

FAIL_MEMORY = 64
MENDED = 0.7
"""Share of the last answers that are good when an outage of failures is over."""

FAIL_HALF_LIFE = 4 * 1440.0
RESUMED = 0.3
TRICKLE_WINDOW = 3
GONE = 0.06
"""A stage is as good as silent below this share of what was expected."""

BACK = 5
"""Minutes by which an end may lie before the minute that shows it."""

RELEARN = 7 * 1440
HUSHED_MINUTES, HUSHED_DAYS = 6 * 60, 8
"""Silences up to this length, and any in hours that were never seen, may be the caller's habit; how long that is
believed if nobody comes."""

EMPTY_DUE, EMPTY_SHARE = 5.0, 0.1
"""An hour of the week is empty when no more than this share of what was due in it came; beyond doubt, where so much
was due."""

TOLD = 8.0
WAIT_MINUTES = 15
LONGEST_WAIT = 120

PART = 10
PARTS = 1440 // PART
HOUR_PARTS = 60 // PART
"""Tenths of hours of the day: an hour with a batch in its first half owes nothing in its second."""


class Silence:
    """State: counts of good answers, and since when there was none."""

    _arrays = (
        *("last", "missed", "rate", "gap", "gap_now", "errors", "level", "parts", "part", "beside"),
        *("odds", "odds_now", "streak", "run", "run_now", "hushed", "fails", "doubt", "callers"),
    )

    def __init__(self, budget: float) -> None:
        self.counting = Counting(low=True, lowest=0.3, highest=3.0, scored=False)
        self.last: Ints = np.zeros(0, np.int64)
        self.missed: Floats = np.zeros(0)
        self.rate: Floats = np.zeros(0)
        self.gap: Floats = np.zeros(0)
        self.gap_now: Floats = np.zeros(0)
        self.errors: Floats = np.zeros(0)
        self.level: Floats = np.zeros(0)
        self.parts: Floats = np.zeros((0, 2 * PARTS))
        self.part: Floats = np.zeros((0, 2 * HOUR_PARTS))
        self.beside: Floats = np.zeros((0, TAIL, 2))
        """Of stages: monitors' calls and calls to nothing, of the last minutes."""
        self.odds: Floats = np.zeros((0, 2))
        self.odds_now: Floats = np.zeros((0, 2))
        """Answers with a server error, and all: remembered, and of this chunk."""
        self.streak: Floats = np.zeros(0)
        """Failures in a row so far, of each minute no more than FAILED_A_MINUTE."""
        self.run: Floats = np.zeros(0)
        self.run_now: Floats = np.zeros(0)
        """The longest run of failures that ended by itself."""
        self.hushed: Floats = np.zeros((0, PARTS))
        """The day (since the epoch) on which a part of the day was silent, and nobody came in it since; 0: none."""
        self.fails: Floats = np.zeros((0, FAIL_MEMORY))
        """Failures of the last minutes."""
        self.doubt: Floats = np.zeros((0, 2))
        """The longest silence that came too early to be judged (detect.warming)."""
        self.callers: Floats = np.zeros((0, HOURS + 1, 2))
        """Of stages: who called in the last hours, as detect.sole keeps it."""
        self.silences: list[list[int]] = []
        """Silences that ended in this chunk: row, first minute, the one after the last."""
        self.episodes: dict[int, Episode] = {}
        self.done: list[tuple[int, Episode]] = []
        self.limit = threshold_nats(budget)
        self.watch: Watch | None = None
        self._sorts: tuple[Bools, Bools] = np.zeros(0, dtype=bool), np.zeros(0, dtype=bool)

    def load(self, state: JSON) -> None:
        if not isinstance(state, dict) or not state:
            return
        self.counting.load(state["counting"])
        for name in self._arrays:
            setattr(self, name, codec.unpack(state[name]))
        self.silences = [list(three) for three in cast(list[list[int]], state["silences"])]
        stored = cast(dict[str, JSON], state["episodes"])
        self.episodes = {int(row): Episode.from_json(episode) for row, episode in stored.items()}

    def dump(self) -> dict[str, JSON]:
        return {
            "counting": self.counting.dump(),
            **{name: codec.pack(getattr(self, name)) for name in self._arrays},
            "silences": cast(JSON, self.silences),
            "episodes": {str(row): self.episodes[row].to_json() for row in sorted(self.episodes)},
        }

    def step(
        self, block: Block, consumers: Consumers | None = None, removed: Removals = MappingProxyType({})
    ) -> list[tuple[int, Episode]]:
        """Take a block; the episodes that changed in it, with their series' row. removed: stage -> at which minutes."""
        ordinary = Ordinary(block, consumers or Consumers(), self.counting.rows, self._followed)
        rows = self.counting.align(ordinary.keys, ordinary.first, block.first)
        total = len(self.counting.keys)
        more = total - len(self.last)
        self.last = np.concatenate([self.last, self.counting.born[len(self.last) :] - 1])
        for name in self._arrays[1:]:
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros((more, *old.shape[1:]))]))
        good, bad = np.zeros((total, block.minutes)), np.zeros((total, block.minutes))
        good[rows], bad[rows] = ordinary.good, ordinary.bad
        causes = np.zeros((total, block.minutes, 3))
        causes[rows] = ordinary.causes
        closes = np.tile(closing(block.first, block.minutes), (total, 1))
        closes[rows] = ordinary.closes
        beside = np.zeros((total, block.minutes, 2))
        beside[rows] = ordinary.beside
        self.beside = np.concatenate([self.beside, beside], axis=1)
        use = np.tile(block.covered, (total, 1))
        for row in np.flatnonzero(self.sorts()[1]).tolist():
            use[row] &= ordinary.seen.known(self.counting.keys[row], block.minutes)
        hung = np.zeros((total, block.minutes))
        hung[rows] = ordinary.hung
        work = _Work(self, block.first, bad, hung, causes, closes)
        work.strays = beside[:, :, 1]
        work.who[rows] = ordinary.who
        work.removed = removed
        self.counting.run(block.first, good, use, work.chunk)
        self.beside = np.ascontiguousarray(self.beside[:, -TAIL:])
        changed = [(row, episode) for row, episode in self.episodes.items() if episode.changed] + self.done
        self.done = []
        for _, episode in changed:
            episode.changed = False
        return sorted(changed, key=lambda item: (item[1].start, item[0]))

    def warming(self) -> list[Blind]:
        """Stages whose silences could not all be judged, as they are young."""
        age = self.counting.season.age
        rows = np.flatnonzero(~self.sorts()[0] & (age < TOLD_DAYS * DAY)).tolist()
        rows = [row for row in rows if row not in self.episodes]
        return warming(self.counting.keys, rows, age, self.level, self.doubt)

    def sorts(self) -> tuple[Bools, Bools]:
        """Which series are no whole stages, and which of them are API keys."""
        keys = self.counting.keys
        if len(keys) != len(self._sorts[0]):
            self._sorts = (
                np.array([len(key) == 5 for key in keys], dtype=bool),
                np.array([is_key(key) for key in keys], dtype=bool),
            )
        return self._sorts

    def _followed(self, keys: list[tuple[int, Key]]) -> list[tuple[int, Key]]:
        """Of API keys (first minute, series), in their order, those that are followed: MOST_KEYS a stage."""
        many: dict[Key, int] = {}
        for key in self.counting.keys:
            if is_key(key):
                many[key[:4]] = many.get(key[:4], 0) + 1
        out = []
        for first, key in keys:
            if key not in self.counting.rows:
                many[key[:4]] = many.get(key[:4], 0) + 1
                if many[key[:4]] > MOST_KEYS:
                    continue
            out.append((first, key))
        return out


@dataclass(frozen=True, slots=True)
class _Since:
    """For each (series, minute): expected since the last good answer, its minute, failures since, rate due at it."""

    missed: Floats
    last: Ints
    failed: Floats
    rate: Floats


class _Work:
    def __init__(self, silence: Silence, first: int, bad: Floats, hung: Floats, causes: Floats, closes: Ints) -> None:
        self.silence, self.first, self.closes = silence, first, closes
        self.bad, self.hung, self.causes = bad, hung, causes
        self.strays: Floats = np.zeros_like(bad)
        self.who: Floats = np.zeros((*bad.shape, 2))
        self.removed: Removals = {}

    def chunk(self, chunk: Chunk) -> Bools:
        silence, counting = self.silence, self.silence.counting
        take = chunk.minutes
        minutes = np.arange(chunk.start, chunk.start + take)
        season = counting.season
        # What was seen of this very hour, while it is learned in parts, is no habit.
        trusted = (season.minutes[:, hour_of_week(chunk.start)] >= TRUSTED_MINUTES) & (chunk.age >= DAY)
        # A route that hangs until its time-out is called: it is slow, not silent.
        cut = slice(chunk.start - self.first, chunk.start - self.first + take)
        # Nor do scanners end a silence, but on a first day, when nobody knows who else calls at that hour.
        scanned = (self.strays[:, cut] > 0) & (chunk.age < DAY)[:, None]
        alive = ((chunk.counts > 0) | (self.hung[:, cut] > 0) | scanned) & chunk.use
        # Where the last good answer came before each minute (or before the chunk: 0, and what was missed then).
        place = np.where(alive, np.arange(1, take + 1), 0)
        reset = np.maximum.accumulate(place, axis=1)
        last = np.where(reset == 0, silence.last[:, None], chunk.start + reset - 1)
        safe = self._safe(chunk, trusted, minutes - last)
        running = prefix(safe)
        since = np.take_along_axis(running, reset, axis=1)
        missed = running[:, 1:] - since + np.where(reset == 0, silence.missed[:, None], 0.0)
        silence.doubt = worse(silence.doubt, self.early & chunk.use & ~alive, last, minutes)
        level = np.maximum(chunk.mean, 1e-4)
        newest = np.take_along_axis(level, np.maximum(reset - 1, 0), axis=1)
        at_last = np.where(reset == 0, silence.rate[:, None], newest)
        errors = prefix(self.bad[:, chunk.start - self.first : chunk.start - self.first + take])
        failed = errors[:, 1:] - np.take_along_axis(errors, reset, axis=1)
        failed += np.where(reset == 0, silence.errors[:, None], 0.0)
        phi = season.dispersion()
        stretch = np.where(phi > 1.01, (phi - 1.0) / np.log(np.maximum(phi, 1.01)), 1.0)
        need = np.maximum(np.maximum(LEAST_MISSED, 14.0 * stretch), 1.5 * silence.gap)[:, None]
        single, keyed = (part[:, None] for part in silence.sorts())
        least_need, alone = need, sole(silence.callers)[:, None]
        long = np.minimum(SOLE_TIMES * LEAST_MISSED, SOLE_MINUTES * season.usual()[:, None])
        need = np.where(alone, np.maximum(need, long), need)
        need = np.where(keyed, KEY_MORE * need, np.where(single, ROUTE_MORE * need, need))
        steady = (silence.parts[:, :PARTS] > 0).sum(axis=1) >= STEADY_PARTS
        known = steady & (season.sums.sum(axis=1) >= REGULAR_CALLS)
        regular = np.maximum(REGULAR_GAPS * silence.gap, REGULAR_LEAST)
        need = np.where(single & known[:, None], np.minimum(need, regular[:, None]), need)
        need = np.where((chunk.age < DAY)[:, None], 2.0 * need, need)
        need = np.where(self._gone_by_hand(minutes, last), REMOVED * need, need)
        length = np.maximum(minutes - last, 1)
        sudden = at_last >= 0.25 * missed / length
        least = np.where(steady, STEADY_AGE, ROUTE_AGE)
        least = np.where(single[:, 0], least, LEAST_AGE)
        old = (chunk.age >= least)[:, None]
        grown = (chunk.age >= np.where(single[:, 0], FAILED_ROUTE_AGE, FAILED_AGE))[:, None] & ~keyed
        streak = self._in_a_row(chunk, reset)
        failing = self._failing(streak) & grown
        hot = (failing | (missed >= need) & (sudden | (length >= LONG_MINUTES)) & old) & chunk.use & ~alive
        # Not quite silent: a trickle where a stream is expected.
        trickle = old & chunk.use & (safe >= 0.6 * chunk.mean) & ~keyed & trusted[:, None]
        self._trickles(chunk, trickle, need)
        trickle |= self._mostly_failing(chunk, grown & chunk.use & ~hot)
        # Nothing is learned of what may be an outage, whoever calls.
        held = (missed >= 0.3 * np.where(alone, least_need, need)) & trusted[:, None] & sudden & (length < RELEARN)
        # The yardstick of callers that come in bursts: what was missed before they came back, unalarmed.
        before = np.concatenate([silence.missed[:, None], missed[:, :-1]], axis=1)
        if len(before):
            before = np.maximum(before, self._paused(chunk, minutes, last))
            seen = np.where(alive & (before < need), before, 0.0).max(axis=1)
            silence.gap_now = np.maximum(silence.gap_now, seen)
            calm = ~np.isin(np.arange(len(before)), list(silence.episodes))[:, None]
            ran = np.concatenate([silence.streak[:, None], streak[:, :-1]], axis=1)
            silence.run_now = np.maximum(silence.run_now, np.where(alive & calm, ran, 0.0).max(axis=1))
        self._tell(chunk, missed, need, sudden | (length >= LONG_MINUTES), least, alive)
        candidates = set(np.flatnonzero((hot | trickle).any(axis=1)).tolist()) | set(silence.episodes)
        for row in sorted(candidates):
            self._row(row, chunk, hot, trickle, _Since(missed, last, failed, at_last), held)
        if silence.watch is not None and silence.watch.place(chunk.start, take) is not None:
            self._tell_episodes(silence.watch.minute)
        silence.missed, silence.last = missed[:, -1].copy(), last[:, -1].copy()
        silence.rate, silence.errors = at_last[:, -1].copy(), failed[:, -1].copy()
        silence.streak = streak[:, -1].copy()
        silence.level = self.level
        self._learn_parts(chunk, chunk.use & ~held & (minutes >= counting.born[:, None]))
        self._learn_odds(chunk, chunk.use & ~held)
        silence.callers = remembered(silence.callers, self.who[:, cut], closes=(chunk.start + take) % 60 == 0)
        if (chunk.start + take) % 60 == 0:
            silence.gap = np.maximum(silence.gap * 0.9995, silence.gap_now)
            silence.gap_now = np.zeros_like(silence.gap)
            silence.run = np.maximum(silence.run * 0.998, silence.run_now)
            silence.run_now = np.zeros_like(silence.run)
        return held

    def _gone_by_hand(self, minutes: Ints, last: Ints) -> Bools:
        """Of stages: was one removed between its last good answer, or shortly before that, and now?"""
        out = np.zeros(last.shape, dtype=bool)
        for row, key in enumerate(self.silence.counting.keys if self.removed else ()):
            if len(key) == 4:
                for at in self.removed.get(key, ()):
                    out[row] |= (at <= minutes) & (at >= last[row] - REMOVED_BEFORE)
        return out

    def _trickles(self, chunk: Chunk, may: Bools, need: Floats) -> None:
        """Leave of the minutes that may be a trickle those that are out of line; sets `chunk.window` there.

        Hardly any minute owes so much and sees so little: only the series that have one are scored.
        """
        take, begin = chunk.minutes, WINDOWS[-1]
        running, due = (prefix(part[:, -begin - take :]) for part in (chunk.all_counts, chunk.all_mean))
        longest, least = trailing(due, begin, take, WINDOWS[-1]), trailing(running, begin, take, TRICKLE_WINDOW)
        near = may & (longest >= 3.0 * need) & (least <= GONE * longest)
        rows = np.flatnonzero(near.any(axis=1))
        may[~near] = False
        if not len(rows):
            return
        found = self.silence.counting.scan(chunk, rows)
        may[rows] &= (found.score >= self.silence.limit) & (found.observed <= GONE * found.expected)
        may[rows] &= (found.expected >= 3.0 * need[rows]) & (found.window >= TRICKLE_WINDOW)
        chunk.window[rows] = found.window

    def _in_a_row(self, chunk: Chunk, reset: Ints) -> Floats:
        """Server errors since the last good answer. One route that hangs until its time-out is not dead but slow."""
        cut = slice(chunk.start - self.first, chunk.start - self.first + chunk.minutes)
        running = prefix(np.minimum(self.bad[:, cut] - self.hung[:, cut], FAILED_A_MINUTE))
        row = running[:, 1:] - np.take_along_axis(running, reset, axis=1)
        return np.asarray(row + np.where(reset == 0, self.silence.streak[:, None], 0.0))

    def _failing(self, row: Floats) -> Bools:
        """Nothing but server errors since the last good answer, more of them in a row than their usual share gives.

        Each failure in a row is worth the log of their usual share; so a few of them tell more than a silence does.
        """
        silence = self.silence
        share = (silence.odds[:, 0] + 0.5) / (silence.odds[:, 1] + 25.0)
        worth = row * -np.log(np.minimum(share, 0.9))[:, None]
        least = np.maximum(LEAST_FAILED, 2.0 * silence.run)[:, None]
        known = (silence.odds[:, 1] >= 25.0)[:, None]
        return np.asarray((row >= least) & (worth >= silence.limit + FAILED_NATS) & known)

    def _mostly_failing(self, chunk: Chunk, may: Bools) -> Bools:
        """Of the minutes that may, those in whose last minutes hardly anything was answered well.

        The evidence is the likelihood ratio of the share of failures to the usual one; sets `chunk.window` there.
        """
        silence, take = self.silence, chunk.minutes
        cut = slice(chunk.start - self.first, chunk.start - self.first + take)
        new = self.bad[:, cut] - self.hung[:, cut]
        kept = self.kept = np.concatenate([silence.fails, new], axis=1)
        silence.fails = np.ascontiguousarray(kept[:, -FAIL_MEMORY:])
        out = np.zeros_like(may)
        rows = np.flatnonzero((new.sum(axis=1) > 0) & may.any(axis=1) & (silence.odds[:, 1] >= 25.0))
        if not len(rows):
            return out
        share = np.minimum((silence.odds[rows, 0] + 0.5) / (silence.odds[rows, 1] + 25.0), 0.5)[:, None]
        least = np.maximum(LEAST_FAILED, 2.0 * silence.run[rows])[:, None]
        fails, wells = prefix(kept[rows]), prefix(chunk.all_counts[rows])
        capped = prefix(np.minimum(kept[rows], FAILED_A_MINUTE))
        for window, most in zip(FAIL_WINDOWS, MOSTLY, strict=True):
            bad, lately = (trailing(fails, FAIL_MEMORY, take, length) for length in (window, FAIL_WINDOWS[0]))
            row = trailing(capped, FAIL_MEMORY, take, window)
            begin = chunk.all_counts.shape[1] - take
            good, now = (trailing(wells, begin, take, length) for length in (window, FAIL_WINDOWS[0]))
            rate = bad / np.maximum(bad + good, 1.0)
            with np.errstate(divide="ignore", invalid="ignore"):
                nats = bad * np.log(rate / share) + np.where(good > 0, good * np.log((1 - rate) / (1 - share)), 0.0)
            worth = np.where(bad > 0, nats * row / np.maximum(bad, 1.0), 0.0)
            told = (good <= most * (good + bad)) & (row >= least) & (worth >= silence.limit + FAILED_NATS)
            told &= may[rows] & ~out[rows] & (new[rows] > 0) & (now <= most * (now + lately))
            out[rows] |= told
            chunk.window[rows] = np.where(told, window, chunk.window[rows])
        return out

    def _learn_odds(self, chunk: Chunk, use: Bools) -> None:
        """Failures and all answers. Nothing of it is used before the chunk has closed."""
        silence = self.silence
        low = chunk.start - self.first
        bad = np.where(use, self.bad[:, low : low + chunk.minutes], 0.0).sum(axis=1)
        good = np.where(use, chunk.counts, 0.0).sum(axis=1)
        silence.odds_now = silence.odds_now + np.stack([bad, bad + good], axis=1)
        stop = chunk.start + chunk.minutes
        begin, end = chunk_of(stop - 1, silence.counting.first)
        if end == stop:
            silence.odds = silence.odds * 0.5 ** ((end - begin) / FAIL_HALF_LIFE) + silence.odds_now
            silence.odds_now = np.zeros_like(silence.odds_now)

    def _tell(self, chunk: Chunk, missed: Floats, need: Floats, abrupt: Bools, least: Floats, alive: Bools) -> None:
        """The conditions of a silence, to whoever watches."""
        silence, watch = self.silence, self.silence.watch
        at = None if watch is None else watch.place(chunk.start, chunk.minutes)
        if watch is None or at is None:
            return
        watch.told(
            "dead_api",
            silence.counting.keys,
            at,
            [
                ("expected requests missed since the last good answer", missed, need, missed >= need),
                ("nothing answered well in this minute", ~alive, 1.0, ~alive),
                ("fell silent at a usual hour, or for more than a day", abrupt, 1.0, abrupt),
                ("minutes known", chunk.age, least, chunk.age >= least),
                ("covered by a source", chunk.use, 1.0, chunk.use),
            ],
            age_minutes=chunk.age,
            observed=chunk.counts,
            expected=chunk.mean,
        )

    def _tell_episodes(self, minute: int) -> None:
        watch = self.silence.watch
        for row, episode in self.silence.episodes.items():
            if watch is not None and episode.start <= minute <= (episode.end or minute):
                watch.note("dead_api", self.silence.counting.keys[row], raised=episode.start)

    def _safe(self, chunk: Chunk, trusted: Bools, silent: Ints) -> Floats:
        """What was surely to be expected, in multiples of 1/GRAIN. silent: minutes since the last good answer."""
        recent = self._recent(chunk)
        # A crowd that has left owes nothing: the recent level may lower what is expected, not raise it.
        mean = chunk.mean if chunk.plain is None else np.minimum(chunk.mean, chunk.plain)
        known = np.where(trusted[:, None], mean, np.minimum(0.7 * mean, recent))
        # On a first day nobody knows what a batch is and what the rule, nor when evening comes; a stream that stops at
        # once is neither. Whether Saturdays are like the days before is told by the day itself, not by its absence.
        early = (chunk.age < DAY)[:, None] & (recent < STREAM)
        if weekend(chunk.start):
            early |= ~trusted[:, None] & (silent > WEEKEND_MINUTES)
        known = np.where(early, 0.0, known)
        self.early = early & (recent * silent >= EARLY_TIMES * LEAST_MISSED)
        place = (np.arange(chunk.start, chunk.start + chunk.minutes) % 1440) // PART
        # The part and its neighbours: a batch that ends within a part is not owed for the rest of it. By new clocks
        # the day may have moved by an hour, and what is due now was never due then.
        moved = (0, HOUR_PARTS, -HOUR_PARTS) if clocks_changed(chunk.start) else (0,)
        near_counts, near_time = np.zeros_like(known), np.zeros_like(known)
        for hour, step in product(moved, (0, -1, 1)):
            near = (place + hour + step) % PARTS
            counts, time = self.silence.parts[:, near], self.silence.parts[:, PARTS + near]
            usual = (counts + (0.0 if hour else chunk.mean)) / (time + 1.0)
            known = np.where(time >= PART - 1, np.minimum(known, 1.3 * usual), known)
            if not hour:
                near_counts, near_time = near_counts + counts, near_time + time
        # Where it is plain that nobody comes at this time of day, nobody is missed: the second evening of an office.
        due = chunk.mean * near_time
        empty = (near_counts <= EMPTY_SHARE * due) & (due >= EMPTY_DUE)
        known = np.where(empty, np.minimum(known, near_counts / np.maximum(near_time, 1.0)), known)
        # Other days lend a silent hour of the week some of their calls; where it is plain that these do not come then,
        # they are not owed: the Saturdays of an office.
        season, hour_now = self.silence.counting.season, hour_of_week(chunk.start)
        counts, time = season.sums[:, hour_now, None], season.minutes[:, hour_now, None]
        due = chunk.mean * time
        own = np.where(due >= EMPTY_DUE, counts, 1.3 * (counts + 0.5)) / np.maximum(time, 1.0)
        empty = (counts <= EMPTY_SHARE * due) & (time >= TRUSTED_MINUTES)
        known = np.where(empty, np.minimum(known, own), known)
        # Who came back by himself may stay away at that time of day again, until he is seen in it.
        known = np.where(self.silence.hushed[:, place] > 0, 0.0, known)
        return np.where(chunk.use, np.rint(known * GRAIN) / GRAIN, 0.0)

    def _learn_parts(self, chunk: Chunk, use: Bools) -> None:
        """Sums of counts and minutes of each part of the day, forgetting a quarter a day.

        Nothing of it is used before the chunk has closed, so that no cut within it changes what was expected.
        """
        silence, at = self.silence, 0
        while at < chunk.minutes:
            minute = chunk.start + at
            take = min(PART - minute % PART, chunk.minutes - at)
            seen = use[:, at : at + take]
            spot = minute % 60 // PART
            silence.part[:, spot] += np.where(seen, chunk.counts[:, at : at + take], 0.0).sum(axis=1)
            silence.part[:, HOUR_PARTS + spot] += seen.sum(axis=1)
            at += take
        stop = chunk.start + chunk.minutes
        if chunk_of(stop - 1, silence.counting.first)[1] != stop:
            return
        for spot in range(HOUR_PARTS):
            counts, minutes = silence.part[:, spot], silence.part[:, HOUR_PARTS + spot]
            place = (stop - 1) // 60 * 60 % 1440 // PART + spot
            told = minutes > 0
            day = (stop - 1) // 1440
            usual = silence.parts[:, place] / np.maximum(silence.parts[:, PARTS + place], 1.0)
            over = (counts > 0.5 * usual * minutes) | (day - silence.hushed[:, place] > HUSHED_DAYS)
            silence.hushed[:, place] = np.where(over, 0.0, silence.hushed[:, place])
            for column, new in ((place, counts), (PARTS + place, minutes)):
                silence.parts[:, column] = np.where(
                    told, 0.75 * silence.parts[:, column] + new, silence.parts[:, column]
                )
        silence.part = np.zeros_like(silence.part)
        for row, first, end in silence.silences:
            for part in range(first // PART, -(-end // PART) if end - first < 1440 else 0):
                # Of a long one, only what was no time of calls on other days: an outage is no evening.
                if end - first <= HUSHED_MINUTES or silence.parts[row, part % PARTS] < 1.0:
                    silence.hushed[row, part % PARTS] = part // PARTS
            # Nothing was learned of it while it lasted. Of hours that were never seen, this is what is known now:
            # the nights of who calls by day, and his weekends, are said once.
            for hour in range(-(-first // 60), min(end // 60, -(-first // 60) + WEEK)):
                if not self._trusted(row, hour * 60):
                    silence.counting.season.minutes[row, hour_of_week(hour * 60)] = 60.0
        silence.silences = []

    def _paused(self, chunk: Chunk, minutes: Ints, last: Ints) -> Floats:
        """On a first day, on which nothing is missed: what did not come in the pause before each minute, by the level
        of late."""
        silence = self.silence
        came = np.concatenate([silence.last[:, None], last[:, :-1]], axis=1)
        level = np.concatenate([silence.level[:, None], self.recent[:, :-1]], axis=1)
        paused = np.rint(level * np.maximum(minutes - 1 - came, 0) * GRAIN) / GRAIN
        return np.where((chunk.age < DAY)[:, None], paused, 0.0)

    def _recent(self, chunk: Chunk) -> Floats:
        """Requests a minute in the hour before the last good answer, or before now where that is sooner."""
        running = prefix(chunk.all_counts[:, -60 - chunk.minutes :])
        hour = trailing(running, 60, chunk.minutes, 60) / 60.0
        alive = chunk.counts > 0
        place = np.maximum.accumulate(np.where(alive, np.arange(1, chunk.minutes + 1), 0), axis=1)
        kept = np.take_along_axis(hour, np.maximum(place - 1, 0), axis=1)
        self.recent = np.where(place == 0, self.silence.level[:, None], kept)
        self.level = self.recent[:, -1].copy()
        return self.recent

    def _row(
        self,
        row: int,
        chunk: Chunk,
        hot: Bools,
        trickle: Bools,
        since: _Since,
        held: Bools,
    ) -> None:
        silence = self.silence
        running = np.concatenate([chunk.prior_counts[row], chunk.counts[row]])
        due = np.concatenate([chunk.prior_mean[row], chunk.mean[row]])
        offset = len(chunk.prior_counts[row])
        for at in range(chunk.minutes):
            minute = chunk.start + at
            episode = silence.episodes.get(row)
            y, mean = float(chunk.counts[row, at]), float(chunk.mean[row, at])
            block_at = minute - self.first
            if episode is not None and episode.over(minute):
                del silence.episodes[row]
                if episode.changed:
                    silence.done.append((row, episode))
                episode = None
            is_hot = bool(hot[row, at]) or bool(trickle[row, at])
            if is_hot and (episode is None or episode.end is not None):
                start = int(since.last[row, at]) + 1 if hot[row, at] else minute - int(chunk.window[row, at]) + 1
                if self._delivery_stopped(row, minute, at, start, since):
                    if silence.watch is not None and minute == silence.watch.minute:
                        why = "all other APIs fell silent with it, or are too quiet to tell: a stop of delivery?"
                        silence.watch.note("dead_api", silence.counting.keys[row], waits=why)
                    continue
                if len(silence.counting.keys[row]) == 5 and not self._alone_among_routes(row, chunk, at, start):
                    continue
                if episode is None:
                    episode = Episode(start, int(self.closes[row, block_at]), minute)
                    failed = float(since.failed[row, at]) - float(self.bad[row, block_at])
                    if not hot[row, at]:  # some were answered meanwhile
                        failed = float(self.kept[row, FAIL_MEMORY + at - (minute - start) : FAIL_MEMORY + at].sum())
                    episode.facts = {"errors": failed, "kinds": [0.0, 0.0, 0.0]}
                    episode.facts["gap"], episode.facts["recent"] = float(silence.gap[row]), []
                    episode.facts["alone"] = self._alone(row, start)
                    episode.facts["sole"] = bool(sole(silence.callers[row : row + 1])[0])
                    spot = TAIL + block_at
                    told = silence.beside[row, max(spot - (minute - start), 0) : spot].sum(axis=0)
                    episode.facts["beside"] = [float(told[0]), float(told[1])]
                    for back in range(min(minute - start + 60, offset + at), 0, -1):
                        spot = offset + at - back
                        episode.chart(minute - back, float(running[spot]), float(due[spot]), None)
                    spot = offset + at
                    before = slice(max(spot - (minute - start), 0), spot)
                    # A trickle had some good answers since its start.
                    episode.observed = float(running[before].sum())
                    episode.expected = float(since.missed[row, at]) - mean if hot[row, at] else float(due[before].sum())
                    silence.episodes[row] = episode
                else:
                    # It goes on after all: what came meanwhile is a part of it.
                    again = slice(max(offset + at - (minute - (episode.end or minute)), 0), offset + at)
                    episode.observed += float(running[again].sum())
                    episode.expected += float(due[again].sum())
                    meanwhile = slice(FAIL_MEMORY + at - (again.stop - again.start), FAIL_MEMORY + at)
                    episode.facts["errors"] += float(self.kept[row, meanwhile].sum())
                    episode.end = None
                episode.changed = True
            if episode is None or episode.end is not None:
                continue
            spot = offset + at
            y5, m5 = float(running[max(spot - 4, 0) : spot + 1].sum()), float(due[max(spot - 4, 0) : spot + 1].sum())
            if chunk.use[row, at]:
                episode.changed = True
                if y > 0 and y5 >= RESUMED * m5 and self._mended(row, at, y5):
                    first = minute
                    while first > episode.start + 1 and minute - first < BACK:
                        back = minute - first + 1
                        if running[spot - back] <= self.kept[row, FAIL_MEMORY + at - back]:
                            break
                        first -= 1
                    episode.end = first
                    self._give_back(episode, first)
                    hushed = first - episode.start <= HUSHED_MINUTES or not self._trusted(row, minute)
                    if hushed and not episode.facts["errors"]:
                        silence.silences.append([row, episode.start, first])
                    if len(silence.counting.keys[row]) == 5 and not episode.facts["errors"]:
                        # Whoever came back after so long may do so again: the next time it takes more.
                        silence.gap_now[row] = max(float(silence.gap_now[row]), episode.expected)
                    continue
                episode.last = minute
                episode.observed += y
                episode.expected += mean
                episode.score = max(episode.score, episode.expected / 2.0)
                told = silence.beside[row, TAIL + block_at]
                episode.facts["beside"] = [float(a + b) for a, b in zip(episode.facts["beside"], told, strict=True)]
                episode.facts["errors"] += float(self.bad[row, block_at])
                kinds = cast(list[float], episode.facts["kinds"])
                for slot in range(3):
                    kinds[slot] += float(self.causes[row, block_at, slot])
                added = [
                    float(self.bad[row, block_at]),
                    *(float(self.causes[row, block_at, slot]) for slot in range(3)),
                    *(float(one) for one in told),
                ]
                recent = cast(list[list[float]], episode.facts["recent"])
                episode.facts["recent"] = [*recent[-BACK:], [float(minute), y, mean, *added]]
                episode.chart(minute, y, mean, None)
                held[row, at] = minute - episode.start < RELEARN

    def _trusted(self, row: int, minute: int) -> bool:
        """Whether this hour of the week was seen before."""
        seen = self.silence.counting.season.minutes[row, hour_of_week(minute)]
        return bool(seen >= TRUSTED_MINUTES)

    def _mended(self, row: int, at: int, good: float) -> bool:
        """Are most answers good again? A silence is over when calls come; failures may go on beside good answers."""
        bad = float(self.kept[row, FAIL_MEMORY + at - 4 : FAIL_MEMORY + at + 1].sum())
        return good >= MENDED * (good + bad) or float(self.kept[row, FAIL_MEMORY + at]) == 0

    def _give_back(self, episode: Episode, first: int) -> None:
        """Take out what was counted in minutes that turned out to be after its end."""
        kinds, beside = cast(list[float], episode.facts["kinds"]), cast(list[float], episode.facts["beside"])
        for minute, y, mean, errors, *parts in cast(list[list[float]], episode.facts["recent"]):
            if minute >= first:
                episode.observed -= y
                episode.expected -= mean
                episode.facts["errors"] -= errors
                for slot in range(3):
                    kinds[slot] -= parts[slot]
                for slot in range(2):
                    beside[slot] -= parts[3 + slot]
        episode.last, episode.facts["recent"] = first - 1, []

    def _alone_among_routes(self, row: int, chunk: Chunk, at: int, start: int) -> bool:
        """Do the other routes of the stage go on? Else it is the stage that is silent."""
        counting = self.silence.counting
        stage = counting.rows[counting.keys[row][:4]]
        if stage in self.silence.episodes:
            return False
        back = min(chunk.start + at - start + 1, len(chunk.prior_counts[row]) + at + 1)
        spot = len(chunk.prior_counts[row]) + at + 1

        def over(prior: Floats, now: Floats) -> float:
            both = [np.concatenate([prior[one], now[one]])[spot - back : spot].sum() for one in (stage, row)]
            return float(both[0] - both[1])

        due, seen = over(chunk.prior_mean, chunk.mean), over(chunk.prior_counts, chunk.counts)
        return due >= OTHERS_DUE and seen >= OTHERS_SEEN * due

    def _alone(self, row: int, start: int) -> bool:
        """Was no other API there to tell a stop of delivery from an outage?"""
        counting = self.silence.counting
        here = counting.keys[row][:3]
        return all(key[:3] == here or counting.born[other] > start for other, key in enumerate(counting.keys))

    def _delivery_stopped(self, row: int, minute: int, at: int, start: int, since: _Since) -> bool:
        """Did all other APIs fall silent with this one? Then it is the logs that do not come, not the requests.

        As long as the others had too few to expect, the answer waits: they soon call if they live. Where they hardly
        ever do, not for long.
        """
        keys = self.silence.counting.keys
        if since.failed[row, at] > 0:
            return False
        born = self.silence.counting.born
        others = [other for other, key in enumerate(keys) if key[:3] != keys[row][:3] and born[other] <= start]
        if any(since.last[other, at] > start + 1 or since.failed[other, at] > 0 for other in others):
            return False
        awaited = sum(float(since.missed[other, at]) for other in others if since.last[other, at] > start - 30)
        pace = sum(float(since.rate[other, at]) for other in others)
        patience = WAIT_MINUTES if pace * WAIT_MINUTES < 2.0 else LONGEST_WAIT
        return bool(others) and (awaited >= TOLD or minute - start < patience)
