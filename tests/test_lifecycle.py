from __future__ import annotations

from pathlib import Path

import pytest

from gatewatch.errors import UsageError
from gatewatch.lifecycle import OPEN, PEOPLE, TRANSITIONS, Event, after, allowed
from gatewatch.records import State

PAGE = (Path(__file__).parent.parent / "docs" / "lifecycle.md").read_text(encoding="utf-8")


def test_the_table_of_the_page_is_the_table_of_the_program() -> None:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")]
    head = rows[0]
    assert head == ["event", *TRANSITIONS]
    told = {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows[2 : 2 + len(Event)]}
    for event in Event:
        assert told[event] == {state: TRANSITIONS[state].get(event, "–") for state in TRANSITIONS}


def test_every_state_is_known_and_data_are_never_refused() -> None:
    assert set(TRANSITIONS) == set(State)
    for state in State:
        assert {Event.SEEN, Event.WORSE, Event.ENDED} <= set(TRANSITIONS[state])
    assert set(OPEN) == set(State) - {State.SUPPRESSED, State.RESOLVED}


def test_people_are_refused_with_what_they_may_do() -> None:
    for state in State:
        for event in PEOPLE:
            if event in allowed(state):
                after(state, event)
            else:
                with pytest.raises(UsageError, match=f"a finding that is {state.value} cannot be"):
                    after(state, event)


def test_what_is_over_does_not_go_on() -> None:
    assert after(State.SNOOZED, Event.WAKE, over=True) is State.RESOLVED
    with pytest.raises(UsageError, match="nothing to reopen"):
        after(State.RESOLVED, Event.REOPEN, over=True)
    assert Event.REOPEN not in allowed(State.RESOLVED, over=True)
