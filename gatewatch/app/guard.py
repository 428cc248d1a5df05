"""What stands before every route: who may ask, and the headers that tell a browser what our pages may do.

While there is no login the only protection of the data is that nobody but this machine can ask. A page on another
site could still make the owner's browser ask for it (DNS rebinding, forged forms), so the Host and Origin are checked.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatewatch.api.problems import problem
from gatewatch.errors import UsageError
from gatewatch.settings import LOOPBACK

log = logging.getLogger(__name__)

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def require_loopback(host: str) -> None:
    """UsageError unless only this machine can reach the address: there is no login yet."""
    name = host.strip().strip("[]").lower()
    if name in LOOPBACK:
        return
    raise UsageError(
        f"host {host!r}: gatewatch has no login yet and so listens only on 127.0.0.1, ::1 or localhost; "
        "reach it from elsewhere through an SSH tunnel"
    )


def host_name(value: str) -> str:
    """The name in a Host header, without port, brackets and trailing dot; '' when it is none."""
    try:
        name = urlsplit(f"//{value}").hostname or ""
    except ValueError:
        return ""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.rstrip(".").lower()


def policy(script_hashes: Sequence[str]) -> str:
    """The Content-Security-Policy. Inline styles are the one concession that Dash, Mantine and Plotly need."""
    scripts = " ".join(("'self'", *script_hashes))
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "font-src 'self' data:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'; object-src 'none'"
    )


class Guard:
    """ASGI middleware: refuses foreign Hosts and Origins, and sets the security headers on every answer."""

    def __init__(self, app: ASGIApp, *, script_hashes: Callable[[], Sequence[str]] = tuple) -> None:
        self._app = app
        self._script_hashes = script_hashes
        self._headers = {
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Frame-Options": "DENY",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # nothing of ours speaks it; Dash registers an endpoint all the same
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        started = False

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                # Asked each time: Dash adds a script of its own with the first request.
                headers["Content-Security-Policy"] = policy(self._script_hashes())
                headers.setdefault("Cache-Control", "no-cache" if scope["path"].startswith("/assets/") else "no-store")
            await send(message)

        headers = Headers(scope=scope)
        refusal = self._refusal(scope["method"], headers)
        if refusal is not None:
            await problem(*refusal)(scope, receive, with_headers)
            return
        try:
            await self._app(scope, receive, with_headers)
        except Exception:  # a bug: say so in the log, and nothing about it to the client
            log.exception("a request failed", extra={"path": scope["path"][:200]})
            if started:
                raise
            answer = problem(500, "gatewatch failed to answer; its log has the reason")
            await answer(scope, receive, with_headers)

    def _refusal(self, method: str, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if host_name(host) not in LOOPBACK:
            return 421, "gatewatch answers only to localhost, 127.0.0.1 and [::1] while it has no login"
        if method in _SAFE:
            return None
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return 403, "the request comes from another site"
        if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return 403, "the request comes from another site"
        if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            return 415, "the body must be application/json"
        return None
