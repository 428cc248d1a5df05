"""Every route of the application says what it needs, and gives it to nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.routing import BaseRoute, Mount, Route

import gatewatch.api
from gatewatch.access.tokens import create_token
from gatewatch.api.access import VIEWER, declared, every_route
from gatewatch.app import build_app
from gatewatch.app.gate import PUBLIC_PATHS
from gatewatch.app.pages import Pages
from gatewatch.roles import Role, Scope, Via, Who
from gatewatch.settings import Settings
from gatewatch.store.state import State, open_state
from tests.people import NAMES, add_people, csrf, log_in

OPEN_TO_ALL = {
    "/healthz",
    "/readyz",
    "/login",
    "/login/oidc",
    "/login/oidc/callback",
    "/logout",
    "/slack/interactivity",
}
"""What may be public. Whoever adds a public route must add it here, and say why in the commit."""


@dataclass(frozen=True)
class Site:
    app: FastAPI
    state: State
    clients: dict[str, TestClient]

    def ask(self, asker: str, method: str, path: str) -> int:
        client = self.clients[asker]
        headers = csrf(client) if "gw-csrf" in client.cookies else {}
        body: dict[str, str] | None = None if method in {"GET", "HEAD", "OPTIONS"} else {}
        return client.request(method, path, headers=headers, follow_redirects=False, json=body).status_code


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("routes") / "data",
        requests_per_second=100_000,
        oidc_issuer="http://127.0.0.1:1",
        oidc_client_id="gatewatch",
    )
    state = open_state(settings)
    add_people(state)
    app = build_app(settings)
    app.state.listeners.stopping = True  # live streams end at once
    clients = {"nobody": TestClient(app, base_url="http://localhost:8080")}
    for role, name in NAMES.items():
        client = TestClient(app, base_url="http://localhost:8080")
        assert log_in(client, name).status_code == 303
        clients[role.value] = client
    cli = Who("test", None, Via.CLI)
    for scope in Scope:
        with state.begin() as session:
            _, made = create_token(session, cli, scope.value, [scope], now=datetime.now(UTC))
        headers = {"Authorization": f"Bearer {made.text}"}
        clients[f"token {scope.value}"] = TestClient(app, base_url="http://localhost:8080", headers=headers)
    yield Site(app, state, clients)
    state.close()


RANKS = {
    "nobody": -1,
    "token ingest": -1,
    "viewer": 0,
    "token read": 0,
    "operator": 1,
    "token write": 1,
    "admin": 2,
    "token admin": 2,
}


def routes_of(app: FastAPI) -> list[tuple[BaseRoute, Role | None]]:
    """Each route with the highest role it asks for; AssertionError for one that says nothing."""
    found: list[tuple[BaseRoute, Role | None]] = []
    for route in every_route(app.router.routes):
        if isinstance(route, Mount):
            assert isinstance(route.app, Pages), route
            found.append((route, route.app.needs))
            continue
        assert isinstance(route, APIRoute), route
        roles = declared(route)
        assert roles, f"{route.path} declares no role"
        found.append((route, max((r for r in roles if r is not None), key=lambda role: role.rank, default=None)))
    return found


def test_every_route_declares_a_role(site: Site) -> None:
    found = routes_of(site.app)
    assert len(found) > 15
    public = {route.path for route, role in found if role is None and isinstance(route, APIRoute)}
    assert public == OPEN_TO_ALL
    assert OPEN_TO_ALL <= PUBLIC_PATHS
    assert {path for path in PUBLIC_PATHS - OPEN_TO_ALL if not path.startswith("/assets/")} == set()


def test_a_route_without_a_role_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    import gatewatch.api.routes.blind as module

    router = APIRouter(prefix="/api/v1/blind")
    router.add_api_route("/ok", lambda: None, dependencies=[VIEWER])
    router.add_api_route("/forgotten", lambda: None)
    monkeypatch.setattr(module, "router", router)
    gatewatch.api._resources.cache_clear()  # kept by whatever ran before; a refusal is not
    with pytest.raises(RuntimeError, match=r"forgotten.*declares no role"):
        gatewatch.api.add_api(FastAPI())


def paths_of(app: FastAPI) -> list[tuple[str, str, Role | None]]:
    """(method, path, role) of every route, those behind the dashboard's mount too."""
    found: list[tuple[str, str, Role | None]] = []
    for route, role in routes_of(app):
        if isinstance(route, APIRoute):
            path = route.path.replace("{id}", "x" * 16).replace("{rest:path}", "none")
            found += [(method, path, role) for method in sorted(route.methods or ())]
        elif isinstance(route, Mount) and isinstance(route.app, Pages):
            inner = list(every_route(route.app.dash.server.router.routes))
            assert len(inner) > 5
            for one in inner:
                path = getattr(one, "path", "/")
                if isinstance(one, Route):
                    path = path.replace("{package_name}", "dash").replace("{fingerprinted_path:path}", "x.js")
                    found += [(method, path, role) for method in sorted(one.methods or ())]
                elif isinstance(one, Mount):
                    found.append(("GET", f"{path}/gatewatch.js", role))
    return found


@pytest.mark.parametrize("asker", RANKS)
def test_role_by_route(site: Site, asker: str) -> None:
    rank = RANKS[asker]
    wrong = []
    for method, path, role in paths_of(site.app):
        if path in PUBLIC_PATHS:
            continue
        status = site.ask(asker, method, path)
        allowed = role is None or rank >= role.rank
        refused = status in {401, 303} if asker == "nobody" else status == 403
        if refused == allowed or status >= 500:
            wrong.append((method, path, role, status))
    assert wrong == []


@pytest.mark.parametrize("asker", ["nobody", "viewer", "token read", "token ingest"])
def test_nothing_hides_behind_odd_spellings(site: Site, asker: str) -> None:
    for path in (
        "/api/v1/users/",
        "/api/v1//users",
        "//api/v1/users",
        "/api/v1/%75sers",
        "/API/v1/users",
        "/api/v1/users%2f",
        "/api/v1/./users",
        "/login/../api/v1/users",
        "/healthz/../api/v1/users",
        "/healthz%2f..%2fapi/v1/users",
        "/assets/first/theme.js/../../../api/v1/users",
        "/api/v1/users;x=/healthz",
        "/api/v1/users?x=/healthz",
    ):
        answer = site.clients[asker].get(path, follow_redirects=False)
        assert '"users"' not in answer.text, path
        if asker == "nobody":
            assert answer.status_code in {401, 303}, path


def test_wrong_methods_tell_nobody_anything(site: Site) -> None:
    for method in ("OPTIONS", "TRACE", "PUT", "PROPFIND", "HEAD"):
        assert site.clients["nobody"].request(method, "/api/v1/users").status_code == 401
    token = site.clients["token read"]
    for method, path in (("TRACE", "/api/v1/users"), ("POST", "/api/v1/blind"), ("TRACE", "/healthz"), ("PUT", "/")):
        answer = token.request(method, path)
        assert answer.status_code == 405, path
        assert "GET" in answer.headers["Allow"], path


def test_the_description_names_the_role_of_each_operation(site: Site) -> None:
    document = site.clients["viewer"].get("/api/openapi.json").json()
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    seen = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            seen[f"{method} {path}"] = operation.get("x-role")
            assert ("security" in operation) == (path not in OPEN_TO_ALL), path
    assert seen["get /api/v1/findings"] == "viewer"
    assert seen["post /api/v1/users"] == "admin"
    assert site.clients["viewer"].get("/api/openapi.json").json() == document
