"""Guesses of passwords, counted in the store: every web process knows them, and a restart forgets none.

A try is counted before it is looked at, so that nobody slips through by trying many times at once; one that was right
is taken back. What is kept of an address is a hash.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from gatewatch.store.access_models import GuessRow
from gatewatch.store.models import key_of

FREE = 5
"""Tries of one address, or of one account for its old password, before the waits begin."""

FIRST = timedelta(seconds=15)
LONGEST = timedelta(minutes=15)
FORGIVEN_EVERY = timedelta(minutes=5)
"""One try less for each such time without any: a house with many people in it is not locked out by their mistakes."""

NAME_MOST = 20
NAME_PER = timedelta(minutes=1)
"""Tries of one name in a window, whoever makes them. So short that nobody can lock somebody else out for long."""

KEPT = timedelta(hours=2)
MOST_KEYS = 20_000


def guess(session: Session, kind: str, key: str, *, now: datetime) -> timedelta | None:
    """Count one more try; None when it may be made, else how long to wait, and it counts for nothing."""
    row = _row(session, kind, key, now)
    if row.until_at is not None and now < row.until_at:
        return row.until_at - now
    row.n = max(0, row.n - int((now - row.last_at) / FORGIVEN_EVERY)) + 1
    row.last_at = now
    row.until_at = now + min(LONGEST, FIRST * 2 ** min(row.n - FREE, 20)) if row.n >= FREE else None
    session.flush()
    return None


def guessed_right(session: Session, kind: str, key: str, *, now: datetime) -> None:
    """Take back the try that was just counted: it was no guess."""
    row = _row(session, kind, key, now)
    row.n = max(0, row.n - 1)
    row.until_at = None
    session.flush()


def guess_name(session: Session, name: str, *, now: datetime) -> timedelta | None:
    """The same for a name, for which only so many tries are looked at in a window."""
    row = _row(session, "name", name, now)
    if now - row.began_at >= NAME_PER:
        row.n, row.began_at = 0, now
    if row.n >= NAME_MOST:
        return row.began_at + NAME_PER - now
    row.n, row.last_at = row.n + 1, now
    session.flush()
    return None


def _row(session: Session, kind: str, key: str, now: datetime) -> GuessRow:
    """The row of a key, locked until the transaction ends; made when there is none, and old ones swept on the way."""
    identity = key_of("guess", kind, key)
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    values = {"key": identity, "n": 0, "began_at": now, "last_at": now, "until_at": None}
    new = session.execute(insert(GuessRow).values(values).on_conflict_do_nothing().returning(GuessRow.key)).scalar()
    if new is not None:
        session.execute(delete(GuessRow).where(GuessRow.last_at < now - KEPT))
        if (session.scalar(select(func.count()).select_from(GuessRow)) or 0) > MOST_KEYS:
            oldest = select(GuessRow.key).order_by(GuessRow.last_at.desc(), GuessRow.key).offset(MOST_KEYS)
            session.execute(delete(GuessRow).where(GuessRow.key.in_(oldest)))
    return session.get_one(GuessRow, identity, with_for_update=True)
