"""Findings: what a tick says is put beside what is stored, and what changed comes back; lists, pages, counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, text
from sqlalchemy.orm import Session

from gatewatch.records import Blind, Finding, Kind, Severity, State
from gatewatch.store.finding_rows import cursor_of, digest, finding_of, finding_values, read_cursor
from gatewatch.store.models import BlindRow, FindingEventRow, FindingRow

OPEN = (State.NEW.value, State.ONGOING.value, State.ESCALATING.value)

NEW_EVIDENCE = "new evidence"
"""The reason of the transition that every tick of an open finding makes."""

MAX_PAGE = 1000

_LOCK = 0x6669_6E64


@dataclass(frozen=True, slots=True)
class Transition:
    """What became of one finding: new, worse, changed, resolved or same; reason is for people."""

    finding_id: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """occurrences: episodes of this problem so far, this one included."""

    finding: Finding
    state: State
    first_seen_at: datetime
    updated_at: datetime
    occurrences: int


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """state: one of State, or "open" for all but resolved. since, until: episodes that touch [since, until)."""

    kind: str | None = None
    severity_min: Severity | None = None
    api: str | None = None
    stage: str | None = None
    route: str | None = None
    state: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    items: list[StoredFinding]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class FindingEvent:
    at: datetime
    transition: str
    actor: str
    note: str


def save_findings(
    session: Session,
    findings: Sequence[Finding],
    *,
    now: datetime,
    reevaluated: tuple[datetime, datetime] | None = None,
) -> list[Transition]:
    """Store what the detectors say now; one transition for each finding, in the order given, then the retracted.

    A finding is the stored one of its id, else the stored episode of its fingerprint that it overlaps; id and
    detected_at of that stay. `worse`: the severity is higher than it ever was in this episode. Saying the same again
    changes nothing. reevaluated: the window whose findings are all in `findings`; a stored finding that starts in it,
    is open and is not among them is resolved: as a part of the finding that it was folded into, else as retracted.
    """
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer anyway
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    transitions: list[Transition] = []
    said: set[str] = set()
    parts: dict[str, str] = {}
    for finding in findings:
        row = _stored(session, finding)
        transition = _add(session, finding, now) if row is None else _update(session, row, finding, now)
        said.add(transition.finding_id)
        parts |= dict.fromkeys(finding.parts, transition.finding_id)
        transitions.append(transition)
    if reevaluated is not None:
        transitions += _retract(session, reevaluated, said, parts, now)
    session.flush()
    return transitions


def _stored(session: Session, finding: Finding) -> FindingRow | None:
    row = session.get(FindingRow, finding.id)
    if row is not None:
        return row
    overlaps = or_(FindingRow.end_at.is_(None), FindingRow.end_at >= finding.start)
    question = select(FindingRow).where(FindingRow.fingerprint == finding.fingerprint, overlaps)
    if finding.end is not None:
        question = question.where(FindingRow.start_at <= finding.end)
    return session.scalars(question.order_by(FindingRow.start_at.desc(), FindingRow.id).limit(1)).first()


def _add(session: Session, finding: Finding, now: datetime) -> Transition:
    values = finding_values(finding)
    earlier = session.execute(
        select(func.count()).select_from(FindingRow).where(FindingRow.fingerprint == finding.fingerprint)
    ).scalar_one()
    session.add(
        FindingRow(
            id=finding.id,
            detected_at=finding.detected_at,
            peak_rank=finding.severity.rank,
            state=(State.NEW if finding.end is None else State.RESOLVED).value,
            digest=digest(values),
            first_seen_at=now,
            updated_at=now,
            occurrences=earlier + 1,
            **values,
        )
    )
    session.flush()
    ended = "" if finding.end is None else ", over already"
    return _note(session, finding.id, now, "new", f"{finding.severity.value}{ended}")


def _update(session: Session, row: FindingRow, finding: Finding, now: datetime) -> Transition:
    values = finding_values(finding)
    said = digest(values)
    if said == row.digest and (row.state == State.RESOLVED.value) == (finding.end is not None):
        return Transition(row.id, "same", "")
    was_open, old_severity, old_end = row.state != State.RESOLVED.value, row.severity, row.end_at
    worse = finding.severity.rank > row.peak_rank
    for name, value in values.items():
        setattr(row, name, value)
    row.digest, row.updated_at = said, now
    row.peak_rank = max(row.peak_rank, finding.severity.rank)
    if finding.end is not None:
        row.state = State.RESOLVED.value
    elif worse:
        row.state = State.ESCALATING.value
    elif not was_open or row.state == State.NEW.value:
        row.state = State.ONGOING.value
    session.flush()
    severities = f"severity {old_severity} -> {finding.severity.value}"
    if worse:
        return _note(session, row.id, now, "worse", severities)
    if finding.end is not None and was_open:
        return _note(session, row.id, now, "resolved", "it ended")
    if finding.end is None and not was_open:
        return _note(session, row.id, now, "changed", "it goes on after all")
    if old_severity != finding.severity.value:
        return _note(session, row.id, now, "changed", severities)
    if old_end != finding.end:
        return _note(session, row.id, now, "changed", "it ended at another time")
    # New evidence comes with every tick of an open finding; a timeline made of it would bury the rest.
    return Transition(row.id, "changed", NEW_EVIDENCE)


def _retract(
    session: Session, window: tuple[datetime, datetime], said: set[str], parts: Mapping[str, str], now: datetime
) -> list[Transition]:
    since, until = window
    rows = session.scalars(
        select(FindingRow)
        .where(FindingRow.state.in_(OPEN), FindingRow.start_at >= since, FindingRow.start_at < until)
        .order_by(FindingRow.start_at, FindingRow.id)
    )
    gone = [row for row in rows if row.id not in said]
    for row in gone:
        row.state, row.end_at, row.updated_at = State.RESOLVED.value, max(until, row.start_at), now
        row.digest = ""
    retracted = "retracted: the completed data no longer show it"
    whys = [f"it is a part of {parts[row.id]}" if row.id in parts else retracted for row in gone]
    return [_note(session, row.id, now, "resolved", why) for row, why in zip(gone, whys, strict=True)]


def _note(session: Session, finding_id: str, now: datetime, kind: str, reason: str) -> Transition:
    add_event(session, finding_id, kind, actor="gatewatch", note=reason, now=now)
    return Transition(finding_id, kind, reason)


def add_event(session: Session, finding_id: str, transition: str, *, actor: str, note: str, now: datetime) -> None:
    """Add a line to a finding's timeline."""
    session.execute(
        insert(FindingEventRow).values(finding_id=finding_id, at=now, transition=transition, actor=actor, note=note)
    )


