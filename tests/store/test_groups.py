from __future__ import annotations

from datetime import timedelta

import pytest

from gatewatch.frames import visible_mask
from gatewatch.store.groups import (
    Scope,
    caller_parts,
    caller_sums,
    minute_clients,
    minute_histograms,
    minute_sums,
    refused_sums,
)
from gatewatch.store.state import State
from tests.store.builders import AT, clients, minutes, minutes_after, put, requests

ALL = Scope(AT, AT + timedelta(hours=1))


def fill(state: State) -> None:
    """Two batches with the same minutes, so that every answer has to add up."""
    rows = [
        {"minute": minutes_after(n), "route": f"GET /{n % 2}", "n": 10, "s4xx": n, "visible": visible_mask(["status"])}
        | {"latency_b": [10, 20], "latency_c": [9, 1], "clients_k": [n, 1000 + n]}
        for n in range(4)
    ]
    other = {"minute": AT, "api": "a2", "n": 5, "s4xx": 0, "visible": visible_mask(["status", "latency_ms"])}
    late = {"minute": AT, "route": "GET /0", "n": 1, "s4xx": 1, "latency_b": [20], "latency_c": [4], "clients_k": [0]}
    refused = [
        {"minute": minutes_after(n), "reject_cause": cause, "n": n + 1, "client_ip": ip, "api_key_id": key or None}
        for n, (cause, ip, key) in enumerate(
            [
                ("throttle", "192.0.2.1", "k1"),
                ("throttle", "192.0.2.2", "k1"),
                ("expired_credential", "192.0.2.3", None),
            ]
        )
    ]
    put(state, tables=[("minutes", minutes([*rows, other])), ("clients", clients(refused))])
    put(state, file="b.log", tables=[("minutes", minutes([late]))])


def test_minutes_add_up_by_any_key(state: State) -> None:
    fill(state)
    found = minute_sums(state, ALL, ("api", "route"), ("n", "s4xx")).to_pylist()
    assert [(row["api"], row["route"], row["n"], row["s4xx"]) for row in found] == [
        ("a1", "GET /0", 21, 3),
        ("a1", "GET /1", 20, 4),
        ("a2", None, 5, 0),
    ]
    assert found[1]["last"] == minutes_after(3)
    assert found[2]["visible"] == visible_mask(["status", "latency_ms"])
    assert minute_sums(state, ALL, ()).to_pylist()[0]["n"] == 46


def test_minutes_stand_in_buckets_that_begin_at_whole_steps(state: State) -> None:
    fill(state)
    scope = Scope(AT, AT + timedelta(hours=1), api="a1", stage="prod")
    found = minute_sums(state, scope, (), step=timedelta(minutes=2)).to_pylist()
    assert [(row["bucket"], row["n"]) for row in found] == [(AT, 21), (minutes_after(2), 20)]
    assert minute_sums(state, Scope(minutes_after(3), minutes_after(4)), ()).to_pylist()[0]["n"] == 10


def test_histograms_merge(state: State) -> None:
    fill(state)
    (first, second) = minute_histograms(state, Scope(AT, AT + timedelta(hours=1), api="a1"), ("route",)).to_pylist()
    assert (first["route"], first["b"], first["c"]) == ("GET /0", [10, 20], [18, 6])
    assert (second["b"], second["c"]) == ([10, 20], [18, 2])


def test_sketches_of_clients_merge_by_union(state: State) -> None:
    fill(state)
    found = {row["route"]: row["clients_k"] for row in minute_clients(state, ALL, ("route",)).to_pylist()}
    assert found == {"GET /0": [0, 2, 1000, 1002], "GET /1": [1, 3, 1001, 1003]}


def test_a_sketch_keeps_the_smallest(state: State) -> None:
    rows = [{"minute": minutes_after(n), "clients_k": [1000 - n * 64 - k for k in range(63, -1, -1)]} for n in range(3)]
    put(state, tables=[("minutes", minutes(rows))])
    (row,) = minute_clients(state, ALL, ()).to_pylist()
    assert row["clients_k"] == list(range(1000 - 3 * 64 + 1, 1000 - 2 * 64 + 1))


