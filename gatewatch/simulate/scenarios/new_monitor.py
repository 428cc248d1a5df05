"""Another monitor is pointed at the health route, every few seconds."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, made
from gatewatch.simulate.calls import Calls, joined
from gatewatch.simulate.case import Case
from gatewatch.simulate.crowds import beats
from gatewatch.simulate.doors import visits
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.people import addresses, agent
from gatewatch.simulate.scenarios import Planted, scenario


@scenario(
    "new_monitor",
    benign=True,
    minutes={"blatant": 600, "moderate": 480, "subtle": 360},
    fits=lambda api: any(route.health for route in api.routes),
)
def new_monitor(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """Like clockwork and from one address, as an attack might be, but every call is answered."""
    case = Case("new_monitor", world, api, level, start_ms, end_ms, rng)
    route = next(place for place, one in enumerate(api.routes) if one.health)
    address, probe = int(addresses("hosting", 1, rng)[0]), agent("ELB-HealthChecker")
    period_ms = case.by_level(2_000, 5_000, 15_000)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        at_ms, _ = beats(block, case.start_ms, period_ms, 40, case.salt)
        return joined([calls, made(visits(world, api, route, at_ms, address, -1, probe, rng))])

    return case.benign(
        edit,
        route=api.routes[route].key,
        why="A machine asks for nothing but the health route and is always answered: monitoring.",
    )
