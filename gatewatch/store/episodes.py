"""When something was wrong: the spans of findings alone, for thousands of them, without their evidence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from gatewatch.records import Kind, Severity
from gatewatch.store.findings import FindingFilter, filter_conditions
from gatewatch.store.models import FindingRow


@dataclass(frozen=True, slots=True)
class Episode:
    """end None: it goes on."""

    id: str
    kind: Kind
    severity: Severity
    title: str
    api: str
    stage: str | None
    start: datetime
    end: datetime | None


def episodes(session: Session, filter_: FindingFilter, *, limit: int = 5000) -> list[Episode]:
    """Those that the filter lets through, the worst first when there are more than `limit`; then by start."""
    row = FindingRow
    question = (
        select(row.id, row.kind, row.severity, row.title, row.api, row.stage, row.start_at, row.end_at)
        .where(*filter_conditions(filter_))
        .order_by(row.severity_rank.desc(), row.start_at.desc(), row.id)
        .limit(limit)
    )
    found = [
        Episode(id_, Kind(kind), Severity(severity), title, api, stage, start, end)
        for id_, kind, severity, title, api, stage, start, end in session.execute(question)
    ]
    return sorted(found, key=lambda one: (one.start, one.id))
