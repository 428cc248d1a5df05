"""Secrets that programs and browsers show: made at random, kept as hashes, compared in constant time.

A token is `gw_ID_SECRET`: the id says which one it is and may be read by anybody, the secret has 256 random bits. So a
plain SHA-256 keeps it well, and no slow hash is needed.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256

_ID = "abcdefghijkmnpqrstuvwxyz23456789"
_TOKEN = re.compile(r"gw_([a-z0-9]{10})_([A-Za-z0-9_-]{43})")
_SESSION = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class NewToken:
    """text is shown once; id and secret_hash are kept."""

    id: str
    secret_hash: str
    text: str = field(repr=False)


def new_token() -> NewToken:
    token_id = "".join(secrets.choice(_ID) for _ in range(10))
    secret = secrets.token_urlsafe(32)
    return NewToken(token_id, digest(secret), f"gw_{token_id}_{secret}")


def parse_token(text: str) -> tuple[str, str] | None:
    """(id, hash of the secret), None when it has not the form of a token."""
    match = _TOKEN.fullmatch(text)
    return None if match is None else (match[1], digest(match[2]))


def new_session_secret() -> str:
    """What a session's cookie holds."""
    return secrets.token_urlsafe(32)


def session_id(secret: str) -> str | None:
    """The id under which a session is kept; None when the text is no session's secret."""
    return digest(secret) if _SESSION.fullmatch(secret) else None


def csrf_token(secret: str) -> str:
    """The token that a page of this session must send along with each change. Knowing it does not give the session."""
    return urlsafe_b64encode(hmac.digest(secret.encode(), b"gatewatch csrf", "sha256")).decode().rstrip("=")


def digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def same(one: str, other: str) -> bool:
    """Compares in a time that tells nothing about where two texts differ."""
    return hmac.compare_digest(one.encode(), other.encode())
