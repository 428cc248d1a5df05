from __future__ import annotations

import dataclasses
import json
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from gatewatch.records import JSON, Blind, Evidence, Finding, Kind, Point, Severity
from gatewatch.records import State as Life
from gatewatch.store.finding_events import finding_events
from gatewatch.store.finding_rows import MOST, without_series
from gatewatch.store.findings import (
    FindingFilter,
    Transition,
    count_findings,
    get_finding,
    list_blind,
    list_findings,
    save_blind,
    save_findings,
)
from gatewatch.store.state import State
from tests.store.builders import AT, a_finding, minutes_after

NOW = minutes_after(10)


def save(state: State, *findings: Finding, minutes: float = 10) -> list[Transition]:
    with state.begin() as session:
        return save_findings(session, findings, now=minutes_after(minutes))


def stored(state: State, finding_id: str) -> tuple[Finding, Life]:
    with state.read() as session:
        found = get_finding(session, finding_id)
    assert found is not None
    return found.finding, found.state


def kinds(transitions: list[Transition]) -> list[str]:
    return [transition.kind for transition in transitions]


def test_a_new_finding_comes_back_as_it_was(state: State) -> None:
    finding = a_finding(changes=(), caveat="few data", layer="backend")
    for one in (finding, a_finding("GET /other")):
        assert save(state, one) == [Transition(one.id, "new", "medium")]
        assert stored(state, one.id) == (one, Life.NEW)
    with state.read() as session:
        found = get_finding(session, finding.id)
        assert found is not None
        assert (found.first_seen_at, found.updated_at, found.occurrences) == (NOW, NOW, 1)
        assert get_finding(session, "none") is None
        assert get_finding(session, "\x00") is None


def test_findings_without_their_points_are_else_the_same(state: State) -> None:
    hostile = '"series":[["x"]],"unit":"'
    whole = a_finding(title="series", remedy=hostile)
    points = tuple(Point(AT + timedelta(minutes=n), float(n), None, 2.5) for n in range(3))
    for number, series in enumerate((points, ())):
        evidence = Evidence(1.0, 0.5, f"{hostile} a minute", hostile, {"series": [1], "x": hostile}, series)
        start = whole.start + timedelta(minutes=number)
        one = dataclasses.replace(
            whole, id=f"{whole.id}{number}", fingerprint=f"f{number}", start=start, evidence=evidence
        )
        save(state, one)
        with state.read() as session:
            brief, full = (list_findings(session, limit=1, series=wanted).items[0] for wanted in (False, True))
            assert get_finding(session, one.id) == full
        assert full.finding == one
        assert brief.finding == dataclasses.replace(one, evidence=dataclasses.replace(evidence, series=()))


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(["series", "]"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("series"), inner, max_size=3),
    max_leaves=8,
)


