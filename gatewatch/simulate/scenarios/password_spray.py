"""A few passwords are tried on many accounts, slowly, so that no account is ever locked."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, made, stream
from gatewatch.simulate.calls import Calls, joined
from gatewatch.simulate.case import Case
from gatewatch.simulate.doors import doors, has_named_door, tries
from gatewatch.simulate.model import Api, Ints, World
from gatewatch.simulate.people import STRANGER, addresses, agent
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.severity import extra_counts

PASSWORDS = 3
"""Tries for each name, hours apart: the whole list of names is gone through once for each password."""


@scenario(
    "password_spray",
    kind="auth_failure_spike",
    subtype="password_spray",
    cause="client",
    minutes={"blatant": 180, "moderate": 480, "subtle": 1080},
    fits=has_named_door,
)
def password_spray(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """One to three addresses go through a list of names, with one password after the other."""
    case = Case("password_spray", world, api, level, start_ms, end_ms, rng)
    door = doors(api)[0]
    least = case.by_level(1_200, 420, 150)
    rate = extra_counts(door.refusals(world, api, *case.minutes), api.dispersion, level, rng, least=least)
    attempts = stream(case.start_ms, case.until_ms, rate, rng, least=round(least))
    sources = addresses("hosting", int(rng.integers(1, 4)), rng)
    size = -(-attempts.total // PASSWORDS)
    first_name = STRANGER + int(rng.integers(1 << 24)) * 4_096
    tool = agent("python-requests")

    def guesses(at_ms: Ints, number: Ints, rng: np.random.Generator) -> Calls:
        source = sources[number // 25 % len(sources)]
        return tries(world, api, door, at_ms, source, first_name + number % size, np.full(len(number), tool), rng)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        return joined([calls, made(guesses(*attempts.of(block, rng), rng))])

    every = np.arange(attempts.total, dtype=np.int64)
    return case.incident(
        edit,
        route=api.routes[door.route].key,
        culprits=case.shown(guesses(np.full(len(every), case.start_ms), every, rng)),
        tell=f"The same few addresses try hundreds of names, none more than {PASSWORDS} times and those hours apart.",
    )
