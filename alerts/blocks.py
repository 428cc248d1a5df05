"""Slack's Block Kit: the message of an incoming webhook.

Limits (Slack's documentation, "Blocks"): 50 blocks, header 150 characters, section text 3,000, 10 fields of 2,000,
10 context elements. Attacker text stands in `plain_text`, or escaped in `verbatim` text beside a label of ours.
"""

from __future__ import annotations

from collections.abc import Iterable

from alerts.message import Message
from alerts.render.slack import mrkdwn, plain_text
from gatewatch.records import JSON

MOST_BLOCKS = 50
HEADER = 150
SECTION = 2900
FIELD = 600

_MARKS = {"critical": "🔴", "high": "🟠", "medium": "🟡", "low": "🔵", "info": "⚪"}


def slack_message(message: Message) -> dict[str, JSON]:
    """The JSON body to post."""
    mark = "✅" if message.transition == "resolved" else _MARKS[message.severity]
    blocks: list[JSON] = [
        {"type": "header", "text": plain_text(f"{mark} {message.headline}", HEADER)},
        {"type": "section", "text": plain_text(message.sentence or message.title, SECTION)},
        {
            "type": "section",
            "fields": [_verbatim(f"*{label}*\n", mrkdwn(value, FIELD) or "–") for label, value in message.facts[:10]],
        },
    ]
    if message.who:
        blocks.append({"type": "section", "text": _verbatim("*Who*\n", _lines(message.who_lines, 550))})
    if message.changes:
        lines = _lines([f"{at}: {what}" for at, what in message.changes], 600)
        blocks.append({"type": "section", "text": _verbatim("*Changed shortly before*\n", lines)})
    if message.remedy:
        blocks.append({"type": "section", "text": _verbatim("*What to do*\n", mrkdwn(message.remedy, 1500))})
    if message.caveat:
        blocks.append({"type": "context", "elements": [plain_text(f"Note: {message.caveat}", 1000)]})
    footer: list[JSON] = []
    if message.link:
        footer.append(_verbatim("", f"<{message.link}|Open the finding>"))
    footer.append(plain_text(f"{message.news} · code {message.code or '–'} · a repeat carries the same code", 200))
    blocks.append({"type": "context", "elements": footer})
    return {
        "text": mrkdwn(f"{mark} {message.headline}. {message.sentence}", SECTION),
        "blocks": blocks,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _verbatim(label: str, escaped: str) -> dict[str, JSON]:
    return {"type": "mrkdwn", "text": label + escaped, "verbatim": True}


def _lines(lines: Iterable[str], limit: int) -> str:
    return "\n".join(mrkdwn(line, limit) for line in lines)
