"""A batch: leased, written to the lake, committed in one transaction with its checkpoints; or given up and swept.

The order that makes it exactly once (reliability G1): the leased row is committed before the first file is written;
one transaction then inserts the manifest rows, moves the checkpoints, adds up the outcomes and turns the row to
`committed`. Readers see only the manifest. Files are removed only of batches that are `abandoned`, which no commit
can follow.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import CursorResult, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from gatewatch.errors import LeaseLost, StoreError
from gatewatch.store.lake import Segment, check_batch_id, token_of
from gatewatch.store.letters import (
    DeadLetter,
    StoredLetter,
    count_dead_letters,
    dead_letters,
    keep_dead_letters,
    remove_dead_letters,
)
from gatewatch.store.manifest import add_coverage
from gatewatch.store.models import (
    Base,
    BatchRow,
    CheckpointRow,
    FileOutcomeRow,
    RejectCountRow,
    SegmentRow,
    key_of,
)
from gatewatch.store.pushes import note_pushes
from gatewatch.store.sources import Source, SourceAccount, accounting, register_source, sources
from gatewatch.store.state import State, db_now

__all__ = [
    "Batch",
    "DeadLetter",
    "Outcomes",
    "Position",
    "Segment",
    "Source",
    "SourceAccount",
    "StoredLetter",
    "abandon_batch",
    "accounting",
    "batch_state",
    "checkpoint",
    "checkpoints",
    "commit_batch",
    "count_dead_letters",
    "dead_letters",
    "lease_batch",
    "note_checkpoints",
    "register_source",
    "remove_dead_letters",
    "renew_batch",
    "sources",
    "sweep_expired",
]

MAX_NAME = 256
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Batch:
    id: str
    source: str


@dataclass(frozen=True, slots=True)
class Position:
    """How far a stream was read: byte and line to go on from; what the file was then; done: read to its end."""

    offset: int
    lines: int
    size: int
    mtime_ns: int
    done: bool
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How lines ended: lines = accepted + rejected + blank + duplicate. bytes: of text they covered."""

    lines: int
    accepted: int
    rejected: int
    blank: int
    duplicate: int
    bytes: int = 0


def lease_batch(state: State, source: str, holder: str, *, batch_id: str | None = None) -> Batch:
    """Announce a batch; write its first file only after this returns.

    StoreError when the id was used before, or the disk has no room for new data.
    """
    if not 0 < len(source) <= MAX_NAME:
        raise ValueError(f"a source's name has 1 to {MAX_NAME} characters")
    # Ids begin with the time, so that new rows come together in the index.
    name = check_batch_id(batch_id or f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}")

    def lease(session: Session) -> None:
        found = session.execute(select(BatchRow.state, BatchRow.holder).where(BatchRow.id == name)).one_or_none()
        if found is not None:
            # Our own row, when an earlier try broke off after its commit.
            if found.state == "leased" and found.holder == holder and batch_id is None:
                return
            raise StoreError(f"batch {name} was used before: it is {found.state}")
        now = db_now(session)
        session.execute(
            insert(BatchRow).values(
                id=name,
                source=source,
                state="leased",
                holder=holder,
                lease_until=now + timedelta(seconds=state.settings.lease_seconds),
                started_at=now,
            )
        )

    state.disk.require_room()
    state.run(lease, brings_data=True)
    return Batch(name, source)


def renew_batch(state: State, batch_id: str) -> None:
    """Put off the end of the lease. LeaseLost when it was lost already."""

    def renew(session: Session) -> None:
        until = db_now(session) + timedelta(seconds=state.settings.lease_seconds)
        changed = session.execute(
            update(BatchRow).where(BatchRow.id == batch_id, BatchRow.state == "leased").values(lease_until=until)
        )
        if not _count(changed):
            raise LeaseLost(f"lease of batch {batch_id} was lost")

    state.run(renew)


