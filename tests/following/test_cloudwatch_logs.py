"""CloudWatch Logs: nothing lost, nothing twice, few calls and never too many at a time, whatever the service does."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime

import pytest

from gatewatch.following import Follower, Looked
from gatewatch.store.batches import accounting, checkpoints
from gatewatch.store.reading import coverage, read_minutes, read_requests
from gatewatch.store.sources import Source, register_source, sources
from gatewatch.store.state import State
from tests.awsdouble import Double
from tests.following.logs import GROUP, REGION, Clock, Event, LogGroup, aws_of

START = datetime(2026, 6, 9, 12, 0, tzinfo=UTC).timestamp()
MINUTE = 60_000


def a_message(number: int, at: int) -> str:
    """A line with neither extended request id nor milliseconds: only the event's id tells it from another."""
    return json.dumps(
        {
            "requestId": f"r-{number}",
            "requestTime": datetime.fromtimestamp(at / 1000, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "apiId": "a1b2c3d4e5",
            "stage": "prod",
            "routeKey": "GET /pets",
            "status": "200",
        }
    )


def some_events(count: int, minutes: int, chance: random.Random, *, late_ms: int = 0) -> list[Event]:
    """Events of the minutes from START on, many in the same millisecond; 2 % come up to late_ms late."""
    out = []
    for number in range(count):
        at = int(START * 1000) + chance.randrange(minutes * 60) * 1000 + chance.choice((0, 0, 1))
        delay = chance.randrange(200, 3000)
        if late_ms and chance.random() < 0.02:
            delay = chance.randrange(MINUTE, late_ms)
        out.append(Event(number, at, at + delay, a_message(number, at)))
    return out


def the_source(state: State) -> Source:
    register_source(state, "orders", "cloudwatch_logs", GROUP, True, {"since_hours": 1})
    with state.read() as session:
        return sources(session)[0]


def look(follower: Follower, source: Source, clock: Clock) -> Looked:
    return follower.look(source, datetime.fromtimestamp(clock.now, UTC))


def kept(state: State) -> list[str]:
    return sorted(read_requests(state, limit=10_000).column("request_id").to_pylist())


def test_every_event_once_within_the_rate_and_with_few_calls(double: Double, state: State) -> None:
    chance = random.Random(7)
    clock = Clock(START)
    events = some_events(900, 60, chance, late_ms=14 * MINUTE)
    group = LogGroup(clock, events, chance, throttled=0.4, empty=0.15, repeats=0.01, expires=0.01)
    double.answers.append(group)
    source = the_source(state)
    follower = Follower(state, lambda _: lambda service: aws_of_test.client(service, REGION))
    aws_of_test = aws_of(double, clock, {"logs": 1.0})
    errors, looks = [], 0
    while clock.now < START + 95 * 60:
        looks += 1
        if looks == 20:  # a process that starts anew remembers nothing
            follower.close()
            follower = Follower(state, lambda _: lambda service: aws_of_test.client(service, REGION))
        looked = look(follower, source, clock)
        errors += looked.errors
        clock.now = max(clock.now, START + looks * 150)
    follower.close()
    assert kept(state) == sorted(f"r-{n}" for n in range(900))
    assert sum(read_minutes(state).column("n").to_pylist()) == 900
    assert set(group.faults) == {"throttled", "empty", "repeated", "expired"}
    assert errors, "a repeated token and expired credentials are said"
    assert group.served <= 1.3 * group.ideal, (group.served, group.ideal)
    gaps = [later - earlier for earlier, later in zip(group.times, group.times[1:], strict=False)]
    assert min(gaps) >= 1.0 - 1e-6
    (interval,) = coverage(state).to_pylist()
    assert interval["start"] <= datetime.fromtimestamp(START, UTC)


def test_events_are_not_read_again_and_again(double: Double, state: State) -> None:
    """With events that come within seconds a look goes back a minute; duplicates are not even given."""
    chance = random.Random(3)
    clock = Clock(START + 60)
    group = LogGroup(clock, some_events(600, 30, chance), chance, page=1000)
    double.answers.append(group)
    source = the_source(state)
    aws = aws_of(double, clock, {"logs": 100.0})
    follower = Follower(state, lambda _: lambda service: aws.client(service, REGION))
    begins = []
    while clock.now < START + 32 * 60:
        assert look(follower, source, clock).errors == []
        begins.append(clock.now - double.calls[-1].body["startTime"] / 1000)
        clock.now += 60
    follower.close()
    assert kept(state) == sorted(f"r-{n}" for n in range(600))
    with state.read() as session:
        (account,) = accounting(session)
    assert (account.accepted, account.duplicate) == (600, 0)
    assert sorted(begins)[len(begins) // 2] < 130  # two minutes and a bit: the time since the last look, and a minute
    assert max(begins[1:]) > 30 * 60  # now and then as far as an event may be late


def test_a_look_that_was_cut_off_goes_on_without_loss(
    double: Double, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.sources.cloudwatch_logs.PART_BYTES", 4000)
    chance = random.Random(5)
    clock = Clock(START + 20 * 60)
    group = LogGroup(clock, some_events(300, 15, chance), chance)
    double.answers.append(group)
    source = the_source(state)
    aws = aws_of(double, clock, {"logs": 100.0})
    follower = Follower(state, lambda _: lambda service: aws.client(service, REGION))
    group.repeats = 1.0
    first = look(follower, source, clock)
    assert "the same page again" in first.errors[0]
    assert coverage(state).num_rows == 0
    group.repeats = 0.0
    group.events = [one for one in group.events if one.number != 7]
    double.refuse("logs", "FilterLogEvents", 400, "AccessDeniedException", "not authorized to perform: logs:X on")
    assert "iam-policy" in look(follower, source, clock).errors[0]
    double.answers.pop()
    assert look(follower, source, clock).errors == []
    follower.close()
    assert kept(state) == sorted(f"r-{n}" for n in range(300) if n != 7)


def test_a_group_of_ours_is_asked_for_by_its_name_and_one_of_others_by_its_arn(double: Double, state: State) -> None:
    """Doubles, moto's server among them, know no ARN of a group; it is what a stage's settings hold."""
    clock = Clock(START + 60)
    aws = aws_of(double, clock, {"logs": 100.0})
    follower = Follower(state, lambda _: lambda service: aws.client(service, REGION))
    double.answers.append(lambda call: (200, {"events": []}) if call.name == "FilterLogEvents" else None)
    for account in ("123456789012", "210987654321"):
        arn = f"arn:aws:logs:{REGION}:{account}:log-group:{GROUP}"
        source = Source(account, "cloudwatch_logs", f"{arn}:*", True, datetime.fromtimestamp(START, UTC), {})
        for _ in range(2):
            assert look(follower, source, clock).errors == []
        asked = double.calls[-1].body
        named = {key: value for key, value in asked.items() if key.startswith("logGroup")}
        assert named == ({"logGroupName": GROUP} if account == "123456789012" else {"logGroupIdentifier": arn})
    follower.close()
    assert double.names("sts") == ["GetCallerIdentity"] * 2  # once a source


def test_a_busy_group_gives_way_to_others_and_goes_on_where_it_stopped(
    double: Double, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day's backlog at one call a second would keep every other source waiting for as long as it takes."""
    monkeypatch.setattr("ingest.sources.cloudwatch_logs.CALLS_A_WINDOW", 4)
    chance = random.Random(9)
    clock = Clock(START + 30 * 60)
    group = LogGroup(clock, some_events(300, 30, chance, late_ms=10 * MINUTE), chance, page=12)
    double.answers.append(group)
    source = the_source(state)
    aws = aws_of(double, clock, {"logs": 1.0})
    follower = Follower(state, lambda _: lambda service: aws.client(service, REGION), clock=clock)
    looks, longest = 0, 0.0
    while (place := checkpoints(state, "orders").get(GROUP)) is None or place.offset < (START + 62 * 60) * 1000:
        began, looks = clock.now, looks + 1
        looked = follower.look(source, datetime.fromtimestamp(clock.now, UTC), patience_s=5)
        assert looked.errors == []
        longest = max(longest, clock.now - began)
        clock.now += 45
        assert looks < 200
    follower.close()
    assert kept(state) == sorted(f"r-{n}" for n in range(300))
    assert sum(read_minutes(state).column("n").to_pylist()) == 300
    assert looks > 5
    assert longest < 40, longest
    assert group.served <= 2 * group.ideal, (group.served, group.ideal)
