"""Builds the web application: the gate, then the API's routes, the dashboard behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.app import build_dashboard
from gatewatch import __version__
from gatewatch.api import add_api
from gatewatch.api.access import VIEWER
from gatewatch.api.problems import problem
from gatewatch.app.cookies import Cookies
from gatewatch.app.gate import PUBLIC_PATHS, Gate
from gatewatch.app.guard import Guard
from gatewatch.app.login import Doors
from gatewatch.app.opened import Opened
from gatewatch.roles import Role, Who
from gatewatch.settings import Settings

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def build_app(settings: Settings) -> FastAPI:
    """The ASGI application. The store is opened by the first request that needs it."""
    opened = Opened(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001
        yield
        opened.close()

    app = FastAPI(
        title="gatewatch",
        version=__version__,
        summary="Findings in Amazon API Gateway traffic",
        openapi_url=None,  # FastAPI's own route would ask for no role
        docs_url=None,  # the usual pages load their scripts from another host
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.opened = opened
    add_api(app)
    app.include_router(Doors(settings, opened).router())
    hidden: dict[str, Any] = {"include_in_schema": False, "dependencies": [VIEWER]}
    app.add_api_route("/api/openapi.json", description, methods=["GET", "HEAD"], **hidden)
    app.add_api_route("/api", unknown, methods=_METHODS, **hidden)
    app.add_api_route("/api/{rest:path}", unknown, methods=_METHODS, **hidden)
    dash = build_dashboard(opened, csrf_cookie=Cookies(settings).csrf_name)
    app.mount("/", Pages(dash.server))
    app.add_middleware(Gate, settings=settings, opened=opened)
    app.add_middleware(Guard, script_hashes=dash.csp_hashes, encrypted=settings.encrypted)  # the outermost
    return app


async def description(request: Request) -> Response:
    return JSONResponse(request.app.openapi())


async def unknown(request: Request) -> Response:
    """The answer for everything under /api that no route takes: 405 when only the method is wrong, else 404."""
    allowed: set[str] = set()
    for route in _routes(request.app.router.routes):
        match, _ = route.matches(request.scope)
        if match is Match.PARTIAL:
            allowed |= set(getattr(route, "methods", None) or ())
    if allowed:
        headers = {"Allow": ", ".join(sorted(allowed))}
        return problem(405, f"{request.method} is not possible here", headers=headers)
    return problem(404, "no such resource; /api/openapi.json lists them all")


def _routes(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    for route in routes:
        inner = getattr(route, "original_router", None)  # how FastAPI keeps an included router
        if inner is None:
            yield route
        else:
            yield from _routes(inner.routes)


class Pages:
    """The dashboard: every address that is not a file or a callback leads to its index, which shows the page.

    Dash knows only `/`; a deep link would be 404. Its server also brings FastAPI's own /docs, which this hides.
    A viewer may see all of it; only the files of the login page are shown to everybody.
    """

    needs = Role.VIEWER

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        who: Who | None = scope["state"]["who"]
        if path not in PUBLIC_PATHS and (who is None or not who.may(self.needs)):
            await problem(403, f"this needs the role {self.needs.value}")(scope, receive, send)
        elif path.startswith(("/_", "/assets/")):
            await self._app(scope, receive, send)
        elif scope["method"] in {"GET", "HEAD"}:
            await self._app({**scope, "method": "GET", "path": "/", "raw_path": b"/"}, receive, send)
        else:
            await problem(404, "nothing takes this request")(scope, receive, send)
