"""Steps in the life of stored findings: what they are born as, what an event makes of them, and who wakes up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from gatewatch.lifecycle import REGRESSES_WITHIN, Event, after
from gatewatch.records import State
from gatewatch.store.finding_events import add_event
from gatewatch.store.finding_where import conditions
from gatewatch.store.models import FindingRow, SuppressionRow
from gatewatch.where import parse_all


@dataclass(frozen=True, slots=True)
class Woken:
    """A finding that counts again. over: it has ended meanwhile."""

    finding_id: str
    why: str
    over: bool


def step(row: FindingRow, event: Event) -> bool:
    """Let `event` happen to the finding; whether its state changed. UsageError when it is not allowed."""
    was = row.state
    row.state = after(State(was), event, over=row.end_at is not None).value
    if row.state == was:
        return False
    row.revision = (row.revision or 0) + 1
    if was == State.SNOOZED and row.state != State.RESOLVED:  # one that ended keeps the next episode quiet
        row.snooze_until = row.snooze_count = None
    if row.state != State.SUPPRESSED:
        row.suppression_id = None
    return True


def born(session: Session, row: FindingRow, now: datetime) -> None:
    """Store a new episode: new or regressed; snoozed as the one before it; suppressed when a suppression fits."""
    last = session.scalars(
        select(FindingRow)
        .where(FindingRow.fingerprint == row.fingerprint)
        .order_by(FindingRow.start_at.desc(), FindingRow.id)
        .limit(1)
    ).first()
    if row.end_at is not None:
        row.state = State.RESOLVED.value
    elif last is not None and _snoozes(last, row, now):
        row.state, row.snooze_until = State.SNOOZED.value, last.snooze_until
        row.snooze_count = None if last.snooze_count is None else last.snooze_count - 1
        last.snooze_until = last.snooze_count = None
    elif last is not None and last.end_at is not None and row.start_at - last.end_at < REGRESSES_WITHIN:
        row.state = State.REGRESSED.value
    session.add(row)
    session.flush()
    for one in standing(session, now):
        if _fits(session, one, row.id):
            hide(row, one, now)
            break
    session.flush()


def _snoozes(last: FindingRow, row: FindingRow, now: datetime) -> bool:
    """Whether the snooze of an episode holds for the next one, too: not for one that is more severe."""
    if row.peak_rank > last.peak_rank:
        return False
    if last.snooze_count is not None:
        return last.snooze_count > 0
    return last.snooze_until is not None and last.snooze_until > now


def standing(session: Session, now: datetime) -> list[SuppressionRow]:
    """Suppressions in force, the oldest first."""
    rows = session.scalars(
        select(SuppressionRow).where(SuppressionRow.ended_at.is_(None)).order_by(SuppressionRow.created_at)
    )
    return [one for one in rows if one.expires_at is None or one.expires_at > now]


def _fits(session: Session, suppression: SuppressionRow, finding_id: str) -> bool:
    assert isinstance(suppression.where, list)
    terms = parse_all(str(one) for one in suppression.where)
    found = session.execute(select(FindingRow.id).where(FindingRow.id == finding_id, *conditions(terms)))
    return found.scalar() is not None


def hide(row: FindingRow, suppression: SuppressionRow, now: datetime) -> None:
    """Suppress a finding by this suppression. UsageError when it is not allowed."""
    step(row, Event.SUPPRESS)
    row.suppression_id = suppression.id
    suppression.hits = (suppression.hits or 0) + 1
    suppression.last_hit_at = now


def sleepers(session: Session, now: datetime) -> bool:
    """Whether a snooze or a suppression has run out; looks without locking."""
    snoozed = select(FindingRow.id).where(FindingRow.state == State.SNOOZED.value, FindingRow.snooze_until <= now)
    expired = select(SuppressionRow.id).where(SuppressionRow.ended_at.is_(None), SuppressionRow.expires_at <= now)
    return any(session.execute(question.limit(1)).scalar() is not None for question in (snoozed, expired))


def wake(session: Session, now: datetime) -> list[Woken]:
    """End snoozes and suppressions that have run out; the findings that count again."""
    woken: list[Woken] = []
    question = select(FindingRow).where(FindingRow.state == State.SNOOZED.value, FindingRow.snooze_until <= now)
    for row in session.scalars(question.order_by(FindingRow.id).with_for_update()):
        woken.append(_woken(session, row, "its snooze is over", now))
    expired = select(SuppressionRow).where(SuppressionRow.ended_at.is_(None), SuppressionRow.expires_at <= now)
    for one in session.scalars(expired.order_by(SuppressionRow.id).with_for_update()):
        one.ended_at = one.expires_at
        woken += release(session, one, "its suppression has expired", now)
    session.flush()
    return woken


def release(session: Session, suppression: SuppressionRow, why: str, now: datetime) -> list[Woken]:
    """Let everything that a suppression hides count again."""
    rows = session.scalars(
        select(FindingRow)
        .where(FindingRow.state == State.SUPPRESSED.value, FindingRow.suppression_id == suppression.id)
        .order_by(FindingRow.id)
    )
    return [_woken(session, row, why, now) for row in rows]


def _woken(session: Session, row: FindingRow, why: str, now: datetime) -> Woken:
    step(row, Event.WAKE)
    row.updated_at = now
    add_event(session, row.id, "woken", actor="gatewatch", note=why, now=now)
    return Woken(row.id, why, row.end_at is not None)
