"""Every credential that gatewatch takes: the right one opens its door, and no other one does.

A secret that is added to the settings or to a channel, or a further way to show who one is, fails here until it has its
row in the table.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from pydantic import SecretStr
from sqlalchemy import text

from alerts.channels import KINDS
from gatewatch.access.passwords import hashed
from gatewatch.access.tokens import create_token, revoke
from gatewatch.app import build_app
from gatewatch.app.cookies import Cookies
from gatewatch.roles import Role, Scope, Via, Who
from gatewatch.settings import Settings
from gatewatch.store.findings import get_finding, save_findings
from gatewatch.store.state import State, open_state
from gatewatch.store.users import add_user, set_disabled, set_password, user_named
from tests.alerts.builders import a_finding
from tests.people import NAMES, PASSWORD, add_people, csrf, form_token, log_in

ROOT = Path(__file__).parent.parent.parent
CLI = Who("test", None, Via.CLI)
KEYS = {"ingest_key": "k" * 32, "ingest_key_next": "n" * 32}
SIGNING = "8f742231b10e8888abcd99yyyzzz85a5"
BASE = "http://localhost:8080"

TAKEN = {"ingest_key", "ingest_key_next", "slack_bot.signing_secret"}
"""Secrets of the configuration by which others show us who they are."""

_VISITORS = count()

SHOWN = {
    "database_url",
    "oidc_client_secret",
    "smtp_url",
    "slack_webhook_url",
    "hash_key",
    "apprise.url",
    "email.smtp_url",
    "pagerduty.routing_key",
    "slack.url",
    "slack_bot.token",
    "teams.url",
    "webhook.url",
    "webhook.secret",
}
"""Secrets by which we show others who we are, or that never leave us: nobody comes in with them."""


@dataclass(frozen=True)
class Site:
    settings: Settings
    state: State
    client: TestClient

    def fresh(self) -> TestClient:
        """A visitor from a network of its own: who guesses wrong keys soon has to wait, right ones included."""
        number = next(_VISITORS)
        return TestClient(self.client.app, base_url=BASE, client=(f"10.{number // 250}.{number % 250}.7", 50000))

    def of(self, role: Role) -> TestClient:
        client = self.fresh()
        assert log_in(client, NAMES[role]).status_code == 303
        return client

    def without(self, name: str) -> TestClient:
        """The application after one of its keys was taken out of the settings."""
        return TestClient(build_app(self.settings.model_copy(update={name: None})), base_url=BASE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("credentials")
    channel = {"type": "slack_bot", "token": "xoxb-1", "channel": "C1", "signing_secret": SIGNING, "operators": ["U7"]}
    (folder / "alerts.yaml").write_text(json.dumps({"channels": {"chat": channel}}))
    settings = Settings(
        data_dir=folder / "data",
        alerts_file=folder / "alerts.yaml",
        requests_per_second=100_000,
        ingest_key=SecretStr(KEYS["ingest_key"]),
        ingest_key_next=SecretStr(KEYS["ingest_key_next"]),
    )
    state = open_state(settings)
    add_people(state)
    with state.begin() as session:
        save_findings(session, [a_finding(id="f1")], now=datetime.now(UTC))
    with TestClient(build_app(settings), base_url=BASE) as client:
        yield Site(settings, state, client)
    state.close()


# Passwords


def person(site: Site, name: str) -> str:
    with site.state.begin() as session:
        return add_user(session, name, Role.VIEWER, hashed(PASSWORD), now=datetime.now(UTC)).id


def password_replaced(site: Site) -> Response:
    user = person(site, "renewed")
    with site.state.begin() as session:
        set_password(session, user, hashed("a quite different one"))
    return log_in(site.fresh(), "renewed")


def password_of_a_closed_account(site: Site) -> Response:
    user = person(site, "closed")
    with site.state.begin() as session:
        set_disabled(session, user, True, now=datetime.now(UTC))
    return log_in(site.fresh(), "closed")


def form_token_of_another(site: Site) -> Response:
    one, other = site.fresh(), site.fresh()
    one.get("/login")
    fields = {"token": form_token(other.get("/login")), "name": "vera", "password": PASSWORD}
    return one.post("/login", data=fields)


# Sessions


def session_after(site: Site, what: str) -> Response:
    """Ask with a session to which `what` was done."""
    client = site.of(Role.VIEWER)
    secret, past = client.cookies["gw"], datetime.now(UTC) - timedelta(hours=13)
    with site.state.begin() as session:
        user = user_named(session, NAMES[Role.VIEWER])
        assert user is not None
        if what == "ended":
            session.execute(text("DELETE FROM user_session WHERE user_id = :u"), {"u": user.id})
        else:
            times = {"p": past.replace(tzinfo=None), "u": user.id}
            session.execute(text(f"UPDATE user_session SET {what} = :p WHERE user_id = :u"), times)
    return site.fresh().get("/api/v1/findings", headers={"Cookie": f"gw={secret}"})


def csrf_of(site: Site, kind: str) -> Response:
    client = site.of(Role.OPERATOR)
    old = csrf(client)
    if kind == "expired":
        client = site.of(Role.OPERATOR)
        headers = old
    elif kind == "wrong scope":
        headers = csrf(site.of(Role.ADMIN))
    else:
        headers = old if kind == "good" else {"X-CSRFToken": "A" * 43}
    return client.post("/api/v1/deliveries/retry", json={}, headers=headers)


# Tokens


def token(site: Site, scope: Scope, done: str = "") -> str:
    now = datetime.now(UTC)
    with site.state.begin() as session:
        kept, made = create_token(session, CLI, "x", [scope], now=now)
        if done == "revoked":
            revoke(session, CLI, kept.id, now=now)
        elif done == "expired":
            past = {"p": (now - timedelta(seconds=1)).replace(tzinfo=None), "id": kept.id}
            session.execute(text("UPDATE api_token SET expires_at = :p WHERE id = :id"), past)
    if done == "wrong":
        return made.text[:-1] + ("A" if made.text[-1] != "A" else "B")
    return made.text


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


OPENS = {
    Scope.READ: ("GET", "/api/v1/findings"),
    Scope.WRITE: ("POST", "/api/v1/deliveries/retry"),
    Scope.ADMIN: ("GET", "/api/v1/users"),
}
BEYOND = {
    Scope.READ: ("POST", "/api/v1/deliveries/retry"),
    Scope.WRITE: ("GET", "/api/v1/users"),
    Scope.ADMIN: ("POST", "/ingest/eventbridge"),
}


def token_shown(scope: Scope, way: str) -> Callable[[Site], Response]:
    def ask(site: Site) -> Response:
        method, path = (BEYOND if way == "wrong scope" else OPENS)[scope]
        body: Any = None if method == "GET" else {}
        return site.fresh().request(method, path, json=body, headers=bearer(token(site, scope, way)))

    return ask


# What takes data

PUSH = json.dumps({"requestId": "r", "timestamp": 1, "records": []})
DOORS = {"firehose": ("/ingest/firehose", PUSH), "eventbridge": ("/ingest/eventbridge", "[]")}
HEADERS: dict[str, Callable[[str], dict[str, str]]] = {
    "bearer": bearer,
    "access key": lambda key: {"X-Amz-Firehose-Access-Key": key},
}


def pushed(client: TestClient, door: str, header: str, key: str) -> Response:
    path, body = DOORS[door]
    headers = {"Content-Type": "application/json", "X-Amz-Firehose-Request-Id": "r", **HEADERS[header](key)}
    return client.post(path, content=body, headers=headers)


def ingesting(door: str, header: str, source: str, way: str) -> Callable[[Site], Response]:
    """source: a setting that holds a key, or `token`."""

    def ask(site: Site) -> Response:
        if source == "token":
            scope = Scope.ADMIN if way == "wrong scope" else Scope.INGEST
            return pushed(site.fresh(), door, header, token(site, scope, way))
        if way == "revoked":
            return pushed(site.without(source), door, header, KEYS[source])
        if way == "wrong scope":
            return site.fresh().get("/api/v1/findings", headers=HEADERS[header](KEYS[source]))
        return pushed(site.fresh(), door, header, KEYS[source][:-1] + "x" if way == "wrong" else KEYS[source])

    return ask


# Slack


def slack(way: str) -> Callable[[Site], Response]:
    def ask(site: Site) -> Response:
        user = "U8" if way == "wrong scope" else "U7"
        payload = {
            "type": "block_actions",
            "user": {"id": user, "username": "mira"},
            "actions": [{"action_id": "gatewatch.acknowledge", "value": "f1"}],
        }
        body = urlencode({"payload": json.dumps(payload)}).encode()
        at = datetime.now(UTC) - timedelta(minutes=6 if way == "expired" else 0)
        stamp = str(int(at.timestamp()))
        secret = "x" * 32 if way == "wrong" else SIGNING
        made = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, "sha256").hexdigest()
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "x-slack-request-timestamp": stamp,
            "x-slack-signature": f"v0={made}",
        }
        client = site.without("alerts_file") if way == "revoked" else site.fresh()
        return client.post("/slack/interactivity", content=body, headers=headers)

    return ask


Case = Callable[[Site], Response]
WAYS = ("wrong", "expired", "revoked", "wrong scope")
NEVER_ENDS = "it has no end: it holds until it is replaced in the settings, for which there are two of them"

CREDENTIALS: dict[str, dict[str, Case | str]] = {
    "password": {
        "good": lambda site: log_in(site.fresh(), "vera"),
        "wrong": lambda site: log_in(site.fresh(), "vera", "not her password at all"),
        "expired": "passwords have no end (ASVS 6.2.10); one that was replaced is tried as revoked",
        "revoked": password_replaced,
        "wrong scope": lambda site: site.of(Role.VIEWER).get("/api/v1/users"),
    },
    "password of a closed account": {
        "good": lambda site: log_in(site.fresh(), "otto"),
        "wrong": "as any password",
        "expired": "as any password",
        "revoked": password_of_a_closed_account,
        "wrong scope": "as any password",
    },
    "login form token": {
        "good": lambda site: log_in(site.fresh(), "vera"),
        "wrong": lambda site: site.fresh().post(
            "/login", data={"name": "vera", "password": PASSWORD, "token": "A" * 43}
        ),
        "expired": lambda site: site.fresh().post("/login", data={"name": "vera", "password": PASSWORD}),
        "revoked": "it is in one browser only, and goes with the login",
        "wrong scope": form_token_of_another,
    },
    "session": {
        "good": lambda site: site.of(Role.VIEWER).get("/api/v1/findings"),
        "wrong": lambda site: site.fresh().get("/api/v1/findings", headers={"Cookie": f"gw={'A' * 43}"}),
        "expired": lambda site: session_after(site, "expires_at"),
        "revoked": lambda site: session_after(site, "ended"),
        "wrong scope": lambda site: site.of(Role.OPERATOR).get("/api/v1/users"),
    },
    "idle session": {
        "good": lambda site: site.of(Role.VIEWER).get("/api/v1/findings"),
        "wrong": "as any session",
        "expired": lambda site: session_after(site, "seen_at"),
        "revoked": "as any session",
        "wrong scope": "as any session",
    },
    "CSRF token": {
        "good": lambda site: csrf_of(site, "good"),
        "wrong": lambda site: csrf_of(site, "wrong"),
        "expired": lambda site: csrf_of(site, "expired"),
        "revoked": "it ends with its session, which is tried as expired",
        "wrong scope": lambda site: csrf_of(site, "wrong scope"),
    },
    **{
        f"token {scope}": {way: token_shown(scope, way) for way in ("good", *WAYS)}
        for scope in (Scope.READ, Scope.WRITE, Scope.ADMIN)
    },
    **{
        f"{door}, {header}, {source}": {
            **{way: ingesting(door, header, source, way) for way in ("good", *WAYS)},
            **({} if source == "token" else {"expired": NEVER_ENDS}),
        }
        for door in DOORS
        for header in HEADERS
        for source in ("token", *KEYS)
    },
    "Slack's signature": {way: slack(way) for way in ("good", "wrong", "expired", "revoked")}
    | {"wrong scope": "tests/app/test_slack.py::test_who_may_not_press_is_told_so"},
    "OIDC": {
        "good": "tests/app/test_oidc.py::test_a_person_comes_in_with_the_role_of_their_groups",
        "wrong": "tests/app/test_oidc.py::test_a_token_that_is_wrong_in_one_way_is_refused",
        "expired": "tests/app/test_oidc.py::test_a_token_that_is_wrong_in_one_way_is_refused",
        "revoked": "tests/app/test_oidc.py::test_a_disabled_account_stays_out_whatever_the_provider_says",
        "wrong scope": "tests/app/test_oidc.py::test_who_is_in_no_group_of_ours_stays_out",
    },
    "OIDC attempt": {
        "good": "tests/app/test_oidc.py::test_a_person_comes_in_with_the_role_of_their_groups",
        "wrong": "tests/app/test_oidc.py::test_a_changed_answer_is_refused",
        "expired": "tests/app/test_oidc.py::test_an_answer_is_used_once_and_only_by_the_browser_that_asked",
        "revoked": "it is used once, which is tried as expired",
        "wrong scope": "tests/app/test_oidc.py::test_an_answer_is_used_once_and_only_by_the_browser_that_asked",
    },
}


def secrets_of(owner: Any) -> set[str]:
    return {name for name, one in owner.model_fields.items() if "SecretStr" in str(one.annotation)}


def test_every_secret_of_the_configuration_is_known_here() -> None:
    found = secrets_of(Settings) | {f"{kind}.{name}" for kind in KINDS for name in secrets_of(KINDS[kind].options)}
    assert found == TAKEN | SHOWN
    assert not TAKEN & SHOWN


def test_every_way_to_show_who_one_is_has_its_rows() -> None:
    rows = " ".join(CREDENTIALS)
    said = {Via.SESSION: "session", Via.TOKEN: "token read", Via.SLACK: "Slack", Via.CLI: "", Via.NOBODY: ""}
    assert set(said) == set(Via)
    assert all(word in rows for word in said.values())
    assert all(f"token {scope}" in rows or scope is Scope.INGEST for scope in Scope)
    cookies = {name for name in vars(Cookies(Settings())) if name.endswith("_name")}
    assert cookies == {"session_name", "csrf_name", "form_name", "attempt_name"}


def test_what_is_not_tried_here_says_why_or_where() -> None:
    for name, row in CREDENTIALS.items():
        assert set(row) == {"good", *WAYS}, name
        for way, case in row.items():
            if isinstance(case, str) and "::" in case:
                file, test = case.split("::")
                assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), (name, way)
            elif isinstance(case, str):
                assert len(case.split()) >= 3, (name, way)


def tried(way: str) -> list[Any]:
    rows = [(name, row[way]) for name, row in CREDENTIALS.items()]
    return [pytest.param(case, id=re.sub(r"\W+", "-", name)) for name, case in rows if not isinstance(case, str)]


@pytest.fixture(autouse=True)
def no_waits(site: Site) -> None:
    """Guesses are slowed down; each case is to be answered for itself."""
    with site.state.begin() as session:
        session.execute(text("DELETE FROM guess"))


@pytest.mark.parametrize("case", tried("good"))
def test_the_right_one_opens(site: Site, case: Case) -> None:
    answer = case(site)
    assert answer.status_code in {200, 303}, answer.text


@pytest.mark.parametrize(("way", "case"), [(way, one.values[0]) for way in WAYS for one in tried(way)])
def test_another_one_does_not(site: Site, way: str, case: Case) -> None:
    with site.state.read() as session:
        before = get_finding(session, "f1")
    answer = case(site)
    assert answer.status_code in {401, 403} or (answer.status_code, way) == (404, "revoked"), answer.text
    assert "gw=" not in answer.headers.get("set-cookie", "")
    with site.state.read() as session:
        assert get_finding(session, "f1") == before
