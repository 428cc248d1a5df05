"""One address goes through passwords for one account."""

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


@scenario(
    "brute_force",
    kind="auth_failure_spike",
    subtype="brute_force",
    cause="client",
    minutes={"blatant": 30, "moderate": 60, "subtle": 120},
    fits=has_door,
)
def brute_force(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """A tool on one rented server tries one name (two at times); every try is refused."""
    case = Case("brute_force", world, api, level, start_ms, end_ms, rng)
    door = doors(api)[0]
    least = case.by_level(900, 250, 60)
    rate = extra_counts(door.refusals(world, api, *case.minutes), api.dispersion, level, rng, least=least)
    attempts = stream(case.start_ms, case.until_ms, rate, rng, least=round(least))
    source = addresses("hosting", 1, rng)
    names = STRANGER + int(rng.integers(1 << 30)) + np.arange(int(rng.integers(1, 3)))

    def guesses(at_ms: Ints, number: Ints, rng: np.random.Generator) -> Calls:
        tool = np.full(len(number), agent("Hydra"))
        return tries(world, api, door, at_ms, source[number * 0], names[number // 40 % len(names)], tool, rng)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        return joined([calls, made(guesses(*attempts.of(block, rng), rng))])

    some = np.arange(0, attempts.total, 20, dtype=np.int64)
    return case.incident(
        edit,
        route=api.routes[door.route].key,
        culprits=case.shown(guesses(np.full(len(some), case.start_ms), some, rng), agents=True),
        tell="One address and one tool, one or two names, hundreds of refusals and no success.",
    )
