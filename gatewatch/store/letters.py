"""Dead letters: rejected lines, the newest that fit a cap in bytes. Their counts are kept apart and stay exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from gatewatch.store.models import DeadLetterRow, MetaRow

BODY_BYTES = 4096
ROW_BYTES = 256  # what a row costs beside its texts, so that empty bodies are bounded too

_TOTAL = "dead_letter_bytes"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """line: from 1. offset, length: in bytes of the file's text. sha256: of the whole line. body: its first 4 KiB."""

    file: str
    line: int
    offset: int
    length: int
    reason: str
    sha256: str
    body: bytes


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A dead letter with its number, its source and when its batch was committed."""

    id: int
    source: str
    letter: DeadLetter
    batch_id: str
    created_at: datetime


def dead_letters(
    session: Session, *, source: str | None = None, limit: int = 100, after_id: int | None = None
) -> list[StoredLetter]:
    """Oldest first; page on with the last one's id as `after_id`."""
    question = select(DeadLetterRow).order_by(DeadLetterRow.id).limit(limit)
    if source is not None:
        question = question.where(DeadLetterRow.source == source)
    if after_id is not None:
        question = question.where(DeadLetterRow.id > min(after_id, 2**63 - 1))
    return [
        StoredLetter(
            row.id,
            row.source,
            DeadLetter(row.file, row.line, row.offset_bytes, row.length, row.reason, row.sha256, row.body),
            row.batch_id,
            row.created_at,
        )
        for row in session.scalars(question)
    ]


def count_dead_letters(session: Session) -> int:
    """How many bodies are kept (the rejected lines are counted in `accounting`)."""
    return session.execute(select(func.count()).select_from(DeadLetterRow)).scalar_one()


def remove_dead_letters(session: Session, ids: Sequence[int]) -> int:
    """Take letters away, for instance once they were read again; how many were there."""
    removed = 0
    for first in range(0, len(ids), 1000):  # databases limit the values of one question
        some = ids[first : first + 1000]
        costs = session.scalars(select(DeadLetterRow.cost_bytes).where(DeadLetterRow.id.in_(some)).with_for_update())
        gone = list(costs)
        session.execute(delete(DeadLetterRow).where(DeadLetterRow.id.in_(some)))
        _add_total(session, -sum(gone))
        removed += len(gone)
    return removed


def keep_dead_letters(
    session: Session, source: str, batch_id: str, letters: Sequence[DeadLetter], now: datetime, cap_bytes: int
) -> None:
    """Add letters; the oldest go when all of them cost more than the cap."""
    rows: list[dict[str, object]] = [
        {
            "source": source,
            "file": letter.file,
            "line": letter.line,
            "offset_bytes": letter.offset,
            "length": letter.length,
            "reason": letter.reason[:64],
            "sha256": letter.sha256[:64],
            "body": letter.body[:BODY_BYTES],
            "cost_bytes": len(letter.body[:BODY_BYTES]) + len(letter.file) + ROW_BYTES,
            "batch_id": batch_id,
            "created_at": now,
        }
        for letter in letters
    ]
    if not rows or cap_bytes <= 0:
        return
    total = _add_total(session, sum(int(str(row["cost_bytes"])) for row in rows))
    session.execute(insert(DeadLetterRow), rows)
    if total > cap_bytes:
        _drop_oldest(session, total - cap_bytes + cap_bytes // 10)


def _drop_oldest(session: Session, surplus: int) -> None:
    """Remove the oldest letters that cost `surplus` bytes together; a tenth more than needed, so not at each commit."""
    dropped, last = 0, 0
    for number, cost in session.execute(select(DeadLetterRow.id, DeadLetterRow.cost_bytes).order_by(DeadLetterRow.id)):
        dropped, last = dropped + cost, number
        if dropped >= surplus:
            break
    session.execute(delete(DeadLetterRow).where(DeadLetterRow.id <= last))
    _add_total(session, -dropped)


def _add_total(session: Session, cost: int) -> int:
    """The cost of all letters after this change, kept in one row so that no commit sums the table."""
    row = session.execute(select(MetaRow).where(MetaRow.key == _TOTAL).with_for_update()).scalar_one_or_none()
    if row is None:
        row = MetaRow(key=_TOTAL, value=0)
        session.add(row)
    assert isinstance(row.value, int)
    row.value = max(row.value + cost, 0)
    session.flush()
    return row.value