def test_refusals_by_caller_cause_and_time(state: State) -> None:
    fill(state)
    found = refused_sums(state, ALL, ("client_id",)).to_pylist()
    assert [(row["client_id"], row["n"], row["first"], row["last"]) for row in found] == [
        ("ip:192.0.2.3", 3, minutes_after(2), minutes_after(2)),
        ("key:k1", 3, AT, minutes_after(1)),
    ]
    only = refused_sums(state, ALL, ("reject_cause",), causes=("throttle",)).to_pylist()
    assert [(row["reject_cause"], row["n"], row["callers"]) for row in only] == [("throttle", 3, 1)]
    steps = refused_sums(state, ALL, (), causes=("throttle",), step=timedelta(minutes=1)).to_pylist()
    assert [(row["bucket"], row["n"]) for row in steps] == [(AT, 1), (minutes_after(1), 2)]
    assert refused_sums(state, ALL, ("client_id",), limit=1).num_rows == 1


def test_callers_with_what_they_got(state: State) -> None:
    rows = [
        {"status": status, "api_key_id": key, "client_ip": ip, "route": route, "user_agent": "curl"}
        for status, key, ip, route in (
            (200, "k1", "192.0.2.1", "GET /a"),
            (429, "k1", "192.0.2.2", "GET /a"),
            (503, "k1", "192.0.2.2", "GET /b"),
            (404, None, "192.0.2.3", None),
            (200, None, None, "GET /a"),
        )
    ]
    put(state, tables=[("requests", requests(rows))])
    first, *rest = caller_sums(state, ALL).to_pylist()
    assert first | {"first": 0, "last": 0} == {
        "client_id": "key:k1", "client_ip": first["client_ip"], "principal": None, "api_key_id": "k1", "n": 3,
        "refused": 1, "throttled": 1, "failed": 1, "routes": 2, "addresses": 2, "agents": 1, "user_agent": "curl",
        "first": 0, "last": 0, "clients": 2, "total": 5,
    }  # fmt: skip
    assert {row["client_id"] for row in rest} == {"ip:192.0.2.3", None}
    assert caller_sums(state, ALL, limit=1).num_rows == 1


def test_an_empty_store_gives_empty_answers(state: State) -> None:
    assert minute_sums(state, ALL, ("api",)).num_rows == 0
    assert minute_histograms(state, ALL, ("api",)).num_rows == 0
    assert refused_sums(state, ALL, ("client_id",)).num_rows == 0
    assert caller_sums(state, ALL).num_rows == 0


def test_only_our_columns_get_into_a_question(state: State) -> None:
    with pytest.raises(ValueError, match="no column 'api; DROP'"):
        minute_sums(state, ALL, ("api; DROP",))
    with pytest.raises(ValueError, match="no column"):
        minute_sums(state, ALL, ("api",), ("n) FROM x --",))


def test_a_caller_is_told_from_each_side(state: State) -> None:
    rows = [
        {"at": minutes_after(n), "route": f"GET /{n % 2}", "status": 429 if n else 200, "client_ip": "192.0.2.1"}
        | {"api_key_id": "k1", "reject_cause": "throttle" if n else None, "user_agent": None}
        for n in range(4)
    ]
    put(state, tables=[("requests", requests([*rows, {"at": AT, "client_ip": "192.0.2.9"}]))])
    found = caller_parts(state, ALL, "key", "k1", timedelta(minutes=2)).to_pylist()
    told = {
        part: [(row["one"], row["two"], row["n"]) for row in found if row["part"] == part]
        for part in ("whole", "place", "route", "cause", "address", "agent")
    }
    assert told == {
        "whole": [(None, None, 4)],
        "place": [("a1", "prod", 4)],
        "route": [("a1", "GET /0", 2), ("a1", "GET /1", 2)],
        "cause": [("throttle", None, 3)],
        "address": [("192.0.2.1", None, 4)],
        "agent": [],
    }
    (whole,) = [row for row in found if row["part"] == "whole"]
    assert (whole["refused"], whole["throttled"], whole["failed"]) == (3, 3, 0)
    assert (whole["first"], whole["last"]) == (AT, minutes_after(3))
    times = sorted((row["bucket"], row["one"], row["n"]) for row in found if row["part"] == "time")
    assert times == [(AT, "2xx", 1), (AT, "4xx", 1), (minutes_after(2), "4xx", 2)]
    assert caller_parts(state, ALL, "ip", "192.0.2.77", timedelta(minutes=2)).num_rows == 0
