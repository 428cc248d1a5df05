"""What people do to findings: one place for API, command line, dashboard and chat.

Each act is one step of gatewatch.lifecycle or none, a line of the finding's timeline, a line of the audit log, and a
notice where alerts should tell of it; all in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from gatewatch.errors import UsageError
from gatewatch.lifecycle import PEOPLE, Event, Suppression, after
from gatewatch.records import JSON, State, iso
from gatewatch.roles import Who
from gatewatch.store import audit
from gatewatch.store.finding_events import add_event
from gatewatch.store.finding_where import conditions
from gatewatch.store.findings import FindingFilter, filter_conditions
from gatewatch.store.lives import hide, step
from gatewatch.store.models import FindingRow, SuppressionRow
from gatewatch.store.notices import add_notice, look_now
from gatewatch.store.suppressions import add_suppression, end_suppression
from gatewatch.where import Term, parse

LONGEST_NOTE = 2000
LONGEST_NAME = 100
MOST_AT_ONCE = 10_000


class Verb(StrEnum):
    """What can be done: the events that people cause, and what changes no state."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    SNOOZE = "snooze"
    UNSNOOZE = "unsnooze"
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    ASSIGN = "assign"
    COMMENT = "comment"


@dataclass(frozen=True, slots=True)
class Act:
    """note: why, or the comment. until: of a snooze (None: no time) or suppression (None: for good).

    count: how many further episodes a snooze stays quiet. Whatever a snooze says, it ends when the finding gets worse.
    why: of a suppression. assignee: '' for nobody.
    """

    verb: Verb
    note: str = ""
    until: datetime | None = None
    count: int | None = None
    why: Suppression | None = None
    assignee: str = ""

    def checked(self, now: datetime) -> Act:
        """The act with its texts trimmed. UsageError when something is missing or makes no sense."""
        note, assignee = self.note.strip(), self.assignee.strip()
        if len(note) > LONGEST_NOTE or len(assignee) > LONGEST_NAME:
            raise UsageError(f"at most {LONGEST_NOTE} characters of text, and {LONGEST_NAME} of a name")
        if self.verb in (Verb.SUPPRESS, Verb.COMMENT) and not note:
            raise UsageError("say why" if self.verb is Verb.SUPPRESS else "the comment is empty")
        if self.verb is Verb.SUPPRESS and self.why is None:
            raise UsageError(f"say which reason it is: {', '.join(Suppression)}")
        if self.until is not None and self.until <= now:
            raise UsageError("the time has passed already")
        if self.count is not None and not 1 <= self.count <= 1000:
            raise UsageError("a snooze may wait for 1 to 1,000 further episodes")
        if self.until is not None and self.count is not None:
            raise UsageError("a snooze has a time or a count, not both")
        return replace(self, note=note, assignee=assignee)


@dataclass(frozen=True, slots=True)
class Refusal:
    finding_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Acted:
    """done: ids of the findings; refused: where the life cycle does not allow it. suppression: that was made."""

    done: list[str]
    refused: list[Refusal]
    suppression: str | None = None


class Stale(UsageError):
    """Somebody, or new data, has changed the finding since it was read."""


def act(
    session: Session, who: Who, finding_id: str, wish: Act, *, now: datetime, revision: int | None = None
) -> bool | None:
    """Do it to one finding; whether its state changed. None: there is no such finding.

    revision: which the asker has seen; Stale when the finding's life has gone on since. UsageError: not allowed.
    """
    wish = wish.checked(now)
    row = session.get(FindingRow, finding_id, with_for_update=True)
    if row is None:
        return None
    if revision is not None and row.revision != revision:
        raise Stale("the finding has changed since you read it; read it again")
    suppression = None
    if wish.verb is Verb.SUPPRESS:
        _step_or_refuse(row)
        suppression = add_suppression(
            session, (parse(f"fingerprint = {row.fingerprint}"),), _why(wish), wish.note, who.name, wish.until, now
        )
    changed = _do(session, who, row, wish, suppression, now)
    session.flush()
    return changed