def list_findings(
    session: Session, filter_: FindingFilter | None = None, *, limit: int = 50, cursor: str | None = None
) -> Page:
    """Newest start first. Findings that come in while somebody pages neither repeat nor hide others.

    ValueError when the cursor is not one that an earlier page gave.
    """
    limit = max(1, min(limit, MAX_PAGE))
    question = select(FindingRow).where(*_conditions(filter_ or FindingFilter()))
    if cursor is not None:
        start, identity = read_cursor(cursor)
        question = question.where(
            or_(FindingRow.start_at < start, and_(FindingRow.start_at == start, FindingRow.id < identity))
        )
    rows = list(session.scalars(question.order_by(FindingRow.start_at.desc(), FindingRow.id.desc()).limit(limit + 1)))
    following = cursor_of(rows[limit - 1]) if len(rows) > limit else None
    return Page([_stored_finding(row) for row in rows[:limit]], following)


def stored_finding(session: Session, finding_id: str) -> Finding | None:
    row = session.get(FindingRow, finding_id)
    return None if row is None else finding_of(row)


def get_finding(session: Session, finding_id: str) -> StoredFinding | None:
    row = session.get(FindingRow, finding_id)
    return None if row is None else _stored_finding(row)


def finding_events(session: Session, finding_id: str) -> list[FindingEvent]:
    """The timeline of a finding, oldest first."""
    rows = session.scalars(
        select(FindingEventRow).where(FindingEventRow.finding_id == finding_id).order_by(FindingEventRow.id)
    )
    return [FindingEvent(row.at, row.transition, row.actor, row.note) for row in rows]


def count_findings(session: Session, filter_: FindingFilter | None = None) -> dict[tuple[str, str], int]:
    """(kind, severity) -> how many."""
    rows = session.execute(
        select(FindingRow.kind, FindingRow.severity, func.count())
        .where(*_conditions(filter_ or FindingFilter()))
        .group_by(FindingRow.kind, FindingRow.severity)
        .order_by(FindingRow.kind, FindingRow.severity)
    )
    return {(row[0], row[1]): row[2] for row in rows}


def _conditions(filter_: FindingFilter) -> list[ColumnElement[bool]]:
    out: list[ColumnElement[bool]] = [
        column == value
        for column, value in (
            (FindingRow.kind, filter_.kind),
            (FindingRow.api, filter_.api),
            (FindingRow.stage, filter_.stage),
            (FindingRow.route, filter_.route),
        )
        if value is not None
    ]
    if filter_.severity_min is not None:
        out.append(FindingRow.severity_rank >= filter_.severity_min.rank)
    if filter_.state == "open":
        out.append(FindingRow.state.in_(OPEN))
    elif filter_.state is not None:
        out.append(FindingRow.state == State(filter_.state).value)
    if filter_.since is not None:
        out.append(or_(FindingRow.end_at.is_(None), FindingRow.end_at >= filter_.since))
    if filter_.until is not None:
        out.append(FindingRow.start_at < filter_.until)
    if filter_.text:
        columns = (FindingRow.title, FindingRow.api, FindingRow.stage, FindingRow.route, FindingRow.subtype)
        out.append(or_(*(column.icontains(filter_.text, autoescape=True) for column in columns)))
    return out


def _stored_finding(row: FindingRow) -> StoredFinding:
    return StoredFinding(finding_of(row), State(row.state), row.first_seen_at, row.updated_at, row.occurrences)


def save_blind(session: Session, blinds: Sequence[Blind]) -> None:
    """Replace what is known about what detectors cannot judge."""
    session.execute(delete(BlindRow))
    rows: list[dict[str, Any]] = [
        {
            "kind": blind.kind.value,
            "account": blind.account,
            "region": blind.region,
            "api": blind.api,
            "stage": blind.stage,
            "reason": blind.reason,
            "missing": list(blind.missing),
        }
        for blind in blinds
    ]
    if rows:
        session.execute(insert(BlindRow), rows)


def list_blind(session: Session) -> list[Blind]:
    """What could not be judged at the last tick, in the order it was said."""
    return [
        Blind(Kind(row.kind), row.account, row.region, row.api, row.stage, row.reason, _names(row))
        for row in session.scalars(select(BlindRow).order_by(BlindRow.id))
    ]


def _names(row: BlindRow) -> tuple[str, ...]:
    assert isinstance(row.missing, list)
    return tuple(str(name) for name in row.missing)
