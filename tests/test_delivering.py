"""Sending: real receivers that answer well, badly, late or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from alerts.channels import Channel
from alerts.channels.slack import Slack
from gatewatch.delivering import Senders
from gatewatch.settings import Settings
from gatewatch.store import breakers
from gatewatch.store.alert_models import BreakerRow, OutboxRow
from gatewatch.store.outbox import claim, deliveries, enqueue, mark_failed, mark_sent, outbox_counts
from gatewatch.store.state import State, db_now, open_state
from tests.alerts.builders import a_payload
from tests.receivers import receiver

NOW = datetime(2026, 6, 9, 12, 41, tzinfo=UTC)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = open_state(Settings(data_dir=tmp_path / "data"))
    yield opened
    opened.close()


def add(state: State, channel: str, finding: str = "f1", rank: int = 0, group_id: str = "") -> str:
    with state.begin() as session:
        key = enqueue(
            session,
            finding_id=finding,
            transition="new",
            channel=channel,
            payload=a_payload(),
            rank=rank,
            group_id=group_id,
        )
    assert key is not None
    return key


def send(state: State, **channels: Channel) -> int:
    senders = Senders(state, channels, holder="w", clock=lambda: NOW)
    senders.kick()
    senders.join()
    return senders.sent


def due_now(state: State) -> None:
    """As if all waits were over."""
    with state.begin() as session:
        past = db_now(session) - timedelta(seconds=1)
        session.execute(update(OutboxRow).values(next_at=past))
        session.execute(update(BreakerRow).values(open_until=past))


def slack(url: str, total_s: float = 10.0) -> Slack:
    return Slack(SecretStr(url), total_s=total_s)


def test_a_receiver_that_hangs_delays_no_other(state: State) -> None:
    with receiver(mood="hang") as stuck, receiver() as well:
        add(state, "one")
        keys = [add(state, "two", f"f{number}") for number in range(5)]
        senders = Senders(state, {"one": slack(stuck.url), "two": slack(well.url)}, holder="w", clock=lambda: NOW)
        senders.kick()
        for thread in threading.enumerate():
            if thread.name == "send-two":
                thread.join(20)
        assert well.keys == keys
        assert senders.sent == 5
        stuck.released.set()
        senders.join()
        assert senders.sent == 5


@pytest.mark.parametrize("mood", ["503", "429", "drop"])
def test_what_fails_is_repeated_under_its_key_until_it_gets_through(state: State, mood: str) -> None:
    with receiver(mood=mood) as one:
        key = add(state, "one")
        assert send(state, one=slack(one.url)) == 0
        assert send(state, one=slack(one.url)) == 0, "it waits before it tries again"
        one.mood = "ok"
        due_now(state)
        assert send(state, one=slack(one.url)) == 1
        assert one.keys == [key, key]
        with state.read() as session:
            assert [(log.attempt, log.outcome) for log in deliveries(session)] == [(2, "sent"), (1, "retry")]


def test_a_receiver_that_asks_for_patience_gets_it(state: State) -> None:
    with receiver(mood="429", headers={"Retry-After": "120"}) as one:
        add(state, "one")
        add(state, "one", "f2")
        send(state, one=slack(one.url))
        assert len(one.got) == 1
        with state.read() as session:
            health = breakers.healths(session)["one"]
            assert health.open_until is not None
            assert health.open_until - db_now(session) > timedelta(seconds=110)


def test_the_most_severe_leaves_first(state: State) -> None:
    with receiver() as one:
        low, high = add(state, "one", "f1", rank=1), add(state, "one", "f2", rank=4)
        assert send(state, one=slack(one.url)) == 2
        assert one.keys == [high, low]


def test_a_channel_that_fails_is_left_alone_and_then_tried_with_one_alert(state: State) -> None:
    with receiver(mood="500") as one:
        for number in range(4):
            add(state, "one", f"f{number}")
        for _ in range(5):
            with state.begin() as session:
                session.execute(update(OutboxRow).values(next_at=db_now(session)))
            send(state, one=slack(one.url))
        assert len(one.got) == breakers.OPENS_AFTER
        one.mood = "ok"
        due_now(state)
        assert send(state, one=slack(one.url)) == 4
        with state.read() as session:
            assert breakers.healths(session)["one"].failures == 0


def test_what_the_receiver_refuses_is_dead_and_holds_up_nothing(state: State) -> None:
    with receiver(mood="400") as one:
        add(state, "one", "f1")
        add(state, "one", "f2")
        send(state, one=slack(one.url))
        assert len(one.got) == 2
        with state.read() as session:
            assert outbox_counts(session)["dead"] == 2
            assert breakers.healths(session) == {}


def test_the_delivery_log_has_what_went_out_and_came_back_without_the_address(state: State) -> None:
    with receiver(mood="500", answer=lambda got: f"no: http://127.0.0.1{got.path} token=hunter2") as one:
        secret = f"{one.url}/services/T0/B0/s3cr3t"
        add(state, "one")
        send(state, one=slack(secret))
        with state.read() as session:
            [log] = deliveries(session)
        assert "[HIGH] auth_failure_spike" in str(log.wire)
        assert "500" in str(log.wire)
        assert secret not in str(log)


def test_the_news_of_one_group_arrive_in_their_order(state: State) -> None:
    first, second = add(state, "one", "f1", group_id="g"), add(state, "one", "f2", rank=4, group_id="g")
    other = add(state, "one", "f3", group_id="h")
    assert {item.id for item in claim(state, "w")} == {first, other}
    assert claim(state, "w2") == []
    mark_failed(state, first, "503", retry=True)
    assert claim(state, "w2") == [], "what comes later waits for what came first"
    due_now(state)
    [item] = claim(state, "w3")
    mark_sent(state, item.id, attempt=item.attempts, memory={"ts": "1.5"})
    [item] = claim(state, "w3")
    assert (item.id, item.memory) == (second, {"ts": "1.5"})


def test_a_worker_that_lost_its_lease_leaves_no_memory(state: State) -> None:
    first = add(state, "one", "f1", group_id="g")
    [lost] = claim(state, "w", lease_seconds=-1)
    [mine] = claim(state, "w2")
    assert (lost.id, mine.attempts) == (first, 2)
    mark_sent(state, first, attempt=lost.attempts, memory={"ts": "old"})
    mark_sent(state, first, attempt=mine.attempts, memory={"ts": "new"})
    add(state, "one", "f2", group_id="g")
    [item] = claim(state, "w")
    assert item.memory == {}
