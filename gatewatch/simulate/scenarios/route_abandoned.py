"""One route is called no more, while the rest of the API goes on as before."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.case import Case
from gatewatch.simulate.crowds import ordinary_routes
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.quiet import LEAVING_MINUTES, silent_case
from gatewatch.simulate.scenarios import Planted, scenario


def _fits(api: Api) -> bool:
    return len(ordinary_routes(api)) >= 3 and api.kind != "websocket"


@scenario(
    "route_abandoned",
    kind="dead_api",
    subtype="no_longer_called",
    cause="client",
    minutes={"blatant": 600, "moderate": 240, "subtle": 60},
    fits=_fits,
)
def route_abandoned(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """A release of the clients dropped the call; its share of the calls was small or middling."""
    rare = sorted(ordinary_routes(api), key=lambda place: api.routes[place].weight)[:-1]
    place = rare[-1] if level == "blatant" else rare[len(rare) // 2] if level == "moderate" else rare[0]
    share = api.routes[place].weight
    span = silent_case(world, api, share, level, start_ms, end_ms, rng, LEAVING_MINUTES)
    case = Case("route_abandoned", world, api, level, *span, rng)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        return calls.take(calls.route != place)

    return case.incident(
        edit,
        route=api.routes[place].key,
        accept_subtypes=("live_outage", "dead"),
        accept_causes=("unknown", "config_change", "gateway", "integration"),
        tell="The route's calls stop at once and for everybody, while those of the other routes go on.",
    )
