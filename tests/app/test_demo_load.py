"""The demo's world at the press of a button: loaded into an empty installation, and taken out without a trace."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from gatewatch import demoworld
from gatewatch.app import build_app, demoload
from gatewatch.settings import Settings
from gatewatch.store import access_models, alert_models  # noqa: F401
from gatewatch.store.base import Base
from gatewatch.store.forgetting import KEPT
from gatewatch.store.state import State, open_state
from tests.store.builders import minutes, put

PATH = "/api/v1/demo-world"


def client_of(tmp_path: Path) -> TestClient:
    return TestClient(build_app(Settings(data_dir=tmp_path / "data")), base_url="http://127.0.0.1")


def settled(client: TestClient) -> dict[str, object]:
    for _ in range(3000):
        found: dict[str, object] = client.get(PATH).json()
        if found["state"] not in ("writing", "reading", "looking"):
            return found
        time.sleep(0.1)
    raise AssertionError(found)


def rows(state: State) -> dict[str, int]:
    with state.read() as session:
        return {
            table.name: session.execute(select(func.count()).select_from(table)).scalar_one()
            for table in Base.metadata.sorted_tables
        }


def test_it_is_loaded_once_and_taken_out_with_all_that_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demoworld, "DAYS", 0.5)
    monkeypatch.setattr(demoworld, "RATE", 0.2)
    with client_of(tmp_path) as client:
        assert client.get(PATH).json()["removable"] is False
        assert client.delete(PATH).status_code == 409
        started = client.post(PATH, json={})
        assert started.status_code == 202
        assert client.post(PATH, json={}).status_code == 409
        found = settled(client)
        assert (found["state"], found["removable"]) == ("loaded", True), found
        assert "loaded already" in client.post(PATH, json={}).json()["detail"]
        assert client.get("/api/v1/accounting").json()["sources"][0]["source"] == demoworld.SOURCE
        assert not list((tmp_path / "data").glob("demo-world-*")), "its logs were only needed to be read"
        assert (tmp_path / "data" / demoworld.LABELS).exists()
        state = open_state(Settings(data_dir=tmp_path / "data"))
        before = rows(state)
        assert before["segment"]
        assert before["finding"]
        assert client.delete(PATH).status_code == 200
        after = rows(state)
        assert {name for name, n in after.items() if n and name not in KEPT} == set()
        assert after["segment"] == 0
        assert after["removed_segment"] == before["segment"], "its files go when nobody can be reading them"
        assert after["audit_event"] == 2
        state.close()
        assert client.get(PATH).json()["state"] == "absent"
        assert not (tmp_path / "data" / demoworld.LABELS).exists()


def test_a_server_that_stops_waits_until_loading_has_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demoload, "PATIENCE_S", 60.0)  # a busy machine is no failure
    with client_of(tmp_path) as client:
        assert client.post(PATH, json={}).status_code == 202
        assert [one.daemon for one in threading.enumerate() if one.name == "demo-world"] == [False]
    assert [one.name for one in threading.enumerate() if one.name == "demo-world"] == []
    assert not list((tmp_path / "data").glob("demo-world-*")), "its logs were not left behind"


def test_what_somebody_read_himself_is_not_taken_out_with_it(tmp_path: Path) -> None:
    state = open_state(Settings(data_dir=tmp_path / "data"))
    put(state, source=demoworld.SOURCE, file="a.log", tables=[("minutes", minutes([{}]))], lines=1)
    put(state, source="mine", file="b.log", tables=[("minutes", minutes([{}]))], lines=1)
    before = rows(state)
    with client_of(tmp_path) as client:
        refused = client.delete(PATH)
        assert refused.status_code == 409
        assert "mine" in refused.json()["detail"]
        assert "of your own" in client.post(PATH, json={}).json()["detail"]
    assert {**rows(state), "lease": 0} == before
    state.close()
