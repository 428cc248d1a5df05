"""Adaptive Cards, as Microsoft Teams shows them."""

from __future__ import annotations

from alerts.render.text import plain


def card_text(value: object, limit: int = 300) -> str:
    """`value` for a TextRun, in which no Markdown is read; `{{DATE(…)}}` would still be, so its braces are parted."""
    return plain(value, limit).replace("{{", "{ {").replace("}}", "} }")
