"""What sources brought lately: committed batches, with the newest request of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from gatewatch.store.models import BatchRow, SegmentRow

MOST = 20_000


@dataclass(frozen=True, slots=True)
class Batch:
    """newest_at: time of its newest request; None when it brought none, or when its rows were joined with others'."""

    source: str
    committed_at: datetime
    accepted: int
    newest_at: datetime | None


def batches_of(session: Session, since: datetime, until: datetime) -> list[Batch]:
    """Batches that were committed in [since, until), newest first, at most MOST."""
    newest = (
        select(SegmentRow.batch_id, func.max(SegmentRow.max_at).label("newest"))
        .where(SegmentRow.kind == "requests")
        .group_by(SegmentRow.batch_id)
        .subquery()
    )
    rows = session.execute(
        select(BatchRow.source, BatchRow.committed_at, BatchRow.accepted, newest.c.newest)
        .outerjoin(newest, newest.c.batch_id == BatchRow.id)
        .where(and_(BatchRow.state == "committed", BatchRow.committed_at >= since, BatchRow.committed_at < until))
        .order_by(BatchRow.committed_at.desc())
        .limit(MOST)
    )
    return [Batch(source, at, accepted, seen) for source, at, accepted, seen in rows if at is not None]
