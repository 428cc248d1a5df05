"""Reads of what is around: APIs, routes, consumers, changes, sources, detectors, settings, metrics."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from gatewatch.app import build_app
from gatewatch.records import JSON, Change, ChangeEvent
from gatewatch.settings import Settings
from gatewatch.store.changes import save_changes
from gatewatch.store.findings import save_findings
from gatewatch.store.inventories import save_inventory
from gatewatch.store.sources import register_source
from gatewatch.store.state import State
from tests.store.builders import AT, a_finding, minutes, put, requests

RANGE: dict[str, Any] = {"since": "2026-06-09T12:00:00Z", "until": "2026-06-09T13:00:00Z"}


def get(client: TestClient, path: str, status: int = 200, **query: Any) -> Any:
    answer = client.get(f"/api/v1/{path}", params=query)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_apis_routes_and_consumers_by_traffic(client: TestClient, state: State) -> None:
    rolled = [
        {"minute": AT, "api": "a1", "route": "GET /a", "n": 10, "s5xx": 2, "latency_b": [100], "latency_c": [10]},
        {"minute": AT + timedelta(minutes=1), "api": "a1", "route": "GET /b", "n": 5, "c_throttle": 3},
        {"minute": AT, "api": "a2", "stage": None, "n": 99},
        {"minute": AT + timedelta(hours=3), "api": "a3", "n": 1000},
    ]
    raw = [{"client_ip": f"192.0.2.{n % 3}", "route": f"GET /{n % 2}", "user_agent": "curl/8"} for n in range(10)]
    put(state, tables=[("minutes", minutes(rolled)), ("requests", requests(raw))], lines=1)
    inventory: dict[str, JSON] = {
        "accountId": "1",
        "region": "eu-west-1",
        "restApis": [
            {"id": "a1", "name": "orders", "stages": [{"stageName": "prod"}]},
            {"id": "a9", "name": "old", "stages": [{"stageName": "prod"}]},
        ],
    }
    with state.begin() as session:
        save_inventory(session, inventory, source="x", now=AT)
    body = get(client, "apis", **RANGE)
    assert [(one["api"], one["name"], one["requests"], one["server_errors"]) for one in body["apis"]] == [
        ("a2", None, 99, 0),
        ("a1", "orders", 15, 2),
    ]
    assert body["not_called"] == [{"api": "a9", "stage": "prod", "name": "old"}]
    listed = get(client, "routes", where=["api = a1"], **RANGE)["routes"]
    assert [(one["route"], one["requests"], one["throttled"]) for one in listed] == [
        ("GET /a", 10, 0),
        ("GET /b", 5, 3),
    ]
    assert 7.2 < listed[0]["latency_p95_ms"] < 7.4
    assert listed[1]["latency_p95_ms"] is None
    callers = get(client, "consumers", limit=2, **RANGE)["consumers"]
    assert [(one["client_id"], one["requests"], one["routes"]) for one in callers] == [
        ("ip:192.0.2.0", 4, 2),
        ("ip:192.0.2.1", 3, 2),
    ]
    assert "rollups have no status" in get(client, "routes", 400, where="status = 500")["detail"]


def test_changes_sources_and_detectors(client: TestClient, state: State) -> None:
    events = [
        ChangeEvent(f"e{n}", Change(AT + timedelta(minutes=n), f"Update{n}", "ann", f"stage/{n}"), "apigateway", "U")
        for n in range(5)
    ]
    register_source(state, "s3", "s3", "s3://logs/app", True, {"secret_option": "hush"})
    put(state, source="files", lines=7)
    with state.begin() as session:
        save_changes(session, events, source="x", now=AT)
        save_findings(session, [a_finding("one"), a_finding("two")], now=AT)
    body = get(client, "changes", since="2026-06-01T00:00:00Z", limit=2)
    assert ([one["id"] for one in body["changes"]], body["total"]) == (["e4", "e3"], 5)
    further = get(client, "changes", since="2026-06-01T00:00:00Z", until=body["changes"][-1]["at"], resource="STAGE/1")
    assert [one["id"] for one in further["changes"]] == ["e1"]
    listed = {one["name"]: one for one in get(client, "sources")["sources"]}
    assert listed["s3"]["follow"]
    assert listed["files"]["accounting"]["accepted"] == 7
    assert "hush" not in str(listed)
    detectors = get(client, "detectors")["detectors"]
    assert sum(one["findings"] for one in detectors) in (0, 2)
    assert {"code", "means"} <= set(detectors[0])


def test_settings_tell_no_secret_and_only_admins_are_told(tmp_path: Path, state: State) -> None:
    given = Settings(
        data_dir=tmp_path / "data",
        slack_webhook_url="https://hooks.example/T0/B0/hush",  # type: ignore[arg-type]
        ingest_key="hushhushhushhushhush",  # type: ignore[arg-type]
    )
    with TestClient(build_app(given), base_url="http://localhost:8080") as client:
        listed = {one["name"]: one for one in get(client, "settings")["settings"]}
        document = client.get("/api/openapi.json").json()
    assert "hush" not in str(listed)
    assert (listed["slack_webhook_url"]["set"], listed["slack_webhook_url"]["value"]) == (True, None)
    assert (listed["port"]["value"], listed["port"]["set"]) == (8080, False)
    assert document["paths"]["/api/v1/settings"]["get"]["x-role"] == "admin"


def test_metrics_are_in_prometheus_format(client: TestClient, state: State) -> None:
    put(state, source='odd "name"\\\n', tables=[("requests", requests([{}]))], lines=3)
    with state.begin() as session:
        save_findings(session, [a_finding("one")], now=datetime.now(UTC))
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    sample = re.compile(r'[a-z_]+(\{[a-z_]+="(\\.|[^"\\])*"(,[a-z_]+="(\\.|[^"\\])*")*\})? [-+.0-9einfa]+')
    lines = answer.text.splitlines()
    assert all(line.startswith("# ") or sample.fullmatch(line) for line in lines)
    assert 'gatewatch_lines_total{source="odd \\"name\\"\\\\\\n",outcome="accepted"} 3' in lines
    assert 'gatewatch_findings_open{kind="throttling_abuse",severity="medium"} 1' in lines
    for line in lines:
        if line.startswith("# TYPE"):
            assert sum(1 for one in lines if one.startswith(f"{line.rsplit(' ', 1)[0]} ")) == 1
