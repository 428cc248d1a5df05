"""Hundreds of addresses try forged tokens or passwords, so few each that none stands out."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, made, stream
from gatewatch.simulate.calls import Calls, joined, refuse
from gatewatch.simulate.case import Case, shows_any
from gatewatch.simulate.crowds import token_routes
from gatewatch.simulate.doors import visits
from gatewatch.simulate.model import Api, Ints, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.people import PEOPLE_AGENTS, addresses
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.severity import credential_refusals, extra_counts


def _fits(api: Api) -> bool:
    return bool(token_routes(api)) and shows_any(api, "error.responseType", "error.message", "authorizer.error")


@scenario(
    "distributed_guessing",
    kind="auth_failure_spike",
    subtype="distributed",
    cause="client",
    minutes={"blatant": 60, "moderate": 120, "subtle": 300},
    fits=_fits,
)
def distributed_guessing(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """Each address brings a token with a wrong signature once or twice; browsers are imitated. No names are known."""
    case = Case("distributed_guessing", world, api, level, start_ms, end_ms, rng)
    routes = token_routes(api)
    least = case.by_level(900, 300, 100)
    base = credential_refusals(world, api, *case.minutes)
    attempts = stream(
        case.start_ms,
        case.until_ms,
        extra_counts(base, api.dispersion, level, rng, least=least),
        rng,
        least=round(least),
    )
    pool = addresses("home", min(max(attempts.total // 2, 50), 3_000), rng)
    agents = np.array(PEOPLE_AGENTS)

    def guesses(at_ms: Ints, number: Ints, rng: np.random.Generator) -> Calls:
        place = number % len(pool)
        route = np.array(routes)[place % len(routes)]
        calls = visits(world, api, route, at_ms, pool[place], number * 0 - 1, agents[place % len(agents)], rng)
        refuse(api, calls, np.ones(len(calls), dtype=np.bool_), Outcome.TOKEN_SIGNATURE, rng)
        return calls

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        return joined([calls, made(guesses(*attempts.of(block, rng), rng))])

    every = np.arange(attempts.total, dtype=np.int64)
    return case.incident(
        edit,
        culprits=case.shown(guesses(np.full(len(every), case.start_ms), every, rng)),
        accept_subtypes=("credential_stuffing",),
        tell="Hundreds of addresses that were never seen before, each refused once or twice, and none ever answered.",
    )
