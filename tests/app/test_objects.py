"""Every route that names one object in its path: who may not, learns nothing of it; who may, gets 404 for what is not.

Routes are those of the application, so one that is added is tried without a word here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from httpx2 import Response
from pydantic import SecretStr

from gatewatch.access.tokens import create_token
from gatewatch.api.access import declared, every_route
from gatewatch.app import build_app
from gatewatch.roles import Role, Scope, Via, Who
from gatewatch.settings import Settings
from gatewatch.silencing import add as add_silence
from gatewatch.store.findings import list_findings
from gatewatch.store.models import Base
from gatewatch.store.sessions import sessions
from gatewatch.store.state import State, open_state
from gatewatch.store.tokens import tokens
from gatewatch.store.users import users
from tests.dashboard.world import fill
from tests.people import NAMES, add_people, csrf, log_in

NOW = datetime.now(UTC)
OWNERS = {("user_session", "user_id"), ("api_token", "owner_id")}
"""Columns by which a row is one person's: sessions are seen by their owner and admins, tokens by admins only.

Everything else belongs to the installation, and a role is what counts. Whoever adds such a column says here who may
see the rows, and tries it below.
"""

STRANGE = (
    "none",
    "x" * 16,
    "%2e%2e%2fusers",
    "'%20OR%201=1--",
    "%00",
    "x" * 5000,
    "%F0%9F%92%A9",
    "*",
    "0",
    "-1",
)


@dataclass(frozen=True)
class Site:
    app: Any
    state: State
    clients: dict[Role, TestClient]

    def ask(self, role: Role, method: str, path: str, body: Any = None) -> Response:
        client = self.clients[role]
        json = body if body is not None or method in {"GET", "HEAD", "DELETE"} else {}
        return client.request(method, path, json=json, headers=csrf(client), follow_redirects=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("objects")
    settings = Settings(
        data_dir=folder / "data", requests_per_second=100_000, slack_webhook_url=SecretStr("http://127.0.0.1:1/x")
    )
    state = open_state(settings)
    fill(state, hostile=False)
    add_people(state)
    cli = Who("test", None, Via.CLI)
    with state.begin() as session:
        create_token(session, cli, "x", [Scope.READ], now=NOW)
        add_silence(
            session, cli, {"api": ["orders*"]}, reason="r", starts_at=NOW, ends_at=NOW + timedelta(days=1), now=NOW
        )
    app = build_app(settings)
    clients = {}
    for role, name in NAMES.items():
        clients[role] = TestClient(app, base_url="http://localhost:8080", raise_server_exceptions=False)
        assert log_in(clients[role], name).status_code == 303
    yield Site(app, state, clients)
    state.close()


def routes(app: Any) -> list[tuple[str, str, Role]]:
    """(method, path, highest role asked for) of each API route with a name in its path."""
    found = []
    for route in every_route(app.router.routes):
        if isinstance(route, APIRoute) and re.search(r"\{\w+\}", route.path):
            needed = max((role for role in declared(route) if role is not None), key=lambda role: role.rank)
            found += [(method, route.path, needed) for method in sorted(route.methods or ()) if method != "HEAD"]
    return found


def real_ids(site: Site) -> dict[str, list[str]]:
    """Ids that exist, by the collection in front of them."""
    with site.state.read() as session:
        return {
            "findings": [one.finding.id for one in list_findings(session, limit=2).items],
            "sessions": [one.id[:16] for one in sessions(session, now=NOW, idle=timedelta(hours=1))],
            "tokens": [one.id for one in tokens(session)],
            "users": [one.id for one in users(session)],
            "channels": ["slack"],
        }


def named(path: str, name: str) -> str:
    return re.sub(r"\{\w+\}", name, path)


def test_every_column_of_ownership_is_known() -> None:
    ends = ("user_id", "owner_id", "account_id")
    tables = Base.metadata.tables.values()
    assert {(table.name, one.name) for table in tables for one in table.columns if one.name.endswith(ends)} == OWNERS


def test_who_may_not_cannot_tell_what_there_is(site: Site) -> None:
    known, tried = real_ids(site), 0
    for method, path, needed in routes(site.app):
        for role in Role:
            if role.rank >= needed.rank:
                continue
            there = known.get(path.split("/")[3], [])
            for name in (*there, "none"):
                answer = site.ask(role, method, named(path, name))
                assert answer.status_code == 403, (role, method, path)
                assert answer.json()["detail"] == f"this needs the role {needed.value}", path
                tried += bool(there)
    assert tried > 20


def test_what_is_not_there_is_404_and_no_odd_name_is_more(site: Site) -> None:
    found = routes(site.app)
    assert len(found) >= 12
    for method, path, _ in found:
        for name in STRANGE:
            answer = site.ask(Role.ADMIN, method, named(path, name))
            assert answer.status_code in {400, 404, 405, 409, 422}, (method, path, name, answer.text[:200])
            assert answer.headers["content-type"] == "application/problem+json", (method, path, name)
            assert "Traceback" not in answer.text


def test_the_session_of_another_is_as_one_that_is_not_there(site: Site) -> None:
    with site.state.read() as session:
        of_all = {one.user_name: one.id[:16] for one in sessions(session, now=NOW, idle=timedelta(hours=1))}
    for role in (Role.VIEWER, Role.OPERATOR):
        shown = site.ask(role, "GET", "/api/v1/sessions?all=true").json()["sessions"]
        assert {one["user"] for one in shown} == {NAMES[role]}
        answers = [
            site.ask(role, "DELETE", f"/api/v1/sessions/{handle}") for handle in (of_all[NAMES[Role.ADMIN]], "0" * 16)
        ]
        assert [one.status_code for one in answers] == [404, 404]
        assert answers[0].content == answers[1].content
    assert site.ask(Role.ADMIN, "GET", "/api/v1/me").status_code == 200


def test_the_answer_to_a_key_of_idempotency_is_only_for_who_asked(site: Site) -> None:
    first = real_ids(site)["findings"][0]
    where = f"/api/v1/findings/{quote(first)}/actions"
    bodies = ({"action": "comment", "note": "of the operator"}, {"action": "comment", "note": "of the admin"})
    notes = []
    for role, body in zip((Role.OPERATOR, Role.ADMIN), bodies, strict=True):
        client = site.clients[role]
        answer = client.post(where, json=body, headers={**csrf(client), "Idempotency-Key": "the same"})
        assert answer.status_code == 200, answer.text
    for event in site.ask(Role.VIEWER, "GET", f"/api/v1/findings/{quote(first)}").json()["events"]:
        notes.append((event["actor"], event["note"]))
    assert {("otto", "of the operator"), ("alice", "of the admin")} <= set(notes)
