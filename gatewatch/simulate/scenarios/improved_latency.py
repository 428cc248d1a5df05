"""A release makes everything faster."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.case import Case
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.slowness import shows_latency, stretch
from gatewatch.simulate.trail import release


@scenario(
    "improved_latency",
    benign=True,
    minutes={"blatant": 240, "moderate": 360, "subtle": 480},
    fits=shows_latency,
)
def improved_latency(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """Integrations take a third, a half or three quarters of their time, until the release is rolled back."""
    case = Case("improved_latency", world, api, level, start_ms, end_ms, rng)
    factor = case.by_level(0.33, 0.5, 0.75)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        stretch(calls, np.ones(len(calls), dtype=np.bool_), factor)
        return calls

    return case.benign(edit, changes=release(case), why=f"Everything takes only {factor:.0%} of its time: good news.")
