"""The outbox: alerts are written in the transaction that changes the finding, and leave afterwards, at least once.

An item is pending, then sending (leased by one worker), then sent or dead. A worker that dies while sending leaves a
lease that runs out; the item is then sent again under the same idempotency key. All times are the database's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, insert, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from gatewatch.records import JSON
from gatewatch.store.models import DeliveryRow, OutboxRow
from gatewatch.store.state import State, db_now

FIRST_WAIT_S = 15.0
LONGEST_WAIT_S = 3600.0
GIVE_UP_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """An alert to send. attempts: this one included. idempotency_key: the same at each attempt."""

    id: str
    finding_id: str
    transition: str
    channel: str
    payload: dict[str, JSON]
    attempts: int
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt. outcome: sent, retry or dead."""

    at: datetime
    item_id: str
    finding_id: str
    transition: str
    channel: str
    attempt: int
    outcome: str
    error: str | None


def enqueue(
    session: Session, *, finding_id: str, transition: str, channel: str, payload: dict[str, JSON]
) -> str | None:
    """Add an alert; its id. None when this finding had this transition on this channel before."""
    now = db_now(session)
    parts = "\x1f".join((finding_id, transition, channel))
    values = {
        # The key comes from what the alert is about: written again after a restore, it is still the same.
        "id": hashlib.sha256(parts.encode(errors="surrogatepass")).hexdigest()[:32],
        "finding_id": finding_id,
        "transition": transition,
        "channel": channel,
        "payload": payload,
        "state": "pending",
        "attempts": 0,
        "next_at": now,
        "created_at": now,
    }
    if session.get_bind().dialect.name == "sqlite":
        new = session.execute(
            sqlite.insert(OutboxRow).values(values).on_conflict_do_nothing().returning(OutboxRow.id)
        ).scalar()
    else:
        new = session.execute(
            postgresql.insert(OutboxRow).values(values).on_conflict_do_nothing().returning(OutboxRow.id)
        ).scalar()
    return new


def claim(
    state: State, holder: str, *, limit: int = 20, exclude_channels: Sequence[str] = (), lease_seconds: float = 120.0
) -> list[OutboxItem]:
    """Items that are due, now leased to `holder`, oldest first. Send each within `lease_seconds`.

    Two callers never get the same item; PostgreSQL passes over what another is just claiming.
    """

    def take(session: Session) -> list[OutboxItem]:
        now = db_now(session)
        due = or_(
            (OutboxRow.state == "pending") & (OutboxRow.next_at <= now),
            (OutboxRow.state == "sending") & (OutboxRow.lease_until < now),
        )
        question = select(OutboxRow).where(due).order_by(OutboxRow.seq).limit(limit)
        if exclude_channels:
            question = question.where(OutboxRow.channel.not_in(exclude_channels))
        rows = list(session.scalars(question.with_for_update(skip_locked=True)))
        for row in rows:
            row.state = "sending"
            row.holder = holder
            row.lease_until = now + timedelta(seconds=lease_seconds)
            row.attempts += 1
        return [
            OutboxItem(row.id, row.finding_id, row.transition, row.channel, _payload(row), row.attempts, row.id)
            for row in rows
        ]

    return state.run(take)


def mark_sent(state: State, item_id: str) -> None:
    """The receiver took it. True whoever sent it, so a lease that ran out meanwhile does not matter."""

    def mark(session: Session) -> None:
        row = _locked(session, item_id)
        if row is None or row.state == "sent":
            return
        row.state, row.sent_at, row.lease_until, row.error = "sent", db_now(session), None, None
        _log(session, row, "sent", None)

    state.run(mark)


def mark_failed(state: State, item_id: str, error: str, *, retry: bool, attempt: int | None = None) -> None:
    """It did not get through. retry False, or a day after it was written: it is dead.

    attempt: `OutboxItem.attempts`; when given, the news of an attempt that lost its lease is ignored.
    """

    def mark(session: Session) -> None:
        row = _locked(session, item_id)
        if row is None or row.state != "sending" or (attempt is not None and row.attempts != attempt):
            return
        now = db_now(session)
        wait = timedelta(seconds=wait_seconds(row.id, row.attempts))
        row.error, row.lease_until = error[:2000], None
        if retry and now + wait <= row.created_at + GIVE_UP_AFTER:
            row.state, row.next_at = "pending", now + wait
        else:
            row.state = "dead"
        _log(session, row, "retry" if row.state == "pending" else "dead", row.error)

    state.run(mark)


def wait_seconds(item_id: str, attempts: int) -> float:
    """Seconds to wait after the n-th failure: doubled each time up to an hour, times 0.5 to 1.5 drawn from the id."""
    draw = hashlib.sha256(f"{item_id}:{attempts}".encode()).digest()
    jitter = 0.5 + int.from_bytes(draw[:4], "big") / 2**32
    return min(FIRST_WAIT_S * 2.0 ** min(attempts - 1, 20), LONGEST_WAIT_S) * jitter


def requeue(session: Session, item_id: str) -> bool:
    """Try a dead item again for another day; False when there is no such dead item."""
    now = db_now(session)
    row = _locked(session, item_id)
    if row is None or row.state != "dead":
        return False
    row.state, row.next_at, row.created_at = "pending", now, now
    return True


def outbox_counts(session: Session) -> dict[str, int]:
    """Items by state (pending, sending, sent, dead), all four always there."""
    counts = {"pending": 0, "sending": 0, "sent": 0, "dead": 0}
    counts.update({row[0]: row[1] for row in session.execute(select(OutboxRow.state, func.count()).group_by("state"))})
    return counts


def oldest_pending_at(session: Session) -> datetime | None:
    """When the oldest alert was written that has not got through and is not given up."""
    return session.execute(
        select(func.min(OutboxRow.created_at)).where(OutboxRow.state.in_(("pending", "sending")))
    ).scalar()


def deliveries(session: Session, limit: int = 100) -> list[Delivery]:
    """The latest attempts, newest first."""
    rows = session.execute(
        select(DeliveryRow, OutboxRow)
        .join(OutboxRow, OutboxRow.id == DeliveryRow.outbox_id)
        .order_by(DeliveryRow.id.desc())
        .limit(limit)
    )
    return [
        Delivery(log.at, item.id, item.finding_id, item.transition, item.channel, log.attempt, log.outcome, log.error)
        for log, item in rows
    ]


def _locked(session: Session, item_id: str) -> OutboxRow | None:
    return session.execute(select(OutboxRow).where(OutboxRow.id == item_id).with_for_update()).scalar_one_or_none()


def _log(session: Session, row: OutboxRow, outcome: str, error: str | None) -> None:
    session.execute(
        insert(DeliveryRow).values(
            outbox_id=row.id, at=db_now(session), attempt=row.attempts, holder=row.holder, outcome=outcome, error=error
        )
    )


def _payload(row: OutboxRow) -> dict[str, JSON]:
    assert isinstance(row.payload, dict)
    return row.payload
