"""A crowd comes at once (a sale, a broadcast) and goes again: more of everything, nothing wrong."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.calls import Calls, joined
from gatewatch.simulate.labels import Benign, Scope
from gatewatch.simulate.model import MINUTE_MS, Api, Chunk, World
from gatewatch.simulate.people import mixed, user_addresses
from gatewatch.simulate.scenarios import Planted, scenario

_TIMES = {"blatant": 8.0, "moderate": 4.0, "subtle": 2.0}
_RISE_MS = 3 * MINUTE_MS


@scenario(
    "flash_crowd",
    benign=True,
    minutes={"blatant": 45, "moderate": 60, "subtle": 90},
    fits=lambda api: api.audience == "people",
)
def flash_crowd(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """Traffic rises to several times its size within three minutes and decays exponentially until the end."""
    times = _TIMES[level] * float(rng.uniform(0.8, 1.25))
    half_ms = (end_ms - start_ms) / 4
    salt = int(rng.integers(1 << 31))

    def apply(calls: Calls, chunk: Chunk, rng: np.random.Generator) -> Calls:
        more = calls.take(np.flatnonzero(calls.during(start_ms, end_ms)))
        since = more.at_ms - start_ms
        factor = (times - 1) * np.minimum(since / _RISE_MS, 1.0) * np.exp2(-np.maximum(since - _RISE_MS, 0) / half_ms)
        copies = rng.poisson(factor)
        crowd = more.take(np.repeat(np.arange(len(more)), copies))
        crowd.at_ms = np.clip(crowd.at_ms + rng.integers(-5_000, 5_000, len(crowd)), chunk.start_ms, chunk.end_ms - 1)
        newcomer = rng.integers(0, max(api.users, 50), len(crowd))
        crowd.principal[crowd.principal >= 0] = newcomer[crowd.principal >= 0]
        crowd.ip = user_addresses("home", mixed(newcomer, salt))
        crowd.path = rng.integers(0, 10_000, len(crowd))
        return joined([calls, crowd])

    end = None if end_ms >= world.end_ms else end_ms
    label = Benign(
        id=f"flash_crowd-{api.id}-{start_ms // MINUTE_MS}",
        scenario="flash_crowd",
        scope=Scope(api.id, api.stage),
        start_ms=start_ms,
        end_ms=end,
        why="More people call and are answered as always; shares of errors and latencies stay as they are.",
    )
    return Planted(label, apply, start_ms, end, frozenset({api.id}))
