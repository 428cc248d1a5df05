"""JSON that somebody may look at in a terminal."""

from __future__ import annotations

import json

import orjson

from gatewatch.records import JSON


def json_text(value: JSON, *, pretty: bool = False) -> str:
    """JSON in pure printable ASCII: whatever an attacker put into a log, a terminal that shows it stays harmless.

    >>> json_text({"path": "\\u202e\\x9b2J"})
    '{"path":"\\\\u202e\\\\u009b2J"}'
    """
    try:
        raw = orjson.dumps(value, option=orjson.OPT_INDENT_2 if pretty else 0)
        if raw.isascii() and b"\x7f" not in raw:
            return raw.decode()
    except TypeError:  # half a character, or a number beyond 64 bits
        pass
    text = json.dumps(value, indent=2 if pretty else None, separators=None if pretty else (",", ":"))
    return text.replace("\x7f", "\\u007f")
