"""AWS as it may be: throttled, with expired sessions, empty pages, repeated tokens, and things that come late or twice.

None is lost, none counts twice, few calls are made in vain, and never faster than allowed, whoever asks.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gatewatch.connecting import Accounts
from gatewatch.following import follower_of
from gatewatch.polling import Polled, poll
from gatewatch.settings import Settings
from gatewatch.store.connections import AwsConnection, save_connection
from gatewatch.store.sources import Source
from gatewatch.store.state import open_state
from ingest.aws.pace import Pace
from ingest.aws.session import Aws, Connection
from ingest.aws.spending import Budget, InMemory, Till
from tests.awsdouble import Double
from tests.ingest.aws.faults import FAULTS, NONE, World
from tests.ingest.aws.polled import CASES, HOURS, REGION, START, STEP, Case, Things


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


RATE = 1.0
"""Calls a second of each service, as the account's clock has it."""


def polled(double: Double, folder: Path, case: Case, chance: random.Random, faults: Mapping[str, float]) -> Went:
    """Poll a world to its end, and some times more."""
    clock = [START.timestamp()]
    world = World(clock, chance, case.listings, faults)
    double.answers[:] = [world]
    state = open_state(Settings(data_dir=folder))
    one = AwsConnection("main", None, None, None, (REGION,), case.sources, START)
    state.run(lambda session: save_connection(session, one))
    case.before(state)
    services = ("apigateway", "cloudtrail", "cloudwatch", "config", "xray")
    accounts: Any = Asked(double, clock, dict.fromkeys(services, RATE))
    done: list[Polled] = []
    while clock[0] < START.timestamp() + HOURS * 3600:
        began = clock[0]
        done += poll(state, accounts, datetime.fromtimestamp(clock[0], UTC), force=True)
        clock[0] = max(clock[0], began + STEP.total_seconds())
    went = Went(world, case.found(state), done)
    state.close()
    return went


@dataclass(frozen=True)
class Went:
    world: World
    found: Things
    done: list[Polled]


@pytest.mark.parametrize("source", CASES)
def test_everything_once_with_few_calls_and_never_too_fast(
    double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    ideal = polled(double, tmp_path / "ideal", CASES[source](random.Random(7)), random.Random(8), NONE)
    assert not [one.error for one in ideal.done if one.error]
    case = CASES[source](random.Random(7))
    went = polled(double, tmp_path / "faulty", case, random.Random(11), FAULTS)
    assert went.found == case.due  # none lost, none twice
    assert case.told is not None
    told = case.told(one.kept for one in went.done if one.kept is not None)
    assert told == (1 if source == "inventory" else case.due.total())  # what came again was nothing new
    assert {"throttled", "empty"} <= set(went.world.seen)
    assert went.world.served <= 1.3 * ideal.world.served, (went.world.served, ideal.world.served)
    for times in went.world.times.values():
        assert min(later - earlier for earlier, later in pairwise(times)) >= 1.0 / RATE - 1e-6
    for one in went.done:
        assert one.error is None or re.search(r"expired; renew|throttles us|again and again", one.error), one.error


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
