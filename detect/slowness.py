"""Latency out of line: ranks against each route's own ordinary values, route by route and pooled over a stage.

Each route is compared with itself, so a shift of traffic between routes is no slowness. Windows of three minutes to
four hours find what is sudden and what creeps; pools see what is too thin in any one route. A window is out of line
when its scores are too high for chance, within the budget, and by enough to matter.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from detect.answered import unclear
from detect.counting import chunk_of
from detect.episodes import Episode
from detect.grid import Bools, Floats, Ints, closing
from detect.hidden import follow
from detect.model import Block
from detect.slowstate import LAYER_PLACES, QUARTER, RING, TAIL, Frames, Slowness
from detect.slowsums import LONGEST, Windows
from detect.stats.ranks import (
    BINS,
    GRAIN,
    LEAST_BODY,
    LEAST_TAIL,
    TAILS,
    WIDTH,
    body_nats,
    quantile_ms,
    quantiles_ms,
    tail_nats,
)

WINDOWS: tuple[tuple[int, float], ...] = (
    (2, 1.4), (4, 1.25), (8, 1.1), (15, 1.0), (30, 0.95), (60, 0.9), (120, 0.85), (LONGEST, 0.8),
)  # fmt: skip
"""Minutes of a window, and how far it strays by itself, compared with a quarter of an hour. Each is about twice the one
before: what began within a window is diluted by what came before it."""

LEAST_BODY_SHIFT = 0.08
"""Smallest mean body score: 58 of 100 pairs (now, before) are slower now."""

LEAST_VALUES = 8.0
LEAST_OVER = 5.0
LEAST_TIMES, LEAST_SHARE = 1.6, 0.01
"""A tail must hold so many times its ordinary share, and that much more of all calls."""

WORTH: dict[str, tuple[float, float]] = {"took": (0.15, 3.0), "authorizer": (0.3, 10.0)}
"""Smallest rise of any quantile (of the log, and in milliseconds) that is worth a word."""

SPARSE = 12.0
"""Values in a quarter of an hour below which an hour is looked at to tell whether it goes on."""

WARM_NATS, WARM_TAIL = 3.0, 4.0
RELEARN = 1440
STREAK = 2
SURE = 1.6
"""Minutes in a row that a stage is out of line before it is said, unless it is out by SURE times the limit."""

MOVED = 0.35
"""Routes that rose by this part of what the first of them did are what the episode is about."""

QUANTILES: tuple[float, ...] = (0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


def step(state: Slowness, block: Block) -> list[tuple[int, Episode]]:
    """Take a block; the episodes that changed in it, with their stage's row."""
    frames = state.align(block)
    if state.first < 0:
        state.first = block.first
    closes = np.tile(closing(block.first, block.minutes), (len(state.stages), 1))
    for key, line in zip(block.stage_grid.keys, block.stage_grid.closes(), strict=True):
        if key in state.stage_rows:
            closes[state.stage_rows[key]] = line
    order = np.lexsort((frames.place, frames.series, frames.minute))
    values = np.stack([frames.minute[order], frames.series[order], frames.place[order], frames.count[order]], axis=1)
    at = 0
    while at < block.minutes:
        minute = block.first + at
        begin, stop = chunk_of(minute, state.first)
        take = min(stop - minute, block.minutes - at)
        low, high = np.searchsorted(values[:, 0], [at, at + take])
        _Chunk(state, frames, values[low:high], minute, at, take, closes).run()
        at += take
        if minute + take == stop:
            state.learn(begin, stop)
    changed = [(row, episode) for row, episode in state.episodes.items() if episode.changed] + state.done
    state.done = []
    for _, episode in changed:
        episode.changed = False
    return sorted(changed, key=lambda item: (item[1].start, item[0]))


