"""The outbox: alerts are written in the transaction that changes the finding, and leave afterwards, at least once.

An item is pending, then sending (leased by one worker), then sent or dead. A worker that dies while sending leaves a
lease that runs out; the item is then sent again under the same idempotency key. `attempts` is the lease's epoch: it
grows with each claim, and the news of an attempt whose epoch has passed changes no state. All times are the database's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, aliased

from gatewatch.records import JSON, iso
from gatewatch.store import breakers
from gatewatch.store.alert_models import ChannelMemoryRow, DeliveryRow, OutboxRow, SaidRow
from gatewatch.store.state import State, db_now

FIRST_WAIT_S = 15.0
LONGEST_WAIT_S = 3600.0
GIVE_UP_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """An alert to send. attempts: this one included; the epoch of its lease. idempotency_key: the same at each attempt.

    memory: what earlier messages of its group left for this channel.
    """

    id: str
    finding_id: str
    transition: str
    channel: str
    payload: dict[str, JSON]
    attempts: int
    idempotency_key: str
    memory: dict[str, JSON]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt. outcome: sent, retry or dead. wire: requests and replies, without secrets."""

    id: int
    at: datetime
    item_id: str
    finding_id: str
    transition: str
    channel: str
    attempt: int
    outcome: str
    error: str | None
    wire: list[JSON]


def enqueue(
    session: Session,
    *,
    finding_id: str,
    transition: str,
    channel: str,
    payload: dict[str, JSON],
    rank: int = 0,
    group_id: str = "",
    covers: Iterable[tuple[str, str]] = (),
) -> str | None:
    """Add an alert; its id. None when this finding had this transition on this channel before.

    covers: (finding, transition) of all that it tells of. What another alert of the channel told of is left to that.
    """
    now = db_now(session)
    identity = item_id(finding_id, transition, channel)
    values = {
        "id": identity,
        "finding_id": finding_id,
        "transition": transition,
        "channel": channel,
        "payload": payload,
        "state": "pending",
        "attempts": 0,
        "next_at": now,
        "created_at": now,
        "rank": rank,
        "group_id": group_id,
        "stood_in": False,
    }
    if session.get(SaidRow, (finding_id, transition, channel)) is not None:
        return None
    new = _insert_new(session, OutboxRow, [values], OutboxRow.id)
    if not new:
        return None
    told: list[dict[str, object]] = [
        {"finding_id": one, "transition": what, "channel": channel, "outbox_id": identity}
        for one, what in dict.fromkeys((*covers, (finding_id, transition)))
    ]
    _insert_new(session, SaidRow, told, SaidRow.finding_id)
    return identity


def item_id(finding_id: str, transition: str, channel: str) -> str:
    """The idempotency key comes from what the alert is about: written again after a restore, it is still the same."""
    parts = "\x1f".join((finding_id, transition, channel))
    return hashlib.sha256(parts.encode(errors="surrogatepass")).hexdigest()[:32]


def said(session: Session, channel: str, finding_ids: Iterable[str]) -> set[tuple[str, str]]:
    """(finding, transition) that alerts of the channel tell of, of these findings."""
    found: set[tuple[str, str]] = set()
    ids = sorted(set(finding_ids))
    for first in range(0, len(ids), 500):  # databases limit the values of one question
        rows = session.execute(
            select(SaidRow.finding_id, SaidRow.transition).where(
                SaidRow.channel == channel, SaidRow.finding_id.in_(ids[first : first + 500])
            )
        )
        found |= {(row[0], row[1]) for row in rows}
    return found


def _insert_new(
    session: Session, model: type[OutboxRow] | type[SaidRow], rows: Sequence[dict[str, object]], key: object
) -> list[str]:
    """Insert what is not there; the keys of what was added."""
    added: list[str] = []
    for first in range(0, len(rows), 1000):
        some = rows[first : first + 1000]
        if session.get_bind().dialect.name == "sqlite":
            made = session.execute(sqlite.insert(model).on_conflict_do_nothing().returning(key), some)  # type: ignore[call-overload]
        else:
            made = session.execute(postgresql.insert(model).on_conflict_do_nothing().returning(key), some)  # type: ignore[call-overload]
        added += [str(one) for one in made.scalars()]
    return added


