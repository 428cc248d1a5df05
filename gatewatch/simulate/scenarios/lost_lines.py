"""The delivery stream is broken for a while, and its lines are lost for good."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.case import Case
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.scenarios import Hold, Planted, scenario


@scenario("lost_lines", benign=True, minutes={"blatant": 120, "moderate": 60, "subtle": 25})
def lost_lines(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """No line of the time ever comes; the Count metric shows that calls were made as always."""
    case = Case("lost_lines", world, api, level, start_ms, end_ms, rng)
    return case.benign(
        None,
        holds=(Hold(api.id, case.start_ms, case.until_ms, None),),
        why="The API was not dead: its Count metric goes on as ever, only the log lines were lost.",
    )
