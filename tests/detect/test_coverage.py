"""Coverage: right to a point, a finding when it lasts, and what it does to what else is said."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from detect.conclude import reviewed
from detect.coverage import shares
from detect.meter import name_left
from detect.model import DETECTORS, Context, minute_at
from detect.run import Detection, cut, detect, frames_of
from gatewatch.frames import COVERAGE, visible_mask
from gatewatch.records import Finding, Kind, Severity
from tests.detect.metrics import counts_of, with_losses
from tests.detect.world import World, a_world


@lru_cache(maxsize=4)
def calm(days: int = 2) -> World:
    return a_world(40, apis=2, days=days, incidents=False, benign=False, gap=False, highest=60)


def at(world: World, minute: int) -> datetime:
    return minute_at(world.start + minute)


def run(
    world: World, minutes: pa.Table, metrics: pa.Table | None, only: tuple[str, ...] = ("data_quality",), **more: Any
) -> Detection:
    coverage = more.pop("coverage", world.coverage)
    return detect(minutes, world.clients, coverage, Context(metrics=metrics, **more), only=only)


def quality(found: Detection) -> list[Finding]:
    return [finding for finding in found.findings if finding.kind is Kind.DATA_QUALITY]


def total(minutes: pa.Table, api: str | None) -> int:
    mine = minutes.filter(pc.equal(minutes.column("api"), pa.scalar(api)))
    return int(pc.sum(mine.column("n")).as_py())


def state_of(found: Detection) -> Any:
    return cast(Any, found.states["data_quality"])["state"]["coverage"]


@pytest.mark.parametrize("lost", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("whole", [False, True])
def test_it_is_right_to_a_point(lost: float, whole: bool) -> None:
    world = calm()
    minutes = with_losses(world.minutes, lost, at(world, 0), at(world, 2880))
    found = run(world, minutes, counts_of(world.minutes, whole=whole))
    measured = shares(state_of(found))
    assert len(measured) == 2
    for key, lines, counts in measured:
        assert lines / counts == pytest.approx(total(minutes, key[2]) / total(world.minutes, key[2]), abs=0.01)


@pytest.mark.parametrize("lost", [0.0, 0.05])
def test_little_is_no_finding(lost: float) -> None:
    world = calm()
    minutes = with_losses(world.minutes, lost, at(world, 600), at(world, 2000))
    assert quality(run(world, minutes, counts_of(world.minutes))) == []


def test_a_loss_that_lasts_is_one_finding_for_all_stages_with_its_time_and_share() -> None:
    world = calm()
    minutes = with_losses(world.minutes, 0.5, at(world, 1500), at(world, 1700))
    (one,) = quality(run(world, minutes, counts_of(world.minutes)))
    assert (one.subtype, one.severity) == ("coverage_low", Severity.MEDIUM)
    assert abs(one.start - at(world, 1500)) <= timedelta(minutes=10)
    assert one.end is not None
    assert abs(one.end - at(world, 1700)) <= timedelta(minutes=10)
    assert one.detected_at - one.start <= timedelta(minutes=45)
    assert one.evidence.facts["coverage"] == pytest.approx(0.5, abs=0.05)
    assert len(cast(list[Any], one.evidence.facts["joined"])) == 1


def test_a_loss_of_a_few_minutes_is_none() -> None:
    world = calm()
    minutes = with_losses(world.minutes, 0.9, at(world, 1500), at(world, 1509))
    assert quality(run(world, minutes, counts_of(world.minutes))) == []


@pytest.mark.parametrize("pieces", [37, 600])
def test_any_cut_gives_the_same_findings_and_state(pieces: int) -> None:
    world = calm()
    minutes = with_losses(world.minutes, 0.5, at(world, 1500), at(world, 1700))
    context = Context(metrics=counts_of(world.minutes))
    block = frames_of(minutes, world.clients, world.coverage, world.start, world.start + 2880)

    def fold(every: int) -> tuple[str, dict[str, Finding]]:
        detector = DETECTORS["data_quality"]()
        state, said = detector.start(), dict[str, Finding]()
        for part in cut(block, every=every):
            state, findings, _ = detector.step(json.loads(json.dumps(state)), part, context)
            said |= {finding.id: finding for finding in findings}
        return json.dumps(state), said

    assert fold(pieces) == fold(10**6)


def test_a_name_is_the_one_of_the_inventory_else_the_only_one_left() -> None:
    world = calm()
    apis = sorted({api.name for api in world.apis})
    names = {apis[0]: "orders", apis[1]: "pets"}
    metrics = counts_of(world.minutes, names=names)
    nameless = run(world, world.minutes, metrics)
    assert {blind.api for blind in nameless.blind if blind.kind is Kind.DATA_QUALITY} == set(apis)
    assert shares(state_of(nameless)) == []
    inventory = {"restApis": [{"id": apis[0], "name": "orders"}, {"id": apis[1], "name": "pets"}]}
    assert len(shares(state_of(run(world, world.minutes, metrics, inventory=inventory)))) == 2
    inventory["restApis"].pop()
    assert len(shares(state_of(run(world, world.minutes, metrics, inventory=inventory)))) == 1
    told = name_left(metrics, inventory, apis)
    assert len(shares(state_of(run(world, world.minutes, told, inventory=inventory)))) == 2


def test_a_name_that_two_apis_share_counts_both_together() -> None:
    world = calm()
    apis = sorted({api.name for api in world.apis})
    inventory = {"restApis": [{"id": api, "name": "same"} for api in apis]}
    metrics = counts_of(world.minutes, names=dict.fromkeys(apis, "same"))
    ((key, lines, counts),) = shares(state_of(run(world, world.minutes, metrics, inventory=inventory)))
    assert key[2] == "same"
    assert lines == counts


def test_what_is_missing_from_the_logs_is_not_dead() -> None:
    """No line for weeks, but CloudWatch counts on: not dead, but not logged."""
    world = a_world(33, apis=2, days=6, incidents=False, benign=False, gap=False, highest=20)
    api = sorted({api.name for api in world.apis})[0]
    cut_off = at(world, 2 * 1440)
    mine = [name == api for name in world.minutes.column("api").to_pylist()]
    early = [minute < cut_off for minute in world.minutes.column("minute").to_pylist()]
    minutes = world.minutes.filter(pa.array([not m or e for m, e in zip(mine, early, strict=True)]))
    settings = Context().settings.model_copy(update={"dead_after_days": 3.0})
    both = ("data_quality", "dead_api")
    plain = run(world, minutes, None, both, settings=settings)
    assert {"live_outage", "taken_offline", "dead"} & {f.subtype for f in plain.findings if f.api == api}
    found = run(world, minutes, counts_of(world.minutes), both, settings=settings)
    mine_now = [finding for finding in found.findings if finding.api == api and finding.severity is not Severity.INFO]
    assert [finding.subtype for finding in mine_now] == ["coverage_low"]
    assert mine_now[0].severity is Severity.HIGH


def test_unused_is_unproven_when_metrics_say_that_it_is_called() -> None:
    world = a_world(34, apis=2, days=9, incidents=False, benign=False, gap=False, highest=5)
    apis = sorted({api.name for api in world.apis})
    stages = [{"stageName": name} for name in ("prod", "old", "gone")]
    inventory = {"restApis": [{"id": apis[0], "stages": stages}, {"id": apis[1], "stages": stages[:1]}]}
    metrics = counts_of(world.minutes)
    place = metrics.schema.get_field_index("stage")
    renamed = metrics.set_column(
        place, "stage", pa.array(["old"] * len(metrics)).dictionary_encode().cast(metrics.schema.field("stage").type)
    )
    both = ("data_quality", "dead_api")
    found = run(world, world.minutes, pa.concat_tables([metrics, renamed]), both, inventory=inventory)
    quiet = {finding.stage: finding for finding in found.findings if finding.api == apis[0] and finding.stage != "prod"}
    assert quiet["gone"].subtype == "unused"
    assert quiet["old"].subtype == "unproven"
    assert quiet["old"].confidence <= 0.3
    assert quiet["old"].severity is Severity.INFO
    assert "0 of the" in (quiet["old"].caveat or "")


def test_a_gap_of_all_sources_is_said_and_makes_others_less_sure() -> None:
    world = calm()
    first, last = at(world, 1500), at(world, 1740)
    times = world.minutes.column("minute").to_pylist()
    minutes = world.minutes.filter(pa.array([not first <= minute < last for minute in times]))
    edges = [(at(world, 0), first), (last, at(world, 2880))]
    coverage = pa.table([["x"] * 2, [a for a, _ in edges], [b for _, b in edges]], schema=COVERAGE)
    found = run(world, minutes, None, ("data_quality", "dead_api"), coverage=coverage)
    (gap,) = quality(found)
    assert (gap.subtype, gap.severity, gap.api) == ("delivery_gap", Severity.INFO, "(all)")
    assert abs(gap.start - first) <= timedelta(minutes=1)
    assert [finding for finding in found.findings if finding.kind is Kind.DEAD_API] == []
    from tests.store.builders import a_finding

    one = a_finding("x", first - timedelta(hours=4), end=last, confidence=0.8)
    (weighed,) = [f for f in reviewed([gap, one], found.states, at(world, 2880)) if f.id == one.id]
    assert weighed.confidence == pytest.approx(0.4, abs=0.02)
    assert "No source delivered" in (weighed.caveat or "")


def test_late_lines_are_said_and_a_usual_delay_is_not() -> None:
    world = calm()
    times = world.minutes.column("minute").to_pylist()
    place = world.minutes.schema.get_field_index("available_at")
    for jump, expected in ((5, []), (90, ["delivery_lag"])):
        late = [
            minute + timedelta(minutes=jump if at(world, 1500) <= minute < at(world, 1600) else 5) for minute in times
        ]
        column = pa.array(late, world.minutes.schema.field("available_at").type)
        minutes = world.minutes.set_column(place, "available_at", column)
        found = quality(run(world, minutes, None))
        assert [one.subtype for one in found] == expected
    assert found[0].severity is Severity.INFO
    assert abs(found[0].start - at(world, 1500)) <= timedelta(minutes=3)


def test_fields_that_are_lost_are_named_until_they_come_back() -> None:
    world = calm()
    times = world.minutes.column("minute").to_pylist()
    whole = world.apis[0].visible
    poor = whole & ~visible_mask(["error_type", "latency_ms"])
    masks = [poor if at(world, 1500) <= minute < at(world, 1900) else whole for minute in times]
    place = world.minutes.schema.get_field_index("visible")
    minutes = world.minutes.set_column(place, "visible", pa.array(masks, pa.uint64()))
    found = quality(run(world, minutes, None))
    assert [one.subtype for one in found] == ["fields_lost"]
    assert found[0].evidence.facts["fields"] == ["error_type", "latency_ms"]
    assert found[0].end is not None
    assert abs(found[0].end - at(world, 1900)) <= timedelta(minutes=5)
