"""The fold that rising counts share: score, raise, hold, end; and who is behind an episode.

auth_failure_spike and throttling_abuse are made of it; what they count, when they wait, and what they say is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np

from detect import codec
from detect.arrivals import MEMORY, arrivals, score_of
from detect.callers import Callers, Lasting
from detect.counting import Chunk, Counting
from detect.entered import Inside, entered
from detect.episodes import BEFORE, MERGE_MINUTES, SERIES, Episode
from detect.grid import Bools, Floats, Ints, Key, closing
from detect.model import Block
from detect.stats.peaks import HOURS_A_WEEK
from detect.stats.seasonal import DAY, MATURE_MINUTES
from detect.stats.tail import nats, upper_limit
from detect.stats.windows import TAIL, prefix, trailing
from detect.unreached import Told
from detect.watching import Watch
from detect.who import ENTITIES, Tally, joined, rows_from_json, rows_of, sources_over
from gatewatch.frames import cause_column
from gatewatch.records import JSON

YOUNG_MINUTES = 10.0
SOURCE_WINDOW = 60
SOURCE_AGE, SOURCE_SETTLED = 360.0, 1440.0
PENDING_GAP = 15
SOURCE_PART = 0.5
"""What one source may have of the refusals expected in an hour of the first day."""

FADED = 0.1
"""Share of an episode's mean excess below which it has faded away."""

SOURCE_PACE = 0.1
"""Refusals a minute below which a lone source has stopped: what it has left are its stray ones."""

SLOW_AGE = 3 * 1440.0
QUICK_SHARE, CALLERS_SHARE, SLOW_SHARE = 0.6, 0.15, 0.25
"""How the budget is shared between refusals in windows up to an hour, callers in such windows, and windows of hours."""

BY_ADDRESS = ("client_ip", "principal", "api_key_id")
BY_KEY = ("api_key_id", "principal", "client_ip")

PAST, BRIEF, SAME_TIME = 20, 120, 30
"""Episodes of a series that are kept; minutes up to which one may be a job's, and by which a job may be late."""

CALLERS_LOOKS = 4.0
"""Looks an hour that the overlapping windows of callers are worth."""


