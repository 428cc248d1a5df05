"""Joins small segments of an hour that is over: fewer files to open, the same answers.

A group is what one source brought of one kind for one hour. Its new segment and the end of the old ones are one
transaction, so that readers see either; the tokens of the old ones add up to that of the new one, so that whoever had
seen them knows it. Minutes and clients are merged, which is what readers do with them anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from gatewatch.errors import LeaseLost, StoreError
from gatewatch.frames import CLIENTS, MINUTES, REQUESTS, merge_clients, merge_minutes
from gatewatch.store.batches import abandon_batch, lease_batch, segment_values
from gatewatch.store.executions import STORED as EXECUTIONS_STORED
from gatewatch.store.lake import Segment, added, publish_segment
from gatewatch.store.manifest import hour_of, sourced_segments
from gatewatch.store.models import BatchRow, SegmentRow
from gatewatch.store.packed import pack
from gatewatch.store.points import STORED as POINTS_STORED
from gatewatch.store.reading import conform
from gatewatch.store.retired import retire, sweep_retired
from gatewatch.store.spans import STORED as SPANS_STORED
from gatewatch.store.state import State, db_now

SMALL = 16 << 20
"""Segments of this size or more are left alone."""

JOINED = 64 << 20
"""Bytes of segments that become one: bounds the memory of it."""

AGE = timedelta(hours=1)
"""An hour is over so long before it is touched."""

_SCHEMAS = {
    "requests": REQUESTS,
    "minutes": MINUTES,
    "clients": CLIENTS,
    "metrics": POINTS_STORED,
    "spans": SPANS_STORED,
    "executions": EXECUTIONS_STORED,
}


@dataclass(frozen=True, slots=True)
class Compacted:
    """groups: hours of a source and kind. before, after: segments. swept: old files that were unlinked."""

    groups: int = 0
    before: int = 0
    after: int = 0
    swept: int = 0


def compact(state: State, *, holder: str = "compaction", age: timedelta = AGE) -> Compacted:
    """Join what can be joined. Safe beside ingest and readers, and to be killed anywhere."""
    swept = sweep_retired(state)
    groups = list(_groups(state, age))
    for source, listed in groups:
        _join(state, source, listed, holder)
    return Compacted(len(groups), sum(len(listed) for _, listed in groups), len(groups), swept)


def _groups(state: State, age: timedelta) -> Iterator[tuple[str, list[Segment]]]:
    """(source, segments) that become one."""
    with state.read() as session:
        until = (db_now(session) - age).replace(minute=0, second=0, microsecond=0)
        rows = sourced_segments(
            session, SegmentRow.min_at < until, SegmentRow.size_bytes < SMALL, SegmentRow.kind.in_(_SCHEMAS)
        )
    hours: dict[tuple[str, str, datetime], list[Segment]] = {}
    for source, segment in rows:
        hours.setdefault((source, segment.kind, hour_of(segment)), []).append(segment)
    for (source, _, _), listed in hours.items():
        waiting: list[Segment] = []
        for segment in listed:
            if waiting and sum(one.bytes for one in waiting) + segment.bytes > JOINED:
                if len(waiting) > 1:
                    yield source, waiting
                waiting = []
            waiting.append(segment)
        if len(waiting) > 1:
            yield source, waiting


def _join(state: State, source: str, listed: Sequence[Segment], holder: str) -> None:
    batch = lease_batch(state, source, holder)
    try:
        kind = listed[0].kind
        first, last = min(one.min_at for one in listed), max(one.max_at for one in listed)
        written = publish_segment(state.lake.root, kind, batch.id, 0, _together(state, listed), first, last)
        joined = Segment(
            kind,
            written.path,
            written.rows,
            written.bytes,
            first,
            last,
            written.sha256,
            added(one.token for one in listed),
        )
        state.run(lambda session: _swap(session, batch.id, joined, listed), brings_data=True)
    except BaseException:
        abandon_batch(state, batch.id)
        raise


def _swap(session: Session, batch_id: str, joined: Segment, listed: Sequence[Segment]) -> None:
    batch = session.execute(select(BatchRow).where(BatchRow.id == batch_id).with_for_update()).scalar_one_or_none()
    if batch is not None and batch.state == "compacted":
        return  # an earlier try broke off after its commit
    if batch is None or batch.state != "leased":
        raise LeaseLost(f"lease of batch {batch_id} was lost")
    retire(session, [one.path for one in listed])
    session.execute(insert(SegmentRow), [segment_values(joined, batch_id)])
    batch.state = "compacted"
    batch.committed_at = db_now(session)


def _together(state: State, listed: Sequence[Segment]) -> pa.Table:
    schema = _SCHEMAS[listed[0].kind]
    tables = []
    for one in listed:
        path = state.lake.path(one.path)
        try:
            tables.append(conform(pq.read_table(path, partitioning=None), schema))
        except (OSError, pa.ArrowInvalid) as error:
            raise StoreError(f"{path}: a segment that the manifest lists cannot be read: {error}") from error
    whole = pa.concat_tables(tables)
    if listed[0].kind == "minutes":
        return merge_minutes(whole)
    if listed[0].kind == "clients":
        return merge_clients(whole)
    if listed[0].kind in {"metrics", "spans", "executions"}:
        return whole.sort_by("at")
    return pack(whole.sort_by("at").combine_chunks())
