"""One night a customer's job goes through everything it has."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, made, stream
from gatewatch.simulate.calls import Calls, joined
from gatewatch.simulate.case import Case
from gatewatch.simulate.clients import show_clients
from gatewatch.simulate.crowds import one_user, ordinary_routes
from gatewatch.simulate.demand import local_ms
from gatewatch.simulate.doors import visits
from gatewatch.simulate.model import DAY_MS, HOUR_MS, Api, World
from gatewatch.simulate.people import agent
from gatewatch.simulate.scenarios import Planted, scenario


@scenario(
    "nightly_batch",
    benign=True,
    minutes={"blatant": 100, "moderate": 80, "subtle": 60},
    fits=lambda api: api.kind != "websocket" and api.audience != "devices",
)
def nightly_batch(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """Half to three times the day's mean rate from one address, between one and four at night local time."""
    wished = int(rng.uniform(1.0, 2.5) * HOUR_MS)
    clock = int(local_ms(api.timezone, np.array([start_ms]))[0]) % DAY_MS
    late_ms = (wished - clock) % DAY_MS
    case = Case("nightly_batch", world, api, level, start_ms + late_ms, end_ms + late_ms, rng)
    route, user = max(ordinary_routes(api), key=lambda place: api.routes[place].weight), one_user(api, rng)
    job = agent("nightly-export")
    times = stream(case.start_ms, case.until_ms, api.rate_rps * 60 * case.by_level(3.0, 1.5, 0.5), rng, least=40)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        at_ms, number = times.of(block, rng)
        batch = visits(world, api, route, at_ms, 0, user, job, rng)
        show_clients(world, api, batch, np.full(len(batch), user))
        batch.agent[:] = job
        batch.path[:] = 1 + number % 9_973
        return joined([calls, made(batch)])

    return case.benign(
        edit,
        route=api.routes[route].key,
        why="A batch at night is answered well and stays below every limit: more calls, nothing wrong.",
    )
