"""S3: each object once, whole or not at all, whatever happens between listing and reading; keys are only names."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from gatewatch.following import Follower, Looked
from gatewatch.store.batches import accounting, checkpoints
from gatewatch.store.reading import read_minutes, read_requests
from gatewatch.store.sources import Source
from gatewatch.store.state import State
from ingest.aws.pace import Pace
from ingest.aws.session import Aws, Connection
from ingest.aws.spending import Budget, InMemory, Till
from tests.awsdouble import Double
from tests.following.logs import Clock
from tests.following.objects import BUCKET, Bucket, a_bucket

START = datetime(2026, 6, 9, 12, 0, tzinfo=UTC)
PREFIX = "apigw/"


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with a_bucket(random.Random(11)) as found:
        yield found


def an_aws(url: str) -> Aws:
    clock = Clock(0.0)
    pace = Pace({}, clock=clock, sleep=clock.sleep)
    return Aws(Connection("test", ("eu-west-1",), endpoint_url=url), Till(InMemory(), Budget(1e9, 1e9, 10**9)), pace)


def lines(numbers: range) -> bytes:
    """Lines without an identity of their own: only the object's place protects them from counting twice."""
    return "".join(
        json.dumps(
            {
                "requestId": f"r-{number}",
                "requestTime": (START + timedelta(seconds=number)).strftime("%d/%b/%Y:%H:%M:%S +0000"),
                "apiId": "a1b2c3d4e5",
                "stage": "prod",
                "routeKey": "GET /pets",
                "status": "200",
            }
        )
        + "\n"
        for number in numbers
    ).encode()


def key(hour: int, name: str = "orders-1") -> str:
    return f"{PREFIX}2026/06/{9 + hour // 24:02d}/{hour % 24:02d}/{name}-{hour}.gz"


def the_source(**options: Any) -> Source:
    return Source("bucket", "s3", f"s3://{BUCKET}/{PREFIX}", True, START, options)


def kept(state: State) -> list[int]:
    found = read_requests(state, limit=10_000).column("request_id").to_pylist()
    return sorted(int(one.partition("-")[2]) for one in found)


class Looks:
    """Looks at a source, a minute later each time."""

    def __init__(self, state: State, url: str, source: Source) -> None:
        self._source = source
        self._aws = an_aws(url)
        self._follower = Follower(state, lambda _: lambda service: self._aws.client(service, "eu-west-1"))
        self.now = START

    def __call__(self, minutes: int = 1) -> Looked:
        self.now += timedelta(minutes=minutes)
        return self._follower.look(self._source, self.now)


def test_every_object_once_with_few_calls_whatever_happens_to_it(bucket: Bucket, state: State) -> None:
    bucket.objects = {key(hour): gzip.compress(lines(range(hour * 10, hour * 10 + 10))) for hour in range(30)}
    bucket.throttled = 0.4
    bucket.cut = {key(1), key(2)}
    bucket.corrupt = {key(3)}
    bucket.vanish = {key(4)}
    bucket.change = {key(5): gzip.compress(lines(range(1000, 1010)))}
    bucket.summed = {key(6)}
    looks = Looks(state, bucket.url, the_source())
    errors = [text for _ in range(4) for text in looks().errors]
    expected = sorted({*range(300), *range(1000, 1010)} - set(range(40, 50)) - set(range(50, 60)))
    assert kept(state) == expected
    assert sum(read_minutes(state).column("n").to_pylist()) == len(expected)
    for number, why in (
        (1, "broke off"),
        (2, "broke off"),
        (3, "another checksum"),
        (4, "is gone"),
        (5, "was changed"),
        (6, "another checksum than S3 has of it"),
    ):
        assert any(key(number) in text and why in text for text in errors), (number, errors)
    # Each object once, the six that failed once more; but for what is gone, which is listed no more.
    assert len(bucket.gets) == 30 + 5
    assert bucket.refused > 5
    assert not list(Path(state.settings.data_dir).glob("tmp/*"))


