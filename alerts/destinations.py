"""Where calls out of the house may go: not into the house itself.

A host is looked up once. If any of its addresses belongs to this machine, a private network or a cloud's metadata
service, the call is refused; else it connects to an address that was looked at, so no second look-up (DNS rebinding)
can lead elsewhere. TLS still checks the name. A host that the operator named with `outbound_allow` is let through, and
so is this machine when the address itself says so (`http://127.0.0.1:…`).
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore
import httpx

from gatewatch.settings import LOOPBACK

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")

_ALSO = tuple(map(ipaddress.ip_network, ("fec0::/10", "192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")))
"""Inside, though Python calls some of it global: site-local addresses, those of protocols (Oracle's metadata service is
192.0.0.192), relays of 6to4, and the address by which Azure's machines reach their host."""


class DestinationRefused(Exception):
    """The host leads to where calls must not go."""

    def __init__(self) -> None:
        super().__init__(
            "the address leads into a private network or to this machine; outbound_allow can let it through"
        )


def inside(address: Address) -> bool:
    """Whether an address belongs to this machine, a private or reserved network, or hides one that does.

    >>> [inside(ipaddress.ip_address(one)) for one in ("10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "8.8.8.8")]
    [True, True, True, False]
    """
    hidden = _hidden(address)
    if hidden is not None:
        return inside(hidden)
    if any(address in network for network in _ALSO):
        return True
    return not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified


def _hidden(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside of a mapped, NAT64, 6to4 or Teredo address."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.sixtofour is not None:
        return address.sixtofour
    return None if address.teredo is None else address.teredo[1]


class Checked(httpcore.NetworkBackend):
    """Looks a host up, refuses what is inside, and connects to what it looked at. allow: exact hosts that may be."""

    def __init__(self, allow: Collection[str] = ()) -> None:
        self._allow = allow
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        last: Exception | None = None
        for address in checked(host, port, timeout, self._allow):
            try:
                return self._plain.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last or httpcore.ConnectError("the host has no address")


def checked(host: str, port: int, timeout: float | None, allow: Collection[str] = ()) -> list[str]:
    """The addresses to connect to instead of the name. allow: exact hosts that may be inside.

    DestinationRefused when one of them is inside; httpcore.ConnectError when the host cannot be looked up in time.
    """
    name = _plain(host)
    found = look_up(name, port, timeout)
    if name in map(_plain, allow) or name in LOOPBACK:
        return found
    for text in found:
        address = ipaddress.ip_address(text.split("%")[0])
        if inside(address) and not (address.is_loopback and _literal(name)):
            raise DestinationRefused
    return found


def _plain(host: str) -> str:
    return host.strip().strip("[]").rstrip(".").lower()


def _literal(name: str) -> bool:
    """Whether the name is itself an address in its usual spelling, not a number in disguise."""
    try:
        return str(ipaddress.ip_address(name)) == name
    except ValueError:
        return False


def look_up(name: str, port: int, timeout: float | None) -> list[str]:
    """The addresses of a host in the system's order; httpcore.ConnectError when there are none or it takes too long."""
    found: list[str] = []
    failed: list[OSError | UnicodeError] = []

    def ask() -> None:
        try:
            for *_, address in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM):
                if str(address[0]) not in found:
                    found.append(str(address[0]))
        except (OSError, UnicodeError) as error:
            failed.append(error)

    # The system's resolver knows no time-out of ours.
    thread = threading.Thread(target=ask, name="look-up", daemon=True)
    thread.start()
    thread.join(timeout)
    if thread.is_alive():
        raise httpcore.ConnectTimeout("looking up the host took too long")
    if failed or not found:
        raise httpcore.ConnectError("the host cannot be looked up")
    return found


class _Refused(OSError):
    """What a library takes for a failed look-up."""


@dataclass(slots=True)
class Watch:
    """What a guarded piece of code was refused."""

    allow: frozenset[str]
    refused: bool = False


_watch: ContextVar[Watch | None] = ContextVar("gatewatch_watch", default=None)
_lock = threading.Lock()
_real: list[Any] = []


@contextmanager
def only_outside(allow: Collection[str] = ()) -> Iterator[Watch]:
    """Within, no host that is inside can be looked up: for libraries that make their calls by themselves.

    What is looked up is what they connect to, so it cannot change its mind in between, nor after a redirect. allow:
    exact hosts that may be inside. Holds for this thread, and those that are given its context.
    """
    watch = Watch(frozenset(map(_plain, allow)))
    with _lock:
        _real.append(socket.getaddrinfo)
        if len(_real) == 1:
            socket.getaddrinfo = _looked_up
    token = _watch.set(watch)
    try:
        yield watch
    finally:
        _watch.reset(token)
        with _lock:
            first = _real.pop()
            if not _real:
                socket.getaddrinfo = first


def _looked_up(host: Any, *args: Any, **kwargs: Any) -> Any:
    with _lock:
        real = _real[0] if _real else socket.getaddrinfo
    found = real(host, *args, **kwargs)
    watch = _watch.get()
    if watch is None:
        return found
    name = _plain(host.decode(errors="replace") if isinstance(host, bytes) else str(host or ""))
    if name in watch.allow or name in LOOPBACK:
        return found
    for *_, address in found:
        one = ipaddress.ip_address(str(address[0]).split("%")[0])
        if inside(one) and not (one.is_loopback and _literal(name)):
            watch.refused = True
            raise _Refused("the address leads into a private network")
    return found


@cache
def _authorities() -> ssl.SSLContext:
    """Whom we believe who a receiver is; read once, since it takes 20 ms."""
    return httpx.create_ssl_context(trust_env=False)


def transport_to(allow: Collection[str] = ()) -> httpx.BaseTransport:
    """Straight to the receiver, once it is checked: no proxy out of the environment, no retries, one connection."""
    made = httpx.HTTPTransport(verify=_authorities(), trust_env=False, retries=0)
    pool = made._pool
    made._pool = httpcore.ConnectionPool(
        ssl_context=pool._ssl_context, max_connections=1, retries=0, network_backend=Checked(allow)
    )
    pool.close()
    return made
