from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gatewatch.errors import UsageError
from gatewatch.settings import Settings
from gatewatch.store.compact import compact
from gatewatch.store.request_fields import REQUEST_FIELDS
from gatewatch.store.series import FEW, Asked, Lines, heat_map, series
from gatewatch.store.state import State, open_state
from gatewatch.where import Term, parse_all
from tests.store.builders import AT, minutes, put, requests


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """SQLite is enough: what is asked here is the lake."""
    opened = open_state(Settings(data_dir=tmp_path / "data"))
    yield opened
    opened.close()


HOUR = timedelta(hours=1)


def where(*texts: str) -> tuple[Term, ...]:
    return parse_all(texts, REQUEST_FIELDS)


def by_value(found: Lines) -> dict[str | None, list[float]]:
    return {"(other)" if one.other else one.value: one.points for one in found.lines}


def a_request(minute: float, **values: Any) -> Mapping[str, Any]:
    return {"at": AT + timedelta(minutes=minute), "route": "GET /a", **values}


def test_minutes_of_many_batches_add_up_by_step_and_route(state: State) -> None:
    for n in (3, 4):
        rows: list[dict[str, Any]] = [
            {"minute": AT, "route": "GET /a", "n": n, "s5xx": 1, "c_throttle": 2},
            {"minute": AT + timedelta(minutes=7), "route": None, "n": 10},
        ]
        put(state, tables=[("minutes", minutes(rows))], lines=1)
    asked = Asked(AT, AT + timedelta(minutes=10), 300, (), "route")
    assert by_value(series(state, "requests", asked)) == {None: [0, 20], "GET /a": [7, 0]}
    shares = by_value(series(state, "server_error_share", asked))
    assert shares["GET /a"][0] == pytest.approx(2 / 7)
    assert math.isnan(shares["GET /a"][1])
    assert by_value(series(state, "throttled", asked))["GET /a"] == [4, 0]


def test_the_same_from_rollups_and_from_requests(state: State) -> None:
    raw = [a_request(n / 3, status=500 if n % 7 == 0 else 200, latency_ms=float(n * 13 % 97 + 1)) for n in range(60)]
    rolled: dict[datetime, dict[str, Any]] = {}
    for row in raw:
        minute = row["at"].replace(second=0, microsecond=0)
        bucket = math.floor(math.log(row["latency_ms"]) / math.log(1.02))
        one = rolled.setdefault(minute, {"minute": minute, "route": "GET /a", "n": 0, "s5xx": 0, "buckets": {}})
        one["n"] += 1
        one["s5xx"] += row["status"] == 500
        one["buckets"][bucket] = one["buckets"].get(bucket, 0) + 1
    for one in rolled.values():
        counts = sorted(one.pop("buckets").items())
        one |= {"latency_b": [bucket for bucket, _ in counts], "latency_c": [n for _, n in counts]}
    put(state, tables=[("requests", requests(raw)), ("minutes", minutes(list(rolled.values())))], lines=60)
    until = AT + timedelta(minutes=20)
    for name in ("requests", "server_errors", "server_error_share", "latency_p50", "latency_p95"):
        fast = series(state, name, Asked(AT, until, 300, (), "route"))
        slow = series(state, name, Asked(AT, until, 300, where("method is empty"), "route"))
        assert (fast.source, slow.source) == ("minutes", "requests")
        assert by_value(fast) == by_value(slow)
    for terms in ((), where("method is empty")):
        heat = heat_map(state, Asked(AT, until, 300, terms))
        assert sum(map(sum, heat.counts)) == 60


def test_new_data_are_seen_and_joined_segments_change_nothing(state: State) -> None:
    asked = Asked(AT, AT + HOUR, 3600)
    for round_ in range(3):
        put(state, tables=[("minutes", minutes([{"minute": AT, "n": 5}]))], lines=1)
        assert by_value(series(state, "requests", asked)) == {None: [5 * (round_ + 1)]}
    assert compact(state, age=timedelta()).before == 3
    assert by_value(series(state, "requests", asked)) == {None: [15]}


