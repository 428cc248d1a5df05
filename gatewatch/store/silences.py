"""Silences: kept for ever, so that one can see later why nobody was told."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeGuard

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from gatewatch.errors import UsageError
from gatewatch.records import JSON
from gatewatch.store.alert_models import SilenceRow

Matchers = Mapping[str, Sequence[str]]
"""Label -> patterns, see alerts.matching."""

LONGEST = timedelta(days=366)
TELL_BEFORE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class StoredSilence:
    """Alerts that match are not sent in [starts_at, ends_at)."""

    id: str
    matchers: dict[str, list[str]]
    reason: str
    author: str
    starts_at: datetime
    ends_at: datetime
    created_at: datetime


def add_silence(
    session: Session,
    matchers: Matchers,
    *,
    reason: str,
    author: str,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
) -> StoredSilence:
    """A new silence. UsageError when it has no reason, matches everything, is over already, or is for ever."""
    if not reason.strip():
        raise UsageError("a silence needs a reason")
    if not matchers:
        raise UsageError("a silence needs a matcher; `*` for everything is written severity=*")
    if ends_at <= starts_at or ends_at <= now:
        raise UsageError("a silence ends after it starts, and in the future")
    if ends_at - starts_at > LONGEST:
        raise UsageError(f"a silence lasts {LONGEST.days} days at most; a suppression can be for ever")
    row = SilenceRow(
        id=secrets.token_hex(6),
        matchers={name: list(patterns) for name, patterns in matchers.items()},
        reason=reason.strip()[:500],
        author=author[:200],
        starts_at=starts_at,
        ends_at=ends_at,
        created_at=now,
        told_at=None,
    )
    session.add(row)
    session.flush()
    return _silence(row)


def end_silence(session: Session, silence_id: str, now: datetime) -> StoredSilence | None:
    """End a silence now; one that did not begin yet is removed. None when there is none, or it is over."""
    row = session.get(SilenceRow, silence_id)
    if row is None or row.ends_at <= now:
        return None
    ended = _silence(row)
    if row.starts_at >= now:
        session.execute(delete(SilenceRow).where(SilenceRow.id == silence_id))
        return ended
    row.ends_at, row.told_at = now, now  # who ends it knows
    session.flush()
    return _silence(row)


def silences(session: Session, now: datetime | None = None) -> list[StoredSilence]:
    """All silences, the last to end first; now: only those that are not over."""
    question = select(SilenceRow).order_by(SilenceRow.ends_at.desc(), SilenceRow.id)
    if now is not None:
        question = question.where(SilenceRow.ends_at > now)
    return [_silence(row) for row in session.scalars(question)]


def ending_soon(session: Session, now: datetime) -> list[StoredSilence]:
    """Silences that end within half an hour and whose end was not announced; they are given once.

    One that is shorter than an hour is not announced: who made it knows.
    """
    rows = session.scalars(
        select(SilenceRow).where(
            SilenceRow.told_at.is_(None), SilenceRow.ends_at > now, SilenceRow.ends_at <= now + TELL_BEFORE
        )
    )
    told = []
    for row in rows:
        row.told_at = now
        if row.ends_at - row.starts_at >= 2 * TELL_BEFORE:
            told.append(_silence(row))
    return told


def _silence(row: SilenceRow) -> StoredSilence:
    assert isinstance(row.matchers, dict)
    matchers = {name: [str(one) for one in patterns] for name, patterns in row.matchers.items() if _many(patterns)}
    return StoredSilence(row.id, matchers, row.reason, row.author, row.starts_at, row.ends_at, row.created_at)


def _many(value: JSON) -> TypeGuard[list[JSON]]:
    return isinstance(value, list)
