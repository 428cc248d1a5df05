"""Pages outside of the dashboard, and where a login may lead to."""

from __future__ import annotations

from urllib.parse import urlsplit

from alerts.render.html import html_text


def document(title: str, inside: str, foot: str) -> str:
    """A page outside of the dashboard. inside: HTML; title and foot: text."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html_text(title)} · gatewatch</title>"
        '<link rel="icon" href="/assets/favicon.svg"><script src="/assets/first/theme.js"></script>'
        '<link rel="stylesheet" href="/assets/gatewatch.css"><link rel="stylesheet" href="/assets/login.css"></head>\n'
        '<body class="door"><main><p class="door-brand"><img src="/assets/favicon.svg" alt="">gatewatch</p>'
        f'<div class="card"><h1>{html_text(title)}</h1>{inside}</div>'
        + (f'<p class="door-foot">{html_text(foot)}</p>' if foot else "")
        + "</main></body></html>\n"
    )


def safe_target(text: str | None) -> str:
    """A path of our own to go on to, `/` for whatever else was asked: a login must not lead to another site."""
    if not text or len(text) > 2000 or not text.startswith("/") or text.startswith(("//", "/\\", "/login", "/logout")):
        return "/"
    if not text.isprintable() or "\\" in text:
        return "/"
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/"
    return "/" if parts.scheme or parts.netloc else text
