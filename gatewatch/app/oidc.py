"""To the identity provider and back again."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from alerts.render.html import html_text
from alerts.render.log import log_text
from gatewatch.access.credentials import csrf_token, new_session_secret, same, session_id
from gatewatch.access.login import Begun, Client, begin_session, log_out
from gatewatch.access.oidc import CALLBACK, NotVouched, Provider, Vouched
from gatewatch.api.access import PUBLIC
from gatewatch.app.cookies import Cookies
from gatewatch.app.doorpage import document, safe_target
from gatewatch.app.opened import Opened
from gatewatch.errors import GatewatchError
from gatewatch.roles import Via, Who
from gatewatch.settings import Settings
from gatewatch.store import audit
from gatewatch.store.sessions import begin_attempt, take_attempt
from gatewatch.store.users import vouched_user

log = logging.getLogger(__name__)

START = "/login/oidc"


class Vouching:
    """The two routes of a login at the provider. Nothing of an attempt is in the browser but an unguessable name."""

    def __init__(self, settings: Settings, opened: Opened, provider: Provider) -> None:
        self._cookies = Cookies(settings)
        self._opened = opened
        self._provider = provider

    def router(self) -> APIRouter:
        router = APIRouter(include_in_schema=False, dependencies=[PUBLIC])
        router.add_api_route(START, self.start, methods=["GET"])
        router.add_api_route(CALLBACK, self.back, methods=["GET"])
        return router

    async def start(self, request: Request) -> Response:
        target = safe_target(request.query_params.get("next"))
        if request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
            # Another site must not make a browser log in: it shows the way in, and the person takes it or not.
            return RedirectResponse(f"/login?next={quote(target, safe='')}", status_code=303)
        secret = new_session_secret()

        def begin() -> str:
            address, attempt = self._provider.begin(target)
            identity = session_id(secret)
            assert identity is not None
            with self._opened().begin() as session:
                begin_attempt(session, identity, attempt, now=datetime.now(UTC))
            return address

        try:
            address = await run_in_threadpool(begin)
        except GatewatchError as error:
            log.error("nobody can log in by OIDC", extra={"reason": str(error)})
            return failed("The identity provider cannot be reached, or is not set up as it should be.", 503)
        answer = RedirectResponse(address, status_code=303)
        self._cookies.attempt(answer, secret)
        return answer

    async def back(self, request: Request) -> Response:
        query = request.query_params
        secret = self._cookies.read(request.headers, self._cookies.attempt_name)
        identity = session_id(secret or "")
        client = Client(request.state.address, request.headers.get("user-agent", ""))
        former: Who | None = request.state.who

        def finish() -> tuple[Begun, str]:
            state, now = self._opened(), datetime.now(UTC)
            with state.begin() as session:
                attempt = take_attempt(session, identity, now=now) if identity else None
            if attempt is None or not same(query.get("state", ""), attempt.state):
                raise NotVouched("no login was begun in this browser, or it was finished before")
            if query.get("iss", self._provider.issuer) != self._provider.issuer:
                raise NotVouched("the answer comes from another provider")
            if "error" in query or not query.get("code"):
                raise NotVouched(f"the provider refused: {log_text(query.get('error'), 60)}")
            vouched = self._provider.finish(query["code"], attempt)
            begun = self._begin(vouched, client, now)
            if former is not None:
                log_out(state, former, now=now)
            return begun, attempt.target

        try:
            begun, target = await run_in_threadpool(finish)
        except NotVouched as error:
            log.warning("a login by OIDC was refused", extra={"reason": str(error)})
            await run_in_threadpool(self._note, client, str(error))
            return self._refused(failed("The identity provider did not vouch for you. Please try again.", 403))
        except NoRole:
            return self._refused(failed("You are known, but no group of yours has a role here. Ask an admin.", 403))
        except GatewatchError as error:
            log.error("nobody can log in by OIDC", extra={"reason": str(error)})
            return self._refused(failed("The identity provider cannot be reached. Please try again later.", 503))
        answer = RedirectResponse(target, status_code=303)
        self._cookies.begin(answer, begun.secret, csrf_token(begun.secret))
        self._cookies.drop(answer, self._cookies.attempt_name)
        return answer

    def _begin(self, vouched: Vouched, client: Client, now: datetime) -> Begun:
        state = self._opened()
        if vouched.role is None:
            self._note(client, "no role", vouched.name)
            raise NoRole
        with state.begin() as session:
            user = vouched_user(session, vouched.issuer, vouched.subject, vouched.name, vouched.role, now=now)
        if not user.active:
            self._note(client, "disabled", user.name)
            raise NoRole
        return begin_session(state, user, client, now=now, how="oidc")

    def _note(self, client: Client, reason: str, name: str = "") -> None:
        who = Who(name, None, Via.SESSION, address=client.address)
        with self._opened().begin() as session:
            detail = {"how": "oidc", "reason": reason}
            audit.note(session, who, "login", now=datetime.now(UTC), outcome="refused", detail=dict(detail))

    def _refused(self, answer: Response) -> Response:
        self._cookies.drop(answer, self._cookies.attempt_name)
        return answer


class NoRole(Exception):
    """Somebody who is known, and may do nothing here."""


def failed(text: str, status: int) -> Response:
    inside = (
        f'<p class="door-note" role="alert">{html_text(text)}</p>'
        '<a class="door-button door-other" href="/login">Back to the login</a>'
    )
    return HTMLResponse(document("Log in", inside, ""), status_code=status)
