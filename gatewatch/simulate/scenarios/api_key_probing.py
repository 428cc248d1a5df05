"""Somebody goes through made-up API keys."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, made, stream
from gatewatch.simulate.calls import Calls, joined, refuse
from gatewatch.simulate.case import Case, shows_any
from gatewatch.simulate.doors import visits
from gatewatch.simulate.model import Api, Ints, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.people import addresses, agent
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.severity import credential_refusals, extra_counts


def _fits(api: Api) -> bool:
    return any(route.auth == "key" for route in api.routes) and shows_any(api, "error.responseType")


@scenario(
    "api_key_probing",
    kind="auth_failure_spike",
    subtype="api_key_probing",
    cause="client",
    minutes={"blatant": 25, "moderate": 60, "subtle": 150},
    fits=_fits,
)
def api_key_probing(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """One or two servers try keys that do not exist on one route; the key's id is unknown, so none is logged."""
    case = Case("api_key_probing", world, api, level, start_ms, end_ms, rng)
    route = max(
        (place for place, one in enumerate(api.routes) if one.auth == "key"), key=lambda place: api.routes[place].weight
    )
    least = case.by_level(900, 250, 70)
    base = credential_refusals(world, api, *case.minutes)
    attempts = stream(
        case.start_ms, case.until_ms, extra_counts(base, 1.0, level, rng, least=least), rng, least=round(least)
    )
    sources = addresses("hosting", int(rng.integers(1, 3)), rng)
    tool = agent("curl/")

    def guesses(at_ms: Ints, number: Ints, rng: np.random.Generator) -> Calls:
        calls = visits(world, api, route, at_ms, sources[number // 30 % len(sources)], number * 0 - 1, tool, rng)
        refuse(api, calls, np.ones(len(calls), dtype=np.bool_), Outcome.KEY_UNKNOWN, rng)
        return calls

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        return joined([calls, made(guesses(*attempts.of(block, rng), rng))])

    some = np.arange(attempts.total, dtype=np.int64)
    return case.incident(
        edit,
        route=api.routes[route].key,
        culprits=case.shown(guesses(np.full(len(some), case.start_ms), some, rng)),
        tell="INVALID_API_KEY without a key id, hundreds of times from one or two addresses that never had a key.",
    )
