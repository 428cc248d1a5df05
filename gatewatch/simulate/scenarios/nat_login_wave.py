"""Monday, nine o'clock: a whole campus logs in behind one address."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, made
from gatewatch.simulate.calls import Calls, answer, joined, refuse
from gatewatch.simulate.case import Case
from gatewatch.simulate.crowds import token_routes
from gatewatch.simulate.doors import visits
from gatewatch.simulate.model import Api, Ints, Mask, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.people import PEOPLE_AGENTS, addresses, mixed, uniform
from gatewatch.simulate.scenarios import Planted, scenario

MISTAKES = 0.15
"""Share of the people whose first try fails: a mistyped password, a token of last week."""

CALLS_EACH = 4
RETRY_MS = 6_000


def within(at_ms: Ints, block: Block) -> Mask:
    """Which of these times lie in the block."""
    found: Mask = (at_ms >= block.start_ms) & (at_ms < block.end_ms)
    return found


def _login(api: Api) -> int | None:
    return next((place for place, route in enumerate(api.routes) if route.auth == "login"), None)


@scenario(
    "nat_login_wave",
    benign=True,
    minutes={"blatant": 30, "moderate": 40, "subtle": 50},
    fits=lambda api: api.audience == "people" and bool(token_routes(api)) and api.users >= 40,
)
def nat_login_wave(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """Many people from one office address within half an hour; one in seven fails once and gets in within seconds."""
    case = Case("nat_login_wave", world, api, level, start_ms, end_ms, rng)
    size = round(min(case.by_level(0.5, 0.25, 0.1) * api.users, case.by_level(900, 400, 150)))
    people = np.sort(rng.choice(api.users, max(size, 15), replace=False)).astype(np.int64)
    arrive = np.sort(case.start_ms + (rng.beta(2, 3, len(people)) * (end_ms - start_ms - 60_000)).astype(np.int64))
    address = int(addresses("office", 1, rng)[0])
    fails = uniform(case.salt, people) < MISTAKES
    enter = arrive + np.where(fails, RETRY_MS, 0)
    nth = np.tile(np.arange(CALLS_EACH), len(people))
    workers = np.repeat(people, CALLS_EACH)
    work_at = np.repeat(enter, CALLS_EACH) + 800 + mixed(case.salt, workers, nth) % 40_000
    agents = np.array(PEOPLE_AGENTS)
    login, routes = _login(api), np.array(token_routes(api))
    shares = np.array([api.routes[place].weight for place in routes.tolist()])
    shares /= shares.sum()

    def come(at_ms: Ints, who: Ints, route: int | Ints, rng: np.random.Generator) -> Calls:
        return visits(world, api, route, at_ms, address, who, agents[who % len(agents)], rng)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        wrong = within(arrive, block) & fails
        first = come(arrive[wrong], people[wrong], login if login is not None else routes[0], rng)
        every = np.ones(len(first), dtype=np.bool_)
        if login is not None:
            answer(first, every, 401)
        else:
            refuse(api, first, every, Outcome.TOKEN_EXPIRED, rng)
        now = within(enter, block)
        entered = come(enter[now], people[now], login if login is not None else routes[0], rng)
        busy = within(work_at, block)
        work = come(work_at[busy], workers[busy], rng.choice(routes, int(busy.sum()), p=shares), rng)
        return joined([calls, made(first), made(entered), made(work)])

    return case.benign(
        edit,
        why="One address, but as many users as calls, each fails once at most and then gets in: an office logs in.",
    )
