"""Series, heat maps, raw requests and differences through the API."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from fastapi.testclient import TestClient

from gatewatch.app import build_app
from gatewatch.frames import SPANS
from gatewatch.records import Evidence, Kind, Point
from gatewatch.settings import Settings
from gatewatch.store.findings import save_findings
from gatewatch.store.spans import save_spans
from gatewatch.store.state import State
from tests.store.builders import AT, a_finding, minutes, put, requests

RANGE = {"since": "2026-06-09T12:00:00Z", "until": "2026-06-09T13:00:00Z"}


def get(client: TestClient, path: str, status: int = 200, **query: Any) -> Any:
    answer = client.get(f"/api/v1/{path}", params={**RANGE, **query})
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()


def a_world(state: State) -> None:
    rows = [
        {
            "at": AT + timedelta(seconds=n),
            "route": "GET /a" if n % 3 else "POST /b",
            "status": 500 if n % 10 == 0 else 200,
            "latency_ms": float(20 + n % 50),
            "client_ip": f"192.0.2.{n % 5}",
            "request_id": f"r{n:03d}",
            "user_agent": "curl/8",
        }
        for n in range(300)
    ]
    rolled = [
        {
            "minute": AT + timedelta(minutes=n),
            "route": "GET /a",
            "n": 60,
            "s5xx": 6,
            "latency_b": [150],
            "latency_c": [60],
        }
        for n in range(5)
    ]
    put(state, tables=[("requests", requests(rows)), ("minutes", minutes(rolled))], lines=300)


def test_a_series_has_its_line_unit_and_earlier_time(client: TestClient, state: State) -> None:
    a_world(state)
    body = get(client, "series", measure="requests", step="5m", compare="previous")
    assert (body["unit"], body["source"], body["step_s"], len(body["at"])) == ("requests", "minutes", 300, 12)
    assert body["lines"][0]["points"][:2] == [300, None]
    assert body["compared"]["seconds_before"] == 3600
    assert body["compared"]["lines"][0]["points"] == [None] * 12
    by_status = get(client, "series", measure="requests", by="status", step="1h")
    assert [(one["value"], one["points"]) for one in by_status["lines"]] == [("200", [270]), ("500", [30])]
    share = get(client, "series", measure="server_error_share", step="1h", where=["route = GET /a"])
    assert share["lines"][0]["points"] == [0.1]
    heat = get(client, "heatmap", step="30m", where=["status >= 500"])
    assert (heat["source"], sum(map(sum, heat["counts"]))) == ("requests", 30)


def test_a_series_is_not_sent_again_while_nothing_came(client: TestClient, state: State) -> None:
    a_world(state)
    first = client.get("/api/v1/series", params=RANGE)
    again = client.get("/api/v1/series", params=RANGE, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_band_is_what_a_finding_holds(client: TestClient, state: State) -> None:
    series = (Point(AT, 50.0, 4.0, 12.0), Point(AT + timedelta(hours=9), 1.0, 4.0, 12.0))
    evidence = Evidence(50.0, 4.0, "refused requests", "50", {}, series)
    with state.begin() as session:
        save_findings(session, [a_finding(kind=Kind.AUTH_FAILURE_SPIKE, api="a1", evidence=evidence)], now=AT)
    (band,) = get(client, "series", measure="auth_refusals", band=True, where=["api = a1"])["bands"]
    assert band["points"] == [{"at": "2026-06-09T12:00:00Z", "observed": 50.0, "expected": 4.0, "upper": 12.0}]
    assert get(client, "series", measure="auth_refusals", band=True, where=["api = a2"])["bands"] == []
    assert get(client, "series", measure="requests", band=True)["bands"] == []


def test_raw_requests_page_and_choose_fields(client: TestClient, state: State) -> None:
    a_world(state)
    seen: list[str] = []
    query: dict[str, Any] = {"where": ["status >= 500"], "limit": 8, "fields": "request_id,at"}
    while True:
        body = get(client, "requests", **query)
        assert all(set(one) == {"request_id", "at"} for one in body["requests"])
        seen += [one["request_id"] for one in body["requests"]]
        if body["next_cursor"] is None:
            break
        query["cursor"] = body["next_cursor"]
    assert seen == [f"r{n:03d}" for n in range(290, -1, -10)]
    get(client, "requests", 400, cursor="AAAA")
    get(client, "requests", 422, fields="password")


def test_a_selection_is_compared_with_the_rest(client: TestClient, state: State) -> None:
    a_world(state)
    body = get(client, "difference", select=["route = POST /b"])
    assert (body["selected"], body["rest"], body["selected_every"]) == (100, 200, 1)
    assert body["dimensions"][-1]["chosen"]
    before = get(client, "difference", select_since="2026-06-09T12:03:00Z", against="previous", where=["status = 200"])
    assert before["selected"] + before["rest"] == 270
    assert "selection is needed" in get(client, "difference", 400)["detail"]


def test_wrong_questions_say_what_would_be_right(client: TestClient) -> None:
    assert "no field is called 'colour'" in get(client, "requests", 400, where=["colour = red"])["detail"]
    assert "before until" in get(client, "series", 400, since="2026-06-10T00:00:00Z")["detail"]
    assert "5m, 1h" in get(client, "series", 422, step="90s")["detail"]
    assert "longer step" in get(client, "series", 400, since="2026-03-01T00:00:00Z", step="1m")["detail"]
    get(client, "series", 422, measure="happiness")
    get(client, "series", 422, by="request_body")
    get(client, "requests", 400, since="0001-01-01T00:00:00Z")
    get(client, "difference", 400, select=["status >= 500"], select_since="2026-06-09T15:00:00Z")


def test_privacy_masks_callers_and_forbids_to_search_for_them(tmp_path: Path, state: State) -> None:
    a_world(state)
    with TestClient(
        build_app(Settings(data_dir=tmp_path / "data", privacy="truncate")), base_url="http://localhost:8080"
    ) as client:
        lines = get(client, "series", by="client_ip", step="1h")["lines"]
        assert {one["value"] for one in lines} == {"192.0.2.0/24"}
        for one in get(client, "requests", limit=3)["requests"]:
            assert one["client_ip"] == "192.0.2.0/24"
        difference = get(client, "difference", select=["status >= 500"])
        assert "192.0.2.1" not in str(difference)
        for path, name in (("requests", "where"), ("series", "where"), ("difference", "select")):
            assert "hides client_ip" in get(client, path, 400, **{name: ["client_ip ~ 192.0.2.1"]})["detail"]


def test_traces_of_a_finding_are_those_of_its_place_slowest_first(client: TestClient, state: State) -> None:
    with state.begin() as session:
        save_findings(session, [a_finding(id="one", api="a1", stage="prod", route="GET /a")], now=AT)
    rows = [
        {
            "at": AT + timedelta(minutes=n),
            "api": "a1" if n < 3 else "a2",
            "stage": "prod",
            "route": "GET /a",
            "trace_id": f"1-{n:08x}-0",
            "part": part,
            "name": None if part == "gateway" else "orders",
            "ms": share * (n + 1),
            "total_ms": 100.0 * (n + 1),
            "status": 200,
        }
        for n in range(4)
        for part, share in (("gateway", 10.0), ("handler", 90.0))
    ]
    save_spans(state, pa.Table.from_pylist(rows, SPANS), source="x", now=AT)
    listed = client.get("/api/v1/findings/one/traces").json()["traces"]
    assert [one["total_ms"] for one in listed] == [300.0, 200.0, 100.0]
    assert listed[0]["parts"] == [
        {"part": "handler", "name": "orders", "ms": 270.0},
        {"part": "gateway", "name": None, "ms": 30.0},
    ]
    assert client.get("/api/v1/findings/two/traces").status_code == 404
