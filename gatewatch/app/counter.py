"""The counter of the push endpoints: opens with the store, bounds what is in memory, and hands over to the taker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from starlette.requests import Request

from gatewatch.app.opened import Opened
from gatewatch.taking import Busy, Counter, Delivery, Taken

BODY_BYTES = 256 << 20
"""Bytes of bodies that may be under way at a time."""


class TakenIn:
    """Use one an application; everything may be called from any thread."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._lock = threading.Lock()
        self._counter: Counter | None = None
        self._under_way = 0

    def hand_over(self, delivery: Delivery) -> Future[Taken]:
        """See Counter.hand_over. GatewatchError, too, when the store cannot be opened."""
        state = self._opened()
        with self._lock:
            if self._counter is None:
                self._counter = Counter(state)
        return self._counter.hand_over(delivery)

    @contextmanager
    def room(self, size: int) -> Iterator[None]:
        """Holds room for a body of so many bytes. Busy: there is none now."""
        with self._lock:
            if self._under_way and self._under_way + size > BODY_BYTES:
                raise Busy("more is on its way than fits")
            self._under_way += size
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= size

    async def body(self, request: Request, most: int) -> bytes | None:
        """The request's body; None when it is longer than `most`: the rest of it is not read."""
        parts: list[bytes] = []
        size = 0
        async for part in request.stream():
            size += len(part)
            if size > most:
                return None
            parts.append(part)
        return b"".join(parts)

    def close(self) -> None:
        """Take what waits, then end."""
        with self._lock:
            counter, self._counter = self._counter, None
        if counter is not None:
            counter.close()
