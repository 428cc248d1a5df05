"""HTML."""

from __future__ import annotations

import html

from alerts.render.text import plain


def html_text(value: object, limit: int = 300) -> str:
    """`value` as text between tags or inside a quoted attribute; `limit` counts characters as read, not as escaped."""
    return html.escape(plain(value, limit), quote=True)
