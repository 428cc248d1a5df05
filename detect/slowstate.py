"""What detect.slowness knows of each route and stage: normal levels, the last hours' residuals, and how it learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from detect import codec
from detect.episodes import Episode
from detect.grid import Bools, Floats, Ints, Key
from detect.model import Block
from detect.policy import threshold_nats
from detect.stats.level import Level
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

    def align(self, block: Block) -> Frames:
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

    def learn(self, begin: int, stop: int) -> None:
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


def _grown(array: Floats, rows: int) -> Floats:
    if rows <= len(array):
        return array
    more = np.zeros((rows - len(array), array.shape[1]), dtype=array.dtype)
    return np.concatenate([array, more])
