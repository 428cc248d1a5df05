"""Findings: what a tick says is put beside what is stored, and what changed comes back; lists, pages, counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, text, type_coerce
from sqlalchemy.orm import Session, defer
from sqlalchemy.sql.base import ExecutableOption

from gatewatch.lifecycle import HOLD, OPEN, Event
from gatewatch.records import JSON, Blind, Finding, Kind, Severity, State
from gatewatch.store.finding_cursor import NEWEST, SORTS, Order, cursor_of, read_cursor
from gatewatch.store.finding_events import add_event
from gatewatch.store.finding_rows import WithoutSeries, digest, finding_of, finding_values
from gatewatch.store.finding_where import conditions
from gatewatch.store.lives import born, step
from gatewatch.store.models import BlindRow, FindingRow
from gatewatch.where import Term

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
    revision: int = 0
    assignee: str | None = None
    snooze_until: datetime | None = None
    snooze_count: int | None = None
    suppression: str | None = None


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """state: one of State, "open" for all but resolved, or "all". since, until: episodes that touch [since, until).

    What is suppressed is left out, unless `state` is "suppressed" or "all". where: terms that must hold besides.
    """

    kind: str | None = None
    severity_min: Severity | None = None
    api: str | None = None
    stage: str | None = None
    route: str | None = None
    state: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    where: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    items: list[StoredFinding]
    next_cursor: str | None


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
    changes nothing, whatever people did meanwhile. reevaluated: the window whose findings are all in `findings`; a
    stored finding that starts in it, goes on and is not among them is resolved: as a part of the finding that it was
    folded into, else as retracted.
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
    row = FindingRow(
        id=finding.id,
        detected_at=finding.detected_at,
        peak_rank=finding.severity.rank,
        state=State.NEW.value,
        digest=digest(values),
        first_seen_at=now,
        updated_at=now,
        occurrences=earlier + 1,
        revision=0,
        **values,
    )
    born(session, row, now)
    ended = "" if finding.end is None else ", over already"
    held = f", {row.state}" if row.state in (State.SNOOZED, State.SUPPRESSED, State.REGRESSED) else ""
    return _note(session, finding.id, now, "new", f"{finding.severity.value}{ended}{held}")


def _update(session: Session, row: FindingRow, finding: Finding, now: datetime) -> Transition:
    values = finding_values(finding)
    said = digest(values)
    if said == row.digest:
        return Transition(row.id, "same", "")
    was_open, old_severity, old_end = row.end_at is None, row.severity, row.end_at
    worse = finding.severity.rank > row.peak_rank
    for name, value in values.items():
        setattr(row, name, value)
    row.digest, row.updated_at = said, now
    row.peak_rank = max(row.peak_rank, finding.severity.rank)
    settled = row.settled_at
    if finding.end is not None:
        step(row, Event.ENDED)
    elif not was_open or (settled is not None and (worse or now - settled > HOLD)):
        step(row, Event.AGAIN if row.state in (State.RESOLVED, State.SUPPRESSED) else Event.SEEN)
        row.settled_at = None
    else:
        step(row, Event.SEEN)
    if worse and finding.end is None:
        step(row, Event.WORSE)
    session.flush()
    severities = f"severity {old_severity} -> {finding.severity.value}"
    if worse:
        return _note(session, row.id, now, "worse", severities)
    if finding.end is not None and was_open and settled is None:
        return _note(session, row.id, now, "resolved", "it ended")
    if finding.end is None and not was_open:
        return _note(session, row.id, now, "changed", "it goes on after all")
    if settled is not None and row.settled_at is None and finding.end is None:
        return _note(session, row.id, now, "regressed", "it was resolved, and goes on")
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
        .where(FindingRow.end_at.is_(None), FindingRow.start_at >= since, FindingRow.start_at < until)
        .order_by(FindingRow.start_at, FindingRow.id)
    )
    gone = [row for row in rows if row.id not in said]
    for row in gone:
        step(row, Event.ENDED)
        row.end_at, row.updated_at = max(until, row.start_at), now
        row.digest = ""
    retracted = "retracted: the completed data no longer show it"
    whys = [f"it is a part of {parts[row.id]}" if row.id in parts else retracted for row in gone]
    return [_note(session, row.id, now, "resolved", why) for row, why in zip(gone, whys, strict=True)]


def _note(session: Session, finding_id: str, now: datetime, kind: str, reason: str) -> Transition:
    add_event(session, finding_id, kind, actor="gatewatch", note=reason, now=now)
    return Transition(finding_id, kind, reason)


def list_findings(
    session: Session,
    filter_: FindingFilter | None = None,
    *,
    limit: int = 50,
    cursor: str | None = None,
    sort: Order = NEWEST,
    series: bool = True,
) -> Page:
    """Newest start first, or by one of finding_cursor.SORTS. What comes in while somebody pages hides no other finding.

    series: False leaves the points of their evidence out, which take most of the time that hundreds of findings need.
    ValueError when the cursor is not one that an earlier page of the same order gave.
    """
    rows, following = finding_rows(
        session,
        filter_ or FindingFilter(),
        limit=limit,
        cursor=cursor,
        sort=sort,
        options=() if series else (defer(FindingRow.evidence),),
    )
    told = {} if series else _brief(session, rows)
    return Page([_stored_finding(row, told.get(row.id)) for row in rows], following)


def _brief(session: Session, rows: Sequence[FindingRow]) -> dict[str, JSON]:
    """The evidence of findings, without its points."""
    question = select(FindingRow.id, type_coerce(FindingRow.evidence, WithoutSeries()))
    found = session.execute(question.where(FindingRow.id.in_([row.id for row in rows])))
    return {row[0]: row[1] for row in found}


def finding_rows(
    session: Session,
    filter_: FindingFilter,
    *,
    limit: int,
    cursor: str | None,
    sort: Order,
    options: Sequence[ExecutableOption] = (),
) -> tuple[list[FindingRow], str | None]:
    """(rows of a page, the cursor of the next one). options: of the question, such as columns that are not read."""
    limit = max(1, min(limit, MAX_PAGE))
    column: Any = SORTS[sort.removeprefix("-")]
    down = sort.startswith("-")
    question = select(FindingRow.id).where(*filter_conditions(filter_))
    if cursor is not None:
        value, identity = read_cursor(cursor, sort)
        further = column < value if down else column > value
        behind = FindingRow.id < identity if down else FindingRow.id > identity
        question = question.where(or_(further, and_(column == value, behind)))
    order = (column.desc(), FindingRow.id.desc()) if down else (column, FindingRow.id)
    # First which, then what: a database that sorts whole findings carries all their evidence about.
    some = question.order_by(*order).limit(limit + 1)
    rows = list(session.scalars(select(FindingRow).options(*options).where(FindingRow.id.in_(some)).order_by(*order)))
    following = cursor_of(rows[limit - 1], sort) if len(rows) > limit else None
    return rows[:limit], following


def stored_finding(session: Session, finding_id: str) -> Finding | None:
    row = session.get(FindingRow, finding_id)
    return None if row is None else finding_of(row)


def get_finding(session: Session, finding_id: str) -> StoredFinding | None:
    row = session.get(FindingRow, finding_id)
    return None if row is None else _stored_finding(row)


def count_findings(session: Session, filter_: FindingFilter | None = None) -> dict[tuple[str, str], int]:
    """(kind, severity) -> how many."""
    rows = session.execute(
        select(FindingRow.kind, FindingRow.severity, func.count())
        .where(*filter_conditions(filter_ or FindingFilter()))
        .group_by(FindingRow.kind, FindingRow.severity)
        .order_by(FindingRow.kind, FindingRow.severity)
    )
    return {(row[0], row[1]): row[2] for row in rows}


def filter_conditions(filter_: FindingFilter) -> list[ColumnElement[bool]]:
    """A filter as SQL."""
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
        out.append(FindingRow.state.in_([one.value for one in OPEN]))
    elif filter_.state is None:
        if not any(term.field in ("state", "suppression") for term in filter_.where):
            out.append(FindingRow.state != State.SUPPRESSED.value)
    elif filter_.state != "all":
        out.append(FindingRow.state == State(filter_.state).value)
    if filter_.since is not None:
        out.append(or_(FindingRow.end_at.is_(None), FindingRow.end_at >= filter_.since))
    if filter_.until is not None:
        out.append(FindingRow.start_at < filter_.until)
    if filter_.text:
        columns = (FindingRow.title, FindingRow.api, FindingRow.stage, FindingRow.route, FindingRow.subtype)
        out.append(or_(*(column.icontains(filter_.text, autoescape=True) for column in columns)))
    return out + conditions(filter_.where)


def _stored_finding(row: FindingRow, evidence: JSON = None) -> StoredFinding:
    return StoredFinding(
        finding_of(row, told=evidence),
        State(row.state),
        row.first_seen_at,
        row.updated_at,
        row.occurrences,
        row.revision,
        row.assignee,
        row.snooze_until,
        row.snooze_count,
        row.suppression_id,
    )


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
