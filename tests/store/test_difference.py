from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gatewatch.errors import UsageError
from gatewatch.settings import Settings
from gatewatch.store import sampled
from gatewatch.store.difference import Difference, Sets, difference, sure_difference
from gatewatch.store.request_fields import REQUEST_FIELDS
from gatewatch.store.sampled import EVERY
from gatewatch.store.state import State, open_state
from gatewatch.where import parse_all
from tests.store.builders import AT, put, requests


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """SQLite is enough: what is asked here is the lake."""
    opened = open_state(Settings(data_dir=tmp_path / "data"))
    yield opened
    opened.close()


UNTIL = AT + timedelta(hours=1)
FAILED = parse_all(["status >= 500"], REQUEST_FIELDS)


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[State, list[dict[str, Any]]]]:
    """A store of several segments, and its rows."""
    opened = open_state(Settings(data_dir=tmp_path_factory.mktemp("counted") / "data"))
    rows = [row for turn in range(4) for row in a_world(opened, 150, AT + timedelta(minutes=15 * turn), 5500)]
    yield opened, rows
    opened.close()


def a_world(state: State, count: int = 4000, begin: datetime = AT, each_ms: int = 800) -> list[dict[str, Any]]:
    """One route fails, mostly for one key; agents and APIs have nothing to do with it."""
    rows: list[dict[str, Any]] = []
    for n in range(count):
        bad = n % 10 == 0
        rows.append(
            {
                "at": begin + timedelta(milliseconds=each_ms * n),
                "api": f"a{n % 3}",
                "route": "POST /pay" if bad or n % 4 == 1 else "GET /list",
                "status": 502 if bad else 200,
                "api_key_id": "k1" if bad and n % 100 else f"k{n % 50}",
                "user_agent": f"agent{n % 7}/1",
                "latency_ms": 900.0 if bad else 40.0,
            }
        )
    put(state, tables=[("requests", requests(rows))], lines=count)
    return rows


def value(found: Difference, name: str, wanted: str | None) -> Any:
    (dimension,) = [one for one in found.dimensions if one.name == name]
    (one,) = [one for one in dimension.values if one.value == wanted]
    return one


def test_what_differs_stands_first_and_what_does_not_is_worth_nothing(state: State) -> None:
    a_world(state)
    found = difference(state, Sets(AT, UNTIL, (), FAILED))
    assert (found.selected, found.rest) == (400, 3600)
    names = [one.name for one in found.dimensions]
    assert names.index("latency_band") < 3
    assert {"client_id", "route"} <= set(names[:4])
    pay = value(found, "route", "POST /pay")
    assert (pay.selected, pay.rest, pay.selected_share) == (400, 1000, 1.0)
    assert 0.6 < pay.sure < pay.selected_share - pay.rest_share
    assert value(found, "client_id", "key:k1").callers == 1
    assert {one.name: one.score for one in found.dimensions}["agent"] == 0.0
    assert found.dimensions[-1].chosen
    latency = next(one for one in found.numbers if one.name == "latency_ms")
    assert (latency.selected[0], latency.rest[0]) == (900.0, 40.0)


def test_an_even_sample_tells_the_same(state: State) -> None:
    a_world(state)
    whole, part = (difference(state, Sets(AT, UNTIL, (), FAILED), sample=size) for size in (100_000, 200))
    assert (part.selected, part.rest, part.selected_every, part.rest_every) == (400, 3600, 2, 16)
    assert part.dimensions[0].name in {one.name for one in whole.dimensions[:4]}
    assert value(part, "route", "POST /pay").selected_share == 1.0
    assert value(part, "route", "POST /pay").rest_share == pytest.approx(1000 / 3600, abs=0.12)


