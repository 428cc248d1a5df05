"""Builds the web application: the gate, then the API's routes, the dashboard behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from dashboard.app import build_dashboard
from dashboard.labels import labels_of
from dashboard.warming import Warming
from gatewatch import __version__
from gatewatch.access.oidc import Provider
from gatewatch.api import add_api
from gatewatch.api.access import VIEWER, every_route
from gatewatch.api.describe import describe
from gatewatch.api.kept import Again
from gatewatch.api.problems import problem
from gatewatch.app.cookies import Cookies
from gatewatch.app.demoload import DemoLoad
from gatewatch.app.gate import Gate
from gatewatch.app.guard import Guard
from gatewatch.app.ingestion import IngestDoor, build_ingest_app
from gatewatch.app.login import Doors
from gatewatch.app.oidc import Vouching
from gatewatch.app.opened import Opened
from gatewatch.app.pages import Pages
from gatewatch.app.slack import Buttons
from gatewatch.app.uploads import Uploads
from gatewatch.demoworld import LABELS
from gatewatch.privacy import privacy_of
from gatewatch.settings import Settings

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def build_app(settings: Settings) -> FastAPI:
    """The ASGI application. The store is opened by the first request that needs it."""
    opened = Opened(settings)
    taking = build_ingest_app(settings, opened=opened)
    load = DemoLoad(settings, opened)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001
        await pages.warm()
        yield
        for part in (warming, load, taking.counter):
            await run_in_threadpool(part.close)
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
    app.state.settings = settings
    app.state.privacy = privacy_of(settings)
    add_api(app)
    app.include_router(Buttons(settings, opened).router())
    app.include_router(Uploads(settings, opened).router())
    app.include_router(load.router())
    provider = Provider(settings) if settings.oidc_issuer is not None else None
    app.include_router(Doors(settings, opened, provider).router())
    if provider is not None:
        app.include_router(Vouching(settings, opened, provider).router())
    hidden: dict[str, Any] = {"include_in_schema": False, "dependencies": [VIEWER]}
    app.add_api_route("/api/openapi.json", description, methods=["GET", "HEAD"], **hidden)
    app.add_api_route("/api", unknown, methods=_METHODS, **hidden)
    app.add_api_route("/api/{rest:path}", unknown, methods=_METHODS, **hidden)
    dash = build_dashboard(
        opened,
        csrf_cookie=Cookies(settings).csrf_name,
        labels=labels_of(settings.labels or settings.data_dir / LABELS),
        privacy=app.state.privacy,
    )
    app.state.warming = warming = Warming(dash, opened)
    pages = Pages(dash)
    app.mount("/", pages)
    app.add_middleware(Again, memory=app.state.kept, opened=opened)
    app.add_middleware(Gate, settings=settings, opened=opened)
    app.add_middleware(
        Guard,
        script_hashes=dash.csp_hashes,
        encrypted=settings.encrypted,
        subdomains=settings.hsts_subdomains,
    )
    app.add_middleware(IngestDoor, taking=taking)  # the outermost
    return app


async def description(request: Request) -> Response:
    return JSONResponse(describe(request.app, Cookies(request.app.state.settings).session_name))


async def unknown(request: Request) -> Response:
    """The answer for everything under /api that no route takes: 405 when only the method is wrong, else 404."""
    allowed: dict[int, set[str]] = {}  # by how many parts of the path are free
    for route in every_route(request.app.router.routes):
        match, _ = route.matches(request.scope)
        if match is Match.PARTIAL:
            free = getattr(route, "path", "").count("{")
            allowed.setdefault(free, set()).update(getattr(route, "methods", None) or ())
    if allowed:  # `/findings/actions` is no finding's id: what the plainest path takes counts
        headers = {"Allow": ", ".join(sorted(allowed[min(allowed)]))}
        return problem(405, f"{request.method} is not possible here", headers=headers)
    return problem(404, "no such resource; /api/openapi.json lists them all")
