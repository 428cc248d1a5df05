"""WebSocket APIs: CloudWatch counts their connections, so lines of `$connect` tell how much of them is in the logs."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from detect.coverage import CONNECT, shares
from detect.model import Context, minute_at
from detect.run import Detection, detect
from gatewatch.frames import METRICS, MINUTES
from gatewatch.frames.points import KEPT
from gatewatch.records import Kind
from tests.detect.metrics import counts_of, with_losses
from tests.detect.world import World, a_world

BOTH = ("data_quality", "dead_api")


@lru_cache(maxsize=2)
def chat() -> tuple[World, pa.Table]:
    """A world of one WebSocket API whose busiest route opens connections, and what CloudWatch counts of it."""
    world = a_world(40, apis=1, days=2, incidents=False, benign=False, gap=False, highest=60)
    minutes = world.minutes
    busiest = max(
        minutes.column("route").unique().to_pylist(),
        key=lambda route: pc.sum(minutes.filter(pc.equal(minutes.column("route"), route)).column("n")).as_py(),
    )
    minutes = _with(minutes, "api_type", pa.array(["websocket"] * len(minutes), pa.string()))
    route = minutes.column("route")
    minutes = _with(minutes, "route", pc.if_else(pc.equal(route, busiest), CONNECT, pc.utf8_lower(route)))
    metrics = counts_of(minutes.filter(pc.equal(minutes.column("route"), CONNECT)))
    place = METRICS.get_field_index("metric")
    named = pa.array(["ConnectCount"] * len(metrics)).cast(METRICS.field("metric").type)
    return World(**{**vars(world), "minutes": minutes}), metrics.set_column(place, METRICS.field("metric"), named)


def _with(minutes: pa.Table, name: str, values: Any) -> pa.Table:
    return minutes.set_column(minutes.schema.get_field_index(name), MINUTES.field(name), values)


def run(world: World, minutes: pa.Table, metrics: pa.Table) -> Detection:
    return detect(minutes, world.clients, world.coverage, Context(metrics=metrics), only=BOTH)


def state_of(found: Detection) -> Any:
    return cast(Any, found.states["data_quality"])["state"]["coverage"]


@pytest.mark.parametrize("lost", [0.0, 0.2])
def test_only_lines_of_connections_count(lost: float) -> None:
    world, metrics = chat()
    minutes = with_losses(world.minutes, lost, minute_at(world.start), minute_at(world.start + 2880))
    ((_, lines, counts),) = shares(state_of(run(world, minutes, metrics)))
    assert lines / counts == pytest.approx(1 - lost, abs=0.01)


def test_lines_that_are_lost_are_no_outage() -> None:
    world, metrics = chat()
    start, end = minute_at(world.start + 2000), minute_at(world.start + 2300)
    minutes = with_losses(world.minutes, 1.0, start, end)
    without = run(world, minutes, metrics.slice(0, 0))
    assert "live_outage" in {finding.subtype for finding in without.findings}
    (one,) = run(world, minutes, metrics).findings
    assert (one.subtype, one.evidence.facts["connections"]) == ("coverage_low", True)
    assert "of the connections are not in the logs" in one.title


def test_without_lines_of_connections_it_says_that_it_cannot_tell() -> None:
    world, metrics = chat()
    minutes = world.minutes.filter(pc.not_equal(world.minutes.column("route"), CONNECT))
    found = run(world, minutes, metrics)
    assert found.findings == []
    (said,) = [blind.reason for blind in found.blind if blind.kind is Kind.DATA_QUALITY]
    assert "no line of a new connection came yet" in said


def test_messages_of_both_directions_are_not_held_against_lines() -> None:
    assert frozenset({"Count", "ConnectCount"}) == KEPT
