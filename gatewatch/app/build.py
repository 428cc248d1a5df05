"""Builds the web application: the API's routes first, the dashboard behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.app import build_dashboard
from gatewatch import __version__
from gatewatch.api import add_api
from gatewatch.api.problems import problem
from gatewatch.app.guard import Guard
from gatewatch.app.opened import Opened
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
        openapi_url="/api/openapi.json",
        docs_url=None,  # the usual pages load their scripts from another host
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.opened = opened
    add_api(app)
    app.add_api_route("/api", unknown, methods=_METHODS, include_in_schema=False)
    app.add_api_route("/api/{rest:path}", unknown, methods=_METHODS, include_in_schema=False)
    dash = build_dashboard(opened)
    app.mount("/", Pages(dash.server))
    app.add_middleware(Guard, script_hashes=dash.csp_hashes)
    return app


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
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith(("/_", "/assets/")):
            await self._app(scope, receive, send)
        elif scope["method"] in {"GET", "HEAD"}:
            await self._app({**scope, "method": "GET", "path": "/", "raw_path": b"/"}, receive, send)
        else:
            await problem(404, "nothing takes this request")(scope, receive, send)
