"""Calls that leave the house: a deadline for the whole of a call, one way to make one, and one to post JSON.

httpx.Client writes each address to the log at level INFO, and a webhook's address is its secret. So the request goes to
httpx's transport itself, which also follows no redirect, keeps no cookie and decompresses nothing.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from time import monotonic
from urllib.parse import urlsplit

import httpx

from alerts.channels import Attempt
from alerts.destinations import DestinationRefused, transport_to
from alerts.render.redact import MARK
from gatewatch.errors import ChannelError
from gatewatch.records import JSON
from gatewatch.settings import LOOPBACK, Settings

CONNECT_S = 5.0
TOTAL_S = 10.0
MOST_REPLY_BYTES = 64 << 10


class Deadline:
    """Cuts the sockets it watches when the time is over, so that a receiver that drips bytes holds nobody."""

    def __init__(self, seconds: float) -> None:
        self.expired = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def watch(self, sock: object) -> None:
        if isinstance(sock, socket.socket):
            with self._lock:
                self._sockets.append(sock)
                if self.expired:
                    _shut(sock)

    def start(self) -> None:
        self._timer.start()

    def stop(self) -> None:
        self._timer.cancel()
        self._timer.join()

    def _cut(self) -> None:
        with self._lock:
            self.expired = True
            for sock in self._sockets:
                _shut(sock)


def _shut(sock: socket.socket) -> None:
    try:
        # Not sock.shutdown: a TLS socket's own would first drop its TLS layer under the thread that reads.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:  # already closed, or wrapped by TLS meanwhile
        return


@contextmanager
def deadline(seconds: float) -> Iterator[Deadline]:
    """A deadline that runs while inside. Looking up a name and connecting have their own time-out."""
    it = Deadline(seconds)
    it.start()
    try:
        yield it
    finally:
        it.stop()


@dataclass(frozen=True, slots=True)
class Reply:
    """after_s: seconds that the receiver asks us to wait (Retry-After); None when it does not, or gives a date."""

    status: int
    body: bytes
    after_s: float | None = None

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


def direct() -> httpx.BaseTransport:
    """To receivers outside, or on this machine when their address says so."""
    return transport_to()


def way_to(settings: Settings) -> Callable[[], httpx.BaseTransport]:
    """What makes the transport for a call, with the operator's exceptions."""
    return lambda: transport_to(settings.outbound_allow)


def post_json(
    url: str,
    body: Mapping[str, JSON],
    *,
    headers: Mapping[str, str],
    name: str,
    secrets: Mapping[str, JSON] | None = None,
    attempt: Attempt | None = None,
    what: str = "POST",
    transport: Callable[[], httpx.BaseTransport] = direct,
    total_s: float = TOTAL_S,
) -> Reply:
    """Post `body`; the reply, whatever its status. See `call` for the errors.

    secrets: fields that are posted, too, and stand in no log. attempt, what: for the delivery log.
    """
    content = as_json({**body, **(secrets or {})})
    head = {"content-type": "application/json", **headers}
    try:
        reply = call("POST", url, content=content, headers=head, name=name, transport=transport, total_s=total_s)
    except ChannelError as error:
        if attempt is not None:
            attempt.note(what, dict(body), str(error))
        raise
    if attempt is not None:
        # Some receivers answer with the address that was asked, and here the address is a secret.
        text = reply.text
        for secret in (url, *map(str, (secrets or {}).values())):
            text = text.replace(secret, MARK)
        attempt.note(what, dict(body), text, reply.status)
    return reply


def as_json(body: Mapping[str, JSON]) -> bytes:
    """The bytes of a JSON body."""
    return json.dumps(body, ensure_ascii=False, allow_nan=False).encode(errors="replace")


def refuse_unless_taken(reply: Reply, name: str, reason: str = "") -> None:
    """ChannelError unless the status says that the receiver took it; 429 and 5xx are worth another try."""
    if not 200 <= reply.status < 300:
        retry = reply.status in (408, 425, 429) or reply.status >= 500
        raise ChannelError(f"{name}: status {reply.status}{reason}", retry=retry, after_s=reply.after_s)


def call(
    method: str,
    url: str,
    *,
    content: bytes | None = None,
    headers: Mapping[str, str],
    name: str,
    transport: Callable[[], httpx.BaseTransport] = direct,
    total_s: float = TOTAL_S,
) -> Reply:
    """One request, no redirect followed; the reply, whatever its status, with at most MOST_REPLY_BYTES of its body.

    ChannelError(retry=True) when the connection fails, is too slow, or must not be made. name: of the channel, for the
    error; the address is in no error and no log. transport: makes one for this call.
    """
    problem: str
    begin = monotonic()
    with deadline(total_s) as until:
        try:
            line = httpx.Request(
                method,
                url,
                content=content,
                headers={"user-agent": "gatewatch", "accept-encoding": "identity"} | dict(headers),
                extensions={
                    "timeout": {"connect": CONNECT_S, "read": total_s, "write": total_s, "pool": CONNECT_S},
                    "trace": _tracer(until),
                },
            )
            with transport() as way:
                return _exchange(way, line, begin + total_s)
        except DestinationRefused as error:
            problem = str(error)
        except httpx.InvalidURL:
            problem = "this is no address"
        except httpx.ConnectTimeout:
            problem = f"cannot connect within {CONNECT_S:g} s"
        except httpx.TimeoutException:
            problem = f"no answer within {total_s:g} s"
        except httpx.ConnectError:
            problem = "cannot connect"
        except httpx.HTTPError as error:
            problem = (
                f"no answer within {total_s:g} s" if until.expired else f"the connection broke ({type(error).__name__})"
            )
    # Raised out here: inside, the error of httpx, which knows the address, would hang on it as its context.
    raise ChannelError(f"{name}: {problem}", retry=True)


def _exchange(transport: httpx.BaseTransport, request: httpx.Request, until: float) -> Reply:
    response = transport.handle_request(request)
    body = b""
    try:
        assert isinstance(response.stream, httpx.SyncByteStream)
        for chunk in response.stream:
            body += chunk
            if len(body) > MOST_REPLY_BYTES:
                body = body[:MOST_REPLY_BYTES]
                break
            if monotonic() > until:
                break
    except httpx.HTTPError:
        pass  # the status has come, and it says all
    finally:
        response.close()
    asked = httpx.Headers(response.headers).get("retry-after", "")
    return Reply(response.status_code, body, float(asked) if asked.isascii() and asked.isdigit() else None)


def _tracer(until: Deadline) -> object:
    def trace(event: str, info: Mapping[str, object]) -> None:
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            stream = info["return_value"]
            until.watch(stream.get_extra_info("socket"))  # type: ignore[attr-defined]  # httpcore.NetworkStream

    return trace


def usable(url: str) -> bool:
    """Whether an address may be called: https, or http on this machine."""
    try:
        parts = urlsplit(url)
        httpx.URL(url)  # refuses more: host names that are none, control characters
        known = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url))
        return known and bool(parts.hostname) and parts.port != 0
    except (httpx.InvalidURL, ValueError):
        return False


def is_loopback(url: str) -> bool:
    """Whether the host of an address is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host in LOOPBACK or ip_address(host).is_loopback
    except ValueError:  # a name
        return False
