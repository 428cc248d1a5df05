"""Answers about findings that are given again as long as no finding has changed, whatever logs come in."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gatewatch.api.reading import answer, ask
from gatewatch.api.tags import with_tag
from gatewatch.errors import GatewatchError
from gatewatch.records import JSON
from gatewatch.roles import Role, Who
from gatewatch.store.state import State


class Kept:
    """Bodies by question, with the findings' mark from before they were made; the longest unasked go first.

    All of them are for viewers: what somebody sees does not depend on who asks.
    """

    def __init__(self, most: int = 48 << 20) -> None:
        self._most = most
        self._bytes = 0
        self._all: OrderedDict[str, tuple[int, bytes, str]] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, key: str) -> bool:
        return key in self._all

    def get(self, key: str, mark: int) -> tuple[bytes, str] | None:
        """(the body, its tag)."""
        with self._lock:
            found = self._all.get(key)
            if found is None or found[0] != mark:
                return None
            self._all.move_to_end(key)
            return found[1], found[2]

    def put(self, key: str, mark: int, body: bytes, tag: str) -> None:
        with self._lock:
            old = self._all.pop(key, None)
            self._bytes += len(body) - (len(old[1]) if old else 0)
            self._all[key] = mark, body, tag
            while self._bytes > self._most and self._all:
                _, (_, gone, _) = self._all.popitem(last=False)
                self._bytes -= len(gone)


async def kept(request: Request, question: Callable[[State], dict[str, JSON]]) -> Response:
    """The answer to a question that only the findings decide, with its tag; 304 when the asker has it."""
    memory: Kept = request.app.state.kept
    mark = await ask(request, lambda store: store.version())
    key = _key(request.scope)
    found = memory.get(key, mark)
    if found is None:
        body = bytes((answer(await ask(request, question))).body)
        found = body, f'"{blake2b(body, digest_size=8).hexdigest()}"'
        memory.put(key, mark, *found)
    return with_tag(request.headers.get("if-none-match"), *found)


class Again:
    """ASGI middleware behind the gate: what is kept and still true is answered before routes look at the request."""

    def __init__(self, app: ASGIApp, *, memory: Kept, opened: Callable[[], State]) -> None:
        self._app = app
        self._memory = memory
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = None
        if scope["type"] == "http" and scope["method"] == "GET" and (key := _key(scope)) in self._memory:
            who: Who | None = scope["state"]["who"]
            if who is not None and who.may(Role.VIEWER):  # others learn from the route why they may not
                found = await self._true(key)
        if found is None:
            await self._app(scope, receive, send)
            return
        await with_tag(Headers(scope=scope).get("if-none-match"), *found)(scope, receive, send)

    async def _true(self, key: str) -> tuple[bytes, str] | None:
        try:
            store = self._opened()  # it is open: something is kept
            # Microseconds on SQLite: less than the way into a thread and back.
            sqlite = store.engine.dialect.name == "sqlite"
            mark = store.version() if sqlite else await run_in_threadpool(store.version)
        except GatewatchError:
            return None  # the route says what is wrong
        return self._memory.get(key, mark)


def _key(scope: Scope) -> str:
    return f"{scope['path']}?{scope['query_string'].decode('latin-1')}"
