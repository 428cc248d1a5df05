"""A Slack app: one message a group, changed in place through its life, with details and chart in its thread.

Posting pings; changing does not. So news that somebody must hear of (worse, repeated, escalated) are also said in the
thread and shown in the channel, while acknowledgement and the end only change the message.

Needs the bot scopes chat:write and files:write, and for each channel an invitation. Sources: Slack's reference of
chat.postMessage, chat.update, files.getUploadURLExternal and files.completeUploadExternal; answers are 200 with `ok`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from pydantic import Field, SecretStr

from alerts.blocks import bot_message, note_message, thread_message
from alerts.channels import Attempt, ChannelOptions, channel_kind, options_of
from alerts.chart import chart_png
from alerts.config import load_alert_config
from alerts.letter_html import colour_of
from alerts.message import Message, read
from alerts.outbound import call, post_json, refuse_unless_taken, usable, way_to
from gatewatch.errors import ChannelError, UsageError
from gatewatch.records import JSON
from gatewatch.settings import Settings

log = logging.getLogger(__name__)

API = "https://slack.com/api"

_AGAIN = frozenset({"ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"})
_GONE = frozenset({"message_not_found", "channel_not_found", "cant_update_message", "edit_window_closed"})
_QUIET = frozenset({"changed", "resolved"})


class SlackBotOptions(ChannelOptions):
    token: SecretStr = Field(description="bot token, xoxb-…")
    channel: str = Field(pattern=r"^[A-Z0-9]{2,20}$", description="id of the channel, such as C0123456789")
    signing_secret: SecretStr | None = Field(
        default=None, description="of the app; with it messages have buttons, answered at /slack/interactivity"
    )
    operators: tuple[str, ...] = Field(
        default=(), description="ids of people who may press buttons; default: everybody who sees them"
    )
    api: str = Field(default=API, description="address of Slack's API, for tests")


@dataclass(frozen=True, slots=True)
class Target:
    """Where to and as whom. buttons: somebody answers them."""

    token: SecretStr
    channel: str
    buttons: bool
    api: str = API


class SlackBot:
    """Keeps `ts` of the group's message in the attempt's memory, so that the next news change it."""

    def __init__(self, target: Target, *, transport: Callable[[], httpx.BaseTransport]) -> None:
        self._target = target
        self._transport = transport
        if not usable(target.api):
            raise UsageError("api: must be an https:// address (http:// only on this machine)")

    def send(
        self,
        payload: Mapping[str, JSON],
        *,
        idempotency_key: str,
        now: datetime | None = None,  # noqa: ARG002  Slack dates the message
        attempt: Attempt | None = None,
    ) -> None:
        doing = attempt or Attempt()
        message = read(payload)
        body = bot_message(message, buttons=self._target.buttons)
        before = doing.memory.get("ts")
        if isinstance(before, str) and self._changed(before, body, doing):
            if message.transition not in _QUIET:
                note = {**note_message(message), "thread_ts": before, "reply_broadcast": True}
                self._ask("chat.postMessage", note, doing, idempotency_key)
            return
        key: JSON = {"event_type": "gatewatch_alert", "event_payload": {"idempotency_key": idempotency_key}}
        ts = str(self._ask("chat.postMessage", {**body, "metadata": key}, doing, idempotency_key)["ts"])
        doing.memory["ts"] = ts
        try:
            self._thread(message, ts, doing, idempotency_key)
        except ChannelError as error:
            # The alert itself has arrived; to send it again because of its trimmings would be a second ping.
            log.warning("details of an alert did not get into its thread", extra={"reason": str(error)})

    def _changed(self, ts: str, body: dict[str, JSON], doing: Attempt) -> bool:
        """Whether the message could be changed; False when it is gone."""
        try:
            self._ask("chat.update", {**body, "ts": ts}, doing, "")
        except _Refused as refused:
            if refused.code in _GONE:
                return False
            raise
        return True

    def _thread(self, message: Message, ts: str, doing: Attempt, key: str) -> None:
        self._ask("chat.postMessage", {**thread_message(message), "thread_ts": ts}, doing, f"{key}-details")
        png = chart_png(message, colour_of(message))
        if png is None:
            return
        asked: dict[str, JSON] = {"filename": "chart.png", "length": len(png), "alt_txt": "observed and expected"}
        place = self._ask("files.getUploadURLExternal", asked, doing, "", form=True)
        url = str(place["upload_url"])
        if not usable(url):
            raise ChannelError("slack: the address for the chart is not one", retry=False)
        reply = call(
            "POST", url, content=png, headers={"content-type": "image/png"}, name="slack", transport=self._transport
        )
        refuse_unless_taken(reply, "slack: upload")
        files: list[JSON] = [{"id": str(place["file_id"]), "title": "Observed and expected"}]
        done: dict[str, JSON] = {"files": files, "channel_id": self._target.channel, "thread_ts": ts}
        self._ask("files.completeUploadExternal", done, doing, "", channel=False)

    def _ask(
        self,
        method: str,
        body: dict[str, JSON],
        doing: Attempt,
        key: str,
        *,
        form: bool = False,
        channel: bool = True,
    ) -> dict[str, Any]:
        """The answer of a method; ChannelError with Slack's own reason when it says no."""
        url = f"{self._target.api}/{method}"
        headers = {"authorization": f"Bearer {self._target.token.get_secret_value()}"}
        if key:
            headers["idempotency-key"] = key
        if form:  # this one method takes no JSON
            content = str(httpx.QueryParams({name: str(value) for name, value in body.items()})).encode()
            headers["content-type"] = "application/x-www-form-urlencoded"
            reply = call("POST", url, content=content, headers=headers, name="slack", transport=self._transport)
            doing.note(f"POST {method}", dict(body), "an address to upload to", reply.status)
        else:
            given = {**body, "unfurl_links": False, "unfurl_media": False} if method == "chat.postMessage" else body
            where: dict[str, JSON] = {"channel": self._target.channel} if channel else {}
            reply = post_json(
                url,
                {**where, **given},
                headers=headers,
                name="slack",
                attempt=doing,
                what=f"POST {method}",
                transport=self._transport,
            )
        refuse_unless_taken(reply, "slack")
        try:
            answer = json.loads(reply.body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ChannelError(f"slack: {method}: not an answer of Slack's API", retry=True)
        if answer.get("ok") is not True:
            code = str(answer.get("error", "unknown"))[:60]
            raise _Refused(method, code if code.replace("_", "").isalnum() else "unknown")
        return answer


class _Refused(ChannelError):
    def __init__(self, method: str, code: str) -> None:
        super().__init__(f"slack: {method}: {code}", retry=code in _AGAIN)
        self.code = code


@channel_kind("slack_bot", SlackBotOptions, resolved=True, in_place=True)
def slack_bot(options: SlackBotOptions, settings: Settings) -> SlackBot:
    target = Target(options.token, options.channel, options.signing_secret is not None, options.api.rstrip("/"))
    return SlackBot(target, transport=way_to(settings))


def apps(settings: Settings) -> list[SlackBotOptions]:
    """The Slack apps of the alerts file whose buttons are answered."""
    found = []
    for name, given in load_alert_config(settings).channels.items():
        if given.get("type") == "slack_bot":
            _, options = options_of(name, given, settings)
            if isinstance(options, SlackBotOptions) and options.signing_secret is not None:
                found.append(options)
    return found
