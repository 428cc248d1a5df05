"""What detect.slowness knows of each route and stage: ordinary latencies, the last hours' scores, and how it learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from detect import codec
from detect.answered import at_the_door, denied, mostly_refused, worked_on
from detect.episodes import Episode
from detect.grid import Bools, Floats, Grid, Ints, Key
from detect.hidden import WIDTH as HIDDEN_WIDTH
from detect.model import Block
from detect.stats.peaks import Peaks
from detect.stats.ranks import BINS, GRAIN, HALF_LIFE, TAILS, WIDTH, Reference, Spread
from detect.tape import Running, Tape
from detect.watching import Watch
from gatewatch.records import JSON

TAIL = 256
"""Minutes of scores that are kept; no window is longer."""

CHUNK = 60
QUARTER = 15
QUARTERS = TAIL // QUARTER + 1
LEAST_LIMIT = 16.0
"""Nats below which nothing is an alarm, however calm a stage has been."""

CALM = 50
"""Minutes of an hour without an episode, its aftermath included, from which the hour is learned from."""
LAYER_QUANTILES: tuple[str, ...] = ("p50", "p95")
MEASURED: tuple[tuple[str, tuple[str, ...]], ...] = (
    *((part, LAYER_QUANTILES) for part in ("integration", "authorizer", "gateway")),
    ("waf", ("mean",)),
)
"""The layers, and what a rollup tells of each: quantiles, or only the mean."""


def _places() -> tuple[list[tuple[str, str, int, int]], int]:
    """(layer, quantile, column of the weighted ms, column of n), and how many columns; a mean stands for both."""
    places, width = [], 0
    for part, told in MEASURED:
        for number, quantile in enumerate(LAYER_QUANTILES):
            places.append((part, quantile, width + 1 + min(number, len(told) - 1), width))
        width += 1 + len(told)
    return places, width


LAYER_PLACES, LAYER_WIDTH = _places()
SCORES: tuple[str, ...] = ("n", "body", *(f"over{tail}" for tail in range(len(TAILS))))
DUE: tuple[str, ...] = tuple(f"due{tail}" for tail in range(len(TAILS)))
RING: tuple[str, ...] = (*SCORES, *DUE, "grown", "sized", "calls")
"""n, body: number and sum of body scores (less what the hour explains). overT, dueT: values above a tail's edge, and
how many were expected. grown, sized: residual of the log answer size times calls, and those calls. calls: requests."""


@dataclass(slots=True)
class Frames:
    """What a block says: values of latencies (series, minute, bin, count), and dense arrays (routes, minutes).

    denied: by an authorizer. answers: what nobody refused. refused: most were, at the door.
    layer: for each part n, then weighted sums n x ms (LAYER_PLACES).
    """

    series: Ints
    minute: Ints
    place: Ints
    count: Ints
    calls: Floats
    denied: Floats
    answers: Floats
    refused: Bools
    size: Floats
    layer: Floats
    """(routes, minutes, LAYER_WIDTH)"""


class Slowness:
    """State. routes, stages: keys; stage_of: the stage row of each route row."""

    def __init__(self, budget: float, part: str = "took") -> None:
        self.part = part
        """What is ranked: how long a request `took`, or its time in the `authorizer`."""
        self.routes: list[Key] = []
        self.rows: dict[Key, int] = {}
        self.stages: list[Key] = []
        self.stage_rows: dict[Key, int] = {}
        self.stage_of: Ints = np.zeros(0, np.int64)
        self._group()
        self.first = -1
        self.usual = Reference()
        self.stray = Spread(0.035, (0.015, 0.2))
        self.pool_stray = Spread(0.03, (0.015, 0.15))
        self.tail_stray = Spread(0.35, (0.15, 1.5))
        self.ring = Tape(np.zeros((len(RING), 0, TAIL)))
        """Scores of the last minutes: (RING, routes, minutes)."""
        self.taken = 0
        """Minutes of the ring that are being looked at; the TAIL before them are there, too."""
        self.sums: tuple[Running, Running] | None = None
        """Running sums of the ring, of routes and of stages, as long as a run goes on (detect.slowsums)."""
        self.recent: Ints = np.zeros((0, 4), dtype=np.int64)
        """Values of the last TAIL minutes: minute since the epoch, route row, bin, count."""
        self.answered: Bools = np.zeros((0, 1), dtype=bool)
        """Routes that ever answered anybody: what only refuses has no time to answer."""
        self.since: Floats = np.zeros((0, BINS))
        """Values of the episode that goes on."""
        self.parts: Floats = np.zeros((0, LAYER_WIDTH))
        """Sums of the layers in the episode that goes on, as in `layers`."""
        self.size: Floats = np.zeros((0, 2))
        self.denied: Floats = np.zeros((0, 2))
        """Requests that an authorizer refused, and all: of late, and (denied_now) since the last chunk."""
        self.denied_now: Floats = np.zeros((0, 2))
        self.hidden: Floats = np.zeros((0, HIDDEN_WIDTH))
        """Times in which refusals hid how long the others took (detect.hidden)."""
        self.layers: Floats = np.zeros((0, LAYER_WIDTH))
        self.layer_sums: Floats = np.zeros((0, LAYER_WIDTH))
        self.quarters: Floats = np.zeros((0, QUARTERS * LAYER_WIDTH))
        """Sums of the layers by quarter of an hour: what an episode needs of the time before its alarm."""
        self.quarter_of: Ints = np.full((1, QUARTERS), -1)
        """Number (since the epoch) of the quarter that each place holds."""
        self.held: Bools = np.zeros((0, CHUNK), dtype=bool)
        self.episodes: dict[int, Episode] = {}
        self.streak: dict[int, int] = {}
        self.blank: dict[int, int] = {}
        """Stage row -> the minute that its last episode ended: no window of a new one reaches behind it."""
        self.resets: list[int] = []
        self.done: list[tuple[int, Episode]] = []
        self.budget = budget
        """False alarms an API and week."""

        self.peaks = Peaks()
        """What the scores of each stage are worth, by its own hours."""
        self.watch: Watch | None = None
        self.began: Ints = np.zeros(0, np.int64)
        """First minute (since the epoch) of each stage that came in the present block; 0 for the others."""

    _ARRAYS = (
        "recent",
        "since",
        "parts",
        "size",
        "denied",
        "denied_now",
        "hidden",
        "layers",
        "layer_sums",
        "quarters",
        "quarter_of",
        "held",
        "answered",
    )

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
        self.blank = {int(row): minute for row, minute in cast(dict[str, int], state["blank"]).items()}
        arrays = {name: codec.unpack(value) for name, value in cast(dict[str, JSON], state["arrays"]).items()}
        for name in self._ARRAYS:
            setattr(self, name, arrays[name])
        self.usual.counts, self.usual.hours = arrays["usual.counts"], arrays["usual.hours"]
        for name in ("stray", "pool_stray", "tail_stray"):
            spread: Spread = getattr(self, name)
            spread.sums, spread.late, spread.fast = (arrays[f"{name}{part}"] for part in ("", ".late", ".fast"))
        self.ring, self.sums = Tape(np.stack([arrays[f"ring.{name}"] for name in RING])), None
        self._group()
        self.peaks.load(state["peaks"])
        stored = cast(dict[str, JSON], state["episodes"])
        self.episodes = {int(row): Episode.from_json(episode) for row, episode in stored.items()}

    def dump(self) -> dict[str, JSON]:
        arrays = {name: getattr(self, name) for name in self._ARRAYS}
        arrays |= {"usual.counts": self.usual.counts, "usual.hours": self.usual.hours}
        arrays |= {name: getattr(self, name).sums for name in ("stray", "pool_stray", "tail_stray")}
        arrays |= {
            f"{name}.{part}": getattr(getattr(self, name), part)
            for name in ("stray", "pool_stray", "tail_stray")
            for part in ("late", "fast")
        }
        arrays |= {f"ring.{name}": self.scores(name) for name in RING}
        return {
            "routes": [list(key) for key in self.routes],
            "stages": [list(key) for key in self.stages],
            "first": self.first,
            "resets": cast(JSON, self.resets),
            "peaks": self.peaks.dump(),
            "streak": {str(row): self.streak[row] for row in sorted(self.streak) if self.streak[row]},
            "blank": {str(row): self.blank[row] for row in sorted(self.blank)},
            "arrays": {name: codec.pack(array) for name, array in arrays.items()},
            "episodes": {str(row): self.episodes[row].to_json() for row in sorted(self.episodes)},
        }

    def align(self, block: Block) -> Frames:
        """Rows for what is new in the block, and the block by these rows."""
        grid = block.route_grid
        series, minute, place_, count = self._values(grid)
        ours, known, staged = self._ours(grid, series), len(self.routes), len(self.stages)
        for key in (grid.keys[one] for one in ours):
            if key not in self.rows:
                self.rows[key] = len(self.routes)
                self.routes.append(key)
                if key[:4] not in self.stage_rows:
                    self.stage_rows[key[:4]] = len(self.stages)
                    self.stages.append(key[:4])
        self.stage_of = np.array([self.stage_rows[key[:4]] for key in self.routes], dtype=np.int64)
        self._group()
        total, stages = len(self.routes), len(self.stages)
        for one in (self.usual, self.stray):
            one.grow(total)
        for pool in (self.pool_stray, self.tail_stray, self.peaks):
            pool.grow(stages)
        for name in (one for one in self._ARRAYS if one not in ("recent", "quarter_of")):  # by route
            setattr(self, name, _grown(getattr(self, name), total))
        self.ring.grow(total)
        if self.sums is not None:
            for sums, rows in zip(self.sums, (total, stages), strict=True):
                sums.grow(rows)
        begun = np.ones((total, block.minutes), dtype=bool)
        index = np.array([self.rows.get(key, -1) for key in grid.keys], dtype=np.int64)

        if self.part != "took":
            # From its first value on: what came before it would count by how the minutes are cut into blocks.
            begun[known:] = False
            begun[index[series], minute] = True
            begun = np.logical_or.accumulate(begun, axis=1)

        def dense(part: Floats) -> Floats:
            out = np.zeros((total, block.minutes))
            out[index[ours]] = part[ours]
            return np.where(begun, out, 0.0)

        calls = dense(grid.counts("n"))
        self.began = np.zeros(stages, np.int64)
        if staged < stages:
            self.began[staged:] = block.first + np.argmax(self.pooled(calls[None])[0] > 0, axis=1)[staged:]
        with np.errstate(divide="ignore", invalid="ignore"):
            size = np.log(np.maximum(dense(grid.counts("response_bytes")) / calls, 1.0) + 50.0)
        layer = np.zeros((total, block.minutes, LAYER_WIDTH))
        column = 0
        for part, told in MEASURED:
            n = dense(grid.counts(f"{part}_n"))
            layer[:, :, column] = n
            for quantile in told:
                column += 1
                if quantile == "mean":
                    weighted = dense(grid.counts(f"{part}_us")) / 1000.0
                else:
                    weighted = n * np.nan_to_num(dense(grid.values(f"{part}_{quantile}_ms")))
                layer[:, :, column] = np.rint(weighted * 1024) / 1024  # sums of such numbers are exact in any order
            column += 1
        row = index[series] if len(series) else series
        ever = np.logical_or.accumulate(dense(grid.counts("s1xx", "s2xx", "s3xx")) > 0, axis=1) | self.answered
        self.answered = ever[:, -1:].copy()
        there = ever[row, minute]
        row, minute, place_, count = row[there], minute[there], place_[there], count[there]
        place_, refused, door = np.minimum(place_, BINS - 1), dense(denied(grid)), dense(at_the_door(grid))
        answers = np.where(ever, np.maximum(calls - refused - door, 0.0), 0.0)
        mostly = mostly_refused(door, calls)
        # An authorizer takes no longer for a larger answer.
        size = np.nan_to_num(size) if self.part == "took" else np.zeros_like(size)
        return Frames(row, minute, place_, count, calls, refused, answers, mostly, size, layer)

    def _values(self, grid: Grid) -> tuple[Ints, Ints, Ints, Ints]:
        """What is ranked: (series, minute, bin, count)."""
        values = grid.histogram(self.part, width=WIDTH)
        if self.part == "took":
            return worked_on(grid, values)
        ran = values[2] > 0  # an answer from its cache takes 0 ms
        series, minute, place, count = (part[ran] for part in values)
        return series, minute, place, count

    def _ours(self, grid: Grid, series: Ints) -> Ints:
        """The grid's series that are looked at: all, or those in front of which an authorizer ever took time."""
        if self.part == "took":
            return np.arange(len(grid.keys))
        there = np.zeros(len(grid.keys), dtype=bool)
        there[series] = True
        return np.flatnonzero(there | np.array([key in self.rows for key in grid.keys], dtype=bool))

    def limits(self) -> Floats:
        """Nats from which a stage's score is an alarm: its API's budget is shared by the API's stages."""
        _, api = np.unique([repr(key[:3]) for key in self.stages], return_inverse=True)
        stages = np.bincount(api, minlength=1).astype(np.float64)[api] if len(api) else np.zeros(0)
        return np.maximum(self.peaks.limit(self.budget / np.maximum(stages, 1.0)), LEAST_LIMIT)

    @property
    def variance(self) -> Floats:
        """Of one body score of each route, on the grid."""
        return np.asarray(np.rint(self.usual.variance() * GRAIN) / GRAIN)

    @property
    def denied_share(self) -> Floats:
        """Share of each route's requests that an authorizer usually refuses."""
        return np.asarray(self.denied[:, 0] / np.maximum(self.denied[:, 1], 1.0))

    def take_layers(self, minute: int, layer: Floats, held: Bools) -> None:
        """Put the layers of the minutes from `minute` on (routes, minutes, LAYER_WIDTH) into their quarters.

        held: minutes of stages that an episode holds: nothing is to be learned from them.
        """
        kept = held[self.stage_of]
        self.held = np.ascontiguousarray(np.concatenate([self.held, kept], axis=1)[:, -CHUNK:])
        free = np.where(kept[:, :, None], 0.0, layer) if kept.any() else layer
        self.layer_sums += free.sum(axis=1)
        at, total = 0, layer.shape[1]
        while at < total:
            quarter = (minute + at) // QUARTER
            take = min((quarter + 1) * QUARTER - minute - at, total - at)
            place = quarter % QUARTERS
            cut = slice(place * LAYER_WIDTH, (place + 1) * LAYER_WIDTH)
            if self.quarter_of[0, place] != quarter:
                self.quarter_of[0, place] = quarter
                self.quarters[:, cut] = 0.0
            self.quarters[:, cut] += layer[:, at : at + take].sum(axis=1)
            at += take

    def layers_since(self, rows: Ints, start: int, minute: int) -> Floats:
        """Sums of the layers in the whole quarters of an hour from `start` on, of what came before `minute`."""
        out = np.zeros((len(rows), LAYER_WIDTH))
        for place in range(QUARTERS):
            if start <= int(self.quarter_of[0, place]) * QUARTER < minute:
                out += self.quarters[rows, place * LAYER_WIDTH : (place + 1) * LAYER_WIDTH]
        return out

    def scores(self, name: str) -> Floats:
        """The scores of one name in the last minutes: (routes, minutes)."""
        found: Floats = self.ring.last(TAIL + self.taken)[RING.index(name)]
        return found

    def _group(self) -> None:
        """Where the routes of each stage begin, sorted by stage."""
        self._order = np.argsort(self.stage_of, kind="stable")
        self._begins = np.searchsorted(self.stage_of[self._order], np.arange(len(self.stages)))

    def pooled(self, values: Floats) -> Floats:
        """Sums over the routes of each stage: (any, routes, minutes) to (any, stages, minutes)."""
        if not len(self.stages):
            return values
        out: Floats = np.add.reduceat(values[:, self._order], self._begins, axis=1)
        return out

    def learn(self, begin: int, stop: int) -> None:
        """Close the chunk [begin, stop): what did not belong to an episode is ordinary from now on."""
        length = stop - begin
        hour = begin // 60 % 24
        free = ~self.held[:, -length:]
        minutes = free.sum(axis=1).astype(np.float64)
        learned = np.where(free, self.ring.last(length), 0.0)
        sums = dict(zip(RING, learned.sum(axis=2), strict=True))
        self._strayed(learned)
        calls, grown = sums["sized"], sums["grown"]
        # Residuals are of the old mean, so the new sum is the old mean times the calls, plus them.
        mean = self.size[:, 0] / np.maximum(self.size[:, 1], 1e-9)
        fade = 0.5 ** (minutes / HALF_LIFE)
        self.size = self.size * fade[:, None] + np.stack([mean * calls + grown, calls], axis=1)
        self.denied = self.denied * fade[:, None] + self.denied_now
        self.denied_now = np.zeros_like(self.denied_now)
        fade = (0.5 ** (minutes / 2880.0))[:, None]
        self.layers = np.where(minutes[:, None] > 0, self.layers * fade + self.layer_sums, self.layers)
        self.layer_sums = np.zeros_like(self.layer_sums)
        mine = self.recent[self.recent[:, 0] >= begin]
        mine = mine[free[mine[:, 1], mine[:, 0] - begin]]
        counts = np.bincount(mine[:, 1] * BINS + mine[:, 2], weights=mine[:, 3], minlength=len(self.routes) * BINS)
        n = sums["n"]
        body = sums["body"] + n * self.usual.shift(hour)
        found = counts.astype(np.float64).reshape(len(self.routes), BINS)
        self.usual.learn(hour, found, np.rint(body * GRAIN) / GRAIN, n, minutes)
        if stop % 60 == 0:
            for one in (self.stray, self.pool_stray, self.tail_stray):
                one.hour()
            self.peaks.close(self.peaks.top[:, 1] >= CALM)
        for stage in self.resets:
            rows = np.flatnonzero(self.stage_of == stage)
            self.usual.renew(rows, self.since[rows])
            self.since[rows] = 0.0
        self.resets = []

    def _strayed(self, learned: Floats) -> None:
        """Learn from scores (RING, routes, minutes) how far means of whole quarters of an hour stray."""
        quarters = learned.shape[2] // QUARTER
        parts = learned[:, :, : quarters * QUARTER].reshape(*learned.shape[:2], quarters, QUARTER).sum(axis=3)
        variance = self.usual.variance()[:, None]
        own = dict(zip(RING, parts, strict=True))
        pool = dict(zip(RING, self.pooled(parts), strict=True))
        weighted = np.zeros((len(self.stages), quarters))
        np.add.at(weighted, self.stage_of, own["n"] * variance)
        due = pool[DUE[0]]
        relative = np.where(due >= 1, (pool["over0"] - due) / np.maximum(due, 1e-9), np.nan)
        told = [(_means(own), variance / np.maximum(own["n"], 1.0))]
        told += [(_means(pool), weighted / np.maximum(pool["n"], 1.0) ** 2)]
        for quarter in range(quarters):
            for spread, (mean, sampling) in zip((self.stray, self.pool_stray), told, strict=True):
                spread.learn(mean[:, quarter], sampling[:, quarter], QUARTER)
            self.tail_stray.learn(relative[:, quarter], 1.0 / np.maximum(due[:, quarter], 1e-9), QUARTER)


def _means(sums: dict[str, Floats]) -> Floats:
    """Mean body scores, NaN where there are too few."""
    n = sums["n"]
    return np.where(n >= 8, sums["body"] / np.maximum(n, 1.0), np.nan)


def _grown(array: Floats, rows: int) -> Floats:
    if rows <= len(array):
        return array
    more = np.zeros((rows - len(array), *array.shape[1:]), dtype=array.dtype)
    return np.concatenate([array, more])