def test_a_sample_in_memory_tells_what_reading_the_same_rows_tells(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    for turn in range(3):
        a_world(state, 6000 + turn)
    asked = [
        Sets(AT, UNTIL + timedelta(hours=1), (), FAILED),
        Sets(AT, UNTIL + timedelta(hours=1), parse_all(["api in a0,a1"], REQUEST_FIELDS), chosen_since=UNTIL),
        Sets(AT + timedelta(minutes=7), UNTIL, (), FAILED, chosen_until=AT + timedelta(minutes=30)),
        Sets(AT + timedelta(minutes=7), UNTIL, (), others=(AT, AT + timedelta(minutes=5))),
    ]
    held = [difference(state, one, sample=40) for one in asked]
    assert any(one.selected_every >= EVERY for one in held)
    assert all(one.rest_every >= EVERY for one in held[:3])
    monkeypatch.setattr(sampled, "EVERY", 1 << 30)  # no step is a multiple of it: nothing is taken from memory
    assert [difference(state, one, sample=40) for one in asked] == held


TERMS = st.sampled_from([(), ("status >= 500",), ("route = POST /pay", "latency_ms < 100"), ("api = a1",)])
MINUTES_IN = st.integers(-5, 65).map(lambda n: AT + timedelta(minutes=n))


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    terms=TERMS,
    chosen=TERMS,
    time=st.tuples(MINUTES_IN, MINUTES_IN).filter(lambda pair: pair[0] < pair[1]),
    part=st.tuples(MINUTES_IN, MINUTES_IN),
    others=st.none() | st.tuples(MINUTES_IN, MINUTES_IN).filter(lambda pair: pair[0] < pair[1]),
)
def test_both_sets_are_counted_as_their_definition_says(
    counted: tuple[State, list[dict[str, Any]]],
    terms: tuple[str, ...],
    chosen: tuple[str, ...],
    time: tuple[datetime, datetime],
    part: tuple[datetime, datetime],
    others: tuple[datetime, datetime] | None,
) -> None:
    state, rows = counted
    fields = (parse_all(terms, REQUEST_FIELDS), parse_all(chosen, REQUEST_FIELDS))
    found = difference(state, Sets(*time, *fields, *part, others))
    good = {
        "status >= 500": lambda row: row["status"] >= 500,
        "route = POST /pay": lambda row: row["route"] == "POST /pay",
        "latency_ms < 100": lambda row: row["latency_ms"] < 100,
        "api = a1": lambda row: row["api"] == "a1",
    }
    fit = [row for row in rows if all(good[one](row) for one in terms)]
    selected = [
        row
        for row in fit
        if time[0] <= row["at"] < time[1] and part[0] <= row["at"] < part[1] and all(good[one](row) for one in chosen)
    ]
    low, high = others or time
    rest = [row for row in fit if low <= row["at"] < high and row not in selected]
    assert (found.selected, found.rest) == (len(selected), len(rest))


def test_a_time_against_the_same_time_before(state: State) -> None:
    rows = [{"at": AT + timedelta(seconds=n), "route": "GET /old"} for n in range(600)]
    rows += [{"at": AT + timedelta(seconds=600 + n), "route": "GET /new"} for n in range(600)]
    put(state, tables=[("requests", requests(rows))], lines=1200)
    middle = AT + timedelta(minutes=10)
    found = difference(state, Sets(middle, middle + timedelta(minutes=10), chosen_since=middle, others=(AT, middle)))
    assert (found.selected, found.rest) == (600, 600)
    assert found.dimensions[0].name == "route"
    assert value(found, "route", "GET /new").sure > 0.9
    assert value(found, "route", "GET /old").sure < -0.9


def test_nothing_selected_is_said_and_no_selection_is_refused(state: State) -> None:
    a_world(state, 50)
    none = difference(state, Sets(AT, UNTIL, (), parse_all(["status = 418"], REQUEST_FIELDS)))
    assert (none.selected, none.rest, none.dimensions) == (0, 50, [])
    assert difference(state, Sets(AT - timedelta(days=9), AT - timedelta(days=8), (), FAILED)).rest == 0
    with pytest.raises(UsageError, match="selection is needed"):
        difference(state, Sets(AT, UNTIL))


def test_the_interval_is_newcombes() -> None:
    # Newcombe (1998), Statistics in Medicine 17:873, table II, method 10, case (a): 56/70 - 48/80 = 0.0524 .. 0.3339
    assert sure_difference([56], 70, [48], 80, 1.959964)[0] == pytest.approx(0.0524, abs=1e-4)
    assert sure_difference([48], 80, [56], 70, 1.959964)[0] == pytest.approx(-0.0524, abs=1e-4)
    assert sure_difference([5], 56, [0], 29, 1.959964)[0] == 0.0
    assert sure_difference([0], 10, [0], 10, 1.96)[0] == 0.0
