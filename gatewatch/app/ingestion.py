"""The listener that takes data: its own address, its own process, keys only.

Nothing of the pages and the API is here, no cookie is read, and who shows no token with the scope `ingest` gets nothing
but 401. Endpoints are mounted on `endpoints`; what is not there is 404.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatewatch.access.current import set_current
from gatewatch.access.limits import Backoff
from gatewatch.access.login import token_holder
from gatewatch.api.problems import problem
from gatewatch.app.client import address_of
from gatewatch.app.opened import Opened
from gatewatch.errors import GatewatchError
from gatewatch.settings import Settings

log = logging.getLogger(__name__)

FIREHOSE_KEY = "x-amz-firehose-access-key"
"""Where Firehose sends its key: it cannot set Authorization."""


def build_ingest_app(settings: Settings, *, endpoints: tuple[BaseRoute, ...] = ()) -> ASGIApp:
    """The ASGI application of `ingest_listen`. endpoints: what takes data, all behind the key."""
    opened = Opened(settings)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:  # noqa: ARG001
        yield
        opened.close()

    app = Starlette(routes=[Route("/healthz", _alive), *endpoints], lifespan=lifespan)
    app.state.opened = opened
    app.state.settings = settings
    app.add_exception_handler(404, _nothing)
    app.add_exception_handler(405, _nothing)
    return KeyGate(app, settings=settings, opened=opened)


class KeyGate:
    """ASGI middleware: lets through who shows a key that may ingest, and `/healthz`."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: Settings,
        opened: Opened,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._app = app
        self._settings = settings
        self._opened = opened
        self._clock = clock
        self._guesses = Backoff(free=20, first=1.0, longest=60.0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def plainly(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        set_current(None)
        refusal = None if scope["path"] == "/healthz" else await self._refusal(scope)
        try:
            await (refusal or self._app)(scope, receive, plainly)
        except ClientDisconnect:
            return
        except Exception:  # a bug: say so in the log, and nothing about it to the client
            log.exception("a delivery failed", extra={"path": scope["path"][:200]})
            if started:
                raise
            await problem(500, "gatewatch failed to answer; its log has the reason")(scope, receive, plainly)

    async def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        address = address_of(scope, headers, self._settings)
        wait = self._guesses.wait(address, time.monotonic())
        if wait:
            return problem(429, "too many wrong keys; try again later", headers={"Retry-After": str(int(wait) + 1)})
        key = self._key(headers)
        if key is None:
            return _refused("send a key that may ingest")
        try:
            state = await run_in_threadpool(self._opened)
            who = await run_in_threadpool(token_holder, state, key, now=self._clock(), address=address)
        except GatewatchError as error:
            log.warning("no key can be checked", extra={"reason": str(error)})
            return problem(503, "the store does not answer", headers={"Retry-After": "5"})
        if who is None:
            self._guesses.failed(address, time.monotonic())
            return _refused("this key is wrong, expired or revoked")
        if not who.ingest:
            return problem(403, "this key may not ingest: it needs the scope ingest")
        scope.setdefault("state", {})["who"] = who
        set_current(who)
        return None

    @staticmethod
    def _key(headers: Headers) -> str | None:
        """The key, shown in one place; None when it is shown in none, or in two."""
        shown = headers.getlist("authorization")
        firehose = headers.getlist(FIREHOSE_KEY)
        if len(shown) + len(firehose) != 1:
            return None
        if firehose:
            return firehose[0].strip()
        kind, _, text = shown[0].partition(" ")
        return text.strip() if kind.lower() == "bearer" else None


def _refused(detail: str) -> Response:
    return problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="gatewatch ingest"'})


async def _alive(request: Request) -> Response:  # noqa: ARG001
    return Response('{"status":"alive"}', media_type="application/json")


async def _nothing(request: Request, error: Exception) -> Response:  # noqa: ARG001
    status = getattr(error, "status_code", 404)
    return problem(status, "nothing takes this request here")
