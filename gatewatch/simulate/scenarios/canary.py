"""A new version gets a tenth of the calls and is a little slower."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.case import Case
from gatewatch.simulate.crowds import ordinary_routes
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.slowness import stretch
from gatewatch.simulate.trail import deployment, patched


@scenario(
    "canary",
    benign=True,
    minutes={"blatant": 90, "moderate": 120, "subtle": 180},
    fits=lambda api: api.kind == "rest",
)
def canary(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """5 to 12 % of the calls go to the canary deployment, which takes 10 to 30 % longer; then it is taken back."""
    case = Case("canary", world, api, level, start_ms, end_ms, rng)
    share, factor = case.by_level(0.12, 0.1, 0.05), case.by_level(1.3, 1.2, 1.1)
    routes = ordinary_routes(api)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        stretch(calls, np.isin(calls.route, routes) & (rng.random(len(calls)) < share), factor)
        return calls

    at_ms = case.before_start(5, 60)
    changes = [
        deployment(case, at_ms),
        patched(case, at_ms + 900, "UpdateStage", {"/canarySettings/percentTraffic": f"{100 * share:.1f}"}),
    ]
    if case.ended_ms is not None:
        changes.append(patched(case, case.ended_ms - 2_000, "UpdateStage", {"/canarySettings": "removed"}))
    return case.benign(
        edit,
        changes=changes,
        why=f"Only {share:.0%} of the calls, marked as canary, take {factor - 1:.0%} longer: a planned trial.",
    )
