"""Sessions of people who logged in. The cookie holds the secret; here stands only its hash."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from gatewatch.store.access_models import LoginAttemptRow, SessionRow, UserRow
from gatewatch.store.users import User, user_with

TOUCH_EVERY = timedelta(minutes=1)
"""How exact seen_at is: a write for every request would be one too many."""

ATTEMPT_LASTS = timedelta(minutes=10)

_MOST_AGENT = 300


@dataclass(frozen=True, slots=True)
class LoginSession:
    id: str
    user_id: str
    user_name: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login at an identity provider that has begun. target: where the person wanted to go."""

    state: str
    nonce: str
    verifier: str
    target: str


def start_session(
    session: Session, user_id: str, session_id: str, *, now: datetime, lasts: timedelta, address: str, agent: str
) -> None:
    """A session of an account; those that ended by themselves are swept on the way."""
    session.execute(delete(SessionRow).where(SessionRow.expires_at < now))
    session.add(
        SessionRow(
            id=session_id,
            user_id=user_id,
            created_at=now,
            seen_at=now,
            expires_at=now + lasts,
            address=address,
            agent=agent[:_MOST_AGENT],
        )
    )
    session.flush()


def live_session(
    session: Session, session_id: str, *, now: datetime, idle: timedelta
) -> tuple[LoginSession, User] | None:
    """The session and its account; None when it ended, was idle for too long, or the account is disabled."""
    row = session.get(SessionRow, session_id)
    if row is None or now >= row.expires_at or now - row.seen_at >= idle:
        return None
    user = user_with(session, row.user_id)
    if user is None or not user.active:
        return None
    return _session(row, user.name), user


def touch(session: Session, session_id: str, *, now: datetime) -> None:
    session.execute(update(SessionRow).where(SessionRow.id == session_id).values(seen_at=now))


def end_session(session: Session, session_id: str) -> bool:
    """False when there was none."""
    return (
        session.execute(delete(SessionRow).where(SessionRow.id == session_id).returning(SessionRow.id)).first()
        is not None
    )


def sessions(session: Session, *, now: datetime, idle: timedelta, user_id: str | None = None) -> list[LoginSession]:
    """Sessions that go on, newest first; of one account, or of all."""
    question = (
        select(SessionRow, UserRow.name)
        .join(UserRow, UserRow.id == SessionRow.user_id)
        .where(SessionRow.expires_at > now, SessionRow.seen_at > now - idle)
        .order_by(SessionRow.created_at.desc(), SessionRow.id)
    )
    if user_id is not None:
        question = question.where(SessionRow.user_id == user_id)
    return [_session(row, name) for row, name in session.execute(question)]


def begin_attempt(session: Session, attempt_id: str, attempt: Attempt, *, now: datetime) -> None:
    session.execute(delete(LoginAttemptRow).where(LoginAttemptRow.created_at < now - ATTEMPT_LASTS))
    session.add(
        LoginAttemptRow(
            id=attempt_id,
            state=attempt.state,
            nonce=attempt.nonce,
            verifier=attempt.verifier,
            target=attempt.target,
            created_at=now,
        )
    )
    session.flush()


def take_attempt(session: Session, attempt_id: str, *, now: datetime) -> Attempt | None:
    """The attempt, once: whoever asks again gets None."""
    row = session.execute(
        delete(LoginAttemptRow)
        .where(LoginAttemptRow.id == attempt_id)
        .returning(
            LoginAttemptRow.state,
            LoginAttemptRow.nonce,
            LoginAttemptRow.verifier,
            LoginAttemptRow.target,
            LoginAttemptRow.created_at,
        )
    ).first()
    if row is None or now - row.created_at > ATTEMPT_LASTS:
        return None
    return Attempt(row.state, row.nonce, row.verifier, row.target)


def _session(row: SessionRow, name: str) -> LoginSession:
    return LoginSession(row.id, row.user_id, name, row.created_at, row.seen_at, row.expires_at, row.address, row.agent)
