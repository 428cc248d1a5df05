"""The API's users change between summer and winter time."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.case import Case
from gatewatch.simulate.demand import local_ms
from gatewatch.simulate.model import DAY_MS, HOUR_MS, Api, World
from gatewatch.simulate.scenarios import Planted, Unfit, scenario


@scenario("clock_change", benign=True, alone=False)
def clock_change(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """The first one after the start; the background already heeds it. The label spans the day after it."""
    hours = np.arange(start_ms // HOUR_MS * HOUR_MS, world.end_ms, HOUR_MS, dtype=np.int64)
    jumps = np.flatnonzero(np.diff(local_ms(api.timezone, hours) - hours))
    if not len(jumps):
        raise Unfit("no clock changes in this world")
    at_ms = int(hours[jumps[0] + 1])
    case = Case("clock_change", world, api, level, at_ms, at_ms + DAY_MS, rng)
    return case.benign(None, why="Clocks changed: the day's shape comes an hour earlier or later from now on.")
