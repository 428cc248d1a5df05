"""One forgotten client keeps calling with a token that ran out, like clockwork."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, made
from gatewatch.simulate.calls import Calls, joined, refuse
from gatewatch.simulate.case import Case, shows_any
from gatewatch.simulate.clients import show_clients
from gatewatch.simulate.crowds import beats, one_user
from gatewatch.simulate.doors import visits
from gatewatch.simulate.model import Api, Ints, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.people import agent
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.severity import credential_refusals, extra_counts

_EXPIRED = {"jwt": Outcome.TOKEN_EXPIRED, "lambda": Outcome.TOKEN_EXPIRED, "iam": Outcome.IAM_EXPIRED}


def _routes(api: Api) -> list[int]:
    return [place for place, route in enumerate(api.routes) if route.auth in _EXPIRED and route.weight > 0]


def _fits(api: Api) -> bool:
    said = shows_any(api, "error.message", "authorizer.error")
    signed = shows_any(api, "error.responseType")
    return any(said or (signed and api.routes[place].auth == "iam") for place in _routes(api))


@scenario(
    "expired_token_loop",
    kind="auth_failure_spike",
    subtype="expired_token_loop",
    cause="client",
    minutes={"blatant": 60, "moderate": 120, "subtle": 300},
    fits=_fits,
)
def expired_token_loop(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """A program of one user polls one route at a fixed period and never renews its token."""
    case = Case("expired_token_loop", world, api, level, start_ms, end_ms, rng)
    route = int(rng.choice(_routes(api)))
    rate = extra_counts(
        credential_refusals(world, api, *case.minutes),
        api.dispersion,
        level,
        rng,
        least=case.by_level(900, 300, 90),
    )
    period_ms = max(60_000 / float(rate.mean()), 250.0)
    user, program = one_user(api, rng), agent(("node-fetch", "axios", "Java-http", "aws-sdk")[int(rng.integers(4))])

    def polls(at_ms: Ints, rng: np.random.Generator) -> Calls:
        calls = visits(world, api, route, at_ms, 0, user, program, rng)
        show_clients(world, api, calls, np.full(len(calls), user))
        calls.ip[:] = address
        calls.agent[:] = program
        refuse(api, calls, np.ones(len(calls), dtype=np.bool_), _EXPIRED[api.routes[route].auth], rng)
        return calls

    first = visits(world, api, route, np.array([case.start_ms]), 0, user, program, rng)
    show_clients(world, api, first, np.array([user]))
    address = int(first.ip[0])

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        at_ms, _ = beats(block, case.start_ms, period_ms, 60, case.salt)
        return joined([calls, made(polls(at_ms, rng))])

    return case.incident(
        edit,
        route=api.routes[route].key,
        culprits=case.shown(polls(np.array([case.start_ms]), rng)),
        tell=f"One address is refused for an expired token every {period_ms / 1000:.1f} s, to within a few hundredths.",
    )
