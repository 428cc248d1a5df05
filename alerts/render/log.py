"""Log lines and terminals."""

from __future__ import annotations

import re
import unicodedata

_HARMLESS = re.compile(r"[ -~]*\Z")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(value: object) -> str:
    r"""`value` with every control, format (bidirectional, zero width) and unassigned character spelt out.

    >>> visible("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    text = "" if value is None else value if isinstance(value, str) else str(value)
    if _HARMLESS.match(text):
        return text
    return "".join(_spelt(char) if unicodedata.category(char) in _HIDDEN else char for char in text)


def log_text(value: object, limit: int = 200) -> str:
    r"""`value` as at most `limit` characters of one line, so that it can neither act nor hide. Backslashes are doubled.

    >>> log_text("a\x1b[2Jb\n\u202ec")
    'a\\x1b[2Jb\\x0a\\u202ec'
    """
    raw = "" if value is None else value if isinstance(value, str) else str(value)
    out: list[str] = []
    size = 0
    for char in raw[: limit + 1]:
        piece = "\\\\" if char == "\\" else visible(char)
        size += len(piece)
        if size > limit:
            return "".join(out)[: limit - 1] + "…"
        out.append(piece)
    return "".join(out)


def _spelt(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
