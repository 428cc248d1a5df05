"""A day on which people stay at home."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from gatewatch.simulate.case import Case
from gatewatch.simulate.demand import local_date, local_ms
from gatewatch.simulate.model import DAY_MS, HOUR_MS, Api, World
from gatewatch.simulate.scenarios import Planted, Unfit, scenario


@scenario("holiday", benign=True, fits=lambda api: abs(api.holiday - 1) >= 0.05, alone=False)
def holiday(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """The first holiday of the API's country after the start; the background already heeds it."""
    hours = np.arange(start_ms // HOUR_MS * HOUR_MS, world.end_ms, HOUR_MS, dtype=np.int64)
    days = local_ms(api.timezone, hours) // DAY_MS
    for day in np.unique(days).tolist():
        if local_date(day) in world.holidays.get(api.country, frozenset()):
            mine = hours[days == day]
            case = Case("holiday", world, api, level, int(mine[0]), int(mine[-1]) + HOUR_MS, rng)
            when = datetime.fromtimestamp(day * 86_400, UTC).date()
            return case.benign(None, why=f"A holiday in {api.country} ({when}): people call more or less than else.")
    raise Unfit("no holiday is left in this world")
