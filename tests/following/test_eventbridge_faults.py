"""A queue as SQS may be: throttled, with expired sessions, messages twice, late, and in no order.

No change is lost, none counts twice, few calls are made in vain, and never faster than allowed.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from gatewatch.following import Follower
from gatewatch.settings import Settings
from gatewatch.store.changes import changes
from gatewatch.store.sources import Source
from gatewatch.store.state import open_state
from tests.awsdouble import Answer, Call, Double
from tests.following.logs import REGION, Clock, aws_of
from tests.following.test_eventbridge import event

START = datetime(2026, 6, 9, 12, 0, tzinfo=UTC).timestamp()
URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/changes"
EVENTS, LOOKS, EVERY_S, RATE, HIDDEN_S = 120, 9, 600, 2.0, 60
FAULTS: Mapping[str, float] = {"throttled": 0.4, "expired": 0.03, "again": 0.05, "undeleted": 0.05}
"""again: a message that was just given is given once more, as SQS may. undeleted: what was deleted comes again."""

NONE: Mapping[str, float] = dict.fromkeys(FAULTS, 0.0)


@dataclass
class Queue:
    """messages: number -> (seen from, body). hidden: number -> until when nobody else is given it."""

    clock: Clock
    chance: random.Random
    faults: Mapping[str, float]
    messages: dict[int, tuple[float, str]]
    hidden: dict[int, float] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    served: int = 0
    seen: Counter[str] = field(default_factory=Counter)

    def __call__(self, call: Call) -> Answer | None:
        if call.service != "sqs":
            return None
        self.times.append(self.clock())
        for name, code in (("throttled", "RequestThrottled"), ("expired", "ExpiredToken")):
            if self._happens(name):
                return 400, {"__type": f"com.amazonaws.sqs#{code}", "message": "no"}
        self.served += 1
        return 200, self._given() if call.name == "ReceiveMessage" else self._deleted(call)

    def _given(self) -> dict[str, object]:
        now = self.clock()
        there = [n for n, (at, _) in self.messages.items() if at <= now and self.hidden.get(n, 0) <= now]
        chosen = self.chance.sample(there, min(10, len(there)))
        for number in chosen:
            if not self._happens("again"):
                self.hidden[number] = now + HIDDEN_S
        return {
            "Messages": [
                {"MessageId": str(n), "ReceiptHandle": f"{n}@{now}", "Body": self.messages[n][1]} for n in chosen
            ]
        }

    def _deleted(self, call: Call) -> dict[str, object]:
        for entry in call.body["Entries"]:
            number = int(entry["ReceiptHandle"].partition("@")[0])
            if self._happens("undeleted"):
                self.hidden[number] = self.clock() + HIDDEN_S
            else:
                self.messages.pop(number, None)
        return {"Successful": [{"Id": entry["Id"]} for entry in call.body["Entries"]], "Failed": []}

    def _happens(self, fault: str) -> bool:
        happened = self.chance.random() < self.faults[fault]
        self.seen[fault] += happened
        return happened


def went(
    double: Double, folder: Path, faults: Mapping[str, float], seed: int
) -> tuple[Queue, Counter[str], int, list[str]]:
    """Follow a queue until the last message is long old: the queue, the changes kept, how many were new, errors."""
    clock, chance = Clock(START), random.Random(5)
    bodies = [json.dumps(event(number)) for number in range(EVENTS)]
    bodies += chance.sample(bodies, EVENTS // 10)  # EventBridge itself tells some twice
    messages = {n: (START + chance.uniform(0, 3600), body) for n, body in enumerate(bodies)}
    queue = Queue(clock, random.Random(seed), faults, messages)
    double.answers[:] = [queue]
    aws = aws_of(double, clock, {"sqs": RATE})
    state = open_state(Settings(data_dir=folder))
    follower = Follower(state, lambda _: lambda service: aws.client(service, REGION))
    source, new, errors = Source("changes", "eventbridge", URL, True, datetime.now(UTC), {}), 0, list[str]()
    for number in range(LOOKS):
        clock.now = max(clock.now, START + number * EVERY_S)
        looked = follower.look(source, datetime.fromtimestamp(clock.now, UTC))
        new, errors = new + looked.accepted, errors + looked.errors
    with state.read() as session:
        found = Counter(one.id for one in changes(session))
    follower.close()
    state.close()
    return queue, found, new, errors


def test_every_change_once_with_few_calls_and_never_too_fast(
    double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.sources.notifications.WAIT_S", 0)
    due = Counter(f"e-{number}" for number in range(EVENTS))
    ideal, found, new, errors = went(double, tmp_path / "ideal", NONE, 1)
    assert (found, new, errors, ideal.messages) == (due, EVENTS, [], {})
    queue, found, new, errors = went(double, tmp_path / "faulty", FAULTS, 2)
    assert found == due  # none lost, none twice
    assert new == EVENTS  # what came again was nothing new
    assert queue.messages == {}
    assert all(queue.seen[fault] for fault in FAULTS), queue.seen
    assert queue.served <= 1.3 * ideal.served, (queue.served, ideal.served)
    assert min(later - earlier for earlier, later in pairwise(queue.times)) >= 1.0 / RATE - 1e-6
    assert all(re.search(r"throttles us|expired; renew", text) for text in errors), errors
