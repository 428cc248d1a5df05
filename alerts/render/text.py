"""Plain text: one line, bounded, with nothing hidden in it."""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co"})
"""Controls, format characters (bidi, zero width, tags), lone surrogates, private use."""

_SPACES = frozenset({"Zs", "Zl", "Zp"})
_MOST_MARKS = 4
"""Combining marks kept on one letter; more of them only pile up over the neighbouring lines."""


def plain(value: object, limit: int = 300) -> str:
    """`value` as one line of at most `limit` characters; None is ''.

    Line breaks and runs of spaces become one space, every hidden character a visible U+FFFD, so that nothing can hide
    and nothing can be put together by leaving something out. What is cut off is marked with an ellipsis.
    """
    raw = "" if value is None else value if isinstance(value, str) else str(value)
    head = raw[: 2 * limit + 1]
    out: list[str] = []
    marks = 0
    for char in head:
        if " " <= char <= "~":
            marks = 0
            if char != " " or (out and out[-1] != " "):
                out.append(char)
            continue
        category = unicodedata.category(char)
        if category in _SPACES or char in "\t\n\r\v\f\x85":
            if out and out[-1] != " ":
                out.append(" ")
        elif category in _HIDDEN:
            out.append("\ufffd")
        elif category in ("Mn", "Me"):
            marks += 1
            if marks <= _MOST_MARKS:
                out.append(char)
            continue
        else:
            out.append(char)
        marks = 0
    text = "".join(out).rstrip(" ")
    if len(text) > limit:
        return text[: limit - 1].rstrip(" ") + "…"
    if len(raw) > len(head):
        return text[: limit - 1] + "…"
    return text
