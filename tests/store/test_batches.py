from __future__ import annotations

import threading
import time
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select, text, update
from sqlalchemy.exc import OperationalError

from gatewatch.errors import LeaseLost, StoreError
from gatewatch.settings import Settings
from gatewatch.store.batches import (
    Outcomes,
    Segment,
    abandon_batch,
    accounting,
    batch_state,
    checkpoint,
    checkpoints,
    commit_batch,
    count_dead_letters,
    dead_letters,
    lease_batch,
    register_source,
    remove_dead_letters,
    renew_batch,
    sources,
    sweep_expired,
)
from gatewatch.store.models import BatchRow, MetaRow, SegmentRow
from gatewatch.store.reading import coverage, read_requests
from gatewatch.store.state import State, db_now, open_state
from tests.store.builders import AT, a_letter, a_position, commit, minutes, minutes_after, put, requests, segment


def run_out(state: State, batch_id: str) -> None:
    """The lease's end passes."""
    with state.begin() as session:
        past = db_now(session) - timedelta(seconds=1)
        session.execute(update(BatchRow).where(BatchRow.id == batch_id).values(lease_until=past))


def files(state: State) -> list[str]:
    return sorted(path.name for path in state.lake.root.rglob("*.parquet"))


def test_a_batch_counts_only_after_its_commit(state: State) -> None:
    batch = lease_batch(state, "files", "me")
    written = segment(state, batch.id, "requests", requests([{"path": "/a"}]))
    assert read_requests(state).num_rows == 0
    assert checkpoint(state, "files", "app.log") is None
    position = a_position()
    assert commit(state, batch.id, segments=[written], checkpoints={"app.log": position})
    assert read_requests(state).column("path").to_pylist() == ["/a"]
    assert checkpoint(state, "files", "app.log") == position
    assert checkpoints(state, "files") == {"app.log": position}
    assert batch_state(state, batch.id) == "committed"
    assert [found.path for found in state.request_segments()] == [written.path]


def test_checkpoint_and_data_are_one_transaction(state: State) -> None:
    batch = lease_batch(state, "files", "me")
    good = segment(state, batch.id, "requests", requests([{}]))
    foreign = Segment("requests", "requests/date=2026-06-09/hour=12/other-0.parquet", 1, 1, AT, AT, "")
    everything = {
        "checkpoints": {"app.log": a_position()},
        "outcomes": {"app.log": Outcomes(1, 1, 0, 0, 0)},
        "coverage": [(AT, minutes_after(1))],
        "dead_letters": [a_letter()],
    }
    with pytest.raises(ValueError, match="does not belong"):
        commit(state, batch.id, segments=[good, foreign], **everything)
    with pytest.raises(Exception, match=r"(?i)unique"):
        commit(state, batch.id, segments=[good, good], **everything)
    assert checkpoints(state, "files") == {}
    assert coverage(state).num_rows == 0
    with state.read() as session:
        assert session.scalar(select(func.count()).select_from(SegmentRow)) == 0
        assert dead_letters(session, limit=9) == []
        assert accounting(session) == []
    assert commit(state, batch.id, segments=[good], **everything)


