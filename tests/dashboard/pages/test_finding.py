from __future__ import annotations

import pytest

from dashboard.data import Reader
from dashboard.pages import finding
from dashboard.view import View
from tests.dashboard.pages.conftest import find, texts
from tests.dashboard.world import END, findings


def test_it_answers_the_questions_of_somebody_who_was_paged(reader: Reader) -> None:
    attack = findings(END, True)[1]
    page = finding.render(reader, attack.id, View())
    said = texts(page)
    for head in ("Where", "When", "Detected", "Probable cause", "Confidence"):
        assert head in said
    assert "Clients" in said
    assert "login8a2 / prod · POST /login" in said
    assert "2026-06-09 10:00 UTC and goes on" in said
    assert any(text.startswith("Block the addresses") for text in said)
    assert "Changes that may have caused it" in said
    assert {"Why", "What is different", "Count it again"} <= set(said)
    assert any(text.startswith("− for 51%") for text in said)
    (chart,) = find(page, "Graph")
    assert chart.mathjax is False
    (grid,) = find(page, "AgGrid")
    assert len(grid.rowData) == 200


def test_a_dead_api_has_no_requests_and_no_chart_and_says_so(reader: Reader) -> None:
    dead = findings(END, True)[2]
    page = finding.render(reader, dead.id, View())
    assert find(page, "Graph") == []
    assert {"No series", "No request"} <= set(texts(page))


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
def test_facts_are_words(value: object, text: str) -> None:
    assert finding.fact(value) == text
