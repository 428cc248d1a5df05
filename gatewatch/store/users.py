"""Accounts: local ones with a password, and those that an identity provider vouches for."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from gatewatch.errors import UsageError
from gatewatch.roles import Role
from gatewatch.store.access_models import SessionRow, UserRow
from gatewatch.store.models import key_of

_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
_MOST_NAME = 200


@dataclass(frozen=True, slots=True)
class User:
    """An account. issuer: who vouches for it, None for a local one with a password."""

    id: str
    name: str
    role: Role
    issuer: str | None
    created_at: datetime
    disabled_at: datetime | None
    last_login_at: datetime | None

    @property
    def active(self) -> bool:
        return self.disabled_at is None


def user_name(text: str) -> str:
    """A login name in its one spelling. UsageError when it is none."""
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise UsageError("a user's name has 1 to 64 letters, digits and . _ @ + - and begins with a letter or digit")
    return name


def add_user(session: Session, name: str, role: Role, password_hash: str, *, now: datetime) -> User:
    """A new local account. UsageError when the name is taken."""
    name = user_name(name)
    if session.scalar(select(UserRow.id).where(UserRow.name == name)) is not None:
        raise UsageError(f"there is already a user {name!r}")
    row = UserRow(
        id=secrets.token_hex(8), name=name, role=role.value, password_hash=password_hash, created_at=now, issuer=None
    )
    session.add(row)
    session.flush()
    return _user(row)


def vouched_user(session: Session, issuer: str, subject: str, name: str, role: Role, *, now: datetime) -> User:
    """The account of (issuer, subject), made or brought up to date; its name is only shown, never matched."""
    identity = key_of("oidc", issuer, subject)
    row = session.get(UserRow, identity)
    shown = name.strip()[:_MOST_NAME] or subject[:_MOST_NAME]
    taken = session.scalar(select(UserRow.id).where(UserRow.name == shown, UserRow.id != identity))
    if taken is not None:
        shown = f"{shown} ({identity[:8]})"
    if row is None:
        row = UserRow(id=identity, issuer=issuer, subject=subject, created_at=now)
        session.add(row)
    elif row.role != role.value:
        end_sessions(session, identity)  # nobody goes on with rights that the provider took away
    row.name, row.role = shown, role.value
    session.flush()
    return _user(row)


def users(session: Session) -> list[User]:
    """All accounts, by name."""
    return [_user(row) for row in session.scalars(select(UserRow).order_by(UserRow.name))]


def user_named(session: Session, name: str) -> User | None:
    row = session.scalar(select(UserRow).where(UserRow.name == name))
    return None if row is None else _user(row)


def user_with(session: Session, user_id: str) -> User | None:
    row = session.get(UserRow, user_id)
    return None if row is None else _user(row)


def password_of(session: Session, name: str) -> tuple[User, str] | None:
    """The local account of this name and the hash of its password."""
    row = session.scalar(select(UserRow).where(UserRow.name == name, UserRow.password_hash.is_not(None)))
    return None if row is None or row.password_hash is None else (_user(row), row.password_hash)


def anybody(session: Session) -> bool:
    """Whether there is an account at all, so that a login is asked for. Disabled ones count: shut stays shut."""
    return session.scalar(select(UserRow.id).limit(1)) is not None


def set_password(session: Session, user_id: str, password_hash: str, *, keep: str | None = None) -> None:
    """A new password; every session of the account ends, but for the one with the id `keep`."""
    session.execute(update(UserRow).where(UserRow.id == user_id).values(password_hash=password_hash))
    end_sessions(session, user_id, keep=keep)


def rehashed(session: Session, user_id: str, password_hash: str) -> None:
    """The same password, hashed with newer parameters."""
    session.execute(update(UserRow).where(UserRow.id == user_id).values(password_hash=password_hash))


def set_role(session: Session, user_id: str, role: Role) -> None:
    """Another role; every session of the account ends. UsageError for the last admin."""
    row = session.get_one(UserRow, user_id)
    if role is not Role.ADMIN:
        _not_the_last_admin(session, row)
    row.role = role.value
    end_sessions(session, user_id)


def set_disabled(session: Session, user_id: str, disabled: bool, *, now: datetime) -> None:
    """Close the account (and end its sessions at once) or open it again. UsageError for the last admin."""
    row = session.get_one(UserRow, user_id)
    if disabled:
        _not_the_last_admin(session, row)
        end_sessions(session, user_id)
    row.disabled_at = now if disabled else None


def logged_in(session: Session, user_id: str, *, now: datetime) -> None:
    session.execute(update(UserRow).where(UserRow.id == user_id).values(last_login_at=now))


def end_sessions(session: Session, user_id: str, *, keep: str | None = None) -> int:
    """End the sessions of an account; how many."""
    ended = session.execute(
        delete(SessionRow).where(SessionRow.user_id == user_id, SessionRow.id != (keep or "")).returning(SessionRow.id)
    )
    return len(ended.all())


def _not_the_last_admin(session: Session, row: UserRow) -> None:
    if row.role != Role.ADMIN.value or row.disabled_at is not None:
        return
    others = session.scalar(
        select(func.count())
        .select_from(UserRow)
        .where(UserRow.role == Role.ADMIN.value, UserRow.disabled_at.is_(None), UserRow.id != row.id)
    )
    if not others:
        raise UsageError(f"{row.name!r} is the last admin; make another one first")


def _user(row: UserRow) -> User:
    return User(row.id, row.name, Role(row.role), row.issuer, row.created_at, row.disabled_at, row.last_login_at)
