"""What strangers, viewers and operators try on every route there is: routes that are added are tried, too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import text

from gatewatch.app import build_app
from gatewatch.roles import Role
from gatewatch.settings import Settings
from gatewatch.store.findings import list_findings
from gatewatch.store.models import Base
from gatewatch.store.state import State, open_state
from tests.app.test_routes import routes_of
from tests.dashboard.world import fill
from tests.people import NAMES, PASSWORD, add_people, csrf, form_token, log_in

BASE = "http://localhost:8080"
OWN = {"user_session", "guess", "audit_event"}
"""Tables that reading may write: when a session was last seen, who was refused and what was shown."""


@dataclass(frozen=True)
class Site:
    app: Any
    state: State
    finding: str
    clients: dict[str, TestClient]

    def fresh(self) -> TestClient:
        return TestClient(self.app, base_url=BASE, raise_server_exceptions=False)

    def paths(self, *methods: str) -> list[tuple[str, str]]:
        """(method, path with a real finding in it) of every route of these methods."""
        found = []
        for route, _ in routes_of(self.app):
            path = re.sub(r"\{\w+(:path)?\}", self.finding, getattr(route, "path", "/") or "/")
            answers = getattr(route, "responses", None) or {}
            if "text/event-stream" not in answers.get(200, {}).get("content", {}):  # which does not end
                found += [(one, path) for one in sorted(getattr(route, "methods", None) or {"GET"}) if one in methods]
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("attack") / "data", requests_per_second=100_000)
    state = open_state(settings)
    fill(state, hostile=False)
    add_people(state)
    with state.read() as session:
        finding = list_findings(session, limit=1).items[0].finding.id
    app = build_app(settings)
    clients = {"nobody": TestClient(app, base_url=BASE, raise_server_exceptions=False)}
    for role in Role:
        clients[role] = TestClient(app, base_url=BASE, raise_server_exceptions=False)
        assert log_in(clients[role], NAMES[role]).status_code == 303
    yield Site(app, state, finding, clients)
    state.close()


def kept(state: State) -> dict[str, list[str]]:
    """Every row of the state, but for what reading itself writes."""
    with state.read() as session:
        return {
            name: sorted(map(repr, session.execute(text(f"SELECT * FROM {name}")).all()))
            for name in Base.metadata.tables
            if name not in OWN
        }


def test_no_other_origin_is_let_in(site: Site) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "DELETE"}
    for method, path in [*site.paths("GET"), *(("OPTIONS", path) for _, path in site.paths("GET", "POST"))]:
        answer = site.clients[Role.ADMIN].request(method, path, headers=asked, follow_redirects=False)
        assert not [name for name in answer.headers if name.startswith("access-control-")], path


FORMS: tuple[dict[str, Any], ...] = (
    {"data": {"a": "b"}},
    {"content": b"{}", "headers": {"Content-Type": "text/plain"}},
    {"content": b"{}", "headers": {"Content-Type": "text/plain; application/json"}},
    {"content": b"{}", "headers": {"Content-Type": "application/jsonp"}},
    {"content": b"{}"},
    {"json": {}},
)


def test_no_form_of_another_site_changes_anything(site: Site) -> None:
    """A browser sends cookies along, and a token only when our own script does so."""
    before, client = kept(site.state), site.clients[Role.ADMIN]
    tried = 0
    for method, path in site.paths("POST", "PUT", "PATCH", "DELETE"):
        for origin in ("https://evil.example", "null", "http://localhost:8081", f"{BASE}.evil.example", None):
            for form in FORMS:
                headers = {**form.get("headers", {}), **({} if origin is None else {"Origin": origin})}
                answer = client.request(method, path, follow_redirects=False, **{**form, "headers": headers})
                assert answer.status_code in {400, 401, 403, 404, 405, 415, 303}, (method, path, origin, form)
                assert answer.status_code != 303 or path == "/logout", path
                tried += 1
    assert tried > 400
    assert kept(site.state) == before
    assert client.get("/api/v1/me").status_code == 200


def test_reading_methods_change_nothing(site: Site) -> None:
    before, client = kept(site.state), site.clients[Role.ADMIN]
    override = {"X-HTTP-Method-Override": "DELETE", "X-HTTP-Method": "POST", "X-Method-Override": "PATCH"}
    for _, path in site.paths("GET"):
        for method, headers in (("GET", {}), ("GET", override), ("HEAD", override), ("OPTIONS", override)):
            answer = client.request(method, f"{path}?_method=DELETE", headers=headers, follow_redirects=False)
            assert answer.status_code < 500, path
    assert kept(site.state) == before


def test_every_answer_says_what_it_is_and_data_are_kept_by_no_cache(site: Site) -> None:
    for _, path in site.paths("GET"):
        for asker in ("nobody", Role.ADMIN):
            answer = site.clients[asker].get(path, follow_redirects=False)
            kind = answer.headers.get("content-type", "")
            assert kind or not answer.content, path
            assert not kind.startswith("text/") or "charset=utf-8" in kind.lower(), path
            assert answer.headers["x-content-type-options"] == "nosniff", path
            assert answer.headers["cache-control"] == "no-store", path


def test_what_is_downloaded_has_a_name_of_ours(site: Site) -> None:
    evil = 'a";b=c\r\nX: y.html'
    document = site.clients[Role.ADMIN].get("/api/openapi.json").json()
    downloads = 0
    for path, operations in document["paths"].items():
        if "get" not in operations or "text/event-stream" in operations["get"]["responses"]["200"]["content"]:
            continue
        names = [one["name"] for one in operations["get"].get("parameters", ()) if one["in"] == "query"]
        real = re.sub(r"\{\w+\}", site.finding, path)
        queries: list[dict[str, str]] = [{}, *({name: evil} for name in names)]
        for query in queries:
            answer = site.clients[Role.ADMIN].get(real, params=query)
            said = answer.headers.get("content-disposition")
            downloads += said is not None
            assert said is None or re.fullmatch(r'attachment; filename="[A-Za-z0-9._-]+"', said), (path, said)
            assert "x" not in answer.headers
    assert downloads > 0


PLACES = (
    "/.git/config",
    "/.env",
    "/assets/",
    "/assets",
    "/assets/..%2f..%2fpyproject.toml",
    "/assets/%2e%2e/%2e%2e/app.py",
    "/assets/....//....//etc/passwd",
    "/assets//etc/passwd",
    "/_dash-component-suites/",
    "/_dash-component-suites/dash/../../../../../../etc/passwd",
    "/_dash-component-suites/dash/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/_dash-component-suites/os/path.py",
    "/_dash-component-suites/gatewatch/settings.py",
    "/static/../../state.db",
    "/state.db",
    "/hash.key",
    "/docs",
    "/redoc",
    "/openapi.json",
    "/debug",
    "/_reload-hash",
    "/_dash-config",
    "/server-status",
    "/actuator/env",
    "/mcp",
    "/_mcp",
    "/%00",
    "/assets/%00.css",
    "/assets/" + "a" * 5000,
)
LEAKED = re.compile(r"root:x:|\[core\]|SQLite format|Directory listing|Index of|import os|Traceback")


@pytest.mark.parametrize("asker", ["nobody", Role.VIEWER, Role.ADMIN])
def test_no_file_of_the_machine_is_served(site: Site, asker: str) -> None:
    for path in PLACES:
        answer = site.clients[asker].get(path, follow_redirects=False)
        assert answer.status_code < 500, path
        assert not LEAKED.search(answer.text), path
        if asker == "nobody":
            assert answer.status_code in {303, 401}, path
        elif answer.status_code == 200 and not path.startswith("/_"):
            assert "_dash-config" in answer.text, path  # the dashboard's index, which says that there is no such page


def test_a_body_with_more_fields_is_refused(site: Site) -> None:
    client, tried = site.clients[Role.ADMIN], 0
    document = client.get("/api/openapi.json").json()
    body = {"id": "x", "is_admin": True, "owner_id": "x", "__proto__": {"role": "admin"}}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            if method == "get" or not schema.get("$ref"):
                continue
            real = re.sub(r"\{\w+\}", site.finding, path)
            answer = client.request(method, real, json=body, headers=csrf(client), follow_redirects=False)
            assert answer.status_code == 422, (method, path, answer.text[:200])
            assert "is_admin" in json.dumps(answer.json()["errors"]), path
            tried += 1
    assert tried >= 8


def test_a_session_that_somebody_planted_is_not_taken(site: Site) -> None:
    client, planted = site.fresh(), "A" * 43
    page = client.get("/login")
    fields = {"token": form_token(page), "name": "vera", "password": PASSWORD}
    cookies = {"Cookie": f"gw={planted}; gw-form={page.cookies['gw-form']}"}
    answer = site.fresh().post("/login", data=fields, headers=cookies, follow_redirects=False)
    assert answer.status_code == 303
    assert planted not in answer.headers["set-cookie"]
    assert site.fresh().get("/api/v1/me", headers={"Cookie": f"gw={planted}"}).status_code == 401


def asked_as(site: Site, *named: str) -> Response:
    return site.fresh().get("/login", headers=[("Host", name) for name in named])


def test_the_host_is_ours_and_one(site: Site) -> None:
    assert asked_as(site, "localhost:8080").status_code == 200
    assert asked_as(site, "localhost:8080", "evil.example").status_code == 400
    for name in ("evil.example", "localhost.evil.example", "localhost@evil.example", "127.0.0.1.nip.io", "", "["):
        assert asked_as(site, name).status_code in {400, 421}, name
    for header in ("X-Forwarded-Host", "X-Host", "X-Original-URL", "X-Rewrite-URL", "Forwarded"):
        answer = site.fresh().get("/healthz", headers={header: "/api/v1/users"})
        assert answer.json()["status"] == "alive"
        answer = site.fresh().get("/", headers={header: "evil.example"}, follow_redirects=False)
        assert answer.headers["location"] == "/login?next=%2F"


def test_odd_bodies_are_refused_and_never_a_mistake_of_ours(site: Site) -> None:
    client = site.clients[Role.ADMIN]
    deep = b'{"a":' * 3000
    odd = (b"", b"[]", b"null", b"{", b"\xff", deep, b"9" * 6000, b'{"note":"\\ud800"}', b"\xef\xbb\xbf{}", b"NaN")
    headers = {**csrf(client), "Content-Type": "application/json"}
    for method, path in site.paths("POST", "PUT", "PATCH"):
        if path == "/logout":
            continue
        for body in odd:
            answer = client.request(method, path, content=body, headers=headers, follow_redirects=False)
            assert answer.status_code < 500, (method, path, body[:20])


def test_what_is_in_an_address_comes_back_as_text_only(site: Site) -> None:
    evil = '"><script>alert(1)</script>'
    for path in ("/login", "/login?next=", "/findings/", "/"):
        for asker in ("nobody", Role.VIEWER):
            for where in (path + quote(evil), f"{path}{'&' if '?' in path else '?'}out={quote(evil)}"):
                assert "<script>alert" not in site.clients[asker].get(where).text
