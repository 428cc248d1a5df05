"""What the manifest says: which segments count, and when sources delivered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from gatewatch.store.lake import Segment, token_of
from gatewatch.store.models import BatchRow, CoverageRow, SegmentRow

_COLUMNS = (
    SegmentRow.kind,
    SegmentRow.path,
    SegmentRow.rows,
    SegmentRow.size_bytes,
    SegmentRow.min_at,
    SegmentRow.max_at,
    SegmentRow.sha256,
    SegmentRow.token,
)


def segments(
    session: Session, kind: str, since: datetime | None = None, until: datetime | None = None
) -> list[Segment]:
    """Segments that may hold rows of [since, until), oldest first."""
    question = select(*_COLUMNS).where(SegmentRow.kind == kind)
    if since is not None:
        question = question.where(SegmentRow.max_at >= since)
    if until is not None:
        question = question.where(SegmentRow.min_at < until)
    return [_segment(row) for row in session.execute(question.order_by(SegmentRow.min_at, SegmentRow.path))]


def newer_segments(session: Session, kind: str, after: int) -> tuple[int, list[Segment]]:
    """Segments of a kind with numbers above `after`, and the highest number that there is."""
    question = select(SegmentRow.id, *_COLUMNS).where(SegmentRow.kind == kind, SegmentRow.id > after)
    rows = session.execute(question.order_by(SegmentRow.id)).all()
    return max([after, *(row.id for row in rows)]), [_segment(row) for row in rows]


def has_segments(session: Session, kind: str) -> bool:
    """Is there anything of this kind?"""
    return session.execute(select(SegmentRow.id).where(SegmentRow.kind == kind).limit(1)).first() is not None


def lake_sizes(session: Session) -> list[tuple[str, int, int]]:
    """(kind, bytes, segments)."""
    question = select(SegmentRow.kind, func.sum(SegmentRow.size_bytes), func.count()).group_by(SegmentRow.kind)
    return [(kind, int(size), count) for kind, size, count in session.execute(question.order_by(SegmentRow.kind))]


def sourced_segments(session: Session, *conditions: ColumnElement[bool]) -> list[tuple[str, Segment]]:
    """(source, segment) of all segments that fulfil these conditions on SegmentRow, oldest first."""
    question = select(BatchRow.source, *_COLUMNS).join(BatchRow, BatchRow.id == SegmentRow.batch_id).where(*conditions)
    rows = session.execute(question.order_by(SegmentRow.min_at, SegmentRow.path))
    return [(row.source, _segment(row)) for row in rows]


def hour_of(segment: Segment) -> datetime:
    """The hour that a segment belongs to: that of its first row."""
    return segment.min_at.replace(minute=0, second=0, microsecond=0)


def _segment(row: Any) -> Segment:
    return Segment(
        row.kind,
        row.path,
        row.rows,
        row.size_bytes,
        row.min_at,
        row.max_at,
        row.sha256,
        row.token or token_of(row.path, row.sha256),
    )


def covered(
    session: Session, since: datetime | None = None, until: datetime | None = None
) -> list[tuple[str, datetime, datetime]]:
    """(source, start, end) of the intervals that touch [since, until), cut to it; merged, by source and start."""
    question = select(CoverageRow.source, CoverageRow.start_at, CoverageRow.end_at)
    if since is not None:
        question = question.where(CoverageRow.end_at > since)
    if until is not None:
        question = question.where(CoverageRow.start_at < until)
    merged: list[tuple[str, datetime, datetime]] = []
    for source, start, end in sorted((row[0], row[1], row[2]) for row in session.execute(question)):
        start = start if since is None else max(start, since)
        end = end if until is None else min(end, until)
        if merged and merged[-1][0] == source and start <= merged[-1][2]:
            merged[-1] = (source, merged[-1][1], max(end, merged[-1][2]))
        else:
            merged.append((source, start, end))
    return merged


def add_coverage(session: Session, source: str, batch_id: str, intervals: list[tuple[datetime, datetime]]) -> None:
    """Add intervals, each united with the rows it touches, so that a source that pushes every second keeps one row.

    Two writers at once may leave overlapping rows; readers merge, so the answer is the same.
    """
    for start, end in sorted(intervals):
        if end <= start:
            continue
        touching = list(
            session.scalars(
                select(CoverageRow).where(
                    CoverageRow.source == source, CoverageRow.start_at <= end, CoverageRow.end_at >= start
                )
            )
        )
        if any(row.start_at <= start and row.end_at >= end for row in touching):
            continue
        first = min([start, *(row.start_at for row in touching)])
        last = max([end, *(row.end_at for row in touching)])
        for row in touching:
            session.delete(row)
        session.add(CoverageRow(source=source, batch_id=batch_id, start_at=first, end_at=last))
        session.flush()
