"""Each way in which lake and manifest can part is found and named; what is under way is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import delete, select

from gatewatch.store.batches import lease_batch
from gatewatch.store.models import SegmentRow
from gatewatch.store.state import State
from gatewatch.store.verify import verify
from tests.store.builders import AT, minutes, put, requests, segment


@pytest.fixture
def paths(state: State) -> dict[str, str]:
    """Kind -> path of the only segment."""
    put(state, tables=[("requests", requests([{}, {}])), ("minutes", minutes([{"n": 2}]))])
    with state.read() as session:
        return {row.kind: row.path for row in session.scalars(select(SegmentRow))}


def test_a_whole_store_is_in_order_also_while_a_batch_is_written(state: State, paths: dict[str, str]) -> None:
    assert set(paths) == {"requests", "minutes"}
    batch = lease_batch(state, "files", "me")
    segment(state, batch.id, "minutes", minutes([{}]))
    found = verify(state)
    assert (found.segments, found.rows, found.problems) == (2, 3, [])
    assert found.bytes > 0


@pytest.mark.parametrize("quick", [False, True])
def test_a_file_that_is_missing_short_or_changed_is_named(state: State, paths: dict[str, str], quick: bool) -> None:
    path = state.lake.path(paths["requests"])
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    told = verify(state, quick=quick).problems
    assert told == ([] if quick else [f"{paths['requests']}: its content is not what was written (checksum)"])
    path.write_bytes(whole[:-7])
    (problem,) = verify(state, quick=quick).problems
    assert problem.startswith(f"{paths['requests']}: {len(whole) - 7:,} bytes instead of {len(whole):,}")
    path.unlink()
    (problem,) = verify(state, quick=quick).problems
    assert problem.startswith(f"{paths['requests']}: missing")


def test_a_file_that_nobody_lists_is_named(state: State, paths: dict[str, str]) -> None:
    state.run(lambda session: session.execute(delete(SegmentRow).where(SegmentRow.kind == "minutes")))
    stranger = state.lake.root / "requests" / "date=2026-06-09" / "hour=12" / "abcdefgh-0.parquet"
    stranger.write_bytes(b"x")
    assert sorted(verify(state).problems) == sorted(
        [
            f"{paths['minutes']}: no line of the manifest names it",
            f"{Path(*stranger.parts[-4:])}: no batch of this store wrote it",
        ]
    )


def test_minutes_that_do_not_add_up_are_named(state: State, paths: dict[str, str]) -> None:
    del paths
    put(state, tables=[("requests", requests([{}]))], file="other")
    assert verify(state).problems == [f"files {AT:%Y-%m-%dT%H:00Z}: minutes tell of 2 requests, there are 3"]
    assert verify(state, quick=True).problems == []
