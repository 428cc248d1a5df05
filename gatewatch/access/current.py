"""Who the request at hand comes from, for code that has no request in its hands: the dashboard's callbacks."""

from __future__ import annotations

from contextvars import ContextVar

from gatewatch.roles import Role, Via, Who

LOCAL = Who("this machine", Role.ADMIN, Via.NOBODY)
"""Everybody who reaches a gatewatch without login: it listens on loopback only."""

_current: ContextVar[Who | None] = ContextVar("gatewatch_who", default=None)


def set_current(who: Who | None) -> None:
    """Holds for this request and the tasks and threads that it starts."""
    _current.set(who)


def current() -> Who | None:
    """None outside of a request."""
    return _current.get()
