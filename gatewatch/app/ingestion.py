"""What takes data: keys only, at `ingest_listen` in a process of its own, and below `/ingest/` of the pages' address.

Nothing of the pages and the API is here, no cookie is read, and who shows no key gets nothing but 401. A key is a token
with the scope `ingest`, or one of the settings `ingest_key` and `ingest_key_next`: two, so that they can be changed
while data come in.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatewatch.access.current import set_current
from gatewatch.access.limits import Backoff, neighbours
from gatewatch.access.login import token_holder
from gatewatch.api.problems import problem
from gatewatch.app import eventbridge, firehose
from gatewatch.app.client import address_of
from gatewatch.app.counter import TakenIn
from gatewatch.app.opened import Opened
from gatewatch.app.refusals import Refusals
from gatewatch.errors import GatewatchError
from gatewatch.roles import Via, Who
from gatewatch.settings import Settings

log = logging.getLogger(__name__)

FIREHOSE_KEY = "x-amz-firehose-access-key"
"""Where Firehose sends its key: it cannot set Authorization."""

MOST_PROVEN = 1000
"""Keys that are remembered to have been right."""

UNGUESSED = 24
"""Characters of a key of the settings that nobody guesses, however fast he may try."""

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="gatewatch ingest"'}


ENDPOINTS: tuple[BaseRoute, ...] = (
    Route(firehose.PATH, firehose.take, methods=["POST"]),
    Route(eventbridge.PATH, eventbridge.take, methods=["POST"]),
)


def build_ingest_app(
    settings: Settings, *, opened: Opened | None = None, endpoints: tuple[BaseRoute, ...] = ENDPOINTS
) -> KeyGate:
    """The ASGI application that takes data. endpoints: all behind the key.

    opened: somebody else's store; who brings it closes `counter` before it.
    """
    store = opened or Opened(settings)
    counter = TakenIn(store)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:  # noqa: ARG001
        yield
        await run_in_threadpool(counter.close)
        store.close()

    app = Starlette(routes=[Route("/healthz", _alive), *endpoints], lifespan=lifespan)
    app.state.opened = store
    app.state.counter = counter
    app.state.settings = settings
    app.add_exception_handler(404, _nothing)
    app.add_exception_handler(405, _nothing)
    return KeyGate(app, settings=settings, opened=store, counter=counter)


class IngestDoor:
    """ASGI middleware before everything else: what is for `/ingest/` goes there and meets no other gate than keys."""

    def __init__(self, app: ASGIApp, *, taking: ASGIApp) -> None:
        self._app = app
        self._taking = taking

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ours = scope["type"] == "http" and scope["path"].startswith("/ingest/")
        await (self._taking if ours else self._app)(scope, receive, send)


class KeyGate:
    """ASGI middleware: lets through who shows a key that may ingest, and `/healthz`."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: Settings,
        opened: Opened,
        counter: TakenIn,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.counter = counter
        self._app = app
        self._settings = settings
        self._opened = opened
        self._keys = [
            sha256(key.get_secret_value().encode()).digest()
            for key in (settings.ingest_key, settings.ingest_key_next)
            if key is not None
        ]
        self._clock = clock
        self._guesses = Backoff(free=20, first=1.0, longest=60.0)
        self._proven: OrderedDict[bytes, None] = OrderedDict()  # digests of keys that were right: no guesses
        self._refusals = Refusals()

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
        refused = None if scope["path"] == "/healthz" else await self._refusal(scope)
        refusal = None if refused is None else _told(scope, *refused)
        if refused is not None:
            address = address_of(scope, Headers(scope=scope), self._settings)
            self._refusals.note(refused[0], address=address, path=scope["path"], method=scope["method"], who=None)
        try:
            await (refusal or self._app)(scope, receive, plainly)
        except ClientDisconnect:
            return
        except Exception:  # a bug: say so in the log, and nothing about it to the client
            log.exception("a delivery failed", extra={"path": scope["path"][:200]})
            if started:
                raise
            failed = _told(scope, 500, "gatewatch failed to answer; its log has the reason", {})
            await failed(scope, receive, plainly)

    async def _refusal(self, scope: Scope) -> tuple[int, str, dict[str, str]] | None:
        """Status, reason and headers of the answer to who may not ingest."""
        headers = Headers(scope=scope)
        address = address_of(scope, headers, self._settings)
        key = self._key(headers)
        digest = b"" if key is None else sha256(key.encode()).digest()
        ours = key is not None and self._ours(digest)
        wait = self._guesses.wait(neighbours(address), time.monotonic())
        # Firehose's addresses are those of all its customers, and behind a proxy all have one: who shows a key that is
        # known to be right, or too long to be guessed, does not wait for what others guess.
        known = digest in self._proven or (ours and key is not None and len(key) >= UNGUESSED)
        if wait and not known:
            return 429, "too many wrong keys; try again later", {"Retry-After": str(int(wait) + 1)}
        if key is None:
            return 401, "send a key that may ingest", _CHALLENGE
        if ours:
            self._prove(digest)
            who: Who | None = Who("ingest key", None, Via.TOKEN, ingest=True, address=address)
            scope.setdefault("state", {})["who"] = who
            set_current(who)
            return None
        try:
            state = await run_in_threadpool(self._opened)
            who = await run_in_threadpool(token_holder, state, key, now=self._clock(), address=address)
        except GatewatchError as error:
            log.warning("no key can be checked", extra={"reason": str(error)})
            return 503, "the store does not answer", {"Retry-After": "5"}
        if who is None:
            self._proven.pop(digest, None)
            self._guesses.failed(neighbours(address), time.monotonic())
            return 401, "this key is wrong, expired or revoked", _CHALLENGE
        if not who.ingest:
            return 403, "this key may not ingest: it needs the scope ingest", {}
        self._prove(digest)
        scope.setdefault("state", {})["who"] = who
        set_current(who)
        return None

    def _prove(self, digest: bytes) -> None:
        self._proven[digest] = None
        if len(self._proven) > MOST_PROVEN:
            self._proven.popitem(last=False)

    def _ours(self, shown: bytes) -> bool:
        """Whether it is one of the settings' keys: digests are compared, all of them, in constant time."""
        right = [hmac.compare_digest(shown, one) for one in self._keys]
        return any(right)

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


def _told(scope: Scope, status: int, detail: str, headers: Mapping[str, str]) -> Response:
    """A refusal in the words of who asks: Firehose reads nothing but its own."""
    if scope["path"] != firehose.PATH:
        return problem(status, detail, headers=headers)
    return firehose.answer(status, Headers(scope=scope).get(firehose.REQUEST_ID, ""), detail, headers)


async def _alive(request: Request) -> Response:  # noqa: ARG001
    return Response('{"status":"alive"}', media_type="application/json")


async def _nothing(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    return _told(request.scope, status, "nothing takes this request here", {})
