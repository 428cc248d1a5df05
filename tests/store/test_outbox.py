from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from gatewatch.records import JSON
from gatewatch.settings import Settings
from gatewatch.store.alert_models import OutboxRow
from gatewatch.store.outbox import (
    claim,
    deliveries,
    enqueue,
    forget,
    mark_failed,
    mark_sent,
    oldest_pending_at,
    outbox_counts,
    requeue,
    wait_seconds,
)
from gatewatch.store.state import State, db_now, open_state


def add(state: State, finding: str = "f1", transition: str = "new", channel: str = "slack") -> str | None:
    payload: dict[str, JSON] = {"text": "\x00 \ud800 <b>", "n": [1, 2.5, None]}
    with state.begin() as session:
        return enqueue(session, finding_id=finding, transition=transition, channel=channel, payload=payload)


def shift(state: State, item: str, seconds: float) -> None:
    """Time passes for one item."""
    ago = timedelta(seconds=seconds)
    with state.begin() as session:
        row = session.scalars(select(OutboxRow).where(OutboxRow.id == item)).one()
        row.created_at -= ago
        row.next_at -= ago
        if row.lease_until is not None:
            row.lease_until -= ago


def counts(state: State) -> dict[str, int]:
    with state.read() as session:
        return {name: n for name, n in outbox_counts(session).items() if n}


def test_an_alert_is_written_once_a_finding_transition_and_channel(state: State) -> None:
    first = add(state)
    assert first is not None
    assert add(state) is None
    others = {add(state, channel="email"), add(state, transition="worse:high"), add(state, finding="f2")}
    assert None not in others
    assert len(others | {first}) == 4
    assert counts(state) == {"pending": 4}


def test_an_alert_is_written_with_the_finding_or_not_at_all(state: State) -> None:
    def write_and_fail() -> None:
        with state.begin() as session:
            enqueue(session, finding_id="f", transition="new", channel="c", payload={})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert counts(state) == {}


def test_an_item_is_claimed_sent_and_logged(state: State) -> None:
    identity = add(state)
    (item,) = claim(state, "w1")
    assert (item.id, item.idempotency_key, item.attempts) == (identity, identity, 1)
    assert item.payload == {"text": "\x00 \ud800 <b>", "n": [1, 2.5, None]}
    assert claim(state, "w2") == []
    mark_sent(state, item.id)
    mark_sent(state, item.id)
    mark_failed(state, item.id, "late news", retry=True)
    assert counts(state) == {"sent": 1}
    with state.read() as session:
        (delivery,) = deliveries(session, 10)
        assert (delivery.item_id, delivery.outcome, delivery.attempt, delivery.channel) == (item.id, "sent", 1, "slack")
        assert oldest_pending_at(session) is None


def test_a_failure_waits_longer_each_time_and_dies_after_a_day(state: State) -> None:
    identity = add(state)
    assert identity is not None
    attempts = 0
    while counts(state) == {"pending": 1}:
        (item,) = claim(state, "w")
        assert item.idempotency_key == identity
        attempts += 1
        mark_failed(state, identity, "503\x00", retry=True)
        assert claim(state, "w") == []
        shift(state, identity, wait_seconds(identity, attempts) + 1)
    assert counts(state) == {"dead": 1}
    assert 20 < attempts < 60
    with state.begin() as session:
        outcomes = [delivery.outcome for delivery in deliveries(session, 100)]
        assert outcomes == ["dead"] + ["retry"] * (attempts - 1)
        assert requeue(session, identity)
        assert not requeue(session, identity)
    assert len(claim(state, "w")) == 1


def test_what_can_never_succeed_is_dead_at_once(state: State) -> None:
    add(state)
    (item,) = claim(state, "w")
    mark_failed(state, item.id, "404", retry=False)
    assert counts(state) == {"dead": 1}


def test_an_item_of_a_worker_that_died_is_sent_again_under_the_same_key(state: State) -> None:
    add(state)
    (first,) = claim(state, "w1", lease_seconds=30)
    shift(state, first.id, 31)
    (second,) = claim(state, "w2")
    assert (second.idempotency_key, second.attempts) == (first.idempotency_key, 2)
    mark_failed(state, first.id, "from the frozen worker", retry=True, attempt=first.attempts)
    assert counts(state) == {"sending": 1}
    mark_sent(state, second.id)
    assert counts(state) == {"sent": 1}


def test_each_channel_has_its_own_queue(state: State) -> None:
    add(state, channel="slack")
    add(state, channel="email")
    assert [item.channel for item in claim(state, "w", channel="email")] == ["email"]


def test_items_leave_in_the_order_they_came(state: State) -> None:
    ids = [add(state, finding=f"f{number}") for number in range(5)]
    assert [item.id for item in claim(state, "w", limit=3)] == ids[:3]
    assert [item.id for item in claim(state, "w", limit=3)] == ids[3:]


def test_two_sessions_never_claim_the_same_item(settings: Settings) -> None:
    opened = [open_state(settings) for _ in range(4)]
    for number in range(60):
        add(opened[0], finding=f"f{number}")
    got: list[str] = []
    failed: list[Exception] = []
    start = threading.Barrier(4)

    def work(state: State, name: str) -> None:
        try:
            start.wait()
            while items := claim(state, name, limit=3):
                got.extend(item.id for item in items)
        except Exception as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=work, args=(state, f"w{n}")) for n, state in enumerate(opened)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # SKIP LOCKED may leave a worker without items while others still hold the last ones.
    got += [item.id for item in claim(opened[0], "last", limit=100)]
    for state in opened:
        state.close()
    assert failed == []
    assert len(got) == 60
    assert len(set(got)) == 60


@given(item=st.text(alphabet="0123456789abcdef", min_size=32, max_size=32), attempts=st.integers(1, 10_000))
def test_waits_stay_between_seconds_and_hours(item: str, attempts: int) -> None:
    wait = wait_seconds(item, attempts)
    assert 7.5 <= wait <= 5400
    assert wait == wait_seconds(item, attempts)


def test_the_age_of_the_oldest_alert_is_known(state: State) -> None:
    identity = add(state)
    with state.begin() as session:
        past = db_now(session) - timedelta(hours=2)
        session.execute(update(OutboxRow).where(OutboxRow.id == identity).values(created_at=past))
    with state.read() as session:
        assert oldest_pending_at(session) == past


def test_what_is_forgotten_is_not_said_again(state: State) -> None:
    sent, waiting = add(state), add(state, finding="f2")
    assert sent is not None
    mark_sent(state, sent)
    with state.begin() as session:
        assert forget(session, db_now(session) - timedelta(days=1)) == 0
        assert forget(session, db_now(session) + timedelta(seconds=1)) == 1
        assert deliveries(session) == []
    assert add(state) is None
    assert [item.id for item in claim(state, "w")] == [waiting]
