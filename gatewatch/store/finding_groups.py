"""Findings grouped by one of their fields: how many, how many are open, the worst, and the newest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from gatewatch.lifecycle import OPEN
from gatewatch.records import Severity
from gatewatch.store.finding_where import COLUMNS
from gatewatch.store.findings import FindingFilter, filter_conditions
from gatewatch.store.models import FindingRow

GROUPS: tuple[str, ...] = ("cause", "api", "kind", "subtype", "stage", "severity", "state", "assignee")
"""What lists can be grouped by."""

MOST_GROUPS = 200


@dataclass(frozen=True, slots=True)
class Group:
    """value None: without one. newest: the last start."""

    value: str | None
    count: int
    open: int
    worst: Severity
    newest: datetime


def groups(session: Session, filter_: FindingFilter, by: str, *, limit: int = MOST_GROUPS) -> list[Group]:
    """The groups of the findings that a filter keeps, the worst first, then those with most open ones."""
    column = COLUMNS[by]
    count = func.count()
    opened = func.sum(case((FindingRow.state.in_([one.value for one in OPEN]), 1), else_=0))
    worst, newest = func.max(FindingRow.severity_rank), func.max(FindingRow.start_at)
    question = (
        select(column, count, opened, worst, newest)
        .where(*filter_conditions(filter_))
        .group_by(column)
        .order_by(worst.desc(), opened.desc(), count.desc(), column)
        .limit(limit)
    )
    severities = list(Severity)
    return [
        Group(value, int(n), int(n_open), severities[rank], last)
        for value, n, n_open, rank, last in session.execute(question)
    ]
