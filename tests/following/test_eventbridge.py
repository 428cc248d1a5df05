"""Changes that come through a queue stand in the timeline once, and go from the queue when they are kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gatewatch.following import Follower
from gatewatch.store.changes import changes
from gatewatch.store.sources import Source
from gatewatch.store.state import State
from ingest.aws.estimate import estimate_logs
from ingest.aws.trial import try_log_source
from tests.awsdouble import Double
from tests.following.test_cloudtrail import record
from tests.following.test_s3 import an_aws, queued

NOW = datetime(2026, 6, 9, 13, 0, tzinfo=UTC)


def event(number: int) -> dict[str, Any]:
    return {"source": "aws.apigateway", "detail-type": "AWS API Call via CloudTrail", "detail": record(number)}


def test_changes_come_through_a_queue_once(double: Double, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.sources.notifications.WAIT_S", 0)
    aws = an_aws(double.url)
    sqs = aws.client("sqs", "eu-west-1")
    url = sqs.create_queue(QueueName="changes", Attributes={"VisibilityTimeout": "600"})["QueueUrl"]
    other = {"source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification", "detail": {"state": "x"}}
    through_sns = {"Type": "Notification", "Message": json.dumps(event(1))}
    queued(double, url, *(event(number) for number in range(2, 14)), through_sns, event(2), other, {"no": "event"})
    follower = Follower(state, lambda _: lambda service: aws.client(service, "eu-west-1"))
    source = Source("changes", "eventbridge", url, True, NOW, {})
    looked = follower.look(source, NOW)
    assert looked.accepted == 13
    assert [text for text in looked.errors if "no EventBridge event" in text] == looked.errors
    assert len(looked.errors) == 1
    with state.read() as session:
        assert sorted(one.id for one in changes(session)) == sorted(f"e-{number}" for number in range(1, 14))
    # What is no event stays, out of sight, for the dead-letter queue.
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (counts["ApproximateNumberOfMessages"], counts["ApproximateNumberOfMessagesNotVisible"]) == ("0", "1")
    assert follower.look(source, NOW + timedelta(minutes=2)).accepted == 0
    assert estimate_logs("eventbridge", timedelta(minutes=1)).dollars == pytest.approx(0.0175, abs=0.001)
    (tried,) = try_log_source(lambda service: aws.client(service, "eu-west-1"), "eventbridge", url, {}, NOW)
    assert (tried.action, tried.said) == ("sqs:ReceiveMessage", None)
    follower.close()


def test_what_is_not_kept_stays_in_the_queue(double: Double, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.sources.notifications.WAIT_S", 0)
    aws = an_aws(double.url)
    sqs = aws.client("sqs", "eu-west-1")
    url = sqs.create_queue(QueueName="cut", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
    queued(double, url, event(1))
    follower = Follower(state, lambda _: lambda service: aws.client(service, "eu-west-1"))
    source = Source("changes", "eventbridge", url, True, NOW, {})
    with monkeypatch.context() as cut:
        cut.setattr("gatewatch.following.save_changes", lambda *_, **__: 1 / 0)
        broken = follower.look(source, NOW)
    assert broken.accepted == 0
    (error,) = broken.errors
    assert error.startswith("changes: ")
    assert "ZeroDivisionError" in error
    assert follower.look(source, NOW).accepted == 1
    follower.close()
