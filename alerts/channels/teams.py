"""Microsoft Teams: an Adaptive Card through a webhook of Workflows ("When a Teams webhook request is received").

Untrusted text stands in text runs, which read no Markdown. Sources: Microsoft's "Create incoming webhooks with
Workflows" (a message with one card, 28 KB), "Charts in Adaptive Cards"; programs without charts leave them out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import httpx
from pydantic import Field, SecretStr

from alerts.channels import Attempt, ChannelOptions, channel_kind
from alerts.message import CHANGED, Message, read
from alerts.outbound import as_json, post_json, refuse_unless_taken, usable, way_to
from alerts.render.card import card_text
from gatewatch.errors import UsageError
from gatewatch.records import JSON, iso
from gatewatch.settings import Settings

MOST_BYTES = 27_000
MOST_POINTS = 60

_COLOURS = {"critical": "attention", "high": "attention", "medium": "warning", "low": "accent", "info": "default"}


class TeamsOptions(ChannelOptions):
    url: SecretStr = Field(description="address of the workflow")


class Teams:
    """Posts to the workflow at `url`."""

    def __init__(self, url: SecretStr, *, transport: Callable[[], httpx.BaseTransport]) -> None:
        self._url = url
        self._transport = transport
        if not usable(url.get_secret_value()):
            raise UsageError("url: must be an https:// address (http:// only on this machine)")

    def __repr__(self) -> str:
        return "Teams(**********)"

    def send(
        self,
        payload: Mapping[str, JSON],
        *,
        idempotency_key: str,
        now: datetime | None = None,  # noqa: ARG002  Teams dates the message
        attempt: Attempt | None = None,
    ) -> None:
        reply = post_json(
            self._url.get_secret_value(),
            teams_message(read(payload)),
            headers={"idempotency-key": idempotency_key},
            name="teams",
            attempt=attempt,
            transport=self._transport,
        )
        refuse_unless_taken(reply, "teams")


def teams_message(message: Message) -> dict[str, JSON]:
    """The body to post; without its chart, then without its list, when it would be too long."""
    for chart, listed in ((True, True), (False, True), (False, False)):
        body = _body(message, chart=chart, listed=listed)
        if len(as_json(body)) <= MOST_BYTES:
            break
    return body


def _body(message: Message, *, chart: bool, listed: bool) -> dict[str, JSON]:
    colour = "good" if message.over else _COLOURS[message.severity]
    head = f"{message.news} · {message.severity.upper()} · {message.scope}"
    items: list[JSON] = [
        _runs((head, {"color": colour, "weight": "bolder"})),
        _runs((message.title, {"size": "large", "weight": "bolder"})),
    ]
    if message.sentence and message.sentence != message.title:
        items.append(_runs((message.sentence, {}), limit=800))
    if chart and (drawn := _chart(message)) is not None:
        items.append(drawn)
    items.append(_table(message.facts))
    if listed and message.findings:
        items.append(_section("Findings", [one.line for one in message.findings]))
    for title, lines in (
        ("Who", message.who_lines),
        (CHANGED, [f"{at}: {what}" for at, what in message.changes]),
        ("What to do", [message.remedy] if message.remedy else []),
        ("Note", [message.caveat] if message.caveat else []),
    ):
        if lines:
            items.append(_section(title, lines))
    items.append(
        _runs((f"code {message.code or '–'} · a repeat carries the same code", {"isSubtle": True, "size": "small"}))
    )
    card: dict[str, JSON] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        "msteams": {"width": "Full"},
        "body": items,
    }
    if message.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": message.call, "url": message.link}]
    return {
        "type": "message",
        "attachments": [
            {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
        ],
    }


def _runs(*runs: tuple[str, dict[str, JSON]], limit: int = 300) -> JSON:
    inlines: list[JSON] = [{"type": "TextRun", "text": card_text(text, limit) or "–", **how} for text, how in runs]
    return {"type": "RichTextBlock", "inlines": inlines}


def _table(facts: list[tuple[str, str]]) -> JSON:
    rows: list[JSON] = [
        {
            "type": "ColumnSet",
            "spacing": "small",
            "columns": [
                {"type": "Column", "width": "110px", "items": [_runs((label, {"isSubtle": True}))]},
                {"type": "Column", "width": "stretch", "items": [_runs((value, {}))]},
            ],
        }
        for label, value in facts
    ]
    return {"type": "Container", "items": rows}


def _section(title: str, lines: list[str]) -> JSON:
    items: list[JSON] = [_runs((title, {"weight": "bolder"})), *(_runs((line, {}), limit=600) for line in lines)]
    return {"type": "Container", "items": items, "separator": True}


def _chart(message: Message) -> dict[str, JSON] | None:
    step = -(-len(message.series) // MOST_POINTS) or 1
    data: list[JSON] = []
    for legend, column in (("observed", 1), ("expected", 2)):
        values: list[JSON] = [
            {"x": iso(point[0]), "y": value}
            for point in message.series[::step]
            if isinstance(value := point[column], float)
        ]
        if len(values) > 1:
            data.append({"legend": legend, "values": values})
    if not data:
        return None
    return {"type": "Chart.Line", "title": card_text(message.unit, 40), "data": data, "fallback": "drop"}


@channel_kind("teams", TeamsOptions)
def teams(options: TeamsOptions, settings: Settings) -> Teams:
    return Teams(options.url, transport=way_to(settings))
