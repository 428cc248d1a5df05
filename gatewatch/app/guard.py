"""What a browser must be told and must tell us: headers of every answer, where a change comes from, and its size.

A page on another site can make a person's browser ask us. So each change must come from our own pages (Origin,
Sec-Fetch-Site) and be of a type that no form of another site can send.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatewatch.api.problems import problem
from gatewatch.app.gate import FORM_PATHS, SAFE
from gatewatch.app.refusals import Refusals

log = logging.getLogger(__name__)

MOST_BODY = 1 << 20
"""Bytes of a request's body. Log data have a listener of their own."""

_FORM = "application/x-www-form-urlencoded"


def policy(script_hashes: Sequence[str]) -> str:
    """The Content-Security-Policy. Inline styles are the one concession that Dash, Mantine and Plotly need."""
    scripts = " ".join(("'self'", *script_hashes))
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "font-src 'self' data:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'; object-src 'none'"
    )


class TooLarge(Exception):
    """A body without a stated length went beyond the limit."""


class Guard:
    """ASGI middleware: refuses changes from other sites and bodies that are too large, and sets security headers."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        script_hashes: Callable[[], Sequence[str]] = tuple,
        encrypted: bool = False,
        subdomains: bool = False,
    ) -> None:
        """encrypted: people come by https, and browsers are told to stay there; subdomains: on hosts below, too."""
        self._app = app
        self._script_hashes = script_hashes
        self._refusals = Refusals()
        self._headers = {
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Frame-Options": "DENY",
        }
        if encrypted:
            self._headers["Strict-Transport-Security"] = "max-age=31536000" + (
                "; includeSubDomains" if subdomains else ""
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # nothing of ours speaks it; Dash registers an endpoint all the same
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        started = False
        taken = 0

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._refused(message["status"], scope)
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                if scope["path"] in FORM_PATHS:
                    # With no-referrer, browsers say `Origin: null` when a form is sent, even to its own site.
                    headers["Referrer-Policy"] = "same-origin"
                # Asked each time: Dash adds a script of its own with the first request.
                headers["Content-Security-Policy"] = policy(self._script_hashes())
                headers.setdefault("Cache-Control", "no-cache" if scope["path"].startswith("/assets/") else "no-store")
            await send(message)

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MOST_BODY:
                raise TooLarge
            return message

        async def unless_too_large(message: Message) -> None:
            if taken <= MOST_BODY:  # else frameworks answer with what they make of TooLarge
                await with_headers(message)

        headers = Headers(scope=scope)
        refusal = _refusal(scope["method"], scope["path"], headers)
        if refusal is not None:
            await problem(*refusal)(scope, receive, with_headers)
            return
        try:
            await self._app(scope, bounded, unless_too_large)
        except (TooLarge, ClientDisconnect):
            pass
        except Exception:  # a bug: say so in the log, and nothing about it to the client
            log.exception("a request failed", extra={"path": scope["path"][:200]})
            if started:
                raise
            answer = problem(500, "gatewatch failed to answer; its log has the reason")
            await answer(scope, receive, with_headers)
        if taken > MOST_BODY and not started:
            await problem(413, f"a body has at most {MOST_BODY >> 20} MiB")(scope, receive, with_headers)

    def _refused(self, status: int, scope: Scope) -> None:
        state, peer = scope.get("state") or {}, scope.get("client")
        address = state.get("address") or (peer[0] if peer else "")
        who = state.get("who")
        self._refusals.note(status, address=address, path=scope["path"], method=scope["method"], who=who)


def _refusal(method: str, path: str, headers: Headers) -> tuple[int, str] | None:
    length = headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and int(length[:20]) > MOST_BODY:
        return 413, f"a body has at most {MOST_BODY >> 20} MiB"
    if method in SAFE:
        return None
    if _foreign(headers):
        return 403, "the request comes from another site"
    # Other methods than POST, and tokens, need our leave (CORS) before a browser sends them for another site.
    simple = method == "POST" and "authorization" not in headers
    body = simple or length != "0" or "transfer-encoding" in headers
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    if body and kind != (_FORM if path in FORM_PATHS else "application/json"):
        return 415, "the body must be application/json"
    return None


def _foreign(headers: Headers) -> bool:
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return True
    origin = headers.get("origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
    except ValueError:
        return True
