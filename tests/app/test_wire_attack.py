"""Requests whose end two readers could see in two places, and lines that are none, are refused."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatewatch.app.child import config_of
from gatewatch.app.wire import Connections
from gatewatch.settings import Settings
from tests.app.test_wire import answered, app, running

PEM = Path(__file__).parent.parent / "alerts" / "channels" / "localhost.pem"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with running(Connections()) as where:
        yield where


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Content-Length: 0\r\nContent-Length: 60\r\n",
        b"Content-Length: 0, 60\r\n",
        b"Content-Length: +0\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 0x0\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: identity, chunked\r\nContent-Length: 0\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"X: y\r\n Content-Length: 60\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        b"X: a\x00b\r\n",
        b"X\x01: a\r\n",
        b": a\r\n",
        b"Content-Length\r\n: 0\r\n",
    ],
)
def test_a_request_with_two_ends_is_refused(address: tuple[str, int], head: bytes) -> None:
    said = answered(address, b"POST / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n0\r\n\r\n" + SMUGGLED)
    assert said == b"" or said.startswith(b"HTTP/1.1 400"), said[:200]
    assert said.count(b"HTTP/1.1 ") <= 1


@pytest.mark.parametrize(
    "chunks",
    [
        b"0x4\r\nabcd\r\n0\r\n\r\n",
        b"-4\r\nabcd\r\n",
        b"4 \nabcd\r\n0\r\n\r\n",
        b"ffffffffffffffffff\r\na",
        b"4\r\nabcdXX0\r\n\r\n",
    ],
)
def test_odd_chunks_are_refused(address: tuple[str, int], chunks: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b"HTTP/1.1 200" not in answered(address, head + chunks + SMUGGLED)


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"G\x00T / HTTP/1.1\r\n\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_odd_request_lines_are_answered_with_no_data(address: tuple[str, int], line: bytes) -> None:
    assert b"HTTP/1.1 200" not in answered(address, line)


def test_old_tls_is_refused() -> None:
    config = config_of(app, Settings(tls_certificate=PEM, tls_key=PEM))
    config.load()
    made = config.ssl
    assert isinstance(made, ssl.SSLContext)
    assert made.minimum_version >= ssl.TLSVersion.TLSv1_2
    names = [one["name"] for one in made.get_ciphers()]
    assert names
    weak = ("RC4", "DES", "NULL", "MD5", "EXP", "ADH", "PSK")
    assert not [name for name in names if any(one in name for one in weak) or name.endswith("-SHA")]
