"""What is wrong with the logs: they come late, lose fields, or stop from all sources. Part of data_quality."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from detect import codec
from detect.episodes import Episode
from detect.grid import CLOSE_US, MINUTE_US, Bools, Floats, Ints, Key, closing
from detect.model import Block
from gatewatch.frames import visible_mask
from gatewatch.records import JSON

LATE_MINUTES = 15.0
LATE_RATIO = 2.0
LASTING = 15

WATCHED: tuple[str, ...] = (
    "status",
    "error_type",
    "authorizer_error",
    "client_ip",
    "principal",
    "api_key_id",
    "user_agent",
    "latency_ms",
    "integration_latency_ms",
    "authorizer_latency_ms",
    "waf_latency_ms",
    "integration_status",
    "route",
)
USUAL = 0.9
USUAL_AGE = 600.0
LOST_MINUTES, LOST_REQUESTS = 30, 60
NORMAL_AFTER = 7 * 1440
"""What has been gone for a week is how this stage logs now."""

GAP_MINUTES = 30
GAP_MISSED = 50.0


class Rows:
    """Stages and arrays that grow with them."""

    arrays: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.rows: dict[Key, int] = {}

    def align(self, keys: list[Key]) -> Ints:
        for key in keys:
            if key not in self.rows:
                self.rows[key] = len(self.keys)
                self.keys.append(key)
        for name in self.arrays:
            old = getattr(self, name)
            more = np.zeros((len(self.keys) - len(old), *old.shape[1:]), dtype=old.dtype)
            setattr(self, name, np.concatenate([old, more]))
        return np.array([self.rows[key] for key in keys], dtype=np.int64)

    def load_rows(self, state: dict[str, Any]) -> None:
        self.keys = [tuple(key) for key in state["keys"]]
        self.rows = {key: row for row, key in enumerate(self.keys)}
        for name in self.arrays:
            setattr(self, name, codec.unpack(state[name]))

    def dump_rows(self) -> dict[str, JSON]:
        return {
            "keys": [list(key) for key in self.keys],
            **{name: codec.pack(getattr(self, name)) for name in self.arrays},
        }


def hours(block: Block) -> Iterator[tuple[int, int, int, bool]]:
    """(first minute, place in the block, minutes, is the hour over then) of the hours that the block is in."""
    at = 0
    while at < block.minutes:
        minute = block.first + at
        take = min(60 - minute % 60, block.minutes - at)
        yield minute, at, take, (minute + take) % 60 == 0
        at += take


class Lag(Rows):
    """Minutes that lines come late, against the latest of the last hours.

    peak: the latest, decayed; of the hour before the last; of the last; of this one. age: hours with lines.
    """

    arrays = ("peak", "age")

    def __init__(self) -> None:
        super().__init__()
        self.peak: Floats = np.zeros((0, 4))
        self.age: Floats = np.zeros(0)
        self.runs: dict[int, list[float]] = {}
        self.episodes: dict[int, Episode] = {}

    def load(self, state: JSON) -> None:
        if isinstance(state, dict) and state:
            known = cast(dict[str, Any], state)
            self.load_rows(known)
            self.runs = {int(row): run for row, run in known["runs"].items()}
            self.episodes = {int(row): Episode.from_json(one) for row, one in known["episodes"].items()}

    def dump(self) -> JSON:
        return {
            **self.dump_rows(),
            "runs": {str(row): cast(JSON, self.runs[row]) for row in sorted(self.runs)},
            "episodes": {str(row): self.episodes[row].to_json() for row in sorted(self.episodes)},
        }

    def step(self, block: Block) -> list[tuple[Key, Episode]]:
        grid = block.stage_grid
        index = self.align(grid.keys)
        there = np.zeros((len(self.keys), block.minutes), dtype=bool)
        lag = np.zeros((len(self.keys), block.minutes))
        ends = (np.arange(block.first, block.first + block.minutes) + 1) * MINUTE_US
        there[index] = grid.counts("n") > 0
        closes = np.tile(closing(block.first, block.minutes), (len(self.keys), 1))
        closes[index] = grid.closes()
        lag = np.where(there, (closes - ends) / MINUTE_US, 0.0)
        changed: dict[tuple[int, int], tuple[Key, Episode]] = {}
        for minute, at, take, over in hours(block):
            cut = slice(at, at + take)
            allowed = (
                np.maximum(LATE_MINUTES, LATE_RATIO * self.peak[:, :3].max(axis=1)) if len(self.keys) else self.age
            )
            late = there[:, cut] & (lag[:, cut] > allowed[:, None]) & (self.age >= 3)[:, None]
            rows = set(np.flatnonzero(late.any(axis=1)).tolist()) | set(self.runs) | set(self.episodes)
            for row in sorted(rows):
                for episode in self._stage(row, minute, there[row, cut], late[row], lag[row, cut], closes[row, cut]):
                    changed[row, episode.start] = (self.keys[row], episode)
            calm = np.where(late, 0.0, lag[:, cut]).max(axis=1, initial=0.0)
            self.peak[:, 3] = np.maximum(self.peak[:, 3], calm)
            if over:
                seen = self.peak[:, 3] > 0
                self.age += seen
                old = np.maximum(self.peak[:, 0] * 0.98, self.peak[:, 1])
                self.peak = np.stack([old, self.peak[:, 2], self.peak[:, 3], np.zeros(len(old))], axis=1)
        return list(changed.values())

    def _stage(self, row: int, minute: int, there: Bools, late: Bools, lag: Floats, closes: Ints) -> Iterator[Episode]:
        for at in np.flatnonzero(there).tolist():
            now, is_late = minute + at, bool(late[at])
            episode = self.episodes.get(row)
            if episode is not None:
                if is_late:
                    episode.last = now
                    episode.observed = max(episode.observed, float(lag[at]))
                    yield episode
                if now - episode.last >= LASTING or now - episode.start >= NORMAL_AFTER:
                    episode.end = episode.last + 1
                    del self.episodes[row]
                    self.peak[row, 0] = max(self.peak[row, 0], episode.observed if is_late else 0.0)
                    yield episode
                continue
            if not is_late:
                self.runs.pop(row, None)
                continue
            run = self.runs.setdefault(row, [float(now), 0.0])
            run[1] = max(run[1], float(lag[at]))
            if now + 1 - run[0] >= LASTING:
                episode = Episode(int(run[0]), int(closes[at]), now)
                episode.observed = run[1]
                episode.expected = round(float(self.peak[row, :3].max()), 1)
                del self.runs[row]
                self.episodes[row] = episode
                yield episode


class Fields(Rows):
    """Columns that a stage's lines usually give. seen: of each, then all minutes; forgotten by a hundredth an hour."""

    arrays = ("seen", "now")

    def __init__(self) -> None:
        super().__init__()
        self.seen: Floats = np.zeros((0, len(WATCHED) + 1))
        self.now: Floats = np.zeros((0, len(WATCHED) + 1))
        self.runs: dict[int, list[int]] = {}
        self.episodes: dict[int, Episode] = {}

    def load(self, state: JSON) -> None:
        if isinstance(state, dict) and state:
            known = cast(dict[str, Any], state)
            self.load_rows(known)
            self.runs = {int(row): run for row, run in known["runs"].items()}
            self.episodes = {int(row): Episode.from_json(one) for row, one in known["episodes"].items()}

    def dump(self) -> JSON:
        return {
            **self.dump_rows(),
            "runs": {str(row): cast(JSON, self.runs[row]) for row in sorted(self.runs)},
            "episodes": {str(row): self.episodes[row].to_json() for row in sorted(self.episodes)},
        }

    def step(self, block: Block) -> list[tuple[Key, Episode]]:
        grid = block.stage_grid
        index = self.align(grid.keys)
        count = np.zeros((len(self.keys), block.minutes))
        count[index] = grid.counts("n")
        masks = np.zeros((len(self.keys), block.minutes), dtype=np.int64)
        masks[index] = _watched(grid.masks())
        closes = np.zeros((len(self.keys), block.minutes), dtype=np.int64)
        closes[index] = grid.closes()
        changed: dict[tuple[int, int], tuple[Key, Episode]] = {}
        for minute, at, take, over in hours(block):
            cut = slice(at, at + take)
            there, mask = count[:, cut] > 0, masks[:, cut]
            usual = self._usual()
            odd = (there & ((usual[:, None] & ~mask) != 0)).any(axis=1)
            learning = there.copy()
            for row in sorted(set(np.flatnonzero(odd).tolist()) | set(self.runs) | set(self.episodes)):
                lines = count[row, cut], mask[row], closes[row, cut], learning[row]
                for episode in self._stage(row, minute, int(usual[row]), *lines):
                    changed[row, episode.start] = (self.keys[row], episode)
            for place in range(len(WATCHED)):
                self.now[:, place] += (learning & ((mask >> place & 1) == 1)).sum(axis=1)
            self.now[:, -1] += learning.sum(axis=1)
            if over:
                some = (self.now[:, -1] > 0)[:, None]
                self.seen = np.where(some, 0.99 * self.seen + self.now, self.seen)
                self.now = np.zeros_like(self.now)
        return list(changed.values())

    def _usual(self) -> Ints:
        """Mask (bits by WATCHED) of what nearly every minute of each stage gives."""
        total = self.seen[:, -1:]
        known = (self.seen[:, :-1] >= USUAL * total) & (total >= USUAL_AGE)
        return np.asarray(known @ (1 << np.arange(len(WATCHED), dtype=np.int64)), dtype=np.int64)

    def _stage(
        self, row: int, minute: int, usual: int, count: Floats, mask: Ints, closes: Ints, learning: Bools
    ) -> Iterator[Episode]:
        """The episodes that change; learning: set to False where a minute is not to be learned from."""
        for at in np.flatnonzero(count > 0).tolist():
            now, seen = minute + at, int(mask[at])
            episode = self.episodes.get(row)
            if episode is not None:
                lost = int(episode.facts["mask"])
                learning[at] = False
                if lost & ~seen:
                    episode.last = now
                    episode.observed += float(count[at])
                if not lost & ~seen or now - episode.start >= NORMAL_AFTER:
                    episode.end = episode.last + 1
                    del self.episodes[row]
                    for place in range(len(WATCHED)) if lost & ~seen else ():
                        self.seen[row, place] *= not lost >> place & 1
                yield episode
                continue
            lost = usual & ~seen
            run = self.runs.get(row)
            both = lost if run is None else lost & run[3]
            if not both:
                self.runs.pop(row, None)
                continue
            if run is None:
                run = self.runs.setdefault(row, [now, 0, 0, both])
            run[1], run[2], run[3] = run[1] + 1, run[2] + int(count[at]), both
            if run[1] >= LOST_MINUTES and run[2] >= LOST_REQUESTS:
                episode = Episode(run[0], int(closes[at]), now)
                episode.observed = float(run[2])
                episode.facts = {"mask": both}
                del self.runs[row]
                self.episodes[row] = episode
                yield episode


