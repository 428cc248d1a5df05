"""Versions of the inventory, unique changes; datapoints and traces told again change nothing, corrected they count."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from gatewatch.frames import SPANS
from gatewatch.frames.points import dimensions_text
from gatewatch.frames.schema import POINTS
from gatewatch.records import Change, ChangeEvent
from gatewatch.store.changes import changes, save_changes
from gatewatch.store.compact import compact
from gatewatch.store.inventories import current_inventory, save_inventory, snapshot_document, snapshots
from gatewatch.store.manifest import segments
from gatewatch.store.points import read_metrics, read_points, save_points
from gatewatch.store.retention import expired, remove
from gatewatch.store.spans import read_spans, save_spans
from gatewatch.store.state import State

AT = datetime(2026, 6, 9, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def points(*values: tuple[int, float], **more: Any) -> pa.Table:
    rows = [
        {
            "at": AT + minute * MINUTE,
            "period_s": 60,
            "namespace": "AWS/ApiGateway",
            "metric": "Count",
            "stat": "Sum",
            "dimensions": dimensions_text({"ApiId": "a1", "Stage": "prod"}),
            "value": value,
            **more,
        }
        for minute, value in values
    ]
    return pa.Table.from_pylist(rows, schema=POINTS)


def a_trace(trace: str, parts: Sequence[tuple[str, float]], minute: int = 0) -> pa.Table:
    total = sum(ms for _, ms in parts)
    rows = [
        {
            "at": AT + minute * MINUTE,
            "api": "a1",
            "stage": "prod",
            "trace_id": trace,
            "part": part,
            "ms": ms,
            "total_ms": total,
        }
        for part, ms in parts
    ]
    return pa.Table.from_pylist(rows, schema=SPANS)


def an_event(name: str, minute: int) -> ChangeEvent:
    change = Change(AT + minute * MINUTE, "UpdateStage", "somebody", "a1/prod")
    return ChangeEvent(name, change, "apigateway", "UpdateStage", detail={"stageName": "prod"})


def counts(state: State) -> list[tuple[str, float]]:
    table = read_metrics(state, AT, AT + 60 * MINUTE, known_since=AT - 60 * MINUTE)
    return [(row["at"].strftime("%H:%M"), row["value"]) for row in table.to_pylist()]


def listed(state: State, kind: str) -> int:
    with state.read() as session:
        return len(segments(session, kind))


def test_a_point_told_again_is_nothing_and_a_corrected_one_counts_instead(state: State) -> None:
    assert save_points(state, points((0, 1), (1, 2), (7, 5)), source="aws", now=AT) == 3
    assert save_points(state, points((1, 2), (0, 1)), source="files", now=AT + MINUTE) == 0
    assert listed(state, "metrics") == 1
    assert save_points(state, points((1, 4), (2, 1)), source="aws", now=AT + 2 * MINUTE) == 2
    assert counts(state) == [("12:00", 6.0), ("12:05", 5.0)]
    assert read_points(state, AT, AT + 2 * MINUTE).column("value").to_pylist() == [1, 4]
    compact(state, age=timedelta())
    assert listed(state, "metrics") == 1
    assert counts(state) == [("12:00", 6.0), ("12:05", 5.0)]


def test_a_series_is_known_by_its_first_point_when_it_had_none_lately(state: State) -> None:
    old = points((-50, 7), (-40, 9))
    other = points((3, 1), dimensions=dimensions_text({"ApiId": "b2", "Stage": "prod"}))
    latency = points((3, 80), metric="Latency", stat="p99")
    save_points(state, pa.concat_tables([old, other, latency]), source="aws", now=AT)
    assert counts(state) == [("11:10", 7.0), ("12:00", 1.0)]


def test_a_trace_that_comes_again_further_on_replaces_what_it_was(state: State) -> None:
    first = pa.concat_tables([a_trace("1-a", [("gateway", 5)]), a_trace("1-b", [("gateway", 1), ("handler", 2)], 1)])
    assert save_spans(state, first, source="aws", now=AT) == 3
    assert save_spans(state, first, source="aws", now=AT + MINUTE) == 0
    more = pa.concat_tables([a_trace("1-a", [("gateway", 2), ("handler", 4)]), first.slice(1)])
    assert save_spans(state, more, source="aws", now=AT + 2 * MINUTE) == 2
    told = [(row["trace_id"], row["part"], row["ms"]) for row in read_spans(state).to_pylist()]
    assert told == [("1-a", "handler", 4), ("1-a", "gateway", 2), ("1-b", "handler", 2), ("1-b", "gateway", 1)]
    compact(state, age=timedelta())
    assert read_spans(state).num_rows == 4
    remove(state, expired(state, {"spans": AT + timedelta(days=1)}))
    assert read_spans(state).num_rows == 0


def test_an_event_stands_once_in_the_timeline(state: State) -> None:
    for batch, new in (([an_event("e1", 5), an_event("e2", 3), an_event("e1", 5)], 2), ([an_event("e1", 5)], 0)):
        with state.begin() as session:
            assert save_changes(session, batch, source="aws", now=AT) == new
    with state.read() as session:
        assert changes(session) == [an_event("e2", 3), an_event("e1", 5)]
        assert changes(session, AT + 4 * MINUTE, AT + 5 * MINUTE) == []


def test_each_change_of_an_inventory_is_a_version(state: State) -> None:
    document: dict[str, Any] = {"accountId": "1", "region": "eu-west-1", "restApis": [{"id": "a1"}]}
    other: dict[str, Any] = {
        "accountId": "2",
        "region": "eu-west-1",
        "restApis": [{"id": "b2"}],
        "apiKeys": [{"id": "k"}],
    }
    later: dict[str, Any] = {**document, "restApis": [{"id": "a1", "name": "pets"}]}
    for number, one in enumerate((document, dict(reversed(document.items())), other, later)):
        with state.begin() as session:
            save_inventory(session, one, source="aws", now=AT + number * MINUTE)
    with state.read() as session:
        first, _, last = snapshots(session)
        assert first.seen_at == AT + MINUTE
        assert [snapshot_document(session, one.id) for one in (first, last)] == [document, later]
        joined = current_inventory(session)
        assert len(snapshots(session, account="1")) == 2
    assert joined is not None
    assert sorted(joined) == ["apiKeys", "restApis"]
    apis = joined["restApis"]
    assert isinstance(apis, list)
    assert sorted((str(one["id"]), one["accountId"]) for one in apis if isinstance(one, dict)) == [
        ("a1", "1"),
        ("b2", "2"),
    ]
