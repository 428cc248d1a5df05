"""A part of the calls now takes the slow way: a cold cache on one of several instances."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.case import Case
from gatewatch.simulate.crowds import ordinary_routes
from gatewatch.simulate.demand import per_minute
from gatewatch.simulate.inventory import function_name
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.scenarios import Planted, Unfit, scenario
from gatewatch.simulate.severity import wanted_nats
from gatewatch.simulate.slowness import shows_latency, stretch
from gatewatch.simulate.trail import new_code


@scenario(
    "latency_bimodal",
    kind="latency_outlier",
    subtype="bimodal",
    cause="integration",
    minutes={"blatant": 60, "moderate": 120, "subtle": 240},
    fits=shows_latency,
)
def latency_bimodal(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """One call in two, three or six (by level) takes four to six times as long; between both humps there is a gap."""
    case = Case("latency_bimodal", world, api, level, start_ms, end_ms, rng)
    routes = ordinary_routes(api)
    share = case.by_level(0.5, 0.33, 0.16)
    factor = float(rng.uniform(4.5, 6.5))
    calls = float(per_minute(world, api, *case.minutes).sum())
    if calls * share * np.log(1 / 0.1) < wanted_nats(level, rng):  # such a call is one of ten on ordinary days
        raise Unfit("too few calls to tell two humps")
    released = bool(rng.random() < 0.5)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        stretch(calls, np.isin(calls.route, routes) & (rng.random(len(calls)) < share), factor)
        return calls

    at_ms = case.before_start()
    return case.incident(
        edit,
        layer="integration",
        cause="config_change" if released else "integration",
        accept_causes=("integration", "unknown"),
        accept_subtypes=("step",) if share >= 0.5 else ("tail_only", "step"),
        changes=[new_code(case, at_ms, function_name(api, api.routes[routes[0]]))] if released else (),
        tell=f"Two humps: {1 - share:.0%} of the calls as fast as ever, the others about {factor:.0f} times as slow.",
    )
