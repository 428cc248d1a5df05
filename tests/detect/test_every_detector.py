"""What every detector promises (design.md D6): looked at over DETECTORS, so a new one is held to it as well."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import lru_cache
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from detect.model import DETECTORS, Block, Context
from detect.run import BESIDE, cut, detect, frames_of
from gatewatch.frames import CLOSE_DELAY, visible_mask
from gatewatch.records import JUDGED, Change, ChangeEvent, Finding, Kind
from gatewatch.settings import Settings
from tests.detect.world import World, a_world

INCIDENTS = ["brute_force", "credential_stuffing", "over_plan", "all_5xx", "live_outage", "step_all", "timeouts"]


@lru_cache(maxsize=4)
def world(days: int = 3) -> World:
    return a_world(7, apis=2, days=days, only=INCIDENTS, highest=60)


@lru_cache(maxsize=4)
def block(days: int = 3) -> Block:
    made = world(days)
    return frames_of(made.minutes, made.clients, made.coverage, made.start, made.start + days * 1440)


def context() -> Context:
    return Context(changes=tuple(world().changes), settings=Settings(), events=events())


def events() -> tuple[ChangeEvent, ...]:
    """Tracing goes off and on at odd times, two stages lose their ACL, one is deleted, one API is never deployed."""
    made = []
    for number, (minute, what, stage) in enumerate(
        [(-30, "off", "prod"), (70, "off", "prod"), (700, "on", "prod"), (701, "off", "prod"), (1401, "waf", "dev"),
         (1402, "waf", "prod"), (1439, "put", ""), (2000, "on", "prod"), (2100, "gone", "dev"), (3000, "put", "")]
    ):  # fmt: skip
        at = block().start + timedelta(minutes=minute, seconds=7)
        name = {"waf": "DisassociateWebACL", "gone": "DeleteStage", "put": "PutIntegration"}.get(what, "UpdateStage")
        patch = {"op": "replace", "path": "/tracingEnabled", "value": "true" if what == "on" else "false"}
        detail: Any = {"restApiId": "a0", "patchOperations": [patch]}
        if what == "waf":
            detail = {"resourceArn": f"arn:aws:apigateway:eu-west-1::/restapis/a0/stages/{stage}"}
        change = Change(at, name, "ann", f"a0/{stage}" if stage else "a0")
        service = "wafv2" if what == "waf" else "apigateway"
        made.append(ChangeEvent(str(number), change, service, name, "1", "eu-west-1", "aws-cli/2", detail))
    return tuple(made)


def run(name: str, blocks: list[Block]) -> tuple[Any, dict[str, Finding]]:
    detector = DETECTORS[name]()
    state = detector.start()
    found: dict[str, Finding] = {}
    for one in blocks:
        state, findings, _ = detector.step(state, one, context())
        found.update({finding.id: finding for finding in findings})
    return state, found


@lru_cache(maxsize=8)
def whole(name: str) -> tuple[str, dict[str, Finding]]:
    state, found = run(name, [block()])
    return json.dumps(state), found


def test_there_is_one_for_each_kind() -> None:
    assert set(DETECTORS) == {kind.value for kind in Kind}


@pytest.mark.parametrize("name", sorted(DETECTORS))
@given(lengths=st.lists(st.integers(1, 2000), min_size=1, max_size=6))
@example(lengths=[63, 169, 944, 2000])  # an hour in whose midst an episode ends
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_cut_gives_the_same_findings_and_state(name: str, lengths: list[int]) -> None:
    blocks, at, data = [], 0, block()
    for length in [*lengths, 10**6]:
        for one in cut(data, every=10**9):
            blocks += _between(one, at, at + length)
        at += length
    state, found = run(name, blocks)
    assert found == whole(name)[1]
    assert json.dumps(state) == whole(name)[0]


def _between(data: Block, first: int, last: int) -> list[Block]:
    """The minutes first … last - 1 of a block, as a block of its own; none when there are none."""
    last = min(last, data.minutes)
    if first >= last:
        return []
    start, end = data.start + pd.Timedelta(minutes=first), data.start + pd.Timedelta(minutes=last)
    parts = [
        frame[(frame["minute"] >= start) & (frame["minute"] < end)]
        for frame in (data.stages, data.routes, data.clients)
    ]
    return [Block(start, end, parts[0], parts[1], parts[2], data.coverage)]


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_nothing_is_decided_by_what_comes_later(name: str) -> None:
    half = block().minutes // 2 + 137
    _, early = run(name, _between(block(), 0, half))
    decided = {key: f for key, f in whole(name)[1].items() if f.detected_at <= early_clock(half)}
    assert {key: f.detected_at for key, f in early.items()} == {key: f.detected_at for key, f in decided.items()}
    assert {key: f.start for key, f in early.items()} == {key: f.start for key, f in decided.items()}


def early_clock(minutes: int) -> pd.Timestamp:
    """When the last of so many minutes closed."""
    return pd.Timestamp(block().start) + pd.Timedelta(minutes=minutes) + CLOSE_DELAY


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_input_is_left_unchanged(name: str) -> None:
    data = block()
    copies = [frame.copy(deep=True) for frame in (data.stages, data.routes, data.clients, data.coverage)]
    run(name, [data])
    for frame, copy in zip((data.stages, data.routes, data.clients, data.coverage), copies, strict=True):
        pd.testing.assert_frame_equal(frame, copy)


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_the_same_input_gives_the_same_output(name: str) -> None:
    state, found = run(name, [block()])
    assert (json.dumps(state), found) == whole(name)


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_the_state_is_json_and_bounded(name: str) -> None:
    short, _ = run(name, _between(block(), 0, 1440))
    assert len(whole(name)[0]) < 4 * len(json.dumps(short)) + 200_000


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_it_says_nothing_while_warming_up(name: str) -> None:
    calm = a_world(8, apis=2, days=2, incidents=False, benign=False, gap=False)
    data = frames_of(calm.minutes, calm.clients, calm.coverage, calm.start, calm.start + 60)
    assert run(name, [data])[1] == {}


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_an_empty_block_is_no_news(name: str) -> None:
    data = block()
    empty = Block(data.start, data.end, data.stages[:0], data.routes[:0], data.clients[:0], data.coverage)
    if name not in BESIDE:  # which do not look at requests
        assert run(name, [empty])[1] == {}


@pytest.mark.parametrize("name", sorted(kind.value for kind in JUDGED))
def test_a_stage_that_logs_next_to_nothing_is_blind(name: str) -> None:
    data = block()
    poor = data.stages.assign(visible=pd.Series(visible_mask(["at", "api"]), index=data.stages.index, dtype="uint64"))
    one = Block(data.start, data.end, poor, data.routes, data.clients, data.coverage)
    detector = DETECTORS[name]()
    _, _, blind = detector.step(detector.start(), one, context())
    assert {row.api for row in blind} == set(data.stages["api"])
    assert all(variable.startswith("$context.") for row in blind for variable in row.missing)


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_findings_are_complete(name: str) -> None:
    for finding in whole(name)[1].values():
        assert finding.kind.value == name
        assert finding.detected_at > finding.start
        assert finding.end is None or finding.end > finding.start
        assert finding.remedy
        assert finding.evidence.sentence
        assert len(finding.evidence.series) <= 240
        assert len(finding.entities.ips) <= 50
        json.dumps(finding.to_json(), allow_nan=False)


def test_a_run_from_a_state_gives_what_one_run_gives() -> None:
    made = world()
    once = detect(made.minutes, made.clients, made.coverage, context())
    middle = made.start + 2000
    early = frames_of(made.minutes, made.clients, made.coverage, made.start, middle)
    states: dict[str, Any] = {}
    for name in DETECTORS:
        state, _ = run(name, [early])
        states[name] = {"clock": middle, "state": state}
    later = detect(made.minutes, made.clients, made.coverage, context(), states=states)
    assert json.dumps(later.states) == json.dumps(once.states)
    assert {f.id for f in later.findings} <= {f.id for f in once.findings}
