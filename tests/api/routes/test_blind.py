from __future__ import annotations

from fastapi.testclient import TestClient

from gatewatch.records import Blind, Kind
from gatewatch.store.findings import save_blind
from gatewatch.store.state import State


def test_what_cannot_be_judged_is_said_with_its_reason(client: TestClient, state: State) -> None:
    spot = Blind(Kind.LATENCY_OUTLIER, None, None, "a1", "prod", "no latency in the log", ("latency_ms",))
    with state.begin() as session:
        save_blind(session, [spot])
    assert client.get("/api/v1/blind").json()["blind"] == [spot.to_json()]
