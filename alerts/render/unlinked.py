"""Mail programs turn text into links by themselves, so what looks like an address is written in brackets."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]{0,30}):(?=//)")
_ALONE = re.compile(r"\b(javascript|vbscript|data|mailto|tel|sms|file|callto|skype):", re.IGNORECASE)
_NAME = re.compile(r"(?<![$\w.])[\w-]+(?:\.[\w-]+)+")
_LAST_LABEL = re.compile(r"\.(?=[^\W\d_]{2}[\w-]*$)")


def unlinked(text: str) -> str:
    """Schemes and host names with a bracket in them, as security people write them. Our own `$context.x` stays.

    >>> unlinked("go to https://evil.example/ack or www.evil.example from 203.0.113.9")
    'go to https[:]//evil[.]example/ack or www.evil[.]example from 203.0.113.9'
    """
    text = _ALONE.sub(r"\1[:]", _SCHEME.sub(r"\1[:]", text))
    return _NAME.sub(lambda match: _LAST_LABEL.sub("[.]", match.group()), text)
