"""Tries at passwords are counted for all processes together, before they are looked at."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from gatewatch.store import guesses
from gatewatch.store.access_models import GuessRow
from gatewatch.store.guesses import FORGIVEN_EVERY, LONGEST, NAME_MOST, guess, guess_name, guessed_right
from gatewatch.store.state import State, open_state

AT = datetime(2026, 6, 9, 12, 0, tzinfo=UTC)


def tried(state: State, at: datetime, key: str = "203.0.113.7") -> float:
    wait = state.run(lambda session: guess(session, "address", key, now=at))
    return 0.0 if wait is None else wait.total_seconds()


def test_waits_begin_with_the_fifth_try_and_grow_to_a_quarter_of_an_hour(state: State) -> None:
    assert [tried(state, AT) for _ in range(5)] == [0.0] * 5
    assert tried(state, AT) == 15
    assert tried(state, AT, "203.0.113.8") == 0
    at, waits = AT, []
    for _ in range(8):
        wait = tried(state, at)
        waits.append(wait)
        at += timedelta(seconds=wait)
        assert tried(state, at) == 0
    assert waits[:6] == [15, 30, 60, 120, 240, 480]
    assert max(waits) <= LONGEST.total_seconds()


def test_a_right_one_is_no_guess_and_time_forgives_mistakes(state: State) -> None:
    for _ in range(20):
        assert tried(state, AT) == 0
        state.run(lambda session: guessed_right(session, "address", "203.0.113.7", now=AT))
    assert [tried(state, AT) for _ in range(6)] == [0.0] * 5 + [15.0]
    later = AT + 3 * FORGIVEN_EVERY
    assert [tried(state, later) for _ in range(4)] == [0.0, 0.0, 0.0, 15.0]


def test_a_right_password_between_does_not_hide_a_guesser(state: State) -> None:
    for n in range(4):
        assert tried(state, AT) == 0, n
        assert tried(state, AT) == 0, n
        state.run(lambda session: guessed_right(session, "address", "203.0.113.7", now=AT))
    assert tried(state, AT) == 0
    assert tried(state, AT) > 0


def test_a_name_is_tried_twenty_times_a_minute_by_all_together(state: State) -> None:
    def named(at: datetime) -> timedelta | None:
        return state.run(lambda session: guess_name(session, "vera", now=at))

    assert [named(AT) for _ in range(NAME_MOST)] == [None] * NAME_MOST
    assert named(AT + timedelta(seconds=20)) == timedelta(seconds=40)
    assert named(AT + timedelta(seconds=60)) is None


def test_two_processes_count_together_and_tries_at_once_do_not_slip_through(state: State) -> None:
    other = open_state(state.settings)
    let_through: list[float] = []

    def go(one: State) -> None:
        let_through.extend(tried(one, AT) for _ in range(5))

    threads = [threading.Thread(target=go, args=(one,)) for one in (state, other, state, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert sorted(let_through) == [0.0] * 5 + [15.0] * 15


def test_what_is_kept_is_bounded_and_names_no_address(state: State) -> None:
    with state.begin() as session:
        for n in range(30):
            guess(session, "address", f"198.51.100.{n}", now=AT - timedelta(hours=3))
        guess(session, "address", "203.0.113.7", now=AT)
        assert session.scalar(select(func.count()).select_from(GuessRow)) == 1
        guesses.MOST_KEYS, before = 10, guesses.MOST_KEYS
        try:
            for n in range(30):
                guess(session, "address", f"198.51.100.{n}", now=AT + timedelta(seconds=n))
        finally:
            guesses.MOST_KEYS = before
        kept = session.scalars(select(GuessRow.key)).all()
    assert len(kept) <= 11
    assert not any("198.51" in key for key in kept)
