"""Slack's buttons, through the whole application, signed as Slack signs."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from gatewatch.alerting import dispatch
from gatewatch.app import build_app
from gatewatch.settings import Settings
from gatewatch.store.audit import audit_events
from gatewatch.store.findings import get_finding, save_findings
from gatewatch.store.notices import add_notice
from gatewatch.store.outbox import claim, mark_sent
from gatewatch.store.state import State, open_state
from tests.alerts.builders import a_finding
from tests.people import add_people
from tests.receivers import receiver

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
NOW = datetime.now(UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    app = {"type": "slack_bot", "token": "xoxb-1", "channel": "C1", "signing_secret": SECRET}
    (tmp_path / "alerts.yaml").write_text(json.dumps({"channels": {"chat": app}}))
    return Settings(data_dir=tmp_path / "data", alerts_file=tmp_path / "alerts.yaml")


@pytest.fixture
def state(settings: Settings) -> Iterator[State]:
    opened = open_state(settings)
    add_people(opened)
    with opened.begin() as session:
        save_findings(session, [a_finding(id="f1"), a_finding(id="f2", fingerprint="other")], now=NOW)
    yield opened
    opened.close()


def pressed(action: str = "gatewatch.acknowledge", value: str = "f1", **more: Any) -> bytes:
    payload = {
        "type": "block_actions",
        "user": {"id": "U7", "username": "mira"},
        "actions": [{"action_id": action, "value": value}],
        **more,
    }
    return urlencode({"payload": json.dumps(payload)}).encode()


def press(
    settings: Settings, body: bytes, *, secret: str = SECRET, at: datetime | None = None, signed: bytes | None = None
) -> Response:
    stamp = str(int((at or datetime.now(UTC)).timestamp()))
    made = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + (body if signed is None else signed), "sha256")
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": stamp,
        "x-slack-signature": f"v0={made.hexdigest()}",
    }
    with TestClient(build_app(settings), base_url="http://localhost:8080") as client:
        return client.post("/slack/interactivity", content=body, headers=headers)


def state_of(state: State, finding: str) -> str:
    with state.read() as session:
        stored = get_finding(session, finding)
    assert stored is not None
    return stored.state.value


def test_a_button_acknowledges_and_the_log_says_who(settings: Settings, state: State) -> None:
    assert press(settings, pressed(value="f1 f2")).status_code == 200
    assert (state_of(state, "f1"), state_of(state, "f2")) == ("acknowledged", "acknowledged")
    with state.read() as session:
        event = audit_events(session)[0]
    assert (event.actor, event.actor_id, event.via) == ("mira (Slack)", "U7", "slack")


def test_the_message_that_was_pressed_is_changed_in_place(settings: Settings, state: State) -> None:
    with state.begin() as session:
        add_notice(session, "f1", "new", now=NOW)
        dispatch(session, settings, NOW)
    [first] = claim(state, "w")
    mark_sent(state, first.id, attempt=first.attempts, memory={"ts": "1.5"})
    press(settings, pressed())
    with state.begin() as session:
        dispatch(session, settings, NOW + timedelta(seconds=5))
    [second] = claim(state, "w")
    assert (second.memory, second.payload["transition"], second.payload["state"]) == (
        {"ts": "1.5"},
        "changed",
        "acknowledged",
    )


def test_a_button_snoozes(settings: Settings, state: State) -> None:
    press(settings, pressed("gatewatch.snooze"))
    assert state_of(state, "f1") == "snoozed"


def test_what_slack_did_not_sign_changes_nothing(settings: Settings, state: State) -> None:
    old = datetime.now(UTC) - timedelta(minutes=6)
    assert press(settings, pressed(), secret="x" * 32).status_code == 401
    assert press(settings, pressed(), signed=pressed(value="f2")).status_code == 401
    assert press(settings, pressed(), at=old).status_code == 401
    assert press(settings, pressed(), at=datetime.now(UTC) + timedelta(minutes=6)).status_code == 401
    with TestClient(build_app(settings), base_url="http://localhost:8080") as client:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        assert client.post("/slack/interactivity", content=pressed(), headers=headers).status_code == 401
        assert client.post("/slack/interactivity", json={}).status_code == 415
    assert state_of(state, "f1") == "new"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"payload=[",
        b"payload=" + b"[" * 100_000,
        urlencode({"payload": "null"}).encode(),
        pressed("somebody.elses"),
        pressed(value="<script>"),
        pressed(type="view_submission"),
        b"\xff\xfe",
    ],
)
def test_what_is_no_press_of_ours_is_refused(settings: Settings, state: State, body: bytes) -> None:
    assert press(settings, body).status_code == 400
    assert state_of(state, "f1") == "new"


def test_without_an_app_there_is_nothing_here(settings: Settings, state: State) -> None:
    assert press(settings.model_copy(update={"alerts_file": None}), pressed()).status_code == 404


def test_who_may_not_press_is_told_so(settings: Settings, state: State) -> None:
    assert settings.alerts_file is not None
    document = json.loads(settings.alerts_file.read_text())
    document["channels"]["chat"]["operators"] = ["U1"]
    settings.alerts_file.write_text(json.dumps(document))
    with receiver() as hook:
        assert press(settings, pressed(response_url=hook.url)).status_code == 200
    assert "not among those" in hook.got[0].json["text"]
    assert state_of(state, "f1") == "new"


def test_the_answer_says_what_was_done_or_why_not(settings: Settings, state: State) -> None:
    with receiver() as hook:
        press(settings, pressed(value="f1 f2", response_url=hook.url))
        press(settings, pressed(value="f1", response_url=hook.url))
        press(settings, pressed(value="nobody", response_url=hook.url))
    first, again, nothing = (one.json for one in hook.got)
    assert (first["text"], first["response_type"]) == ("2 findings acknowledged.", "ephemeral")
    assert "acknowledged" in again["text"]
    assert nothing["text"].startswith("Nothing was changed")