@pytest.mark.parametrize("table", ["segment", "checkpoint", "file_outcome", "dead_letter", "coverage", "ingest_batch"])
def test_a_fault_at_any_statement_of_a_commit_leaves_nothing(state: State, table: str) -> None:
    batch = lease_batch(state, "files", "me")
    written = segment(state, batch.id, "requests", requests([{}]))

    def fail(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if statement.lower().startswith((f"insert into {table} ", f"update {table} ")):
            raise RuntimeError("fault")

    everything = {
        "segments": [written],
        "checkpoints": {"app.log": a_position()},
        "outcomes": {"app.log": Outcomes(2, 1, 1, 0, 0)},
        "reject_counts": {("app.log", "not_json"): 1},
        "coverage": [(AT, minutes_after(1))],
        "dead_letters": [a_letter()],
    }
    event.listen(state.engine, "after_cursor_execute", fail)
    with pytest.raises(RuntimeError):
        commit(state, batch.id, **everything)
    event.remove(state.engine, "after_cursor_execute", fail)
    assert batch_state(state, batch.id) == "leased"
    assert (checkpoints(state, "files"), read_requests(state).num_rows, coverage(state).num_rows) == ({}, 0, 0)
    assert commit(state, batch.id, **everything)
    with state.read() as session:
        (account,) = accounting(session)
        assert (account.lines, account.reasons) == (2, {"not_json": 1})


def test_a_second_commit_changes_nothing(state: State) -> None:
    batch = lease_batch(state, "files", "me")
    outcome = {"app.log": Outcomes(3, 3, 0, 0, 0)}
    assert commit(state, batch.id, outcomes=outcome)
    assert not commit(state, batch.id, outcomes=outcome)
    with state.read() as session:
        assert [account.lines for account in accounting(session)] == [3]


def test_a_commit_whose_answer_got_lost_is_looked_up_and_not_repeated(state: State) -> None:
    batch = lease_batch(state, "files", "me")
    lost = threading.Event()

    def lose_the_answer(connection: object) -> None:
        if lost.is_set():
            return
        lost.set()
        connection.connection.commit()  # type: ignore[attr-defined]
        error = sqlite_or_psycopg_gone(state)
        raise OperationalError("COMMIT", None, error, connection_invalidated=True)

    event.listen(state.engine, "commit", lose_the_answer)
    assert commit(state, batch.id, outcomes={"app.log": Outcomes(3, 3, 0, 0, 0)})
    event.remove(state.engine, "commit", lose_the_answer)
    assert lost.is_set()
    with state.read() as session:
        assert [account.lines for account in accounting(session)] == [3]


def sqlite_or_psycopg_gone(state: State) -> Exception:
    """The driver's error for a connection that broke, or that was busy."""
    if state.engine.dialect.name == "sqlite":
        import sqlite3

        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = 5
        return error
    import psycopg

    return psycopg.OperationalError("server closed the connection unexpectedly")


def test_outcomes_that_do_not_add_up_are_refused(state: State) -> None:
    batch = lease_batch(state, "files", "me")
    with pytest.raises(ValueError, match="add up"):
        commit(state, batch.id, outcomes={"a": Outcomes(3, 1, 1, 0, 0)})


def test_a_lost_lease_is_refused(state: State) -> None:
    batch = lease_batch(state, "files", "me")
    written = segment(state, batch.id, "requests", requests([{}]))
    run_out(state, batch.id)
    assert sweep_expired(state) == 1
    with pytest.raises(LeaseLost, match=f"lease of batch {batch.id} was lost"):
        commit(state, batch.id, segments=[written])
    with pytest.raises(LeaseLost):
        renew_batch(state, batch.id)
    with pytest.raises(StoreError, match="lost"):
        commit(state, "0" * 32)
    assert read_requests(state).num_rows == 0


def test_a_sweep_removes_the_files_of_expired_leases_only(state: State) -> None:
    kept = put(state, tables=[("requests", requests([{}]))])
    alive, dead = lease_batch(state, "files", "me"), lease_batch(state, "files", "gone")
    for batch in (alive, dead):
        segment(state, batch.id, "requests", requests([{}]))
        segment(state, batch.id, "minutes", minutes([{}]))
        unfinished, _ = state.lake.new_segment("clients", batch.id, 0, AT)
        unfinished.write_bytes(b"half a file")
    run_out(state, dead.id)
    run_out(state, kept)  # a committed batch has no lease to lose
    assert sweep_expired(state) == 1
    assert files(state) == sorted(
        [f"{kept}-0.parquet", f"{alive.id}-0.parquet", f"{alive.id}-0.parquet", f"{alive.id}-clients-0.parquet"]
    )
    assert sweep_expired(state) == 0
    assert batch_state(state, dead.id) == "abandoned"
    assert read_requests(state).num_rows == 1


def test_a_sweep_that_was_killed_is_finished_by_the_next(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = lease_batch(state, "files", "me")
    segment(state, batch.id, "requests", requests([{}]))
    run_out(state, batch.id)

    def killed(ids: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(state.lake, "remove_batches", killed)
        with pytest.raises(KeyboardInterrupt):
            sweep_expired(state)
    assert files(state) != []
    assert sweep_expired(state) == 1
    assert files(state) == []


def test_a_renewed_lease_is_not_swept(state: State) -> None:
    batch = lease_batch(state, "files", "me")
    run_out(state, batch.id)
    renew_batch(state, batch.id)
    assert sweep_expired(state) == 0
    assert commit(state, batch.id)


def test_giving_up_removes_the_files_but_never_those_of_a_committed_batch(state: State) -> None:
    kept = put(state, tables=[("requests", requests([{}]))])
    batch = lease_batch(state, "files", "me")
    segment(state, batch.id, "requests", requests([{}]))
    abandon_batch(state, batch.id)
    abandon_batch(state, batch.id)
    abandon_batch(state, kept)
    abandon_batch(state, "never0seen")
    assert files(state) == [f"{kept}-0.parquet"]
    with pytest.raises(LeaseLost):
        commit(state, batch.id)


def test_an_id_serves_once_and_fits_a_file_name(state: State) -> None:
    lease_batch(state, "files", "me", batch_id="abcdef0123")
    with pytest.raises(StoreError, match="used before"):
        lease_batch(state, "files", "me", batch_id="abcdef0123")
    for bad in ("../../etc", "short", "A" * 20, "a-b-c-d-e-f", "a" * 65):
        with pytest.raises(ValueError, match="batch id"):
            lease_batch(state, "files", "me", batch_id=bad)


def test_a_sweep_and_a_commit_at_once_have_one_winner(state: State) -> None:
    for _ in range(10):
        batch = lease_batch(state, "files", "me")
        written = segment(state, batch.id, "requests", requests([{}]))
        run_out(state, batch.id)
        won: list[bool] = []

        def go(batch_id: str = batch.id, written: Segment = written, won: list[bool] = won) -> None:
            try:
                won.append(commit(state, batch_id, segments=[written]))
            except LeaseLost:
                won.append(False)

        thread = threading.Thread(target=go)
        thread.start()
        sweep_expired(state)
        thread.join()
        assert (batch_state(state, batch.id) == "committed") == won[0]
        assert state.lake.path(written.path).exists() == won[0]


def test_several_ingest_processes_lose_no_count(settings: Settings) -> None:
    opened = [open_state(settings) for _ in range(4)]
    failed: list[Exception] = []

    def ingest(state: State) -> None:
        try:
            for number in range(8):
                batch = lease_batch(state, "files", "me")
                commit(
                    state,
                    batch.id,
                    outcomes={f"{name}.log": Outcomes(2, 1, 1, 0, 0) for name in "cab"},
                    reject_counts={(f"{name}.log", "not_json"): 1 for name in "bca"},
                    checkpoints={f"{name}.log": a_position(number) for name in "abc"},
                    dead_letters=[a_letter()],
                    coverage=[(minutes_after(number), minutes_after(number + 1))],
                )
        except Exception as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=ingest, args=(state,)) for state in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with opened[0].read() as session:
        (account,) = accounting(session)
        assert (account.files, account.lines, account.accepted, account.rejected) == (3, 192, 96, 96)
        assert account.reasons == {"not_json": 96}
        assert len(dead_letters(session, limit=100)) == 32
    assert coverage(opened[0]).to_pylist() == [{"source": "files", "start": AT, "end": minutes_after(8)}]
    for state in opened:
        state.close()


def test_accounting_adds_up_each_source(state: State) -> None:
    put(state, source="b", tables=[("requests", requests([{"at": AT}, {"at": minutes_after(5)}]))], lines=2)
    put(state, source="a", lines=3, file="x")
    put(state, source="a", lines=4, file="x")
    put(state, source="a", lines=5, file="\udcff.log")
    with state.read() as session:
        first, second = accounting(session)
    assert (first.source, first.files, first.lines, first.first_at, first.last_commit_at) == ("a", 2, 12, None, AT)
    assert (second.source, second.files, second.first_at, second.last_at) == ("b", 1, AT, minutes_after(5))


def test_dead_letters_are_a_ring_with_exact_counts(settings: Settings) -> None:
    state = open_state(settings.model_copy(update={"dead_letter_bytes": 20_000}))
    for number in range(12):
        batch = lease_batch(state, "files", "me")
        commit(
            state,
            batch.id,
            dead_letters=[a_letter(b"x" * 9000, line=number)],
            reject_counts={("app.log", "r" * 200): 1},
            outcomes={"app.log": Outcomes(1, 0, 1, 0, 0)},
        )
    with state.read() as session:
        kept = dead_letters(session, limit=100)
        assert [letter.letter.line for letter in kept] == list(range(12 - len(kept), 12))
        assert 2 <= len(kept) <= 5
        assert {len(letter.letter.body) for letter in kept} == {4096}
        assert {letter.letter.length for letter in kept} == {9000}
        (account,) = accounting(session)
        assert account.reasons == {"r" * 64: 12}
    state.close()


def test_dead_letters_can_be_paged_and_taken_away(state: State) -> None:
    batch = lease_batch(state, "files", "me")
    commit(state, batch.id, dead_letters=[a_letter(bytes([number, 0, 255]), line=number) for number in range(5)])
    with state.begin() as session:
        first = dead_letters(session, source="files", limit=2)
        rest = dead_letters(session, limit=10, after_id=first[-1].id)
        assert [letter.letter.body[0] for letter in first + rest] == [0, 1, 2, 3, 4]
        assert dead_letters(session, source="other", limit=10) == []
        assert remove_dead_letters(session, [letter.id for letter in first]) == 2
        assert remove_dead_letters(session, [letter.id for letter in first]) == 0
        assert count_dead_letters(session) == 3
        assert remove_dead_letters(session, [letter.id for letter in rest]) == 3
        total = session.get(MetaRow, "dead_letter_bytes")
        assert total is not None
        assert total.value == 0


def test_sources_are_registered_once_a_name(state: State) -> None:
    register_source(state, "logs", "folder", "/logs", True)
    register_source(state, "logs", "folder", "/other", False)
    with state.read() as session:
        (source,) = sources(session)
    assert (source.name, source.location, source.follow) == ("logs", "/other", False)


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    intervals=st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 60), st.integers(0, 20)), min_size=1, max_size=12
    )
)
def test_coverage_is_the_union_of_all_intervals(state: State, intervals: list[tuple[str, int, int]]) -> None:
    with state.begin() as session:
        session.execute(text("DELETE FROM coverage"))
    for source, start, length in intervals:
        put(state, source=source, coverage=[(minutes_after(start), minutes_after(start + length))])
    expected = {(source, minute) for source, start, length in intervals for minute in range(start, start + length)}
    answer = coverage(state).to_pylist()
    seen = [
        (row["source"], minute)
        for row in answer
        for minute in range(80)
        if row["start"] <= minutes_after(minute) < row["end"]
    ]
    assert len(seen) == len(set(seen))
    assert set(seen) == expected
    for before, after in pairwise(answer):
        assert before["source"] < after["source"] or before["end"] < after["start"]


def test_a_commit_is_quick(state: State) -> None:
    tables = [("requests", requests([{}])), ("minutes", minutes([{}])), ("minutes", minutes([{}]))]
    took = []
    for _ in range(9):
        batch = lease_batch(state, "files", "me")
        written = [segment(state, batch.id, kind, table, n) for n, (kind, table) in enumerate(tables)]
        began = time.perf_counter()
        commit_batch(
            state,
            batch.id,
            segments=written,
            checkpoints={"app.log": a_position()},
            outcomes={"app.log": Outcomes(1, 1, 0, 0, 0)},
            reject_counts={},
            dead_letters=[],
            coverage=[(AT, minutes_after(1))],
            now=AT,
        )
        took.append(time.perf_counter() - began)
    # 20 ms on an idle machine; a commit that reads what was stored before would take more than this on a busy one.
    assert sorted(took)[1] < 0.5
