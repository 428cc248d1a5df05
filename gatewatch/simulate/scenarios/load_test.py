"""The team tries how much its API can take."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, made, stream
from gatewatch.simulate.calls import Calls, joined
from gatewatch.simulate.case import Case
from gatewatch.simulate.crowds import one_user, ordinary_routes
from gatewatch.simulate.doors import visits
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.people import addresses, agent
from gatewatch.simulate.scenarios import Planted, scenario


@scenario(
    "load_test",
    benign=True,
    minutes={"blatant": 20, "moderate": 30, "subtle": 30},
    fits=lambda api: api.kind != "websocket",
)
def load_test(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """Ten, four or once the mean rate from two servers in steps of rising load, all of it answered in time."""
    case = Case("load_test", world, api, level, start_ms, end_ms, rng)
    begin, end = case.minutes
    minutes = (end - begin) // 60_000
    steps = np.ceil(np.arange(1, minutes + 1) * 4 / minutes) / 4
    times = stream(case.start_ms, case.until_ms, api.rate_rps * 60 * case.by_level(10, 4, 1) * steps, rng, least=60)
    servers, tool, user = addresses("hosting", 2, rng), agent("Go-http"), one_user(api, rng)
    routes = ordinary_routes(api)
    weights = np.array([api.routes[place].weight for place in routes])

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        at_ms, number = times.of(block, rng)
        route = rng.choice(routes, len(at_ms), p=weights / weights.sum())
        test = visits(world, api, route, at_ms, servers[number % 2], user, tool, rng)
        if api.keys:
            test.key[:] = user % len(api.keys)
        return joined([calls, made(test)])

    return case.benign(edit, why="Load rises in even steps, from two addresses, and every call is answered well.")
