from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gatewatch.errors import UsageError
from gatewatch.settings import Settings
from gatewatch.store.difference import Difference, Sets, difference, sure_difference
from gatewatch.store.request_fields import REQUEST_FIELDS
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


def a_world(state: State, count: int = 4000) -> None:
    """One route fails, mostly for one key; agents and APIs have nothing to do with it."""
    rows: list[dict[str, Any]] = []
    for n in range(count):
        bad = n % 10 == 0
        rows.append(
            {
                "at": AT + timedelta(milliseconds=800 * n),
                "api": f"a{n % 3}",
                "route": "POST /pay" if bad or n % 4 == 1 else "GET /list",
                "status": 502 if bad else 200,
                "api_key_id": "k1" if bad and n % 100 else f"k{n % 50}",
                "user_agent": f"agent{n % 7}/1",
                "latency_ms": 900.0 if bad else 40.0,
            }
        )
    put(state, tables=[("requests", requests(rows))], lines=count)


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
    assert (part.selected, part.rest, part.selected_every, part.rest_every) == (400, 3600, 2, 18)
    assert part.dimensions[0].name in {one.name for one in whole.dimensions[:4]}
    assert value(part, "route", "POST /pay").selected_share == 1.0
    assert value(part, "route", "POST /pay").rest_share == pytest.approx(1000 / 3600, abs=0.12)


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
