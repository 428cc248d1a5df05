from __future__ import annotations

from fastapi.testclient import TestClient

from gatewatch.store.state import State
from tests.store.builders import put, requests


def test_the_outcomes_of_each_source_add_up(client: TestClient, state: State) -> None:
    put(state, source="one", tables=[("requests", requests([{}, {}]))], lines=2, file="a.log")
    put(state, source="two", lines=3, file="b.log")
    body = client.get("/api/v1/accounting").json()
    assert [(one["source"], one["files"], one["lines"]) for one in body["sources"]] == [("one", 1, 2), ("two", 1, 3)]
    assert body["total"] == {"lines": 5, "accepted": 5, "rejected": 0, "blank": 0, "duplicate": 0}
    assert body["sources"][0]["first_at"] == "2026-06-09T12:00:00Z"
    assert body["sources"][1]["first_at"] is None
