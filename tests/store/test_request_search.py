from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gatewatch.settings import Settings
from gatewatch.store.request_fields import REQUEST_FIELDS
from gatewatch.store.request_search import find_requests, greatest_requests
from gatewatch.store.state import State, open_state
from gatewatch.where import parse_all
from tests.store.builders import AT, put, requests


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """SQLite is enough: what is asked here is the lake."""
    opened = open_state(Settings(data_dir=tmp_path / "data"))
    yield opened
    opened.close()


def stored(state: State, count: int = 30, batches: int = 5) -> list[str]:
    """Requests of few instants, in batches that overlap in time; their ids, newest first."""
    rows = [
        {"at": AT + timedelta(seconds=n // 4), "request_id": f"r{n:03d}", "status": 200 + n % 3, "path": f"/{n % 2}"}
        for n in range(count)
    ]
    for place in range(batches):
        put(state, tables=[("requests", requests(rows[place::batches]))], lines=1, file=f"{place}.log")
    return [str(row["request_id"]) for row in sorted(rows, key=lambda row: (-row["at"].timestamp(), row["request_id"]))]  # type: ignore[attr-defined]


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("searched", [1, 20_000_000])
def test_pages_join_without_gap_or_repetition(state: State, newest_first: bool, searched: int) -> None:
    ids = stored(state)
    seen: list[str] = []
    cursor, pages = None, 0
    while True:
        page = find_requests(state, limit=3, cursor=cursor, newest_first=newest_first, searched=searched)
        seen += page.rows.column("request_id").to_pylist()
        cursor, pages = page.next_cursor, pages + 1
        if cursor is None:
            break
        assert pages < 60
    assert len(seen) == len(set(seen)) == 30
    assert sorted(seen) == sorted(ids)
    times = [int(one[1:]) // 4 for one in seen]
    assert times == sorted(times, reverse=newest_first)


def test_terms_keep_what_they_name(state: State) -> None:
    stored(state)

    def ids(*texts: str) -> set[str]:
        page = find_requests(state, terms=parse_all(texts, REQUEST_FIELDS))
        return set(page.rows.column("request_id").to_pylist())

    assert ids("status = 201", "path = /0") == {f"r{n:03d}" for n in range(30) if n % 3 == 1 and n % 2 == 0}
    assert ids("request_id ~ R00") == {f"r{n:03d}" for n in range(10)}
    assert ids("status >= 201", "status_class = 2xx") == {f"r{n:03d}" for n in range(30) if n % 3}
    assert ids("principal is set") == set()
    assert len(ids("principal is empty", "path not in /0,/7")) == 15
    assert len(ids("user_agent != curl")) == 30
    assert ids("path = {rows}'; DROP TABLE x; --") == set()


def test_networks_and_programs_are_derived(state: State) -> None:
    rows: list[dict[str, Any]] = [
        {"client_ip": "192.0.2.77", "user_agent": "curl/8.1 (x)"},
        {"client_ip": "2001:db8::1", "user_agent": "Mozilla/5.0"},
        {"client_ip": "2001:db8:5:6::1", "user_agent": "(nothing)"},
        {"client_ip": None, "user_agent": None},
    ]
    put(state, tables=[("requests", requests(rows))], lines=4)

    def agents(text: str) -> Any:
        return find_requests(state, terms=parse_all([text], REQUEST_FIELDS)).rows.column("user_agent").to_pylist()

    assert agents("ip_prefix = 192.0.2.0/24") == ["curl/8.1 (x)"]
    assert agents("ip_prefix = 2001:db8::/48") == ["Mozilla/5.0"]
    assert agents("ip_prefix = 2001:db8:5::/48") == ["(nothing)"]
    assert agents("agent = curl") == ["curl/8.1 (x)"]
    assert agents("client_id = ip:192.0.2.77") == ["curl/8.1 (x)"]
    assert agents("agent is empty") == ["(nothing)", None]


@pytest.mark.parametrize("cursor", ["!!", "AAAA", "LWF0IDIwMjYtMDYtMDlUMTI6MDA6MDArMDA6MDAgLTE", "é"])
def test_a_cursor_that_is_none_is_refused(state: State, cursor: str) -> None:
    with pytest.raises(ValueError, match="not a cursor"):
        find_requests(state, cursor=cursor)


def test_the_greatest_come_from_all_segments_and_what_is_not_known_comes_last(state: State) -> None:
    rows = [
        {
            "at": AT + timedelta(seconds=n),
            "request_id": f"r{n}",
            "latency_ms": None if n % 10 == 0 else float(n * 37 % 101),
            "status": 200 + n % 3,
        }
        for n in range(60)
    ]
    for place in range(6):
        put(state, tables=[("requests", requests(rows[place::6]))], lines=1, file=f"{place}.log")
    span: Any = {"since": AT, "until": AT + timedelta(seconds=50)}

    def key(row: dict[str, Any]) -> tuple[bool, float, float]:
        value = row["latency_ms"]
        return (value is None, -(value or 0.0), -row["at"].timestamp())

    wanted = [str(row["request_id"]) for row in sorted(rows[:50], key=key)]
    found = greatest_requests(state, "latency", limit=500, **span)
    assert found.column("request_id").to_pylist() == wanted
    assert greatest_requests(state, "latency", limit=7, **span).column("request_id").to_pylist() == wanted[:7]
    some = greatest_requests(state, "status", terms=parse_all(["status = 201"], REQUEST_FIELDS), limit=3, **span)
    assert some.column("request_id").to_pylist() == ["r49", "r46", "r43"]
    assert greatest_requests(state, "size", since=AT - timedelta(days=2), until=AT - timedelta(days=1)).num_rows == 0
