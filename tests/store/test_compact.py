"""Joined segments: the same answers, nobody disturbed, nothing lost wherever it is killed."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from gatewatch.errors import LeaseLost, StoreError
from gatewatch.evaluating import evaluate
from gatewatch.frames import merge_clients, merge_minutes
from gatewatch.ingesting import ingest_paths
from gatewatch.settings import Settings
from gatewatch.store import compact as compacting
from gatewatch.store.batches import accounting, sweep_expired
from gatewatch.store.coarse import api_list
from gatewatch.store.compact import compact
from gatewatch.store.models import BatchRow, RemovedSegmentRow, SegmentRow
from gatewatch.store.reading import bounds, coverage, read_clients, read_minutes, stream_requests
from gatewatch.store.retired import sweep_retired
from gatewatch.store.state import State, open_state
from gatewatch.store.verify import verify
from tests.ingest.lines import START, a_line
from tests.store.builders import minutes, put


def ingest(state: State, folder: Path, numbers: range, source: str = "files", status: int = 200) -> None:
    path = folder / f"{source}-{numbers.start}-{numbers.stop}.log"
    path.parent.mkdir(exist_ok=True)
    lines = [a_line(number, status=status if number % 3 else 403, errorType="ACCESS_DENIED") for number in numbers]
    path.write_text("".join(line + "\n" for line in lines))
    ingest_paths(state, [str(path)], source=source, workers=1)


def answers(state: State) -> tuple[object, ...]:
    """Everything that readers can ask for."""
    requests = pa.Table.from_batches(list(stream_requests(state))).sort_by(
        [("at", "ascending"), ("request_id", "ascending")]
    )
    with state.read() as session:
        accounts = accounting(session)
    return (
        merge_minutes(read_minutes(state)).to_pylist(),
        merge_clients(read_clients(state)).to_pylist(),
        requests.to_pylist(),
        api_list(state),
        bounds(state),
        coverage(state).to_pylist(),
        accounts,
    )


def listed(state: State) -> dict[str, int]:
    with state.read() as session:
        kinds = list(session.scalars(select(SegmentRow.kind)))
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def files(state: State) -> set[str]:
    return {str(path.relative_to(state.lake.root)) for path in state.lake.root.rglob("*.parquet")}


def test_small_segments_of_an_hour_become_one_and_no_answer_changes(state: State, tmp_path: Path) -> None:
    for begin in range(0, 600, 50):
        ingest(state, tmp_path / "in", range(begin, begin + 50), source="a" if begin % 100 else "b")
    before, count = answers(state), listed(state)
    assert count == {"clients": 12, "minutes": 12, "requests": 12}
    done = compact(state)
    assert (done.before, done.after) == (36, 6)
    assert listed(state) == {"clients": 2, "minutes": 2, "requests": 2}
    assert answers(state) == before
    assert verify(state).problems == []
    assert compact(state).groups == 0


def test_hours_stay_apart_and_an_hour_that_goes_on_is_left_alone(state: State) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    for at in (START, START + timedelta(hours=2), now):
        for _ in range(2):
            put(state, tables=[("minutes", minutes([{"minute": at}]))])
    assert compact(state).groups == 2
    assert listed(state) == {"minutes": 4}


_NUMBERS = st.lists(st.integers(0, 59), min_size=1, max_size=60)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 179), max_size=6, unique=True), seed=st.integers(0, 99), again=st.booleans())
def test_any_batches_joined_at_any_time_answer_as_one_batch(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], seed: int, again: bool
) -> None:
    chance = random.Random(seed)
    folder = tmp_path_factory.mktemp("any")
    whole, parts = (open_state(Settings(data_dir=folder / name)) for name in ("whole", "parts"))
    try:
        edges = [0, *sorted(cuts), 180]
        ranges = [range(low, high) for low, high in pairwise(edges)]
        ingest(whole, folder / "one", range(180))
        chance.shuffle(ranges)
        for numbers in ranges:
            ingest(parts, folder / "many", numbers)
            if again and chance.random() < 0.5:
                compact(parts)
        compact(parts)
        if again:
            ingest(parts, folder / "late", range(180, 185))
            ingest(whole, folder / "late", range(180, 185))
            compact(parts)
        mine, theirs = answers(parts), answers(whole)
        assert mine[:2] == theirs[:2]
        drop = {"batch", "source"}
        rows = [[{k: v for k, v in row.items() if k not in drop} for row in one[2]] for one in (mine, theirs)]  # type: ignore[attr-defined]
        assert rows[0] == rows[1]
        assert verify(parts).problems == []
    finally:
        whole.close()
        parts.close()


def test_what_was_ingested_before_is_still_known(state: State, tmp_path: Path) -> None:
    for begin in (0, 50):
        ingest(state, tmp_path / "in", range(begin, begin + 50))
    compact(state)
    sweep_retired(state, timedelta(0))
    (tmp_path / "again.log").write_text("".join(a_line(number) + "\n" for number in range(60)))
    result = ingest_paths(state, [str(tmp_path / "again.log")], workers=1)
    assert (result.accounting.accepted, result.accounting.duplicate) == (0, 60)


def test_detectors_see_nothing_new_in_joined_segments(state: State, tmp_path: Path) -> None:
    for begin in range(0, 300, 100):
        ingest(state, tmp_path / "in", range(begin, begin + 100))
    horizon = START + timedelta(hours=1)
    first = evaluate(state, state.settings, horizon)
    assert first is not None
    state.run(lambda session: first.save(session, state.settings))
    assert evaluate(state, state.settings, horizon) is None
    assert compact(state).groups == 3
    assert evaluate(state, state.settings, horizon) is None


def test_readers_that_took_the_list_before_can_go_on_for_a_while(state: State, tmp_path: Path) -> None:
    for begin in (0, 50):
        ingest(state, tmp_path / "in", range(begin, begin + 50))
    old = files(state)
    stream = stream_requests(state)
    next(stream)
    compact(state)
    assert sum(batch.num_rows for batch in stream) > 0
    assert old < files(state)
    assert sweep_retired(state) == 0
    assert sweep_retired(state, timedelta(0)) == 6
    assert not old & files(state)
    assert sum(read_minutes(state).column("n").to_pylist()) == 100
    with state.read() as session:
        assert list(session.scalars(select(RemovedSegmentRow.path))) == []


@pytest.mark.parametrize("moment", ["before the files", "after the files", "in the transaction"])
def test_killed_anywhere_nothing_changes(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    for begin in (0, 50):
        ingest(state, tmp_path / "in", range(begin, begin + 50))
    before = answers(state)

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    where: dict[str, tuple[str, Callable[..., None]]] = {
        "before the files": ("publish_segment", die),
        "after the files": ("_swap", die),
        "in the transaction": ("retire", die),
    }
    name, put_in = where[moment]
    with monkeypatch.context() as patch:
        patch.setattr(compacting, name, put_in)
        patch.setattr(compacting, "abandon_batch", lambda *_: None)  # killed, so nobody tidies up
        with pytest.raises(KeyboardInterrupt):
            compact(state)
    assert answers(state) == before
    state.run(lambda session: session.execute(update(BatchRow).values(lease_until=START)))
    sweep_expired(state)
    assert verify(state).problems == []
    assert compact(state).groups == 3
    assert answers(state) == before


def test_two_who_join_at_once_do_not_join_twice(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for begin in (0, 50):
        ingest(state, tmp_path / "in", range(begin, begin + 50))
    before = answers(state)
    groups = compacting._groups
    both = threading.Barrier(2, timeout=60)

    def looked(*arguments: object) -> object:
        found = list(groups(*arguments))  # type: ignore[arg-type]
        both.wait()
        return iter(found)

    monkeypatch.setattr(compacting, "_groups", looked)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            compact(state)
        except (StoreError, LeaseLost) as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) <= 2
    monkeypatch.undo()
    compact(state)
    assert answers(state) == before
    assert verify(state).problems == []
    assert listed(state) == {"clients": 1, "minutes": 1, "requests": 1}
