from __future__ import annotations

import sqlite3

from fastapi.testclient import TestClient

from gatewatch.settings import Settings
from gatewatch.store.state import State


def test_alive_and_ready_on_a_good_store(client: TestClient) -> None:
    assert client.get("/healthz").json()["status"] == "alive"
    assert client.get("/readyz").json()["status"] == "ready"
    assert client.head("/healthz").status_code == client.head("/readyz").status_code == 200


def test_a_schema_that_changed_under_us_is_not_ready_but_alive(
    client: TestClient, settings: Settings, state: State
) -> None:
    assert client.get("/readyz").status_code == 200
    with sqlite3.connect(settings.data_dir / "state.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "9999" in answer.json()["detail"]
    assert client.get("/healthz").status_code == 200