def due_channels(session: Session) -> list[str]:
    """Channels for which something may be sent now."""
    now = db_now(session)
    return sorted(session.scalars(select(OutboxRow.channel).where(_due(now)).distinct()))


def claim(
    state: State, holder: str, *, limit: int = 20, channel: str | None = None, lease_seconds: float = 120.0
) -> list[OutboxItem]:
    """Items that are due, now leased to `holder`: the most severe first, else the oldest. Send each within the lease.

    Two callers never get the same item; PostgreSQL passes over what another is just claiming. Of one group only one
    item is on its way, so that its news arrive in their order.
    """

    def take(session: Session) -> list[OutboxItem]:
        now = db_now(session)
        other = aliased(OutboxRow)
        on_its_way = exists().where(
            and_(
                OutboxRow.group_id != "",
                other.group_id == OutboxRow.group_id,
                other.channel == OutboxRow.channel,
                or_(
                    and_(other.state == "sending", other.seq != OutboxRow.seq, other.lease_until >= now),
                    and_(other.state.in_(("pending", "sending")), other.seq < OutboxRow.seq),
                ),
            )
        )
        question = select(OutboxRow).where(_due(now), ~on_its_way)
        if channel is not None:
            question = question.where(OutboxRow.channel == channel)
        question = question.order_by(OutboxRow.rank.desc(), OutboxRow.seq).limit(limit)
        rows = list(session.scalars(question.with_for_update(skip_locked=True, of=OutboxRow)))
        for row in rows:
            row.state = "sending"
            row.holder = holder
            row.lease_until = now + timedelta(seconds=lease_seconds)
            row.attempts += 1
        return [
            OutboxItem(
                row.id,
                row.finding_id,
                row.transition,
                row.channel,
                _object(row.payload),
                row.attempts,
                row.id,
                _memory(session, row),
            )
            for row in rows
        ]

    return state.run(take)


def mark_sent(
    state: State,
    item_id: str,
    *,
    attempt: int | None = None,
    wire: Sequence[JSON] = (),
    memory: Mapping[str, JSON] | None = None,
) -> None:
    """The receiver took it. True whoever sent it, so a lease that ran out meanwhile does not matter.

    memory: to be handed to the next message of the group; only of the attempt that holds the lease.
    """

    def mark(session: Session) -> None:
        row = _locked(session, item_id)
        if row is None or row.state == "sent":
            return
        if memory and row.group_id and (attempt is None or row.attempts == attempt):
            session.merge(
                ChannelMemoryRow(
                    channel=row.channel, group_id=row.group_id, body=dict(memory), updated_at=db_now(session)
                )
            )
        row.state, row.sent_at, row.lease_until, row.error = "sent", db_now(session), None, None
        breakers.worked(session, row.channel, db_now(session))
        _log(session, row, "sent", None, wire)

    state.run(mark)


def mark_failed(
    state: State,
    item_id: str,
    error: str,
    *,
    retry: bool,
    attempt: int | None = None,
    after_s: float | None = None,
    wire: Sequence[JSON] = (),
) -> str | None:
    """It did not get through. retry False, or a day after it was written: it is dead. The item's new state.

    attempt: `OutboxItem.attempts`; when given, the news of an attempt that lost its lease is ignored (None).
    after_s: the least seconds to wait, as the receiver asked.
    """

    def mark(session: Session) -> str | None:
        row = _locked(session, item_id)
        if row is None or row.state != "sending" or (attempt is not None and row.attempts != attempt):
            return None
        now = db_now(session)
        seconds = max(wait_seconds(row.id, row.attempts), min(after_s or 0.0, LONGEST_WAIT_S))
        wait = timedelta(seconds=seconds)
        row.error, row.lease_until = error[:2000], None
        if retry and now + wait <= row.created_at + GIVE_UP_AFTER:
            row.state, row.next_at = "pending", now + wait
        else:
            row.state = "dead"
        if retry:  # a message that the receiver refuses says nothing about the receiver
            breakers.failed(session, row.channel, row.error, now, after_s=after_s)
        _log(session, row, "retry" if row.state == "pending" else "dead", row.error, wire)
        return row.state

    return state.run(mark)


