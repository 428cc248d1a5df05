"""Latency out of line: residuals of log quantiles, route by route and pooled over a stage. The core of latency_outlier.

Each route is compared with itself, so that a shift of traffic between routes is no slowness. A trailing window's
residual is the mean weighted by what each minute's quantile can be trusted; its spread is the sampling error and how
far quarter-hours of this series stray by themselves. Pools see what is too thin in any one route.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np

from detect import codec
from detect.counting import chunk_of
from detect.episodes import Episode
from detect.grid import Bools, Floats, Ints, Key
from detect.model import Block
from detect.policy import threshold_nats
from detect.stats.level import Level
from detect.stats.order import bias
from detect.stats.windows import prefix, trailing
from gatewatch.records import JSON

TAIL = 128
CHUNK = 60
GRAIN = float(1 << 20)
WINDOWS: tuple[tuple[int, float], ...] = ((3, 1.5), (5, 1.3), (15, 1.0), (60, 0.9))
"""Minutes of a window, and how its spread compares with that of a quarter of an hour."""

QUANTILES: tuple[str, ...] = ("p50", "p95")
LEAST_RISE = {"p50": 0.22, "p95": 0.4}
"""Smallest rise of the log that is worth a word: 25 % of the median, 50 % of the tail."""

LEAST_MS = 10.0
LEAST_REQUESTS = 30.0
TAIL_REQUESTS = 20.0
"""Requests in a minute from which its p95 is not just its largest value."""

AGE = 180.0
FEW = 15.0
"""Requests at which the limit is doubled: a mean of few is not normal yet."""

LEAST_MINUTES = {"p50": 3, "p95": 5, "size": 1}
EXTRA_Z = {"p50": 0.0, "p95": 1.5}
"""The largest of few values has a longer tail than a normal one."""

SHARE = {"p50": 0.5, "p95": 0.95}
SAMPLING = {"p50": 1.57, "p95": 4.5}
"""Variance of a log quantile of n requests, in units of sigma² / n (normal order statistics)."""

RELEARN = 1440
STREAK = 3
SURE = 1.8
"""Minutes in a row that a stage is out of line before it is said, unless it is out by SURE times the limit."""
PARTS: tuple[str, ...] = ("integration", "authorizer", "gateway")


@dataclass(slots=True)
class Frames:
    """Dense arrays of a block, (routes, minutes)."""

    n: Floats
    quantile: dict[str, Floats]
    size: Floats
    sums: dict[str, tuple[Floats, Floats]]


class Slowness:
    """State. routes, stages: keys; stage_of: the stage row of each route row."""

    def __init__(self, budget: float) -> None:
        self.routes: list[Key] = []
        self.rows: dict[Key, int] = {}
        self.stages: list[Key] = []
        self.stage_rows: dict[Key, int] = {}
        self.stage_of: Ints = np.zeros(0, np.int64)
        self.first = -1
        self.level = {name: Level() for name in (*QUANTILES, "size")}
        self.pool = {name: Level() for name in QUANTILES}
        self.sigma: Floats = np.zeros((0, 2))
        self.parts: Floats = np.zeros((0, 2 * len(PARTS)))
        self.residual: dict[str, Floats] = {name: np.zeros((0, TAIL)) for name in (*QUANTILES, "size")}
        self.weight: dict[str, Floats] = {name: np.zeros((0, TAIL)) for name in (*QUANTILES, "size")}
        self.values: dict[str, Floats] = {name: np.zeros((0, CHUNK)) for name in (*QUANTILES, "size")}
        self.n: Floats = np.zeros((0, TAIL))
        self.held: Bools = np.zeros((0, CHUNK), dtype=bool)
        self.sums: Floats = np.zeros((0, 2 * len(PARTS)))
        self.episodes: dict[int, Episode] = {}
        self.resets: list[int] = []
        self.streak: dict[int, int] = {}
        self.done: list[tuple[int, Episode]] = []
        self.limit = float(np.sqrt(2.0 * threshold_nats(budget)))

    def load(self, state: JSON) -> None:
        if not isinstance(state, dict) or not state:
            return
        self.routes = [tuple(cast(list[str | None], key)) for key in cast(list[JSON], state["routes"])]
        self.stages = [tuple(cast(list[str | None], key)) for key in cast(list[JSON], state["stages"])]
        self.rows = {key: row for row, key in enumerate(self.routes)}
        self.stage_rows = {key: row for row, key in enumerate(self.stages)}
        self.stage_of = np.array([self.stage_rows[key[:4]] for key in self.routes], dtype=np.int64)
        self.first = cast(int, state["first"])
        self.resets = list(cast(list[int], state["resets"]))
        self.streak = {int(row): run for row, run in cast(dict[str, int], state["streak"]).items()}
        arrays = {name: codec.unpack(value) for name, value in cast(dict[str, JSON], state["arrays"]).items()}
        for name, level in self._levels():
            for part in Level.fields:
                setattr(level, part, arrays[f"{name}.{part}"])
        for name, into in (("residual", self.residual), ("weight", self.weight), ("values", self.values)):
            for key in into:
                into[key] = arrays[f"{name}.{key}"]
        for name in ("sigma", "parts", "n", "held", "sums"):
            setattr(self, name, arrays[name])
        stored = cast(dict[str, JSON], state["episodes"])
        self.episodes = {int(row): Episode.from_json(episode) for row, episode in stored.items()}

    def dump(self) -> dict[str, JSON]:
        arrays = {name: getattr(self, name) for name in ("sigma", "parts", "n", "held", "sums")}
        for name, level in self._levels():
            arrays |= {f"{name}.{part}": getattr(level, part) for part in Level.fields}
        for name, from_ in (("residual", self.residual), ("weight", self.weight), ("values", self.values)):
            arrays |= {f"{name}.{key}": value for key, value in from_.items()}
        return {
            "routes": [list(key) for key in self.routes],
            "stages": [list(key) for key in self.stages],
            "first": self.first,
            "resets": cast(JSON, self.resets),
            "streak": {str(row): self.streak[row] for row in sorted(self.streak) if self.streak[row]},
            "arrays": {name: codec.pack(array) for name, array in arrays.items()},
            "episodes": {str(row): self.episodes[row].to_json() for row in sorted(self.episodes)},
        }

    def _levels(self) -> list[tuple[str, Level]]:
        return [*self.level.items(), *((f"pool.{name}", level) for name, level in self.pool.items())]

    def step(self, block: Block) -> list[tuple[int, Episode]]:
        """Take a block; the episodes that changed in it, with their stage's row."""
        frames = self._align(block)
        if self.first < 0:
            self.first = block.first
        closes = np.tile(
            (np.arange(block.minutes, dtype=np.int64) + block.first + 3) * 60_000_000, (len(self.stages), 1)
        )
        for key, line in zip(block.stage_grid.keys, block.stage_grid.closes(), strict=True):
            if key in self.stage_rows:
                closes[self.stage_rows[key]] = line
        at = 0
        while at < block.minutes:
            minute = block.first + at
            begin, stop = chunk_of(minute, self.first)
            take = min(stop - minute, block.minutes - at)
            _Chunk(self, frames, minute, at, take, closes).run()
            at += take
            if minute + take == stop:
                self._learn(begin, stop)
        changed = [(row, episode) for row, episode in self.episodes.items() if episode.changed] + self.done
        self.done = []
        for _, episode in changed:
            episode.changed = False
        return sorted(changed, key=lambda item: (item[1].start, item[0]))

    def _align(self, block: Block) -> Frames:
        grid = block.route_grid
        for key in grid.keys:
            if key not in self.rows:
                self.rows[key] = len(self.routes)
                self.routes.append(key)
                if key[:4] not in self.stage_rows:
                    self.stage_rows[key[:4]] = len(self.stages)
                    self.stages.append(key[:4])
        self.stage_of = np.array([self.stage_rows[key[:4]] for key in self.routes], dtype=np.int64)
        total, stages = len(self.routes), len(self.stages)
        for level in self.level.values():
            level.grow(total)
        for level in self.pool.values():
            level.grow(stages)
        for name in ("sigma", "parts", "n", "held", "sums"):
            setattr(self, name, _grown(getattr(self, name), total))
        for arrays in (self.residual, self.weight, self.values):
            for name in arrays:
                arrays[name] = _grown(arrays[name], total)
        index = np.array([self.rows[key] for key in grid.keys], dtype=np.int64)

        def dense(part: Floats, fill: float = 0.0) -> Floats:
            out = np.full((total, block.minutes), fill)
            out[index] = part
            return out

        n = dense(grid.counts("latency_n"))
        with np.errstate(divide="ignore", invalid="ignore"):
            quantile = {
                name: np.log(np.maximum(dense(grid.values(f"latency_{name}_ms"), np.nan), 0.5)) for name in QUANTILES
            }
            requests = dense(grid.counts("n"))
            size = np.log(np.maximum(dense(grid.counts("response_bytes")) / requests, 1.0) + 50.0)
        sums = {name: (dense(grid.counts(f"{name}_us")), dense(grid.counts(f"{name}_n"))) for name in PARTS}
        return Frames(n, quantile, size, sums)

    def _learn(self, begin: int, stop: int) -> None:
        length = stop - begin
        hour = begin // 60 % 24
        free = ~self.held[:, -length:]
        minutes = free.sum(axis=1).astype(np.float64)
        pooled = {name: self._pooled(name, length) for name in QUANTILES}
        for name, level in self.level.items():
            weight = np.ascontiguousarray(np.where(free, self.weight[name][:, -length:], 0.0))
            values = np.ascontiguousarray(self.values[name][:, -length:])
            level.learn(hour, np.where(weight > 0, values, 0.0), weight, minutes)
        held = np.zeros((len(self.stages), length), dtype=bool)
        np.logical_or.at(held, self.stage_of, ~free)
        for name, level in self.pool.items():
            mean, weight = pooled[name]
            level.learn(hour, mean, np.where(held, 0.0, weight), (~held).sum(axis=1).astype(np.float64))
        fade = (0.5 ** (minutes / 2880.0))[:, None]
        self.parts = np.where(minutes[:, None] > 0, self.parts * fade + self.sums, self.parts)
        self.sums = np.zeros_like(self.sums)
        gap = self.values["p95"][:, -length:] - self.values["p50"][:, -length:]
        told = free & (self.n[:, -length:] >= 10)
        add = np.stack([np.where(told, np.clip(gap / 1.645, 0.1, 1.5), 0.0).sum(axis=1), told.sum(axis=1)], axis=1)
        self.sigma = self.sigma * fade + add
        for row in self.resets:
            self._new_level(row, length)
        self.resets = []

    def _new_level(self, stage: int, length: int) -> None:
        """After a day what is, is normal: said once, then learned anew from this chunk."""
        mine = np.flatnonzero(self.stage_of == stage)
        for name in QUANTILES:
            level = self.level[name]
            weight = np.ascontiguousarray(self.weight[name][mine, -length:])
            total = (np.ascontiguousarray(self.values[name][mine, -length:]) * weight).sum(axis=1)
            weights = weight.sum(axis=1)
            some = (weights > 0)[:, None]
            level.hours[mine] = np.where(some, 0.0, level.hours[mine])
            level.slow[mine] = np.where(some, np.stack([total, weights], axis=1), level.slow[mine])
            self.pool[name].hours[stage] = 0.0
            self.pool[name].slow[stage] = 0.0

    def _pooled(self, name: str, length: int) -> tuple[Floats, Floats]:
        total = np.zeros((len(self.stages), length))
        weight = np.zeros((len(self.stages), length))
        np.add.at(total, self.stage_of, self.residual[name][:, -length:])
        np.add.at(weight, self.stage_of, self.weight[name][:, -length:])
        return np.where(weight > 0, total / np.maximum(weight, 1e-9), 0.0), weight


