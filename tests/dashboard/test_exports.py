from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pyarrow.parquet as pq
import pytest

from dashboard.data import Reader
from dashboard.data_apis import known_inventory
from dashboard.exported import SHEETS
from dashboard.exports import csv_text, json_lines, parquet
from dashboard.view import View
from gatewatch.privacy import Privacy
from gatewatch.settings import Settings
from gatewatch.store.changes import changes
from gatewatch.store.state import open_state
from tests.dashboard.estate import declare
from tests.dashboard.world import END, HOSTILE, fill
from tests.store.builders import clients, put

PATHS = {
    "apis": "/apis",
    "refused": "/auth",
    "offenders": "/limits",
    "victims": "/limits",
    "keys": "/limits",
    "stages": "/limits",
    "timed-routes": "/latency",
    "changes": "/changes",
    "sources": "/sources",
    "doctor": "/sources",
    "deliveries": "/alerts",
}


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    state = open_state(Settings(data_dir=tmp_path_factory.mktemp("exports") / "data"))
    fill(state)
    declare(state, END)
    rows = [{"minute": END, "reject_cause": "expired_credential", "principal": text[:80]} for text in HOSTILE[:9]]
    put(state, file="c.log", tables=[("clients", clients(rows))])
    yield Reader(lambda: state, lambda: END)
    state.close()


def read(reader: Reader, name: str, view: View) -> tuple[list[str], list[dict[str, str]]]:
    text = csv_text(reader, SHEETS[name], PATHS.get(name, "/apis/login8a2"), view)
    lines = text.splitlines()
    about = [line for line in lines if line.startswith("# ")]
    return about, list(csv.DictReader(lines[len(about) :]))


def test_every_file_says_what_was_asked_for_and_holds_all_rows(estate: Reader) -> None:
    about, rows = read(estate, "consumers", View())
    assert about[:3] == ["# since: 2026-06-08T12:01:00Z", "# until: 2026-06-09T12:01:00Z", "# page: /apis/login8a2"]
    assert sum(int(row["requests"]) for row in rows) == 400
    _, rows = read(estate, "apis", View(q="login"))
    assert [(row["api"], row["status"], row["owner"]) for row in rows] == [("login8a2", "live", "identity")]
    _, rows = read(estate, "routes", View())
    assert [(row["route"], row["declared"]) for row in rows] == [("POST /login", "JWT")]


def test_files_of_limits_latency_and_sources_hold_what_their_tables_leave_out(estate: Reader) -> None:
    _, stages = read(estate, "stages", View())
    assert ("login8a2", "400") in {(one["api"], one["requests"]) for one in stages}
    _, timed = read(estate, "timed-routes", View())
    assert sum(int(one["requests"]) for one in timed) >= sum(int(one["timed"]) for one in timed) > 0
    _, one_api = read(estate, "timed-routes", View(api="login8a2"))
    assert {one["api"] for one in one_api} == {"login8a2"}
    _, keys = read(estate, "keys", View())
    assert {one["key"] for one in keys} >= {
        key for plan in known_inventory(estate.store()).plans for key in plan.keys or ()
    }
    _, sources = read(estate, "sources", View())
    assert {one["source"] for one in sources} == {one.source for one in estate.sources()}


def test_the_file_of_changes_holds_all_that_the_conditions_let_through(estate: Reader) -> None:
    _, every = read(estate, "changes", View())
    with estate.store().read() as session:
        stored = changes(session, END - timedelta(days=1), END + timedelta(minutes=1))
    assert {one["call"] for one in every} == {one.change.what for one in stored}
    calls = Counter(one["actor"] for one in every)
    for actor, many in calls.items():
        _, some = read(estate, "changes", View(f=(f"actor = {actor}",)))
        assert len(some) == many


def test_a_file_holds_what_fits_in_the_order_of_the_page_and_says_so(estate: Reader) -> None:
    view = View(t=("apis.sort:-requests", "apis.find:requests > 100", "keys.find:nobody"))
    about, some = read(estate, "apis", view)
    _, every = read(estate, "apis", View())
    kept = [int(one["requests"]) for one in every if int(one["requests"]) > 100]
    assert [int(one["requests"]) for one in some] == sorted(kept, reverse=True)
    assert 0 < len(some) < len(every)
    assert about[-2:] == ["# filter: requests > 100", "# order: requests descending"]
    about, groups = read(estate, "apis", View(t=("apis.by:status",)))
    assert about[-1] == "# grouped by: status"
    assert sum(float(one["requests"]) for one in groups) == sum(int(one["requests"]) for one in every)


def test_json_lines_and_parquet_hold_the_same_rows_with_types(estate: Reader) -> None:
    _, rows = read(estate, "stages", View())
    first, *lines = json_lines(estate, SHEETS["stages"], "/limits", View()).splitlines()
    assert json.loads(first)["asked"]["page"] == "/limits"
    assert [json.loads(line)["requests"] for line in lines] == [int(one["requests"]) for one in rows]
    table = pq.read_table(io.BytesIO(parquet(estate, SHEETS["stages"], "/limits", View())))
    assert table.column("requests").to_pylist() == [int(one["requests"]) for one in rows]
    assert str(table.schema.field("peak_at").type) == "timestamp[us, tz=UTC]"
    assert json.loads(table.schema.metadata[b"gatewatch"])["page"] == "/limits"


def test_no_cell_is_a_formula_or_hides_something(estate: Reader) -> None:
    for name in SHEETS:
        _, rows = read(estate, name, View())
        for cell in (cell for row in rows for cell in row.values()):
            assert not cell.lstrip().startswith(("=", "+", "@")), (name, cell)
            assert cell.isprintable(), (name, cell)
    assert len(read(estate, "refused", View())[1]) == 9


def test_people_are_masked_in_files_too(estate: Reader) -> None:
    state = estate.store()
    hidden = Reader(lambda: state, lambda: END, privacy=Privacy("hash", lambda: b"k" * 32))
    _, rows = read(hidden, "refused", View())
    assert all(row["caller"].startswith("id-") for row in rows)


def test_an_empty_store_gives_a_file_that_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    state = open_state(Settings(data_dir=tmp_path_factory.mktemp("none") / "data"))
    reader = Reader(lambda: state, lambda: END)
    for name in SHEETS:
        assert csv_text(reader, SHEETS[name], "/apis/x", View()).startswith("# since: no data")
    state.close()