def unlucky(session: Session, channel: str, *, older_than_s: float, limit: int = 200) -> list[OutboxItem]:
    """Alerts for which another channel must stand in: dead, or failed and waiting for so long. Each is given once."""
    now = db_now(session)
    question = (
        select(OutboxRow)
        .where(
            OutboxRow.channel == channel,
            OutboxRow.stood_in.is_(False),
            or_(
                OutboxRow.state == "dead",
                and_(
                    OutboxRow.state == "pending",
                    OutboxRow.created_at <= now - timedelta(seconds=older_than_s),
                ),
            ),
        )
        .order_by(OutboxRow.seq)
        .limit(limit)
    )
    rows = list(session.scalars(question.with_for_update(skip_locked=True)))
    for row in rows:
        row.stood_in = True
    return [
        OutboxItem(row.id, row.finding_id, row.transition, row.channel, _object(row.payload), row.attempts, row.id, {})
        for row in rows
    ]


def _due(now: datetime) -> ColumnElement[bool]:
    return or_(
        and_(OutboxRow.state == "pending", OutboxRow.next_at <= now),
        and_(OutboxRow.state == "sending", OutboxRow.lease_until < now),
    )


def _memory(session: Session, row: OutboxRow) -> dict[str, JSON]:
    kept = session.get(ChannelMemoryRow, (row.channel, row.group_id)) if row.group_id else None
    return {} if kept is None else dict(_object(kept.body))


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


def dead_items(session: Session) -> list[str]:
    """Ids of alerts that were given up, oldest first."""
    return list(session.scalars(select(OutboxRow.id).where(OutboxRow.state == "dead").order_by(OutboxRow.seq)))


def forget(session: Session, before: datetime) -> int:
    """Remove alerts that were sent or given up before, and their attempts; how many.

    What was said stays noted: it is said once, however long ago.
    """
    old = select(OutboxRow.id).where(OutboxRow.state.in_(("sent", "dead")), OutboxRow.created_at < before)
    session.execute(delete(DeliveryRow).where(DeliveryRow.outbox_id.in_(old)))
    gone = session.execute(delete(OutboxRow).where(OutboxRow.id.in_(old)).returning(OutboxRow.id))
    count = len(list(gone))
    session.execute(delete(ChannelMemoryRow).where(ChannelMemoryRow.updated_at < before))
    return count


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


def deliveries(
    session: Session, limit: int = 100, *, channel: str | None = None, finding_id: str | None = None
) -> list[Delivery]:
    """The latest attempts, newest first; finding_id: only of alerts that tell of this finding."""
    question = select(DeliveryRow, OutboxRow).join(OutboxRow, OutboxRow.id == DeliveryRow.outbox_id)
    if channel is not None:
        question = question.where(OutboxRow.channel == channel)
    if finding_id is not None:
        about = select(SaidRow.outbox_id).where(SaidRow.finding_id == finding_id)
        question = question.where(OutboxRow.id.in_(about))
    return [
        Delivery(
            log.id,
            log.at,
            item.id,
            item.finding_id,
            item.transition,
            item.channel,
            log.attempt,
            log.outcome,
            log.error,
            log.wire if isinstance(log.wire, list) else [],
        )
        for log, item in session.execute(question.order_by(DeliveryRow.id.desc()).limit(limit))
    ]


def delivery_json(one: Delivery) -> dict[str, JSON]:
    return {
        "id": one.id,
        "at": iso(one.at),
        "alert": one.item_id,
        "finding_id": one.finding_id,
        "transition": one.transition,
        "channel": one.channel,
        "attempt": one.attempt,
        "outcome": one.outcome,
        "error": one.error,
        "wire": one.wire,
    }


def _locked(session: Session, item_id: str) -> OutboxRow | None:
    return session.execute(select(OutboxRow).where(OutboxRow.id == item_id).with_for_update()).scalar_one_or_none()


def _log(session: Session, row: OutboxRow, outcome: str, error: str | None, wire: Sequence[JSON]) -> None:
    session.execute(
        insert(DeliveryRow).values(
            outbox_id=row.id,
            at=db_now(session),
            attempt=row.attempts,
            holder=row.holder,
            outcome=outcome,
            error=error,
            wire=list(wire),
        )
    )


def _object(value: JSON) -> dict[str, JSON]:
    assert isinstance(value, dict)
    return value
