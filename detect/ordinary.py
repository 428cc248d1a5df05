"""Calls made for their own sake, neither by monitors nor to what does not exist: whom a silence misses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from detect.consumers import Consumers, Seen
from detect.grid import Key
from detect.model import Block
from detect.sole import extremes
from gatewatch.frames import cause_column

_NOWHERE = ("(no route)", "(other)")
PROBING = "path_probing"

_MONITORS = re.compile(
    r"(?:^|[/_-])(?:health|healthz|healthcheck|ping|ready|readyz|readiness|live|livez|liveness|heartbeat)$"
)


class Ordinary:
    """Calls that somebody makes for their own sake, by stage and by route: neither monitors nor calls to nothing.

    good, bad: answers without and with a server error; beside (stages only): calls of monitors, and to nothing.
    hung (routes only): those of `bad` that were time-outs.
    causes: back-end errors and timeouts, configuration errors, authorizer failures.
    who (stages only): their callers, as in detect.sole. All (series, minutes).
    """

    def __init__(
        self,
        block: Block,
        consumers: Consumers,
        rows: Mapping[Key, int],
        followed: Callable[[list[tuple[int, Key]]], list[tuple[int, Key]]],
    ) -> None:
        grid, stages = block.route_grid, block.stage_grid
        self.seen = Seen(grid, consumers, block.minutes)
        theirs = sorted(zip(self.seen.first, self.seen.keys, strict=True), key=_by_first)
        known = [*zip(stages.first.tolist(), stages.keys, strict=True)]
        # A route that refused whoever came is not there: nobody is missed on it.
        answered = grid.counts("s1xx", "s2xx", "s3xx") > 0
        since = np.where(answered.any(axis=1), np.argmax(answered, axis=1), -1).tolist()
        known += [
            (max(first, 0), key)
            for first, key in zip(since, grid.keys, strict=True)
            if key[4] and _asked(key[4]) and (first >= 0 or key in rows)
        ]
        known += followed(theirs)
        # By first minute, then key: the order does not tell how the input was cut.
        known.sort(key=_by_first)
        self.keys: list[Key] = [key for _, key in known]
        self.first = np.array([first for first, _ in known], dtype=np.int64)
        place = {key: row for row, key in enumerate(self.keys)}
        shape = (len(self.keys), block.minutes)
        self.good, self.bad = np.zeros(shape), np.zeros(shape)
        self.causes, self.beside = np.zeros((*shape, 3)), np.zeros((*shape, 2))
        self.hung = np.zeros(shape)
        n, failed, timeouts = grid.counts("n"), grid.counts("s5xx"), grid.counts("c_backend_timeout")
        names = ("backend_error", "backend_timeout", "config_error", "authorizer_error", "authorizer_timeout")
        told = [grid.counts(*(f"c_{name}" for name in group)) for group in (names[:2], names[2:3], names[3:])]
        stage = np.array([place[key[:4]] for key in grid.keys], dtype=np.int64)
        own = np.array([place.get(key, -1) for key in grid.keys], dtype=np.int64)
        asked = np.array([_asked(key[4]) for key in grid.keys], dtype=bool)
        monitor = np.array([_monitor(key[4]) for key in grid.keys], dtype=bool)
        strays = grid.counts(cause_column(PROBING))
        well = np.maximum(n - failed - strays, 0.0)
        for slot, some in enumerate((~asked & monitor, ~asked & ~monitor)):
            np.add.at(self.beside[:, :, slot], stage[some], well[some])
        np.add.at(self.beside[:, :, 1], stage, strays)
        alone = asked & (own >= 0)
        self.hung[own[alone]] += np.minimum(timeouts, failed)[alone]
        for row, some in ((stage, asked), (own, alone)):
            np.add.at(self.good, row[some], well[some])
            np.add.at(self.bad, row[some], failed[some])
            for slot, part in enumerate(told):
                np.add.at(self.causes[:, :, slot], row[some], part[some])
        for key, there in zip(self.seen.keys, self.seen.there, strict=True):
            if key in place:
                self.good[place[key]] = there
        self.who = extremes(grid, np.where(asked, stage, -1), len(self.keys), block.minutes)
        closes = stages.closes()
        lines = {key: row for row, key in enumerate(stages.keys)}
        self.closes = closes[[lines[key[:4]] for key in self.keys]] if self.keys else closes


def _by_first(pair: tuple[int, Key]) -> tuple[int, tuple[str, ...]]:
    return pair[0], tuple(part or "" for part in pair[1])


def _monitor(route: str | None) -> bool:
    return route is not None and _MONITORS.search(route.rstrip("/").lower()) is not None


@lru_cache(maxsize=1 << 16)
def _asked(route: str | None) -> bool:
    """A route that is called for its own sake; None: the logs do not tell routes."""
    return route is None or (not _monitor(route) and not route.endswith(_NOWHERE))
