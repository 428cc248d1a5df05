"""Requests for what does not exist: routes that never answered anybody.

Where a log's template tells no reason, a scanner's 403 looks like a refused credential, and on HTTP APIs it is a 404
like any other. What tells is the route: one that has not answered a single request since the logs begin is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd

from detect.grid import MINUTE_US, Floats, Key, codes_of, micros
from detect.model import Block
from gatewatch.frames import cause_column
from gatewatch.records import JSON

DOUBTFUL: tuple[str, ...] = ("unknown", "not_found", "missing_credential")
"""Causes (the last: where an authorizer guards whatever is asked for) that mean probing when the route is not there."""

PROBING = "path_probing"
_NAMES = ["account", "region", "api", "stage", "route"]
_NEVER = 1 << 60


@dataclass(frozen=True, slots=True)
class Told:
    """A block's refusals with the doubtful ones decided. clients: the block's, with reject causes replaced.

    more: count column -> what is to be added to it, (series of the stage grid, minutes). since: route -> first minute
    in which it answered.
    """

    clients: pd.DataFrame
    more: dict[str, Floats]
    since: dict[Key, int]

    def dump(self) -> JSON:
        return [[*key, minute] for key, minute in self.since.items()]


def decide(block: Block, known: JSON) -> Told:
    """known: what `Told.dump` gave for the minutes before."""
    since: dict[Key, int] = {}
    for stored in cast(list[list[JSON]], known or []):
        since[tuple(cast(list[str | None], stored[:-1]))] = cast(int, stored[-1])
    grid = block.route_grid
    answered = grid.counts("s1xx", "s2xx", "s3xx") > 0
    for row in np.flatnonzero(answered.any(axis=1)).tolist():
        since.setdefault(grid.keys[row], block.first + int(np.argmax(answered[row])))
    begin = np.array([since.get(key, _NEVER) for key in grid.keys], dtype=np.int64) - block.first
    before = np.arange(block.minutes) < begin[:, None]
    stages = {key: row for row, key in enumerate(block.stage_grid.keys)}
    owner = np.array([stages[key[:4]] for key in grid.keys], dtype=np.int64)
    more = {cause_column(PROBING): np.zeros((len(stages), block.minutes))}
    for cause in DOUBTFUL:
        part = np.where(before, grid.counts(cause_column(cause)), 0.0)
        moved = np.zeros((len(stages), block.minutes))
        np.add.at(moved, owner, part)
        more[cause_column(cause)] = -moved
        more[cause_column(PROBING)] += moved
    return Told(_told(block, since), more, since)


def _told(block: Block, since: dict[Key, int]) -> pd.DataFrame:
    clients = block.clients
    doubtful = clients["reject_cause"].isin(DOUBTFUL).to_numpy()
    if not doubtful.any():
        return clients
    some = clients[doubtful]
    codes, keys = codes_of(some, _NAMES)
    begin = np.array([since.get(key, _NEVER) for key in keys], dtype=np.int64)[codes]
    spot = np.flatnonzero(doubtful)[micros(some["minute"]) // MINUTE_US < begin]
    if not len(spot):
        return clients
    causes = clients["reject_cause"].to_numpy(dtype=object, copy=True)
    causes[spot] = PROBING
    return clients.assign(reject_cause=causes)
