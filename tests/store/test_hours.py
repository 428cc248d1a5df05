"""Hours that are over are looked through once, and again when late lines come for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gatewatch.settings import Settings
from gatewatch.store import hours
from gatewatch.store.demand import peaks, throttled_callers
from gatewatch.store.groups import Scope
from gatewatch.store.reading import of_segments
from gatewatch.store.state import State, open_state
from tests.store.builders import AT, put, requests

SCOPE = Scope(AT + timedelta(minutes=10), AT + timedelta(hours=4, minutes=20))


def calls(minute: int, many: int, **more: Any) -> list[dict[str, Any]]:
    """So many in one second."""
    return [
        {"at": AT + timedelta(minutes=minute, milliseconds=n), "client_ip": "192.0.2.1", **more} for n in range(many)
    ]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = open_state(Settings(data_dir=tmp_path / "data"))
    first = [
        one for minute, many in ((5, 9), (15, 2), (70, 3), (130, 5), (250, 4), (262, 7)) for one in calls(minute, many)
    ]
    put(opened, tables=[("requests", requests(first))])
    yield opened
    opened.close()


def peak(state: State) -> tuple[int, int]:
    [row] = peaks(state, SCOPE, ("api",)).to_pylist()
    return row["n"], row["peak"]


def test_an_answer_is_that_of_the_asked_time_alone(state: State) -> None:
    assert peak(state) == (14, 5)


def test_nothing_is_looked_through_twice(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = peak(state)
    monkeypatch.setattr(hours, "of_segments", None)
    assert peak(state) == expected


def test_late_lines_count_and_only_their_hour_is_looked_through_again(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = peak(state)
    looked: list[dict[str, object]] = []
    real = of_segments

    def seen(*given: Any, **more: Any) -> Any:
        looked.append(dict(given[4]))
        return real(*given, **more)

    monkeypatch.setattr(hours, "of_segments", seen)
    put(state, file="late.log", tables=[("requests", requests(calls(75, 6)))])
    assert peak(state) == (before[0] + 6, 6)
    assert [(one["b0"], one["e0"]) for one in looked] == [(AT + timedelta(hours=1), AT + timedelta(hours=2))]


def test_a_caller_counts_over_all_hours_in_which_it_was_refused(state: State) -> None:
    for number, minute in enumerate((80, 140)):
        put(state, file=f"cut{number}.log", tables=[("requests", requests(calls(minute, 2, reject_cause="throttle")))])
    [row] = throttled_callers(state, SCOPE).to_pylist()
    assert (row["asked"], row["refused"], row["whole"], row["minutes"], row["callers"]) == (4, 4, 4, 2, 1)
