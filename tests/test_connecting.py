"""The ledger in the store adds up over processes, and a connection is kept with how far it was read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gatewatch.connecting import StoredLedger
from gatewatch.settings import Settings
from gatewatch.store.connections import (
    AwsConnection,
    connections,
    note_poll,
    poll_of,
    remove_connection,
    save_connection,
)
from gatewatch.store.spending import ledger
from gatewatch.store.state import State, open_state
from ingest.aws.spending import Spend

NOW = datetime(2026, 6, 9, 12, 0, tzinfo=UTC)
DAY = NOW.date()


@pytest.fixture(name="state")
def _state(tmp_path: Path) -> Iterator[State]:
    opened = open_state(Settings(data_dir=tmp_path / "data"))
    yield opened
    opened.close()


def spend(calls: int, nanos: int) -> Spend:
    return Spend(DAY, "123456789012", "metrics", "cloudwatch", "GetMetricData", calls, nanos)


def test_two_processes_see_each_other_after_a_second(state: State) -> None:
    clock = [0.0]
    one, other = (StoredLedger(state, clock=lambda: clock[0]) for _ in range(2))
    one.add([spend(1, 100)])
    assert one.total(DAY) == (1, 100)
    assert other.total(DAY) == (1, 100)
    clock[0] = 1.5
    one.add([spend(2, 50)])
    other.add([spend(1, 7)])
    assert one.total(DAY) == other.total(DAY) == (4, 157)
    one.flush()
    with state.read() as session:
        assert [(row.calls, row.nanos) for row in ledger(session, DAY, DAY)] == [(4, 157)]


def test_a_failed_poll_goes_on_where_it_was(state: State) -> None:
    made = AwsConnection("main", None, "arn:aws:iam::1:role/r", "gw-1", ("eu-west-1",), ("metrics",), NOW)
    state.run(lambda session: save_connection(session, made))
    state.run(lambda session: note_poll(session, "main", "eu-west-1", "metrics", now=NOW, cursor={"until": 7}))
    later = NOW.replace(minute=5)
    state.run(lambda session: note_poll(session, "main", "eu-west-1", "metrics", now=later, error="denied"))
    with state.read() as session:
        assert connections(session) == [made]
        poll = poll_of(session, "main", "eu-west-1", "metrics")
    assert poll is not None
    assert (poll.cursor, poll.ok_at, poll.tried_at, poll.error) == ({"until": 7}, NOW, later, "denied")
    assert state.run(lambda session: remove_connection(session, "main"))
    with state.read() as session:
        assert connections(session) == []
        assert poll_of(session, "main", "eu-west-1", "metrics") is None
