"""What is to be told of findings, and the groups that tell it; notices are written with the finding's change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from gatewatch.records import JSON, Finding
from gatewatch.store.alert_models import GroupRow, NoticeRow, OutboxRow, SaidRow
from gatewatch.store.finding_rows import finding_of
from gatewatch.store.models import FindingRow
from gatewatch.store.state import db_now

_LOCK = 0x616C_6572
_SOME = 500  # databases limit the values of one question


@dataclass(frozen=True, slots=True)
class Notice:
    finding_id: str
    transition: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StoredGroup:
    """A group as it is kept. body: what alerts.groups makes of it. due_at: when to look at it again."""

    id: str
    channel: str
    due_at: datetime | None
    body: dict[str, JSON]


def add_notice(session: Session, finding_id: str, transition: str, *, now: datetime) -> None:
    """Something became of a finding (`new`, `worse:high`, `resolved`, `acknowledged` …); alerts may tell of it."""
    values = {"finding_id": finding_id, "transition": transition, "at": now}
    kind = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    session.execute(kind(NoticeRow).values(values).on_conflict_do_nothing())


def alone(session: Session) -> None:
    """Wait until no other transaction is routing alerts; until this one ends, none will be."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer anyway
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def take_notices(session: Session) -> list[Notice]:
    """All notices, oldest first; they are gone afterwards."""
    rows = list(session.scalars(select(NoticeRow).order_by(NoticeRow.id)))
    if rows:
        session.execute(delete(NoticeRow).where(NoticeRow.id <= rows[-1].id))
    return [Notice(row.finding_id, row.transition, row.at) for row in rows]


def groups_with(session: Session, ids: Iterable[str]) -> dict[str, StoredGroup]:
    """Stored groups by id, of these ids."""
    found: dict[str, StoredGroup] = {}
    for some in _chunks(ids):
        for row in session.scalars(select(GroupRow).where(GroupRow.id.in_(some))):
            found[row.id] = _group(row)
    return found


def due_groups(session: Session, now: datetime, limit: int = 50_000) -> list[StoredGroup]:
    """Groups that are to be looked at."""
    rows = session.scalars(select(GroupRow).where(GroupRow.due_at <= now).order_by(GroupRow.due_at).limit(limit))
    return [_group(row) for row in rows]


def look_now(session: Session, now: datetime) -> None:
    """Look at every group that waits at the next routing: a reason to hold back is gone."""
    session.execute(update(GroupRow).where(GroupRow.due_at > now).values(due_at=now))


def save_groups(session: Session, groups: Sequence[StoredGroup], now: datetime) -> None:
    """Store groups as they are now."""
    kind = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    for first in range(0, len(groups), _SOME):
        rows = [
            {"id": one.id, "channel": one.channel, "body": one.body, "due_at": one.due_at, "updated_at": now}
            for one in groups[first : first + _SOME]
        ]
        made: Any = kind(GroupRow)
        changed = {name: made.excluded[name] for name in ("body", "due_at", "updated_at")}
        session.execute(made.on_conflict_do_update(index_elements=[GroupRow.id], set_=changed), rows)


def drop_groups(session: Session, older_than: datetime) -> int:
    """Forget groups in which nothing happened since, and that wait for nothing."""
    gone = session.execute(
        delete(GroupRow).where(GroupRow.updated_at < older_than, GroupRow.due_at.is_(None)).returning(GroupRow.id)
    )
    return len(list(gone))


def findings_with(session: Session, ids: Iterable[str]) -> dict[str, tuple[Finding, str]]:
    """(finding, state) by id."""
    found: dict[str, tuple[Finding, str]] = {}
    for some in _chunks(ids):
        for row in session.scalars(select(FindingRow).where(FindingRow.id.in_(some))):
            found[row.id] = (finding_of(row), row.state)
    return found


def open_labelled(session: Session) -> list[Any]:
    """Findings that are not over, as rows of the columns that labels are made of, and their state."""
    columns = (
        FindingRow.id,
        FindingRow.severity,
        FindingRow.kind,
        FindingRow.subtype,
        FindingRow.cause,
        FindingRow.api,
        FindingRow.stage,
        FindingRow.route,
        FindingRow.account,
        FindingRow.region,
        FindingRow.fingerprint,
        FindingRow.state,
    )
    return list(session.execute(select(*columns).where(FindingRow.end_at.is_(None)).order_by(FindingRow.id)))


def groups_telling(session: Session, ids: Iterable[str]) -> dict[str, set[str]]:
    """Finding -> groups whose messages tell of it."""
    found: dict[str, set[str]] = {}
    for some in _chunks(ids):
        rows = session.execute(
            select(SaidRow.finding_id, OutboxRow.group_id)
            .join(OutboxRow, OutboxRow.id == SaidRow.outbox_id)
            .where(SaidRow.finding_id.in_(some), OutboxRow.group_id != "")
        )
        for finding_id, group_id in rows:
            found.setdefault(finding_id, set()).add(group_id)
    return found


def waiting(session: Session, now: datetime) -> bool:
    """Whether routing has something to do."""
    if session.execute(select(NoticeRow.id).limit(1)).scalar() is not None:
        return True
    return session.execute(select(GroupRow.id).where(GroupRow.due_at <= now).limit(1)).scalar() is not None


def recent_alarms(session: Session, channel: str, window: timedelta, critical: int) -> tuple[int, int, datetime | None]:
    """(plain, critical, time of the last summary): alarms written for a channel in the last window, the summary in two.

    critical: the rank from which an alert counts as such. By the database's clock.
    """
    now = db_now(session)
    mine = select(func.count()).where(OutboxRow.channel == channel, OutboxRow.created_at >= now - window)
    alarms = or_(OutboxRow.transition == "new", OutboxRow.transition.startswith("worse"))
    plain = session.execute(mine.where(alarms, OutboxRow.rank < critical)).scalar_one()
    urgent = session.execute(mine.where(alarms, OutboxRow.rank >= critical)).scalar_one()
    summary_at = session.execute(
        select(func.max(OutboxRow.created_at)).where(
            OutboxRow.channel == channel,
            OutboxRow.created_at >= now - 2 * window,
            OutboxRow.transition.startswith("storm:"),
        )
    ).scalar()
    return plain, urgent, summary_at


def _chunks(ids: Iterable[str]) -> Iterable[list[str]]:
    listed = sorted(set(ids))
    return (listed[first : first + _SOME] for first in range(0, len(listed), _SOME))


def _group(row: GroupRow) -> StoredGroup:
    assert isinstance(row.body, dict)
    return StoredGroup(row.id, row.channel, row.due_at, row.body)