@dataclass(frozen=True, slots=True)
class Group:
    """One series a stage: which causes it counts, and how much is worth a word.

    least: smallest excess. ratio: smallest observed / expected. source: refusals of one source in an hour that are
    looked at even when the sum is quiet (twice as many in the first two days); 0: never. young: excess that counts in
    the first hour of a stage. columns: counts that are no reject causes. lasting: the names that a source tries are
    followed over a day. callers: so many who were not refused in the hour before are enough, however few their
    refusals; 0: never. door: credentials are tried here, so that who was refused and comes in then has an account.
    """

    name: str
    causes: tuple[str, ...]
    least: float
    ratio: float = 1.4
    source: float = 0.0
    young: float = 100.0
    columns: tuple[str, ...] = ()
    lasting: bool = False
    callers: int = 4
    door: bool = False

    @property
    def counted(self) -> tuple[str, ...]:
        """The count columns of a rollup that add up to this series."""
        return (*(cause_column(cause) for cause in self.causes), *self.columns)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A series that would raise an alarm in this minute."""

    row: int
    group: Group
    minute: int
    start: int
    observed: float
    expected: float
    recent: Sequence[float]
    now: Tally
    before: Tally
    before_minutes: int
    base: float
    base_expected: float
    source: str | None
    usual_now: float
    """Largest excess of the same caller at this time of day on an earlier day; 0: none."""


Waits = Callable[[Candidate], str | None]
"""Why an alarm that is due is held back for now; None: it is raised."""


class Spikes:
    """State of the fold: counts, client rows of the last hours, episodes."""

    def __init__(self, groups: Sequence[Group], budget: float, named: Sequence[str] = BY_ADDRESS) -> None:
        """named: by what a source is told from others, the best first."""
        self.sources_by = tuple(named)
        self.groups = {group.name: group for group in groups}
        self._of_cause = {cause: group.name for group in groups for cause in group.causes}
        self.counting = Counting(patient=True)
        self.total = Counting(lowest=0.3, highest=4.0, scored=False)
        self.rows = rows_from_json(None)
        self.callers = Callers()
        self.episodes: dict[int, Episode] = {}
        self.pending: dict[int, list[int]] = {}
        self.past: dict[int, list[list[Any]]] = {}
        """Of series, their last episodes: first minute, excess, the caller with most of it."""
        self.peak: Floats = np.zeros((0, 3))
        self.peak_now: Floats = np.zeros(0)
        self.crowd: Floats = np.zeros((0, 3))
        self.crowd_now: Floats = np.zeros(0)
        self.budget = budget / len(self.groups)
        """False alarms an API, group and week."""

        self.done: list[tuple[int, Episode]] = []
        self.name = ""
        self.watch: Watch | None = None

    def watched(self, name: str, watch: Watch | None) -> Spikes:
        """Itself, told by name to whoever watches."""
        self.name, self.watch = name, watch
        return self

    def load(self, state: JSON) -> None:
        if not isinstance(state, dict) or not state:
            return
        self.counting.load(state["counting"])
        self.total.load(state["total"])
        self.rows = rows_from_json(state["rows"])
        self.callers.load(state["callers"])
        self.episodes = {
            int(row): Episode.from_json(ep) for row, ep in cast(dict[str, JSON], state["episodes"]).items()
        }
        self.pending = {int(row): cast(list[int], two) for row, two in cast(dict[str, JSON], state["pending"]).items()}
        self.past = {int(row): list(told) for row, told in cast(dict[str, Any], state["past"]).items()}
        for name in _LARGEST:
            setattr(self, name, codec.unpack(state[name]))

    def dump(self) -> dict[str, JSON]:
        return {
            "counting": self.counting.dump(),
            "total": self.total.dump(),
            "rows": self.rows.to_json(),
            "callers": self.callers.dump(),
            "episodes": {str(row): self.episodes[row].to_json() for row in sorted(self.episodes)},
            "pending": {str(row): cast(JSON, self.pending[row]) for row in sorted(self.pending)},
            "past": {str(row): cast(JSON, self.past[row]) for row in sorted(self.past)},
            **{name: codec.pack(getattr(self, name)) for name in _LARGEST},
        }

    def step(self, block: Block, waits: Waits, told: Told | None = None) -> list[tuple[int, Episode]]:
        """Take a block; the episodes that changed in it, with their series' row. told: where causes were decided."""
        grid, counting = block.stage_grid, self.counting
        names = list(self.groups)
        keys: list[Key] = [(*key, name) for key in grid.keys for name in names]
        index = counting.align(keys, np.repeat(grid.first, len(names)), block.first)
        self.total.align(grid.keys, grid.first, block.first)
        total = len(counting.keys)
        for name in _LARGEST:
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros((total - len(old), *old.shape[1:]))]))
        counts = np.zeros((total, block.minutes))
        base = np.zeros((total, block.minutes))
        refused = grid.counts(*(column for group in self.groups.values() for column in group.counted))
        good = np.maximum(grid.counts("n") - refused, 0.0)
        closes = np.tile(closing(block.first, block.minutes), (total, 1))
        given = grid.closes()
        for place, name in enumerate(names):
            rows = index[place :: len(names)]
            counts[rows] = grid.counts(*self.groups[name].counted)
            if told is not None:
                for column in set(self.groups[name].counted) & told.more.keys():
                    counts[rows] += told.more[column]
            base[rows] = good
            closes[rows] = given
        use = np.broadcast_to(block.covered, (total, block.minutes))
        new = rows_of(block.clients if told is None else told.clients, block.first, block.minutes, self._row)
        self.rows = joined(self.rows, new)
        # The successes go first: whether the callers at large came along is part of the judgement.
        self._base_seen: dict[int, tuple[Floats, Floats]] = {}
        self._base_start = block.first - TAIL
        self._follow_total(block, good)
        sources = self._sources(block.first)
        work = _Work(self, block.first, closes, sources, waits)
        work.came = arrivals(self.rows, total, block.first, block.minutes)
        counting.run(block.first, counts, use, work.chunk, base)
        self._let_in(block)
        self.rows = self.rows.since(block.first + block.minutes - TAIL)
        changed = [(row, episode) for row, episode in self.episodes.items() if episode.changed] + self.done
        self.done = []
        for _, episode in changed:
            episode.changed = False
        return sorted(changed, key=lambda item: (item[1].start, item[0]))

    def _let_in(self, block: Block) -> None:
        """Note who came in after refusals while an episode went on."""
        inside: Inside | None = None
        for row, episode in (*self.episodes.items(), *self.done):
            key = self.counting.keys[row]
            if not self.groups[key[4] or ""].door:
                continue
            last = block.first + block.minutes - 1
            if episode.end is not None:
                last = min(last, episode.end + MERGE_MINUTES - 1)
            first = max(block.first, int(episode.facts["opened"]) + 1)
            if first > last:
                continue
            inside = Inside(block.route_grid) if inside is None else inside
            known = episode.facts.setdefault("entered", {})
            for kind, who, minute in entered(self.rows, row, first, last, inside, key[:4]):
                if who not in known and len(known) < 4 * ENTITIES:
                    known[who] = [kind, minute]
                    episode.changed = True

    def first_of(self, tally: Tally) -> str | None:
        """The caller with most refusals, by the best name that is told."""
        tops = (tally.top(name) for name in self.sources_by)
        return next((caller for caller, share in tops if share >= 0.5), None)

    def usual_at(self, row: int, start: int, now: Tally) -> float:
        """Largest excess of the same caller about this time of day on one of the last days; 0: none."""
        caller, found = self.first_of(now), 0.0
        for began, excess, who in self.past.get(row, []):
            days = start - began + SAME_TIME
            if who == caller and DAY <= days <= 8 * DAY and days % DAY <= 2 * SAME_TIME:
                found = max(found, excess)
        return found

    def _row(self, key: Key, cause: str) -> int | None:
        name = self._of_cause.get(cause)
        return None if name is None else self.counting.rows.get((*key, name))

    def _follow_total(self, block: Block, good: Floats) -> None:
        grid, total = block.stage_grid, self.total
        rows = total.align(grid.keys, grid.first, block.first)
        counts = np.zeros((len(total.keys), block.minutes))
        counts[rows] = good
        observed, expected = [total.counts], [total.mean]

        def keep(chunk: Chunk) -> Bools:
            observed.append(chunk.counts)
            expected.append(chunk.mean)
            return np.zeros_like(chunk.use)

        total.run(block.first, counts, np.broadcast_to(block.covered, counts.shape), keep)
        self._base = prefix(np.concatenate(observed, axis=1)), prefix(np.concatenate(expected, axis=1))

    def base_between(self, row: int, first: int, last: int) -> tuple[float, float]:
        """Successes of the row's stage in the minutes first … last, and how many were expected."""
        key = self.counting.keys[row]
        place = self.total.rows[key[:4]]
        low, high = max(first - self._base_start, 0), last - self._base_start + 1
        seen, due = self._base
        return float(seen[place, high] - seen[place, low]), float(due[place, high] - due[place, low])

    def _sources(self, first: int) -> dict[int, dict[int, tuple[int, str]]]:
        """row -> minute -> (largest count of one source within the hour, source), where it is worth a look."""
        least = np.array([self.groups[key[4] or ""].source or np.inf for key in self.counting.keys])

        def limit(rows: Sequence[int]) -> Floats:
            picked: Floats = np.minimum(least[np.asarray(rows, dtype=np.int64)], 1e18)
            return picked

        out: dict[int, dict[int, tuple[int, str]]] = {}
        found = sources_over(self.rows, first, SOURCE_WINDOW, lambda rows: 0.25 * limit(rows), self.sources_by)
        for row, minute, count, source in zip(*(column.tolist() for column in found), strict=True):
            of_row = out.setdefault(row, {})
            if minute not in of_row or (count, source) > of_row[minute]:
                of_row[minute] = (count, source)
        return out


