"""Backtests that wait are run by a worker: done, cancelled, given back, begun again after a kill, and aborted."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from gatewatch import verdicts
from gatewatch.access.current import LOCAL
from gatewatch.errors import LeaseLost
from gatewatch.ingesting import ingest_paths
from gatewatch.jobs import tick
from gatewatch.replaying import LEASE, replay_next
from gatewatch.settings import Settings
from gatewatch.store import backtests, leases
from gatewatch.store.backtests import Phase, StoredBacktest
from gatewatch.store.feedback import give_feedback
from gatewatch.store.findings import FindingFilter, list_findings
from gatewatch.store.state import State, open_state
from gatewatch.verdicts import Verdict
from tests.incidents import incident_lines
from tests.test_backtesting import NOW

_COUNT = itertools.count()
NOTHING: dict[str, Any] = {"since": None, "until": None, "set": {}, "detectors": []}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    folder: Path = tmp_path_factory.mktemp("replaying")
    (folder / "a.log").write_text("\n".join(incident_lines()) + "\n")
    opened = open_state(Settings(data_dir=folder / "data"))
    ingest_paths(opened, [str(folder / "a.log")], workers=1)
    tick(opened, opened.settings, NOW)
    yield opened
    opened.close()


def add(state: State, **asked: Any) -> str:
    with state.begin() as session:
        return backtests.add_backtest(session, LOCAL, NOTHING | asked, now=NOW + timedelta(seconds=next(_COUNT))).id


def got(state: State, backtest_id: str) -> StoredBacktest:
    with state.read() as session:
        found = backtests.backtest_with(session, backtest_id)
    assert found is not None
    return found


def result(state: State, backtest_id: str) -> dict[str, Any]:
    with state.read() as session:
        found = backtests.result_of(session, backtest_id)
    assert found is not None
    return found


def run(state: State, stop: object = None, holder: str = "me") -> bool:
    epoch = leases.acquire(state, LEASE, holder, 60)
    assert epoch is not None
    try:
        return replay_next(state, state.settings, epoch, cast(threading.Event, stop or threading.Event()), lambda: NOW)
    finally:
        leases.release(state, LEASE, holder, epoch)


class Asked:
    """A stop that is asked for the `turn`-th time whether it is set; then `then` happens."""

    def __init__(self, turn: int, then: Callable[[], bool]) -> None:
        self.turn = turn
        self.then = then
        self.stopped = False

    def is_set(self) -> bool:
        self.turn -= 1
        if self.turn == 0:
            self.stopped = self.then()
        return self.stopped


def test_the_same_settings_say_what_is_stored_and_others_what_would_differ(state: State) -> None:
    same, quiet = add(state), add(state, set={"false_alarms_per_week": 1e-9})
    assert [run(state), run(state), run(state)] == [True, True, False]
    with state.read() as session:
        stored = [one.finding.id for one in list_findings(session, FindingFilter()).items]
    said = result(state, same)
    assert said["totals"] == {"findings": len(stored), "new": 0, "gone": 0, "changed": 0}
    assert {one["id"] for one in said["findings"]} == set(stored)
    assert said["same"] == len(stored) > 0
    done = got(state, same)
    assert (done.phase, done.minutes) == (Phase.DONE, done.of_minutes)
    assert done.requests == said["requests"] > 0
    changed = result(state, quiet)
    assert changed["compared"] == "settings"
    assert changed["settings"]["false_alarms_per_week"]["after"] == 1e-9
    assert changed["totals"]["gone"] + changed["same"] + changed["totals"]["changed"] == len(stored)


def test_what_people_said_of_findings_counts_as_it_does_for_a_tick(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "MOST", 1e9)  # the incidents of this world are beyond doubt
    with state.read() as session:
        weakest = min((one.finding for one in list_findings(session, FindingFilter()).items), key=lambda one: one.score)
    with state.begin() as session:
        give_feedback(session, LOCAL, weakest.id, Verdict.FALSE_POSITIVE, "", now=NOW)
    try:
        asked = add(state)
        run(state)
        assert [one["id"] for one in result(state, asked)["gone"]] == [weakest.id]
    finally:
        with state.begin() as session:
            give_feedback(session, LOCAL, weakest.id, None, "", now=NOW)


def test_one_that_is_cancelled_while_it_runs_stops(state: State) -> None:
    asked = add(state)

    def cancel() -> bool:
        with state.begin() as session:
            backtests.cancel(session, LOCAL, asked, now=NOW)
        return False

    run(state, Asked(1, cancel))
    assert got(state, asked).phase is Phase.CANCELLED


def test_a_worker_that_is_told_to_stop_gives_it_back_and_the_next_one_finishes_it(state: State) -> None:
    asked = add(state)
    run(state, Asked(1, lambda: True))
    assert got(state, asked).phase is Phase.WAITING
    run(state)
    assert got(state, asked).phase is Phase.DONE


def test_after_a_kill_it_begins_again_and_after_three_it_is_given_up(state: State) -> None:
    asked, behind = add(state), add(state)
    for _ in range(backtests.MOST_TRIES):
        with state.begin() as session:  # and then it is killed
            taken = backtests.take(session, NOW)
            assert taken is not None
            assert taken.id == asked
    run(state)
    given_up = got(state, asked)
    assert (given_up.phase, given_up.error) == (Phase.ABORTED, "the worker stopped while it ran, 3 times")
    assert got(state, behind).phase is Phase.DONE


def test_a_worker_that_was_frozen_changes_nothing_after_its_successor(state: State) -> None:
    asked = add(state)

    def successor() -> bool:
        epoch = leases.acquire(state, LEASE, "me", 60)
        assert epoch is not None
        leases.release(state, LEASE, "me", epoch)  # its lease is over, and another takes it
        assert leases.acquire(state, LEASE, "other", 60) == epoch + 1
        return False

    with pytest.raises(LeaseLost):
        run(state, Asked(1, successor))
    assert got(state, asked).phase is Phase.RUNNING
    assert replay_next(state, state.settings, leases.acquire(state, LEASE, "other", 60) or 0, threading.Event())
    assert got(state, asked).phase is Phase.DONE
    leases.release(state, LEASE, "other", leases.acquire(state, LEASE, "other", 60) or 0)


def test_a_range_without_data_is_a_failure_that_says_so(state: State) -> None:
    asked = add(state, since="1999-01-01T00:00:00+00:00", until="1999-01-02T00:00:00+00:00")
    run(state)
    failed = got(state, asked)
    assert failed.phase is Phase.FAILED
    assert "nothing is stored between" in (failed.error or "")
