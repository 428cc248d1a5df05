"""The gateway itself takes longer; the back end is as fast as ever."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.case import Case, shows
from gatewatch.simulate.crowds import ordinary_routes
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.severity import calls_per_quarter, shift_for
from gatewatch.simulate.slowness import prolong, spread_of, typical_ms


@scenario(
    "slow_gateway",
    kind="latency_outlier",
    subtype="gateway",
    cause="gateway",
    minutes={"blatant": 45, "moderate": 90, "subtle": 240},
    fits=lambda api: shows(api, "responseLatency", "integration.latency"),
)
def slow_gateway(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """What is left of the latency without integration, authorizer and WAF grows by the same few dozen ms for all."""
    case = Case("slow_gateway", world, api, level, start_ms, end_ms, rng)
    routes = ordinary_routes(api)
    calls = calls_per_quarter(world, api, 1.0, case.start_ms, case.until_ms)
    shift = shift_for(calls, spread_of(api, routes), level, rng)
    extra_ms = typical_ms(api, routes) * (float(np.exp(shift)) - 1)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        every = np.ones(len(calls), dtype=np.bool_)
        prolong(calls, every, "gateway", extra_ms * rng.lognormal(0.0, 0.3, len(calls)))
        return calls

    return case.incident(
        edit,
        layer="gateway",
        accept_subtypes=("step",),
        accept_causes=("unknown",),
        tell=f"Latency rises by {extra_ms:.0f} ms on all routes, integration latency not at all.",
    )
