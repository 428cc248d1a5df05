"""Passwords: which are good enough, and how they are kept (Argon2id)."""

from __future__ import annotations

import re
import threading
import unicodedata
from itertools import pairwise
from pathlib import Path

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from gatewatch.access.breached import breached
from gatewatch.errors import UsageError

SHORTEST = 15
LONGEST = 256

# RFC 9106, second recommended option: 3 passes over 64 MiB.
_HASHER = PasswordHasher(time_cost=3, memory_cost=64 << 10, parallelism=4, type=Type.ID)

_AT_ONCE = threading.BoundedSemaphore(2)
"""Hashes computed at the same time: each takes 64 MiB, and anybody may try to log in."""

_COMMON = (
    "password passwort passwd passphrase letmein welcome admin administrator gatewatch login default changeme secret "
    "qwerty qwertz azerty asdfgh zxcvbn iloveyou monkey dragon master football baseball superman batman sunshine "
    "princess shadow trustno starwars whatever abc abcd abcde abcdef abcdefg abcdefgh abcdefghi abcdefghij "
    "abcdefghijklmnop abcdefghijklmnopqrstuvwxyz qwertyuiop qwertzuiop asdfghjkl zxcvbnm yxcvbnm test testing user "
    "guest root hello summer winter spring autumn company correcthorsebatterystaple please enter access"
).split()
"""What people type when a rule asks for length. A password made of nothing but these is none."""

_WORDS = re.compile("|".join(sorted(_COMMON, key=len, reverse=True)))
_SEEMS = str.maketrans("@013457$!", "aoieastsi")


def hashed(password: str) -> str:
    """The hash to keep, its salt and parameters in it."""
    with _AT_ONCE:
        return _HASHER.hash(_normal(password))


def matches(password: str, kept: str | None) -> bool:
    """Whether it is the password of a hash. kept None: no such account; takes as long, and is False."""
    with _AT_ONCE:
        try:
            right = _HASHER.verify(kept or _nobody(), _normal(password)[:LONGEST])
            return right and kept is not None and len(_normal(password)) <= LONGEST
        except (VerificationError, InvalidHashError):
            return False


def outdated(kept: str) -> bool:
    """Whether it was hashed with other parameters than today's."""
    return _HASHER.check_needs_rehash(kept)


def check(password: str, name: str, lost: Path | None = None) -> None:
    """UsageError unless the password is good enough for the account `name`. Length counts, not kinds of characters.

    lost: file of passwords that others have lost, see gatewatch.access.breached.
    """
    normal = _normal(password)
    if len(normal) < SHORTEST:
        raise UsageError(f"a password has at least {SHORTEST} characters; a few words are easy to keep in mind")
    if len(normal) > LONGEST:
        raise UsageError(f"a password has at most {LONGEST} characters")
    if any(unicodedata.category(char) == "Cc" for char in normal):
        raise UsageError("a password has no control characters")
    if _guessable(normal, name):
        raise UsageError("this password is easy to guess; take a few words that do not belong together")
    if lost is not None and breached(lost, password):
        raise UsageError("this password is in the list of stolen ones; take another")


def _guessable(password: str, name: str) -> bool:
    lower = password.lower()
    if len(set(lower)) < 6 or re.fullmatch(r"(.{1,8}?)\1+.{0,7}", lower):  # few letters, or a part repeated
        return True
    if len(name) >= 4:
        lower = lower.replace(name.lower(), "")
    # What is left when common words, digits and signs are gone; once more with look-alike digits read as letters.
    left = min(
        (re.sub(r"[\W\d_]", "", _WORDS.sub("", text)) for text in (lower, lower.translate(_SEEMS))),
        key=len,
    )
    return len(left) < 5 and not _many_digits(lower)


def _many_digits(text: str) -> bool:
    """A long random number is a fine password; a date, a row or a telephone number's length is not."""
    digits = re.sub(r"\D", "", text)
    steps = {(int(b) - int(a)) % 10 for a, b in pairwise(digits)}
    return len(digits) >= 18 and len(steps) >= 6


def _normal(password: str) -> str:
    """The same text, however a keyboard puts its accents together."""
    return unicodedata.normalize("NFKC", password)


_known: list[str] = []


def _nobody() -> str:
    """A hash that no password belongs to, made when first needed."""
    if not _known:
        _known.append(_HASHER.hash("nobody has this password"))
    return _known[0]
