"""A route that is called on the first of the month only, and is silent otherwise."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.case import Case
from gatewatch.simulate.model import DAY_MS, Api, World
from gatewatch.simulate.scenarios import Planted, scenario


@scenario("monthly_job", benign=True, fits=lambda api: any(route.monthly for route in api.routes), alone=False)
def monthly_job(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """It is so in every world; the label spans two days of silence or more."""
    case = Case("monthly_job", world, api, level, start_ms, start_ms + 2 * DAY_MS, rng)
    route = next(one for one in api.routes if one.monthly)
    return case.benign(
        None, route=route.key, why="The route belongs to a monthly job: that nobody calls it for weeks is as usual."
    )
