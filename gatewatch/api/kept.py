"""Answers that are given again as long as nobody has committed anything."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b

from fastapi import Request
from starlette.responses import Response

from gatewatch.api.reading import answer, ask
from gatewatch.api.tags import with_tag
from gatewatch.records import JSON
from gatewatch.store.state import State


class Kept:
    """Bodies by question, with the database's mark from before they were made; the longest unasked go first."""

    def __init__(self, most: int = 48 << 20) -> None:
        self._most = most
        self._bytes = 0
        self._all: OrderedDict[str, tuple[str, bytes, str]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str, version: str) -> tuple[bytes, str] | None:
        """(the body, its tag)."""
        with self._lock:
            found = self._all.get(key)
            if found is None or found[0] != version:
                return None
            self._all.move_to_end(key)
            return found[1], found[2]

    def put(self, key: str, version: str, body: bytes, tag: str) -> None:
        with self._lock:
            old = self._all.pop(key, None)
            self._bytes += len(body) - (len(old[1]) if old else 0)
            self._all[key] = version, body, tag
            while self._bytes > self._most and self._all:
                _, (_, gone, _) = self._all.popitem(last=False)
                self._bytes -= len(gone)


async def kept(request: Request, question: Callable[[State], dict[str, JSON]]) -> Response:
    """The answer to a question that only the database decides, with its tag; 304 when the asker has it."""
    memory: Kept = request.app.state.kept
    key = f"{request.url.path}?{request.url.query}"

    def known(store: State) -> tuple[str, tuple[bytes, str] | None]:
        version = store.version()
        return version, memory.get(key, version)

    opened = request.app.state.opened.open
    # Microseconds on SQLite: less than the way into a thread and back.
    if opened is not None and opened.engine.dialect.name == "sqlite":
        version, found = known(opened)
    else:
        version, found = await ask(request, known)
    if found is None:
        body = bytes((answer(await ask(request, question))).body)
        found = body, f'"{blake2b(body, digest_size=8).hexdigest()}"'
        memory.put(key, version, *found)
    return with_tag(request, *found)
