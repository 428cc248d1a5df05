"""JSON over HTTP under /api/v1: one file a resource in `gatewatch/api/routes`, found by walking."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from gatewatch.api import routes
from gatewatch.api.access import declared
from gatewatch.api.kept import Kept
from gatewatch.api.live import Listeners
from gatewatch.api.problems import install_problems


def add_api(app: FastAPI) -> None:
    """Put every resource on `app`, and make each of its errors a problem document (RFC 9457).

    `app.state.opened` must be a function that returns the open store, or raises a GatewatchError. A route that declares
    no role (gatewatch/api/access.py) is a mistake, and nothing starts.
    """
    install_problems(app)
    app.state.listeners = Listeners()
    app.state.exports = []
    app.state.kept = Kept()
    # FastAPI looks into each parameter of each route once for each include: an application more costs nothing of that.
    app.router.routes.extend(_resources())


@cache
def _resources() -> tuple[BaseRoute, ...]:
    whole = APIRouter()
    for module in sorted(pkgutil.iter_modules(routes.__path__), key=lambda found: found.name):
        router = importlib.import_module(f"{routes.__name__}.{module.name}").router
        assert isinstance(router, APIRouter), module.name
        for route in router.routes:
            if not declared(route):
                raise RuntimeError(f"{module.name}: {route} declares no role; see gatewatch/api/access.py")
        whole.include_router(router)
    return tuple(whole.routes)
