"""The tables of people: accounts, sessions, tokens and the audit log. No secret stands in them, only hashes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from gatewatch.records import JSON
from gatewatch.store.base import Base, BigId
from gatewatch.store.columns import Json


class UserRow(Base):
    """An account. password_hash: Argon2id, None for those who log in elsewhere; then issuer and subject are set."""

    __tablename__ = "user_account"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    password_hash: Mapped[str | None]
    issuer: Mapped[str | None]
    subject: Mapped[str | None]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    last_login_at: Mapped[datetime | None]


class SessionRow(Base):
    """A login that goes on. id: SHA-256 of what the cookie holds. seen_at: about when it was last used."""

    __tablename__ = "user_session"
    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"))
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    address: Mapped[str]
    agent: Mapped[str]
    __table_args__ = (Index(None, "user_id"), Index(None, "expires_at"))


class LoginAttemptRow(Base):
    """A login elsewhere that has begun. id: SHA-256 of what the cookie holds; it is used once."""

    __tablename__ = "login_attempt"
    id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    nonce: Mapped[str]
    verifier: Mapped[str]
    target: Mapped[str]
    created_at: Mapped[datetime]


class TokenRow(Base):
    """An API token. secret_hash: SHA-256 of its secret part. scopes: sorted, with a space between."""

    __tablename__ = "api_token"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    secret_hash: Mapped[str]
    scopes: Mapped[str]
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("user_account.id"))
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    __table_args__ = (Index(None, "owner_id"),)


class GuessRow(Base):
    """Tries at a password, of an address or at a name. key: hash of both. until_at: none is looked at before."""

    __tablename__ = "guess"
    key: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int]
    began_at: Mapped[datetime]
    last_at: Mapped[datetime]
    until_at: Mapped[datetime | None]
    __table_args__ = (Index(None, "last_at"),)


class AuditRow(Base):
    """Who did what. The database refuses to change or delete a row."""

    __tablename__ = "audit_event"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    actor_id: Mapped[str]
    via: Mapped[str]
    address: Mapped[str]
    action: Mapped[str]
    target: Mapped[str]
    outcome: Mapped[str]
    detail: Mapped[JSON] = mapped_column(Json())
    __table_args__ = (Index(None, "at"), Index(None, "actor"), Index(None, "action"))
