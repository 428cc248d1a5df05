"""A tool throws injections at the API, and the web ACL blocks them."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, made, stream
from gatewatch.simulate.calls import Calls, joined, refuse
from gatewatch.simulate.case import Case, shows_any
from gatewatch.simulate.crowds import ordinary_routes
from gatewatch.simulate.doors import visits
from gatewatch.simulate.model import Api, Ints, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.people import addresses, agent
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.severity import blocked, extra_counts


def has_waf(api: Api) -> bool:
    return api.waf and api.kind == "rest" and shows_any(api, "error.responseType", "waf.status")


@scenario(
    "waf_attack",
    kind="auth_failure_spike",
    subtype="waf_block_surge",
    cause="client",
    minutes={"blatant": 20, "moderate": 45, "subtle": 100},
    fits=has_waf,
)
def waf_attack(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """One to three servers go through all routes; nine of ten requests are blocked, the others answered with 400."""
    case = Case("waf_attack", world, api, level, start_ms, end_ms, rng)
    routes = np.array(ordinary_routes(api))
    least = case.by_level(2_000, 500, 150)
    rate = extra_counts(blocked(world, api, *case.minutes), 1.0, level, rng, least=least)
    attempts = stream(case.start_ms, case.until_ms, rate, rng, least=round(least))
    sources = addresses("hosting", int(rng.integers(1, 4)), rng)
    tool = agent("sqlmap")

    def throws(at_ms: Ints, number: Ints, rng: np.random.Generator) -> Calls:
        route = routes[number // 50 % len(routes)]
        calls = visits(world, api, route, at_ms, sources[number % len(sources)], number * 0 - 1, tool, rng)
        caught = rng.random(len(calls)) < 0.9
        refuse(api, calls, caught, Outcome.WAF_BLOCK, rng)
        refuse(api, calls, ~caught, Outcome.BAD_PARAMETERS, rng)
        return calls

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        return joined([calls, made(throws(*attempts.of(block, rng), rng))])

    some = np.arange(min(attempts.total, 300), dtype=np.int64)
    return case.incident(
        edit,
        culprits=case.shown(throws(np.full(len(some), case.start_ms), some, rng), agents=True),
        tell="The web ACL blocks hundreds of requests of one tool from one to three addresses.",
    )
