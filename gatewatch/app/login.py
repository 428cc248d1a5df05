"""The login page and the way out: plain forms that work without scripts."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from alerts.render.html import html_text
from alerts.render.link import safe_link
from gatewatch.access.credentials import csrf_token, new_session_secret, same
from gatewatch.access.login import Client, log_in, log_out, slowed
from gatewatch.access.oidc import Provider, base_of
from gatewatch.api.access import PUBLIC
from gatewatch.app.cookies import Cookies
from gatewatch.app.doorpage import document, safe_target
from gatewatch.app.hosts import host_name
from gatewatch.app.opened import Opened
from gatewatch.roles import Via, Who
from gatewatch.settings import LOOPBACK, Settings
from gatewatch.store.users import user_with

_MOST_FORM = 8 << 10
_WRONG = "The name or the password is wrong."


class Doors:
    """Makes the router of the login page. Guesses are slowed down by address, and by name whoever makes them."""

    def __init__(self, settings: Settings, opened: Opened, provider: Provider | None = None) -> None:
        self._settings = settings
        self._opened = opened
        self._cookies = Cookies(settings)
        self._provider = provider

    def router(self) -> APIRouter:
        router = APIRouter(include_in_schema=False, dependencies=[PUBLIC])
        router.add_api_route("/login", self.show, methods=["GET"])
        router.add_api_route("/login", self.enter, methods=["POST"])
        router.add_api_route("/logout", self.leave, methods=["POST"])
        return router

    async def show(self, request: Request) -> Response:
        target = safe_target(request.query_params.get("next"))
        if request.state.who is not None:
            return RedirectResponse(target, status_code=303)
        out = request.query_params.get("out")
        note = "You are logged out." if out is not None else ""
        way_out = None
        if out == "provider" and self._provider is not None:
            way_out = await run_in_threadpool(self._provider.way_out, f"{base_of(self._settings)}/login?out")
        return self._page(request, target, good=note, way_out=way_out)

    async def enter(self, request: Request) -> Response:
        fields = await _fields(request)
        target = safe_target(fields.get("next"))
        shown, kept = fields.get("token", ""), self._cookies.read(request.headers, self._cookies.form_name)
        if kept is None or not same(shown, kept):
            return self._page(request, target, wrong="The form was too old. Please try again.", status=403)
        if not self._settings.local_accounts:
            return self._page(request, target, wrong="Nobody logs in with a password here.", status=403)
        if self._in_the_clear(request):
            return self._page(request, target, status=403)
        name, now = fields.get("name", ""), datetime.now(UTC)
        client = Client(request.state.address, request.headers.get("user-agent", ""))
        state = await run_in_threadpool(self._opened)
        wait = await run_in_threadpool(slowed, state, name, client, now=now)
        if wait:
            answer = self._page(
                request, target, name=name, wrong=f"Too many attempts. Try again in {wait:.0f} s.", status=429
            )
            answer.headers["Retry-After"] = str(int(wait) + 1)
            return answer
        begun = await run_in_threadpool(log_in, state, name, fields.get("password", ""), client, now=now)
        if begun is None:
            return self._page(request, target, name=name, wrong=_WRONG, status=401)
        await run_in_threadpool(self._end_former, request)
        answer = RedirectResponse(target, status_code=303)
        self._cookies.begin(answer, begun.secret, csrf_token(begun.secret))
        return answer

    async def leave(self, request: Request) -> Response:
        fields = await _fields(request)
        elsewhere = False
        secret = self._cookies.session(request.headers)
        if request.state.who is not None and secret is not None:
            if not same(fields.get("token", ""), csrf_token(secret)):
                return RedirectResponse("/", status_code=303)
            elsewhere = await run_in_threadpool(self._end_former, request)
        answer = RedirectResponse("/login?out=provider" if elsewhere else "/login?out", status_code=303)
        self._cookies.end(answer)
        return answer

    def _end_former(self, request: Request) -> bool:
        """End the session that the browser came with; whether it was begun at the identity provider."""
        who: Who | None = request.state.who
        if who is None or who.via is not Via.SESSION:
            return False
        state = self._opened()
        with state.read() as session:
            user = user_with(session, who.id)
        log_out(state, who, now=datetime.now(UTC))
        return user is not None and user.issuer is not None

    def _in_the_clear(self, request: Request) -> bool:
        """A password, and the cookie after it, would cross a network unencrypted."""
        if self._settings.encrypted or self._settings.plain_http or request.url.scheme == "https":
            return False
        return host_name(request.headers.get("host", "")) not in LOOPBACK

    def _page(
        self,
        request: Request,
        target: str,
        *,
        name: str = "",
        wrong: str = "",
        good: str = "",
        status: int = 200,
        way_out: str | None = None,
    ) -> Response:
        token = self._cookies.read(request.headers, self._cookies.form_name) or new_session_secret()
        if self._in_the_clear(request):
            wrong = (
                "This connection is not encrypted, so nobody can log in over it. Set tls_certificate and tls_key, or "
                "public_url with https behind a proxy (or plain_http, if you know what you do)."
            )
        form = (
            '<form method="post" action="/login">'
            f'<input type="hidden" name="token" value="{html_text(token)}">'
            f'<input type="hidden" name="next" value="{html_text(target, 2000)}">'
            '<label for="name">Name</label>'
            f'<input id="name" name="name" value="{html_text(name, 64)}" autocomplete="username" autocapitalize="none" '
            f'spellcheck="false" required maxlength="64"{"" if name else " autofocus"}>'
            '<label for="password">Password</label>'
            '<input id="password" name="password" type="password" autocomplete="current-password" required '
            f'maxlength="256"{" autofocus" if name else ""}>'
            '<button type="submit">Log in</button></form>'
        )
        notes = "".join(
            f'<p class="door-note{kind}" role="{role}">{html_text(text)}</p>'
            for text, kind, role in ((wrong, "", "alert"), (good, " good", "status"))
            if text
        )
        if self._provider is not None:
            start = f"/login/oidc?next={quote(target, safe='')}"
            form = f'<p class="door-or">or with a local account</p>{form}' if self._settings.local_accounts else ""
            form = f'<a class="door-button" href="{html_text(start, 6000)}">Log in with your organisation</a>{form}'
        if safe_link(way_out):
            notes += (
                '<p class="door-note">You are still logged in at the identity provider. '
                f'<a href="{html_text(way_out, 4000)}">Log out there, too</a></p>'
            )
        foot = "No account yet? Ask an admin: accounts are made on the Settings page, or with gatewatch users add."
        if not self._settings.local_accounts:
            foot = "Who may come in is decided by your organisation; ask an admin."
        answer = HTMLResponse(document("Log in", f"{notes}{form}", foot), status_code=status)
        self._cookies.form(answer, token)
        return answer


async def _fields(request: Request) -> dict[str, str]:
    """The fields of a form, each once; empty when it is too large or none."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_FORM:
            return {}
    try:
        found = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items() if len(values) == 1}