Some = TypeVar("Some", float, Floats)


def _gain(counts: Some, mean: Some) -> Some:
    """What a minute adds to an excess: clearly more than expected goes up, the usual comes down."""
    return counts - 1.3 * mean - 0.05


def _note(episode: Episode, lasting: Lasting) -> None:
    """Keep what is known of sources that go on for hours, beside what lies in the episode."""
    facts = episode.facts
    if facts["only"] is not None:
        facts["only"] = list(dict.fromkeys([*facts["only"], *lasting.sources]))[:ENTITIES]
    old = facts.get("day") or {"sources": [], "names": [], "refused": 0, "since": lasting.since}
    names = list(dict.fromkeys([*old["names"], *lasting.names]))
    facts["day"] = {
        "sources": list(dict.fromkeys([*old["sources"], *lasting.sources]))[:ENTITIES],
        "names": names[: 4 * ENTITIES],
        "refused": max(old["refused"], lasting.refused),
        "since": min(old["since"], lasting.since),
    }


_LARGEST = ("peak", "peak_now", "crowd", "crowd_now")


def _hour_over(largest: Floats, now: Floats) -> tuple[Floats, Floats]:
    """An hour's largest goes into (faded largest, last hour's, this hour's).

    What works itself up must not be its own yardstick: the last two hours wait.
    """
    old = np.maximum(largest[:, 0] * 0.99, largest[:, 1])
    return np.stack([old, largest[:, 2], now], axis=1), np.zeros_like(now)


