"""Addresses that may stand in a link."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_HARMLESS = re.compile(r"https?://[A-Za-z0-9\-._~:/?#\[\]@!$&()*+,;=%]+")


def safe_link(value: object) -> str:
    """`value` when it is an http(s) address with a host and nothing that could end the link around it, else ''."""
    if not isinstance(value, str) or len(value) > 2000 or not _HARMLESS.fullmatch(value):
        return ""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return ""
    return value if host and parts.username is None else ""
