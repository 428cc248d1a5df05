"""Answers take a little longer every hour: a leak, a growing table."""

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


@scenario(
    "latency_creep",
    kind="latency_outlier",
    subtype="creep",
    cause="integration",
    minutes={"blatant": 360, "moderate": 720, "subtle": 1440},
    fits=shows_latency,
)
def latency_creep(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """The logarithm of all integrations grows in a straight line until somebody restarts the back end."""
    case = Case("latency_creep", world, api, level, start_ms, end_ms, rng)
    routes = ordinary_routes(api)
    calls = calls_per_quarter(world, api, uncached_share(api, routes), case.start_ms, case.until_ms)
    form = np.linspace(0, 1, len(calls)) * (case.until_ms - start_ms) / (end_ms - start_ms)
    shift = shift_for(calls, spread_of(api, routes), level, rng, form=form)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        grown = (calls.at_ms - start_ms) / (end_ms - start_ms)
        stretch(calls, np.ones(len(calls), dtype=np.bool_), np.exp(shift * grown))
        return calls

    return case.incident(
        edit,
        layer="integration",
        accept_subtypes=("step",),
        accept_causes=("unknown",),
        tell=f"No jump anywhere, but every hour is slower than the one before, up to {np.exp(shift):.1f} times.",
    )
