"""Stolen pairs are tried from many addresses, and some of them work: successes follow failures."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, made, stream
from gatewatch.simulate.calls import Calls, joined
from gatewatch.simulate.case import Case
from gatewatch.simulate.doors import doors, has_door, tries, visits
from gatewatch.simulate.model import Api, Ints, World
from gatewatch.simulate.people import STRANGER, addresses, agent, uniform
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.severity import extra_counts

TRIES_EACH = 3
FOLLOW_UP = 4
"""Calls that the thief makes with an account that opened, from the address that found it, within twenty seconds."""


@scenario(
    "account_takeover",
    kind="auth_failure_spike",
    subtype="account_takeover",
    cause="client",
    minutes={"blatant": 45, "moderate": 80, "subtle": 160},
    fits=has_door,
)
def account_takeover(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """As credential stuffing, but one pair in twelve to forty opens an account, which is then looked through."""
    case = Case("account_takeover", world, api, level, start_ms, end_ms, rng)
    door = doors(api)[0]
    share = case.by_level(1 / 12, 1 / 20, 1 / 40) * float(rng.uniform(0.9, 1.2))
    least = case.by_level(900, 300, 120)
    rate = extra_counts(door.refusals(world, api, *case.minutes), api.dispersion, level, rng, least=least)
    attempts = stream(case.start_ms, case.until_ms, rate, rng, least=round(least))
    pool = addresses("proxy", min(max(attempts.total // (2 * TRIES_EACH), 25), 900), rng)
    first_name = STRANGER + int(rng.integers(1 << 24)) * 4_096
    tools = np.array([agent("OpenBullet"), agent("python-requests")])

    def opens(number: Ints) -> Ints:
        # the third pair of an address, so that failures come before; number 2 always, so that there is one
        works = (uniform(case.salt, number) < share * TRIES_EACH) | (number == TRIES_EACH - 1)
        found: Ints = number[works & (number % TRIES_EACH == TRIES_EACH - 1)]
        return found

    def thieves(number: Ints) -> tuple[Ints, Ints, Ints]:
        return (
            pool[number // TRIES_EACH % len(pool)],
            first_name + number,
            tools[number // TRIES_EACH % len(tools)],
        )

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        at_ms, number = attempts.of(block, rng)
        good = np.isin(number, opens(number))
        bad = tries(world, api, door, at_ms[~good], *thieves(number[~good]), rng)
        opened = visits(world, api, door.route, at_ms[good], *thieves(number[good]), rng)
        again = np.repeat(number[good], FOLLOW_UP)
        later = np.repeat(at_ms[good], FOLLOW_UP) + rng.integers(2_000, 20_000, len(again))
        protected = [place for place, route in enumerate(api.routes) if route.auth in ("jwt", "lambda")]
        later = np.minimum(later, block.end_ms - 1)
        looked = visits(world, api, rng.choice(protected or [door.route], len(again)), later, *thieves(again), rng)
        return joined([calls, made(bad), made(opened), made(looked)])

    every = np.arange(attempts.total, dtype=np.int64)
    found = case.shown(tries(world, api, door, np.full(len(every), case.start_ms), *thieves(every), rng), network=True)
    return case.incident(
        edit,
        route=api.routes[door.route].key,
        culprits=found,
        accept_subtypes=("credential_stuffing",) if door.named else ("credential_stuffing", "distributed"),
        tell="Addresses that were refused for other names before get in with the next one, and look around at once.",
    )
