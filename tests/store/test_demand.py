from __future__ import annotations

from datetime import timedelta

import pytest

from gatewatch.store.demand import arrivals, key_use, peaks, throttled_callers
from gatewatch.store.groups import Scope
from gatewatch.store.state import State
from tests.store.builders import AT, put, requests

ALL = Scope(AT, AT + timedelta(hours=3))


@pytest.fixture
def asked(state: State) -> State:
    """A minute in which k1 floods and others are refused besides, and a calm one."""
    flood = [
        {"at": AT + timedelta(milliseconds=20 * n), "api_key_id": "k1", "route": "GET /a"}
        | ({"status": 429, "reject_cause": "throttle"} if n % 2 else {})
        for n in range(100)
    ]
    others = [
        {"at": AT + timedelta(seconds=n), "client_ip": f"192.0.2.{n % 2}", "route": "GET /b"}
        | ({"status": 429, "reject_cause": "quota"} if n == 3 else {})
        for n in range(6)
    ]
    calm = [{"at": AT + timedelta(hours=1, seconds=n), "api_key_id": "k1"} for n in range(4)]
    elsewhere = [{"at": AT, "api": "a2", "api_key_id": "k9"}]
    put(state, tables=[("requests", requests([*flood, *others, *calm, *elsewhere]))])
    return state


def test_only_minutes_in_which_somebody_was_refused_count(asked: State) -> None:
    first, *rest = throttled_callers(asked, ALL).to_pylist()
    assert (first["client_id"], first["asked"], first["refused"], first["peak"]) == ("key:k1", 100, 50, 50)
    assert (first["whole"], first["callers"], first["minutes"]) == (106, 3, 1)
    assert first["first"] == AT + timedelta(milliseconds=20)
    assert [(row["client_id"], row["refused"], row["quota"]) for row in rest] == [
        ("ip:192.0.2.0", 0, 0),
        ("ip:192.0.2.1", 1, 1),
    ]


def test_peaks_by_any_column(asked: State) -> None:
    found = {row["api"]: row for row in peaks(asked, ALL, ("api",)).to_pylist()}
    assert (found["a1"]["n"], found["a1"]["peak"], found["a1"]["peak_at"]) == (110, 51, AT)
    assert found["a2"]["busy"] == 1
    (whole,) = peaks(asked, ALL, ()).to_pylist()
    assert (whole["n"], whole["peak"]) == (111, 52)


def test_what_keys_had_by_hour(asked: State) -> None:
    found = key_use(asked, Scope(AT, AT + timedelta(hours=3), api="a1")).sort_by("hour").to_pylist()
    assert [(row["api_key_id"], row["hour"], row["served"], row["throttled"]) for row in found] == [
        ("k1", AT, 50, 50),
        ("k1", AT + timedelta(hours=1), 4, 0),
    ]


def test_arrivals_are_the_last_ones_in_their_order(asked: State) -> None:
    found, since = arrivals(asked, ALL, limit=1000)
    assert (found.num_rows, since) == (111, AT)
    assert found.column("at").to_pylist() == sorted(found.column("at").to_pylist())
    assert sum(found.column("cut").to_pylist()) == 51
    last, since = arrivals(asked, ALL, limit=3)
    assert last.num_rows == 3
    assert since == AT + timedelta(hours=1, seconds=1)


def test_an_empty_store_gives_empty_answers(state: State) -> None:
    assert throttled_callers(state, ALL).num_rows == 0
    assert key_use(state, ALL).num_rows == 0
    assert arrivals(state, ALL, limit=5)[0].num_rows == 0
    assert peaks(state, ALL, ("api",)).num_rows == 0


def test_calls_of_many_hours_are_read_back_from_the_last_and_cut_where_enough_are_there(state: State) -> None:
    at = [AT + timedelta(minutes=7 * n) for n in range(40)]
    rows = [{"at": one, "route": f"GET /{n}", "client_ip": f"192.0.2.{n}"} for n, one in enumerate(at)]
    put(state, tables=[("requests", requests(rows[:25]))], lines=25)
    put(state, tables=[("requests", requests(rows[25:]))], lines=15)
    for since, until, limit in ((AT, at[-1], 100), (at[3], at[33], 12), (at[3], at[33], 1), (at[5], at[6], 9)):
        wanted = [row for row, one in zip(rows, at, strict=True) if since <= one < until]
        for _ in range(2):  # the second time from memory
            found, begin = arrivals(state, Scope(since, until), limit=limit)
            assert found.column("route").to_pylist() == [row["route"] for row in wanted[-limit:]]
            assert found.column("at").to_pylist() == [row["at"] for row in wanted[-limit:]]
            assert begin == (since if len(wanted) < limit else wanted[-limit]["at"])
