from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gatewatch.errors import StoreError
from gatewatch.frames import CLIENTS, COVERAGE, MINUTES, REQUESTS, merge_clients, merge_minutes
from gatewatch.settings import Settings
from gatewatch.store import reading
from gatewatch.store.coarse import api_list
from gatewatch.store.manifest import segments
from gatewatch.store.reading import (
    REQUESTS_READ,
    bounds,
    coverage,
    identities,
    read_clients,
    read_minutes,
    read_requests,
    stream_requests,
)
from gatewatch.store.state import State, open_state
from tests.store.builders import AT, clients, minutes, minutes_after, put, requests


def test_an_empty_store_gives_empty_tables(state: State) -> None:
    assert read_minutes(state).schema == MINUTES
    assert read_clients(state).schema == CLIENTS
    assert read_requests(state).schema == REQUESTS_READ
    assert coverage(state).schema == COVERAGE
    assert list(stream_requests(state)) == []
    assert (bounds(state), api_list(state)) == (None, [])


def test_minutes_and_clients_come_as_they_were_written(state: State) -> None:
    table = minutes([{"minute": minutes_after(n), "n": n, "latency_b": [1, 2], "latency_c": [3, 4]} for n in range(5)])
    refused = clients([{"minute": minutes_after(n), "client_ip": f"192.0.2.{n}"} for n in range(5)])
    put(state, tables=[("minutes", table), ("clients", refused)])
    assert merge_minutes(read_minutes(state)).equals(merge_minutes(table))
    assert merge_clients(read_clients(state)).equals(merge_clients(refused))
    some = read_minutes(state, minutes_after(1), minutes_after(3))
    assert some.column("n").to_pylist() == [1, 2]
    assert some.schema == MINUTES
    assert read_clients(state, minutes_after(4)).column("client_ip").to_pylist() == ["192.0.2.4"]


def test_minutes_can_be_asked_for_one_stage(state: State) -> None:
    put(state, tables=[("minutes", minutes([{"api": "a1", "stage": "x"}, {"api": "a'2", "stage": "y"}]))])
    assert read_minutes(state, api="a'2").column("stage").to_pylist() == ["y"]
    assert read_minutes(state, api="a1", stage="y").num_rows == 0
    assert read_clients(state, api="a1").num_rows == 0


def test_only_files_of_the_manifest_that_reach_into_the_time_are_opened(state: State) -> None:
    put(state, tables=[("minutes", minutes([{"minute": AT, "n": 1}]))])
    put(state, tables=[("minutes", minutes([{"minute": minutes_after(60), "n": 2}]))])
    first, second = sorted(state.lake.root.rglob("*.parquet"))
    (first.parent / "stranger-0.parquet").write_bytes(second.read_bytes())
    first.write_bytes(b"damaged")
    assert read_minutes(state, minutes_after(30)).column("n").to_pylist() == [2]
    with pytest.raises(StoreError, match="a segment that the manifest lists cannot be read"):
        read_minutes(state)
    first.unlink()
    with pytest.raises(StoreError, match=str(state.lake.root)):
        read_minutes(state)


def test_requests_are_filtered_and_newest_come_first(state: State) -> None:
    rows = [
        {"at": minutes_after(n), "status": 400 + n, "client_ip": f"192.0.2.{n % 2}", "route": "GET /a", "path": f"/{n}"}
        for n in range(6)
    ]
    put(state, tables=[("requests", requests(rows[:3]))])
    put(state, tables=[("requests", requests(rows[3:]))])
    assert read_requests(state, limit=2).column("path").to_pylist() == ["/5", "/4"]
    assert read_requests(state, limit=2, newest_first=False).column("path").to_pylist() == ["/0", "/1"]
    assert read_requests(state, client_ip="192.0.2.1").column("path").to_pylist() == ["/5", "/3", "/1"]
    assert read_requests(state, status_min=404).num_rows == 2
    assert read_requests(state, route="GET /b").num_rows == 0
    assert read_requests(state, since=minutes_after(2), until=minutes_after(4)).num_rows == 2
    assert read_requests(state, api="a1", stage="prod", limit=0).num_rows == 0
    assert read_requests(state, reject_cause="throttle").num_rows == 0


