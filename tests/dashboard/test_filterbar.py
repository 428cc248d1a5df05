"""What the field for conditions offers."""

from __future__ import annotations

from dashboard.filterbar import MOST, suggestions, term_input
from gatewatch.where import FIELDS, parse


def test_known_values_come_first_with_their_counts_and_are_conditions() -> None:
    found = suggestions({"severity": [("high", 12), ("low", 3)], "assignee": [(None, 9)], "nothing": [("x", 1)]})
    assert found[:3] == [("severity = high", "12"), ("severity = low", "3"), ("assignee is empty", "9")]
    assert len(found) == 3 + len(FIELDS)
    for text, _ in found[:3]:
        parse(text)


def test_what_cannot_be_shown_as_it_is_is_not_offered_and_there_is_an_end() -> None:
    assert not [text for text, _ in suggestions({"api": [("\u202egpj.exe", 4)]}) if "exe" in text]
    assert len(suggestions({"api": [(f"api{n}", 1) for n in range(1000)]})) == MOST


def test_the_field_lists_them() -> None:
    made = term_input(suggestions({"api": [("shop", 4)]}))
    options = [one for one in made._traverse() if type(one).__name__ == "Option"]
    assert options[0].value == "api = shop"
    assert options[0].children == "4"
