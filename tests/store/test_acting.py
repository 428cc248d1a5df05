"""What people do to findings, on both databases."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from gatewatch.errors import UsageError
from gatewatch.jobs import notice_key
from gatewatch.lifecycle import HOLD, Suppression
from gatewatch.records import Finding, Severity
from gatewatch.records import State as Life
from gatewatch.roles import Role, Via, Who
from gatewatch.store.acting import Act, Acted, Stale, Verb, act, act_on_all
from gatewatch.store.audit import audit_events
from gatewatch.store.finding_events import finding_events
from gatewatch.store.findings import (
    FindingFilter,
    StoredFinding,
    Transition,
    count_findings,
    get_finding,
    list_findings,
    save_findings,
)
from gatewatch.store.lives import sleepers, wake
from gatewatch.store.notices import take_notices
from gatewatch.store.state import State
from gatewatch.store.suppressions import end_suppression, preview, suppressions
from gatewatch.where import parse_all
from tests.store.builders import a_finding, minutes_after

OTTO = Who("otto", Role.OPERATOR, Via.SESSION, "u1")
HIDE = Act(Verb.SUPPRESS, "the load test", why=Suppression.PLANNED)


def save(state: State, *findings: Finding, minutes: float = 10) -> list[Transition]:
    with state.begin() as session:
        return save_findings(session, findings, now=minutes_after(minutes))


def do(state: State, finding_id: str, wish: Act, *, minutes: float = 11, **more: Any) -> bool | None:
    with state.begin() as session:
        return act(session, OTTO, finding_id, wish, now=minutes_after(minutes), **more)


def do_all(state: State, wish: Act, *where: str, minutes: float = 11) -> Acted:
    with state.begin() as session:
        return act_on_all(session, OTTO, parse_all(where), wish, now=minutes_after(minutes))


def got(state: State, finding_id: str) -> StoredFinding:
    with state.read() as session:
        found = get_finding(session, finding_id)
    assert found is not None
    return found


def life(state: State, finding_id: str) -> Life:
    return got(state, finding_id).state


def total(state: State, wish: FindingFilter | None = None) -> int:
    with state.read() as session:
        return sum(count_findings(session, wish).values())


def seen(finding: Finding, observed: float, **changes: Any) -> Finding:
    return dataclasses.replace(finding, evidence=dataclasses.replace(finding.evidence, observed=observed), **changes)


def woken(state: State, at: datetime) -> list[str]:
    with state.begin() as session:
        there_are_some = sleepers(session, at)
        found = [one.finding_id for one in wake(session, at)]
    assert there_are_some is bool(found)
    return found


def dump(state: State) -> list[Any]:
    with state.read() as session:
        return [
            list(session.execute(text(f"SELECT * FROM {name} ORDER BY 1"))) for name in ("finding", "finding_event")
        ]


def test_an_acknowledgement_holds_until_it_gets_worse(state: State) -> None:
    finding = a_finding()
    save(state, finding)
    assert do(state, finding.id, Act(Verb.ACKNOWLEDGE, " mine ")) is True
    save(state, seen(finding, 50.0))
    assert life(state, finding.id) is Life.ACKNOWLEDGED
    save(state, seen(finding, 60.0, severity=Severity.HIGH))
    assert life(state, finding.id) is Life.ESCALATING
    with state.begin() as session:
        events = [(one.transition, one.actor, one.note) for one in finding_events(session, finding.id)]
        logged = [(one.action, one.target, one.actor, one.detail) for one in audit_events(session)]
        told = [one.transition for one in take_notices(session)]
    assert events[1] == ("acknowledge", "otto", "mine")
    assert logged == [
        ("finding.acknowledge", finding.id, "otto", {"from": "new", "to": "acknowledged", "note": "mine"})
    ]
    assert told == ["changed:acknowledged:1"]


def test_the_same_data_again_change_nothing_that_people_did(state: State) -> None:
    findings = [a_finding(name) for name in "abcde"]
    save(state, *findings)
    wishes = [Act(Verb.ACKNOWLEDGE), Act(Verb.SNOOZE, count=2), HIDE, Act(Verb.RESOLVE), Act(Verb.ASSIGN, assignee="x")]
    for finding, wish in zip(findings, wishes, strict=True):
        do(state, finding.id, wish)
    before = dump(state)
    for minutes in (20, 200):
        assert {one.kind for one in save(state, *findings, minutes=minutes)} == {"same"}
    assert dump(state) == before


def test_a_snooze_ends_at_its_time_or_when_it_gets_worse(state: State) -> None:
    one, two = a_finding("a"), a_finding("b")
    save(state, one, two)
    do(state, one.id, Act(Verb.SNOOZE, until=minutes_after(60)))
    do(state, two.id, Act(Verb.SNOOZE))
    save(state, seen(one, 50.0), seen(two, 50.0))
    assert [life(state, each.id) for each in (one, two)] == [Life.SNOOZED] * 2
    assert woken(state, minutes_after(59)) == []
    assert woken(state, minutes_after(60)) == [one.id]
    assert life(state, one.id) is Life.ONGOING
    save(state, seen(two, 60.0, severity=Severity.HIGH))
    assert (life(state, two.id), total(state)) == (Life.ESCALATING, 2)


def test_a_snooze_for_a_count_keeps_that_many_further_episodes_quiet(state: State) -> None:
    first = a_finding(start=minutes_after(0), end=minutes_after(5))
    save(state, dataclasses.replace(first, end=None))
    do(state, first.id, Act(Verb.SNOOZE, count=2))
    save(state, first)
    states = []
    for number in (1, 2, 3):
        episode = a_finding(start=minutes_after(100 * number))
        save(state, episode, minutes=100 * number + 5)
        states.append(life(state, episode.id))
        save(state, dataclasses.replace(episode, end=minutes_after(100 * number + 9)))
    assert states == [Life.SNOOZED, Life.SNOOZED, Life.REGRESSED]


def test_a_worse_episode_of_a_snoozed_problem_is_not_quiet(state: State) -> None:
    first = a_finding()
    save(state, first)
    do(state, first.id, Act(Verb.SNOOZE, until=minutes_after(6000)))
    save(state, dataclasses.replace(first, end=minutes_after(5)))
    again = a_finding(start=minutes_after(200), severity=Severity.HIGH)
    save(state, again, minutes=205)
    assert life(state, again.id) is Life.REGRESSED


def test_what_is_suppressed_counts_nowhere_now_and_later(state: State) -> None:
    first, other = a_finding("a"), a_finding("b")
    save(state, first, other)
    do(state, first.id, HIDE)
    assert life(state, first.id) is Life.SUPPRESSED
    worse = seen(first, 90.0, severity=Severity.CRITICAL)
    save(state, worse)
    save(state, dataclasses.replace(worse, end=minutes_after(20)))
    later = a_finding("a", start=minutes_after(100))
    save(state, later, minutes=105)
    assert [life(state, one.id) for one in (first, later)] == [Life.SUPPRESSED] * 2
    assert (total(state), total(state, FindingFilter(state="open")), total(state, FindingFilter(state="all"))) == (
        1,
        1,
        3,
    )
    with state.read() as session:
        assert [one.finding.id for one in list_findings(session).items] == [other.id]
        hidden = list_findings(session, FindingFilter(where=parse_all(["state = suppressed"]))).items
        assert {one.finding.id for one in hidden} == {first.id, later.id}
        [stored] = suppressions(session, now=minutes_after(110))
    assert (stored.hits, stored.hiding, stored.author, stored.why) == (2, 1, "otto", Suppression.PLANNED)
    do(state, later.id, Act(Verb.UNSUPPRESS), minutes=120)
    assert [life(state, one.id) for one in (first, later)] == [Life.RESOLVED, Life.ONGOING]
    with state.read() as session:
        assert suppressions(session, now=minutes_after(121)) == []


def test_a_suppression_by_filter_hides_what_fits_until_it_expires(state: State) -> None:
    save(state, a_finding("a", api="load"), a_finding("b", api="shop"))
    with state.read() as session:
        ahead = preview(session, parse_all(["api = load"]), minutes_after(11))
        assert (ahead.findings, ahead.open, ahead.problems, len(ahead.newest)) == (1, 1, 1, 1)
        assert preview(session, parse_all(["api = load"]), minutes_after(11) + timedelta(days=40)).open == 1
    acted = do_all(state, dataclasses.replace(HIDE, until=minutes_after(300)), "api = load")
    assert len(acted.done) == 1
    born = a_finding("c", start=minutes_after(100), api="load")
    save(state, born, minutes=105)
    assert (life(state, born.id), got(state, born.id).suppression) == (Life.SUPPRESSED, acted.suppression)
    with pytest.raises(UsageError, match="with others that fit"):
        do(state, born.id, Act(Verb.UNSUPPRESS))
    assert sorted(woken(state, minutes_after(300))) == sorted([born.id, *acted.done])
    assert total(state) == 3
    with state.begin() as session:
        assert end_suppression(session, OTTO, str(acted.suppression), now=minutes_after(301)) is None


def test_suppressions_that_hide_nothing_are_listed(state: State) -> None:
    used = a_finding("a", api="used")
    save(state, used)
    do_all(state, HIDE, "api = used")
    idle = do_all(state, HIDE, "api = gone").suppression
    with state.read() as session:
        at = minutes_after(11) + timedelta(days=31)
        found = suppressions(session, unused_for=timedelta(days=30), now=at)
        assert [(one.id, one.to_json(at)["unused_days"]) for one in found] == [(idle, 31)]
        assert suppressions(session, unused_for=timedelta(days=32), now=at) == []


def test_a_resolution_holds_an_hour_and_is_regressed_by_what_comes_after(state: State) -> None:
    finding, other = a_finding("a"), a_finding("b")
    save(state, finding, other)
    for one in (finding, other):
        do(state, one.id, Act(Verb.RESOLVE), minutes=11)
    hold = HOLD.total_seconds() / 60
    save(state, seen(finding, 50.0), seen(other, 50.0, severity=Severity.HIGH), minutes=11 + hold)
    assert [life(state, one.id) for one in (finding, other)] == [Life.RESOLVED, Life.ESCALATING]
    [transition] = save(state, seen(finding, 55.0), minutes=12 + hold)
    assert (transition.kind, life(state, finding.id)) == ("regressed", Life.REGRESSED)


def test_what_the_table_does_not_allow_is_refused_and_changes_nothing(state: State) -> None:
    over = a_finding(end=minutes_after(5))
    save(state, over)
    before = dump(state)
    for wish, said in (
        (Act(Verb.ACKNOWLEDGE), "resolved cannot be acknowledged"),
        (Act(Verb.REOPEN), "nothing to reopen"),
        (Act(Verb.SUPPRESS, why=Suppression.PLANNED), "say why"),
        (Act(Verb.SUPPRESS, "because"), "which reason"),
        (Act(Verb.COMMENT, "  "), "empty"),
        (Act(Verb.SNOOZE, until=minutes_after(0)), "passed"),
        (Act(Verb.SNOOZE, until=minutes_after(99), count=1), "not both"),
    ):
        with pytest.raises(UsageError, match=said):
            do(state, over.id, wish)
    assert dump(state) == before
    assert do(state, "none", Act(Verb.ACKNOWLEDGE)) is None


def test_nobody_is_told_of_what_is_suppressed(state: State) -> None:
    finding = a_finding()
    save(state, finding)
    do(state, finding.id, HIDE)
    steps = save(state, seen(finding, 90.0, severity=Severity.CRITICAL)) + save(
        state, dataclasses.replace(finding, end=minutes_after(20))
    )
    steps += save(state, a_finding(start=minutes_after(200)), minutes=205)
    assert [one.kind for one in steps] == ["worse", "resolved", "new"]
    with state.begin() as session:
        assert [notice_key(session, one) for one in steps] == [None] * 3
        assert take_notices(session) == []


def test_who_has_not_seen_what_others_did_is_told(state: State) -> None:
    finding = a_finding()
    save(state, finding)
    do(state, finding.id, Act(Verb.ASSIGN, assignee="vera"), revision=0)
    save(state, seen(finding, 44.0, severity=Severity.LOW))  # new evidence is a step from new to ongoing
    with pytest.raises(Stale):
        do(state, finding.id, Act(Verb.RESOLVE), revision=0)
    assert do(state, finding.id, Act(Verb.RESOLVE), revision=got(state, finding.id).revision) is True
    assert got(state, finding.id).assignee == "vera"


def test_all_that_fit_are_done_and_refusals_said(state: State) -> None:
    findings = [a_finding("a"), a_finding("b"), a_finding("c", end=minutes_after(3)), a_finding("d", api="other")]
    save(state, *findings)
    acted = do_all(state, Act(Verb.ACKNOWLEDGE), "api = a1")
    assert sorted(acted.done) == sorted(one.id for one in findings[:2])
    assert [one.finding_id for one in acted.refused] == [findings[2].id]
    with pytest.raises(UsageError, match="at least one condition"):
        do_all(state, Act(Verb.ACKNOWLEDGE))
    with pytest.raises(UsageError, match="cannot ask for state"):
        do_all(state, HIDE, "state = new")


def test_conditions_find_what_they_say(state: State) -> None:
    one = a_finding("GET /100%_a", severity=Severity.HIGH, score=3.0)
    two = a_finding("GET /b", minutes_after(9), stage=None, layer="backend")
    save(state, one, two)
    asked = {
        ("severity >= high",): [one],
        ("severity < high",): [two],
        ("route ~ 100%_A",): [one],
        ("route !~ %_",): [two],
        ("stage is empty",): [two],
        ("layer != backend",): [one],
        ("layer not in backend,x",): [one],
        ("score <= 3",): [one],
        ("start > 2026-06-09T12:05Z", "state = new"): [two],
        ("end is set",): [],
        (f"id in {one.id},{two.id}",): [two, one],
        ("title = '; DROP TABLE finding; --",): [],
    }
    with state.read() as session:
        for where, found in asked.items():
            items = list_findings(session, FindingFilter(where=parse_all(where))).items
            assert [each.finding.id for each in items] == [each.id for each in found], where
