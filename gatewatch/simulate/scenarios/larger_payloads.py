"""Clients ask for larger pages, and longer answers take longer."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.blocks import Block
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.case import Case, shows
from gatewatch.simulate.crowds import ordinary_routes
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.scenarios import Planted, Unfit, scenario
from gatewatch.simulate.slowness import prolong


def _routes(api: Api) -> list[int]:
    return [place for place in ordinary_routes(api) if api.routes[place].latency.ms_per_kb > 0]


@scenario(
    "larger_payloads",
    benign=True,
    minutes={"blatant": 120, "moderate": 180, "subtle": 240},
    fits=lambda api: bool(_routes(api)) and shows(api, "responseLatency", "responseLength"),
)
def larger_payloads(
    world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
) -> Planted:
    """Answers of one route are two to four times as long; each KB costs as many ms as it always did."""
    case = Case("larger_payloads", world, api, level, start_ms, end_ms, rng)
    places = _routes(api)
    if not places:
        raise Unfit("no route whose time depends on its payload")
    place = int(rng.choice(places))
    times, per_kb = case.by_level(4.0, 3.0, 2.0), api.routes[place].latency.ms_per_kb

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        hit = (calls.route == place) & (calls.outcome == Outcome.ANSWERED) & (calls.status < 300)
        more = np.where(hit, np.minimum(calls.bytes * (times - 1), 9_000_000 - calls.bytes), 0)
        more = np.maximum(more, 0)
        calls.bytes += more.astype(np.int64)
        prolong(calls, hit, "integration", more / 1024 * per_kb)
        return calls

    return case.benign(
        edit,
        route=api.routes[place].key,
        why=f"Answers are {times:.0f} times as long, and take as much longer as their bytes explain.",
    )
