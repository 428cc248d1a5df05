"""What the function calls in turn has become slow."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.case import Case
from gatewatch.simulate.labels import Scope
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.scenarios import Planted, Unfit, scenario
from gatewatch.simulate.severity import calls_per_quarter, shift_for
from gatewatch.simulate.slowness import prolong, shows_latency, spread_of, typical_ms, uncached_share


def _fits(api: Api) -> bool:
    return shows_latency(api) and any(route.downstream for route in api.routes)


@scenario(
    "slow_downstream",
    kind="latency_outlier",
    subtype="downstream",
    cause="integration",
    minutes={"blatant": 45, "moderate": 90, "subtle": 240},
    fits=_fits,
)
def slow_downstream(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """A table or a foreign service answers later; all routes that use it wait, and traces name it."""
    case = Case("slow_downstream", world, api, level, start_ms, end_ms, rng)
    name = str(rng.choice(sorted({route.downstream for route in api.routes if route.downstream})))
    routes = [place for place, route in enumerate(api.routes) if route.downstream == name and route.weight > 0]
    weight = uncached_share(api, routes)
    if not routes:
        raise Unfit("nobody calls it")
    calls = calls_per_quarter(world, api, weight, case.start_ms, case.until_ms)
    shift = shift_for(calls, spread_of(api, routes), level, rng)
    extra_ms = typical_ms(api, routes) * (float(np.exp(shift)) - 1)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        hit = np.isin(calls.route, routes)
        prolong(calls, hit, "downstream", extra_ms * rng.lognormal(0.0, 0.35, len(calls)))
        return calls

    return case.incident(
        edit,
        scope=[Scope(api.id, api.stage, api.routes[place].key) for place in routes],
        layer="downstream" if api.tracing else "integration",
        accept_subtypes=("step", "one_route"),
        accept_causes=("unknown",),
        tell=f"The routes that use {name} take {extra_ms:.0f} ms more each, all of it waiting for {name}.",
    )
