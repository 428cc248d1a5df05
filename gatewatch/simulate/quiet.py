"""How long calls must stay away until that says something."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from gatewatch.simulate.model import MINUTE_MS, Api, World
from gatewatch.simulate.scenarios import Unfit
from gatewatch.simulate.severity import silence_ms, silent_since, wanted_nats

OUTAGE_MINUTES: Mapping[str, int] = MappingProxyType({"blatant": 45, "moderate": 15, "subtle": 4})
"""Shortest silence by mishap."""

LEAVING_MINUTES: Mapping[str, int] = MappingProxyType({"blatant": 300, "moderate": 120, "subtle": 40})
"""Shortest silence of clients that went elsewhere."""


def silent_case(
    world: World,
    api: Api,
    share: float,
    level: str,
    start_ms: int,
    end_ms: int,
    rng: np.random.Generator,
    shortest: Mapping[str, int] = OUTAGE_MINUTES,
) -> tuple[int, int]:
    """[start, end) of a silence of this share of the API's calls: as long as asked for, or as its level needs.

    What goes on at the world's end begins as early as needed; Unfit when it would have to end after it.
    """
    nats = wanted_nats(level, rng)
    if end_ms >= world.end_ms:
        return min(start_ms, silent_since(world, api, share, nats)), end_ms
    needed = silence_ms(world, api, share, start_ms, nats)
    if needed is None:
        raise Unfit("the world ends before the silence can be told from a quiet hour")
    asked = end_ms - start_ms if level == "blatant" else 0
    return start_ms, start_ms + max(needed, asked, shortest[level] * MINUTE_MS)
