"""Making tokens: the secret is in what is returned, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from gatewatch.access.credentials import NewToken, new_token
from gatewatch.errors import UsageError
from gatewatch.records import JSON, iso
from gatewatch.roles import Scope, Via, Who
from gatewatch.store import audit
from gatewatch.store.state import Session
from gatewatch.store.tokens import Token, add_token, revoke_token, token_with

DAYS = 90
MOST_DAYS = 3650


def create_token(
    session: Session, who: Who, name: str, scopes: Iterable[Scope], *, days: int = DAYS, now: datetime
) -> tuple[Token, NewToken]:
    """A new token, and its text to show once. UsageError when it would have no name, scope or end."""
    name, wanted = name.strip(), frozenset(scopes)
    if not name or len(name) > 100 or not name.isprintable():
        raise UsageError("a token's name has 1 to 100 printable characters; say what it is for")
    if not wanted:
        raise UsageError("a token needs a scope: read, write, ingest or admin")
    if Scope.INGEST in wanted and len(wanted) > 1:
        raise UsageError("a token that may ingest may do nothing else: make a second one")
    if not 1 <= days <= MOST_DAYS:
        raise UsageError(f"a token lasts 1 to {MOST_DAYS} days")
    made = new_token()
    owner = who.id if who.via is Via.SESSION else None
    if who.via is Via.TOKEN:  # the account behind the token answers for what it makes, too
        maker = token_with(session, who.id)
        owner = None if maker is None else maker.owner_id
    token = add_token(
        session,
        made.id,
        made.secret_hash,
        name=name,
        scopes=wanted,
        owner_id=owner,
        created_by=who.name,
        now=now,
        expires_at=now + timedelta(days=days),
    )
    detail: dict[str, JSON] = {"name": name, "scopes": " ".join(sorted(wanted)), "expires_at": iso(token.expires_at)}
    audit.note(session, who, "token.create", made.id, now=now, detail=detail)
    return token, made


def revoke(session: Session, who: Who, token_id: str, *, now: datetime) -> Token | None:
    """Refuse a token from now on; None when there is none with this id."""
    token = token_with(session, token_id)
    if token is not None and token.revoked_at is None:
        revoke_token(session, token_id, now=now)
        audit.note(session, who, "token.revoke", token_id, now=now, detail={"name": token.name})
    return token


def to_json(token: Token, now: datetime) -> dict[str, JSON]:
    state = "revoked" if token.revoked_at else "expired" if now >= token.expires_at else "active"
    return {
        "id": token.id,
        "name": token.name,
        "scopes": [scope.value for scope in sorted(token.scopes)],
        "state": state,
        "created_by": token.created_by,
        "created_at": iso(token.created_at),
        "expires_at": iso(token.expires_at),
        "last_used_at": iso(token.last_used_at) if token.last_used_at else None,
        "revoked_at": iso(token.revoked_at) if token.revoked_at else None,
    }
