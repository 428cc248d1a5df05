"""Nothing arrives any more: a broken name, certificate or network in front of the gateway."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.case import Case
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.quiet import silent_case
from gatewatch.simulate.scenarios import Planted, scenario


@scenario(
    "outage_silence",
    kind="dead_api",
    subtype="live_outage",
    cause="unknown",
    minutes={"blatant": 60, "moderate": 25, "subtle": 6},
)
def outage_silence(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """No call of any kind reaches the gateway, until so many ordinary ones are missing that the level is reached."""
    case = Case("outage_silence", world, api, level, *silent_case(world, api, 1.0, level, start_ms, end_ms, rng), rng)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        return calls.take(np.zeros(len(calls), dtype=np.bool_))

    return case.incident(
        edit,
        accept_causes=("gateway", "client", "integration"),
        tell="From one moment to the next no client at all calls, though this is not its quiet hour; others do.",
    )