def columns_of(mask: int) -> list[str]:
    """The columns of a mask of bits by WATCHED."""
    return [name for place, name in enumerate(WATCHED) if mask >> place & 1]


def _watched(masks: Ints) -> Ints:
    """Masks of REQUESTS columns as masks of bits by WATCHED."""
    out = np.zeros(masks.shape, dtype=np.int64)
    for place, name in enumerate(WATCHED):
        out |= np.where(masks & np.int64(visible_mask([name])) != 0, np.int64(1 << place), 0)
    return out


class Gaps:
    """Stretches in which no source delivered anything, weighed by what was usual at that hour of the day."""

    def __init__(self) -> None:
        self.sums: Floats = np.zeros((24, 2))
        self.start = -1
        self.missed = 0.0
        self.episode: Episode | None = None
        self.born: dict[Key, int] = {}

    def load(self, state: JSON) -> None:
        if isinstance(state, dict) and state:
            known = cast(dict[str, Any], state)
            self.sums = codec.unpack(known["sums"])
            self.start, self.missed = known["start"], known["missed"]
            self.episode = None if known["episode"] is None else Episode.from_json(known["episode"])
            self.born = {tuple(key): minute for key, minute in known["born"]}

    def dump(self) -> JSON:
        return {
            "sums": codec.pack(self.sums),
            "start": self.start,
            "missed": self.missed,
            "episode": None if self.episode is None else self.episode.to_json(),
            "born": [[list(key), minute] for key, minute in self.born.items()],
        }

    def step(self, block: Block) -> list[Episode]:
        """Take a block; the episodes that changed in it. facts["keys"]: the stages that were there before."""
        for key, first in zip(block.stage_grid.keys, block.stage_grid.first.tolist(), strict=True):
            self.born.setdefault(key, block.first + first)
        total = block.stage_grid.counts("n").sum(axis=0)
        changed: dict[int, Episode] = {}
        for minute, at, take, _ in hours(block):
            hour = minute // 60 % 24
            covered = block.covered[at : at + take]
            if covered.all() and self.start < 0:
                self._learn(hour, float(total[at : at + take].sum()), take)
                continue
            for offset in range(take):
                now = minute + offset
                if covered[offset]:
                    if self.episode is not None:
                        self.episode.end = now
                        changed[self.episode.start] = self.episode
                    self.start, self.missed, self.episode = -1, 0.0, None
                    self._learn(hour, float(total[at + offset]), 1)
                    continue
                self.start = now if self.start < 0 else self.start
                self.missed += self.sums[hour, 0] / self.sums[hour, 1] if self.sums[hour, 1] > 0 else self._mean()
                if self.episode is None and now + 1 - self.start >= GAP_MINUTES and self.missed >= GAP_MISSED:
                    self.episode = Episode(self.start, (now + 1) * MINUTE_US + CLOSE_US, now)
                    stages = [list(key) for key, minute in self.born.items() if minute < self.start]
                    self.episode.facts = {"keys": stages}
                if self.episode is not None:
                    self.episode.last, self.episode.expected = now, round(self.missed, 3)
                    changed[self.episode.start] = self.episode
        return list(changed.values())

    def _learn(self, hour: int, count: float, minutes: int) -> None:
        # Minute by minute or at once gives the same: nothing is forgotten, a mean of all days is good enough here.
        self.sums[hour] += (count, minutes)

    def _mean(self) -> float:
        count, minutes = self.sums.sum(axis=0).tolist()
        return count / minutes if minutes else 0.0
