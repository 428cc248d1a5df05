"""Throttles of stages and routes: what they let through, and how the inventory shows them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gatewatch.simulate.calls import Calls, refuse
from gatewatch.simulate.demand import per_minute
from gatewatch.simulate.model import MINUTE_MS, Api, Floats, Mask, World
from gatewatch.simulate.outcomes import Outcome


def weekly_peak(world: World, api: Api) -> float:
    """The most ordinary calls expected in any minute of the world."""
    return float(per_minute(world, api, world.start_ms, world.end_ms).max())


def above(calls: Calls, limit: Floats | float, rng: np.random.Generator, subject: Mask | None = None) -> Mask:
    """Which calls a throttle of `limit` calls a minute refuses: the excess of each minute, hitting all alike.

    limit: one number, or an element for each minute from the first call's on. subject: calls that count and can be
    refused, default all that ask for a known route. The bucket's burst is small beside a minute and left out.
    """
    could = calls.route >= 0 if subject is None else subject
    found = np.zeros(len(calls), dtype=np.bool_)
    if not could.any():
        return found
    minute = calls.at_ms // MINUTE_MS
    minute = minute - minute.min()
    demand = np.bincount(minute[could], minlength=int(minute.max()) + 1)
    allowed = np.broadcast_to(np.asarray(limit, dtype=np.float64), demand.shape)
    over = 1 - allowed / np.maximum(demand, 1)
    found[could] = rng.random(int(could.sum())) < over[minute[could]]
    return found


def limit_for(share: float, mean: float, dispersion: float) -> float:
    """The limit a minute that refuses this share of a demand of this mean and over-dispersion."""
    spread = math.sqrt(max(dispersion, 1.0) * mean)
    low, high = 0.0, mean + 8 * spread
    for _ in range(50):
        limit = (low + high) / 2
        z = (limit - mean) / max(spread, 1e-9)
        excess = spread * (math.exp(-z * z / 2) / math.sqrt(2 * math.pi) - z * math.erfc(z / math.sqrt(2)) / 2)
        low, high = (limit, high) if excess > share * mean else (low, limit)
    return high


def throttle(api: Api, calls: Calls, where: Mask, rng: np.random.Generator) -> None:
    """These calls are refused with 429."""
    refuse(api, calls, where, Outcome.THROTTLED, rng)


def stage_limit(api: Api, per_second: float) -> Callable[[dict[str, Any]], None]:
    """An edit of the inventory: the stage's throttle is this many calls a second."""

    def edit(document: dict[str, Any]) -> None:
        kinds = {"rest": ("restApis", "id"), "http": ("httpApis", "ApiId"), "websocket": ("webSocketApis", "ApiId")}
        key, ident = kinds[api.kind]
        for one in document[key]:
            if one[ident] != api.id:
                continue
            for stage in one["stages" if api.kind == "rest" else "Stages"]:
                if api.kind == "rest":
                    stage["methodSettings"]["*/*"]["throttlingRateLimit"] = per_second
                    stage["methodSettings"]["*/*"]["throttlingBurstLimit"] = max(round(per_second * 2), 1)
                else:
                    stage["DefaultRouteSettings"]["ThrottlingRateLimit"] = per_second
                    stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] = max(round(per_second * 2), 1)

    return edit
