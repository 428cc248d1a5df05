"""Signing keys are exchanged with an overlap: whoever is refused renews the token at once."""

from __future__ import annotations

import numpy as np

from gatewatch.records import JSON
from gatewatch.simulate.blocks import Block, made
from gatewatch.simulate.calls import Calls, joined, refuse
from gatewatch.simulate.case import Case
from gatewatch.simulate.changes import record
from gatewatch.simulate.crowds import token_routes
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.people import uniform
from gatewatch.simulate.scenarios import Planted, scenario


@scenario(
    "survived_rotation",
    benign=True,
    minutes={"blatant": 60, "moderate": 90, "subtle": 120},
    fits=lambda api: bool(token_routes(api)) and api.audience == "people",
)
def survived_rotation(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """A part of the users is refused once, each at a time of its own, and let in half a second later."""
    case = Case("survived_rotation", world, api, level, start_ms, end_ms, rng)
    share = case.by_level(0.6, 0.3, 0.15)
    routes = token_routes(api)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        turn = start_ms + uniform(case.salt, calls.principal, 1) * (end_ms - start_ms)
        late = uniform(case.salt, calls.principal, 2) < share
        due = (turn >= block.start_ms) & (turn < block.end_ms) & (calls.at_ms >= turn)
        places = np.flatnonzero(np.isin(calls.route, routes) & late & due & (calls.outcome == Outcome.ANSWERED))
        _, first = np.unique(calls.principal[places], return_index=True)
        refused = calls.take(np.sort(places[first]))
        refused.at_ms = np.maximum(refused.at_ms - rng.integers(300, 900, len(refused)), block.start_ms)
        refuse(api, refused, np.ones(len(refused), dtype=np.bool_), Outcome.TOKEN_EXPIRED, rng)
        return joined([calls, made(refused)])

    secret: dict[str, JSON] = {"secretId": f"{api.name}/signing-key", "versionStages": ["AWSCURRENT", "AWSPREVIOUS"]}
    return case.benign(
        edit,
        changes=[record(world, case.before_start(5, 60), "PutSecretValue", secret, source="secretsmanager")],
        why="Nobody is refused twice in a row, and everybody gets in half a second later: a rotation that works.",
    )
