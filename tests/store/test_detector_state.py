from __future__ import annotations

from gatewatch.store.detector_state import forget_states, load_state, save_state, states_before
from gatewatch.store.state import State
from tests.store.builders import minutes_after


def test_the_newest_state_is_loaded(state: State) -> None:
    with state.begin() as session:
        assert load_state(session, "a") is None
        save_state(session, "a", minutes_after(1), b"\x00one")
        save_state(session, "a", minutes_after(2), b"two")
        save_state(session, "b", minutes_after(3), b"other")
    with state.read() as session:
        assert load_state(session, "a") == (minutes_after(2), b"two")
        assert load_state(session, "a", version=2) is None


def test_late_data_go_back_to_the_state_before_them(state: State) -> None:
    with state.begin() as session:
        for minute in range(5):
            save_state(session, "a", minutes_after(minute), bytes([minute]))
        assert states_before(session, "a", minutes_after(2.5)) == [(minutes_after(2), b"\x02")]
        assert states_before(session, "a", minutes_after(2), limit=9) == [
            (minutes_after(2), b"\x02"),
            (minutes_after(1), b"\x01"),
            (minutes_after(0), b"\x00"),
        ]
        assert states_before(session, "a", minutes_after(-1)) == []


def test_a_replay_replaces_what_came_after(state: State) -> None:
    with state.begin() as session:
        for minute in range(5):
            save_state(session, "a", minutes_after(minute), b"old")
        save_state(session, "a", minutes_after(2), b"new")
        assert load_state(session, "a") == (minutes_after(2), b"new")
        assert len(states_before(session, "a", minutes_after(9), limit=9)) == 3


def test_states_that_no_replay_needs_are_forgotten(state: State) -> None:
    with state.begin() as session:
        for minute in range(5):
            save_state(session, "a", minutes_after(minute), b"")
        save_state(session, "b", minutes_after(0), b"")
        forget_states(session, "a", minutes_after(2.5))
        assert [at for at, _ in states_before(session, "a", minutes_after(9), limit=9)] == [
            minutes_after(4),
            minutes_after(3),
            minutes_after(2),
        ]
        forget_states(session, "a", minutes_after(-5))
        assert load_state(session, "b") is not None
