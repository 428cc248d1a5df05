"""Credentials that run out or are mistyped, and what clients do next."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.calls import Calls, answer, refuse
from gatewatch.simulate.clients import user_shares
from gatewatch.simulate.demand import per_minute
from gatewatch.simulate.model import MINUTE_MS, Api, Chunk, Floats, Ints, Mask, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.people import mixed, uniform

REACTIVE = 0.15
"""Share of clients that renew a token only when it is refused; the others do it before it runs out."""

MISTYPED = 0.06
"""Share of logins with a wrong password."""

TRIES_AGAIN = 0.85
"""Chance that a mistyped password is tried again, each time."""


def aftermath(world: World, chunk: Chunk, calls: Calls, rng: np.random.Generator) -> list[Calls]:
    """Refuse tokens that ran out and passwords that were mistyped, in place; returns the calls that follow from it."""
    return [*_expired(world, chunk, calls, rng), *_mistyped(chunk, calls, rng)]


def _expired(world: World, chunk: Chunk, calls: Calls, rng: np.random.Generator) -> list[Calls]:
    """First calls with a token that ran out are refused; a refresh (where there is such a route) and a retry follow."""
    api = chunk.api
    where = np.flatnonzero(_ran_out(world, chunk, calls))
    if not len(where):
        return []
    failed = np.zeros(len(calls), dtype=np.bool_)
    failed[where] = True
    retry = calls.take(where)
    retry.at_ms += 400 + rng.integers(0, 900, len(where))
    refuse(api, calls, failed, Outcome.TOKEN_EXPIRED, rng)
    parts = [retry]
    refreshing = [place for place, route in enumerate(api.routes) if "refresh" in route.resource]
    if refreshing:
        refresh = calls.take(where)
        refresh.at_ms += 60 + rng.integers(0, 200, len(where))
        refresh.route[:] = refreshing[0]
        refresh.principal[:] = -1
        refresh.outcome[:] = Outcome.ANSWERED
        refresh.status[:] = 200
        refresh.integration_status[:] = 200
        refresh.integration_ms[:] = np.maximum(rng.lognormal(np.log(45), 0.3, len(where)), 1)
        refresh.latency_ms[:] = refresh.integration_ms + 3
        refresh.authorizer_ms[:] = -1
        parts.append(refresh)
    return parts


def _ran_out(world: World, chunk: Chunk, calls: Calls) -> Mask:
    """The first call of a reactive client in a new life of its token, if it called in the life before.

    The lives of a user's tokens follow from the user alone. Whether a call was made before the chunk began is not
    known; it is decided by a hash, with the probability that the user's share of the demand gives.
    """
    api = chunk.api
    out = np.zeros(len(calls), dtype=np.bool_)
    tokens = np.array([route.auth in ("jwt", "lambda") for route in api.routes])
    could = tokens[calls.route] & (calls.route >= 0) & (calls.outcome == Outcome.ANSWERED)
    places = np.flatnonzero(could)
    places = places[uniform(world.seed, api.index, 41, calls.principal[places]) < REACTIVE]
    if not len(places):
        return out
    places = places[np.lexsort((calls.at_ms[places], calls.principal[places]))]
    user, at_ms = calls.principal[places], calls.at_ms[places]
    life_ms = api.token_minutes * MINUTE_MS
    phase = mixed(world.seed, api.index, 42, user) % life_ms
    life = (at_ms + phase) // life_ms
    born_ms = life * life_ms - phase
    known = np.zeros(len(user), dtype=np.bool_)  # is there an earlier call of the user in this chunk?
    known[1:] = user[1:] == user[:-1]
    first = ~known
    first[1:] |= life[1:] != life[:-1]
    followed = np.zeros(len(user), dtype=np.bool_)
    followed[1:] = known[1:] & (life[1:] == life[:-1] + 1)
    rate = _rates(world, chunk, user, share=len(np.flatnonzero(could)) / len(calls))
    before_ms = np.maximum(chunk.start_ms - born_ms, 0)
    unheard = uniform(world.seed, api.index, 43, user, life) < np.exp(-rate * before_ms)
    earlier_ms = np.clip(chunk.start_ms - (born_ms - life_ms), 0, life_ms)
    called = uniform(world.seed, api.index, 44, user, life) < 1 - np.exp(-rate * earlier_ms)
    out[places[first & (followed | (~known & unheard & called))]] = True
    return out


def _rates(world: World, chunk: Chunk, user: Ints, share: float) -> Floats:
    """Calls a ms with a token that each of these users is expected to make about the chunk's begin."""
    api = chunk.api
    now = float(per_minute(world, api, chunk.start_ms, chunk.start_ms + MINUTE_MS)[0])
    found: Floats = now / MINUTE_MS * share * user_shares(api)[user]
    return found


def _mistyped(chunk: Chunk, calls: Calls, rng: np.random.Generator) -> list[Calls]:
    """A wrong password is refused by the back end and mostly typed again: half of the second tries succeed."""
    api: Api = chunk.api
    login = np.array([route.auth == "login" for route in api.routes])
    could = login[calls.route] & (calls.route >= 0) & (calls.outcome == Outcome.ANSWERED) & (calls.status < 300)
    wrong = could & (rng.random(len(calls)) < MISTYPED)
    parts = []
    again = calls.take(np.flatnonzero(wrong))
    answer(calls, wrong, 401)
    for _ in range(3):
        again = again.take(rng.random(len(again)) < TRIES_AGAIN)
        if not len(again):
            break
        again.at_ms += 4_000 + rng.integers(0, 14_000, len(again))
        tried = again.take(np.arange(len(again)))
        fails = rng.random(len(again)) < 0.5
        answer(tried, fails, 401)
        parts.append(tried)
        again = again.take(fails)
    return parts