class _Chunk:
    """Some minutes of one chunk: residuals, scores, and the episodes of each stage."""

    def __init__(self, state: Slowness, frames: Frames, minute: int, at: int, take: int, closes: Ints) -> None:
        self.state, self.frames, self.minute, self.at, self.take = state, frames, minute, at, take
        self.closes = closes

    def run(self) -> None:
        state, frames, cut = self.state, self.frames, slice(self.at, self.at + self.take)
        hour = self.minute // 60 % 24
        n = np.ascontiguousarray(frames.n[:, cut])
        sigma = (state.sigma[:, 0] + 3.0) / (state.sigma[:, 1] + 5.0)
        state.n = np.concatenate([state.n, n], axis=1)
        for name in (*QUANTILES, "size"):
            values = np.ascontiguousarray((frames.size if name == "size" else frames.quantile[name])[:, cut])
            if name == "size":
                weight = n * 1.0
            else:
                weight = n / (SAMPLING[name] * sigma[:, None] ** 2)
                weight = np.where(n >= TAIL_REQUESTS, weight, 0.0) if name == "p95" else weight
                values = values - sigma[:, None] * bias(n.astype(np.int64), SHARE[name])
            weight = np.rint(np.where(np.isfinite(values), weight, 0.0) * GRAIN) / GRAIN
            level = state.level[name].expected(hour)
            known = np.isfinite(level)
            apart = np.where(weight > 0, values - np.where(known, level, 0.0)[:, None], 0.0)
            judged = np.where(known[:, None], np.rint(apart * weight * GRAIN) / GRAIN, 0.0)
            state.residual[name] = np.concatenate([state.residual[name], judged], axis=1)
            state.weight[name] = np.concatenate([state.weight[name], weight], axis=1)
            state.values[name] = np.concatenate([state.values[name], np.where(weight > 0, values, 0.0)], axis=1)
        self._judge()
        for arrays, keep in ((state.residual, TAIL), (state.weight, TAIL), (state.values, CHUNK)):
            for name in arrays:
                arrays[name] = np.ascontiguousarray(arrays[name][:, -keep:])
        state.n = np.ascontiguousarray(state.n[:, -TAIL:])

    def _scores(self, name: str, *, pooled: bool) -> dict[int, tuple[Floats, Floats, Floats]]:
        """window -> (residual, z, requests): (series, minutes), NaN where there is nothing."""
        state = self.state
        residual, weight, n = state.residual[name], state.weight[name], state.n
        if pooled:
            shape = (len(state.stages), residual.shape[1])
            sums = [np.zeros(shape) for _ in range(3)]
            for into, part in zip(sums, (residual, weight, n), strict=True):
                np.add.at(into, state.stage_of, part)
            residual, weight, n = sums
            level = state.pool[name]
            # The routes' levels have said what is normal; only a little is left to the pool's own.
            shift = np.clip(np.nan_to_num(level.expected(self.minute // 60 % 24)), -0.05, 0.05)
        else:
            level = state.level[name]
            shift = np.zeros(len(state.routes))
        spread = level.quiet_spread()
        runs = [prefix(part) for part in (residual, weight, n, (weight > 0).astype(np.float64))]
        begin = residual.shape[1] - self.take
        out = {}
        for window, wider in WINDOWS:
            r, w, count, there = (trailing(run, begin, self.take, window) for run in runs)
            mean = np.where(w > 0, r / np.maximum(w, 1e-9), 0.0) - shift[:, None]
            error = np.sqrt(1.0 / np.maximum(w, 1e-9) + (wider * spread[:, None]) ** 2)
            out[window] = (mean, mean / error, np.where(there >= LEAST_MINUTES[name], count, 0.0))
        return out

    def _judge(self) -> None:
        state = self.state
        stages, take = len(state.stages), self.take
        hot = np.zeros((stages, take), dtype=bool)
        best = np.zeros((stages, take))
        window = np.full((stages, take), 3, dtype=np.int64)
        tail = np.zeros((stages, take), dtype=bool)
        warm = np.zeros((stages, take), dtype=bool)
        sizes = self._scores("size", pooled=False)
        self.hot_routes = np.zeros((len(state.routes), take), dtype=bool)
        self.rise: dict[str, Floats] = {}
        for name in QUANTILES:
            fresh = hot.copy()
            for pooled in (True, False):
                level = state.pool[name] if pooled else state.level[name]
                age = level.age[:, 0]
                stage = np.arange(stages) if pooled else state.stage_of
                scores = self._scores(name, pooled=pooled)
                if not pooled:
                    self.rise[name] = scores[15][0]
                ms = np.exp(np.nan_to_num(state.level[name].expected(self.minute // 60 % 24)))
                for length, (mean, z, count) in scores.items():
                    size = sizes[length][0]
                    enough = (count >= LEAST_REQUESTS) & (age >= AGE)[:, None]
                    least = np.where(age < 1440, 2.0, 1.0) * LEAST_RISE[name]
                    limit = (state.limit + EXTRA_Z[name]) * (1.0 + FEW / np.maximum(count, 1.0))
                    fired = (z >= limit) & (mean >= least[:, None]) & enough
                    if not pooled:
                        fired &= (np.expm1(mean) * ms[:, None]) >= LEAST_MS
                        fired &= ~(size >= np.maximum(0.2, 0.4 * mean))
                        self.hot_routes |= fired
                    else:
                        fired &= ~self._grown_answers(size)
                    if length == 15:
                        lasting = (z >= (3.0 if pooled else 4.5)) & (mean >= 0.6 * LEAST_RISE[name])
                        np.logical_or.at(warm, stage, lasting)
                    if not fired.any():
                        continue
                    score = np.where(fired, z, 0.0)
                    for row in np.flatnonzero(fired.any(axis=1)).tolist():
                        to = int(stage[row])
                        better = score[row] > best[to]
                        best[to] = np.where(better, score[row], best[to])
                        window[to] = np.where(better, length, window[to])
                        if name == "p95":
                            tail[to] |= fired[row] & ~hot[to]
                        fresh[to] |= fired[row]
            hot = fresh
        held = np.zeros((stages, take), dtype=bool)
        rows = set(np.flatnonzero(hot.any(axis=1)).tolist()) | set(state.episodes)
        rows |= {row for row, run in state.streak.items() if run}
        for row in sorted(rows):
            self._stage(row, hot, best, window, tail, warm, held)
        kept = held[state.stage_of]
        state.held = np.ascontiguousarray(np.concatenate([state.held, kept], axis=1)[:, -CHUNK:])
        cut = slice(self.at, self.at + take)
        for place, name in enumerate(PARTS):
            us, n = self.frames.sums[name]
            state.sums[:, 2 * place] += np.where(kept, 0.0, us[:, cut]).sum(axis=1)
            state.sums[:, 2 * place + 1] += np.where(kept, 0.0, n[:, cut]).sum(axis=1)

    def _grown_answers(self, size: Floats) -> Bools:
        """Did the answers of any route grow? (stages, minutes)"""
        out = np.zeros((len(self.state.stages), self.take), dtype=bool)
        np.logical_or.at(out, self.state.stage_of, size >= 0.2)
        return out

    def _stage(self, row: int, hot: Bools, best: Floats, window: Ints, tail: Bools, warm: Bools, held: Bools) -> None:
        state = self.state
        mine = np.flatnonzero(state.stage_of == row)
        for at in range(self.take):
            minute = self.minute + at
            episode = state.episodes.get(row)
            if episode is not None and episode.over(minute):
                del state.episodes[row]
                if episode.changed:
                    state.done.append((row, episode))
                episode = None
            is_hot = bool(hot[row, at])
            if episode is None:
                # One odd quarter of an hour leaves a single hot minute; what is slow stays hot.
                state.streak[row] = state.streak.get(row, 0) + 1 if is_hot else 0
                if state.streak[row] < STREAK and best[row, at] < SURE * state.limit:
                    continue
                del state.streak[row]
                episode = self._open(row, mine, at, int(window[row, at]), tail=bool(tail[row, at]))
                state.episodes[row] = episode
            score = 0.5 * float(best[row, at]) ** 2 if is_hot else 0.0
            episode.touch(minute, hot=is_hot, warm=bool(warm[row, at]) and episode.end is None, score=score)
            if episode.end is not None:
                continue
            held[row, at] = True
            self._count(episode, mine, at, is_hot=is_hot, tail=bool(tail[row, at]))
            if minute - episode.start >= RELEARN:
                episode.end = minute
                episode.facts["new_level"] = True
                state.resets.append(row)

    def _open(self, row: int, mine: Ints, at: int, window: int, *, tail: bool) -> Episode:
        state, minute = self.state, self.minute + at
        name = "p95" if tail else "p50"
        spot = state.residual[name].shape[1] - self.take + at
        residual = state.residual[name][mine].sum(axis=0)
        weight = state.weight[name][mine].sum(axis=0)
        mean = np.where(weight > 0, residual / np.maximum(weight, 1e-9), 0.0)
        back = window - 1
        now = _mean(residual, weight, spot - window + 1, spot)
        while back > 0 and mean[spot - back] < 0.5 * now:
            back -= 1
        # A step is there at once; what was halfway there an hour before crept.
        hour_ago, now60 = _mean(residual, weight, spot - 119, spot - 60), _mean(residual, weight, spot - 59, spot)
        episode = Episode(minute - back, int(self.closes[row, minute - self.minute + self.at]), minute)
        episode.facts = {
            "tail": tail,
            "crept": bool(hour_ago >= 0.5 * now60 > 0),
            "rise": {},
            "parts": [0.0] * (2 * len(PARTS)),
            "usual": [math.fsum(state.parts[mine, place].tolist()) for place in range(2 * len(PARTS))],
            "p50": [0.0, 0.0],
            "p95": [0.0, 0.0],
            "new_level": False,
            "early": [0.0, 0.0],
        }
        first = max(spot - back - 60, 0)
        usual = self._usual_ms(mine, name)
        for place in range(first, spot):
            if weight[place] > 0:
                episode.chart(minute - (spot - place), round(usual * float(np.exp(mean[place])), 2), usual, None)
        return episode

    def _usual_ms(self, mine: Ints, name: str) -> float:
        level = self.state.level[name].expected(self.minute // 60 % 24)[mine]
        known = [value for value in level.tolist() if math.isfinite(value)]
        return round(math.exp(math.fsum(known) / len(known)), 2) if known else 0.0

    def _count(self, episode: Episode, mine: Ints, at: int, *, is_hot: bool, tail: bool) -> None:
        state = self.state
        facts = episode.facts
        column = self.at + at
        for place, name in enumerate(PARTS):
            us, n = self.frames.sums[name]
            facts["parts"][2 * place] += float(us[mine, column].sum())
            facts["parts"][2 * place + 1] += float(n[mine, column].sum())
        if is_hot and not tail:
            facts["tail"] = False
        for name in QUANTILES:
            spot = state.residual[name].shape[1] - self.take + at
            facts[name][0] += float(state.residual[name][mine, spot].sum())
            facts[name][1] += float(state.weight[name][mine, spot].sum())
        if facts.get("minutes", 0) < 60:
            facts["early"] = list(facts["p50"])
        name = "p95" if facts["tail"] else "p50"
        spot = state.residual[name].shape[1] - self.take + at
        residual, weight = state.residual[name][mine, spot], state.weight[name][mine, spot]
        for row, r, w in zip(mine.tolist(), residual.tolist(), weight.tolist(), strict=True):
            if w > 0:
                old = facts["rise"].setdefault(str(row), [0.0, 0.0, 0])
                old[0] += r
                old[1] += w
            if self.hot_routes[row, at]:
                facts["rise"].setdefault(str(row), [0.0, 0.0, 0])[2] += 1
        usual = self._usual_ms(mine, name)
        if weight.sum() > 0:
            seen = usual * float(np.exp(residual.sum() / weight.sum()))
            episode.observed += seen
            episode.expected += usual
            episode.peak = max(episode.peak, seen)
            facts["minutes"] = facts.get("minutes", 0) + 1
            limit = usual * float(np.exp(LEAST_RISE[name]))
            episode.chart(self.minute + at, round(seen, 2), usual, limit)


def _mean(residual: Floats, weight: Floats, first: int, last: int) -> float:
    first = max(first, 0)
    if last < first:
        return 0.0
    total = float(weight[first : last + 1].sum())
    return float(residual[first : last + 1].sum()) / total if total > 0 else 0.0


def _grown(array: Floats, rows: int) -> Floats:
    if rows <= len(array):
        return array
    more = np.zeros((rows - len(array), array.shape[1]), dtype=array.dtype)
    return np.concatenate([array, more])