def commit_batch(
    state: State,
    batch_id: str,
    *,
    segments: Sequence[Segment],
    checkpoints: Mapping[str, Position],
    outcomes: Mapping[str, Outcomes],
    reject_counts: Mapping[tuple[str, str], int],
    dead_letters: Sequence[DeadLetter],
    coverage: Sequence[tuple[datetime, datetime]],
    now: datetime,
    pushes: Sequence[str] = (),
) -> bool:
    """Make the batch count: one transaction for its segments, checkpoints (by stream) and outcomes (by file).

    pushes: keys of the deliveries in it (store.pushes). LeaseLost, too, when another process was faster with one.
    True: committed by this call. False: it was committed before, nothing changed. LeaseLost: somebody swept it.
    An error while committing is resolved by looking at the batch again, never by assuming.
    """
    for file, outcome in outcomes.items():
        if outcome.lines != outcome.accepted + outcome.rejected + outcome.blank + outcome.duplicate:
            raise ValueError(f"{file[:200]!r}: the outcomes do not add up to the lines: {outcome}")
    tried = False

    def commit(session: Session) -> bool:
        nonlocal tried
        again, tried = tried, True
        batch = session.execute(select(BatchRow).where(BatchRow.id == batch_id).with_for_update()).scalar_one_or_none()
        if batch is not None and batch.state == "committed":
            return again  # an earlier try of this call broke off after its commit: then it was ours
        if batch is None or batch.state != "leased":
            raise LeaseLost(f"lease of batch {batch_id} was lost")
        if segments:
            session.execute(insert(SegmentRow), [segment_values(segment, batch_id) for segment in segments])
        if pushes and not note_pushes(session, pushes, batch_id=batch_id, now=now):
            raise LeaseLost(f"batch {batch_id}: another process took one of its deliveries meanwhile")
        _move_checkpoints(session, batch.source, batch_id, checkpoints, now)
        _add_outcomes(session, batch.source, batch_id, outcomes)
        _add_reject_counts(session, batch.source, batch_id, reject_counts)
        keep_dead_letters(session, batch.source, batch_id, dead_letters, now, state.settings.dead_letter_bytes)
        add_coverage(session, batch.source, batch_id, list(coverage))
        batch.state = "committed"
        batch.committed_at = now
        for name in ("lines", "accepted", "rejected", "blank", "duplicate"):
            setattr(batch, name, sum(getattr(outcome, name) for outcome in outcomes.values()))
        return True

    return state.run(commit, brings_data=True)


def abandon_batch(state: State, batch_id: str) -> None:
    """Give the batch up and remove its files. A committed batch stays as it is."""

    def give_up(session: Session) -> str | None:
        session.execute(
            update(BatchRow).where(BatchRow.id == batch_id, BatchRow.state == "leased").values(state="abandoned")
        )
        return session.execute(select(BatchRow.state).where(BatchRow.id == batch_id)).scalar_one_or_none()

    if state.run(give_up) == "abandoned":
        state.lake.remove_batches([batch_id])
        state.run(lambda session: _mark_swept(session, [batch_id]))


def sweep_expired(state: State) -> int:
    """Give up the batches whose leases have run out, and remove their files; how many batches there were.

    May be killed and repeated anywhere: a batch is `abandoned` before its files go, and swept after.
    """

    def give_up(session: Session) -> list[str]:
        session.execute(
            update(BatchRow)
            .where(BatchRow.state == "leased", BatchRow.lease_until < db_now(session))
            .values(state="abandoned")
        )
        return list(
            session.scalars(
                select(BatchRow.id).where(BatchRow.state == "abandoned", BatchRow.swept_at.is_(None)).order_by("id")
            )
        )

    abandoned = state.run(give_up)
    if abandoned:
        state.lake.remove_batches(abandoned)
        state.run(lambda session: _mark_swept(session, abandoned))
    return len(abandoned)


def note_checkpoints(
    state: State,
    source: str,
    positions: Mapping[str, Position],
    now: datetime,
    *,
    coverage: Sequence[tuple[datetime, datetime]] = (),
) -> None:
    """Remember how far streams were read when nothing was in them, or they were read under another name."""

    def note(session: Session) -> None:
        _move_checkpoints(session, source, "", positions, now)
        add_coverage(session, source, "", list(coverage))

    if positions or coverage:
        state.run(note)


def batch_state(state: State, batch_id: str) -> str | None:
    """leased, committed, compacted, abandoned, or None when there is no such batch."""
    with state.read() as session:
        return session.execute(select(BatchRow.state).where(BatchRow.id == batch_id)).scalar_one_or_none()


def checkpoint(state: State, source: str, stream: str) -> Position | None:
    """Where to go on with a stream."""
    with state.read() as session:
        row = session.get(CheckpointRow, key_of(source, stream))
        return None if row is None else _position(row)


def checkpoints(state: State, source: str, streams: Sequence[str] | None = None) -> dict[str, Position]:
    """Stream -> where to go on with it. streams: only these."""
    question = select(CheckpointRow).where(CheckpointRow.source == source)
    with state.read() as session:
        if streams is None:
            return {row.stream: _position(row) for row in session.scalars(question)}
        keys = [key_of(source, stream) for stream in streams]
        parts = (keys[begin : begin + _AT_ONCE] for begin in range(0, len(keys), _AT_ONCE))
        found = [row for part in parts for row in session.scalars(question.where(CheckpointRow.id.in_(part)))]
        return {row.stream: _position(row) for row in found}


