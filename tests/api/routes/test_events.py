from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gatewatch.api.live import EACH, MOST_ROWS, ROWS, Listeners, allowed
from gatewatch.store.compact import compact
from gatewatch.store.findings import save_findings
from gatewatch.store.state import State
from tests.store.builders import AT, a_finding, put, requests


class Listening:
    """A stream read to its end in a thread; what it said, by event."""

    def __init__(self, client: TestClient, path: str, headers: dict[str, str] | None = None, **query: Any) -> None:
        self._text = ""
        self._client = client

        def listen() -> None:
            answer = client.get(f"/api/v1/events/{path}", params={"seconds": 4, **query}, headers=headers)
            assert answer.headers["content-type"].startswith("text/event-stream")
            self._text = answer.text

        self._thread = threading.Thread(target=listen)
        self._thread.start()
        give_up = time.monotonic() + 20
        while not len(self.listeners):
            assert time.monotonic() < give_up
            time.sleep(0.01)
        time.sleep(1.2)  # it has looked once, and so has its mark

    @property
    def listeners(self) -> Listeners:
        found: Listeners = self._client.app.state.listeners  # type: ignore[attr-defined]
        return found

    def heard(self, name: str) -> list[tuple[str | None, dict[str, Any]]]:
        self._thread.join()
        out = []
        for block in self._text.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != ":")
            if fields.get("event") == name:
                out.append((fields.get("id"), json.loads(fields["data"])))
        return out


def test_new_requests_are_told_with_how_many_there_were(client: TestClient, state: State) -> None:
    put(state, tables=[("requests", requests([{"request_id": "old"}]))], lines=1, file="old.log")
    listening = Listening(client, "requests", where=["status >= 500"])
    many = MOST_ROWS + 50
    rows = [{"at": AT + timedelta(seconds=n), "status": 500, "request_id": f"r{n}"} for n in range(many)]
    put(state, tables=[("requests", requests([*rows, {"request_id": "fine"}]))], lines=1)
    time.sleep(1.5)  # it has looked again
    compact(state, age=timedelta())  # joins both segments: nothing new
    ((_, body),) = listening.heard("requests")
    shown = body["shown"]
    assert body["total"] == many
    assert ROWS <= shown <= MOST_ROWS
    assert [one["request_id"] for one in body["requests"]] == [f"r{n}" for n in range(many - shown, many)]
    assert len(listening.listeners) == 0


def test_a_look_that_comes_late_may_send_what_came_meanwhile() -> None:
    assert [allowed(waited) for waited in (0.0, 0.5, 0.7, 1.5, 60.0)] == [150, 150, 210, 450, MOST_ROWS]


def test_what_becomes_of_findings_is_told_and_taken_up_again(client: TestClient, state: State) -> None:
    listening = Listening(client, "findings")
    with state.begin() as session:
        save_findings(session, [a_finding("one", title="first"), a_finding("two")], now=AT)
    (first, body), (second, _) = listening.heard("finding")
    assert (body["transition"], body["severity"], body["api_id"]) == ("new", "medium", "a1")
    again = Listening(client, "findings", {"Last-Event-ID": str(first)}).heard("finding")
    assert [number for number, _ in again] == [second]


def test_nobody_may_listen_with_too_many_ears(client: TestClient, state: State) -> None:
    listeners: Listeners = client.app.state.listeners  # type: ignore[attr-defined]
    for _ in range(EACH):
        listeners.enter("this machine")
    answer = client.get("/api/v1/events/requests", params={"seconds": 1})
    assert (answer.status_code, answer.headers["content-type"]) == (429, "application/problem+json")
    listeners.leave("this machine")
    assert client.get("/api/v1/events/requests", params={"seconds": 1}).status_code == 200
    assert len(listeners) == EACH - 1


def test_streams_end_when_the_server_stops(client: TestClient, state: State) -> None:
    client.app.state.listeners.stopping = True  # type: ignore[attr-defined]
    began = time.monotonic()
    client.get("/api/v1/events/findings", params={"seconds": 900})
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("query", "status"), [({"seconds": 0}, 422), ({"seconds": 901}, 422), ({"where": "colour = red"}, 400)]
)
def test_wrong_questions_are_problems(client: TestClient, query: dict[str, Any], status: int) -> None:
    assert client.get("/api/v1/events/requests", params=query).status_code == status