class _Chunk:
    """Some minutes of one chunk: scores, and the episodes of each stage."""

    def __init__(
        self, state: Slowness, frames: Frames, values: Ints, minute: int, at: int, take: int, closes: Ints
    ) -> None:
        self.state, self.frames, self.minute, self.at, self.take = state, frames, minute, at, take
        cut = slice(at, at + take)
        refused = unclear(frames.denied[:, cut], frames.calls[:, cut], state.denied_share)
        state.hidden = follow(state.hidden, refused | frames.refused[:, cut], frames.answers[:, cut], minute)
        values = values[~refused[values[:, 1], values[:, 0] - at]]
        self.values = values - np.array([at - minute, 0, 0, 0])  # minutes since the epoch
        self.closes = closes
        self.pool = None if state.part == "took" else state.part
        """What all routes of a stage are called."""

    def run(self) -> None:
        state, frames, cut = self.state, self.frames, slice(self.at, self.at + self.take)
        self._score()
        recent = np.concatenate([state.recent, self.values])
        state.recent = np.ascontiguousarray(recent[recent[:, 0] > self.minute + self.take - 1 - TAIL])
        self.recent = recent
        self._judge()
        state.denied_now += np.stack([part[:, cut].sum(axis=1) for part in (frames.denied, frames.calls)], axis=1)
        state.taken = 0

    def _score(self) -> None:
        """Append this part's scores to the ring."""
        state, frames, take = self.state, self.frames, self.take
        usual, routes = state.usual, len(state.routes)
        minute, row, place, count = self.values.T
        cell = row * take + (minute - self.minute)
        weight = count.astype(np.float64)
        total = usual.total

        def summed(score: Floats) -> Floats:
            sums = np.bincount(cell, weights=score * weight, minlength=routes * take)
            return sums.astype(np.float64).reshape(routes, take)

        new: dict[str, Floats] = {}
        known = total >= LEAST_BODY
        there = known[row].astype(np.float64)
        new["n"] = summed(there)
        shift = usual.shift(self.minute // 60 % 24)[:, None]
        new["body"] = summed(usual.body(row, place) * there) - new["n"] * shift
        for tail in range(len(TAILS)):
            ready = total >= LEAST_TAIL[tail]
            told = ready[row].astype(np.float64)
            new[f"over{tail}"] = summed(usual.over(tail, row, place) * told)
            new[f"due{tail}"] = summed(told) * usual.share(tail)[:, None]
        cut = slice(self.at, self.at + take)
        calls, size = frames.calls[:, cut], frames.size[:, cut]
        mean = np.rint(state.size[:, 0] / np.maximum(state.size[:, 1], 1e-9) * GRAIN) / GRAIN
        new["grown"] = np.where(calls > 0, np.rint((size - mean[:, None]) * GRAIN) / GRAIN * calls, 0.0)
        new["sized"] = np.where(calls > 0, calls, 0.0)
        new["calls"] = calls
        state.ring.append(np.stack([new[name] for name in RING]))
        state.taken = take

    def _judge(self) -> None:
        state = self.state
        stages, take = len(state.stages), self.take
        self.nats = {length: np.zeros((stages, take)) for length, _ in WINDOWS}
        self.limit = state.limits()
        self.top = np.zeros((stages, take))
        self.tail = {length: np.zeros((stages, take), dtype=bool) for length, _ in WINDOWS}
        self.sparse = np.zeros((stages, take), dtype=bool)
        self.warm = np.zeros((stages, take), dtype=bool)
        self.hot_routes = np.zeros((len(state.routes), take), dtype=bool)
        self.windows = Windows(state, take)
        strays = {True: state.pool_stray.value(), False: state.stray.value()}
        self.tail_strays = state.tail_stray.value()
        for length, wider in WINDOWS:
            pool, own = self.windows.sums(length)
            if length == 15:
                self.sparse = pool["n"] < SPARSE
            self._look(length, wider, pool, wider * strays[True], pooled=True)
            self._look(length, wider, own, wider * strays[False], pooled=False)
        held = np.zeros((stages, take), dtype=bool)
        hot = np.logical_or.reduce([nats > 0 for nats in self.nats.values()])
        rows = set(np.flatnonzero(hot.any(axis=1)).tolist()) | set(state.episodes)
        rows |= {row for row, run in state.streak.items() if run}
        for row in sorted(rows):
            self._stage(row, self.warm, held)
        self._tell_episodes()
        free = ~held & (self.minute + np.arange(take) >= np.maximum(self._clear(), state.began)[:, None])
        state.peaks.see(np.where(free, self.top, np.nan))
        state.take_layers(self.minute, self.frames.layer[:, self.at : self.at + take], held)

    def _look(self, length: int, wider: float, sums: dict[str, Floats], astray: Floats, *, pooled: bool) -> None:
        """One window of all stages or all routes. astray: how far its mean strays by itself, by row.

        Nearly all minutes are told to be ordinary by a few sums; only what may be anything is weighed.
        """
        state, take = self.state, self.take
        stage_of = np.arange(len(state.stages)) if pooled else state.stage_of
        n = sums["n"]
        calls = np.maximum(n, 1.0)
        mean = sums["body"] / calls
        lasts = length == 15 or (length == 60 and pooled)
        may = (n >= LEAST_VALUES) & (mean >= (0.5 if lasts else 1.0) * LEAST_BODY_SHIFT)
        for tail in range(len(TAILS)):
            over, due = sums[f"over{tail}"], sums[f"due{tail}"]
            may |= (over >= LEAST_OVER) & (over >= LEAST_TIMES * due) & (over - due >= LEAST_SHARE * calls)
        watched = state.watch is not None and state.watch.place(self.minute, take) is not None
        cell = np.arange(n.size) if watched else np.flatnonzero(may)
        if not len(cell):
            return
        row, at = cell // take, cell % take
        stage = stage_of[row]
        n, mean, calls = n.ravel()[cell], mean.ravel()[cell], calls.ravel()[cell]
        if pooled:
            variance = self.windows.variance().ravel()[cell] / calls
        else:
            variance = np.where(n > 0, state.variance[row], 0.0)
        error = np.maximum(variance, 1e-4) / calls + astray[row] ** 2
        if not pooled:
            error = error + variance / np.maximum(state.usual.total, 1.0)[row]
        each = np.maximum(0.5 * mean**2, np.maximum(variance, 1e-4) * body_nats(mean))
        limit, tail_stray = self.limit[stage], np.maximum(self.tail_strays[stage] * wider, 0.05)
        body = np.where((n >= LEAST_VALUES) & (mean > 0), each / error, 0.0)
        some = np.where(mean >= LEAST_BODY_SHIFT, body, 0.0)
        fired = some >= limit
        nats = np.where(fired, body, 0.0)
        lasting = (body >= WARM_NATS) & (mean >= 0.5 * LEAST_BODY_SHIFT)
        by_tail = np.zeros_like(fired)
        for tail in range(len(TAILS)):
            over, due = sums[f"over{tail}"].ravel()[cell], sums[f"due{tail}"].ravel()[cell]
            told = tail_nats(over, due, tail_stray)
            enough = (over >= LEAST_OVER) & (over >= LEAST_TIMES * due)
            enough &= over - due >= LEAST_SHARE * calls
            some = np.maximum(some, np.where(enough, told, 0.0))
            far = (told >= limit) & enough
            by_tail |= far & ~fired
            nats = np.where(far, np.maximum(nats, told), nats)
            lasting |= (told >= WARM_TAIL) & enough
        np.maximum.at(self.top, (stage, at), some)
        if watched:
            self._tell(length, pooled, n, mean, body, limit, nats)
        if lasts:
            lasting &= self.sparse[stage, at] if length == 60 else True
            self.warm[stage[lasting], at[lasting]] = True
        for place in np.flatnonzero(nats > 0).tolist():
            to, minute = int(stage[place]), int(at[place])
            if not pooled:
                self.hot_routes[row[place], minute] = True
            if nats[place] > self.nats[length][to, minute]:
                self.nats[length][to, minute] = nats[place]
                self.tail[length][to, minute] = by_tail[place]

    def _clear(self) -> Ints:
        """The minute from which no window of each stage reaches back into its last episode."""
        blank = self.state.blank
        return np.array([blank.get(row, -TAIL) + WINDOWS[-1][0] for row in range(len(self.state.stages))], np.int64)

    def _tell(
        self, length: int, pooled: bool, n: Floats, mean: Floats, body: Floats, limit: Floats, nats: Floats
    ) -> None:
        """One window's conditions (of all series and minutes), to whoever watches."""
        state, watch = self.state, self.state.watch
        at = None if watch is None else watch.place(self.minute, self.take)
        if watch is None or at is None:
            return
        keys = [(*key, self.pool) for key in state.stages] if pooled else state.routes
        if not pooled and state.part == "authorizer":
            return  # what a route took is told under its name
        n, mean, body, limit, nats = (part.reshape(len(keys), self.take) for part in (n, mean, body, limit, nats))
        best = np.maximum(body, nats)
        watch.told(
            "latency_outlier",
            keys,
            at,
            [
                ("latencies in the window", n, LEAST_VALUES, n >= LEAST_VALUES),
                ("nats of surprise", best, limit, best >= limit),
                ("mean rank above the usual", mean, LEAST_BODY_SHIFT, (mean >= LEAST_BODY_SHIFT) | (nats > 0)),
                ("out of line", nats > 0, 1.0, nats > 0),
            ],
            window=np.full(len(keys), length),
        )

    def _tell_episodes(self) -> None:
        """What became of the stages at the watched minute."""
        state, watch = self.state, self.state.watch
        if watch is None or watch.place(self.minute, self.take) is None:
            return
        for row, key in enumerate(state.stages):
            episode = state.episodes.get(row)
            routes = state.routes if state.part == "took" else ()
            mine = [one for one in (*routes, (*key, self.pool)) if one[:4] == key]
            for one in mine:
                if episode is not None and episode.start <= watch.minute <= (episode.end or watch.minute):
                    watch.note("latency_outlier", one, raised=episode.start)
                elif state.streak.get(row):
                    watch.note("latency_outlier", one, waits=f"out of line for less than {STREAK} minutes in a row")

    def _loudest(self, row: int, at: int, *, going_on: bool) -> tuple[float, int]:
        """Nats of the loudest window at a minute, and its length.

        A new episode needs a window that does not reach back into the last one; whether one goes on is told by short
        windows only, unless hardly anything is called.
        """
        state, minute = self.state, self.minute + at
        best, length = 0.0, 0
        for window, nats in self.nats.items():
            if going_on:
                if window > 15 and not (window == 60 and self.sparse[row, at]):
                    continue
            elif minute - window + 1 < state.blank.get(row, 0):
                continue
            if nats[row, at] > best:
                best, length = float(nats[row, at]), window
        return best, length

    def _stage(self, row: int, warm: Bools, held: Bools) -> None:
        state = self.state
        mine = np.flatnonzero(state.stage_of == row)
        for at in range(self.take):
            minute = self.minute + at
            episode = state.episodes.get(row)
            if episode is not None and episode.over(minute):
                del state.episodes[row]
                state.since[mine] = 0.0
                state.parts[mine] = 0.0
                state.blank[row] = episode.end or minute
                if episode.changed:
                    state.done.append((row, episode))
                episode = None
            nats, window = self._loudest(row, at, going_on=episode is not None)
            is_hot = nats > 0
            if episode is None:
                state.streak[row] = state.streak.get(row, 0) + 1 if is_hot else 0
                if not is_hot or (state.streak[row] < STREAK and nats < SURE * self.limit[row]):
                    continue
                episode = self._open(row, mine, at, window)
                if episode is None:
                    continue
                del state.streak[row]
                state.episodes[row] = episode
            else:
                self._values(mine, minute, minute + 1, episode)
            episode.touch(minute, hot=is_hot, warm=bool(warm[row, at]) and episode.end is None, score=nats)
            if episode.end is not None:
                continue
            held[row, at] = True
            self._count(episode, mine, at)
            if minute - episode.start >= RELEARN:
                episode.end = minute
                episode.facts["new_level"] = True
                state.resets.append(row)

    def _values(self, mine: Ints, first: int, stop: int, episode: Episode | None) -> Floats:
        """Histograms of the routes over [first, stop), added to what is known of the episode."""
        low, high = np.searchsorted(self.recent[:, 0], [first, stop])
        part = self.recent[low:high]
        part = part[np.isin(part[:, 1], mine)]
        place = np.searchsorted(mine, part[:, 1]) * BINS + part[:, 2]
        sums = np.bincount(place, weights=part[:, 3], minlength=len(mine) * BINS)
        counts: Floats = sums.astype(np.float64).reshape(len(mine), BINS)
        if episode is not None and episode.end is None:
            self.state.since[mine] += counts
        return counts

    def _open(self, row: int, mine: Ints, at: int, window: int) -> Episode | None:
        """A new episode, from its onset on; None when what rose is too little to be worth a word."""
        state, minute = self.state, self.minute + at
        spot = TAIL + at
        tail = bool(self.tail[window][row, at])
        start = max(minute - self._back(mine, spot, window, tail=tail), state.blank.get(row, 0))
        counts = self._values(mine, start, minute + 1, None)
        rises = self._rises(mine, counts)
        best = max(rises.values(), key=lambda rise: rise[0], default=(0.0, 0.0, 0.0))
        least, least_ms = WORTH[state.part]
        if not any(log >= least and now - usual >= least_ms for log, now, usual in rises.values()):
            return None
        state.since[mine] = counts
        # The quarters that began since the onset; of this part's own minutes those before the alarm.
        own = np.arange(self.minute, minute)
        own = own[own // QUARTER * QUARTER >= start] - self.minute + self.at
        state.parts[mine] = state.layers_since(mine, start, self.minute) + self.frames.layer[np.ix_(mine, own)].sum(
            axis=1
        )
        episode = Episode(start, int(self.closes[row, at + self.at]), minute)
        episode.facts = {
            "tail": tail,
            # What is charted: the p95 where the median did not rise.
            "p95": tail and rises.get(0.5, (0.0,))[0] < least,
            "rise": round(best[0], 6),
            "layers": [],
            "hot": {},
            "thirds": [],
            "load": [],
            "new_level": False,
        }
        shown = _of_those_that_moved(self._rises_of(mine), mine)
        self._describe(episode, mine)
        for back in range(min(60, spot), 0, -1):
            self._chart(episode, shown, minute - back)
        return episode

    def _back(self, mine: Ints, spot: int, window: int, *, tail: bool) -> int:
        """Minutes since the likeliest onset: where the scores before it stop to be half as high as those after it."""
        n, body, over, due = (self.state.scores(name)[mine].sum(axis=0) for name in ("n", "body", "over0", "due0"))
        score = over - due if tail else body
        first = max(spot - window + 1, 0)
        level = score[first : spot + 1].sum() / max(float(n[first : spot + 1].sum()), 1.0)
        low = max(spot - max(2 * window, 30), 0)
        gain = np.cumsum((score - 0.5 * level * n)[low : spot + 1][::-1])
        return int(np.argmax(gain))

    def _rises(self, mine: Ints, counts: Floats) -> dict[float, tuple[float, float, float]]:
        """quantile -> (rise of the log, ms now, ms usual), over the routes by their calls; empty without references."""
        usual = self.state.usual.counts[mine]
        known = (usual.sum(axis=1) >= LEAST_BODY) & (counts.sum(axis=1) > 0)
        if not known.any():
            return {}
        usual, counts = usual[known], counts[known]
        weight = counts.sum(axis=1)
        weight = weight / weight.sum()
        # The same mixture of routes before and now.
        before = (usual / usual.sum(axis=1)[:, None] * weight[:, None]).sum(axis=0)[None, :]
        now = (counts / counts.sum(axis=1)[:, None] * weight[:, None]).sum(axis=0)[None, :]
        out = {}
        told = [share for share in QUANTILES if counts.sum() * (1.0 - share) >= 3]
        pairs = zip(
            told, quantiles_ms(now, told)[:, 0].tolist(), quantiles_ms(before, told)[:, 0].tolist(), strict=True
        )
        for share, one, other in pairs:
            out[share] = (math.log(one / other), one, other)
        return out

    def _count(self, episode: Episode, mine: Ints, at: int) -> None:
        state, facts = self.state, episode.facts
        state.parts[mine] += self.frames.layer[mine, self.at + at]
        for row in mine[self.hot_routes[mine, at]].tolist():
            facts["hot"][str(row)] = facts["hot"].get(str(row), 0) + 1
        spot = TAIL + at
        n, body, calls = (float(state.scores(name)[mine, spot].sum()) for name in ("n", "body", "calls"))
        _tenth(facts["thirds"], self.minute + at - episode.start, n, body)
        _tenth(facts["load"], self.minute + at - episode.start, 1.0, calls)
        facts["minutes"] = facts.get("minutes", 0) + 1
        if self.hot_minute(episode, self.minute + at):
            self._describe(episode, mine)
        told = {int(row): rise for row, rise in facts["by_route"].items()}
        self._chart(episode, _of_those_that_moved(told, mine), self.minute + at)

    @staticmethod
    def hot_minute(episode: Episode, minute: int) -> bool:
        """Minutes in which the picture is drawn anew: often at first, then seldom."""
        age = minute - episode.start
        return age <= 120 or age % 10 == 0

    def _describe(self, episode: Episode, mine: Ints) -> None:
        """What the episode's values say by now: quantiles, routes, shape."""
        state, facts = self.state, episode.facts
        told = self._rises_of(mine)
        facts["by_route"] = {str(row): round(rise, 6) for row, rise in told.items()}
        moved = _of_those_that_moved(told, mine)
        rises = self._rises(moved, state.since[moved])
        facts["quantiles"] = {f"{share:g}": [round(x, 6) for x in rise] for share, rise in rises.items()}
        facts["most"] = self._most(moved)
        facts["relative"] = self._relative(moved)
        facts["moved"] = self._moved(moved)
        facts["layers"] = [round(value, 6) for value in self._layers(moved)]

    def _most(self, rows: Ints) -> dict[str, list[float]]:
        """quantile -> (route's row, ms now, ms usual) of the route whose own rose by the most milliseconds.

        What all have together is that of the busiest, and what stands out most from its own scatter may be a health
        check: neither is what callers wait for.
        """
        usual, counts = self.state.usual.counts[rows], self.state.since[rows]
        known = usual.sum(axis=1) >= LEAST_BODY
        now, before = quantiles_ms(counts, QUANTILES), quantiles_ms(usual, QUANTILES)
        out = {}
        for at, share in enumerate(QUANTILES):
            beyond = np.where(known, counts.sum(axis=1) * (1.0 - share), 0.0)
            enough = beyond >= (10 if beyond.max(initial=0.0) >= 10 else 3)  # of a few one may be far away by chance
            if enough.any():
                best = int(np.argmax(np.where(enough, now[at] - before[at], -np.inf)))
                out[f"{share:g}"] = [float(rows[best]), round(now[at, best], 6), round(before[at, best], 6)]
        return out

    def _layers(self, rows: Ints) -> list[float]:
        """Milliseconds that each layer's median and p95 rose, over the routes by their calls; NaN: nobody can tell."""
        now, usual = self.state.parts[rows], self.state.layers[rows]
        out = []
        for _, _, ms, many in LAYER_PLACES:
            n, times = now[:, many], usual[:, many]
            both = (n > 0) & (times > 0)
            if not both.any():
                out.append(math.nan)
                continue
            rise = now[both, ms] / n[both] - usual[both, ms] / times[both]
            out.append(float((rise * n[both]).sum() / n[both].sum()))
        return out

    def _relative(self, rows: Ints) -> dict[str, float]:
        """quantile -> rise of the log of the latencies relative to each route's own usual median: the shape of it.

        Routes may lie far apart: in their mixture a quantile can stand in a gap between them, where chance moves it.
        """
        usual, now = self.state.usual.counts[rows], self.state.since[rows]
        known = (usual.sum(axis=1) >= LEAST_BODY) & (now.sum(axis=1) > 0)
        if not known.any():
            return {}
        usual, now = usual[known], now[known]
        share, total = usual / usual.sum(axis=1)[:, None], now.sum()
        middle = np.argmax(np.cumsum(share, axis=1) >= 0.5, axis=1)
        place = (np.arange(BINS)[None, :] - middle[:, None] + BINS).ravel()
        before = np.bincount(place, (share * (now.sum(axis=1) / total)[:, None]).ravel(), 2 * BINS).astype(np.float64)
        after = np.bincount(place, (now / total).ravel(), 2 * BINS).astype(np.float64)
        rises = WIDTH * math.log(1.02) * (_quantiles(after) - _quantiles(before))
        pairs = zip(QUANTILES, rises.tolist(), strict=True)
        return {f"{quantile:g}": round(rise, 6) for quantile, rise in pairs if total * (1.0 - quantile) >= 3}

    def _rises_of(self, mine: Ints) -> dict[int, float]:
        """Mean body score of each route's values since the onset, where there are enough to tell."""
        counts, usual = self.state.since[mine], self.state.usual
        n = counts.sum(axis=1)
        told = (n >= 3) & (usual.counts[mine].sum(axis=1) >= LEAST_BODY)
        sums = (usual.scores(mine[told]) * counts[told]).sum(axis=1)
        return dict(zip(mine[told].tolist(), (sums / n[told]).tolist(), strict=True))

    def _moved(self, mine: Ints) -> list[float]:
        """Share of the values above the usual 95 % beyond what is usual, and how many medians away they are."""
        state = self.state
        usual, now = state.usual.counts[mine], state.since[mine]
        known = (usual.sum(axis=1) >= LEAST_BODY) & (now.sum(axis=1) > 0)
        if not known.any():
            return [0.0, 0.0]
        usual, now = usual[known], now[known]
        places = np.arange(BINS)[None, :]
        edge = np.argmax(np.cumsum(usual, axis=1) >= 0.95 * usual.sum(axis=1)[:, None], axis=1)[:, None]
        expected = usual / usual.sum(axis=1)[:, None] * now.sum(axis=1)[:, None]
        extra = np.where(places > edge, now - expected, 0.0)
        share = float(extra.sum() / now.sum())
        median = quantile_ms(usual, 0.5)
        away = np.power(1.02, (places + 0.5) * 4 - 1.0) / median[:, None]
        positive = np.maximum(extra, 0.0)
        far = float(np.exp((np.log(away) * positive).sum() / max(float(positive.sum()), 1e-9)))
        return [round(share, 6), round(far, 3)]

    def _chart(self, episode: Episode, mine: Ints, minute: int) -> None:
        """One point of the chart: the median or p95 of the minute, of the routes that the finding is about."""
        counts = self._values(mine, minute, minute + 1, None)
        n = counts.sum(axis=1)
        share = 0.95 if episode.facts["p95"] else 0.5
        known = (n > 0) & (self.state.usual.counts[mine].sum(axis=1) >= LEAST_BODY)
        if not known.any():
            return
        weight = n[known] / n[known].sum()
        usual = self.state.usual.counts[mine[known]]
        before = float(
            quantile_ms((usual / usual.sum(axis=1)[:, None] * weight[:, None]).sum(axis=0)[None, :], share)[0]
        )
        now = float(quantile_ms(counts[known].sum(axis=0)[None, :], share)[0])
        if minute >= episode.start:
            episode.observed += now
            episode.expected += before
            episode.facts["shown"] = episode.facts.get("shown", 0) + 1
            episode.peak = max(episode.peak, now)
        episode.chart(minute, round(now, 2), round(before, 2), round(before * math.exp(WORTH[self.state.part][0]), 2))


def _of_those_that_moved(told: dict[int, float], mine: Ints) -> Ints:
    """Of the routes those that an episode is about: told, how far each moved."""
    top = max(told.values(), default=0.0)
    moved = np.array([row for row, rise in told.items() if rise >= MOVED * top > 0], dtype=np.int64)
    return np.sort(moved) if len(moved) else mine


def _quantiles(shares: Floats) -> Floats:
    """Where QUANTILES of one histogram stand, in bins, interpolated."""
    upto = np.cumsum(shares)
    place = np.minimum(np.searchsorted(upto, QUANTILES, side="left"), len(shares) - 1)
    inside = np.maximum(shares[place], 1e-12)
    return np.asarray(place + np.clip((QUANTILES - (upto[place] - shares[place])) / inside, 0.0, 1.0))


def _tenth(into: list[Any], age: int, n: float, total: float) -> None:
    """Sums by ten minutes since the onset: [n, total]."""
    while len(into) <= age // 10:
        into.append([0.0, 0.0])
    into[age // 10][0] += n
    into[age // 10][1] += total
