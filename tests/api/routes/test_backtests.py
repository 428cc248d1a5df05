"""Backtests asked for through the API: what is told while they wait, run and are over. Running them: test_replaying."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from gatewatch.app import build_app
from gatewatch.settings import Settings
from gatewatch.store import backtests
from gatewatch.store.state import State
from tests.store.builders import AT

URL = "/api/v1/backtests"


def ask(client: TestClient, **body: Any) -> Any:
    answer = client.post(URL, json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_it_waits_runs_and_is_done(client: TestClient, state: State) -> None:
    wish = {"since": "2026-06-01T00:00:00Z", "set": {"false_alarms_per_week": 0.5}, "detectors": ["dead_api"]}
    made = ask(client, **wish)
    assert (made["state"], made["progress"]["share"]) == ("waiting", 0)
    assert made["asked"] == {**wish, "until": None}
    where = f"{URL}/{made['id']}"
    early = client.get(f"{where}/result")
    assert (early.status_code, early.json()["detail"]) == (409, "there is no result: the backtest is waiting")
    with state.begin() as session:
        assert backtests.take(session, AT) is not None
        assert backtests.progress(session, made["id"], 30, 120, 5000)
    running = client.get(where).json()
    assert running["state"] == "running"
    assert running["progress"] == {"share": 0.25, "minutes": 30, "of_minutes": 120, "requests": 5000}
    with state.begin() as session:
        backtests.finish(session, made["id"], backtests.Phase.DONE, now=AT, result={"same": 3, "new": []})
    assert client.get(where).json()["progress"]["share"] == 1.0
    assert client.get(f"{where}/result").json() == {"schema_version": 1, "id": made["id"], "same": 3, "new": []}
    assert [one["id"] for one in client.get(URL).json()["backtests"]] == [made["id"]]
    assert client.delete(where).status_code == 409


def test_one_that_waits_is_cancelled_at_once_and_one_that_runs_is_told_to_stop(
    client: TestClient, state: State
) -> None:
    first, second = ask(client), ask(client)
    with state.begin() as session:
        backtests.take(session, AT)
    assert client.delete(f"{URL}/{second['id']}").json()["state"] == "cancelled"
    asked = client.delete(f"{URL}/{first['id']}").json()
    assert (asked["state"], asked["cancel_asked"]) == ("running", True)
    with state.begin() as session:
        assert not backtests.progress(session, first["id"], 1, 2, 3)
    assert client.delete(f"{URL}/none").status_code == 404
    assert client.get(f"{URL}/none").status_code == client.get(f"{URL}/none/result").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"set": {"data_dir": "/etc"}},
        {"set": {"smtp_password": "file:/etc/passwd"}},
        {"set": {"false_alarms_per_week": -1}},
        {"set": {"detector_budgets": {"nothing": 1}}},
        {"set": {"detector_budgets": {"dead_api": 0}}},
        {"detectors": ["nonsense"]},
        {"since": "2026-06-02T00:00:00Z", "until": "2026-06-01T00:00:00Z"},
        {"since": "yesterday"},
    ],
)
def test_what_makes_no_sense_is_refused_before_it_waits(client: TestClient, body: dict[str, Any]) -> None:
    assert client.post(URL, json=body).status_code == 422
    assert client.get(URL).json()["backtests"] == []


def test_only_so_many_wait(client: TestClient) -> None:
    made = [ask(client) for _ in range(backtests.MOST_WAITING)]
    refused = client.post(URL, json={})
    assert (refused.status_code, "cancel one" in refused.json()["detail"]) == (409, True)
    client.delete(f"{URL}/{made[0]['id']}")
    ask(client)


def test_names_in_a_result_are_masked(settings: Settings, state: State) -> None:
    masked = settings.model_copy(update={"privacy": "hash"})
    found = {"title": "mallory@x from 192.0.2.7", "names": ["mallory@x"], "id": "f"}
    with TestClient(build_app(masked), base_url="http://localhost:8080") as client:
        made = ask(client)
        with state.begin() as session:
            result: Any = {"new": [found], "changed": [{"before": found, "after": found, "fields": []}]}
            backtests.finish(session, made["id"], backtests.Phase.DONE, now=AT, result=result)
        answer = client.get(f"{URL}/{made['id']}/result")
    assert "mallory" not in answer.text
    assert "192.0.2" not in answer.text
    assert "names" not in answer.json()["new"][0]