def last_read(session: Session, source: str, prefix: str) -> datetime | None:
    """When the last of the streams whose names begin so, and are longer, was read."""
    mine = CheckpointRow.stream.startswith(prefix, autoescape=True) & (CheckpointRow.stream != prefix)
    return session.execute(
        select(func.max(CheckpointRow.updated_at)).where(CheckpointRow.source == source, mine)
    ).scalar_one()


def _position(row: CheckpointRow) -> Position:
    return Position(row.offset_bytes, row.lines, row.size_bytes, row.mtime_ns, row.done, row.fingerprint)


def segment_values(segment: Segment, batch_id: str) -> dict[str, object]:
    # A file of another batch would be swept with that batch: names begin with the id (design.md D3).
    if not segment.path.rpartition("/")[2].startswith(f"{batch_id}-"):
        raise ValueError(f"segment {segment.path[:200]!r} does not belong to batch {batch_id}")
    return {
        "kind": segment.kind,
        "path": segment.path,
        "rows": segment.rows,
        "size_bytes": segment.bytes,
        "min_at": segment.min_at,
        "max_at": segment.max_at,
        "sha256": segment.sha256,
        "token": segment.token or token_of(segment.path, segment.sha256),
        "batch_id": batch_id,
    }


def _move_checkpoints(
    session: Session, source: str, batch_id: str, checkpoints: Mapping[str, Position], now: datetime
) -> None:
    rows: list[dict[str, object]] = [
        {
            "id": key_of(source, stream),
            "source": source,
            "stream": stream,
            "offset_bytes": position.offset,
            "lines": position.lines,
            "size_bytes": position.size,
            "mtime_ns": position.mtime_ns,
            "done": position.done,
            "fingerprint": position.fingerprint,
            "batch_id": batch_id,
            "updated_at": now,
        }
        for stream, position in checkpoints.items()
    ]
    _upsert(
        session,
        CheckpointRow,
        rows,
        replace=("offset_bytes", "lines", "size_bytes", "mtime_ns", "done", "fingerprint", "batch_id", "updated_at"),
    )


def _add_outcomes(session: Session, source: str, batch_id: str, outcomes: Mapping[str, Outcomes]) -> None:
    rows: list[dict[str, object]] = [
        {
            "id": key_of(source, file),
            "source": source,
            "file": file,
            "lines": outcome.lines,
            "accepted": outcome.accepted,
            "rejected": outcome.rejected,
            "blank": outcome.blank,
            "duplicate": outcome.duplicate,
            "size_bytes": outcome.bytes,
            "batch_id": batch_id,
        }
        for file, outcome in outcomes.items()
    ]
    add = ("lines", "accepted", "rejected", "blank", "duplicate", "size_bytes")
    _upsert(session, FileOutcomeRow, rows, add=add, replace=("batch_id",))


def _add_reject_counts(
    session: Session, source: str, batch_id: str, reject_counts: Mapping[tuple[str, str], int]
) -> None:
    rows: list[dict[str, object]] = [
        {
            "id": key_of(source, file, reason[:64]),
            "source": source,
            "file": file,
            "reason": reason[:64],
            "n": n,
            "batch_id": batch_id,
        }
        for (file, reason), n in reject_counts.items()
    ]
    _upsert(session, RejectCountRow, rows, add=("n",), replace=("batch_id",))


def _upsert(
    session: Session,
    model: type[Base],
    rows: list[dict[str, object]],
    *,
    add: Sequence[str] = (),
    replace: Sequence[str] = (),
) -> None:
    """Insert, or where the id is there: add to some columns and replace others."""
    if not rows:
        return
    # Always in the order of the ids: two writers that meet in the same rows must not wait for each other in a ring.
    rows = sorted(rows, key=lambda row: str(row["id"]))
    table = model.__table__
    if session.get_bind().dialect.name == "sqlite":
        new = sqlite.insert(model)
        changes = {name: table.c[name] + new.excluded[name] for name in add}
        changes |= {name: new.excluded[name] for name in replace}
        session.connection().execute(new.on_conflict_do_update(index_elements=["id"], set_=changes), rows)
    else:
        new_ = postgresql.insert(model)
        changes = {name: table.c[name] + new_.excluded[name] for name in add}
        changes |= {name: new_.excluded[name] for name in replace}
        session.connection().execute(new_.on_conflict_do_update(index_elements=["id"], set_=changes), rows)


def _mark_swept(session: Session, batch_ids: Sequence[str]) -> None:
    now = db_now(session)
    session.execute(
        update(BatchRow).where(BatchRow.id.in_(batch_ids), BatchRow.state == "abandoned").values(swept_at=now)
    )


def _count(result: object) -> int:
    assert isinstance(result, CursorResult)
    return int(result.rowcount)
