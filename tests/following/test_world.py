"""A simulated world in the AWS double gives, by its live sources, the findings that `scan` gives from its files."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gatewatch.following import Follower
from gatewatch.jobs import tick
from gatewatch.polling import poll
from gatewatch.store.connections import AwsConnection, save_connection
from gatewatch.store.reading import read_minutes
from gatewatch.store.sources import Source
from gatewatch.store.state import State
from gatewatch.surroundings import known_inventory
from ingest.aws.session import Aws
from ingest.envelopes import unwrap
from tests.awsdouble import Double
from tests.conftest import SMALL_END, TinyWorld
from tests.following.logs import REGION, Clock, aws_of
from tests.following.served import Account
from tests.test_surroundings import said, stored

NOW = SMALL_END + timedelta(minutes=10)
BUCKET = "delivered"
SOURCES = ("inventory", "changes", "metrics", "traces")


@pytest.mark.timeout(300)
def test_live_sources_say_what_a_scan_says(
    tiny_world: TinyWorld, double: Double, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, scanned = tiny_world.folder, tiny_world.scanned
    clock = Clock(NOW.timestamp())
    aws = aws_of(
        double, clock, dict.fromkeys(("logs", "s3", "apigateway", "cloudtrail", "xray", "sts", "acm", "lambda"), 1e6)
    )
    uploaded = [*objects(aws.client("s3", REGION), folder), *groups(aws.client("logs", REGION), folder, monkeypatch)]

    double.answers.append(Account(folder))
    accounts: Any = Asked(aws)
    for hours in range(11, -1, -1):  # traces are looked for in the hour before
        sources = ("traces",) if hours else (*SOURCES, "keys")
        asked = AwsConnection("main", None, None, None, (REGION,), sources, NOW)
        state.run(partial(save_connection, one=asked))
        done = poll(state, accounts, NOW - timedelta(hours=hours), force=True)
        assert [one.error for one in done if one.error] == []
    follower = Follower(state, lambda _: lambda service: aws.client(service, REGION))
    for source in uploaded:
        assert follower.look(source, NOW, known_inventory(state)).errors == []
    again = [follower.look(source, NOW + timedelta(minutes=1), known_inventory(state)) for source in uploaded]
    assert [one.accepted for one in again] == [0] * len(uploaded)
    follower.close()
    tick(state, state.settings, NOW)

    assert len(scanned["findings"]) >= 5
    assert said(stored(state)[0]) == said(scanned["findings"])
    assert sum(read_minutes(state).column("n").to_pylist()) == scanned["accounting"]["accepted"]


class Asked:
    """Accounts of one connection, that need not wait for their turn."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.ledger = self

    def open(self, connection: AwsConnection) -> Aws:
        del connection
        return self.aws

    def flush(self) -> None:
        """Nothing is kept."""


def objects(client: Any, folder: Path) -> list[Source]:
    """What Firehose delivered: a source for each stream."""
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    streams = sorted(path.name for path in (folder / "logs" / "firehose").iterdir())
    for path in sorted((folder / "logs" / "firehose").rglob("*.gz")):
        key = path.relative_to(folder / "logs" / "firehose").as_posix()
        client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
    return [Source(name, "s3", f"s3://{BUCKET}/{name}/", True, NOW) for name in streams]


def groups(client: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Source]:
    """What CloudWatch Logs holds: each event of the envelopes once, in groups of its own, put when it happened."""
    sources = []
    for stream in sorted((folder / "logs" / "cloudwatch").iterdir()):
        events: dict[str, tuple[int, str]] = {}
        for path in sorted(stream.rglob("*.gz")):
            found = unwrap(gzip.decompress(path.read_bytes()))
            group = next(name for name in found.group if name)
            for ident, at, record in zip(found.event_id, found.event_time, found.records, strict=True):
                events[str(ident)] = int(str(at)), record.decode()
        client.create_log_group(logGroupName=group)
        client.create_log_stream(logGroupName=group, logStreamName="s")
        ordered = sorted(events.values())
        for begin in range(0, len(ordered), 1000):
            part = ordered[begin : begin + 1000]
            put_at = datetime.fromtimestamp(part[-1][0] / 1000 + 2, UTC).replace(tzinfo=None)
            monkeypatch.setattr("moto.logs.models.utcnow", lambda put_at=put_at: put_at)
            told = [{"timestamp": at, "message": message} for at, message in part]
            client.put_log_events(logGroupName=group, logStreamName="s", logEvents=told)
        sources.append(Source(stream.name, "cloudwatch_logs", group, True, NOW, {"since_hours": 12}))
    return sources
