"""What is open where, counted: for lists of APIs and stages, however many findings there are."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gatewatch.records import Kind, Severity
from gatewatch.store.findings import FindingFilter, filter_conditions
from gatewatch.store.models import FindingRow


@dataclass(frozen=True, slots=True)
class Opened:
    """n findings that differ in nothing named here."""

    api: str
    stage: str | None
    route: str | None
    kind: Kind
    subtype: str
    severity: Severity
    n: int


def opened(session: Session, filter_: FindingFilter) -> list[Opened]:
    """All open findings that the filter lets through."""
    row = FindingRow
    parts = (row.api, row.stage, row.route, row.kind, row.subtype, row.severity)
    question = select(*parts, func.count()).where(*filter_conditions(replace(filter_, state="open"))).group_by(*parts)
    return [
        Opened(api, stage, route, Kind(kind), subtype, Severity(severity), n)
        for api, stage, route, kind, subtype, severity, n in session.execute(question.order_by(*parts))
    ]
