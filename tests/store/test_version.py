"""The mark of all findings moves with each commit that changes an answer about them, and with nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import text

from gatewatch.lifecycle import Suppression
from gatewatch.records import JSON, Severity
from gatewatch.roles import Role, Via, Who
from gatewatch.settings import Settings
from gatewatch.store.acting import Act, Verb, act, act_on_all
from gatewatch.store.feedback import give_feedback
from gatewatch.store.finding_json import finding_page
from gatewatch.store.findings import FindingFilter, save_findings
from gatewatch.store.lives import wake
from gatewatch.store.state import Session, State, open_state
from gatewatch.store.suppressions import end_suppression
from gatewatch.verdicts import Verdict
from gatewatch.where import parse_all
from tests.store.builders import AT, a_finding, minutes, minutes_after, put, requests

OTTO = Who("otto", Role.OPERATOR, Via.SESSION, "u1")
ONE, TWO, THREE = (a_finding(name) for name in ("one", "two", "three"))
NOW = minutes_after(20)
LATER = NOW + timedelta(days=2)


def saved(*findings: object, **more: object) -> Callable[[Session], object]:
    return lambda session: save_findings(session, findings, now=NOW, **more)  # type: ignore[arg-type]


def done(wish: Act) -> Callable[[Session], object]:
    return lambda session: act(session, OTTO, ONE.id, wish, now=NOW)


def hidden(session: Session) -> object:
    wish = Act(Verb.SUPPRESS, "a test", why=Suppression.PLANNED, until=NOW + timedelta(days=1))
    return act_on_all(session, OTTO, parse_all(["severity = medium"]), wish, now=NOW)


def unhidden(session: Session) -> object:
    wish = Act(Verb.SUPPRESS, "a test", why=Suppression.PLANNED)
    made = act_on_all(session, OTTO, parse_all(["severity = medium"]), wish, now=LATER)
    return end_suppression(session, OTTO, str(made.suppression), now=LATER)


def said(verdict: Verdict | None) -> Callable[[Session], object]:
    return lambda session: give_feedback(session, OTTO, ONE.id, verdict, "", now=NOW)


def told(state: State) -> tuple[list[JSON], str | None]:
    with state.read() as session:
        return finding_page(session, FindingFilter(state="all"))


STEPS: list[Callable[[Session], object]] = [
    saved(ONE, TWO, THREE),
    saved(dataclasses.replace(ONE, score=13.0)),
    saved(dataclasses.replace(ONE, score=14.0, severity=Severity.HIGH)),
    saved(ONE),
    saved(ONE, TWO, reevaluated=(AT, minutes_after(60))),
    *(
        done(wish)
        for wish in (
            Act(Verb.ACKNOWLEDGE),
            Act(Verb.UNACKNOWLEDGE),
            Act(Verb.SNOOZE, until=NOW + timedelta(hours=1)),
            Act(Verb.UNSNOOZE),
            Act(Verb.ASSIGN, assignee="vera"),
            Act(Verb.COMMENT, "hm"),
            Act(Verb.RESOLVE),
            Act(Verb.REOPEN),
            Act(Verb.SUPPRESS, "a test", why=Suppression.PLANNED),
            Act(Verb.UNSUPPRESS),
            Act(Verb.SNOOZE, until=NOW + timedelta(hours=1)),
        )
    ),
    said(Verdict.FALSE_POSITIVE),
    said(None),
    lambda session: wake(session, LATER),
    hidden,
    lambda session: wake(session, LATER),
    unhidden,
    lambda session: session.execute(text("UPDATE finding SET title = 'by hand'")),
    lambda session: [session.execute(text(f"DELETE FROM {name}")) for name in ("feedback", "finding_event", "finding")],
]


def test_every_change_of_a_finding_moves_the_mark(state: State) -> None:
    seen = {state.version()}
    before = told(state)
    for number, step in enumerate(STEPS):
        with state.begin() as session:
            step(session)
        after = told(state)
        assert after != before, f"step {number} changes nothing, so it shows nothing"
        before = after
        mark = state.version()
        assert mark not in seen, f"step {number}"
        seen.add(mark)


def test_it_does_not_move_for_logs_nor_for_what_is_said_again_or_rolled_back(state: State) -> None:
    with state.begin() as session:
        save_findings(session, [ONE, TWO], now=AT)
    mark = state.version()
    put(state, tables=[("requests", requests([{}])), ("minutes", minutes([{}]))], lines=1, coverage=[(AT, NOW)])
    with state.begin() as session:
        save_findings(session, [ONE, TWO], now=NOW)
    with state.begin() as session:
        save_findings(session, [THREE], now=NOW)
        session.rollback()
    assert state.version() == mark


def test_it_moves_when_others_commit_and_not_before(state: State, settings: Settings) -> None:
    other = open_state(settings)
    try:
        mark = state.version()
        with other.begin() as session:
            save_findings(session, [ONE], now=AT)
            session.flush()
            assert state.version() == mark
        assert state.version() != mark
    finally:
        other.close()


def test_two_who_change_findings_do_not_wait_for_each_other_before_they_commit(state: State) -> None:
    """A mark that is moved at once is locked for a whole transaction: with locks of findings that makes a circle."""
    if state.engine.dialect.name == "sqlite":  # which lets in one who writes after the other
        return
    with state.begin() as session:
        save_findings(session, [ONE, TWO], now=AT)
    mark = state.version()
    with state.begin() as first, state.begin() as second:
        for session, one in ((first, ONE), (second, TWO)):
            session.execute(text("SET LOCAL lock_timeout = '5s'"))
            session.execute(text("UPDATE finding SET title = 'x' WHERE id = :id"), {"id": one.id})
    assert state.version() == mark + 2
