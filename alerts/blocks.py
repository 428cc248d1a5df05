"""Slack's Block Kit: the message of an incoming webhook, and those of a bot.

Limits (Slack's documentation, "Blocks" and "Block elements"): 50 blocks, header 150 characters, section text 3,000, 10
fields of 2,000, 10 context elements, 25 elements of actions, a button's text 75, its value 2,000. Attacker text stands
in `plain_text`, or escaped in `verbatim` text beside a label of ours.
"""

from __future__ import annotations

from collections.abc import Iterable

from alerts.message import CHANGED, Message
from alerts.render.slack import mrkdwn, plain_text
from gatewatch.records import JSON

HEADER = 150
SECTION = 2900
FIELD = 600

_MARKS = {"critical": "🔴", "high": "🟠", "medium": "🟡", "low": "🔵", "info": "⚪"}

ACKNOWLEDGE = "gatewatch.acknowledge"
SNOOZE = "gatewatch.snooze"
"""The `action_id`s of the buttons."""


def slack_message(message: Message) -> dict[str, JSON]:
    """The body to post to an incoming webhook: everything in one message."""
    blocks = [*_head(message), *_details(message), _foot(message)]
    return {"text": _short(message), "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def bot_message(message: Message, *, buttons: bool) -> dict[str, JSON]:
    """Text and blocks of the message that stands in the channel; details go into its thread.

    buttons: acknowledge and snooze, as long as somebody may still want to.
    """
    blocks = _head(message)
    asked = buttons and not message.over and message.state not in ("acknowledged", "snoozed", "suppressed")
    if asked and message.finding_ids:
        blocks.append(_buttons(message))
    return {"text": _short(message), "blocks": [*blocks, _foot(message)]}


def thread_message(message: Message) -> dict[str, JSON]:
    """Text and blocks of the details."""
    return {"text": mrkdwn(f"Details: {message.title}", 300), "blocks": _details(message) or [_foot(message)]}


def note_message(message: Message) -> dict[str, JSON]:
    """One line for the thread: what is new."""
    mark = "✅" if message.over else _MARKS[message.severity]
    return {"text": mrkdwn(f"{mark} {message.news}: {message.title}. {message.sentence}", SECTION)}


def _short(message: Message) -> str:
    return mrkdwn(f"{_mark(message)} {message.headline}. {message.sentence}", SECTION)


def _mark(message: Message) -> str:
    return "✅" if message.over else _MARKS[message.severity]


def _head(message: Message) -> list[JSON]:
    return [
        {"type": "header", "text": plain_text(f"{_mark(message)} {message.headline}", HEADER)},
        {"type": "section", "text": plain_text(message.sentence or message.title, SECTION)},
        {
            "type": "section",
            "fields": [_verbatim(f"*{label}*\n", mrkdwn(value, FIELD) or "–") for label, value in message.facts[:10]],
        },
    ]


def _details(message: Message) -> list[JSON]:
    blocks: list[JSON] = []
    if message.findings:
        lines = [one.line for one in message.findings]
        rest = message.count - len(lines)
        more = [f"and {rest:,} more"] if rest > 0 else []
        blocks.append({"type": "section", "text": _verbatim("*Findings*\n", _lines([*lines, *more], 250))})
    if message.who:
        blocks.append({"type": "section", "text": _verbatim("*Who*\n", _lines(message.who_lines, 550))})
    if message.changes:
        changes = _lines([f"{at}: {what}" for at, what in message.changes], 600)
        blocks.append({"type": "section", "text": _verbatim(f"*{CHANGED}*\n", changes)})
    if message.remedy:
        blocks.append({"type": "section", "text": _verbatim("*What to do*\n", mrkdwn(message.remedy, 1500))})
    if message.caveat:
        blocks.append({"type": "context", "elements": [plain_text(f"Note: {message.caveat}", 1000)]})
    return blocks


def _foot(message: Message) -> JSON:
    footer: list[JSON] = []
    if message.link:
        footer.append(_verbatim("", f"<{message.link.replace('&', '&amp;')}|{message.call}>"))
    footer.append(plain_text(f"{message.news} · code {message.code or '–'} · a repeat carries the same code", 200))
    return {"type": "context", "elements": footer}


def _buttons(message: Message) -> JSON:
    value = " ".join(message.finding_ids)[:2000]

    def button(text: str, action: str, **more: JSON) -> JSON:
        return {
            "type": "button",
            "text": {"type": "plain_text", "text": text},
            "action_id": action,
            "value": value,
            **more,
        }

    return {
        "type": "actions",
        "block_id": "gatewatch",
        "elements": [button("Acknowledge", ACKNOWLEDGE, style="primary"), button("Snooze 4 h", SNOOZE)],
    }


def _verbatim(label: str, escaped: str) -> dict[str, JSON]:
    return {"type": "mrkdwn", "text": label + escaped, "verbatim": True}


def _lines(lines: Iterable[str], limit: int) -> str:
    return "\n".join(mrkdwn(line, limit) for line in lines)
