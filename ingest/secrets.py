"""What must never reach the lake, and the keyed hash that stands in its place: in SQL for blocks, in Python for a line.

A secret becomes `redacted:` (an API key `key#`) and 12 hexadecimal digits of SHA-256 over the installation's key and
the secret: the same secret gives the same text, so abuse of one token can still be counted, and nobody can go back.
Replaced are the values of sensitive query parameters (names in any case, percent-encoded too), JSON web tokens, bearer
tokens and AWS access key ids, wherever they stand in a text.
"""

from __future__ import annotations

import re
from hashlib import sha256

_DIGITS = 12
REDACTED = rf"redacted:[0-9a-f]{{{_DIGITS}}}"
"""What stands in a secret's place. It stays when a text comes here again (a rejected line that is read later)."""

# A parameter is sensitive when its name ends in one of these (`id_token`, `X-Amz-Security-Token`, `clientSecret`) …
_ENDINGS = "token|secret|passw(?:or)?d|signature|credentials?|api[-_]?key|accesskeyid|jwt|session(?:[-_]?id)?"
# … or is one of these.
_NAMES = "key|pwd|pass|sig|code|auth|authorization|sid|otp|assertion|samlresponse"
# In a URL within a URL the signs are percent-encoded, perhaps more than once: `?next=%2Flogin%3Ftoken%3D…`.
_ENCODED = "%(?:25)*"
# A letter, digit, - or _ that is percent-encoded in a name: nobody does so but to slip past a filter.
_HIDDEN = f"{_ENCODED}(?:2d|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f)"
# White space is spelled out, since RE2 and Python mean different characters by their class of it.
_SPACE = r" \t\n\v\f\r"
_NAME = rf"[^=&;#?{_SPACE}]*?"
_BEFORE = (
    rf"(?i:(?:[?&;#]|{_ENCODED}(?:3f|26|3b|23))(?:{_NAME}(?:{_ENDINGS}|{_HIDDEN}{_NAME})|{_NAMES})"
    rf"(?:(?:\[|{_ENCODED}5b){_NAME})?(?:=|{_ENCODED}3d))"
)
"""A sensitive name with what separates it from the parameter before, and the sign behind it."""

PARAMETER = rf"{_BEFORE}[^&#{_SPACE}\"']+"
"""A sensitive parameter: RE2 and Python read it alike. The value of an encoded one goes on to the end of the text that
holds it."""

BEARER = (
    r"eyJ[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]*){0,4}"
    r"|(?i:bearer)(?: |%20|\+)+[A-Za-z0-9._~+/=-]{16,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}"
)
"""A credential by its looks. 16 characters, so that words such as `Bearer authentication` are left alone."""

SECRET = f"{PARAMETER}|{BEARER}"
_SECRET = re.compile(SECRET)
_REDACTED = re.compile(REDACTED)
_WORD = len("redacted:")
_NAMED = re.compile(_BEFORE)


def hashed(value: str, key: str) -> str:
    """The keyed hash of a secret, without the word in front of it."""
    return sha256(f"{key}:{value}".encode()).hexdigest()[:_DIGITS]


def hashed_sql(value: str, key: str) -> str:
    """`hashed` as an expression; value: an expression of type VARCHAR, not NULL."""
    return f"left(sha256({_text(key + ':')} || {value}), {_DIGITS})"


def key_id(value: str, key: str) -> str:
    """What an API key is called when only its value was logged."""
    return f"key#{_in_place_of(value, key)[_WORD:]}"


def key_id_sql(value: str, key: str) -> str:
    """`key_id` as an expression; NULL stays NULL."""
    again = f"regexp_full_match({value}, '{REDACTED}')"
    return f"'key#' || CASE WHEN {again} THEN substr({value}, {_WORD + 1}) ELSE {hashed_sql(value, key)} END"


def _in_place_of(secret: str, key: str) -> str:
    return secret if _REDACTED.fullmatch(secret) else f"redacted:{hashed(secret, key)}"


def redacted(text: str, key: str) -> str:
    """The text with every secret in it replaced."""

    def replaced(found: re.Match[str]) -> str:
        secret = found.group()
        named = _NAMED.match(secret)
        kept = named.end() if named is not None else 0
        return f"{secret[:kept]}{_in_place_of(secret[kept:], key)}"

    return _SECRET.sub(replaced, text)


_QUOTED = re.compile(rf"""(?ix)("(?:[\w.\-]*(?:{_ENDINGS})|{_NAMES})"\s*:\s*")((?:[^"\\]|\\.)+)""")


def redacted_line(line: str, key: str) -> str:
    """A whole log line, read or not, with the secrets in it replaced, also where a JSON key names one."""

    def replaced(found: re.Match[str]) -> str:
        value = found.group(2)
        return found.group() if value == "-" else f"{found.group(1)}{_in_place_of(value, key)}"

    return redacted(_QUOTED.sub(replaced, line), key)


def clean_sql(text: str) -> str:
    """True for nearly every text without a secret, for none with one: rare pairs of letters are cheap to find."""
    rare = " AND ".join(f"NOT contains({text}, '{word}')" for word in ("yJ", "IA", "=", "%"))
    return f"{rare} AND NOT contains(lower({text}), 'earer')"


def suspicious_sql(text: str) -> str:
    """For texts that are not clean: whether a secret is really in them."""
    return f"regexp_matches({text}, {_text(SECRET)})"


def redacted_sql(text: str, key: str) -> str:
    """`redacted` as an expression; text: of type VARCHAR, NULL stays NULL. Slow: only for rows that are suspicious.

    regexp_replace cannot call a function, so the text is cut into what matches, z[2], and what stands before it, z[1].
    """
    secret = _text(SECRET)
    kept = f"regexp_extract(z[2], {_text(f'^{_BEFORE}')})"
    value = f"substr(z[2], length({kept}) + 1)"
    replacement = (
        f"CASE WHEN z[2] IS NULL THEN '' WHEN regexp_full_match({value}, '{REDACTED}') THEN z[2] "
        f"ELSE {kept} || 'redacted:' || {hashed_sql(value, key)} END"
    )
    return (
        f"array_to_string(list_transform(list_zip(string_split_regex({text}, {secret}), "
        f"regexp_extract_all({text}, {secret})), lambda z: z[1] || {replacement}), '')"
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
