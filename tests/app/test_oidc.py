"""Logins at a real OpenID Connect provider over HTTP."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from pydantic import SecretStr

from gatewatch.access.oidc import check_oidc
from gatewatch.app import build_app
from gatewatch.app.binding import check_binding
from gatewatch.errors import UsageError
from gatewatch.roles import Role
from gatewatch.settings import Settings
from gatewatch.store.audit import AuditEvent, audit_events
from gatewatch.store.state import State, open_state
from gatewatch.store.users import add_user, users
from tests.people import PASSWORD, add_people, csrf
from tests.people import log_in as with_password

ROOT = Path(__file__).parent.parent.parent
PEOPLE = {
    "1": {"preferred_username": "olga", "groups": ["staff", "gw-operators"]},
    "2": {"preferred_username": "adam", "groups": ["gw-admins", "gw-viewers"]},
    "3": {"preferred_username": "nils", "groups": ["staff"]},
    "4": {"email": "vic@example.org", "groups": "gw-viewers"},
    "5": {"groups": [["gw-admins"], {"gw-admins": 1}, None, 7]},
    "6": {"preferred_username": "alice", "groups": ["gw-viewers"]},
    "7": {"preferred_username": "<script>alert(1)</script>\u202e", "groups": ["gw-viewers"]},
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.app.provider"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    address = f"http://127.0.0.1:{int(process.stdout.readline())}"
    for subject, claims in PEOPLE.items():
        assert httpx.put(f"{address}/users/{subject}", json=claims).status_code == 204
    yield address
    process.kill()
    process.communicate()


@dataclass
class Site:
    settings: Settings
    state: State
    issuer: str

    def client(self) -> TestClient:
        return TestClient(build_app(self.settings), base_url="http://localhost:8080")

    def log(self) -> list[AuditEvent]:
        with self.state.read() as session:
            return audit_events(session, action="login")


@pytest.fixture
def site(tmp_path: Path, issuer: str) -> Iterator[Site]:
    settings = Settings(
        data_dir=tmp_path / "data",
        public_url="http://localhost:8080",
        oidc_issuer=issuer,
        oidc_client_id="gatewatch",
        oidc_client_secret=SecretStr("canary-client-secret"),
        oidc_roles=("gw-viewers=viewer", "gw-operators=operator", "gw-admins=admin"),
    )
    httpx.post(f"{issuer}/twist/off")
    state = open_state(settings)
    yield Site(settings, state, issuer)
    state.close()


def to_provider(client: TestClient, target: str = "/") -> str:
    answer = client.get(f"/login/oidc?next={target}", follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def agree(address: str, subject: str) -> str:
    """What a person does at the provider; the address it sends the browser back to."""
    assert httpx.get(address).status_code == 200
    answer = httpx.post(address, data={"sub": subject})
    assert answer.status_code == 302
    return str(answer.headers["location"])


def come_back(client: TestClient, address: str) -> Response:
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc, parts.path) == ("http", "localhost:8080", "/login/oidc/callback")
    return client.get(f"{parts.path}?{parts.query}", follow_redirects=False)


def log_in(client: TestClient, subject: str, target: str = "/") -> Response:
    return come_back(client, agree(to_provider(client, target), subject))


def test_a_person_comes_in_with_the_role_of_their_groups(site: Site) -> None:
    client = site.client()
    answer = log_in(client, "1", "/findings%3Frange=7d")
    assert (answer.status_code, answer.headers["location"]) == (303, "/findings?range=7d")
    assert client.get("/api/v1/me").json() | {"schema_version": 0} == {
        "schema_version": 0,
        "name": "olga",
        "role": "operator",
        "via": "session",
    }
    assert client.get("/api/v1/users").status_code == 403
    assert client.post("/_dash-update-component", json={}, headers=csrf(client)).status_code == 400
    admin = site.client()
    log_in(admin, "2")
    listed = {user["name"]: user for user in admin.get("/api/v1/users").json()["users"]}
    assert (listed["adam"]["role"], listed["olga"]["issuer"]) == ("admin", site.issuer)
    changed = admin.patch(f"/api/v1/users/{listed['olga']['id']}", json={"role": "admin"}, headers=csrf(admin))
    assert changed.status_code == 409  # the provider says who is what
    assert [event.detail["how"] for event in site.log()] == ["oidc", "oidc"]


def test_the_login_page_offers_it_and_needs_no_local_user(site: Site) -> None:
    client = site.client()
    assert client.get("/", follow_redirects=False).headers["location"] == "/login?next=%2F"
    page = client.get("/login?next=/findings").text
    assert 'href="/login/oidc?next=%2Ffindings"' in page
    assert check_binding(site.settings.model_copy(update={"host": "0.0.0.0", "public_url": "https://gw.example"})) == []


def test_without_local_accounts_only_the_provider_lets_people_in(site: Site) -> None:
    add_people(site.state)
    before = site.client()
    with_password(before, "alice")
    assert before.get("/api/v1/me").status_code == 200
    site.settings = site.settings.model_copy(update={"local_accounts": False})
    site.state.close()
    site.state = open_state(site.settings)
    shut = site.client()
    page = shut.get("/login").text
    assert 'type="password"' not in page
    assert "Log in with your organisation" in page
    for name in ("alice", "nobody"):
        fields = {"token": shut.cookies["gw-form"], "name": name, "password": PASSWORD}
        answer = shut.post("/login", data=fields, follow_redirects=False)
        assert (answer.status_code, "Nobody logs in with a password here" in answer.text) == (403, True)
    shut.cookies.update(before.cookies)  # a session that a password began before
    assert shut.get("/api/v1/me").status_code == 401
    admin = site.client()
    assert log_in(admin, "2").status_code == 303
    wish = {"name": "bob", "password": PASSWORD, "role": "viewer"}
    assert admin.post("/api/v1/users", json=wish, headers=csrf(admin)).status_code == 409
    with pytest.raises(UsageError, match="local_accounts"):
        check_oidc(Settings(data_dir=site.settings.data_dir, local_accounts=False))


def test_the_request_is_bound_by_state_nonce_and_pkce(site: Site) -> None:
    client = site.client()
    asked = parse_qs(urlsplit(to_provider(client)).query)
    assert asked["redirect_uri"] == ["http://localhost:8080/login/oidc/callback"]
    assert (asked["response_type"], asked["code_challenge_method"]) == (["code"], ["S256"])
    again = parse_qs(urlsplit(to_provider(client)).query)
    for name in ("state", "nonce", "code_challenge"):
        assert len(asked[name][0]) >= 43
        assert asked[name] != again[name]
    cookies = client.get("/login/oidc", follow_redirects=False).headers.get_list("set-cookie")
    assert any("gw-oidc=" in line and "HttpOnly" in line and "SameSite=lax" in line for line in cookies)


@pytest.mark.parametrize("where", ["cross-site", "same-site"])
def test_another_site_makes_nobody_log_in(site: Site, where: str) -> None:
    client = site.client()
    answer = client.get("/login/oidc?next=/findings", headers={"Sec-Fetch-Site": where}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Ffindings")
    assert "set-cookie" not in answer.headers
    own = client.get("/login/oidc", headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=False)
    assert own.headers["location"].startswith(site.issuer)


@pytest.mark.parametrize("subject", ["3", "5", "unknown"])
def test_who_is_in_no_group_of_ours_stays_out(site: Site, subject: str) -> None:
    client = site.client()
    answer = log_in(client, subject)
    assert answer.status_code == 403
    assert "no group of yours has a role" in answer.text
    assert client.get("/api/v1/findings").status_code == 401
    with site.state.read() as session:
        assert users(session) == []
    assert [(event.outcome, event.detail["reason"]) for event in site.log()] == [("refused", "no role")]


def test_a_group_may_be_one_text_and_a_name_an_address(site: Site) -> None:
    client = site.client()
    log_in(client, "4")
    assert client.get("/api/v1/me").json()["name"] == "vic@example.org"


def test_a_name_gives_nobody_the_account_of_another(site: Site) -> None:
    with site.state.begin() as session:
        add_user(session, "alice", Role.ADMIN, "x", now=datetime.now(UTC))
    client = site.client()
    log_in(client, "6")
    me = client.get("/api/v1/me").json()
    assert me["role"] == "viewer"
    assert me["name"].startswith("alice (")


def test_a_hostile_name_is_only_text(site: Site) -> None:
    client = site.client()
    log_in(client, "7")
    assert client.get("/api/v1/me").json()["name"].startswith("<script>")
    assert "<script>alert" not in client.get("/").text


def test_a_role_that_the_provider_takes_away_is_gone_with_the_next_login(site: Site) -> None:
    first, second = site.client(), site.client()
    log_in(first, "1")
    httpx.put(f"{site.issuer}/users/1", json={"preferred_username": "olga", "groups": ["gw-viewers"]})
    try:
        log_in(second, "1")
        assert second.get("/api/v1/me").json()["role"] == "viewer"
        assert first.get("/api/v1/me").status_code == 401
    finally:
        httpx.put(f"{site.issuer}/users/1", json=PEOPLE["1"])


def test_an_answer_is_used_once_and_only_by_the_browser_that_asked(site: Site) -> None:
    client, thief = site.client(), site.client()
    back = agree(to_provider(client), "1")
    assert come_back(thief, back).status_code == 403  # a stolen code, without the cookie
    to_provider(thief)
    assert come_back(thief, back).status_code == 403  # with a cookie of its own
    assert come_back(client, back).status_code == 303
    assert come_back(client, back).status_code == 403  # replayed
    assert thief.get("/api/v1/me").status_code == 401
    victim = site.client()  # login CSRF: an attacker's code in a victim's browser
    to_provider(victim)
    assert come_back(victim, agree(to_provider(thief), "2")).status_code == 403
    assert victim.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize("change", [{"state": "x" * 43}, {"state": ""}, {"iss": "https://evil.example"}, {"code": ""}])
def test_a_changed_answer_is_refused(site: Site, change: dict[str, str]) -> None:
    client = site.client()
    parts = urlsplit(agree(to_provider(client), "1"))
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | change
    assert client.get(parts.path, params=query, follow_redirects=False).status_code == 403
    assert client.get("/api/v1/me").status_code == 401


def test_a_refusal_of_the_provider_is_said_without_its_words(site: Site) -> None:
    client = site.client()
    state = parse_qs(urlsplit(to_provider(client)).query)["state"][0]
    answer = client.get(
        "/login/oidc/callback",
        params={"state": state, "error": "<script>alert(1)</script>\r\nX: y", "error_description": "<b>call 555</b>"},
    )
    assert answer.status_code == 403
    assert "script>" not in re.sub(r"<script src=\"/assets/[^>]*></script>", "", answer.text)
    assert "555" not in answer.text


@pytest.mark.parametrize(
    "twist",
    [
        "audience",
        "audiences",
        "issuer",
        "expired",
        "future",
        "nonce",
        "nobody",
        "none",
        "missing",
        "unsigned",
        "stranger",
        "secret",
        "changed",
    ],
)
def test_a_token_that_is_wrong_in_one_way_is_refused(site: Site, twist: str) -> None:
    client = site.client()
    httpx.post(f"{site.issuer}/twist/{twist}")
    answer = log_in(client, "2")
    assert answer.status_code == 403
    assert "did not vouch" in answer.text
    assert client.get("/api/v1/me").status_code == 401
    (event,) = site.log()
    assert event.outcome == "refused"
    assert "eyJ" not in repr(event)
    httpx.post(f"{site.issuer}/twist/off")
    assert log_in(client, "2").status_code == 303


def test_new_keys_of_the_provider_are_fetched_when_they_are_used(site: Site) -> None:
    client = site.client()
    log_in(client, "1")
    before = int(httpx.get(f"{site.issuer}/fetched").text)
    assert log_in(client, "1").status_code == 303
    assert int(httpx.get(f"{site.issuer}/fetched").text) == before  # kept
    httpx.post(f"{site.issuer}/rotate")
    assert log_in(client, "1").status_code == 303
    assert int(httpx.get(f"{site.issuer}/fetched").text) == before + 1


def test_logging_out_ends_the_session_here_and_offers_the_way_out_there(site: Site) -> None:
    client = site.client()
    log_in(client, "1")
    answer = client.post("/logout", data={"token": client.cookies["gw-csrf"]}, follow_redirects=False)
    assert answer.headers["location"] == "/login?out=provider"
    assert client.get("/api/v1/me").status_code == 401
    page = client.get("/login?out=provider").text
    link = re.search(r'href="(http[^"]+end_session[^"]+)"', page)
    assert link is not None
    address = link[1].replace("&amp;", "&")
    assert parse_qs(urlsplit(address).query)["post_logout_redirect_uri"] == ["http://localhost:8080/login?out"]
    assert httpx.get(address).status_code == 200


def test_a_disabled_account_stays_out_whatever_the_provider_says(site: Site) -> None:
    admin, client = site.client(), site.client()
    log_in(admin, "2")
    log_in(client, "1")
    listed = {user["name"]: user["id"] for user in admin.get("/api/v1/users").json()["users"]}
    admin.patch(f"/api/v1/users/{listed['olga']}", json={"disabled": True}, headers=csrf(admin))
    assert client.get("/api/v1/me").status_code == 401
    assert log_in(client, "1").status_code == 403


def test_a_provider_that_is_away_or_lies_about_its_name_lets_nobody_in(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    for wrong in ("http://127.0.0.1:1", f"{site.issuer}/elsewhere", f"{site.issuer}/"):
        app = build_app(site.settings.model_copy(update={"oidc_issuer": wrong}))
        client = TestClient(app, base_url="http://localhost:8080")
        assert client.get("/login/oidc", follow_redirects=False).status_code == 503
        assert client.get("/login").status_code == 200
    assert "canary-client-secret" not in caplog.text


def test_the_provider_may_not_be_inside_unless_the_operator_says_so(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.5", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    app = build_app(site.settings.model_copy(update={"oidc_issuer": "https://idp.example"}))
    client = TestClient(app, base_url="http://localhost:8080")
    assert client.get("/login/oidc", follow_redirects=False).status_code == 503


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"oidc_client_id": None}, "belong together"),
        ({"oidc_issuer": None}, "belong together"),
        ({"oidc_issuer": None, "oidc_client_id": None}, "need oidc_issuer"),
        ({"oidc_roles": ()}, "oidc_roles"),
        ({"oidc_roles": ("admins",)}, "oidc_roles"),
        ({"oidc_roles": ("admins=root",)}, "oidc_roles"),
        ({"oidc_issuer": "http://idp.example"}, "https"),
        ({"oidc_issuer": "https://me:pw@idp.example"}, "https"),
        ({"oidc_issuer": "ftp://127.0.0.1"}, "https"),
        ({"host": "0.0.0.0", "public_url": None}, "public_url"),
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_said_before_anything_starts(
    site: Site, change: dict[str, object], match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        check_oidc(site.settings.model_copy(update=change))
    check_oidc(site.settings)
