"""CloudTrail's files in S3 are changes, each once however often it is told; what is no record is told, once."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gatewatch.following import Follower
from gatewatch.store.changes import changes, save_changes
from gatewatch.store.sources import Source
from gatewatch.store.state import State
from ingest.changes import change_events
from tests.following.objects import BUCKET, Bucket, a_bucket
from tests.following.test_s3 import an_aws

START = datetime(2026, 6, 9, 12, 0, tzinfo=UTC)
PREFIX = "AWSLogs/123456789012/CloudTrail/eu-west-1/"


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with a_bucket(random.Random(11)) as found:
        yield found


def record(number: int) -> dict[str, Any]:
    return {
        "eventID": f"e-{number}",
        "eventName": "UpdateStage",
        "eventSource": "apigateway.amazonaws.com",
        "eventTime": (START + timedelta(minutes=number)).isoformat(),
        "userIdentity": {"arn": "arn:aws:iam::123456789012:user/ann"},
        "requestParameters": {"restApiId": "a1b2c3d4e5", "stageName": "prod"},
    }


def file(*numbers: int) -> bytes:
    return gzip.compress(json.dumps({"Records": [record(number) for number in numbers]}).encode())


def test_files_of_a_trail_are_changes_once_each(bucket: Bucket, state: State) -> None:
    bucket.objects = {
        f"{PREFIX}2026/06/09/a.json.gz": file(*range(5)),
        f"{PREFIX}2026/06/09/b.json.gz": file(4, 5, 6),  # CloudTrail may tell twice
        f"{PREFIX}2026/06/09/broken.json.gz": gzip.compress(b'{"Records": [{"eventName": 1}]}'),
        "AWSLogs/123456789012/CloudTrail-Digest/eu-west-1/2026/06/09/d.json.gz": b"no records",
    }
    state.run(lambda session: save_changes(session, list(change_events(record(2))), source="aws", now=START))
    bucket.cut = {f"{PREFIX}2026/06/09/b.json.gz"}
    aws = an_aws(bucket.url)
    follower = Follower(state, lambda _: lambda service: aws.client(service, "eu-west-1"))
    source = Source("trail", "cloudtrail", f"s3://{BUCKET}/AWSLogs/123456789012/", True, START)
    try:
        first = follower.look(source, START)
        assert first.accepted == 4
        assert any("broke off" in text or "came with" in text for text in first.errors)
        assert sum("broken.json.gz" in text for text in first.errors) == 1
        for hours in (1, 2):
            again = follower.look(source, START + timedelta(hours=hours))
            assert again.errors == []
        with state.read() as session:
            assert sorted(one.id for one in changes(session)) == [f"e-{number}" for number in range(7)]
        asked = len(bucket.gets)
        assert follower.look(source, START + timedelta(hours=30)).accepted == 0
        assert len(bucket.gets) == asked
        assert not any("Digest" in key for key in bucket.gets)
    finally:
        follower.close()
