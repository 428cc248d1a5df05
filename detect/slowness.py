"""Latency out of line: residuals of log quantiles, route by route and pooled over a stage. The core of latency_outlier.

Each route is compared with itself, so that a shift of traffic between routes is no slowness. A trailing window's
residual is the mean weighted by what each minute's quantile can be trusted; its spread is the sampling error and how
far quarter-hours of this series stray by themselves. Pools see what is too thin in any one route.
"""

from __future__ import annotations

import math

import numpy as np

from detect.counting import chunk_of
from detect.episodes import Episode
from detect.grid import Bools, Floats, Ints
from detect.model import Block
from detect.slowstate import (
    AGE,
    CHUNK,
    EXTRA_Z,
    FEW,
    GRAIN,
    LEAST_MINUTES,
    LEAST_MS,
    LEAST_REQUESTS,
    LEAST_RISE,
    PARTS,
    QUANTILES,
    RELEARN,
    SAMPLING,
    SHARE,
    STREAK,
    SURE,
    TAIL,
    TAIL_REQUESTS,
    WINDOWS,
    Frames,
    Slowness,
)
from detect.stats.order import bias
from detect.stats.windows import prefix, trailing


def step(state: Slowness, block: Block) -> list[tuple[int, Episode]]:
    """Take a block; the episodes that changed in it, with their stage's row."""
    frames = state.align(block)
    if state.first < 0:
        state.first = block.first
    closes = np.tile((np.arange(block.minutes, dtype=np.int64) + block.first + 3) * 60_000_000, (len(state.stages), 1))
    for key, line in zip(block.stage_grid.keys, block.stage_grid.closes(), strict=True):
        if key in state.stage_rows:
            closes[state.stage_rows[key]] = line
    at = 0
    while at < block.minutes:
        minute = block.first + at
        begin, stop = chunk_of(minute, state.first)
        take = min(stop - minute, block.minutes - at)
        _Chunk(state, frames, minute, at, take, closes).run()
        at += take
        if minute + take == stop:
            state.learn(begin, stop)
    changed = [(row, episode) for row, episode in state.episodes.items() if episode.changed] + state.done
    state.done = []
    for _, episode in changed:
        episode.changed = False
    return sorted(changed, key=lambda item: (item[1].start, item[0]))


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
