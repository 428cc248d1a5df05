"""Somebody removes the stage or its mapping, and the API is gone."""

from __future__ import annotations

import numpy as np

from gatewatch.records import JSON
from gatewatch.simulate.blocks import Block
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.case import Case
from gatewatch.simulate.changes import record
from gatewatch.simulate.model import Api, World
from gatewatch.simulate.quiet import silent_case
from gatewatch.simulate.scenarios import Planted, scenario
from gatewatch.simulate.trail import api_ids


@scenario(
    "taken_offline",
    kind="dead_api",
    subtype="taken_offline",
    cause="config_change",
    minutes={"blatant": 180, "moderate": 60, "subtle": 15},
)
def taken_offline(world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator) -> Planted:
    """No call is logged any more (a missing stage or mapping leaves no line), until it is put back."""
    case = Case("taken_offline", world, api, level, *silent_case(world, api, 1.0, level, start_ms, end_ms, rng), rng)

    def edit(calls: Calls, block: Block, rng: np.random.Generator) -> Calls:
        return calls.take(np.zeros(len(calls), dtype=np.bool_))

    removed, restored, more = _WAYS["stage" if rng.random() < 0.5 else "mapping"][api.kind == "rest"]
    asked: dict[str, JSON] = {**api_ids(case), **more}
    changes = [record(world, case.before_start(2, 30), removed, asked, actor="console-admin")]
    if case.ended_ms is not None:
        changes.append(record(world, case.ended_ms - 3_000, restored, asked, actor="console-admin"))
    return case.incident(
        edit,
        changes=changes,
        accept_subtypes=("live_outage",),
        accept_causes=("gateway",),
        tell="Not one line more from the second on at which the stage or its mapping was deleted.",
    )


_Way = tuple[str, str, dict[str, JSON]]
_WAYS: dict[str, tuple[_Way, _Way]] = {
    "stage": (("DeleteStage", "CreateStage", {}), ("DeleteStage", "CreateStage", {})),
    "mapping": (
        ("DeleteApiMapping", "CreateApiMapping", {"domainName": "api.example.com", "apiMappingId": "m1x2y3"}),
        ("DeleteBasePathMapping", "CreateBasePathMapping", {"domainName": "api.example.com", "basePath": "(none)"}),
    ),
}
