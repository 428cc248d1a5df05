"""The timeline of a finding: what became of it, and who did what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from gatewatch.store.models import FindingEventRow


@dataclass(frozen=True, slots=True)
class FindingEvent:
    """transition: what happened, or `comment`, `assign`, `feedback`. actor: `gatewatch`, or a person."""

    at: datetime
    transition: str
    actor: str
    note: str


def add_event(session: Session, finding_id: str, transition: str, *, actor: str, note: str, now: datetime) -> None:
    """Add a line to a finding's timeline."""
    session.execute(
        insert(FindingEventRow).values(finding_id=finding_id, at=now, transition=transition, actor=actor, note=note)
    )


def finding_events(session: Session, finding_id: str) -> list[FindingEvent]:
    """The timeline of a finding, oldest first."""
    rows = session.scalars(
        select(FindingEventRow).where(FindingEventRow.finding_id == finding_id).order_by(FindingEventRow.id)
    )
    return [FindingEvent(row.at, row.transition, row.actor, row.note) for row in rows]
