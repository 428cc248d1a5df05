"""CloudTrail as it may be: throttled, with empty pages, repeated tokens and events that come late or twice.

None is lost, none counts twice, few calls are made in vain, and never faster than allowed, whoever asks.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gatewatch.connecting import Accounts
from gatewatch.following import follower_of
from gatewatch.polling import Polled, poll
from gatewatch.settings import Settings
from gatewatch.store.changes import changes
from gatewatch.store.connections import AwsConnection, save_connection
from gatewatch.store.sources import Source
from gatewatch.store.state import State, open_state
from ingest.aws.pace import Pace
from ingest.aws.session import Aws, Connection
from ingest.aws.spending import Budget, InMemory, Till
from tests.awsdouble import Answer, Call, Double

REGION = "eu-west-1"
START = datetime(2026, 6, 9, 12, 0, tzinfo=UTC)
PAGE = 50


@dataclass
class Trail:
    """Events with when they happened and can be seen. served, ideal: pages that were answered, and were needed."""

    clock: list[float]
    chance: random.Random
    events: list[tuple[datetime, datetime, dict[str, Any]]]
    times: list[float] = field(default_factory=list)
    served: int = 0
    ideal: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    last: str = ""

    def __call__(self, call: Call) -> Answer | None:
        if call.name != "LookupEvents":
            return None
        self.times.append(self.clock[0])
        if self.chance.random() < 0.4:
            return self._fault("throttled", (400, {"__type": "ThrottlingException", "message": "Rate exceeded"}))
        asked = call.body
        begin, end = asked["StartTime"], asked["EndTime"]
        found = [
            told
            for at, seen, told in self.events
            if begin <= at.timestamp() <= end
            and seen.timestamp() <= self.clock[0]
            and told["source"] == asked["LookupAttributes"][0]["AttributeValue"]
        ]
        place, _, _ = str(asked.get("NextToken") or "0/").partition("/")
        first = int(place)
        self.served += 1
        if "NextToken" in asked and self.chance.random() < 0.02:  # the same page again, for ever
            return self._fault("repeated", (200, {"Events": [], "NextToken": asked["NextToken"]}))
        if self.chance.random() < 0.15:
            self.last = f"{first}/{self.served}"
            return self._fault("empty", (200, {"Events": [], "NextToken": self.last}))
        self.ideal += 1
        page = [{key: value for key, value in one.items() if key != "source"} for one in found[first : first + PAGE]]
        more = {"NextToken": f"{first + PAGE}/{self.served}"} if first + PAGE < len(found) else {}
        return 200, {"Events": page, **more}

    def _fault(self, name: str, answer: Answer) -> Answer:
        self.faults[name] = self.faults.get(name, 0) + 1
        return answer


def event(number: int, at: datetime, service: str) -> dict[str, Any]:
    record = {
        "eventID": f"e{number}",
        "eventName": "UpdateStage",
        "eventSource": service,
        "eventTime": at.isoformat(),
        "userIdentity": {"arn": "arn:aws:iam::123456789012:user/ann"},
        "requestParameters": {"restApiId": "a1b2c3d4e5", "stageName": "prod"},
    }
    told = {"EventId": f"e{number}", "ReadOnly": "false", "CloudTrailEvent": json.dumps(record)}
    return {**told, "EventTime": at.timestamp(), "source": service}


class Asked:
    """Accounts whose clock stands unless somebody waits."""

    def __init__(self, double: Double, clock: list[float], rates: dict[str, float]) -> None:
        def sleep(seconds: float) -> None:
            clock[0] += seconds

        pace = Pace(rates, clock=lambda: clock[0], sleep=sleep)
        till = Till(InMemory(), Budget(1e9, 1e9, 10**9))
        self.aws = Aws(Connection("main", (REGION,), endpoint_url=double.url), till, pace)
        self.ledger = self

    def open(self, connection: AwsConnection) -> Aws:
        return self.aws

    def flush(self) -> None: ...


@pytest.fixture(name="state")
def _state(tmp_path: Path) -> Iterator[State]:
    opened = open_state(Settings(data_dir=tmp_path / "data"))
    yield opened
    opened.close()


def test_every_change_once_with_few_calls_and_never_too_fast(
    double: Double, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    chance = random.Random(11)
    clock = [START.timestamp()]
    events = []
    for number in range(900):
        at = START + timedelta(seconds=chance.uniform(-3600, 5400))
        late = timedelta(minutes=chance.choice((0.2, 1, 5, 14)))
        service = chance.choice(("apigateway.amazonaws.com", "wafv2.amazonaws.com", "lambda.amazonaws.com"))
        events.append((at, at + late, event(number, at, service)))
    events.sort(key=lambda one: one[0], reverse=True)  # newest first, as LookupEvents gives them
    trail = Trail(clock, chance, events)
    double.answers.append(trail)
    one = AwsConnection("main", None, None, None, (REGION,), ("changes",), START)
    state.run(lambda session: save_connection(session, one))
    accounts: Any = Asked(double, clock, {"cloudtrail": 1.0})
    done: list[Polled] = []
    while clock[0] < START.timestamp() + 2 * 3600:
        began = clock[0]
        done += poll(state, accounts, datetime.fromtimestamp(clock[0], UTC), force=True)
        clock[0] = max(clock[0], began + 600)
    with state.read() as session:
        kept = [found.id for found in changes(session)]
    assert sorted(kept) == sorted(f"e{number}" for number in range(900))
    assert set(trail.faults) == {"throttled", "empty", "repeated"}
    assert any(found.error and "again and again" in found.error for found in done)
    assert trail.served <= 1.3 * trail.ideal, (trail.served, trail.ideal)
    gaps = [later - earlier for earlier, later in zip(trail.times, trail.times[1:], strict=False)]
    assert min(gaps) >= 1.0 - 1e-6


def test_what_is_followed_and_what_is_polled_share_one_pace_and_one_ledger(double: Double, tmp_path: Path) -> None:
    """One service, asked by two threads under two names of one account."""
    settings = Settings(data_dir=tmp_path / "both", aws_endpoint_url=double.url, aws_rates={"logs": 10.0, "sts": 1e4})
    state = open_state(settings)
    accounts = Accounts(state, settings)
    follower = follower_of(state, settings, accounts)
    source = Source("pets", "cloudwatch_logs", "/apigw/pets", True, START, {"region": REGION, "since_hours": 3})
    aws = accounts.open(AwsConnection("main", None, None, None, (REGION,), (), START))
    aws.client("logs", REGION).create_log_group(logGroupName="/apigw/pets")
    assert aws.account == "123456789012"
    double.calls.clear()

    def other() -> None:
        for _ in range(10):
            with aws.asking("logs", REGION) as client:
                client.describe_log_groups()

    thread = threading.Thread(target=other)
    thread.start()
    for _ in range(4):
        assert follower.look(source, datetime.now(UTC)).errors == []
    thread.join()
    follower.close()
    accounts.ledger.flush()
    times = sorted(call.at for call in double.calls if call.service == "logs")
    assert len({call.name for call in double.calls if call.service == "logs"}) == 2
    # Not one by one: a loaded machine delivers two together that were sent apart. All together took their time.
    assert times[-1] - times[0] >= 0.8 * (len(times) - 1) / 10.0
    with state.read() as session:
        from gatewatch.store.spending import ledger

        today = datetime.now(UTC).date()
        assert sum(one.calls for one in ledger(session, today - timedelta(days=1), today)) >= len(double.calls)
    state.close()
