"""The audit log: who did what, written in the transaction that does it. Rows are added and never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from gatewatch.records import JSON, iso
from gatewatch.roles import Who
from gatewatch.store.access_models import AuditRow

MOST_ROWS = 1000
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """outcome: done, refused or failed. action: noun.verb, such as `user.add`."""

    id: int
    at: datetime
    actor: str
    actor_id: str
    via: str
    address: str
    action: str
    target: str
    outcome: str
    detail: dict[str, JSON]


def note(
    session: Session,
    who: Who,
    action: str,
    target: str = "",
    *,
    now: datetime,
    outcome: str = "done",
    detail: Mapping[str, JSON] | None = None,
) -> None:
    """Write one line of the log. No secret may be in `detail`."""
    session.execute(
        insert(AuditRow).values(
            at=now,
            actor=who.name[:_LONGEST],
            actor_id=who.id,
            via=who.via.value,
            address=who.address,
            action=action,
            target=target[:_LONGEST],
            outcome=outcome,
            detail=dict(detail or {}),
        )
    )


def audit_events(
    session: Session,
    *,
    limit: int = 100,
    before: int | None = None,
    since: datetime | None = None,
    actor: str | None = None,
    action: str | None = None,
    target: str | None = None,
) -> list[AuditEvent]:
    """Lines of the log, newest first. before: only those with a smaller id, to turn pages."""
    question = select(AuditRow).order_by(AuditRow.id.desc()).limit(max(1, min(limit, MOST_ROWS)))
    if before is not None:
        question = question.where(AuditRow.id < before)
    if since is not None:
        question = question.where(AuditRow.at >= since)
    if actor is not None:
        question = question.where(AuditRow.actor == actor)
    if action is not None:
        question = question.where(AuditRow.action == action)
    if target is not None:
        question = question.where(AuditRow.target == target)
    return [
        AuditEvent(
            row.id,
            row.at,
            row.actor,
            row.actor_id,
            row.via,
            row.address,
            row.action,
            row.target,
            row.outcome,
            row.detail if isinstance(row.detail, dict) else {},
        )
        for row in session.scalars(question)
    ]


def every_event(session: Session, most: int) -> list[AuditEvent]:
    """All lines, newest first, but no more than `most`."""
    found = audit_events(session, limit=MOST_ROWS)
    while found and len(found) < most and (more := audit_events(session, limit=MOST_ROWS, before=found[-1].id)):
        found += more
    return found[:most]


def count_events(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(AuditRow)) or 0


def to_json(event: AuditEvent) -> dict[str, JSON]:
    detail: dict[str, JSON] = {**event.detail}
    return {
        "id": event.id,
        "at": iso(event.at),
        "actor": event.actor,
        "actor_id": event.actor_id,
        "via": event.via,
        "address": event.address,
        "action": event.action,
        "target": event.target,
        "outcome": event.outcome,
        "detail": detail,
    }
