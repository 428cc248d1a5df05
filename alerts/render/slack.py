"""Slack messages.

Slack reads `&`, `<` and `>` as control characters in every text it gets: mentions and labelled links begin with `<`.
Source: Slack's documentation, "Formatting message text", escaping text, and "Text object".
"""

from __future__ import annotations

from alerts.render.text import plain
from gatewatch.records import JSON

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def mrkdwn(value: object, limit: int = 300) -> str:
    """`value` for a `mrkdwn` text; use it with `"verbatim": true`. At most `limit` UTF-16 units, after escaping."""
    return _fit(plain(value, limit), limit)


def plain_text(value: object, limit: int = 300) -> dict[str, JSON]:
    """A `plain_text` object, in which Slack looks for no formatting, links, mentions or emoji names.

    Slack refuses an empty text, so that nothing is written as a dash.
    """
    return {"type": "plain_text", "text": mrkdwn(value, limit) or "–", "emoji": False}


def _fit(text: str, limit: int) -> str:
    out: list[str] = []
    size = 0
    for char in text:
        piece = _ESCAPES.get(char, char)
        if size + _width(piece) > limit:
            while out and size > limit - 1:  # whole pieces go, so that no half of an escape stays
                size -= _width(out.pop())
            return "".join(out) + "…"
        size += _width(piece)
        out.append(piece)
    return "".join(out)


def _width(piece: str) -> int:
    return 2 if piece > "\uffff" else len(piece)
