"""What just came into the store: requests of new segments, and what became of findings, each after a mark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gatewatch.frames import REQUESTS
from gatewatch.records import JSON
from gatewatch.store.lake import Segment
from gatewatch.store.manifest import newer_segments
from gatewatch.store.models import BatchRow, FindingEventRow, FindingRow, SegmentRow
from gatewatch.store.reading import REQUESTS_READ, of_segments
from gatewatch.store.request_fields import CLIENT_ID_SQL, conditions_sql
from gatewatch.store.state import State
from gatewatch.where import Term

MOST_SEGMENTS = 64
"""New segments that one look reads; of more, the newest."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """The newest rows (REQUESTS and client_id) that fit, oldest first, of so many that did."""

    rows: pa.Table
    total: int


@dataclass(frozen=True, slots=True)
class FindingNews:
    """A line of a finding's timeline, and what the finding is now. principals: who may be named in its texts."""

    number: int
    at: datetime
    transition: str
    actor: str
    note: str
    finding_id: str
    kind: str
    severity: str
    state: str
    title: str
    api: str
    stage: str | None
    route: str | None
    principals: tuple[str, ...]


def segment_mark(session: Session) -> int:
    """The number of the newest segment."""
    return session.execute(select(func.max(SegmentRow.id))).scalar_one() or 0


def new_segments(session: Session, mark: int) -> tuple[int, list[Segment]]:
    """(the new mark, the segments of requests that came after `mark`); joined ones bring nothing new."""
    new, listed = newer_segments(session, "requests", mark)
    if not listed:
        return new, []
    joined = set(
        session.scalars(
            select(SegmentRow.path)
            .join(BatchRow, BatchRow.id == SegmentRow.batch_id)
            .where(SegmentRow.id > mark, BatchRow.state == "compacted")
        )
    )
    return new, [one for one in listed if one.path not in joined][-MOST_SEGMENTS:]


def arrived(state: State, listed: Sequence[Segment], terms: tuple[Term, ...], limit: int) -> Arrived:
    """At most `limit` of the segments' requests that fit the terms."""
    condition, values = conditions_sql(terms)
    query = (
        f"SELECT *, {CLIENT_ID_SQL} AS client_id, count(*) OVER () AS total FROM ({{rows}}) WHERE {condition} "
        f'ORDER BY "at" DESC LIMIT {limit:d}'
    )
    found = of_segments(state, listed, REQUESTS, query, values)
    total = int(found.column("total")[0].as_py()) if found.num_rows else 0
    return Arrived(found.drop_columns(["total"]).cast(REQUESTS_READ).sort_by("at"), total)


def news_mark(session: Session) -> int:
    """The number of the newest line of all timelines."""
    return session.execute(select(func.max(FindingEventRow.id))).scalar_one() or 0


def finding_news(session: Session, mark: int, limit: int = 200) -> list[FindingNews]:
    """Lines after `mark`, oldest first."""
    rows = session.execute(
        select(FindingEventRow, FindingRow)
        .join(FindingRow, FindingRow.id == FindingEventRow.finding_id)
        .where(FindingEventRow.id > mark)
        .order_by(FindingEventRow.id)
        .limit(limit)
    )
    return [
        FindingNews(
            event.id,
            event.at,
            event.transition,
            event.actor,
            event.note,
            row.id,
            row.kind,
            row.severity,
            row.state,
            row.title,
            row.api,
            row.stage,
            row.route,
            _principals(row.entities),
        )
        for event, row in rows
    ]


def _principals(entities: JSON) -> tuple[str, ...]:
    """Those of a stored finding."""
    listed = entities.get("principals") if isinstance(entities, dict) else None
    return tuple(one for one in listed if isinstance(one, str)) if isinstance(listed, list) else ()
