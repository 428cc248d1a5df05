"""Functions are started anew again and again: provisioned concurrency is gone, or a release made them heavy."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.case import Case
from gatewatch.simulate.crowds import ordinary_routes
from gatewatch.simulate.demand import per_minute
from gatewatch.simulate.inventory import function_name
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.severity import share_of_slow
from gatewatch.simulate.slowness import prolong, shows_latency, uncached_share
from gatewatch.simulate.trail import function_update

USUAL = 0.008


@scenario(
    "cold_starts",
    kind="latency_outlier",
    subtype="cold_start",
    cause="config_change",
    minutes={"blatant": 60, "moderate": 120, "subtle": 300},
    fits=shows_latency,
)
def cold_starts(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """A share of calls waits one and a half to five seconds for a start; traces show it as Initialization."""
    case = Case("cold_starts", world, api, level, start_ms, end_ms, rng)
    routes = ordinary_routes(api)
    calls = float(per_minute(world, api, *case.minutes).sum())
    share = share_of_slow(calls * uncached_share(api, routes), USUAL, level, rng, least=case.by_level(0.2, 0.09, 0.035))
    start_takes_ms = float(rng.uniform(1_500, 3_500))

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        hit = np.isin(calls.route, routes) & (rng.random(len(calls)) < share)
        prolong(calls, hit, "cold", start_takes_ms * rng.lognormal(0.0, 0.2, len(calls)))
        return calls

    function = function_name(api, api.routes[routes[0]])
    return case.incident(
        edit,
        layer="cold_start" if api.tracing else "integration",
        accept_subtypes=("tail_only", "bimodal"),
        accept_causes=("integration",),
        changes=[function_update(case, case.before_start(), function, memorySize=128, vpcConfig={"subnetIds": "s-1"})],
        tell=f"{share:.0%} of the calls take {start_takes_ms / 1000:.1f} s more, all in the start of the function.",
    )
