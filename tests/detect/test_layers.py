"""Where the time went, by traces: each part is named when it is to blame, and nothing is when chance would do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from detect.layers import _WITHIN, refined
from detect.model import Context, minute_at
from detect.run import detect
from gatewatch.frames import SPANS
from gatewatch.records import JSON, Cause, Finding, Kind
from tests.detect.world import a_world
from tests.store.builders import a_finding

START = datetime(2026, 6, 9, 12, tzinfo=UTC)
END = START + timedelta(hours=1)
USUAL: dict[tuple[str, str | None], float] = {
    ("gateway", None): 6.0,
    ("authorizer", "authz"): 12.0,
    ("integration", "pets"): 9.0,
    ("init", "pets"): 0.0,
    ("handler", "pets"): 40.0,
    ("downstream", "DynamoDB orders"): 25.0,
    ("downstream", "api.example.com"): 30.0,
}
LABELS = {
    ("gateway", None): ("gateway", "gateway", Cause.GATEWAY),
    ("authorizer", "authz"): ("authorizer", "authorizer", Cause.GATEWAY),
    ("integration", "pets"): ("integration", "integration", Cause.INTEGRATION),
    ("init", "pets"): ("cold start", "cold_start", Cause.INTEGRATION),
    ("handler", "pets"): ("application", "integration", Cause.INTEGRATION),
    ("downstream", "DynamoDB orders"): ("downstream DynamoDB orders", "downstream", Cause.INTEGRATION),
    ("downstream", "api.example.com"): ("downstream api.example.com", "downstream", Cause.INTEGRATION),
}


def spans(
    rng: np.random.Generator,
    first: datetime,
    last: datetime,
    count: int,
    *,
    more: dict[tuple[str, str | None], float] | None = None,
    routes: dict[str, tuple[float, float]] | None = None,
    api: str = "a1",
    stage: str = "prod",
) -> pa.Table:
    """Traces at random times. more: ms added to a part. routes: name -> (share of the traffic, factor of all times)."""
    rows: list[dict[str, Any]] = []
    mix = routes or {"GET /pets": (1.0, 1.0)}
    for number in range(count):
        at = first + (last - first) * float(rng.random())
        route = str(rng.choice(list(mix), p=[share for share, _ in mix.values()]))
        times = {
            key: (ms * mix[route][1] + (more or {}).get(key, 0.0)) * float(rng.lognormal(0, 0.4))
            for key, ms in USUAL.items()
        }
        place = {"at": at, "api": api, "stage": stage, "route": route, "trace_id": f"{first:%H%M}-{number}"}
        total = sum(times.values())
        rows += [
            {**place, "part": part, "name": name, "ms": ms, "total_ms": total, "status": 200}
            for (part, name), ms in times.items()
            if ms > 0
        ]
    columns = {field.name: [row.get(field.name) for row in rows] for field in SPANS}
    arrays = [
        pa.array(columns[field.name], field.type.value_type).dictionary_encode().cast(field.type)
        if pa.types.is_dictionary(field.type)
        else pa.array(columns[field.name], field.type)
        for field in SPANS
    ]
    return pa.table(arrays, schema=SPANS)


def both(seed: int, count: int = 200, **changed: Any) -> pa.Table:
    """A day as usual, then an hour with `changed`."""
    rng = np.random.default_rng(seed)
    usual = spans(rng, START - timedelta(hours=24), START, count, routes=changed.pop("routes_before", None))
    return pa.concat_tables([usual, spans(rng, START, END, count, **changed)])


def slow(**more: Any) -> Finding:
    made = a_finding("latency", START, end=END, kind=Kind.LATENCY_OUTLIER, layer="integration", **more)
    facts: dict[str, JSON] = {"routes": ["GET /pets"]}
    return replace(made, subtype=more.get("subtype", "step"), evidence=replace(made.evidence, facts=facts))


@pytest.mark.parametrize("part", list(USUAL), ids=lambda part: "-".join(str(one) for one in part))
@pytest.mark.parametrize("seed", range(6))
def test_the_part_that_takes_longer_is_named(part: tuple[str, str | None], seed: int) -> None:
    found = refined(slow(), both(seed, more={part: 60.0}), END)
    label, layer, cause = LABELS[part]
    facts = cast(dict[str, Any], found.evidence.facts)
    assert (facts["verdict"], found.layer, found.cause) == (label, layer, cause)
    assert facts["trace_shares"][label] >= 0.8
    assert sum(facts["trace_shares"].values()) == pytest.approx(1, abs=0.05)
    assert len(facts["trace_ids"]) == 5
    assert f"{facts['trace_shares'][label]:.0%}" in found.evidence.sentence


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_named_when_nothing_changed(seed: int) -> None:
    found = refined(slow(), both(seed, count=60), END)
    assert found.layer == "integration"
    assert cast(dict[str, Any], found.evidence.facts).get("verdict", "cannot tell") == "cannot tell"


@pytest.mark.parametrize("seed", range(5))
def test_a_shift_to_slower_routes_is_not_blamed_on_a_part(seed: int) -> None:
    mix = {"GET /pets": (0.9, 1.0), "GET /report": (0.1, 9.0)}
    shifted = {"GET /pets": (0.2, 1.0), "GET /report": (0.8, 9.0)}
    one = slow()
    one = replace(one, evidence=replace(one.evidence, facts={"routes": []}))
    found = refined(one, both(seed, routes_before=mix, routes=shifted), END)
    assert cast(dict[str, Any], found.evidence.facts).get("verdict", "cannot tell") == "cannot tell"


@pytest.mark.parametrize(
    ("logged", "part", "layer"),
    [
        ("integration", ("downstream", "DynamoDB orders"), "downstream"),
        ("gateway", ("authorizer", "authz"), "authorizer"),  # its time need not be logged
        ("waf", ("gateway", None), "waf"),  # traces do not know WAF
    ],
)
def test_traces_tell_within_the_layer_that_the_logs_show(logged: str, part: tuple[str, str | None], layer: str) -> None:
    one = slow()
    facts: dict[str, JSON] = {"routes": ["GET /pets"], "layer_shares": {logged: 0.9}}
    one = replace(one, layer=logged, evidence=replace(one.evidence, facts=facts))
    # Few traces are slow in parts that have nothing to do with it.
    elsewhere = {("init", "pets"): 0.0, ("authorizer", "authz"): 45.0, ("handler", "pets"): 45.0}
    chance = {key: ms for key, ms in elsewhere.items() if key[0] not in _WITHIN[logged]}
    found = refined(one, both(5, more={part: 60.0, **chance}), END)
    assert found.layer == layer


def test_too_few_traces_or_those_of_another_stage_say_nothing() -> None:
    part = {("handler", "pets"): 60.0}
    assert refined(slow(), None, END) == slow()
    assert refined(slow(), both(1, count=4, more=part), END) == slow()
    assert refined(slow(), both(1, more=part, api="a2"), END) == slow()
    assert refined(slow(), both(1, more=part, stage="test"), END) == slow()
    other = a_finding("x", START, end=END)
    assert refined(other, both(1, more=part), END) is other


def test_a_slow_tail_is_looked_at_in_the_tail() -> None:
    rng = np.random.default_rng(3)
    usual = spans(rng, START - timedelta(hours=24), START, 400)
    most = spans(rng, START, END, 340)
    few = spans(rng, START + timedelta(minutes=1), END, 60, more={("init", "pets"): 900.0})
    found = refined(slow(subtype="tail_only"), pa.concat_tables([usual, most, few]), END)
    assert cast(dict[str, Any], found.evidence.facts)["verdict"] == "cold start"
    assert (found.layer, found.subtype) == ("cold_start", "cold_start")


def test_timeouts_say_where_they_wait() -> None:
    waiting = both(4, count=30, more={("downstream", "api.example.com"): 29_500.0})
    one = replace(slow(), subtype="timeout_29s")
    found = refined(one, waiting, END)
    assert cast(dict[str, Any], found.evidence.facts)["verdict"] == "timeout at 29 s: downstream api.example.com"
    assert found.layer == "downstream"
    assert refined(one, both(4, count=30), END) == one


def test_a_slow_downstream_is_named_in_what_a_detection_says() -> None:
    world = a_world(41, apis=1, days=3, only=["step_all"], benign=False, gap=False, highest=60)
    truth = world.truths[0]
    start, end = minute_at(world.start + truth.start), minute_at(world.start + truth.end)
    rng = np.random.default_rng(8)
    place = {"api": world.apis[0].name, "routes": {world.apis[0].routes[0]: (1.0, 1.0)}}
    usual = spans(rng, start - timedelta(hours=24), start, 300, **place)  # type: ignore[arg-type]
    late = spans(rng, start, end, 300, more={("downstream", "DynamoDB orders"): 200.0}, **place)  # type: ignore[arg-type]
    context = Context(spans=pa.concat_tables([usual, late]))
    found = detect(world.minutes, world.clients, world.coverage, context, only=["latency_outlier"])
    one = next(finding for finding in found.findings if abs(finding.start - start) < timedelta(minutes=15))
    assert (one.layer, one.subtype) == ("downstream", "downstream")
    assert one.evidence.facts["verdict"] == "downstream DynamoDB orders"
