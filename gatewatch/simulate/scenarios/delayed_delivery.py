"""Log lines come late: the delivery stream was stuck."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.case import Case
from gatewatch.simulate.model import MINUTE_MS, Api, World
from gatewatch.simulate.scenarios import Hold, Planted, Unfit, scenario


@scenario("delayed_delivery", benign=True, minutes={"blatant": 120, "moderate": 45, "subtle": 15})
def delayed_delivery(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """Nothing of the time is delivered before its end; then all of it comes at once."""
    case = Case("delayed_delivery", world, api, level, start_ms, end_ms, rng)
    if case.ended_ms is None:
        raise Unfit("what has not come at the end of the world has not come at all")
    until = case.ended_ms + int(rng.uniform(0.5, 3) * MINUTE_MS)
    return case.benign(
        None,
        holds=(Hold(api.id, case.start_ms, case.ended_ms, until),),
        why="Calls were made as always; only their lines came late, and all of them came.",
    )
