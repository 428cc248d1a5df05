"""Choosing among an API's own clients, and rhythms that planted calls follow."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block
from gatewatch.simulate.clients import ZIPF
from gatewatch.simulate.model import Api, Floats, Ints, Mask
from gatewatch.simulate.people import mixed


def weights(api: Api) -> Floats:
    """Each user's share of the ordinary calls; they add up to 1."""
    found = np.arange(1, api.users + 1, dtype=np.float64) ** -ZIPF[api.audience]
    found /= found.sum()
    return found


def some_users(api: Api, share: float, rng: np.random.Generator) -> Ints:
    """Users at random who make about this share of the calls; at least one, and all for a share of 1 or more."""
    if share >= 1:
        return np.arange(api.users, dtype=np.int64)
    order = rng.permutation(api.users)
    mine = weights(api)[order]
    room = mine <= share * 1.3  # a single client must not be the whole share several times over
    order, mine = order[room], mine[room]
    if not len(order):
        return np.array([api.users - 1], dtype=np.int64)
    count = int(np.searchsorted(np.cumsum(mine), share)) + 1
    found: Ints = np.sort(order[:count].astype(np.int64))
    return found


def one_user(api: Api, rng: np.random.Generator) -> int:
    """A client of middling activity: neither the largest tenth nor the smallest half."""
    return int(rng.integers(api.users // 10, max(api.users // 2, api.users // 10 + 1)))


def on_routes(route: Ints, places: list[int]) -> Mask:
    """Which calls are of these routes of the API."""
    found: Mask = np.isin(route, places)
    return found


def beats(block: Block, start_ms: int, period_ms: float, jitter_ms: int, salt: int) -> tuple[Ints, Ints]:
    """(at_ms, number) of a machine's calls in the block: one each period from start_ms on, with a little jitter."""
    first = max(int((block.start_ms - start_ms - jitter_ms) / period_ms) - 1, 0)
    last = int((block.end_ms - start_ms) / period_ms) + 2
    number = np.arange(first, max(last, first), dtype=np.int64)
    at = start_ms + (number * period_ms).astype(np.int64) + mixed(salt, number) % max(jitter_ms, 1)
    inside = (at >= block.start_ms) & (at < block.end_ms)
    return at[inside], number[inside]


def token_routes(api: Api) -> list[int]:
    """Routes whose callers bring a token to the gateway's authorizer."""
    return [place for place, route in enumerate(api.routes) if route.auth in ("jwt", "lambda")]


def ordinary_routes(api: Api) -> list[int]:
    """Routes that clients call all the time: neither health checks nor nightly nor monthly jobs."""
    return [
        place
        for place, route in enumerate(api.routes)
        if route.weight > 0 and not (route.health or route.nightly or route.monthly)
    ]
