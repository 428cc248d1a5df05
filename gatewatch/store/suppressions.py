"""Suppressions: what is hidden, why, by whom and how long; what one would hide; and those that hide nothing."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from gatewatch.errors import UsageError
from gatewatch.lifecycle import Suppression
from gatewatch.records import JSON, iso
from gatewatch.roles import Who
from gatewatch.store import audit
from gatewatch.store.finding_where import conditions
from gatewatch.store.lives import release
from gatewatch.store.models import FindingRow, SuppressionRow
from gatewatch.store.notices import look_now
from gatewatch.where import Term, words

PREVIEW = timedelta(days=30)
MOST_STANDING = 500
_LIFE_FIELDS = frozenset({"state", "assignee", "suppression", "updated", "occurrences", "end"})


@dataclass(frozen=True, slots=True)
class StoredSuppression:
    """hits: findings that it has hidden. hiding: that it hides now. expires_at None: until somebody ends it."""

    id: str
    where: tuple[str, ...]
    why: Suppression
    note: str
    author: str
    created_at: datetime
    expires_at: datetime | None
    ended_at: datetime | None
    hits: int
    last_hit_at: datetime | None
    hiding: int

    def to_json(self, now: datetime) -> dict[str, JSON]:
        """unused_days: since when it hides nothing; None once it is over."""
        over = self.ended_at is not None
        idle = now - (self.last_hit_at or self.created_at)
        return {
            "id": self.id,
            "where": [*self.where],
            "why": self.why.value,
            "note": self.note,
            "author": self.author,
            "created_at": iso(self.created_at),
            "expires_at": None if self.expires_at is None else iso(self.expires_at),
            "ended_at": None if self.ended_at is None else iso(self.ended_at),
            "hits": self.hits,
            "last_hit_at": None if self.last_hit_at is None else iso(self.last_hit_at),
            "hiding": self.hiding,
            "unused_days": None if over or self.hiding else max(idle.days, 0),
        }


@dataclass(frozen=True, slots=True)
class Preview:
    """What a suppression would have hidden: findings of the last 30 days, those open now, and the newest ids."""

    since: datetime
    findings: int
    open: int
    problems: int
    newest: list[str]


def add_suppression(
    session: Session,
    where: Sequence[Term],
    why: Suppression,
    note: str,
    author: str,
    expires_at: datetime | None,
    now: datetime,
) -> SuppressionRow:
    """Store one; it hides what is told from now on. UsageError for terms about what is not known of a new finding."""
    for term in where:
        if term.field in _LIFE_FIELDS:
            raise UsageError(f"a suppression cannot ask for {term.field}: it must fit findings that are just born")
    standing = session.execute(select(func.count()).where(SuppressionRow.ended_at.is_(None))).scalar_one()
    if standing >= MOST_STANDING:
        raise UsageError(f"there are {MOST_STANDING} suppressions; end some that are unused first")
    row = SuppressionRow(
        id=secrets.token_hex(6),
        where=[*words(where)],
        why=why.value,
        note=note,
        author=author,
        created_at=now,
        expires_at=expires_at,
        hits=0,
    )
    session.add(row)
    session.flush()
    return row


def end_suppression(session: Session, who: Who, suppression_id: str, *, now: datetime) -> list[str] | None:
    """End one; ids of the findings that count again. None: there is none, or it is over."""
    row = session.get(SuppressionRow, suppression_id, with_for_update=True)
    if row is None or row.ended_at is not None:
        return None
    row.ended_at = now
    woken = release(session, row, f"{who.name} ended its suppression", now)
    audit.note(session, who, "suppression.end", suppression_id, now=now, detail={"released": len(woken)})
    look_now(session, now)
    session.flush()
    return [one.finding_id for one in woken]


def suppressions(
    session: Session, *, everything: bool = False, unused_for: timedelta | None = None, now: datetime
) -> list[StoredSuppression]:
    """Suppressions in force (everything: also those that are over), newest first.

    unused_for: only those that hide nothing, and have hidden nothing new for so long.
    """
    hiding: dict[str | None, int] = {
        row[0]: row[1]
        for row in session.execute(
            select(FindingRow.suppression_id, func.count())
            .where(FindingRow.suppression_id.is_not(None), FindingRow.end_at.is_(None))
            .group_by(FindingRow.suppression_id)
        )
    }
    question = select(SuppressionRow).order_by(SuppressionRow.created_at.desc(), SuppressionRow.id)
    if not everything:
        question = question.where(SuppressionRow.ended_at.is_(None))
    if unused_for is not None:
        before = now - unused_for
        question = question.where(
            SuppressionRow.ended_at.is_(None),
            SuppressionRow.created_at <= before,
            or_(SuppressionRow.last_hit_at.is_(None), SuppressionRow.last_hit_at <= before),
        )
    found = [_stored(row, hiding.get(row.id, 0)) for row in session.scalars(question)]
    return [one for one in found if not one.hiding] if unused_for is not None else found


def preview(session: Session, where: Sequence[Term], now: datetime) -> Preview:
    """What a suppression with these terms would have hidden in the last 30 days; nothing is changed."""
    since = now - PREVIEW
    touching = or_(FindingRow.end_at.is_(None), FindingRow.end_at >= since)
    mine = [*conditions(where), touching]
    found, problems = session.execute(
        select(func.count(), func.count(FindingRow.fingerprint.distinct())).where(*mine)
    ).one()
    still = session.execute(select(func.count()).where(*mine, FindingRow.end_at.is_(None))).scalar_one()
    newest = session.scalars(select(FindingRow.id).where(*mine).order_by(FindingRow.start_at.desc()).limit(20))
    return Preview(since, found, still, problems, list(newest))


def _stored(row: SuppressionRow, hiding: int) -> StoredSuppression:
    assert isinstance(row.where, list)
    return StoredSuppression(
        row.id,
        tuple(str(one) for one in row.where),
        Suppression(row.why),
        row.note,
        row.author,
        row.created_at,
        row.expires_at,
        row.ended_at,
        row.hits,
        row.last_hit_at,
        hiding,
    )
