"""A crowd comes at once (a sale, a broadcast) and goes again: more of everything, nothing wrong."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, made
from gatewatch.simulate.calls import Calls, joined
from gatewatch.simulate.case import Case
from gatewatch.simulate.model import MINUTE_MS, Api, World
from gatewatch.simulate.people import mixed, user_addresses
from gatewatch.simulate.scenarios import Planted, scenario

_RISE_MS = 3 * MINUTE_MS


@scenario(
    "flash_crowd",
    benign=True,
    minutes={"blatant": 45, "moderate": 60, "subtle": 90},
    fits=lambda api: api.audience == "people",
)
def flash_crowd(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """Traffic rises to several times its size within three minutes and decays exponentially until the end."""
    case = Case("flash_crowd", world, api, level, start_ms, end_ms, rng)
    times = case.by_level(8.0, 4.0, 2.0) * float(rng.uniform(0.8, 1.25))
    half_ms = (end_ms - start_ms) / 4

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        guests = calls.take(calls.route >= 0)
        since = guests.at_ms - start_ms
        factor = (times - 1) * np.minimum(since / _RISE_MS, 1.0) * np.exp2(-np.maximum(since - _RISE_MS, 0) / half_ms)
        crowd = guests.take(np.repeat(np.arange(len(guests)), rng.poisson(factor)))
        crowd.at_ms = np.clip(crowd.at_ms + rng.integers(-5_000, 5_000, len(crowd)), block.start_ms, block.end_ms - 1)
        newcomer = rng.integers(0, max(api.users, 50), len(crowd))
        crowd.principal[crowd.principal >= 0] = newcomer[crowd.principal >= 0]
        crowd.ip = user_addresses("home", mixed(newcomer, case.salt))
        crowd.path = rng.integers(0, 10_000, len(crowd))
        return joined([calls, made(crowd)])

    return case.benign(
        edit, why="More people call and are answered as always; shares of errors and latencies stay as they are."
    )
