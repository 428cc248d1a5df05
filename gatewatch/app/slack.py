"""Slack's buttons: `POST /slack/interactivity` acknowledges and snoozes what a message tells of.

Who calls is known by the signature: `v0=` and HMAC-SHA256, by the app's signing secret, over `v0:TIMESTAMP:BODY`; a
call older than five minutes is refused. Source: Slack's documentation, "Verifying requests from Slack".
"""

from __future__ import annotations

import hmac
import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from alerts.blocks import ACKNOWLEDGE, SNOOZE
from alerts.channels.slack_bot import SlackBotOptions, apps
from alerts.outbound import post_json, usable, way_to
from alerts.render.slack import mrkdwn
from gatewatch.api.access import PUBLIC
from gatewatch.api.problems import problem
from gatewatch.app.opened import Opened
from gatewatch.errors import ChannelError, GatewatchError, UsageError
from gatewatch.records import JSON
from gatewatch.roles import Role, Via, Who
from gatewatch.settings import Settings
from gatewatch.store.acting import Act, Verb, act
from gatewatch.store.state import Session

log = logging.getLogger(__name__)

OLDEST_S = 300
SNOOZE_FOR = timedelta(hours=4)

_ID = re.compile(r"[\w:.-]{1,64}")
_VERBS = {ACKNOWLEDGE: Verb.ACKNOWLEDGE, SNOOZE: Verb.SNOOZE}
_DONE = {Verb.ACKNOWLEDGE: "acknowledged", Verb.SNOOZE: "snoozed for 4 hours"}


@dataclass(frozen=True, slots=True)
class Press:
    """A button that somebody pressed. reply_to: where an answer only for them goes, '' when there is none."""

    verb: Verb
    findings: tuple[str, ...]
    user_id: str
    user: str
    reply_to: str


class Buttons:
    """Makes the router. 404 as long as no Slack app with a signing secret is configured."""

    def __init__(
        self, settings: Settings, opened: Opened, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings = settings
        self._opened = opened
        self._clock = clock

    def router(self) -> APIRouter:
        router = APIRouter(include_in_schema=False, dependencies=[PUBLIC])
        router.add_api_route("/slack/interactivity", self.pressed, methods=["POST"])
        return router

    async def pressed(self, request: Request) -> Response:
        body = await request.body()
        now = self._clock()
        try:
            found = await run_in_threadpool(apps, self._settings)
        except UsageError as error:  # the file has become wrong since the start
            log.warning("Slack's buttons cannot be answered", extra={"reason": str(error)})
            found = []
        if not found:
            return problem(404, "no Slack app with a signing secret is configured")
        app = next((one for one in found if signed(one, request.headers, body, now)), None)
        if app is None:
            return problem(401, "the signature is wrong or too old")
        press = press_of(body)
        if press is None:
            return problem(400, "not a press of one of our buttons")
        if app.operators and press.user_id not in app.operators:
            said = "You are not among those who may press buttons here (operators in the alerts file)."
        else:
            try:
                said = await run_in_threadpool(self._do, press, now)
            except GatewatchError as error:
                log.warning("a button of Slack failed", extra={"reason": str(error)})
                said = "gatewatch could not do it now; please try again."
        return Response(status_code=200, background=BackgroundTask(self._say, press, said))

    def _do(self, press: Press, now: datetime) -> str:
        who = Who(f"{press.user} (Slack)", Role.OPERATOR, Via.SLACK, id=press.user_id)
        wish = Act(press.verb, until=now + SNOOZE_FOR if press.verb is Verb.SNOOZE else None)

        def all_of_them(session: Session) -> str:
            done, refused = 0, ""
            for one in press.findings:
                try:
                    with session.begin_nested():
                        done += act(session, who, one, wish, now=now) is not None
                except UsageError as error:
                    refused = str(error)
            what = f"{done:,} finding{'' if done == 1 else 's'} {_DONE[press.verb]}" if done else "Nothing was changed"
            return f"{what}{': ' + refused if refused else ''}."

        return self._opened().run(all_of_them)

    def _say(self, press: Press, text: str) -> None:
        """An answer that only the one who pressed sees; without it nothing is lost."""
        if not usable(press.reply_to):
            return
        body: dict[str, JSON] = {"response_type": "ephemeral", "replace_original": False, "text": mrkdwn(text, 500)}
        try:
            post_json(press.reply_to, body, headers={}, name="slack", transport=way_to(self._settings))
        except ChannelError as error:
            log.info("Slack did not take an answer", extra={"reason": str(error)})


def signed(app: SlackBotOptions, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Whether Slack signed the call with the app's secret in the last five minutes."""
    stamp, shown = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
    if app.signing_secret is None or not re.fullmatch(r"\d{1,12}", stamp, re.ASCII):
        return False
    if abs(now.timestamp() - int(stamp)) > OLDEST_S:
        return False
    secret = app.signing_secret.get_secret_value().encode()
    made = "v0=" + hmac.digest(secret, f"v0:{stamp}:".encode() + body, "sha256").hex()
    return hmac.compare_digest(made.encode(), shown.encode(errors="replace"))


def press_of(body: bytes) -> Press | None:
    """The press in a signed body; None when it is about something else."""
    try:
        payload: Any = json.loads(parse_qs(body.decode(), max_num_fields=20)["payload"][0])
        action = payload["actions"][0]
        verb = _VERBS[action["action_id"]]
        findings = tuple(dict.fromkeys(one for one in str(action["value"]).split()[:40] if _ID.fullmatch(one)))
        user = payload["user"]
        name = str(user.get("username") or user.get("name") or user["id"])
        if payload["type"] != "block_actions" or not findings:
            return None
        return Press(verb, findings, str(user["id"])[:40], name[:80], str(payload.get("response_url") or ""))
    except (UnicodeDecodeError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return None