def test_a_listing_begins_near_the_newest_date_and_goes_over_all_once_a_day(bucket: Bucket, state: State) -> None:
    bucket.objects = {key(hour): gzip.compress(lines(range(hour * 10, hour * 10 + 10))) for hour in range(30)}
    looks = Looks(state, bucket.url, the_source())
    looks()
    assert len(bucket.lists) == 6
    bucket.lists.clear()
    bucket.objects |= {key(30): gzip.compress(lines(range(300, 310))), key(28, "late"): lines(range(400, 405))}
    assert looks().accepted == 15
    assert len(bucket.lists) == 2
    assert bucket.lists[0]["start-after"] == f"{PREFIX}2026/06/10/02/"
    bucket.objects[key(2, "very-late")] = lines(range(500, 505))
    assert looks().accepted == 0
    assert looks(24 * 60).accepted == 5
    assert looks().accepted == 0
    assert len(kept(state)) == 320


def test_a_long_listing_gives_way_to_others_and_goes_on_where_it_stopped(
    bucket: Bucket, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.sources.s3.GROUP_OBJECTS", 4)
    bucket.objects = {key(hour): gzip.compress(lines(range(hour * 10, hour * 10 + 10))) for hour in range(22)}
    source, aws, clock = the_source(), an_aws(bucket.url), Clock(0.0)
    follower = Follower(state, lambda _: lambda service: aws.client(service, "eu-west-1"), clock=clock)
    accepted = []
    for minute in range(7):
        looked = follower.look(source, START + timedelta(minutes=minute), patience_s=0)
        assert looked.errors == []
        accepted.append(looked.accepted)
    assert accepted == [40, 40, 40, 40, 40, 20, 0]
    assert kept(state) == list(range(220))
    assert len(bucket.gets) == 22
    assert [query.get("start-after", "") for query in bucket.lists if "continuation-token" not in query] == [
        *("" if hour < 0 else key(hour) for hour in (-1, 3, 7, 11, 15, 19)),
        "",  # all of it once, to know where the next one begins
    ]
    follower.look(source, START + timedelta(minutes=8), patience_s=0)
    assert bucket.lists[-1]["start-after"] == f"{PREFIX}2026/06/09/18/"


def test_what_cannot_be_read_is_told_and_tried_ever_more_seldom(bucket: Bucket, state: State) -> None:
    bucket.objects = {key(0): gzip.compress(lines(range(10)))[:-9], key(1): gzip.compress(lines(range(10, 20)))}
    looks = Looks(state, bucket.url, the_source())
    assert "cut off" in looks().errors[0]
    assert kept(state) == list(range(10, 20))
    for _ in range(9):
        looks()
    assert bucket.gets.count(key(0)) == 5  # at once, after 1, 2 and 4 minutes
    assert bucket.gets.count(key(1)) == 1
    bucket.objects[key(0)] = gzip.compress(lines(range(10)))  # another version of it
    looks()
    assert kept(state) == list(range(20))


def test_objects_that_are_denied_keep_no_other_from_being_read(bucket: Bucket, state: State) -> None:
    bucket.objects = {key(hour): gzip.compress(lines(range(hour * 10, hour * 10 + 10))) for hour in range(10)}
    bucket.denied = {key(hour) for hour in range(7)}
    looks = Looks(state, bucket.url, the_source())
    errors = looks().errors
    assert kept(state) == list(range(70, 100))
    assert len(errors) == 4
    assert "is denied" in errors[0]
    assert "iam-policy" in errors[0]
    assert errors[3].endswith("4 more objects are denied")
    bucket.denied = set()
    assert looks().errors == []
    assert kept(state) == list(range(100))


def test_a_wrong_clock_is_said_as_s3_says_it(bucket: Bucket, state: State) -> None:
    bucket.skewed = True
    (error,) = Looks(state, bucket.url, the_source())().errors
    assert "clock is wrong by minutes; set it by NTP" in error


def test_keys_are_only_names(bucket: Bucket, state: State, tmp_path: Path) -> None:
    names = ("../../../escape", "/etc/passwd", "a b+c%2F\u00e9.log", "x\n<script>", "..", "~/.ssh/id")
    bucket.objects = {PREFIX + name: lines(range(n * 10, n * 10 + 10)) for n, name in enumerate(names)}
    bucket.objects |= {PREFIX + "empty": b"", PREFIX + "picture.png": b"\x89PNG\r\n\x1a\n" + b"\0" * 50}
    looks = Looks(state, bucket.url, the_source())
    assert looks().errors == []
    assert kept(state) == list(range(60))
    known = checkpoints(state, "bucket")
    assert {f"s3://{BUCKET}/{PREFIX}{name}" for name in names} < set(known)
    assert not any("escape" in path.name for path in tmp_path.rglob("*"))
    assert looks().accepted == 0
    assert len(bucket.gets) == 8


def queued(double: Double, url: str, *bodies: Any) -> None:
    client = an_aws(double.url).client("sqs", "eu-west-1")
    for body in bodies:
        client.send_message(QueueUrl=url, MessageBody=body if isinstance(body, str) else json.dumps(body))


def a_record(bucket: Bucket, name: str, *, at: str = BUCKET, event: str = "ObjectCreated:Put") -> dict[str, Any]:
    etag = bucket.etag(name) if name in bucket.objects else "0" * 32
    thing = {"key": quote_plus(name, safe="/"), "size": len(bucket.objects.get(name, b"")), "eTag": etag}
    return {"eventSource": "aws:s3", "eventName": event, "s3": {"bucket": {"name": at}, "object": thing}}


def test_notifications_tell_of_objects_and_go_when_these_are_kept(
    double: Double, bucket: Bucket, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.sources.notifications.WAIT_S", 0)
    spaced = PREFIX + "a b+c.log"
    bucket.objects = {key(hour): gzip.compress(lines(range(hour * 10, hour * 10 + 10))) for hour in range(6)}
    bucket.objects[key(6)] = b"soon another"
    bucket.objects[spaced] = lines(range(100, 110))
    url = (
        an_aws(double.url)
        .client("sqs", "eu-west-1")
        .create_queue(QueueName="q", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
    )
    bridge = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {
            "bucket": {"name": BUCKET},
            "object": {"key": key(2), "size": len(bucket.objects[key(2)]), "etag": bucket.etag(key(2))},
        },
    }
    queued(
        double,
        url,
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET},
        {"Records": [a_record(bucket, key(0)), a_record(bucket, key(1)), a_record(bucket, spaced)]},
        {"Records": [a_record(bucket, key(0))]},
        {"Type": "Notification", "Message": json.dumps({"Records": [a_record(bucket, key(3))]})},
        bridge,
        {"Records": [a_record(bucket, key(4))]},
        {"Records": [a_record(bucket, PREFIX + "gone.gz"), a_record(bucket, key(1), event="ObjectRemoved:Delete")]},
        {"Records": [a_record(bucket, "other/x.gz"), a_record(bucket, key(5), at="another-bucket")]},
        {"Records": [a_record(bucket, key(6))]},
    )
    bucket.objects[key(6)] = gzip.compress(lines(range(60, 70)))  # written again: of that another message will tell
    bucket.cut = {key(4)}
    aws = {"s3": an_aws(bucket.url), "sqs": an_aws(double.url)}
    follower = Follower(state, lambda _: lambda service: aws[service].client(service, "eu-west-1"))
    errors = [
        text for n in range(3) for text in follower.look(the_source(queue=url), START + timedelta(minutes=n)).errors
    ]
    assert kept(state) == [*range(50), *range(100, 110)]
    assert any("gone" in text for text in errors)
    assert any("broke off" in text for text in errors)
    assert bucket.lists == []
    assert bucket.gets.count(key(0)) == 1
    left = (
        aws["sqs"]
        .client("sqs", "eu-west-1")
        .get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    )
    assert left["Attributes"]["ApproximateNumberOfMessages"] == "0"
    with state.read() as session:
        (account,) = accounting(session)
    assert (account.accepted, account.duplicate) == (60, 0)