@given(
    facts=ANYTHING,
    card=ANYTHING,
    sentence=st.text(),
    unit=st.text(),
    points=st.lists(st.lists(st.text() | st.floats(allow_nan=False) | st.none())),
)
def test_no_text_in_evidence_is_taken_for_its_points(
    facts: JSON, card: JSON, sentence: str, unit: str, points: list[JSON]
) -> None:
    evidence: dict[str, JSON] = {"facts": facts, "card": card, "sentence": sentence, "unit": unit, "series": points}
    written = json.dumps(evidence, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
    assert json.loads(without_series(written)) == {**evidence, "series": []}


def test_texts_are_cut_that_callers_could_make_long(state: State) -> None:
    long = "💩" * 1_000_000
    whole = a_finding(title=long, subtype=long, remedy=long, caveat=long, layer=long)
    finding = dataclasses.replace(whole, evidence=dataclasses.replace(whole.evidence, sentence=long))
    save(state, finding)
    kept, _ = stored(state, finding.id)
    texts = {name: getattr(kept, name) for name in MOST if name != "sentence"} | {"sentence": kept.evidence.sentence}
    assert {name: len(one) for name, one in texts.items()} == MOST
    assert all(one.endswith("…") for one in texts.values())
    assert kinds(save(state, finding, minutes=20)) == ["same"]


def test_saying_the_same_again_changes_nothing(state: State) -> None:
    finding = a_finding()
    save(state, finding)
    assert kinds(save(state, finding, finding, minutes=20)) == ["same", "same"]
    with state.read() as session:
        found = get_finding(session, finding.id)
        assert found is not None
        assert (found.updated_at, found.state) == (NOW, Life.NEW)
        assert [event.transition for event in finding_events(session, finding.id)] == ["new"]


def test_a_finding_goes_through_its_life(state: State) -> None:
    finding = a_finding()
    evidence = dataclasses.replace(finding.evidence, observed=50.0)
    ended = dataclasses.replace(finding, severity=Severity.HIGH, end=minutes_after(30))
    steps = [
        (finding, "new", Life.NEW),
        (dataclasses.replace(finding, evidence=evidence), "changed", Life.ONGOING),
        (dataclasses.replace(finding, severity=Severity.HIGH), "worse", Life.ESCALATING),
        (dataclasses.replace(finding, severity=Severity.LOW), "changed", Life.ESCALATING),
        (dataclasses.replace(finding, severity=Severity.HIGH), "changed", Life.ESCALATING),  # not worse than it was
        (ended, "resolved", Life.RESOLVED),
        (dataclasses.replace(ended, end=minutes_after(31)), "changed", Life.RESOLVED),
        (dataclasses.replace(finding, severity=Severity.HIGH), "changed", Life.REGRESSED),
        (dataclasses.replace(ended, severity=Severity.CRITICAL), "worse", Life.RESOLVED),
    ]
    for said, kind, life in steps:
        assert kinds(save(state, said)) == [kind], said
        assert stored(state, finding.id) == (said, life)
    with state.read() as session:
        notes = [(event.transition, event.note) for event in finding_events(session, finding.id)]
    assert notes == [
        ("new", "medium"),
        ("worse", "severity medium -> high"),
        ("changed", "severity high -> low"),
        ("changed", "severity low -> high"),
        ("resolved", "it ended"),
        ("changed", "it ended at another time"),
        ("changed", "it goes on after all"),
        ("worse", "severity high -> critical"),
    ]


def test_an_episode_keeps_its_id_and_its_detection_when_late_data_move_its_start(state: State) -> None:
    finding = a_finding(start=minutes_after(10))
    save(state, finding)
    earlier = a_finding(start=minutes_after(8))
    assert earlier.id != finding.id
    (transition,) = save(state, earlier)
    assert (transition.finding_id, transition.kind) == (finding.id, "changed")
    found, _ = stored(state, finding.id)
    assert (found.start, found.detected_at) == (minutes_after(8), finding.detected_at)
    with state.read() as session:
        assert get_finding(session, earlier.id) is None


def test_another_episode_of_a_problem_is_another_finding(state: State) -> None:
    first = a_finding(end=minutes_after(5))
    second = a_finding(start=minutes_after(6))
    assert save(state, first)[0].reason == "medium, over already"
    assert kinds(save(state, second)) == ["new"]
    with state.read() as session:
        again = get_finding(session, second.id)
        assert again is not None
        assert again.occurrences == 2
    assert kinds(save(state, a_finding(start=minutes_after(1), end=minutes_after(2)))) == ["changed"]


def test_what_completed_data_no_longer_show_is_retracted(state: State) -> None:
    gone, kept, older, ended = (
        a_finding("a", minutes_after(5)),
        a_finding("b", minutes_after(6)),
        a_finding("c", minutes_after(1)),
        a_finding("d", minutes_after(5), end=minutes_after(7)),
    )
    save(state, gone, kept, older, ended)
    with state.begin() as session:
        transitions = save_findings(session, [kept], now=NOW, reevaluated=(minutes_after(2), minutes_after(9)))
    assert [(one.finding_id, one.kind) for one in transitions] == [(kept.id, "same"), (gone.id, "resolved")]
    assert transitions[1].reason.startswith("retracted")
    found, life = stored(state, gone.id)
    assert (found.end, life) == (minutes_after(9), Life.RESOLVED)
    assert stored(state, older.id)[1] == Life.NEW
    assert kinds(save(state, gone)) == ["changed"]
    assert stored(state, gone.id) == (gone, Life.REGRESSED)


def test_findings_can_be_asked_for(state: State) -> None:
    one = a_finding("GET /100%_a", severity=Severity.HIGH)
    two = a_finding("GET /b", minutes_after(1), kind=Kind.DEAD_API, end=minutes_after(2), stage=None)
    save(state, one, two)
    asked = {
        FindingFilter(): [two.id, one.id],
        FindingFilter(kind="dead_api"): [two.id],
        FindingFilter(severity_min=Severity.HIGH): [one.id],
        FindingFilter(api="a1", stage="prod"): [one.id],
        FindingFilter(route="GET /b"): [two.id],
        FindingFilter(state="open"): [one.id],
        FindingFilter(state="resolved"): [two.id],
        FindingFilter(since=minutes_after(3)): [one.id],
        FindingFilter(until=minutes_after(1)): [one.id],
        FindingFilter(text="throttled ON get /B"): [two.id],
        FindingFilter(text="100%_"): [one.id],
        FindingFilter(text="%"): [one.id],
        FindingFilter(text="\x00"): [],
        FindingFilter(kind="\x00\ud800"): [],
    }
    with state.read() as session:
        for question, ids in asked.items():
            assert [found.finding.id for found in list_findings(session, question).items] == ids, question
        assert count_findings(session) == {("dead_api", "medium"): 1, ("throttling_abuse", "high"): 1}
        assert count_findings(session, FindingFilter(state="open")) == {("throttling_abuse", "high"): 1}
        with pytest.raises(ValueError, match="nonsense"):
            list_findings(session, FindingFilter(state="nonsense"))


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.lists(st.integers(0, 20), max_size=12),
    between=st.lists(st.lists(st.integers(0, 20), max_size=3), max_size=12),
    limit=st.integers(1, 4),
)
def test_pages_neither_repeat_nor_lose_findings_while_others_come_in(
    state: State, before: list[int], between: list[list[int]], limit: int
) -> None:
    with state.begin() as session:
        for table in ("finding_event", "finding"):
            session.execute(text(f"DELETE FROM {table}"))
    number = 0

    def add(starts: list[int]) -> set[str]:
        nonlocal number
        findings = []
        for start in starts:
            number += 1
            findings.append(a_finding(str(number), minutes_after(start)))
        save(state, *findings)
        return {finding.id for finding in findings}

    there, later = add(before), list(between)
    seen: list[tuple[str, str]] = []
    cursor = None
    while True:
        with state.read() as session:
            page = list_findings(session, limit=limit, cursor=cursor)
        assert len(page.items) <= limit
        seen += [(item.finding.start.isoformat(), item.finding.id) for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
        if later:
            add(later.pop())
    assert seen == sorted(set(seen), reverse=True)
    assert there <= {identity for _, identity in seen}


@pytest.mark.parametrize("cursor", ["", "x", "%%%", "é", "a" * 500, "MjAyNg", "MjAyNi0wNi0wOVQxMjowMDowMCBh", "\x00"])
def test_a_cursor_that_is_not_ours_is_refused(state: State, cursor: str) -> None:
    with state.read() as session, pytest.raises(ValueError, match="cursor"):
        list_findings(session, cursor=cursor)


@given(cursor=st.text(max_size=60))
def test_no_cursor_breaks_the_reader(cursor: str) -> None:
    from gatewatch.store.finding_cursor import read_cursor

    with pytest.raises(ValueError, match="cursor"):
        read_cursor(cursor)


def test_what_cannot_be_judged_is_replaced_at_each_tick(state: State) -> None:
    first = [Blind(Kind.LATENCY_OUTLIER, None, None, "a1", "prod", "no latency", ("latency_ms",))]
    second = [*first, Blind(Kind.DEAD_API, "1", "eu-west-1", "a2", None, "no inventory")]
    for blinds in (first, second, []):
        with state.begin() as session:
            save_blind(session, blinds)
        with state.read() as session:
            assert list_blind(session) == blinds


def test_an_end_may_be_as_exact_as_a_microsecond(state: State) -> None:
    finding = a_finding(start=AT + timedelta(microseconds=1), end=AT + timedelta(microseconds=3))
    save(state, finding)
    assert stored(state, finding.id)[0] == finding


def test_a_finding_that_was_folded_into_another_says_so(state: State) -> None:
    slow, outage = a_finding("slow"), a_finding("outage", minutes_after(2))
    save(state, slow)
    facts: dict[str, JSON] = {"joined": [{"id": slow.id}]}
    whole = dataclasses.replace(outage, evidence=dataclasses.replace(outage.evidence, facts=facts))
    assert whole.parts == (slow.id,)
    window = (AT - timedelta(days=1), minutes_after(9))
    with state.begin() as session:
        transitions = save_findings(session, [whole], now=NOW, reevaluated=window)
    assert [(one.finding_id, one.kind) for one in transitions] == [(outage.id, "new"), (slow.id, "resolved")]
    assert transitions[1].reason == f"it is a part of {outage.id}"
