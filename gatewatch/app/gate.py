"""The gate before the whole application: who asks, and nobody gets further who is not known.

It stands in front of every route, those of Dash and its callbacks included. What somebody known may do, each route
says for itself (gatewatch/api/access.py); the dashboard's pages need a viewer (gatewatch/app/pages.py).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gatewatch.access.credentials import csrf_token, same
from gatewatch.access.current import LOCAL, set_current
from gatewatch.access.limits import Buckets, neighbours
from gatewatch.access.login import known, token_holder
from gatewatch.api.problems import problem
from gatewatch.app.client import address_of
from gatewatch.app.cookies import Cookies
from gatewatch.app.hosts import Names, host_name
from gatewatch.app.opened import Opened
from gatewatch.errors import GatewatchError
from gatewatch.roles import Who
from gatewatch.settings import LOOPBACK, Settings
from gatewatch.store.users import anybody

log = logging.getLogger(__name__)

PUBLIC_PATHS = frozenset(
    {
        "/healthz",
        "/readyz",
        "/login",
        "/login/oidc",
        "/login/oidc/callback",
        "/logout",
        "/slack/interactivity",
        "/assets/gatewatch.css",
        "/assets/login.css",
        "/assets/favicon.svg",
        "/assets/first/theme.js",
    }
)
"""What is answered without a login: whether we live, the login page, and what it looks like. Nothing of the data.

Slack's calls are signed, and checked where they are answered.
"""

FORM_PATHS = frozenset({"/login", "/logout", "/slack/interactivity"})
"""What takes forms: pages that work without scripts, whose forms carry the CSRF token in a field, and Slack's calls.

They check by themselves who sent them.
"""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

_ASK_AGAIN_S = 2.0


class LoginWanted:
    """Whether people must log in. With `auto` this is so from the moment at which the first user exists."""

    def __init__(self, settings: Settings, opened: Opened) -> None:
        self._settings = settings
        self._opened = opened
        self._lock = threading.Lock()
        self._asked_at = -_ASK_AGAIN_S
        self._last: bool | None = None

    def at_once(self) -> bool | None:
        """The answer that needs no question to the database; None when there is none."""
        settings = self._settings
        if settings.login != "auto" or settings.oidc_issuer is not None or not settings.loopback:
            return settings.login != "off"
        if self._last or time.monotonic() - self._asked_at < _ASK_AGAIN_S:
            return self._last
        return None

    def __call__(self) -> bool:
        """GatewatchError when the database does not answer, and never has: then nobody is let in."""
        answer = self.at_once()
        if answer is not None:
            return answer
        with self._lock:
            try:
                if self._settings.database_url is None and not (self._settings.data_dir / "state.db").exists():
                    self._last = False  # no store, no users
                else:
                    state = self._opened()
                    with state.read() as session:
                        self._last = anybody(session)
            except GatewatchError:
                if self._last is None:
                    raise
            self._asked_at = time.monotonic()
            return bool(self._last)


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests of one address and of one token or account; files of the pages are counted apart."""

    asked: Buckets
    files: Buckets


class Gate:
    """ASGI middleware: finds out who asks, refuses who is not known, and hands on who it is as `state["who"]`."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: Settings,
        opened: Opened,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._app = app
        self._settings = settings
        self._opened = opened
        self._clock = clock
        self._cookies = Cookies(settings)
        self._names = Names(settings)
        self._wanted = LoginWanted(settings, opened)
        rate = float(settings.requests_per_second)
        self._limits = Limits(Buckets(rate, 2 * rate), Buckets(4 * rate, 12 * rate))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        address = address_of(scope, headers, self._settings)
        refusal = await self._admit(scope, headers, address)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope, headers: Headers, address: str) -> Response | None:
        """Puts who asks into the scope; else the answer that refuses."""
        path: str = scope["path"]
        state = scope.setdefault("state", {})
        state.update(who=None, address=address, login=True)
        set_current(None)
        if len(headers.getlist("host")) > 1:
            return problem(400, "a request has one Host")
        host = host_name(headers.get("host", ""))
        if not self._names.known(host):
            return problem(421, self._names.detail)
        if path == "/healthz":  # answers without a database
            return None
        try:
            wanted = self._wanted.at_once()
            if wanted is None:
                wanted = await run_in_threadpool(self._wanted)
        except GatewatchError as error:
            return None if path in PUBLIC_PATHS else _away(error)
        if not wanted:
            if host not in LOOPBACK:
                return problem(421, "gatewatch answers only to localhost, 127.0.0.1 and [::1] while it has no login")
            state["login"] = False
            if "authorization" not in headers:  # a token that is shown is checked, needed or not
                state["who"] = LOCAL
                set_current(LOCAL)
                return None
        slow_down = self._slow_down(neighbours(address), path) if wanted else None
        if slow_down is not None:
            return slow_down
        try:
            who = await self._who(scope, headers, address)
        except GatewatchError as error:
            return None if path in PUBLIC_PATHS else _away(error)
        if isinstance(who, Response):
            return who
        if who is None:
            return None if path in PUBLIC_PATHS else _unknown(scope, headers)
        slow_down = self._slow_down(f"\0{who.id}", path)
        if slow_down is not None:
            return slow_down
        state["who"] = who
        set_current(who)
        return None

    async def _who(self, scope: Scope, headers: Headers, address: str) -> Who | Response | None:
        shown = headers.get("authorization")
        secret = self._cookies.session(headers)
        if shown is not None:
            if secret is not None:
                return problem(400, "send a token or a cookie, not both")
            kind, _, text = shown.partition(" ")
            if kind.lower() != "bearer":
                return _refused("tokens are sent as `Authorization: Bearer gw_…`")
            who = await run_in_threadpool(
                token_holder, self._opened(), text.strip(), now=self._clock(), address=address
            )
            return who or _refused("this token is wrong, expired or revoked")
        if secret is None:
            return None
        who = await run_in_threadpool(known, self._opened(), secret, now=self._clock(), address=address)
        if who is None or scope["method"] in SAFE or scope["path"] in FORM_PATHS:
            return who
        if not same(headers.get("x-csrftoken", ""), csrf_token(secret)):
            return problem(403, "the page's CSRF token is missing or old; load the page again")
        return who

    def _slow_down(self, key: str, path: str) -> Response | None:
        files = path.startswith(("/assets/", "/_dash-component-suites/", "/_favicon"))
        wait = (self._limits.files if files else self._limits.asked).take(key, time.monotonic())
        if not wait:
            return None
        return problem(429, "too many requests; try again later", headers={"Retry-After": str(int(wait) + 1)})


def _unknown(scope: Scope, headers: Headers) -> Response:
    """A page sends people to the login; everything else says 401."""
    path: str = scope["path"]
    if (
        scope["method"] in {"GET", "HEAD"}
        and not path.startswith(("/api", "/_", "/assets/", "/ingest", "/v1/", "/metrics"))
        and headers.get("sec-fetch-dest", "document") == "document"
    ):
        query = scope.get("query_string", b"").decode("latin-1")
        target = path + (f"?{query}" if query else "")
        return RedirectResponse(f"/login?next={quote(target, safe='')}"[:2000], status_code=303)
    return _refused("log in, or send a token")


def _refused(detail: str) -> Response:
    return problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="gatewatch"'})


def _away(error: GatewatchError) -> Response:
    log.warning("nobody can be let in", extra={"reason": str(error)})
    detail = "the store does not answer, so nobody can be let in"
    return problem(503, detail, kind="urn:gatewatch:problem:store-unavailable", headers={"Retry-After": "5"})
