"""Slow, many and odd connections, against a real server with short deadlines."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from gatewatch.app.wire import MOST_HEAD, Connections, Deadlines, Wire

QUICK = Deadlines(head_s=1.0, grace_s=1.0, body_s=3.0, body_rate=1000, stall_s=1.0, look_s=0.1)
BIG = b"x" * (32 << 20)
TCP_CLOSED = 7


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """`/` counts the bytes of the body, `/deaf` answers before it has any, `/big` answers with much, `/slow` later,
    `/pieces` with much in pieces."""
    assert scope["type"] == "http"
    if scope["path"] == "/pieces":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1000):
            await send({"type": "http.response.body", "body": BIG[: 64 << 10], "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    body = b""
    if scope["path"] == "/big":
        body = BIG
    elif scope["path"] == "/slow":
        await asyncio.sleep(2.5)
    elif scope["path"] != "/deaf":
        more, n = True, 0
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            n += len(message.get("body", b""))
            more = message.get("more_body", False)
        body = str(n).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def running(connections: Connections) -> Iterator[tuple[str, int]]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    protocol = partial(Wire, connections=connections, deadlines=QUICK)
    config = uvicorn.Config(
        app,
        http=protocol,  # type: ignore[arg-type]
        lifespan="off",
        log_level="warning",
        timeout_keep_alive=1,
        ws="none",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield listener.getsockname()
    finally:
        server.should_exit = True
        thread.join(15)
        listener.close()


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    with running(Connections()) as where:
        yield where


def opened(address: tuple[str, int], sent: bytes = b"") -> socket.socket:
    made = socket.create_connection(address, timeout=10)
    if sent:
        made.sendall(sent)
    return made


def ended(one: socket.socket, within: float = 6.0, drip: bytes = b"") -> float:
    """Seconds until the server closes the connection, sending `drip` all the while."""
    begun = time.monotonic()
    one.settimeout(0.1)
    while time.monotonic() - begun < within:
        try:
            if drip:
                one.sendall(drip)
            if one.recv(65536) == b"":
                return time.monotonic() - begun
        except TimeoutError:
            continue
        except OSError:
            return time.monotonic() - begun
    return within


def answered(
    address: tuple[str, int], request: bytes = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
) -> bytes:
    with opened(address, request) as one:
        out = b""
        while part := one.recv(65536):
            out += part
        return out


@pytest.mark.parametrize(
    ("begin", "drip"),
    [
        (b"", b""),
        (b"G", b""),
        (b"GET / HTTP/1.1\r\n", b""),
        (b"GET / HTTP/1.1\r\nX: ", b"a"),
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n"),
        (b"\r\n", b"\r\n"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n", b"a"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n", b""),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (b"POST /deaf HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n", b"a"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT", b""),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_client_that_keeps_us_waiting_is_dropped(address: tuple[str, int], begin: bytes, drip: bytes) -> None:
    with opened(address, begin) as one:
        assert 0.8 < ended(one, drip=drip) < 5.0


def test_a_body_that_never_ends_is_dropped_however_fast_it_comes(address: tuple[str, int]) -> None:
    with opened(address, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n") as one:
        assert 2.5 < ended(one, drip=b"800\r\n" + b"a" * 2048 + b"\r\n") < 5.0


def test_a_client_that_takes_no_answer_is_dropped(address: tuple[str, int]) -> None:
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.connect(address)
    with one:
        one.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(3)
        one.settimeout(5)
        got = 0
        try:
            while part := one.recv(1 << 20):
                got += len(part)
        except ConnectionResetError:
            pass
        assert got < len(BIG)


def test_two_requests_at_once_of_which_no_answer_is_taken_leave_no_trace(
    address: tuple[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    asked = b"GET /pieces HTTP/1.1\r\nHost: x\r\n\r\n" * 2
    some = [opened(address, asked) for _ in range(5)]
    for one in some:
        with one:
            begun = time.monotonic()
            while one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != TCP_CLOSED:
                assert time.monotonic() - begun < 30
                time.sleep(0.05)
    time.sleep(0.2)
    assert [record.getMessage() for record in caplog.records] == []


def test_who_is_quick_enough_is_served(address: tuple[str, int]) -> None:
    body = b"a" * 20_000
    with opened(address, b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 20000\r\n\r\n") as one:
        for start in range(0, 20_000, 2000):
            one.sendall(body[start : start + 2000])
            time.sleep(0.2)
        assert one.recv(65536).endswith(b"20000")
    assert answered(address, b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 200")
    with opened(address) as kept:  # one connection, many requests, longer than any deadline
        for _ in range(20):
            kept.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert kept.recv(65536).startswith(b"HTTP/1.1 200")
            time.sleep(0.15)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * MOST_HEAD + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * MOST_HEAD + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 4 * MOST_HEAD,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * (MOST_HEAD // 2) + b"\r\n",
    ],
    ids=["address", "header", "endless header", "many headers"],
)
def test_a_head_that_is_too_large_is_431(address: tuple[str, int], head: bytes) -> None:
    with opened(address) as one:
        try:
            one.sendall(head)
            said = one.recv(65536)
        except (ConnectionResetError, BrokenPipeError):  # it was closed while we were still sending
            said = b"HTTP/1.1 431"
        assert said.startswith(b"HTTP/1.1 431")


def test_nonsense_is_400_and_no_line_in_the_log(address: tuple[str, int], caplog: pytest.LogCaptureFixture) -> None:
    for junk in (
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x00" * 100 + b"\r\n\r\n",
        b"GET  \r\n\r\n",
    ):
        assert answered(address, junk).startswith(b"HTTP/1.1 400")
    assert caplog.text == ""


def test_many_slow_clients_shut_nobody_out() -> None:
    connections = Connections(total=60, each=1000)
    with running(connections) as address:
        slow = [opened(address, b"GET / HTTP/1.1\r\nX:") for _ in range(300)]
        try:
            for _ in range(20):
                begun = time.monotonic()
                assert answered(address).startswith(b"HTTP/1.1 200")
                assert time.monotonic() - begun < 5
            assert len(connections) <= 60
        finally:
            for one in slow:
                one.close()


def test_one_address_takes_only_its_share() -> None:
    connections = Connections(total=1000, each=10)
    with running(connections) as address:
        waiting = [opened(address) for _ in range(40)]
        assert answered(address).startswith(b"HTTP/1.1 200")
        assert len(connections) <= 10
        for one in waiting:
            one.close()
    with running(Connections(total=1000, each=10, exempt=lambda one: one == "127.0.0.1")) as address:
        waiting = [opened(address) for _ in range(40)]
        assert answered(address).startswith(b"HTTP/1.1 200")
        for one in waiting:
            one.close()


def test_when_all_are_busy_the_newest_must_wait() -> None:
    with running(Connections(total=5, each=1000)) as address:
        busy = [opened(address, b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") for _ in range(5)]
        time.sleep(0.5)
        # A refusal is a reset, and it may come before the caller knows that it was connected.
        with suppress(ConnectionResetError), opened(address) as refused:
            assert ended(refused) < 1
        for one in busy:
            one.settimeout(10)
            assert one.recv(65536).startswith(b"HTTP/1.1 200")
            one.close()
        assert answered(address).startswith(b"HTTP/1.1 200")