def test_all_beyond_the_top_are_one_line_whatever_they_are_called(state: State) -> None:
    names = ["\x00", "\x01", "(other)", None, "curl/1"]
    rows = [a_request(0, user_agent=name) for place, name in enumerate(names) for _ in range(place + 1)]
    put(state, tables=[("requests", requests(rows))], lines=len(rows))
    found = series(state, "requests", Asked(AT, AT + HOUR, 3600, (), "user_agent", top=2))
    assert [(one.value, one.other, one.points) for one in found.lines] == [
        ("curl/1", False, [5]),
        (None, False, [4]),
        (None, True, [6]),
    ]
    assert found.groups == 5


def test_where_nothing_was_delivered_is_not_zero(state: State) -> None:
    covered = [(AT, AT + timedelta(minutes=10))]
    put(state, tables=[("minutes", minutes([{"minute": AT, "n": 2}]))], lines=1, coverage=covered)
    found = series(state, "requests", Asked(AT, AT + timedelta(minutes=15), 300))
    assert found.lines[0].points[:2] == [2, 0]
    assert math.isnan(found.lines[0].points[2])
    assert found.known == [True, True, False]


def test_an_empty_store_has_a_line_without_values(state: State) -> None:
    for by in (None, "route", "user_agent"):
        (one,) = series(state, "requests", Asked(AT, AT + HOUR, 3600, (), by)).lines
        assert all(math.isnan(value) for value in one.points)
    assert heat_map(state, Asked(AT, AT + HOUR, 3600)).counts == []


def test_what_is_too_much_is_refused_with_what_to_do(state: State) -> None:
    with pytest.raises(UsageError, match="longer step"):
        series(state, "requests", Asked(AT, AT + timedelta(days=30), 60))
    with pytest.raises(UsageError, match="whole number of minutes"):
        series(state, "requests", Asked(AT, AT + HOUR, 90))


def test_callers_are_counted_once(state: State) -> None:
    rows = [{"minute": AT + timedelta(minutes=n), "n": 3, "clients_k": [1, 5, 10 + n % 2]} for n in range(4)]
    put(state, tables=[("minutes", minutes(rows))], lines=1)
    assert by_value(series(state, "callers", Asked(AT, AT + HOUR, 3600))) == {None: [4]}
    raw = [a_request(n, client_ip=f"192.0.2.{n % 3}") for n in range(9)]
    put(state, tables=[("requests", requests(raw))], lines=9, file="b.log")
    found = series(state, "callers", Asked(AT, AT + HOUR, 3600, where("status = 200"), "route"))
    assert by_value(found) == {"GET /a": [3]}


def test_fields_of_few_values_are_summed_in_one_pass_and_as_any_other_field(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"at": AT + timedelta(minutes=n), "status": status, "reject_cause": cause, "response_bytes": n}
        for n, (status, cause) in enumerate(
            [(200, None), (500, "backend_error"), (None, None), (429, "throttle"), (404, "not_found"), (204, None)] * 4
        )
    ]
    put(state, tables=[("requests", requests(rows[:11]))], lines=11)
    put(state, tables=[("requests", requests(rows[11:]))], lines=13)
    terms = parse_all(["status != 204"], REQUEST_FIELDS)
    asked = [
        (name, Asked(AT + timedelta(minutes=1), AT + timedelta(minutes=23), 300, some, by, top))
        for name in ("requests", "throttled", "server_error_share", "response_bytes", "latency_p50", "callers")
        for by in FEW
        for some, top in (((), 8), (terms, 1))
    ]
    quick = [series(state, *one) for one in asked]
    monkeypatch.setattr("gatewatch.store.series.FEW", {})
    for (name, one), found, slow in zip(asked, quick, (series(state, *one) for one in asked), strict=True):
        assert repr(found) == repr(slow), (name, one.by)
