"""Who may come in, as the Settings page shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from gatewatch.access.login import idle_after
from gatewatch.roles import Role, Via, Who
from gatewatch.store.audit import AuditEvent, audit_events, count_events
from gatewatch.store.sessions import LoginSession, sessions
from gatewatch.store.state import State
from gatewatch.store.tokens import Token, tokens
from gatewatch.store.users import User, user_with, users

AUDIT_LINES = 50


@dataclass(frozen=True, slots=True)
class People:
    """What `who` may see: their own sessions; for an admin all sessions, accounts, tokens and the audit log, too."""

    who: Who
    now: datetime
    account: User | None
    sessions: list[LoginSession]
    users: list[User] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    audit: list[AuditEvent] = field(default_factory=list)
    every_audit: int = 0

    @property
    def admin(self) -> bool:
        return self.who.via is not Via.NOBODY and self.who.may(Role.ADMIN)


def people(state: State, who: Who, now: datetime) -> People:
    """Read what `who` may see, and nothing else."""
    admin = who.may(Role.ADMIN)
    with state.read() as session:
        return People(
            who=who,
            now=now,
            account=user_with(session, who.id) if who.via is Via.SESSION else None,
            sessions=sessions(session, now=now, idle=idle_after(state.settings), user_id=None if admin else who.id),
            users=users(session) if admin else [],
            tokens=tokens(session) if admin else [],
            audit=audit_events(session, limit=AUDIT_LINES) if admin else [],
            every_audit=count_events(session) if admin else 0,
        )