class _Work:
    """Decides chunk by chunk within one step."""

    def __init__(
        self,
        spikes: Spikes,
        first: int,
        closes: Ints,
        sources: Mapping[int, Mapping[int, tuple[int, str]]],
        waits: Waits,
    ) -> None:
        self.spikes, self.first, self.closes, self.sources, self.waits = spikes, first, closes, sources, waits
        keys = spikes.counting.keys
        groups = [spikes.groups[key[4] or ""] for key in keys]
        self.groups = groups
        self.least = np.array([group.least for group in groups])
        self.ratio = np.array([group.ratio for group in groups])
        self.young = np.array([group.young for group in groups])
        self.source = np.array([group.source or np.inf for group in groups])
        self.out: Bools = np.zeros((0, 0), dtype=bool)
        """Minutes in an episode, or due for one, when they were looked at: the same however blocks are cut."""

        self.enough = np.array([group.callers or np.inf for group in groups])
        self.came: Floats = np.zeros((len(keys), MEMORY - 1))
        _, self.api = np.unique([repr(key[:3]) for key in keys], return_inverse=True)

    def chunk(self, chunk: Chunk) -> Bools:
        spikes = self.spikes
        begin, take = SOURCE_WINDOW, chunk.minutes
        # Sums are exact wherever they begin.
        running, due = (prefix(part[:, -begin - take :]) for part in (chunk.all_counts, chunk.all_mean))
        seen10, mean10 = trailing(running, begin, take, 10), trailing(due, begin, take, 10)
        warm = (seen10 >= 1.5 * mean10 + 2.0) & (chunk.counts > chunk.mean)
        self.hour_due = trailing(due, begin, take, SOURCE_WINDOW)
        more = chunk.observed - chunk.expected
        ripe = (chunk.age >= MATURE_MINUTES)[:, None]
        known = (chunk.age >= YOUNG_MINUTES)[:, None]
        enough = np.where(ripe, more >= self.least[:, None], known & (more >= self.young[:, None]))
        steep = chunk.observed >= np.where(ripe, self.ratio[:, None], 5.0) * chunk.expected
        budget = self._budget(chunk.start - chunk.start % 60)
        limit = chunk.peaks.limit(QUICK_SHARE * budget)
        self.limit = limit
        hot = (chunk.score >= limit[:, None]) & enough & steep & warm & chunk.use
        watched = None if spikes.watch is None else spikes.watch.place(chunk.start, take)
        if watched is not None and spikes.watch is not None:
            least = np.where(ripe, self.least[:, None], self.young[:, None])
            times = chunk.observed / np.maximum(chunk.expected, 1e-9)
            spikes.watch.told(
                spikes.name,
                spikes.counting.keys,
                watched,
                [
                    ("nats of surprise", chunk.score, limit[:, None], chunk.score >= limit[:, None]),
                    ("more than expected", more, least, enough),
                    ("times what was expected", times, np.where(ripe, self.ratio[:, None], 5.0), steep),
                    ("in the last ten minutes", seen10, 1.5 * mean10 + 2.0, warm),
                    ("minutes known", chunk.age, YOUNG_MINUTES, known),
                    ("covered by a source", chunk.use, 1.0, chunk.use),
                ],
                window=chunk.window,
                observed=chunk.observed,
                expected=chunk.expected,
                age_minutes=chunk.age,
            )
        slow = chunk.slow
        self.steady = np.full(len(chunk.age), np.nan)
        if slow is not None:
            steady = (slow.score >= slow.peaks.limit(SLOW_SHARE * budget)) & (chunk.age >= SLOW_AGE)
            steady &= slow.observed - slow.expected >= 2.0 * self.least
            steady &= slow.observed >= 1.5 * slow.expected
            # Still going on, at whatever minute of the hour.
            steady &= (slow.now > 1.2 * slow.due) & ~hot[:, -1]
            hot[:, -1] |= steady
            chunk.score[:, -1] = np.where(steady, slow.score, chunk.score[:, -1])
            chunk.window[:, -1] = np.where(steady, 60 * slow.hours, chunk.window[:, -1])
            self.steady = np.where(steady, slow.expected / np.maximum(slow.observed, 1.0), np.nan)
        self._judge_callers(chunk, hot, budget)
        held, self.out = np.zeros_like(hot), np.zeros_like(hot)
        rows = set(np.flatnonzero(hot.any(axis=1)).tolist()) | set(spikes.episodes) | set(spikes.pending)
        rows |= {row for row, minutes in self.sources.items() if self._any(row, minutes, chunk)}
        # The hour's last minute by itself: which series are in an episode then must not depend on where it was cut.
        full = (chunk.start + take) % 60 == 0
        self.lasting: dict[int, Lasting] = {}
        for row in sorted(rows):
            self._row(row, chunk, hot, warm, held, range(take - full))
        if full:
            self.lasting = self._lasting(chunk.start + take, SLOW_SHARE * budget)
            for row in sorted(rows | set(self.lasting)):
                self._row(row, chunk, hot, warm, held, range(take - 1, take))
        if watched is not None:
            self._tell_episodes()
        at = chunk.start - self.first + MEMORY - 1
        spikes.crowd_now = spikes.crowd_now + np.where(self.out, 0.0, self.came[:, at : at + take]).sum(axis=1)
        if (chunk.start + take) % 60 == 0:
            spikes.peak, spikes.peak_now = _hour_over(spikes.peak, spikes.peak_now)
            spikes.crowd, spikes.crowd_now = _hour_over(spikes.crowd, spikes.crowd_now)
            for episode in spikes.episodes.values():
                episode.now.prune()
        return held

    def _judge_callers(self, chunk: Chunk, hot: Bools, budget: Floats) -> None:
        """Mark the minutes in which more callers came to be refused than can be."""
        spikes, take = self.spikes, chunk.minutes
        at = chunk.start - self.first
        mean = np.concatenate([chunk.prior_mean[:, 1 - MEMORY :], chunk.mean], axis=1)
        relative = spikes.counting.season.relative()[:, None]
        found = score_of(self.came[:, at : at + MEMORY - 1 + take], mean, take, relative)
        # Callers are alike, so the model is right but for what happens in crowds; those are remembered.
        limit = np.log(np.maximum(CALLERS_LOOKS * HOURS_A_WEEK / (CALLERS_SHARE * budget), 1.0))[:, None]
        more = found.observed - found.expected
        # One less where it is so rare that twice the evidence is there.
        due = (found.score >= limit) & (more >= self.enough[:, None] - np.where(found.score >= 2.0 * limit, 1.5, 0.5))
        due &= found.observed >= 2.0 * spikes.crowd[:, :1]
        due &= (chunk.counts > 0) & chunk.use & (chunk.age >= SOURCE_AGE)[:, None] & ~hot
        hot |= due
        chunk.score[:] = np.where(due, found.score, chunk.score)
        chunk.window[:] = np.where(due, found.window, chunk.window)

    def _tell_episodes(self) -> None:
        """Which series had an episode open at the watched minute."""
        watch = self.spikes.watch
        for row, episode in self.spikes.episodes.items():
            if watch is not None and episode.start <= watch.minute and (episode.end or watch.minute) >= watch.minute:
                watch.note(self.spikes.name, self.spikes.counting.keys[row], raised=episode.start)

    def _lasting(self, stop: int, per_week: Floats) -> dict[int, Lasting]:
        """Sources that are out of line over a day, where the chunk ends with an hour."""
        spikes = self.spikes
        watched = [row for row, group in enumerate(self.groups) if group.lasting]
        if stop % 60 or not watched:
            return {}
        age = np.maximum(stop - spikes.counting.born, 0) // 60
        held = np.isin(np.arange(len(age)), list(spikes.episodes))
        return spikes.callers.hour(stop // 60 - 1, spikes.rows, watched, age, held, per_week)

    def _budget(self, hour: int) -> Floats:
        """False alarms a week of each series: what its API has for the group, shared by the stages known by then."""
        counting = self.spikes.counting
        there = counting.born <= hour
        stages = np.bincount(self.api, weights=there) / len(self.spikes.groups)
        shared: Floats = self.spikes.budget / np.maximum(stages, 1.0)[self.api]
        return shared

    def _any(self, row: int, minutes: Mapping[int, tuple[int, str]], chunk: Chunk) -> bool:
        return any(chunk.start <= minute < chunk.start + chunk.minutes for minute in minutes) and row < len(chunk.age)

    def _row(self, row: int, chunk: Chunk, hot: Bools, warm: Bools, held: Bools, minutes: range) -> None:
        spikes = self.spikes
        sources = self.sources.get(row, {})
        settled = chunk.age[row] >= SOURCE_SETTLED
        allowed = max(float(self.source[row]) * (1.0 if settled else 2.0), 2.5 * float(spikes.peak[row, 0]))
        ripe = chunk.age[row] >= SOURCE_AGE
        # On a first day nobody knows what a big caller's share of the usual refusals is at this hour.
        usual_too = 0.0 if settled else SOURCE_PART
        for at in minutes:
            minute = chunk.start + at
            count, source = sources.get(minute, (0, ""))
            episode = spikes.episodes.get(row)
            most = max(allowed, usual_too * float(self.hour_due[row, at]))
            single = bool(ripe and count >= most and chunk.use[row, at])
            is_hot = bool(hot[row, at])
            score = float(chunk.score[row, at]) if is_hot else 0.0
            lasting = self.lasting.get(row) if at == chunk.minutes - 1 and chunk.use[row, at] else None
            if lasting is not None and not is_hot and not single:
                source = lasting.sources[0]
                score = lasting.score
            if single:
                usual = np.array([max(float(spikes.peak[row, 0]), 3.0)])
                score = max(score, float(nats(np.array([float(count)]), usual, np.array([1e9]))[0]))
            if episode is not None and episode.over(minute):
                self._finish(row, episode)
                episode = None
            if episode is None:
                if is_hot or single or lasting is not None:
                    held[row, at] = self.out[row, at] = True
                    episode = self._open(row, chunk, at, is_hot, None if is_hot else source)
                    if episode is not None:
                        spikes.episodes[row] = episode
                        # Nor are the minutes between onset and alarm learned from, where that is not done yet.
                        spikes.counting.hold(row, episode.start, chunk.start)
                        held[row, max(episode.start - chunk.start, 0) : at + 1] = True
                elif row in spikes.pending and minute - spikes.pending[row][1] > PENDING_GAP:
                    del spikes.pending[row]
            if episode is None:
                if not held[row, at]:
                    spikes.peak_now[row] = max(spikes.peak_now[row], float(count))
                continue
            if lasting is not None:
                _note(episode, lasting)
                single = True
            steady = bool(np.isfinite(self.steady[row])) and at == chunk.minutes - 1
            on = self._goes_on(row, episode, chunk, at) or lasting is not None
            on |= steady and (episode.end is None or episode.facts["piled"][2] > 0)
            alive = bool(warm[row, at]) or (single and (count > 0 or lasting is not None))
            episode.touch(minute, hot=on and (is_hot or single), warm=on and alive and episode.end is None, score=score)
            if episode.end is None:
                self._chart_on(episode, row, chunk, at)
                # What lasts a day is the new normal: raised once, then learned.
                held[row, at] = self.out[row, at] = minute - episode.start < 1440
            if episode.last == minute:
                self._count(row, episode, chunk, at)

    def _open(self, row: int, chunk: Chunk, at: int, is_hot: bool, source: str | None) -> Episode | None:
        spikes, minute = self.spikes, chunk.start + at
        counts = np.concatenate([chunk.prior_counts[row], chunk.counts[row, : at + 1]])
        mean = np.concatenate([chunk.prior_mean[row], chunk.mean[row, : at + 1]])
        window = int(chunk.window[row, at]) if is_hot else SOURCE_WINDOW
        start = minute - min(window, TAIL - BEFORE - 4) + 1
        if source is not None:
            start = max(self._first_of(row, source, start, minute), start)
        else:
            # The onset is where the excess began to pile up (the last minimum of a CUSUM).
            gain = _gain(counts, mean)[start - minute - 1 :][::-1]
            start = minute - int(np.argmax(np.cumsum(gain)))
        waited = spikes.pending.setdefault(row, [start, minute])
        waited[0], waited[1] = min(waited[0], start), minute
        start = max(waited[0], minute - TAIL + BEFORE + 4)
        now, before = Tally(), Tally()
        now.add(spikes.rows, spikes.rows.between(row, start, minute))
        before.add(spikes.rows, spikes.rows.between(row, start - BEFORE, start - 1))
        length = minute - start + 1
        observed, expected = float(counts[-length:].sum()), float(mean[-length:].sum())
        if at == chunk.minutes - 1 and np.isfinite(self.steady[row]):
            # The level of late has followed what went on for hours; what is due is what was a day ago.
            expected = min(expected, observed * float(self.steady[row]))
            before = Tally()  # the hour before was part of it
        base, base_expected = spikes.base_between(row, start, minute)
        group = self.groups[row]
        candidate = Candidate(
            row,
            group,
            minute,
            start,
            observed,
            expected,
            counts[-length:].tolist(),
            now,
            before,
            BEFORE,
            base,
            base_expected,
            source,
            spikes.usual_at(row, start, now),
        )
        # Hours of a little more must still be going on, else the onset is only the last stray minute.
        stray = source is None and observed - expected < 0.5 * group.least
        why = "since its onset there is hardly more than expected" if stray else self.waits(candidate)
        if why is not None:
            if spikes.watch is not None and minute == spikes.watch.minute:
                spikes.watch.note(spikes.name, spikes.counting.keys[row], waits=why)
            return None
        del spikes.pending[row]
        episode = Episode(start, int(self.closes[row, minute - self.first]), minute)
        episode.before, episode.before_minutes = before, BEFORE
        masked = source is not None and now.total > 0 and observed < 3.0 * expected + 10.0
        only = [source] if source is not None and masked and group.name != "throttle" else None
        episode.facts = {"source": source, "only": only, "opened": minute, "piled": [0.0, 0.0, 0.0]}
        shown = max(length, 1) + BEFORE
        for back in range(min(shown, len(counts)) - 1, 0, -1):
            r = chunk.r(row, at)
            self._chart(episode, minute - back, float(counts[-1 - back]), float(mean[-1 - back]), r, row)
        episode.now.add(spikes.rows, spikes.rows.between(row, start, minute - 1), only)
        episode.observed, episode.expected = float(counts[-length:-1].sum()), float(mean[-length:-1].sum())
        episode.peak = float(counts[-length:].max())
        episode.facts["base"], episode.facts["base_expected"] = spikes.base_between(row, start, minute - 1)
        episode.facts["counted"] = episode.facts["charted"] = minute
        return episode

    def _goes_on(self, row: int, episode: Episode, chunk: Chunk, at: int) -> bool:
        """Does the excess still pile up? Windows and sources look out of line for an hour after the last guess.

        While an episode is open: is what piled up as much as ever; the mirror image of how its onset is found. After
        its end: is enough there again, or, of hours of a little more, anything.
        """
        facts, minute = episode.facts, chunk.start + at
        only = facts["only"]
        if only is None:
            gain = _gain(float(chunk.counts[row, at]), float(chunk.mean[row, at]))
            # Next to a flood what is a little more than usual is no part of it.
            length = max(episode.last - episode.start, 1)
            gain -= FADED * max(episode.observed - episode.expected, 0.0) / length
        else:
            rows = self.spikes.rows
            own = rows.of_sources(rows.between(row, minute, minute), only)
            gain = float(own.n.sum()) - SOURCE_PACE
        piled, top, again = facts["piled"]
        if episode.end is None:
            facts["piled"] = [piled + gain, max(piled + gain, top), 0.0]
            return bool(piled + gain >= top)
        again = max(again + gain, 0.0)
        back = again >= 0.5 * self.groups[row].least
        facts["piled"] = [0.0, 0.0, 0.0 if back else again]
        return bool(back)

    def _first_of(self, row: int, source: str, start: int, minute: int) -> int:
        rows = self.spikes.rows
        part = rows.between(row, start, minute)
        for name in ("client_ip", "principal", "api_key_id"):
            mine = rows.minute[part][rows.names[name][part] == source]
            if len(mine):
                return int(mine[0])
        return start

    def _count(self, row: int, episode: Episode, chunk: Chunk, at: int) -> None:
        """Count the minutes since the last one out of line up to this: what is counted is what lies in the episode."""
        minute, facts = chunk.start + at, episode.facts
        first = int(facts["counted"])
        for back in range(minute - first, -1, -1):
            y, mean = self._at(row, chunk, at, back)
            episode.observed += y
            episode.expected += mean
            episode.peak = max(episode.peak, y)
        episode.now.add(self.spikes.rows, self.spikes.rows.between(row, first, minute), facts["only"])
        base, due = self.spikes.base_between(row, first, minute)
        facts["base"] += base
        facts["base_expected"] += due
        facts["counted"] = minute + 1

    def _chart_on(self, episode: Episode, row: int, chunk: Chunk, at: int) -> None:
        minute, r = chunk.start + at, chunk.r(row, at)
        for back in range(minute - int(episode.facts["charted"]), -1, -1):
            self._chart(episode, minute - back, *self._at(row, chunk, at, back), r, row)
        episode.facts["charted"] = minute + 1

    def _at(self, row: int, chunk: Chunk, at: int, back: int) -> tuple[float, float]:
        """Count and expectation of the minute `back` before place `at` of the chunk."""
        place = at - back
        counts, mean = (chunk.counts, chunk.mean) if place >= 0 else (chunk.prior_counts, chunk.prior_mean)
        return float(counts[row, place]), float(mean[row, place])

    def _chart(self, episode: Episode, minute: int, y: float, mean: float, r: float, row: int) -> None:
        if len(episode.series) < SERIES:
            # The tail is about two nats less likely than the likelihood ratio says.
            episode.chart(minute, y, mean, upper_limit(mean, r, float(self.limit[row]) - 2.0))

    def _finish(self, row: int, episode: Episode) -> None:
        del self.spikes.episodes[row]
        caller, excess = self.spikes.first_of(episode.now), episode.observed - episode.expected
        if caller is not None and (episode.end or episode.last) - episode.start <= BRIEF:
            told = self.spikes.past.get(row, [])
            self.spikes.past[row] = [*told[1 - PAST :], [episode.start, round(excess, 3), caller]]
        if episode.changed:
            self.spikes.done.append((row, episode))
