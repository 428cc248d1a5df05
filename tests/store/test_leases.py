from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from gatewatch.errors import LeaseLost
from gatewatch.settings import Settings
from gatewatch.store.leases import acquire, claim_run, finish_run, last_run, release, renew, require
from gatewatch.store.models import JobRunRow, LeaseRow
from gatewatch.store.state import State, open_state
from tests.store.builders import AT, minutes_after


def run_out(state: State, name: str) -> None:
    with state.begin() as session:
        session.get_one(LeaseRow, name).expires_at -= timedelta(days=1)


def test_one_holder_at_a_time(state: State) -> None:
    assert acquire(state, "tick", "a", 60) == 1
    assert acquire(state, "tick", "a", 60) == 1
    assert acquire(state, "tick", "b", 60) is None
    assert acquire(state, "other", "b", 60) == 1
    assert renew(state, "tick", "a", 1, 60)
    assert not renew(state, "tick", "b", 1, 60)
    release(state, "tick", "b", 1)
    assert acquire(state, "tick", "b", 60) is None
    release(state, "tick", "a", 1)
    assert acquire(state, "tick", "b", 60) == 2


def test_a_frozen_holder_cannot_write_after_its_successor(state: State) -> None:
    assert acquire(state, "tick", "a", 60) == 1
    with state.begin() as session:
        require(session, "tick", 1)
    run_out(state, "tick")
    with state.begin() as session:
        require(session, "tick", 1)  # nobody has taken it yet: no harm
    assert acquire(state, "tick", "b", 60) == 2
    assert not renew(state, "tick", "a", 1, 60)
    release(state, "tick", "a", 1)
    with pytest.raises(LeaseLost, match="'tick' was taken"), state.begin() as session:
        require(session, "tick", 1)
    with state.begin() as session:
        require(session, "tick", 2)


def test_a_holder_that_lost_its_lease_gets_a_new_epoch(state: State) -> None:
    assert acquire(state, "tick", "a", 60) == 1
    run_out(state, "tick")
    assert acquire(state, "tick", "a", 60) == 2


def test_a_race_for_a_lease_and_for_a_run_has_one_winner(settings: Settings) -> None:
    opened = [open_state(settings) for _ in range(4)]
    for number in range(8):
        won: list[str] = []
        start = threading.Barrier(4)

        def go(
            state: State, name: str, number: int = number, won: list[str] = won, start: threading.Barrier = start
        ) -> None:
            start.wait()
            if acquire(state, f"lease{number}", name, 60) is not None:
                won.append("lease")
            if claim_run(state, "tick", minutes_after(number), name):
                won.append("run")

        threads = [threading.Thread(target=go, args=(state, f"w{n}")) for n, state in enumerate(opened)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(won) == ["lease", "run"]
    for state in opened:
        state.close()


def test_a_run_belongs_to_its_first_claimer_and_notes_its_end(state: State) -> None:
    assert claim_run(state, "tick", AT, "a")
    assert not claim_run(state, "tick", AT, "a")
    assert not claim_run(state, "tick", AT, "b")
    assert claim_run(state, "deliver", AT, "b")
    with state.read() as session:
        assert last_run(session, "tick") is None
    finish_run(state, "tick", AT, "it failed\x00")
    finish_run(state, "tick", minutes_after(9), None)
    with state.read() as session:
        last = last_run(session, "tick")
        assert last is not None
        assert last[1] == "it failed\x00"


def test_runs_are_forgotten_after_a_month(state: State) -> None:
    claim_run(state, "tick", AT, "a")
    claim_run(state, "tick", AT + timedelta(days=31), "a")
    with state.read() as session:
        assert session.scalar(select(func.count()).select_from(JobRunRow)) == 1
