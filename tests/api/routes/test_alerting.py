"""Channels, deliveries and the routing tree through the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gatewatch.app import build_app
from gatewatch.settings import Settings
from gatewatch.store.outbox import claim, enqueue, mark_failed
from gatewatch.store.state import State
from tests.receivers import Receiver, receiver


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver(answer=lambda _: "thanks") as made:
        yield made


@pytest.fixture
def settings(tmp_path: Path, hook: Receiver) -> Settings:
    document = {
        "channels": {"hook": {"type": "slack", "url": f"{hook.url}/secret"}},
        "times": {"nights": {"start": "22:00", "end": "06:00"}},
        "route": {"quiet": ["nights"]},
    }
    (tmp_path / "alerts.yaml").write_text(json.dumps(document))
    return Settings(data_dir=tmp_path / "data", alerts_file=tmp_path / "alerts.yaml")


@pytest.fixture
def client(settings: Settings, state: State) -> Iterator[TestClient]:
    with TestClient(build_app(settings), base_url="http://localhost:8080") as opened:
        yield opened


def test_a_test_shows_payload_and_reply(client: TestClient, hook: Receiver) -> None:
    [one] = client.get("/api/v1/channels").json()["channels"]
    assert (one["name"], one["kind"], one["failures_in_a_row"]) == ("hook", "slack", 0)
    sent = client.post("/api/v1/channels/hook/test", json={}).json()
    assert sent["delivered"]
    assert sent["wire"][0]["request"] == hook.got[0].json
    assert sent["wire"][0]["reply"] == "thanks"
    hook.mood = "500"
    failed = client.post("/api/v1/channels/hook/test", json={"resolved": True})
    assert failed.json()["error"] == "slack: status 500 (thanks)"
    assert "/secret" not in failed.text
    assert client.post("/api/v1/channels/none/test", json={}).status_code == 404


def test_the_log_shows_what_came_back_and_what_was_given_up_is_tried_again(client: TestClient, state: State) -> None:
    with state.begin() as session:
        enqueue(session, finding_id="f", transition="new", channel="hook", payload={}, covers=[("g", "new")])
    [item] = claim(state, "w")
    mark_failed(state, item.id, "hook: status 400", retry=False, wire=[{"reply": "no"}])
    answer = client.get("/api/v1/deliveries?finding=g&channel=hook").json()
    assert [one["wire"] for one in answer["deliveries"]] == [[{"reply": "no"}]]
    assert answer["alerts"]["dead"] == 1
    assert client.get("/api/v1/deliveries?finding=other").json()["deliveries"] == []
    assert client.post("/api/v1/deliveries/retry", json={"alerts": ["nothing"]}).json()["retried"] == 0
    assert client.post("/api/v1/deliveries/retry", json={}).json()["retried"] == 1
    assert len(claim(state, "w")) == 1


def test_the_dry_run_says_what_would_hold_an_alert_back(client: TestClient) -> None:
    [way] = client.get("/api/v1/alert-routes/test?api=a&at=2026-06-10T23:00:00Z").json()["ways"]
    assert (way["channels"], way["held"], way["until"]) == (["hook"], "quiet hours: nights", "2026-06-11T06:00:00Z")
    [way] = client.get("/api/v1/alert-routes/test?severity=critical&at=2026-06-10T23:00:00Z").json()["ways"]
    assert way["held"] is None
    assert client.get("/api/v1/alert-routes/test?finding=nothing").status_code == 404
