"""Logging in and out, and what stands in front of everything else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import text

from gatewatch.app import build_app
from gatewatch.app.doorpage import safe_target
from gatewatch.settings import Settings
from gatewatch.store.audit import audit_events
from gatewatch.store.sessions import sessions
from gatewatch.store.state import State, open_state
from gatewatch.store.users import set_disabled, user_named
from tests.people import PASSWORD, add_people, csrf, form_token, log_in

DATA = ("/api/v1/findings", "/api/openapi.json", "/api", "/api/none", "/_dash-layout", "/_dash-dependencies")
CALLBACK = "/_dash-update-component"


def live(state: State) -> list[str]:
    with state.read() as session:
        return [one.id for one in sessions(session, now=datetime.now(UTC), idle=timedelta(minutes=30))]


def test_nothing_is_answered_before_the_login(client: TestClient) -> None:
    for path in (*DATA, "/assets/gatewatch.js", "/_dash-component-suites/dash/deps/polyfill.js", "/_favicon.ico"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="gatewatch"'), path
    assert client.post(CALLBACK, json={}).status_code == 401
    for path in ("/", "/findings?range=7d", "/docs", "/openapi.json", "/anything"):
        answer = client.get(path, follow_redirects=False)
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/login?next=%2F")
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200


def test_the_login_page_needs_no_script_and_shows_nothing_of_the_data(client: TestClient) -> None:
    page = client.get("/login?next=/findings%3Frange=7d")
    assert page.status_code == 200
    assert page.text.count("<script") == 1
    assert 'value="/findings?range=7d"' in page.text
    assert "no-store" in page.headers["cache-control"]
    for path in ("/assets/login.css", "/assets/gatewatch.css", "/assets/favicon.svg", "/assets/first/theme.js"):
        assert client.get(path).status_code == 200


def test_whoever_logs_in_goes_on_where_they_wanted_to(client: TestClient) -> None:
    answer = log_in(client, " Vera ", target="/findings?range=7d")
    assert (answer.status_code, answer.headers["location"]) == (303, "/findings?range=7d")
    for path in DATA[:2]:
        assert client.get(path).status_code == 200
    assert "_dash-config" in client.get("/").text
    assert client.get("/login", follow_redirects=False).headers["location"] == "/"


def test_the_cookies_have_their_flags(client: TestClient) -> None:
    lines = log_in(client, "vera").headers.get_list("set-cookie")
    session = next(line for line in lines if line.startswith("gw="))
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= {part.strip() for part in session.split(";")}
    assert "Max-Age" not in session
    assert "Domain" not in session
    token = next(line for line in lines if line.startswith("gw-csrf="))
    assert "HttpOnly" not in token


def test_behind_https_cookies_are_bound_to_the_host(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", public_url="https://gw.example")
    state = open_state(settings)
    add_people(state)
    with TestClient(build_app(settings), base_url="https://gw.example") as client:
        answer = log_in(client, "vera")
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        lines = answer.headers.get_list("set-cookie")
        assert client.get("/api/v1/findings").status_code == 200
        assert '"csrf_token_name":"__Host-gw-csrf"' in client.get("/").text.replace(" ", "")
    state.close()
    assert all("__Host-gw" in line and "Secure" in line for line in lines)
    wide = settings.model_copy(update={"hsts_subdomains": True})
    with TestClient(build_app(wide), base_url="https://gw.example") as client:
        assert client.get("/login").headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


@pytest.mark.parametrize("name", ["vera", "nobody", "", "' OR 1=1 --", "x" * 5000, "\x00", "vera\x00"])
def test_a_wrong_name_or_password_is_refused_in_the_same_words(client: TestClient, state: State, name: str) -> None:
    for password in ("wrong password here", "", PASSWORD + "x", PASSWORD.upper()):
        answer = log_in(client, name, password)
        assert answer.status_code == 401
        assert "The name or the password is wrong" in answer.text
        assert "gw=" not in answer.headers.get("set-cookie", "")
        if len(name) > 100 or password == "":
            break
    assert client.get("/api/v1/findings").status_code == 401
    with state.read() as session:
        assert {event.outcome for event in audit_events(session, action="login")} == {"refused"}
    assert live(state) == []


def test_the_password_is_in_no_page_and_no_log(
    client: TestClient, state: State, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "a very wrong canary"
    answer = log_in(client, "vera", secret)
    with state.read() as session:
        logged = repr(audit_events(session)) + repr(session.execute(text("SELECT * FROM audit_event")).all())
    assert secret not in answer.text + logged + caplog.text


def test_guesses_from_one_address_wait_whichever_process_they_come_to(
    client: TestClient, settings: Settings, state: State
) -> None:
    for _ in range(5):
        assert log_in(client, "vera", "wrong password here").status_code == 401
    with TestClient(build_app(settings), base_url="http://localhost:8080") as replica:
        for one in (client, replica):
            answer = log_in(one, "vera")  # the right one, too: it is not even looked at
            assert answer.status_code == 429
            assert int(answer.headers["retry-after"]) >= 5
            assert "Too many attempts" in answer.text


def test_a_form_from_elsewhere_is_refused(client: TestClient) -> None:
    fields = {"name": "vera", "password": PASSWORD}
    assert client.post("/login", data=fields).status_code == 403
    token = form_token(client.get("/login"))
    assert client.post("/login", data={**fields, "token": "x" * 43}).status_code == 403
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert client.post("/login", data={**fields, "token": token}, headers=headers).status_code == 403
    assert client.post("/login", json={**fields, "token": token}).status_code == 415
    assert client.post("/login", data={**fields, "token": token, "x": "y" * 9000}).status_code == 403
    assert client.get("/api/v1/findings").status_code == 401


@pytest.mark.parametrize(
    "text",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/login?next=/",
        "",
        "/a\nb",
        "x",
    ],
)
def test_a_login_leads_to_no_other_site(text: str) -> None:
    assert safe_target(text) == "/"
    assert safe_target("/findings/abc?range=7d&q=%2F%2Fx") == "/findings/abc?range=7d&q=%2F%2Fx"


def test_each_login_has_a_session_of_its_own_and_ends_the_one_the_browser_had(client: TestClient, state: State) -> None:
    client.cookies.set("gw", "A" * 43)  # one that an attacker planted
    client.get("/login")
    log_in(client, "vera")
    (first,) = live(state)
    secret = client.cookies.get("gw", domain="localhost.local")
    assert secret not in {None, "A" * 43}
    client.cookies.clear()
    token = form_token(client.get("/login"))
    fields = {"token": token, "name": "otto", "password": PASSWORD}
    client.cookies.set("gw", secret or "")
    client.post("/login", data=fields, follow_redirects=False)
    (second,) = live(state)
    assert second != first


def test_logging_out_ends_the_session_and_takes_the_token(client: TestClient, state: State) -> None:
    log_in(client, "vera")
    kept = dict(client.cookies)
    stolen = client.post("/logout", data={"token": "x" * 43}, follow_redirects=False)  # another site's form
    assert stolen.headers["location"] == "/"
    assert len(live(state)) == 1
    answer = client.post("/logout", data={"token": client.cookies["gw-csrf"]}, follow_redirects=False)
    assert answer.headers["location"] == "/login?out"
    assert live(state) == []
    assert "gw" not in client.cookies
    assert "logged out" in client.get("/login?out").text
    assert client.get("/api/v1/findings", headers={"Cookie": f"gw={kept['gw']}"}).status_code == 401
    with state.read() as session:
        assert [event.action for event in audit_events(session)] == ["logout", "login"]


def test_a_disabled_account_is_out_at_once_and_stays_out(client: TestClient, state: State) -> None:
    log_in(client, "otto")
    assert client.get("/api/v1/findings").status_code == 200
    with state.begin() as session:
        user = user_named(session, "otto")
        assert user is not None
        set_disabled(session, user.id, True, now=datetime.now(UTC))
    assert client.get("/api/v1/findings").status_code == 401
    assert log_in(client, "otto").status_code == 401


@pytest.mark.parametrize("column", ["seen_at", "expires_at"])
def test_an_old_session_is_over(client: TestClient, state: State, column: str) -> None:
    log_in(client, "vera")
    past = datetime.now(UTC) - timedelta(minutes=31)
    with state.begin() as session:
        session.execute(text(f"UPDATE user_session SET {column} = :past"), {"past": past.replace(tzinfo=None)})
    assert client.get("/api/v1/findings").status_code == 401
    assert client.get("/", follow_redirects=False).headers["location"] == "/login?next=%2F"


def test_a_change_needs_the_token_of_its_own_session(client: TestClient, settings: Settings, state: State) -> None:
    log_in(client, "vera")
    assert client.post(CALLBACK, json={}).status_code == 403
    assert client.post(CALLBACK, json={}, headers={"X-CSRFToken": "x" * 43}).status_code == 403
    with TestClient(build_app(settings), base_url="http://localhost:8080") as other:
        log_in(other, "otto")
        theirs = csrf(other)
    assert client.post(CALLBACK, json={}, headers=theirs).status_code == 403
    assert client.post(CALLBACK, json={}, headers=csrf(client)).status_code not in {401, 403, 415}
    assert client.post(CALLBACK, content="{}", headers=csrf(client)).status_code == 415
    evil = {**csrf(client), "Origin": "https://evil.example"}
    assert client.post(CALLBACK, json={}, headers=evil).status_code == 403


def test_two_session_cookies_are_none(client: TestClient) -> None:
    log_in(client, "vera")
    mine = client.cookies["gw"]
    client.cookies.clear()
    assert client.get("/api/v1/blind", headers={"Cookie": f"gw={mine}"}).status_code == 200
    assert client.get("/api/v1/blind", headers={"Cookie": f"gw={mine}; gw={'A' * 43}"}).status_code == 401


def test_the_login_is_on_from_the_first_user_on(settings: Settings) -> None:
    state = open_state(settings)
    with TestClient(build_app(settings), base_url="http://localhost:8080") as client:
        assert client.get("/api/v1/findings").status_code == 200
        add_people(state)
        deadline = datetime.now(UTC) + timedelta(seconds=10)
        while client.get("/api/v1/findings").status_code == 200:
            assert datetime.now(UTC) < deadline
    state.close()


def test_login_off_and_on_are_what_they_say(tmp_path: Path) -> None:
    for login, status in (("off", 200), ("on", 401)):
        settings = Settings(data_dir=tmp_path / login, login=login)
        with TestClient(build_app(settings), base_url="http://localhost:8080") as client:
            assert client.get("/api/v1/findings").status_code == status


def test_a_database_that_never_answered_lets_nobody_in(tmp_path: Path) -> None:
    url = SecretStr(f"postgresql://me@/none?host={tmp_path}")
    with TestClient(
        build_app(Settings(data_dir=tmp_path / "d", database_url=url)), base_url="http://localhost"
    ) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        for path in ("/", "/api/v1/findings", "/_dash-layout"):
            assert client.get(path).status_code == 503


def test_a_password_does_not_cross_a_network_in_the_clear(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", host="0.0.0.0")
    state = open_state(settings)
    add_people(state)
    state.close()
    with TestClient(build_app(settings), base_url="http://192.0.2.7:8080") as client:
        assert "not encrypted" in client.get("/login").text
        assert log_in(client, "vera").status_code == 403
    with TestClient(build_app(settings.model_copy(update={"plain_http": True})), base_url="http://192.0.2.7") as client:
        assert log_in(client, "vera").status_code == 303
        assert client.get("/api/v1/findings").status_code == 200
        assert client.get("/api/v1/findings", headers={"Host": "evil.example"}).status_code == 421


def test_an_address_behind_a_trusted_proxy_is_the_clients(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", trusted_proxies=("192.0.2.0/24",), login="on")
    state = open_state(settings)
    add_people(state)

    def seen(peer: str, forwarded: str) -> str:
        with TestClient(build_app(settings), base_url="http://localhost", client=(peer, 1)) as client:
            client.headers["X-Forwarded-For"] = forwarded
            log_in(client, "nobody", "wrong password here")
        with state.read() as session:
            return audit_events(session, limit=1)[0].address

    assert seen("192.0.2.1", "198.51.100.9") == "198.51.100.9"
    assert seen("192.0.2.1", "10.0.0.1, 198.51.100.9, 192.0.2.8") == "198.51.100.9"  # what the client claims is before
    assert seen("192.0.2.1", "nonsense") == "192.0.2.1"
    assert seen("203.0.113.5", "198.51.100.9") == "203.0.113.5"  # nobody trusts this one
    state.close()


def test_too_many_requests_of_one_address_are_put_off(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", login="on", requests_per_second=1)
    with TestClient(build_app(settings), base_url="http://localhost") as client:
        answers = [client.get("/api/v1/findings") for _ in range(4)]
        assert [answer.status_code for answer in answers[:2]] == [401, 401]
        assert answers[-1].status_code == 429
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert client.get("/healthz").status_code == 200


def test_a_body_that_is_too_large_is_refused(client: TestClient) -> None:
    log_in(client, "vera")
    big = b'{"x":"' + b"a" * (1 << 20) + b'"}'
    headers = {**csrf(client), "Content-Type": "application/json"}
    assert client.post(CALLBACK, content=big, headers=headers).status_code == 413
    assert client.post(CALLBACK, content=iter([big[: 1 << 19], big]), headers=headers).status_code == 413
