"""A crawler follows old links: the back end answers 404 again and again."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, made, stream
from gatewatch.simulate.calls import Calls, answer, joined
from gatewatch.simulate.case import Case
from gatewatch.simulate.doors import visits
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.people import addresses, agent
from gatewatch.simulate.scenarios import Planted, Unfit, scenario


def _routes(api: Api) -> list[int]:
    return [
        place
        for place, route in enumerate(api.routes)
        if "{id}" in route.resource and route.method == "GET" and route.auth in ("none", "jwt", "lambda", "key")
    ]


@scenario(
    "dead_links",
    benign=True,
    minutes={"blatant": 40, "moderate": 60, "subtle": 90},
    fits=lambda api: bool(_routes(api)),
)
def dead_links(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """Many 404 from one address, of a route that exists: neither scanning for paths nor a refused credential."""
    case = Case("dead_links", world, api, level, start_ms, end_ms, rng)
    routes = [place for place in _routes(api) if not api.routes[place].monthly]
    if not routes:
        raise Unfit("no route with numbered things")
    route = int(rng.choice(routes))
    rate = max(api.rate_rps * 60 * case.by_level(1.0, 0.4, 0.15), 2.0)
    times = stream(case.start_ms, case.until_ms, rate, rng)
    address, bot = int(addresses("hosting", 1, rng)[0]), agent("Mozilla/5.0 (compatible; ScanBot")

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        at_ms, number = times.of(block, rng)
        links = visits(world, api, route, at_ms, address, -1, bot, rng)
        links.path[:] = 20_000 + number
        cached = links.cached.copy()
        answer(links, ~cached & (rng.random(len(links)) < 0.8), 404)
        return joined([calls, made(links)])

    return case.benign(
        edit, route=api.routes[route].key, why="The back end answers 404 to things long gone: broken links, no attack."
    )
