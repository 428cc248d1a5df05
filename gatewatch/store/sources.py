"""Where logs come from, and what became of their lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gatewatch.records import JSON
from gatewatch.store.models import BatchRow, FileOutcomeRow, RejectCountRow, SegmentRow, SourceRow
from gatewatch.store.state import State, db_now


@dataclass(frozen=True, slots=True)
class Source:
    """follow: the worker looks for new data there by itself. options: what its kind takes."""

    name: str
    kind: str
    location: str
    follow: bool
    created_at: datetime
    options: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceAccount:
    """The lines of one source, by outcome: they add up to `lines`. first_at, last_at: of its accepted requests."""

    source: str
    files: int
    lines: int
    accepted: int
    rejected: int
    blank: int
    duplicate: int
    reasons: dict[str, int] = field(default_factory=dict)
    first_at: datetime | None = None
    last_at: datetime | None = None
    last_commit_at: datetime | None = None


def register_source(
    state: State, name: str, kind: str, location: str, follow: bool, options: Mapping[str, JSON] | None = None
) -> None:
    """Add a source, or change the one of this name."""
    if not 0 < len(name) <= 256:
        raise ValueError("a source's name has 1 to 256 characters")

    def register(session: Session) -> None:
        row = session.get(SourceRow, name)
        if row is None:
            row = SourceRow(name=name, created_at=db_now(session))
            session.add(row)
        row.kind, row.location, row.follow, row.options = kind, location, follow, dict(options or {})

    state.run(register)


def remove_source(session: Session, name: str) -> bool:
    """Look at a source no more; False when there is none of this name. Its lines and places stay."""
    row = session.get(SourceRow, name)
    if row is not None:
        session.delete(row)
    return row is not None


def sources(session: Session) -> list[Source]:
    """All registered sources, by name."""
    return [
        Source(row.name, row.kind, row.location, row.follow, row.created_at, cast(dict[str, JSON], row.options))
        for row in session.scalars(select(SourceRow).order_by(SourceRow.name))
    ]


def look_job(source: str) -> str:
    """The name under which looks at a source stand among the runs of jobs (leases.last_run)."""
    return f"source {source}"


def accounting(session: Session) -> list[SourceAccount]:
    """One account a source that ever committed a batch, by name."""
    reasons: dict[str, dict[str, int]] = defaultdict(dict)
    for source, reason, n in session.execute(
        select(RejectCountRow.source, RejectCountRow.reason, func.sum(RejectCountRow.n))
        .group_by(RejectCountRow.source, RejectCountRow.reason)
        .order_by(RejectCountRow.source, RejectCountRow.reason)
    ):
        reasons[source][reason] = int(n)
    spans = {
        source: (first, last)
        for source, first, last in session.execute(
            select(BatchRow.source, func.min(SegmentRow.min_at), func.max(SegmentRow.max_at))
            .join(SegmentRow, SegmentRow.batch_id == BatchRow.id)
            .where(SegmentRow.kind == "requests")
            .group_by(BatchRow.source)
        )
    }
    commits = last_commits(session)
    totals = {
        source: tuple(int(number) for number in numbers)
        for source, *numbers in session.execute(
            select(
                FileOutcomeRow.source,
                func.count(),
                func.sum(FileOutcomeRow.lines),
                func.sum(FileOutcomeRow.accepted),
                func.sum(FileOutcomeRow.rejected),
                func.sum(FileOutcomeRow.blank),
                func.sum(FileOutcomeRow.duplicate),
            ).group_by(FileOutcomeRow.source)
        )
    }
    accounts = []
    for source in sorted(commits):
        files, lines, accepted, rejected, blank, duplicate = totals.get(source, (0, 0, 0, 0, 0, 0))
        first_at, last_at = spans.get(source, (None, None))
        accounts.append(
            SourceAccount(
                source,
                files,
                lines,
                accepted,
                rejected,
                blank,
                duplicate,
                reasons.get(source, {}),
                first_at,
                last_at,
                commits[source],
            )
        )
    return accounts


def last_commits(session: Session) -> dict[str, datetime]:
    """Source -> when its last batch was committed."""
    rows = session.execute(
        select(BatchRow.source, func.max(BatchRow.committed_at))
        .where(BatchRow.state == "committed")
        .group_by(BatchRow.source)
    )
    return {source: at for source, at in rows if at is not None}
