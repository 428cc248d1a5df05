"""Credential-looking values are taken out before text leaves the house.

Ingest already replaces them by a keyed hash; this is the second net, for what came in some other way.
"""

from __future__ import annotations

import re

from gatewatch.records import JSON

MARK = "[redacted]"

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"), MARK),  # JSON web token
    # A digit is asked for, so that "basic authentication" stays a word.
    (re.compile(r"\b(bearer|basic)\s+(?=[\w.~+/=-]*\d)[\w.~+/=-]{8,}", re.IGNORECASE), rf"\1 {MARK}"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), MARK),
    (re.compile(r"\b(?:xox[a-z]-|gh[a-z]_|gw_)[\w-]{8,}"), MARK),
    (
        re.compile(
            r"([?&;](?:access_token|refresh_token|id_token|token|api[_-]?key|key|client_secret|secret|password|passwd|"
            r"pwd|signature|sig|code|session|sessionid|jwt|auth|x-amz-signature|x-amz-security-token|x-amz-credential)="
            r")[^&\s#;]+",
            re.IGNORECASE,
        ),
        rf"\1{MARK}",
    ),
    (re.compile(r"(://)[^\s/@]+@"), rf"\1{MARK}@"),  # user:password in an address
)


def redacted(text: str) -> str:
    """`text` (bounded by the caller) without tokens, keys, signatures and passwords.

    >>> redacted("GET /a?token=hunter2&page=3")
    'GET /a?token=[redacted]&page=3'
    """
    for pattern, by in _RULES:
        text = pattern.sub(by, text)
    return text


def redacted_json(value: JSON, limit: int) -> JSON:
    """`value` with every text in it redacted; as at most `limit` characters of text when it is longer than that."""
    if isinstance(value, str):
        return redacted(value[: limit + 1000])[:limit]
    if isinstance(value, list):
        return [redacted_json(one, limit) for one in value]
    if isinstance(value, dict):
        return {key: redacted_json(one, limit) for key, one in value.items()}
    return value
