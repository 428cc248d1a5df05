"""A stage that somebody removed is missed sooner; old deployments that go say nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from detect.model import Context, minute_at
from detect.removed import removals, removes
from detect.run import detect
from gatewatch.records import Change, Finding, Kind
from gatewatch.settings import Settings
from tests.detect.detectors.test_dead_api import without
from tests.detect.world import a_world

SILENT = 5 * 1440 + 600
"""Minutes: five days, ten hours."""

AT = minute_at(30_000_000)
STAGE = ("1", "r", "abcde12345", "prod")


def test_an_api_that_is_seldom_called_is_missed_sooner_when_it_was_removed() -> None:
    world = a_world(203, apis=2, days=7, incidents=False, benign=False, gap=False, highest=3)
    api = min(world.apis, key=lambda one: one.rate).name
    without(world, api, SILENT, 1440)

    def found(*changes: Change) -> Finding:
        context = Context(settings=Settings(), changes=changes)
        findings = detect(world.minutes, world.clients, world.coverage, context, only=("dead_api",)).findings
        (hit,) = [one for one in findings if one.api == api and one.kind is Kind.DEAD_API]
        return hit

    at = minute_at(world.start + SILENT + 2)
    plain = found(Change(at, "UpdateFunctionCode", "me", "something-else", 0.0))
    removed = found(Change(at, "DeleteBasePathMapping", "me", f"restapis/{api}", 0.0))
    assert (plain.subtype, removed.subtype) == ("live_outage", "taken_offline")
    assert removed.detected_at - at < 0.7 * (plain.detected_at - at)


@pytest.mark.parametrize(
    ("what", "resource", "when"),
    [
        ("DeleteStage", "restapis/abcde12345/stages/prod", [30_000_000]),
        ("DeleteApiMapping", "abcde12345/prod", [30_000_000]),
        ("DeleteStage", "restapis/abcde12345/stages/test", []),
        ("DeleteRestApi", "restapis/zyxwv54321", []),
        ("DeleteDeployment", "restapis/abcde12345/deployments/d1", []),
        ("UpdateStage", "restapis/abcde12345/stages/prod", []),
        ("DeleteApiKey", "restapis/abcde12345", []),
    ],
)
def test_what_removes_which_stage(what: str, resource: str, when: list[int]) -> None:
    context = Context(settings=Settings(), changes=(Change(AT, what, "me", resource, 0.0),))
    assert list(removals(context, [STAGE]).get(STAGE, ())) == when


def test_an_undone_deployment_may_still_be_what_removed_it() -> None:
    change = Change(datetime.fromtimestamp(0, AT.tzinfo) + timedelta(1), "DeleteDeployment", "me", "x", 0.0)
    assert removes(change)
