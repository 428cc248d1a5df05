"""Everybody has left but the monitors."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.case import Case
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.quiet import LEAVING_MINUTES, silent_case
from gatewatch.simulate.scenarios import Planted, scenario


@scenario(
    "only_health_checks",
    kind="dead_api",
    subtype="only_health_checks",
    cause="client",
    minutes={"blatant": 480, "moderate": 150, "subtle": 45},
    fits=lambda api: any(route.health for route in api.routes),
)
def only_health_checks(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """Clients were moved elsewhere; health checks keep the counts above zero, and scanners knock now and then."""
    span = silent_case(world, api, 1.0, level, start_ms, end_ms, rng, LEAVING_MINUTES)
    case = Case("only_health_checks", world, api, level, *span, rng)
    health = [place for place, route in enumerate(api.routes) if route.health]

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        return calls.take(np.isin(calls.route, health) | (calls.route < 0))

    return case.incident(
        edit,
        accept_subtypes=("live_outage", "no_longer_called", "dead"),
        accept_causes=("unknown", "gateway", "config_change", "integration"),
        tell="Three calls a minute of three monitors on the health route, like clockwork, and none of any client.",
    )
