"""A log group that misbehaves as CloudWatch Logs may, and a clock that stands still until it is told to go on."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any

from ingest.aws.pace import Pace
from ingest.aws.session import Aws, Connection
from ingest.aws.spending import Budget, InMemory, Till
from tests.awsdouble import Answer, Call, Double

GROUP = "/aws/apigateway/orders"
REGION = "eu-west-1"


@dataclass
class Clock:
    """Seconds since the epoch; sleeping moves it."""

    now: float

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def aws_of(double: Double, clock: Clock, rates: dict[str, float]) -> Aws:
    """A connection to the double that waits by the clock."""
    till = Till(InMemory(), Budget(1e9, 1e9, 10**9))
    return Aws(
        Connection("test", (REGION,), endpoint_url=double.url), till, Pace(rates, clock=clock, sleep=clock.sleep)
    )


@dataclass(frozen=True)
class Event:
    """at, arrived: milliseconds; the event can be seen from `arrived` on."""

    number: int
    at: int
    arrived: int
    message: str


@dataclass
class LogGroup:
    """Answers FilterLogEvents. Chances are of each call. ideal: calls that a reader cannot do without."""

    clock: Clock
    events: list[Event]
    chance: random.Random
    page: int = 40
    throttled: float = 0.0
    empty: float = 0.0
    repeats: float = 0.0
    expires: float = 0.0
    times: list[float] = field(default_factory=list)
    served: int = 0
    ideal: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    last: str = ""
    group: str = GROUP

    def __call__(self, call: Call) -> Answer | None:
        if (call.service, call.name) != ("logs", "FilterLogEvents"):
            return None
        self.times.append(self.clock.now)
        if self.chance.random() < self.throttled:
            return self._fault("throttled", {"__type": "ThrottlingException", "message": "Rate exceeded"})
        if self.chance.random() < self.expires:
            return self._fault("expired", {"__type": "ExpiredTokenException", "message": "expired"})
        assert call.body["logGroupName"] == self.group
        self.served += 1
        now = int(self.clock.now * 1000)
        mine = [
            one
            for one in sorted(self.events, key=lambda one: (one.at, one.arrived, one.number))
            if one.arrived <= now and call.body["startTime"] <= one.at <= call.body["endTime"]
        ]
        token = call.body.get("nextToken")
        begin, empties = json.loads(token) if token else (0, 0)
        if token is None:
            self.ideal += max(1, -(-len(mine) // self.page))
        if token and self.chance.random() < self.repeats:
            self.faults["repeated"] = self.faults.get("repeated", 0) + 1
            return 200, {"events": [], "nextToken": token}
        if self.chance.random() < self.empty and empties < 3:
            self.faults["empty"] = self.faults.get("empty", 0) + 1
            self.ideal += 1
            return 200, {"events": [], "nextToken": json.dumps([begin, empties + 1])}
        end = begin + self.page
        answer: dict[str, Any] = {"events": [self._event(one) for one in mine[begin:end]], "searchedLogStreams": []}
        if end < len(mine):
            answer["nextToken"] = json.dumps([end, 0])
        return 200, answer

    def _fault(self, name: str, answer: dict[str, str]) -> Answer:
        self.faults[name] = self.faults.get(name, 0) + 1
        return 400, answer

    @staticmethod
    def _event(one: Event) -> dict[str, Any]:
        return {
            "logStreamName": f"stream-{one.number % 3}",
            "timestamp": one.at,
            "ingestionTime": one.arrived,
            "message": one.message,
            "eventId": f"{37199773595581154154810589279545129148442535997644275712 + one.number}",
        }
