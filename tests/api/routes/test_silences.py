from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastapi.testclient import TestClient

SOON = (datetime.now(UTC) + timedelta(hours=3)).isoformat()


def test_a_silence_is_made_listed_and_ended(client: TestClient) -> None:
    body = {"matchers": {"api": ["orders*"]}, "reason": "moving", "ends_at": SOON}
    made = client.post("/api/v1/silences", json=body)
    assert made.status_code == 201
    assert made.json()["state"] == "active"
    assert [one["id"] for one in client.get("/api/v1/silences").json()["silences"]] == [made.json()["id"]]
    ended = client.delete(f"/api/v1/silences/{made.json()['id']}")
    assert ended.json()["state"] == "expired"
    assert client.get("/api/v1/silences").json()["silences"] == []
    assert len(client.get("/api/v1/silences?all=true").json()["silences"]) == 1
    assert client.delete(f"/api/v1/silences/{made.json()['id']}").status_code == 404
    events = client.get("/api/v1/audit").json()["events"]
    assert {event["action"] for event in events} == {"silence.add", "silence.end"}


def test_a_silence_that_cannot_be_is_refused_with_a_reason(client: TestClient) -> None:
    past = {"matchers": {"api": ["a"]}, "reason": "x", "ends_at": "2020-01-01T00:00:00Z"}
    refused = client.post("/api/v1/silences", json=past)
    assert (refused.status_code, refused.json()["detail"]) == (409, "a silence ends after it starts, and in the future")
    unknown = client.post("/api/v1/silences", json={**past, "ends_at": SOON, "matchers": {"apy": ["a"]}})
    assert unknown.status_code == 409
    assert client.post("/api/v1/silences", json={**past, "matchers": {}}).status_code == 422
