"""Whoever comes in the middle of a block is judged from there on, as if the block had been cut there."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from detect.model import Context
from detect.run import cut, fold, frames_of
from tests.detect.test_hard_traffic import DAY, START, steady, tables
from tests.detect.world import a_world

CAUSES = (("bad_signature", "s4xx"), ("throttle", "s4xx"), ("backend_error", "s5xx"), ("expired_credential", "s4xx"))


def test_an_api_a_stage_and_a_route_that_come_later_leave_the_same_state_however_it_is_cut() -> None:
    rng = np.random.default_rng(3)
    old = steady(3)
    for cause, status in CAUSES:
        refused = np.minimum(rng.poisson(0.7, len(old)), old["s2xx"])
        old[f"c_{cause}"] = refused
        old[status], old["s2xx"] = old[status] + refused, old["s2xx"] - refused
    for name in ("authorizer_b", "authorizer_c"):
        old[name] = [[160 + int(at) % 9] if name.endswith("b") else [20] for at in rng.integers(0, 9, len(old))]
    parts = [old]
    for at, field, value in ((700, "stage", "new"), (1650, "route", "GET /cats"), (2000, "api", "b2")):
        later = old.iloc[at:].copy()
        later[field] = value
        parts.append(later)
    block = frames_of(*tables(pd.concat(parts)), START, START + 3 * DAY)
    whole = fold([block], Context(), {})
    assert fold(cut(block, every=437), Context(), {}) == whole


def test_incidents_of_apis_that_came_later_are_the_same_however_it_is_cut() -> None:
    world = a_world(11, apis=4, days=3, incidents=True, benign=True, gap=True)
    begin = min(world.minutes["minute"].to_pylist())
    first = int(begin.timestamp() // 60)
    names = sorted(set(world.minutes["api"].to_pylist()))

    def without(table: pa.Table) -> pa.Table:
        for name, at in zip(names[1:], (700, 1650, 2500), strict=True):
            since = pa.scalar(begin + timedelta(minutes=at), table["minute"].type)
            table = table.filter(pc.or_(pc.not_equal(table["api"], name), pc.greater_equal(table["minute"], since)))
        return table

    block = frames_of(without(world.minutes), without(world.clients), world.coverage, first, first + 3 * DAY)
    found, blind, states = fold([block], Context(), {})
    assert len(found) >= 4
    again = fold(cut(block, every=437), Context(), {})
    assert again[:2] == (found, blind)
    assert repr(again[2]) == repr(states)  # a layer that nobody knows is NaN
