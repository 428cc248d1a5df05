"""What a route needs: each names a role, and `add_api` refuses one that names none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import Depends, HTTPException, Request
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from gatewatch.roles import Role, Who

_NEEDS = "__gatewatch_needs__"


def needs(role: Role | None) -> Any:
    """The dependency that lets through who has at least this role; None: everybody."""

    async def allowed(request: Request) -> Who | None:
        who: Who | None = getattr(request.state, "who", None)
        if role is None:
            return who
        if who is None:
            raise HTTPException(401, "log in, or send a token", headers={"WWW-Authenticate": "Bearer"})
        if not who.may(role):
            raise HTTPException(403, f"this needs the role {role.value}")
        return who

    setattr(allowed, _NEEDS, role)
    return Depends(allowed)


PUBLIC = needs(None)
VIEWER = needs(Role.VIEWER)
OPERATOR = needs(Role.OPERATOR)
ADMIN = needs(Role.ADMIN)


def declared(route: BaseRoute) -> list[Role | None]:
    """The roles that a route asks for, all of which are checked; empty when it declares none."""
    if not isinstance(route, APIRoute):
        return []
    calls = [one.dependency for one in route.dependencies] + [one.call for one in route.dependant.dependencies]
    return [getattr(call, _NEEDS) for call in dict.fromkeys(calls) if hasattr(call, _NEEDS)]


def every_route(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """All routes, those of included routers too."""
    for route in routes:
        inner = getattr(route, "original_router", None)  # how FastAPI keeps an included router
        if inner is None:
            yield route
        else:
            yield from every_route(inner.routes)


def asker(request: Request) -> Who:
    """Who asks. 401 when nobody is known, which a route that needs a role never sees."""
    who: Who | None = getattr(request.state, "who", None)
    if who is None:
        raise HTTPException(401, "log in, or send a token")
    return who
