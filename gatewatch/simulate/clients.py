"""Who makes the ordinary calls: Zipf-like users, each with its own network, address, agent and name."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from gatewatch.simulate.calls import Calls
from gatewatch.simulate.model import DAY_MS, HOUR_MS, Api, Floats, Ints, World
from gatewatch.simulate.people import (
    DEVICE_AGENTS,
    PARTNER_AGENTS,
    PEOPLE_AGENTS,
    SERVICE_AGENTS,
    V6,
    mixed,
    uniform,
    user_addresses,
)

ZIPF = {"people": 0.75, "partners": 1.1, "services": 0.9, "devices": 0.0}
"""Exponent of the share of the n-th most active client: n ** -exponent."""

HOME, MOBILE, OFFICE, SIX = 0.52, 0.27, 0.16, 0.05
"""Shares of people by network; the last are on IPv6."""

OFFICE_PEOPLE = 40
"""How many of an API's users share an office's address."""

CARRIER_ADDRESSES = 2_048
"""Exit addresses that a carrier hands to its mobile users in turn."""


def put_clients(world: World, api: Api, calls: Calls, rng: np.random.Generator) -> None:
    """Choose a user for each call and write down what shows of it."""
    user = np.searchsorted(_cumulative(api.users, ZIPF[api.audience]), rng.random(len(calls)), side="right")
    show_clients(world, api, calls, np.minimum(user, api.users - 1))


def show_clients(world: World, api: Api, calls: Calls, user: Ints) -> None:
    """Address, agent, name and key of these users (an element a call) at the time of the call."""
    user = user.astype(np.int64)
    calls.ip = ips_of(world, api, user, calls.at_ms)
    kinds = {"people": PEOPLE_AGENTS, "partners": PARTNER_AGENTS, "devices": DEVICE_AGENTS}
    agents = np.array(kinds.get(api.audience, SERVICE_AGENTS))
    calls.agent[:] = agents[mixed(world.seed, api.index, 21, user) % len(agents)]
    # On WebSocket APIs the authorizer runs at $connect; what it said stays with the connection.
    everywhere = api.kind == "websocket" and api.authorizer is not None
    named = np.array([everywhere or route.auth in ("jwt", "lambda", "iam", "login") for route in api.routes])[
        calls.route
    ]
    calls.principal = np.where(named & (calls.route >= 0), user, -1)
    if api.keys:
        calls.key[:] = user % len(api.keys)
    if api.kind == "websocket":
        length = HOUR_MS // 2 + mixed(world.seed, api.index, 22, user) % HOUR_MS
        calls.connection = mixed(world.seed, api.index, user, calls.at_ms // length)


def ips_of(world: World, api: Api, user: Ints, at_ms: Ints) -> Ints:
    """The address from which each of these users calls at that time."""
    seed, index = world.seed, api.index
    if api.audience in ("partners", "services"):
        own = mixed(seed, index, user, mixed(seed, index, user, at_ms) % (1 + user % 3))
        return user_addresses("hosting", own)
    if api.audience == "devices":
        return user_addresses("home", mixed(seed, index, user))
    kind = uniform(seed, index, 23, user)
    daily = np.where(uniform(seed, index, 24, user) < 0.3, at_ms // DAY_MS, 0)
    home = user_addresses("home", mixed(seed, index, user, daily))
    dwell = HOUR_MS + mixed(seed, index, 25, user) % (3 * HOUR_MS)
    carrier = mixed(seed, index, user, at_ms // dwell) % CARRIER_ADDRESSES
    mobile = user_addresses("mobile", carrier * 17)
    office = user_addresses("office", mixed(seed, index, 26, user // OFFICE_PEOPLE))
    six = V6 + mixed(seed, index, 27, user) % V6
    found: Ints = np.select(
        [kind < HOME, kind < HOME + MOBILE, kind < HOME + MOBILE + OFFICE], [home, mobile, office], six
    )
    return found


def user_shares(api: Api) -> Floats:
    """The share of the API's calls that each user makes."""
    return np.diff(_cumulative(api.users, ZIPF[api.audience]), prepend=0.0)


@lru_cache(maxsize=64)
def _cumulative(users: int, exponent: float) -> Floats:
    weights = np.arange(1, users + 1, dtype=np.float64) ** -exponent
    found: Floats = np.cumsum(weights) / weights.sum()
    return found
