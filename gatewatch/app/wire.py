"""The connection itself: deadlines for what a client sends and takes, and a bound for how many connections there are.

uvicorn waits for ever for the rest of a request. Here a head must come within `head_s`; a body must come within
`body_s` and, after `grace_s`, at `body_rate` bytes a second; and who takes no answer for `stall_s` is dropped. When
there are too many connections, the oldest that keeps us waiting makes room for the newest: slow ones shut nobody out.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gatewatch.access.limits import neighbours

MOST_HEAD = 64 << 10
SEND_BUFFER = 256 << 10

# Requests that are none would fill the log, line by line, at a stranger's will; mistakes of ours are errors.
_log = logging.getLogger("gatewatch.wire")
_log.setLevel(logging.ERROR)

_NEW, _HEAD, _BODY, _WHOLE = range(4)  # how far the parser is in a request


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds, and bytes a second. Time in which we do not read ourselves is not counted."""

    head_s: float = 20.0
    grace_s: float = 20.0
    body_s: float = 60.0
    body_rate: float = 16 << 10
    stall_s: float = 20.0
    look_s: float = 2.0


def _nobody(address: str) -> bool:  # noqa: ARG001
    return False


class Connections:
    """All connections of a process: at most `total`, and `each` from one address that is not `exempt`."""

    def __init__(self, *, total: int = 1000, each: int = 50, exempt: Callable[[str], bool] = _nobody) -> None:
        self._total = total
        self._each = each
        self._exempt = exempt
        self._all: OrderedDict[Wire, str] = OrderedDict()
        self._by_address: dict[str, OrderedDict[Wire, None]] = {}

    def enter(self, new: Wire, address: str) -> bool:
        """False when there is no room, and nobody who keeps us waiting could make some."""
        exempt = self._exempt(address)
        address = neighbours(address)
        mine = self._by_address.setdefault(address, OrderedDict())
        self._all[new] = address
        mine[new] = None
        if len(mine) > self._each and not exempt and not self._make_room(mine, new):
            return False
        return len(self._all) <= self._total or self._make_room(self._all, new)

    def leave(self, gone: Wire) -> None:
        address = self._all.pop(gone, None)
        if address is not None:
            mine = self._by_address[address]
            del mine[gone]
            if not mine:
                del self._by_address[address]

    def __len__(self) -> int:
        return len(self._all)

    def _make_room(self, among: OrderedDict[Wire, Any], new: Wire) -> bool:
        oldest = next((one for one in among if one.waits and one is not new), None)
        if oldest is None:
            return False
        oldest.drop()
        return True


class Wire(HttpToolsProtocol):
    """uvicorn's protocol with deadlines. Of a request that comes in one piece it costs no timer."""

    def __init__(
        self,
        *args: Any,
        connections: Connections,
        deadlines: Deadlines = Deadlines(),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _log
        self._connections = connections
        self._deadlines = deadlines
        self._state = _NEW
        self._request = 0
        self._head = 0  # bytes that came for a head
        self._named = 0  # bytes of it that the parser has named
        self._too_large = False
        self._timed: tuple[int, int] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._running: RequestResponseCycle | None = None  # the one that is being answered; uvicorn's is the last
        self._since = 0.0
        self._taken = 0

    @property
    def waits(self) -> bool:
        """Whether the client keeps us waiting: nothing, or half a request, came; or it takes no answer."""
        busy = self._state == _WHOLE and self.cycle is not None and not self.cycle.response_complete
        return not busy or self._stall is not None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
            # What a client does not take lies in the kernel's memory, by default up to 4 MiB for each.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if not self._connections.enter(self, address):
            self.drop()
            return
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.leave(self)
        self._gone()
        for timer in (self._timer, self._stall):
            if timer is not None:
                timer.cancel()
        self._timer = self._stall = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._state != _BODY:
            self._head += len(data)
        super().data_received(data)
        if self.transport.is_closing() or self.parser is None:
            return
        if self._state == _HEAD and self._head > MOST_HEAD:
            self._too_large = True
            self.send_400_response("")
            return
        self._watch()

    # What the parser says.

    def on_message_begin(self) -> None:
        self._state = _HEAD
        self._named = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def _count(self, size: int) -> None:
        self._named += size
        if self._named > MOST_HEAD:
            self._too_large = True
            raise ValueError("the head is too large")  # the parser stops, and asks for an answer

    def on_headers_complete(self) -> None:
        self._state = _BODY
        self._request += 1
        self._head = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._taken += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._state = _WHOLE
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:
        if not self._too_large:
            super().send_400_response(msg)
            return
        head = b"content-length: 0\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[431] + head)
        self.transport.close()

    # Deadlines.

    def _watch(self) -> None:
        """See that a timer runs exactly while a request is incomplete."""
        if self._state == _WHOLE and (self.cycle is None or not self.cycle.response_complete):
            wanted = None
        else:
            wanted = (_BODY if self._state == _BODY else _HEAD, self._request)
        if wanted == self._timed:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timed = wanted
        if wanted is None:
            return
        if wanted[0] == _HEAD:
            self._timer = self.loop.call_later(self._deadlines.head_s, self.drop)
        else:
            self._since, self._taken = self.loop.time(), 0
            self._timer = self.loop.call_later(self._deadlines.grace_s, self._body_due)

    def _body_due(self) -> None:
        now = self.loop.time()
        if self.flow.read_paused:  # we are the slow ones
            self._since, self._taken = now, 0
        else:
            spent = now - self._since
            if spent >= self._deadlines.body_s or self._taken < self._deadlines.body_rate * spent:
                self.drop()
                return
        self._timer = self.loop.call_later(self._deadlines.look_s, self._body_due)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stall is None:
            self._stall = self.loop.call_later(self._deadlines.stall_s, self.drop)

    def resume_writing(self) -> None:
        if self.transport.is_closing():
            self._gone()
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def drop(self) -> None:
        """Reset the connection; what the client did not take leaves the kernel's memory, too."""
        self._connections.leave(self)
        self._gone()
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            with suppress(OSError):  # gone already
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _gone(self) -> None:
        """Nothing is written any more. uvicorn tells it, later, only to the last request of those that came together.

        What the others write is an error each: a thousand clients that were dropped made a thousand traces in the log,
        and nobody was answered meanwhile.
        """
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()


def quick_handshakes() -> asyncio.AbstractEventLoop:
    """uvloop, which waits a minute for a TLS handshake, waiting for 20 s."""
    import uvloop

    class Loop(uvloop.Loop):
        def create_server(self, *args: Any, **kwargs: Any) -> Any:
            if kwargs.get("ssl") is not None:
                kwargs.setdefault("ssl_handshake_timeout", Deadlines().head_s)
            return super().create_server(*args, **kwargs)

    return Loop()
