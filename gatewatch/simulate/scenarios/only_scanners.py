"""Nobody calls any more but bots that look for holes."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, made, stream
from gatewatch.simulate.calls import Calls, joined
from gatewatch.simulate.case import Case
from gatewatch.simulate.doors import visits
from gatewatch.simulate.model import Api, Ints, World
from gatewatch.simulate.people import PROBES, addresses, agent
from gatewatch.simulate.quiet import LEAVING_MINUTES, silent_case
from gatewatch.simulate.scenarios import Planted, scenario


@scenario(
    "only_scanners",
    kind="dead_api",
    subtype="only_scanners",
    cause="client",
    minutes={"blatant": 600, "moderate": 240, "subtle": 90},
    fits=lambda api: api.kind != "websocket",
)
def only_scanners(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """Clients and monitors are gone; a probe from ever another address comes every few minutes."""
    span = silent_case(world, api, 1.0, level, start_ms, end_ms, rng, LEAVING_MINUTES)
    case = Case("only_scanners", world, api, level, *span, rng)
    knocks = stream(case.start_ms, case.until_ms, float(rng.uniform(0.2, 0.6)), rng, least=3)
    pool = addresses("hosting", 40, rng)
    tools = np.array([agent("zgrab"), agent("Mozilla/5.0 (compatible; ScanBot"), agent("Go-http")])

    def probe(at_ms: Ints, number: Ints, rng: np.random.Generator) -> Calls:
        place = number // 4 % len(pool)
        calls = visits(world, api, -1, at_ms, pool[place], number * 0 - 1, tools[place % len(tools)], rng)
        calls.path[:] = rng.integers(0, len(PROBES), len(calls))
        return calls

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        return joined([calls.take(calls.route < 0), made(probe(*knocks.of(block, rng), rng))])

    return case.incident(
        edit,
        accept_subtypes=("live_outage", "no_longer_called", "dead"),
        accept_causes=("unknown", "gateway", "config_change", "integration"),
        tell="Every request that still comes asks for a path that does not exist.",
    )
