"""Where strangers try credentials: a login route of the back end, or the gateway's authorizer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewatch.simulate.background import fill
from gatewatch.simulate.calls import Calls, answer, refuse
from gatewatch.simulate.case import shows_any
from gatewatch.simulate.model import Api, Floats, Ints, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.people import mixed
from gatewatch.simulate.severity import credential_refusals, refused_logins

_GATEWAY_SAYS = ("error.responseType", "error.message", "authorizer.status", "authorizer.error")


@dataclass(frozen=True, slots=True)
class Door:
    """A route where credentials are tried. login: the back end checks them (401 of its own); else the authorizer does.

    named: whether log lines show who was refused; only an authorizer that denies by policy tells the gateway a name.
    """

    route: int
    login: bool
    named: bool

    def refusals(self, world: World, api: Api, start_ms: int, end_ms: int) -> Floats:
        """Expected ordinary refusals of the same kind, for each minute."""
        return (refused_logins if self.login else credential_refusals)(world, api, start_ms, end_ms)


def doors(api: Api) -> list[Door]:
    """The doors of an API whose refusals its log lines can show, those with names first."""
    found = []
    for place, route in enumerate(api.routes):
        if route.auth == "lambda" and api.kind != "http" and shows_any(api, *_GATEWAY_SAYS):
            found.append(Door(place, False, shows_any(api, "authorizer.principalId")))
        elif route.auth == "login" and shows_any(api, "integration.status"):
            found.append(Door(place, True, False))
    return sorted(found, key=lambda door: (not door.named, -api.routes[door.route].weight))


def has_door(api: Api) -> bool:
    return bool(doors(api))


def has_named_door(api: Api) -> bool:
    return any(door.named for door in doors(api))


def tries(
    world: World, api: Api, door: Door, at_ms: Ints, ip: Ints, principal: Ints, agent: Ints, rng: np.random.Generator
) -> Calls:
    """Calls with these credentials at the door, all of them refused."""
    calls = visits(world, api, door.route, at_ms, ip, principal, agent, rng)
    every = np.ones(len(calls), dtype=np.bool_)
    if door.login:
        answer(calls, every, 401)
    else:
        refuse(api, calls, every, Outcome.AUTHORIZER_DENY, rng)
    return calls


def visits(
    world: World, api: Api, route: int | Ints, at_ms: Ints, ip: Ints | int, principal: Ints | int, agent: Ints | int,
    rng: np.random.Generator,
) -> Calls:  # fmt: skip
    """Calls of routes by these callers, answered as on an ordinary day without mistakes."""
    calls = Calls.blank(at_ms)
    calls.route[:] = route
    calls.ip[:] = ip
    calls.principal[:] = principal
    calls.agent[:] = agent
    calls.path[:] = rng.integers(1, 9_974, len(calls))
    if api.kind == "websocket":
        calls.connection[:] = mixed(calls.ip, calls.at_ms)
    fill(world, api, calls, rng, refused_too=False)
    return calls
