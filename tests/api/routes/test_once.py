"""Every route that changes something takes an idempotency key: asked again, it answers the same and changes nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import text

from gatewatch.app import build_app
from gatewatch.roles import Role
from gatewatch.settings import Settings
from gatewatch.store.audit import audit_events
from gatewatch.store.findings import save_findings
from gatewatch.store.outbox import claim, enqueue, mark_failed
from gatewatch.store.state import State
from tests.people import NAMES, PASSWORD, add_people, csrf, log_in
from tests.receivers import Receiver, receiver
from tests.store.builders import AT, a_finding

ONE = a_finding()
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()
READS = {"preview_suppression", "reveal_finding"}
"""POST, because a query string would not hold it or each reading is to be logged; they change nothing."""

ONLY_ONE = {"load_demo_world", "remove_demo_world"}
"""Asked again they are refused, as the one demo world is there already, or gone (tests/app/test_demo_load.py)."""


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver(answer=lambda _: "thanks") as made:
        yield made


@pytest.fixture
def settings(tmp_path: Path, hook: Receiver) -> Settings:
    channels = {"channels": {"hook": {"type": "slack", "url": f"{hook.url}/x"}}}
    (tmp_path / "alerts.yaml").write_text(json.dumps(channels))
    return Settings(data_dir=tmp_path / "data", alerts_file=tmp_path / "alerts.yaml", login="on")


@dataclass
class Site:
    client: TestClient
    state: State

    def ask(self, method: str, path: str, body: object, key: str | None = "k1") -> Response:
        headers = csrf(self.client) | ({} if key is None else {"Idempotency-Key": key})
        return self.client.request(method, f"/api/v1{path}", headers=headers, json=body)

    def got(self, path: str) -> Any:
        return self.client.get(f"/api/v1{path}").json()

    def changes(self) -> list[str]:
        with self.state.read() as session:
            return [one.action for one in audit_events(session, limit=1000)]


@pytest.fixture
def site(settings: Settings, state: State) -> Iterator[Site]:
    add_people(state)
    with state.begin() as session:
        save_findings(session, [ONE], now=AT)
        enqueue(session, finding_id=ONE.id, transition="new", channel="hook", payload={})
    [item] = claim(state, "w")
    mark_failed(state, item.id, "no", retry=False, wire=[])
    with TestClient(build_app(settings), base_url="http://localhost:8080") as client:
        assert log_in(client, NAMES[Role.ADMIN]).status_code == 303
        yield Site(client, state)


def a_silence(site: Site) -> str:
    body = {"matchers": {"api": ["a"]}, "reason": "r", "ends_at": TOMORROW}
    return str(site.ask("POST", "/silences", body, None).json()["id"])


def a_suppression(site: Site) -> str:
    body = {"action": "suppress", "why": "planned", "note": "n", "where": ["api = other"]}
    return str(site.ask("POST", "/findings/actions", body, None).json()["suppression"])


def another_session(site: Site) -> str:
    before = {one["id"] for one in site.got("/sessions?all=true")["sessions"]}
    other = TestClient(site.client.app, base_url="http://localhost:8080")
    assert log_in(other, NAMES[Role.VIEWER]).status_code == 303
    return str(next(one["id"] for one in site.got("/sessions?all=true")["sessions"] if one["id"] not in before))


def user_id(site: Site) -> str:
    return str(next(one["id"] for one in site.got("/users")["users"] if one["name"] == NAMES[Role.VIEWER]))


def a_token(site: Site) -> str:
    return str(site.ask("POST", "/tokens", {"name": "t", "scopes": ["read"]}, None).json()["id"])


def a_backtest(site: Site) -> str:
    return str(site.ask("POST", "/backtests", {}, None).json()["id"])


ACT = {"action": "comment", "note": "once"}
SILENCE = {"matchers": {"api": ["x"]}, "reason": "works", "ends_at": TOMORROW}
UPLOAD = {"data": base64.b64encode(b"no log").decode(), "name": "x.log"}

WRITES: dict[str, tuple[str, Callable[[Site], str], object]] = {
    "act_on_finding": ("POST", lambda _: f"/findings/{ONE.id}/actions", ACT),
    "act_on_findings": ("POST", lambda _: "/findings/actions", {**ACT, "where": ["api = a1"]}),
    "give_feedback": ("PUT", lambda _: f"/findings/{ONE.id}/feedback", {"verdict": "true_positive"}),
    "add_silence": ("POST", lambda _: "/silences", SILENCE),
    "end_silence": ("DELETE", lambda site: f"/silences/{a_silence(site)}", None),
    "end_suppression": ("DELETE", lambda site: f"/suppressions/{a_suppression(site)}", None),
    "add_user": ("POST", lambda _: "/users", {"name": "new", "password": "rumble velvet noon"}),
    "change_user": ("PATCH", lambda site: f"/users/{user_id(site)}", {"disabled": True}),
    "create_token": ("POST", lambda _: "/tokens", {"name": "ci", "scopes": ["read"]}),
    "revoke_token": ("DELETE", lambda site: f"/tokens/{a_token(site)}", None),
    "end_session": ("DELETE", lambda site: f"/sessions/{another_session(site)}", None),
    "change_password": ("POST", lambda _: "/me/password", {"old": PASSWORD, "new": "rumble velvet noon"}),
    "retry_deliveries": ("POST", lambda _: "/deliveries/retry", {}),
    "test_channel": ("POST", lambda _: "/channels/hook/test", {}),
    "add_backtest": ("POST", lambda _: "/backtests", {}),
    "cancel_backtest": ("DELETE", lambda site: f"/backtests/{a_backtest(site)}", None),
    "upload_logs": ("POST", lambda _: "/uploads", UPLOAD),
}


def test_this_list_is_complete(site: Site) -> None:
    document = site.client.get("/api/openapi.json").json()
    found: dict[str, bool] = {}
    for operations in document["paths"].values():
        for method, operation in operations.items():
            if method in {"post", "put", "patch", "delete"}:
                named = [one["name"] for one in operation.get("parameters", ())]
                found[operation["operationId"]] = "Idempotency-Key" in named
    assert {name for name, has in found.items() if has} == set(WRITES)
    assert {name for name, has in found.items() if not has} == READS | ONLY_ONE


@pytest.mark.parametrize("name", sorted(WRITES))
def test_asked_again_with_the_same_key_it_answers_the_same_and_changes_nothing(
    name: str, site: Site, hook: Receiver
) -> None:
    method, where, body = WRITES[name]
    path = where(site)
    first = site.ask(method, path, body)
    assert first.status_code in {200, 201, 202}, first.text
    after = site.changes()
    again = site.ask(method, path, body)
    assert again.status_code == first.status_code
    told = {**first.json(), "token": None} if name == "create_token" else first.json()
    assert again.json() == told
    assert site.changes() == after
    assert len(hook.got) == (name == "test_channel")
    other = "/silences" if path != "/silences" else "/deliveries/retry"
    assert site.ask("POST", other, SILENCE if other == "/silences" else {}).status_code == 409
    assert site.changes() == after


def test_no_secret_is_kept_for_a_key(site: Site) -> None:
    made = site.ask("POST", "/tokens", {"name": "ci", "scopes": ["read"]}, "t").json()["token"]
    assert made.startswith("gw_")
    site.ask("POST", "/users", {"name": "new", "password": "rumble velvet noon"}, "u")
    database = site.state.settings.data_dir / "state.db"
    kept = b"".join(path.read_bytes() for path in database.parent.glob("state.db*"))
    assert made.split("_", 2)[2].encode() not in kept  # the secret may hold one, too
    assert b"rumble" not in kept


def test_a_test_message_that_is_asked_for_again_after_a_kill_has_the_same_key(site: Site, hook: Receiver) -> None:
    for _ in range(2):
        site.ask("POST", "/channels/hook/test", {}, "once")
        with site.state.begin() as session:  # as if it had been killed before it could remember
            session.execute(text("DELETE FROM answered"))
    keys = [one.key for one in hook.got]
    assert len(keys) == 2
    assert keys[0] == keys[1]
