"""After a release every route answers slower than before, and stays so."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.case import Case
from gatewatch.simulate.crowds import ordinary_routes
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.severity import calls_per_quarter, shift_for
from gatewatch.simulate.slowness import shows_latency, spread_of, stretch, uncached_share
from gatewatch.simulate.trail import release


@scenario(
    "latency_step",
    kind="latency_outlier",
    subtype="step",
    cause="config_change",
    minutes={"blatant": 45, "moderate": 90, "subtle": 240},
    fits=shows_latency,
)
def latency_step(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """Integrations take longer by one factor, from one moment on, for everybody."""
    case = Case("latency_step", world, api, level, start_ms, end_ms, rng)
    routes = ordinary_routes(api)
    calls = calls_per_quarter(world, api, uncached_share(api, routes), case.start_ms, case.until_ms)
    factor = float(np.exp(shift_for(calls, spread_of(api, routes), level, rng)))

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        stretch(calls, np.ones(len(calls), dtype=np.bool_), factor)
        return calls

    return case.incident(
        edit,
        layer="integration",
        accept_causes=("integration",),
        changes=release(case),
        tell=f"All quantiles of all routes rise by a factor of {factor:.1f} at once, within minutes of a release.",
    )
