"""Answers that take longer."""

from __future__ import annotations

import math

import numpy as np

from gatewatch.simulate.background import CACHE_HITS
from gatewatch.simulate.blocks import touched
from gatewatch.simulate.calls import Calls, slow
from gatewatch.simulate.case import shows_any
from gatewatch.simulate.crowds import ordinary_routes
from gatewatch.simulate.model import Api, Floats, Mask
from gatewatch.simulate.severity import log_spread

CACHED_MS = 5.0
"""What an answer from the stage's cache takes."""


def shows_latency(api: Api) -> bool:
    """Whether its lines tell how long answers take."""
    return shows_any(api, "responseLatency", "integration.latency")


def stretch(calls: Calls, where: Mask, factor: Floats | float) -> None:
    """Integrations of these calls take `factor` times as long (a number, or an element a call)."""
    could = where & (calls.integration_ms > 0)
    factors = np.broadcast_to(np.asarray(factor, dtype=np.float64), (len(calls),))[could]
    slow(calls, could, "integration", (factors - 1) * calls.integration_ms[could])
    touched(calls, could)


def prolong(calls: Calls, where: Mask, layer: str, extra_ms: Floats) -> None:
    """Add time (an element a call) to a layer of these calls; those in which it took no part are left alone."""
    could = where & reached(calls, layer)
    slow(calls, could, layer, extra_ms[could])
    touched(calls, could)


def reached(calls: Calls, layer: str) -> Mask:
    """Calls in which the layer worked; an authorizer's cached answers are no work of it."""
    found: Mask = {
        "gateway": calls.latency_ms >= 0,
        "waf": calls.waf_ms >= 0,
        "authorizer": calls.authorizer_ms > 0,
    }.get(layer, calls.integration_ms > 0)
    return found


def spread_of(api: Api, places: list[int]) -> float:
    """Spread of the log-latency on these routes, as their calls have it on average."""
    weight = sum(api.routes[place].weight for place in places)
    return sum(api.routes[place].weight * log_spread(api, api.routes[place]) for place in places) / weight


def typical_ms(api: Api, places: list[int]) -> float:
    """Geometric mean of the latencies of calls on these routes, those answered from the cache among them."""
    weight = sum(api.routes[place].weight for place in places)
    total = 0.0
    for place in places:
        route = api.routes[place]
        hits = CACHE_HITS if api.cache and route.cacheable else 0.0
        total += route.weight * (hits * math.log(CACHED_MS) + (1 - hits) * math.log(route.latency.median_ms))
    return math.exp(total / weight)


def uncached_share(api: Api, places: list[int]) -> float:
    """Share of the API's calls that reach an integration of these routes."""
    return sum(
        api.routes[place].weight * (1 - CACHE_HITS if api.cache and api.routes[place].cacheable else 1.0)
        for place in places
    )


def one_route(api: Api, rng: np.random.Generator, *, downstream: bool = False) -> int | None:
    """An ordinary route with a share of the calls that is neither tiny nor nearly all; None when there is none."""
    places = [
        place
        for place in ordinary_routes(api)
        if 0.03 <= api.routes[place].weight <= 0.7 and (api.routes[place].downstream is not None or not downstream)
    ]
    return int(rng.choice(places)) if places else None


def has_some_route(api: Api) -> bool:
    return shows_latency(api) and one_route(api, np.random.default_rng(0)) is not None