def test_the_caller_is_the_best_identity_there_is(state: State) -> None:
    rows: list[dict[str, object]] = [
        {"at": minutes_after(0), "client_ip": "192.0.2.1"},
        {"at": minutes_after(1), "client_ip": "192.0.2.1", "principal": "ann"},
        {"at": minutes_after(2), "client_ip": "192.0.2.1", "principal": "ann", "api_key_id": "k1"},
        {"at": minutes_after(3)},
    ]
    put(state, tables=[("requests", requests(rows))])
    answer = read_requests(state, newest_first=False).column("client_id").to_pylist()
    assert answer == ["ip:192.0.2.1", "principal:ann", "key:k1", None]


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(st.lists(st.integers(0, 300), min_size=1, max_size=6), min_size=1, max_size=8),
    limit=st.integers(1, 12),
    newest=st.booleans(),
    window=st.tuples(st.integers(0, 300), st.integers(0, 300)),
)
def test_any_cut_into_batches_gives_the_same_requests(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[list[int]],
    limit: int,
    newest: bool,
    window: tuple[int, int],
) -> None:
    state = open_state(Settings(data_dir=tmp_path_factory.mktemp("d")))
    for batch in batches:
        put(state, tables=[("requests", requests([{"at": minutes_after(n)} for n in batch]))])
    since, until = minutes_after(window[0]), minutes_after(window[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "FILES_AT_ONCE", 2)
        answer = read_requests(state, since=since, until=until, limit=limit, newest_first=newest)
    within = [minutes_after(n) for batch in batches for n in batch if window[0] <= n < window[1]]
    assert answer.column("at").to_pylist() == sorted(within, reverse=newest)[:limit]
    streamed = [at for part in stream_requests(state, since, until, ["at"]) for at in part.column("at").to_pylist()]
    assert sorted(streamed) == sorted(within)
    state.close()


def test_a_column_that_an_older_segment_lacks_is_null(state: State) -> None:
    put(state, tables=[("requests", requests([{"at": AT, "path": "/old"}]).drop_columns(["tls_cipher"]))])
    put(state, tables=[("requests", requests([{"at": minutes_after(1), "tls_cipher": "TLS_X"}]))])
    assert read_requests(state).column("tls_cipher").to_pylist() == ["TLS_X", None]
    parts = list(stream_requests(state))
    assert [part.schema for part in parts] == [REQUESTS, REQUESTS]
    assert parts[0].column("tls_cipher").to_pylist() == [None]


def test_export_streams_all_columns_or_the_asked_ones(state: State) -> None:
    put(state, tables=[("requests", requests([{"path": "/a"}]))])
    (part,) = stream_requests(state, columns=["status", "path"])
    assert part.to_pylist() == [{"status": 200, "path": "/a"}]
    (whole,) = stream_requests(state)
    assert pa.Table.from_batches([whole]).schema == REQUESTS
    with pytest.raises(KeyError):
        list(stream_requests(state, columns=["no_such"]))


def test_coverage_is_cut_to_the_question(state: State) -> None:
    put(state, coverage=[(AT, minutes_after(10))])
    put(state, source="other", coverage=[(minutes_after(2), minutes_after(3))])
    assert coverage(state, minutes_after(5), minutes_after(7)).to_pylist() == [
        {"source": "files", "start": minutes_after(5), "end": minutes_after(7)}
    ]
    assert coverage(state, minutes_after(10)).num_rows == 0
    assert coverage(state).num_rows == 2


def test_bounds_and_stages_are_known(state: State) -> None:
    put(state, tables=[("requests", requests([{"at": AT}, {"at": minutes_after(3)}]))])
    put(state, tables=[("minutes", minutes([{"n": 2}, {"n": 3, "minute": minutes_after(3)}, {"stage": "dev"}]))])
    assert bounds(state) == (AT, minutes_after(3))
    seen = [(row.api, row.stage, row.n, row.last_at) for row in api_list(state)]
    assert seen == [("a1", "prod", 5, minutes_after(3)), ("a1", "dev", 1, AT)]


def test_identities_are_given_for_repetitions(state: State) -> None:
    put(state, tables=[("requests", requests([{"extended_request_id": "x="}]))])
    assert identities(state, AT, AT + timedelta(seconds=1)).to_pylist() == [
        {"at": AT, "extended_request_id": "x=", "request_id": None}
    ]


@pytest.mark.parametrize("name", ["a*b", "a?b", "a[b]c", "a'b", "date=2020-01-01"])
def test_the_data_directory_may_have_any_name(tmp_path: Path, name: str) -> None:
    state = open_state(Settings(data_dir=tmp_path / name))
    put(state, tables=[("requests", requests([{"path": "/a"}])), ("minutes", minutes([{}]))])
    assert read_requests(state).num_rows == 1
    assert read_minutes(state).schema == MINUTES
    state.close()


def test_values_are_values_and_never_sql(state: State) -> None:
    put(state, tables=[("requests", requests([{"client_ip": "' OR 1=1 --"}, {"client_ip": "192.0.2.1"}]))])
    assert read_requests(state, client_ip="' OR 1=1 --").num_rows == 1
    assert read_requests(state, client_ip="$since {rows} \x00").num_rows == 0


def test_a_question_that_others_leave_no_memory_for_is_asked_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MEMORY_LIMIT", "40MB")
    state = open_state(Settings(data_dir=tmp_path / "small"))
    put(state, tables=[("requests", requests([{"path": f"/{n}"} for n in range(3)]))])
    question = (
        "SELECT path, max(n) AS n FROM ({rows}), range({many}) AS t(n) GROUP BY path, n % {many} ORDER BY path LIMIT 3"
    )

    def ask(many: int) -> pa.Table:
        with state.read() as session:
            listed = segments(session, "requests")
        return reading.of_segments(state, listed, REQUESTS, question.replace("{many}", str(many)), {})

    with reading._lake(state) as other:
        other.execute("CREATE TEMP TABLE held AS SELECT range AS n, hash(range) AS h FROM range(1_500_000)")
        with pytest.raises(duckdb.OutOfMemoryException):
            other.execute("SELECT n, count(*) FROM range(200_000) AS t(n) GROUP BY n ORDER BY n").fetchall()
        assert ask(100_000).num_rows == 3
    with pytest.raises(StoreError, match="needs more than 40MB of memory"):
        ask(3_000_000)
    state.close()


def test_the_reader_can_read_the_lake_and_nothing_else(state: State) -> None:
    with reading._lake(state) as connection:
        for query in (
            "SELECT * FROM read_text('/etc/hostname')",
            "SELECT * FROM read_csv('/proc/self/environ')",
            f"COPY (SELECT 1) TO '{state.settings.data_dir}/x.csv'",
            "SET enable_external_access = true",
            "SET allowed_directories = ['/']",
            "INSTALL httpfs",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(query)
