"""PagerDuty, by its Events API v2: one alert a group, that is acknowledged and resolved with the finding.

Source: PagerDuty's reference, "Send an event to PagerDuty": 202 means taken; 429 and 5xx may be tried again; a summary
has at most 1,024 characters, a dedup_key 255.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import httpx
from pydantic import Field, SecretStr

from alerts.channels import Attempt, ChannelOptions, channel_kind
from alerts.message import Message, read
from alerts.outbound import post_json, refuse_unless_taken, usable, way_to
from alerts.render.text import plain
from gatewatch.errors import UsageError
from gatewatch.records import JSON
from gatewatch.settings import Settings

EVENTS = "https://events.pagerduty.com/v2/enqueue"

_SEVERITIES = {"critical": "critical", "high": "error", "medium": "warning", "low": "info", "info": "info"}


class PagerDutyOptions(ChannelOptions):
    routing_key: SecretStr = Field(description="integration key of an Events API v2 integration")
    url: str = Field(default=EVENTS, description="https://events.eu.pagerduty.com/v2/enqueue for the EU region")


class PagerDuty:
    """Sends events with `routing_key` to `url`."""

    def __init__(self, routing_key: SecretStr, url: str, *, transport: Callable[[], httpx.BaseTransport]) -> None:
        self._key = routing_key
        self._url = url
        self._transport = transport
        if not usable(url):
            raise UsageError("url: must be an https:// address (http:// only on this machine)")

    def send(
        self,
        payload: Mapping[str, JSON],
        *,
        idempotency_key: str,
        now: datetime | None = None,  # noqa: ARG002  the event has the finding's time
        attempt: Attempt | None = None,
    ) -> None:
        body = event(read(payload), payload, idempotency_key)
        reply = post_json(
            self._url,
            body,
            secrets={"routing_key": self._key.get_secret_value()},
            headers={"idempotency-key": idempotency_key},
            name="pagerduty",
            attempt=attempt,
            transport=self._transport,
        )
        refuse_unless_taken(reply, "pagerduty")


def event(message: Message, payload: Mapping[str, JSON], key: str) -> dict[str, JSON]:
    """The event, without its routing key."""
    action = "resolve" if message.over else "trigger"
    if message.transition == "changed" and message.state == "acknowledged":
        action = "acknowledge"
    details: dict[str, JSON] = {label: plain(value, 500) for label, value in message.facts}
    for line in message.who_lines:
        label, _, names = line.partition(": ")
        details[label] = plain(names, 700)
    for number, (at, what) in enumerate(message.changes, start=1):
        details[f"Changed before ({number})"] = f"{plain(at, 40)} {plain(what, 500)}"
    details |= {
        "What happened": plain(message.sentence, 800),
        "What to do": plain(message.remedy, 1200),
        "Code": plain(message.code, 20),
        "Idempotency key": key,
    }
    body: dict[str, JSON] = {
        "event_action": action,
        "dedup_key": f"gatewatch-{message.thread}"[:255],
        "client": "gatewatch",
        "payload": {
            "summary": plain(f"{message.headline}. {message.sentence}", 1000),
            "source": plain(message.scope, 200) or "gatewatch",
            "severity": _SEVERITIES[message.severity],
            "timestamp": str(payload.get("start") or payload.get("detected_at") or ""),
            "component": plain(message.route, 200) or None,
            "group": plain(message.team or message.account, 100) or None,
            "class": plain(message.kind, 100),
            "custom_details": {name: value for name, value in details.items() if value},
        },
    }
    if message.link:
        body["client_url"] = message.link
        body["links"] = [{"href": message.link, "text": message.call}]
    return body


@channel_kind("pagerduty", PagerDutyOptions, resolved=True, in_place=True)
def pagerduty(options: PagerDutyOptions, settings: Settings) -> PagerDuty:
    return PagerDuty(options.routing_key, options.url, transport=way_to(settings))
