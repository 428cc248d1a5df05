"""Which declared API keys called in each minute: a customer who leaves shows in no sum, but in who called.

MINUTES keep up to 64 hashes of the callers of a minute and route. The key ids of the inventory are hashed the same way;
a key is there in a minute when one of the routes has its hash. Where a route had more callers than it keeps, and those
kept all lie below the hash, nobody can tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detect.grid import Bools, Floats, Grid, Ints, Key
from gatewatch.frames.callers import key_hashes

MARK = "\x1fkey:"
"""Begins the last part of the name of a key's series, where a route's has its route."""

MOST_KEYS = 100
"""Keys of one stage that are followed: those that were seen first."""


@dataclass(frozen=True, slots=True)
class Consumers:
    """The API keys that the inventory declares: id -> hash and name."""

    hashes: Mapping[str, int] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


def consumers_of(inventory: Mapping[str, Any] | None) -> Consumers:
    listed = (inventory or {}).get("apiKeys")
    names: dict[str, str] = {}
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict) and isinstance(one.get("id"), str) and one["id"]:
            name = one.get("name")
            names.setdefault(one["id"], name if isinstance(name, str) else "")
    ids = sorted(names)
    return Consumers(dict(zip(ids, key_hashes(ids), strict=True)), names)


def is_key(key: Key) -> bool:
    """Is this the series of an API key?"""
    return len(key) == 5 and (key[4] or "").startswith(MARK)


def key_id(key: Key) -> str:
    return (key[4] or "").removeprefix(MARK)


class Seen:
    """keys: series of API keys that called in the block, first: their first minute in it, there: (series, minutes).

    limits: of each stage and minute, the hash beyond which nobody can tell who was there.
    """

    def __init__(self, grid: Grid, consumers: Consumers, minutes: int) -> None:
        self.keys: list[Key] = []
        self.first: list[int] = []
        self.there: Bools = np.zeros((0, minutes), dtype=bool)
        self.limits: dict[Key, Floats] = {}
        self._hashes = consumers.hashes
        if not self._hashes or not grid.keys:
            return
        ids, hashes = list(self._hashes), np.array(list(self._hashes.values()), dtype=np.int64)
        cell, caller, full, largest = grid.callers()
        stages = sorted({key[:4] for key in grid.keys}, key=lambda key: tuple(part or "" for part in key))
        place = {key: number for number, key in enumerate(stages)}
        stage_of = np.array([place[key[:4]] for key in grid.keys], dtype=np.int64)
        self._limit(stages, stage_of[full // minutes], full % minutes, largest, minutes)
        order = np.argsort(hashes, kind="stable")
        spot = np.minimum(np.searchsorted(hashes[order], caller), len(hashes) - 1)
        mine = hashes[order][spot] == caller
        which, cell = order[spot[mine]], cell[mine]
        series = stage_of[cell // minutes] * len(ids) + which
        found, row = np.unique(series, return_inverse=True)
        there = np.zeros((len(found), minutes), dtype=bool)
        there[row, cell % minutes] = True
        self.there = there
        self.first = np.argmax(there, axis=1).tolist()
        self.keys = [(*stages[one // len(ids)], MARK + ids[one % len(ids)]) for one in found.tolist()]

    def _limit(self, stages: list[Key], stage: Ints, minute: Ints, largest: Ints, minutes: int) -> None:
        limits = np.full((len(stages), minutes), np.inf)
        np.minimum.at(limits, (stage, minute), largest.astype(np.float64))
        self.limits = dict(zip(stages, limits, strict=True))

    def known(self, key: Key, minutes: int) -> Bools:
        """In which minutes it can be told whether a key called: (minutes,). Never for one that is declared no more."""
        value = self._hashes.get(key_id(key))
        if value is None:
            return np.zeros(minutes, dtype=bool)
        limits = self.limits.get(key[:4])
        return np.ones(minutes, dtype=bool) if limits is None else np.asarray(limits >= value)
