"""One route answers slower, the others as before."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.case import Case
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.scenarios import Planted, Unfit, scenario
from gatewatch.simulate.severity import calls_per_quarter, log_spread, shift_for
from gatewatch.simulate.slowness import has_some_route, one_route, stretch, uncached_share
from gatewatch.simulate.trail import release


@scenario(
    "latency_one_route",
    kind="latency_outlier",
    subtype="one_route",
    cause="integration",
    minutes={"blatant": 45, "moderate": 100, "subtle": 300},
    fits=has_some_route,
)
def latency_one_route(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """The integration of one route takes longer by one factor; half of the time a release of it came before."""
    case = Case("latency_one_route", world, api, level, start_ms, end_ms, rng)
    place = one_route(api, rng)
    if place is None:
        raise Unfit("no route of middling size")
    route = api.routes[place]
    calls = calls_per_quarter(world, api, uncached_share(api, [place]), case.start_ms, case.until_ms)
    factor = float(np.exp(shift_for(calls, log_spread(api, route), level, rng)))
    released = bool(rng.random() < 0.5)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        stretch(calls, calls.route == place, factor)
        return calls

    return case.incident(
        edit,
        route=route.key,
        layer="integration",
        cause="config_change" if released else "integration",
        accept_causes=("integration", "unknown"),
        accept_subtypes=("step",),
        changes=release(case, route) if released else (),
        tell=f"Only this route slows down, by a factor of {factor:.1f} at all quantiles, and its integration with it.",
    )