def act_on_all(
    session: Session,
    who: Who,
    where: Sequence[Term],
    wish: Act,
    *,
    now: datetime,
    within: FindingFilter | None = None,
) -> Acted:
    """Do it to every finding for which all terms hold. To suppress makes one suppression with these terms.

    Without a term about the state, what is suppressed is left out. within: a time and a search that must hold besides,
    which no suppression can have. UsageError beyond MOST_AT_ONCE, or without a term.
    """
    wish = wish.checked(now)
    if not where:
        raise UsageError("say which findings: at least one condition")
    if within is not None and wish.verb is Verb.SUPPRESS:
        raise UsageError("a suppression holds for later findings too: it takes conditions, and no time or search")
    terms = conditions(where)
    if within is not None:
        terms += filter_conditions(FindingFilter(state="all", since=within.since, until=within.until, text=within.text))
    if not any(one.field in ("state", "suppression") for one in where):
        terms.append(FindingRow.state != State.SUPPRESSED.value)
    question = select(FindingRow).where(*terms).order_by(FindingRow.start_at, FindingRow.id).limit(MOST_AT_ONCE + 1)
    rows = list(session.scalars(question.with_for_update()))
    if len(rows) > MOST_AT_ONCE:
        raise UsageError(f"more than {MOST_AT_ONCE:,} findings fit; narrow it")
    suppression = None
    if wish.verb is Verb.SUPPRESS:
        rows = [row for row in rows if row.end_at is None]
        suppression = add_suppression(session, where, _why(wish), wish.note, who.name, wish.until, now)
        _audit_suppression(session, who, suppression, now)
    done, refused = [], []
    for row in rows:
        try:
            _do(session, who, row, wish, suppression, now, bulk=True)
            done.append(row.id)
        except UsageError as error:
            refused.append(Refusal(row.id, str(error)))
    detail: dict[str, JSON] = {"where": [str(one) for one in where], "done": len(done), "refused": len(refused)}
    audit.note(session, who, f"findings.{wish.verb.value}", now=now, detail=detail)
    session.flush()
    return Acted(done, refused, None if suppression is None else suppression.id)


def _do(
    session: Session,
    who: Who,
    row: FindingRow,
    wish: Act,
    suppression: SuppressionRow | None,
    now: datetime,
    *,
    bulk: bool = False,
) -> bool:
    was = row.state
    note = wish.note
    if wish.verb is Verb.ASSIGN:
        if (row.assignee or "") == wish.assignee:
            return False
        row.assignee = wish.assignee or None
        row.revision += 1
        note = f"to {wish.assignee}" if wish.assignee else "to nobody"
    elif wish.verb is Verb.COMMENT:
        row.revision += 1
    elif suppression is not None:
        hide(row, suppression, now)
        note = f"{suppression.why}: {wish.note}"
    else:
        _step(session, who, row, wish, now)
        note = _snooze_note(wish) if wish.verb is Verb.SNOOZE else note
    row.updated_at = now
    add_event(session, row.id, wish.verb.value, actor=who.name, note=note, now=now)
    if not bulk:
        detail: dict[str, JSON] = {"from": was, "to": row.state, "note": note[:200]}
        audit.note(session, who, f"finding.{wish.verb.value}", row.id, now=now, detail=detail)
        if suppression is not None:
            _audit_suppression(session, who, suppression, now)
    if row.state != was:
        _tell(session, row, was, now)
    return row.state != was


def _step(session: Session, who: Who, row: FindingRow, wish: Act, now: datetime) -> None:
    event = Event(wish.verb.value)
    assert event in PEOPLE
    if event is Event.UNSUPPRESS and row.suppression_id is not None:
        _end_own(session, who, row, now)
    step(row, event)
    if event is Event.SNOOZE:
        row.snooze_until, row.snooze_count = wish.until, wish.count
        row.revision += 1
    row.settled_at = now if event is Event.RESOLVE and row.end_at is None else None


def _end_own(session: Session, who: Who, row: FindingRow, now: datetime) -> None:
    """End the suppression of just this problem; one that covers more is ended by its own id."""
    suppression = session.get(SuppressionRow, row.suppression_id)
    if suppression is None or suppression.ended_at is not None:
        return
    if suppression.where != [f"fingerprint = {row.fingerprint}"]:
        raise UsageError(f"the suppression {suppression.id} hides it, with others that fit; end that one")
    row.suppression_id = None  # the others of the problem are released, this one takes its own step
    end_suppression(session, who, suppression.id, now=now)


def _step_or_refuse(row: FindingRow) -> None:
    after(State(row.state), Event.SUPPRESS, over=row.end_at is not None)


def _tell(session: Session, row: FindingRow, was: str, now: datetime) -> None:
    """A notice for those who were told of the finding: messages change in place; nobody is told of what is hidden."""
    quiet = (State.SNOOZED, State.SUPPRESSED)
    if was in quiet and row.state not in quiet and row.end_at is None:
        look_now(session, now)
    if row.state == State.RESOLVED:
        add_notice(session, row.id, f"resolved:{iso(now)}", now=now)
    elif row.state != State.SUPPRESSED:
        add_notice(session, row.id, f"changed:{row.state}:{row.revision}", now=now)


def _why(wish: Act) -> Suppression:
    assert wish.why is not None
    return wish.why


def _snooze_note(wish: Act) -> str:
    if wish.until is not None:
        how = f"until {iso(wish.until)}"
    elif wish.count is not None:
        how = f"for {wish.count} more episode{'s' if wish.count > 1 else ''}"
    else:
        how = "until it gets worse"
    return f"{how}: {wish.note}" if wish.note else how


def _audit_suppression(session: Session, who: Who, suppression: SuppressionRow, now: datetime) -> None:
    detail: dict[str, JSON] = {"where": suppression.where, "why": suppression.why, "note": suppression.note[:200]}
    audit.note(session, who, "suppression.add", suppression.id, now=now, detail=detail)
