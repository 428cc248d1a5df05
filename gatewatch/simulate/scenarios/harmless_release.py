"""A deployment after which nothing changes."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.case import Case
from gatewatch.simulate.inventory import function_name
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.trail import deployment, function_update, new_code, patched


@scenario("harmless_release", benign=True, minutes={"blatant": 30, "moderate": 30, "subtle": 30}, alone=False)
def harmless_release(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """New code, a deployment, a log level or more memory: what companies do several times a week."""
    case = Case("harmless_release", world, api, level, start_ms, end_ms, rng)
    function = function_name(api, api.routes[0])
    kind = int(rng.integers(3))
    changes = [
        [new_code(case, start_ms, function), deployment(case, start_ms + 5_000)],
        [patched(case, start_ms, "UpdateStage", {"/*/*/logging/loglevel": "ERROR"})],
        [function_update(case, start_ms, function, memorySize=1024)],
    ][kind]
    return case.benign(None, changes=changes, why="A change was made, and nothing came of it.")
