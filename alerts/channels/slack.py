"""Slack's incoming webhook. Its address is the secret: whoever has it can post."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import quote

import httpx
from pydantic import Field, SecretStr

from alerts.blocks import slack_message
from alerts.channels import Attempt, ChannelOptions, channel, channel_kind
from alerts.message import read
from alerts.outbound import TOTAL_S, Reply, direct, post_json, refuse_unless_taken, usable, way_to
from gatewatch.errors import UsageError
from gatewatch.records import JSON
from gatewatch.settings import Settings

_CODE = re.compile(rb"[a-z]+(?:_[a-z]+)*")
"""Slack's own reasons, such as invalid_payload; other replies may repeat the address and are not shown."""


class Slack:
    """Posts to the webhook at `url`; https, except on this machine."""

    def __init__(
        self, url: SecretStr, *, transport: Callable[[], httpx.BaseTransport] = direct, total_s: float = TOTAL_S
    ) -> None:
        self._url = url
        self._transport = transport
        self._total_s = total_s
        if not usable(url.get_secret_value()):
            raise UsageError("setting 'slack_webhook_url': must be an https:// address (http:// only on this machine)")

    def __repr__(self) -> str:
        return "Slack(**********)"

    def send(
        self,
        payload: Mapping[str, JSON],
        *,
        idempotency_key: str,
        now: datetime | None = None,  # noqa: ARG002  Slack dates the message
        attempt: Attempt | None = None,
    ) -> None:
        body = slack_message(read(payload))
        reply = post_json(
            self._url.get_secret_value(),
            body,
            attempt=attempt,
            headers={"idempotency-key": quote(idempotency_key)},
            name="slack",
            transport=self._transport,
            total_s=self._total_s,
        )
        refuse_unless_taken(reply, "slack", self._reason(reply))

    def _reason(self, reply: Reply) -> str:
        if 300 <= reply.status < 400:
            return ", redirects are not followed"
        if (
            len(reply.body) > 40
            or not _CODE.fullmatch(reply.body)
            or reply.body in self._url.get_secret_value().encode()
        ):
            return ""
        return f" ({reply.body.decode()})"


class SlackOptions(ChannelOptions):
    url: SecretStr = Field(description="address of the incoming webhook")


@channel_kind("slack", SlackOptions)
def slack_webhook(options: SlackOptions, settings: Settings) -> Slack:
    return Slack(options.url, transport=way_to(settings))


@channel("slack")
def slack(settings: Settings) -> Slack | None:
    """The channel when `slack_webhook_url` is set."""
    if settings.slack_webhook_url is None:
        return None
    return Slack(settings.slack_webhook_url, transport=way_to(settings))
