"""API tokens: programs show one instead of logging in. Only a hash of the secret part is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from gatewatch.roles import Role, Scope, role_of
from gatewatch.store.access_models import TokenRow, UserRow

TOUCH_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its secret. created_by: a name for people to read.

    owner_role: what its owner may do now, and so the most that it may; None without an owner, or when not asked for.
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    owner_id: str | None
    created_by: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    owner_role: Role | None = None

    @property
    def role(self) -> Role | None:
        """What it may do: as its scopes say, and never more than its owner."""
        own = role_of(self.scopes)
        if own is None or self.owner_role is None:
            return own
        return min(own, self.owner_role, key=lambda role: role.rank)

    def usable(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at


def add_token(
    session: Session,
    token_id: str,
    secret_hash: str,
    *,
    name: str,
    scopes: Iterable[Scope],
    owner_id: str | None,
    created_by: str,
    now: datetime,
    expires_at: datetime,
) -> Token:
    row = TokenRow(
        id=token_id,
        name=name,
        secret_hash=secret_hash,
        scopes=" ".join(sorted(scopes)),
        owner_id=owner_id,
        created_by=created_by,
        created_at=now,
        expires_at=expires_at,
        last_used_at=None,
        revoked_at=None,
    )
    session.add(row)
    session.flush()
    return _token(row)


def known_token(session: Session, token_id: str) -> tuple[Token, str] | None:
    """The token and the hash of its secret; None when there is none, or the account that made it is disabled."""
    row = session.get(TokenRow, token_id)
    if row is None:
        return None
    if row.owner_id is None:
        return _token(row), row.secret_hash
    owner = session.get(UserRow, row.owner_id)
    if owner is None or owner.disabled_at is not None:
        return None
    return replace(_token(row), owner_role=Role(owner.role)), row.secret_hash


def tokens(session: Session) -> list[Token]:
    """All tokens, newest first; revoked and expired ones, too."""
    return [_token(row) for row in session.scalars(select(TokenRow).order_by(TokenRow.created_at.desc(), TokenRow.id))]


def token_with(session: Session, token_id: str) -> Token | None:
    row = session.get(TokenRow, token_id)
    return None if row is None else _token(row)


def revoke_token(session: Session, token_id: str, *, now: datetime) -> None:
    """Refused from now on. A token that was revoked before keeps its date."""
    session.execute(
        update(TokenRow).where(TokenRow.id == token_id, TokenRow.revoked_at.is_(None)).values(revoked_at=now)
    )


def token_used(session: Session, token_id: str, *, now: datetime) -> None:
    session.execute(update(TokenRow).where(TokenRow.id == token_id).values(last_used_at=now))


def _token(row: TokenRow) -> Token:
    return Token(
        row.id,
        row.name,
        frozenset(Scope(word) for word in row.scopes.split()),
        row.owner_id,
        row.created_by,
        row.created_at,
        row.expires_at,
        row.last_used_at,
        row.revoked_at,
    )
