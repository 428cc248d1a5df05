from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from dashboard import meaning
from dashboard.data import BEHIND_ROWS, Reader
from dashboard.glance import around
from dashboard.pages import finding
from dashboard.view import View
from dashboard.when import canonical
from gatewatch.access.current import LOCAL
from gatewatch.records import Evidence, Kind
from gatewatch.settings import Settings
from gatewatch.store.acting import Act, Verb, act
from gatewatch.store.feedback import give_feedback
from gatewatch.store.findings import save_findings
from gatewatch.store.state import open_state
from gatewatch.verdicts import Verdict
from tests.dashboard.operations import add_spans
from tests.dashboard.pages.conftest import find, texts
from tests.dashboard.world import END, fill, findings
from tests.store.builders import a_finding


def test_it_answers_the_questions_of_somebody_who_was_paged(reader: Reader) -> None:
    attack = findings(END, True)[1]
    page = finding.render(reader, attack.id, View())
    said = texts(page)
    for head in ("Since", "Who", "Probable cause", "Do next"):
        assert head in said
    assert any(text.startswith("Clients, after UpdateStage") for text in said)
    assert any("login8a2 / prod · POST /login" in text for text in said)
    assert "2026-06-09 10:00 UTC, going on for 1 h 59 min" in said
    assert "250 addresses, 91 principals, API key k1" in said
    assert "Block the addresses in a WAF rule." in said
    assert any(text.startswith("Block the addresses") for text in said)
    assert "Changes that may have caused it" in said
    assert {"Why gatewatch says so", "What is different", "Count it again", "Quality of the data"} <= set(said)
    assert "For 51 % the logs do not say why" in said
    (chart,) = find(page, "Graph")
    assert chart.mathjax is False
    (grid,) = find(page, "AgGrid")
    assert len(grid.rowData) == BEHIND_ROWS
    assert any("/changes?from=2026-06-09T09%3A26" in link.href for link in find(page, "Link"))
    fields = dict(grid.rowData[0]["all"])
    assert fields["Refused because"] == "unknown API key"
    assert fields["Request id"] == "req-0"


def test_a_dead_api_has_no_requests_and_no_chart_and_says_so(reader: Reader) -> None:
    dead = findings(END, True)[2]
    page = finding.render(reader, dead.id, View())
    assert find(page, "Graph") == []
    assert {"No series", "No request", "Nobody: no request comes in"} <= set(texts(page))
    (before,) = [link.href for link in find(page, "Link") if link.children == "The last requests before it"]
    assert before.startswith("/explorer?from=2026-06-08T07%3A00Z&to=2026-06-09T07%3A01Z&f=api+%3D+gone")


def test_behind_a_key_that_does_not_call_any_more_is_nobody_elses_request(tmp_path: Path) -> None:
    state = open_state(Settings(data_dir=tmp_path / "data"))
    attack = fill(state)[1]  # others call that route meanwhile, and are traced
    add_spans(state, END)
    evidence = Evidence(0.0, 50.0, "minutes with a call", "", {"api_key_id": "k 9", "expected_missed": 50.0})
    gone = dataclasses.replace(attack, id="gone", fingerprint="gone", kind=Kind.DEAD_API, evidence=evidence)
    with state.begin() as session:
        save_findings(session, [gone], now=END)
    page = finding.render(Reader(lambda: state, lambda: END), "gone", View())
    state.close()
    assert {"No request", "API key", "Expected, but did not come"} <= set(texts(page))
    assert find(page, "AgGrid") == []
    assert not [text for text in texts(page) if "traced request" in text]
    (before,) = [link.href for link in find(page, "Link") if link.children == "The last requests before it"]
    asked = parse_qs(urlsplit(before).query)["f"]
    assert asked == ["api = login8a2", "stage = prod", "route = POST /login", "api_key_id = k 9"]


def test_traces_of_its_time_stand_beside_slow_requests(tmp_path: Path) -> None:
    state = open_state(Settings(data_dir=tmp_path / "data"))
    add_spans(state, END)
    slow = findings(END, False)[0]
    with state.begin() as session:
        save_findings(session, [slow], now=END)
    page = finding.render(Reader(lambda: state, lambda: END), slow.id, View())
    state.close()
    said = texts(page)
    assert "Traces" in said
    assert "downstream orders-table: 900 ms" in said
    assert any("of their time went to: downstream orders-table." in text for text in said)
    assert any(
        "/latency?from=2026-06-09T10%3A00Z" in link.href and "#trace" in link.href for link in find(page, "Link")
    )


def test_an_unknown_finding_is_not_an_error(reader: Reader) -> None:
    assert "There is no such finding" in texts(finding.render(reader, "x" * 500, View()))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"),
        (12345, "12,345"),
        (None, "–"),
        ([], "–"),
        (list(range(12)), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"),
        ({"a": 1, "b": "x\x00"}, "a: 1, b: x\ufffd"),
    ],
)
def test_any_value_of_a_fact_is_text(value: object, text: str) -> None:
    assert meaning.text(value) == text


def test_earlier_episodes_and_what_was_said_of_them_stand_beside_it(tmp_path: Path) -> None:
    state = open_state(Settings(data_dir=tmp_path / "data"))
    day = timedelta(days=1)
    before = a_finding(id="before", start=END - 2 * day, end=END - 2 * day + timedelta(hours=1), title="Last time")
    now = a_finding(id="now", start=END - timedelta(hours=1), end=None)
    with state.begin() as session:
        save_findings(session, [before, now], now=END)
        act(session, LOCAL, "before", Act(Verb.COMMENT, note="it was the load test"), now=END)
        give_feedback(session, LOCAL, "before", Verdict.FALSE_POSITIVE, "", now=END)
    said = texts(finding.render(Reader(lambda: state, lambda: END), "now", View()))
    state.close()
    assert {"Similar findings", "The same problem before", "Last time"} <= set(said)
    assert "a false alarm · this machine: it was the load test" in said
    assert "seen 1 time before" in said


def test_a_link_to_its_time_ends_with_the_data() -> None:
    one = findings(END, hostile=False)[1]
    going = dataclasses.replace(one, end=None)
    after = END + timedelta(minutes=1)
    assert around(going, END, View()).until == canonical(after)
    ended = dataclasses.replace(one, end=END - timedelta(hours=3))
    assert around(ended, END, View()).until == canonical(END - timedelta(hours=2) + timedelta(minutes=1))
