"""Server-sent events: who listens, how many may, and what one of them gets.

A stream looks at the store twice a second and sends what is new, at most ROWS a look, and more only when the look came
late: what does not fit is counted, and the count is sent with it, so that nobody takes a part for the whole. It ends
after `seconds`; browsers come again by themselves, and are asked again who they are. A comment every BEAT_S tells
proxies that it lives. Who logs out, or is shut out, hears nothing more after CHECK_S.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import orjson
from fastapi import HTTPException, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gatewatch.access.login import still_in
from gatewatch.api.access import asker
from gatewatch.api.reading import ask
from gatewatch.errors import GatewatchError
from gatewatch.records import JSON

EACH = 6
"""Streams of one account, token or, without login, of everybody."""

TOTAL = 100
LOOK_S = 0.5
BEAT_S = 15.0
CHECK_S = 3.0
LONGEST_S = 900
ROWS = 150
MOST_ROWS = 600
"""Of one look, however late it came."""

Look = Callable[[], Awaitable[list[bytes]]]


def allowed(waited_s: float) -> int:
    """Rows that a look may send so long after the one before: a busy machine looks later, and then at more."""
    return max(ROWS, min(MOST_ROWS, round(ROWS / LOOK_S * waited_s)))


class Listeners:
    """All streams of this process."""

    def __init__(self, *, each: int = EACH, total: int = TOTAL) -> None:
        self._each = each
        self._total = total
        self._who: Counter[str] = Counter()
        self.stopping = False

    def __len__(self) -> int:
        return sum(self._who.values())

    def enter(self, name: str) -> None:
        """429 when there are too many."""
        if self._who[name] >= self._each or len(self) >= self._total:
            detail = f"too many live streams (at most {self._each} of one account); close one"
            raise HTTPException(429, detail, headers={"Retry-After": "5"})
        self._who[name] += 1

    def leave(self, name: str) -> None:
        self._who[name] -= 1
        if self._who[name] <= 0:
            del self._who[name]


def event(name: str, body: dict[str, JSON], number: int | None = None) -> bytes:
    """One event; its data are one line."""
    head = b"" if number is None else b"id: %d\n" % number
    return head + b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(body, default=str))


def stream(request: Request, look: Look, seconds: int) -> StreamingResponse:
    """A response that goes on with what `look` gives, until the time is up, the client goes, or the server stops."""
    listeners: Listeners = request.app.state.listeners
    who = asker(request)
    name = who.id or who.name
    listeners.enter(name)

    async def body() -> AsyncIterator[bytes]:
        end = time.monotonic() + seconds
        beat = 0.0
        checked = time.monotonic()
        yield b"retry: 2000\n\n"
        while not listeners.stopping and time.monotonic() < end:
            began = time.monotonic()
            try:
                if began - checked >= CHECK_S:
                    checked = began
                    if not await ask(request, lambda store: still_in(store, who, now=datetime.now(UTC))):
                        yield event("problem", {"detail": "you are not let in any more; log in again"})
                        return
                told = await look()
            except GatewatchError as error:
                told = [event("problem", {"detail": str(error)[:300]})]
            for one in told:
                yield one
            if began - beat >= BEAT_S:
                beat = began
                yield b": beat\n\n"
            await asyncio.sleep(max(0.05, LOOK_S - (time.monotonic() - began)))

    return _Stream(body(), lambda: listeners.leave(name))


class _Stream(StreamingResponse):
    """Tells when it is over, however that came."""

    def __init__(self, body: AsyncIterator[bytes], over: Callable[[], None]) -> None:
        headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
        super().__init__(body, media_type="text/event-stream", headers=headers)
        self._over = over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._over()
