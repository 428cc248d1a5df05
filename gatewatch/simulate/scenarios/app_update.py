"""A new version of the app spreads."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block, touched
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.case import Case, shows_any
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.people import PEOPLE_AGENTS, agent, uniform
from gatewatch.simulate.scenarios import Planted, scenario


@scenario(
    "app_update",
    benign=True,
    minutes={"blatant": 360, "moderate": 720, "subtle": 1_080},
    fits=lambda api: api.audience == "people" and shows_any(api, "identity.userAgent"),
)
def app_update(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """User after user turns up with an agent that was never seen before, and calls as before."""
    case = Case("app_update", world, api, level, start_ms, end_ms, rng)
    share, new = case.by_level(0.9, 0.6, 0.3), agent("Dart/")

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        grown = share * (calls.at_ms - start_ms) / (end_ms - start_ms)
        who = np.where(calls.principal >= 0, calls.principal, calls.ip)
        hit = np.isin(calls.agent, PEOPLE_AGENTS) & (uniform(case.salt, who) < grown)
        calls.agent[hit] = new
        touched(calls, hit)
        return calls

    return case.benign(edit, why="Only the user agent is new, on more and more clients that are answered as ever.")
