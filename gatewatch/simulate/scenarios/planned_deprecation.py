"""Clients move from an old route to its successor, a few more every hour."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, touched
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.case import Case
from gatewatch.simulate.crowds import ordinary_routes
from gatewatch.simulate.model import DAY_MS, Api, World
from gatewatch.simulate.people import uniform
from gatewatch.simulate.scenarios import Planted, Unfit, scenario
from gatewatch.simulate.trail import patched

LONGEST_MS = 3 * DAY_MS


def _pair(api: Api) -> tuple[int, int] | None:
    """An ordinary route and a busier one with the same method and door, which takes its calls."""
    places = sorted(ordinary_routes(api), key=lambda place: api.routes[place].weight)
    for old in places:
        for new in reversed(places):
            one, other = api.routes[old], api.routes[new]
            if old != new and (one.method, one.auth) == (other.method, other.auth) and one.weight >= 0.02:
                return old, new
    return None


@scenario(
    "planned_deprecation",
    benign=True,
    minutes={"blatant": 1_440, "moderate": 2_160, "subtle": 2_880},
    fits=lambda api: _pair(api) is not None,
)
def planned_deprecation(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """Up to nine tenths of the users move by the world's end, which is never far; the others still call it."""
    found = _pair(api)
    if found is None or world.end_ms - start_ms > LONGEST_MS:
        raise Unfit("clients do not come back, so it must last to the end")
    case = Case("planned_deprecation", world, api, level, start_ms, world.end_ms, rng)
    old, new = found
    left = case.by_level(0.1, 0.3, 0.5)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        moved = (1 - left) * np.clip((calls.at_ms - start_ms) / (end_ms - start_ms), 0, 1)
        who = np.where(calls.principal >= 0, calls.principal, calls.ip)
        hit = (calls.route == old) & (uniform(case.salt, who) < moved)
        calls.route[hit] = new
        touched(calls, hit)
        return calls

    event, patches = ("UpdateMethod", {"/operationName": "deprecated"}) if api.kind == "rest" else (
        "UpdateRoute", {"operationName": "deprecated"})  # fmt: skip
    return case.benign(
        edit,
        route=api.routes[old].key,
        changes=[patched(case, case.before_start(600, 7_200), event, patches)],
        why="The old route's calls decline over days and turn up on its successor: planned, and not dead yet.",
    )
