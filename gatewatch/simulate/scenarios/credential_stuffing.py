"""Stolen pairs of name and password are tried from many rented addresses, a few from each."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, made, stream
from gatewatch.simulate.calls import Calls, joined
from gatewatch.simulate.case import Case
from gatewatch.simulate.doors import doors, has_door, tries
from gatewatch.simulate.model import Api, Ints, World
from gatewatch.simulate.people import STRANGER, addresses, agent
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.severity import extra_counts

TRIES_EACH = 3
"""Pairs that one address tries before the next one takes over."""


@scenario(
    "credential_stuffing",
    kind="auth_failure_spike",
    subtype="credential_stuffing",
    cause="client",
    minutes={"blatant": 40, "moderate": 75, "subtle": 150},
    fits=has_door,
)
def credential_stuffing(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """Every pair is tried once; addresses take turns after three pairs each and come back when all were used."""
    case = Case("credential_stuffing", world, api, level, start_ms, end_ms, rng)
    door = doors(api)[0]
    least = case.by_level(900, 300, 90)
    rate = extra_counts(door.refusals(world, api, *case.minutes), api.dispersion, level, rng, least=least)
    attempts = stream(case.start_ms, case.until_ms, rate, rng, least=round(least))
    pool = addresses("proxy", min(max(attempts.total // (2 * TRIES_EACH), 25), 1_200), rng)
    first_name = STRANGER + int(rng.integers(1 << 24)) * 4_096
    tools = np.array([agent("OpenBullet"), agent("python-requests"), 0])

    def pairs(at_ms: Ints, number: Ints, rng: np.random.Generator) -> Calls:
        address = pool[number // TRIES_EACH % len(pool)]
        return tries(world, api, door, at_ms, address, first_name + number, tools[number % len(tools)], rng)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        return joined([calls, made(pairs(*attempts.of(block, rng), rng))])

    every = np.arange(attempts.total, dtype=np.int64)
    return case.incident(
        edit,
        route=api.routes[door.route].key,
        culprits=case.shown(pairs(np.full(len(every), case.start_ms), every, rng), network=True),
        accept_subtypes=() if door.named else ("distributed",),
        tell="Hundreds of addresses try at most a few names each, no name twice, and hardly anything succeeds.",
    )
