"""Who was refused stands in the log, and nobody can fill it."""

from __future__ import annotations

import logging

import pytest
from fastapi.testclient import TestClient

from gatewatch.app.refusals import EVERY_S, MOST_LINES, Refusals
from gatewatch.settings import Settings
from gatewatch.store.state import State
from tests.people import log_in


def rows(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [vars(one) for one in caplog.records if one.msg == "a request was refused"]


def test_a_minute_has_one_line_for_an_address_and_says_how_many_more(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    refusals = Refusals(lambda: now[0])
    for n in range(50):
        refusals.note(401, address=f"2001:db8::{n:x}", path="/api/v1/users", method="GET", who=None)
        refusals.note(200, address="198.51.100.1", path="/", method="GET", who=None)
    now[0] = EVERY_S
    refusals.note(401, address="2001:db8::1", path="/x" * 1000, method="GET", who=None)
    first, second = rows(caplog)
    assert (first["more_before"], second["more_before"]) == (0, 49)
    assert len(str(second["path"])) == 200


def test_a_flood_from_everywhere_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    refusals = Refusals(lambda: now[0])
    for n in range(5000):
        refusals.note(429, address=f"10.0.{n >> 8}.{n & 255}", path="/", method="GET", who=None)
    assert len(rows(caplog)) == MOST_LINES
    now[0] = 2 * EVERY_S
    refusals.note(429, address="10.9.9.9", path="/", method="GET", who=None)
    assert rows(caplog)[-1]["lost"] == 5000 - MOST_LINES


def test_what_somebody_may_not_and_a_wrong_key_are_written(
    client: TestClient, settings: Settings, state: State, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    client.get("/api/v1/users")
    log_in(client, "vera")
    assert client.get("/api/v1/users").status_code == 403
    client.cookies.clear()
    canary = "gw_" + "a" * 10 + "_" + "canary" * 7 + "b"
    client.post("/ingest/firehose", headers={"Authorization": f"Bearer {canary}"})
    found = [(one["status"], one["who"], one["path"]) for one in rows(caplog)]
    assert found == [(401, "", "/api/v1/users"), (403, "vera", "/api/v1/users"), (401, "", "/ingest/firehose")]
    assert "canary" not in caplog.text + str(rows(caplog))
