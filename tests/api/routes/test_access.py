"""Accounts, sessions, tokens and the audit log through the API."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import text

from gatewatch.app import build_app
from gatewatch.settings import Settings
from gatewatch.store.state import State, open_state
from tests.people import PASSWORD, add_people, csrf, log_in

OTHER = "another long password xq"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def state(settings: Settings) -> Iterator[State]:
    opened = open_state(settings)
    add_people(opened)
    yield opened
    opened.close()


class Person:
    """Somebody who is logged in."""

    def __init__(self, settings: Settings, name: str, password: str = PASSWORD) -> None:
        self.client = TestClient(build_app(settings), base_url="http://localhost:8080")
        self.status = log_in(self.client, name, password).status_code

    def __call__(self, method: str, path: str, json: object = None) -> Response:
        body = None if method == "GET" else {} if json is None else json
        return self.client.request(method, f"/api/v1/{path}", headers=csrf(self.client), json=body)


@pytest.fixture
def alice(settings: Settings, state: State) -> Person:
    return Person(settings, "alice")


@pytest.fixture
def vera(settings: Settings, state: State) -> Person:
    return Person(settings, "vera")


def id_of(alice: Person, name: str) -> str:
    return next(str(user["id"]) for user in alice("GET", "users").json()["users"] if user["name"] == name)


def actions(alice: Person) -> list[tuple[str, str, str]]:
    events = alice("GET", "audit").json()["events"]
    return [(event["actor"], event["action"], event["outcome"]) for event in events]


def test_an_admin_makes_and_changes_accounts(alice: Person, vera: Person, settings: Settings) -> None:
    made = alice("POST", "users", {"name": "Bob", "role": "operator", "password": OTHER})
    assert made.status_code == 201
    assert (made.json()["name"], made.json()["role"], made.json()["disabled"]) == ("bob", "operator", False)
    assert OTHER not in made.text
    bob = Person(settings, "bob", OTHER)
    assert bob("GET", "me").json()["role"] == "operator"
    changed = alice("PATCH", f"users/{made.json()['id']}", {"role": "viewer"})
    assert changed.json()["role"] == "viewer"
    assert bob("GET", "me").status_code == 401  # the role changed: log in again
    alice("PATCH", f"users/{made.json()['id']}", {"password": PASSWORD, "disabled": True})
    assert Person(settings, "bob").status == 401
    alice("PATCH", f"users/{made.json()['id']}", {"disabled": False})
    assert Person(settings, "bob", OTHER).status == 401
    assert Person(settings, "bob").status == 303
    told = actions(alice)
    for action in ("user.add", "user.role", "user.password", "user.disable", "user.enable"):
        assert ("alice", action, "done") in told


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "bob", "password": "short"}, 409),
        ({"name": "bob", "password": "passwordpassword"}, 409),
        ({"name": "vera", "password": OTHER}, 409),
        ({"name": "a b", "password": OTHER}, 409),
        ({"name": "bob"}, 422),
        ({"name": "bob", "password": OTHER, "role": "root"}, 422),
        ({"name": "bob", "password": OTHER, "id": "x"}, 422),
        ({"name": ["bob"], "password": OTHER}, 422),
        ([], 422),
    ],
    ids=str,
)
def test_a_wrong_account_is_refused_and_its_password_not_repeated(alice: Person, body: object, status: int) -> None:
    answer = alice("POST", "users", body)
    assert answer.status_code == status
    assert OTHER not in answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_nobody_closes_or_demotes_the_account_they_use(alice: Person) -> None:
    mine = id_of(alice, "alice")
    for change in ({"disabled": True}, {"role": "viewer"}):
        assert alice("PATCH", f"users/{mine}", change).status_code == 409
    assert alice("PATCH", f"users/{mine}", {"role": "admin"}).status_code == 200
    assert alice("PATCH", "users/nobody", {"role": "admin"}).status_code == 404


def test_everybody_changes_their_own_password_by_the_old_one(vera: Person, alice: Person, settings: Settings) -> None:
    second = Person(settings, "vera")
    assert vera("POST", "me/password", {"old": "wrong wrong wrong", "new": OTHER}).status_code == 409
    assert vera("POST", "me/password", {"old": PASSWORD, "new": "short"}).status_code == 409
    assert vera("POST", "me/password", {"old": PASSWORD, "new": OTHER}).status_code == 200
    assert vera("GET", "me").status_code == 200
    assert second("GET", "me").status_code == 401  # the other sessions end
    assert Person(settings, "vera").status == 401
    assert Person(settings, "vera", OTHER).status == 303
    assert ("vera", "user.password", "refused") in actions(alice)


def test_guessing_the_old_password_is_slowed_down(vera: Person) -> None:
    wrong = {"old": "wrong wrong wrong", "new": OTHER}
    assert [vera("POST", "me/password", wrong).status_code for _ in range(6)] == [409] * 5 + [429]
    assert vera("POST", "me/password", {"old": PASSWORD, "new": OTHER}).status_code == 429


def test_sessions_of_others_are_as_good_as_not_there(vera: Person, alice: Person, settings: Settings) -> None:
    otto = Person(settings, "otto")
    (his,) = otto("GET", "sessions").json()["sessions"]
    (hers,) = vera("GET", "sessions?all=true").json()["sessions"]
    assert (hers["user"], hers["current"], his["user"]) == ("vera", True, "otto")
    for handle in (his["id"], "0" * 16, "%" * 16, "_" * 16):
        answer = vera("DELETE", f"sessions/{handle}")
        assert (answer.status_code, answer.json()["detail"]) == (404, "there is no session with this id")
    assert otto("GET", "me").status_code == 200
    everybody = alice("GET", "sessions?all=true").json()["sessions"]
    assert {one["user"] for one in everybody} == {"vera", "otto", "alice"}
    assert alice("DELETE", f"sessions/{his['id']}").status_code == 200
    assert otto("GET", "me").status_code == 401
    assert vera("DELETE", f"sessions/{hers['id']}").status_code == 200
    assert vera("GET", "me").status_code == 401
    assert ("alice", "session.end", "done") in actions(alice)


def bearer(settings: Settings, token: str) -> TestClient:
    headers = {"Authorization": f"Bearer {token}"}
    return TestClient(build_app(settings), base_url="http://localhost:8080", headers=headers)


def test_a_token_is_shown_once_and_works_until_it_is_revoked(alice: Person, settings: Settings, state: State) -> None:
    made = alice("POST", "tokens", {"name": "grafana", "scopes": ["read"], "days": 30})
    assert made.status_code == 201
    token = made.json()["token"]
    assert token.startswith(f"gw_{made.json()['id']}_")
    listed = alice("GET", "tokens")
    assert token.split("_", 2)[2] not in listed.text
    assert "token" not in listed.json()["tokens"][0]
    with state.read() as session:
        kept = repr(session.execute(text("SELECT * FROM api_token")).all())
        kept += repr(session.execute(text("SELECT * FROM audit_event")).all())
    assert token.split("_", 2)[2] not in kept
    program = bearer(settings, token)
    assert program.get("/api/v1/findings").status_code == 200
    assert program.get("/api/v1/me").json()["via"] == "token"
    assert program.get("/").status_code == 200
    assert alice("GET", "tokens").json()["tokens"][0]["last_used_at"] is not None
    assert alice("DELETE", f"tokens/{made.json()['id']}").json()["state"] == "revoked"
    assert program.get("/api/v1/findings").status_code == 401
    assert alice("DELETE", "tokens/nothing").status_code == 404


def test_every_wrong_token_is_refused(alice: Person, settings: Settings, state: State) -> None:
    token = alice("POST", "tokens", {"name": "x", "scopes": ["read"]}).json()["token"]
    other = alice("POST", "tokens", {"name": "y", "scopes": ["read"]}).json()["token"]
    prefix, identity, secret = token.split("_", 2)
    wrong = [
        "",
        "x",
        token[:-1],
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        token + "A",
        token.swapcase(),
        f"{prefix}_{identity}_{'A' * 43}",
        f"{prefix}_{identity}_{other.split('_', 2)[2]}",
        f"{prefix}_{'a' * 10}_{secret}",
        f"{token} {other}",
        f"{prefix}_{identity}_" + "%" * 43,
    ]
    for text_ in wrong:
        answer = bearer(settings, text_).get("/api/v1/findings")
        assert (answer.status_code, "www-authenticate" in answer.headers) == (401, True), text_
    client = TestClient(build_app(settings), base_url="http://localhost:8080")
    for header in (f"Basic {token}", f"Token {token}", token, f"Bearer{token}"):
        assert client.get("/api/v1/findings", headers={"Authorization": header}).status_code == 401
    for place in (f"/api/v1/findings?token={token}", f"/api/v1/findings?access_token={token}"):
        assert client.get(place).status_code == 401
    assert client.get("/api/v1/findings", headers={"X-Api-Key": token}).status_code == 401
    assert client.get("/api/v1/findings", headers={"Cookie": f"gw={token}"}).status_code == 401
    with state.begin() as session:
        past = (datetime.now(UTC) - timedelta(seconds=1)).replace(tzinfo=None)
        session.execute(text("UPDATE api_token SET expires_at = :past"), {"past": past})
    assert bearer(settings, token).get("/api/v1/findings").status_code == 401


def test_a_token_and_a_cookie_together_are_refused(alice: Person) -> None:
    token = alice("POST", "tokens", {"name": "x", "scopes": ["read"]}).json()["token"]
    answer = alice.client.get("/api/v1/findings", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 400


def test_a_token_of_a_disabled_admin_is_refused(alice: Person, settings: Settings) -> None:
    alice("POST", "users", {"name": "anna", "role": "admin", "password": OTHER})
    anna = Person(settings, "anna", OTHER)
    program = bearer(settings, anna("POST", "tokens", {"name": "x", "scopes": ["admin"]}).json()["token"])
    assert program.get("/api/v1/users").status_code == 200
    alice("PATCH", f"users/{id_of(alice, 'anna')}", {"disabled": True})
    assert program.get("/api/v1/users").status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "x", "scopes": []}, 422),
        ({"name": "", "scopes": ["read"]}, 422),
        ({"name": "   ", "scopes": ["read"]}, 409),
        ({"name": "a\nb", "scopes": ["read"]}, 409),
        ({"name": "x", "scopes": ["ingest", "read"]}, 409),
        ({"name": "x", "scopes": ["root"]}, 422),
        ({"name": "x", "scopes": ["read"], "days": 0}, 422),
        ({"name": "x", "scopes": ["read"], "days": 99999}, 422),
    ],
    ids=str,
)
def test_a_token_needs_a_name_a_scope_and_an_end(alice: Person, body: object, status: int) -> None:
    assert alice("POST", "tokens", body).status_code == status


def test_the_audit_log_is_read_in_pages(alice: Person) -> None:
    for number in range(5):
        alice("POST", "tokens", {"name": f"t{number}", "scopes": ["read"]})
    first = alice("GET", "audit?limit=3&action=token.create").json()
    second = alice("GET", f"audit?limit=3&action=token.create&before={first['next_before']}").json()
    names = [event["detail"]["name"] for event in first["events"] + second["events"]]
    assert names == ["t4", "t3", "t2", "t1", "t0"]
    assert second["next_before"] is None
    assert alice("GET", "audit?since=2999-01-01T00:00:00Z").json()["events"] == []


def test_without_a_login_nobody_makes_accounts_or_tokens(tmp_path: Path) -> None:
    with TestClient(build_app(Settings(data_dir=tmp_path / "open")), base_url="http://localhost") as client:
        assert client.get("/api/v1/me").json() == {
            "schema_version": 1,
            "name": "this machine",
            "role": "admin",
            "via": "none",
        }
        body = {"name": "bob", "role": "admin", "password": OTHER}
        answer = client.post("/api/v1/users", json=body)
        assert answer.status_code == 409
        assert "gatewatch users add" in answer.json()["detail"]
        assert client.post("/api/v1/tokens", json={"name": "x", "scopes": ["read"]}).status_code == 409
        assert client.get("/api/v1/users").json()["users"] == []
        wrong = client.get("/api/v1/findings", headers={"Authorization": f"Bearer gw_{'a' * 10}_{'b' * 43}"})
        assert wrong.status_code == 401


def test_a_stolen_password_is_taken_nowhere(tmp_path: Path, state: State, settings: Settings) -> None:
    lost = tmp_path / "stolen.txt"
    lost.write_text(hashlib.sha1(OTHER.encode(), usedforsecurity=False).hexdigest().upper() + ":7\n")
    alice = Person(settings.model_copy(update={"breached_passwords": lost}), "alice")
    for method, path, wish in (
        ("POST", "users", {"name": "bob", "role": "viewer", "password": OTHER}),
        ("PATCH", f"users/{id_of(alice, 'vera')}", {"password": OTHER}),
        ("POST", "me/password", {"old": PASSWORD, "new": OTHER}),
    ):
        answer = alice(method, path, wish)
        assert (answer.status_code, "list of stolen ones" in answer.text) == (409, True), path


def with_token(settings: Settings, text: str, method: str, path: str, json: object = None) -> Response:
    client = TestClient(build_app(settings), base_url="http://localhost:8080")
    headers = {"Authorization": f"Bearer {text}"}
    return client.request(method, f"/api/v1/{path}", headers=headers, json=None if method == "GET" else json or {})


def test_a_token_may_no_more_than_its_owner_may_now(alice: Person, settings: Settings, state: State) -> None:
    alice("POST", "users", {"name": "bob", "role": "admin", "password": OTHER})
    bob = Person(settings, "bob", OTHER)
    text = bob("POST", "tokens", {"name": "x", "scopes": ["admin"]}).json()["token"]
    assert with_token(settings, text, "GET", "users").status_code == 200
    assert alice("PATCH", f"users/{id_of(alice, 'bob')}", {"role": "viewer"}).status_code == 200
    assert with_token(settings, text, "GET", "users").status_code == 403
    assert with_token(settings, text, "GET", "findings").status_code == 200
    assert alice("PATCH", f"users/{id_of(alice, 'bob')}", {"role": "admin"}).status_code == 200
    assert with_token(settings, text, "GET", "users").status_code == 200


def test_a_token_that_a_token_made_falls_with_the_account_behind_both(
    alice: Person, settings: Settings, state: State
) -> None:
    alice("POST", "users", {"name": "bob", "role": "admin", "password": OTHER})
    bob = Person(settings, "bob", OTHER)
    first = bob("POST", "tokens", {"name": "x", "scopes": ["admin"]}).json()["token"]
    made = with_token(settings, first, "POST", "tokens", {"name": "y", "scopes": ["admin"], "days": 300})
    second = made.json()["token"]
    assert with_token(settings, second, "GET", "users").status_code == 200
    alice("PATCH", f"users/{id_of(alice, 'bob')}", {"disabled": True})
    assert {with_token(settings, one, "GET", "findings").status_code for one in (first, second)} == {401}
