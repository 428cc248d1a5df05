"""Log lines and terminals."""

from __future__ import annotations

import unicodedata


def log_text(value: object, limit: int = 200) -> str:
    r"""`value` on one line with hidden characters written out, so that it can neither act nor hide.

    >>> log_text("a\x1b[2Jb\n\u202ec")
    'a\\x1b[2Jb\\x0a\\u202ec'
    """
    raw = "" if value is None else value if isinstance(value, str) else str(value)
    out: list[str] = []
    size = 0
    for char in raw[: limit + 1]:
        piece = char if " " <= char <= "~" and char != "\\" else _visible(char)
        size += len(piece)
        if size > limit:
            return "".join(out)[: limit - 1] + "…"
        out.append(piece)
    return "".join(out)


def _visible(char: str) -> str:
    if char == "\\":
        return "\\\\"
    if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
