"""Headers of a mail."""

from __future__ import annotations

from alerts.render.text import plain


def mail_header(value: object, limit: int = 180) -> str:
    """`value` on one line and without encoded words.

    The standard library decodes `=?utf-8?q?=0D=0ABcc:...?=` in a value it is given, and then writes a real line break
    and a header of the attacker's choice.
    """
    return plain(value, limit).replace("=?", "= ?").replace("?=", "? =")
