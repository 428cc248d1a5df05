"""SES, SNS and EventBridge against moto's server: real boto3, real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from email import message_from_string
from email.policy import default
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from moto.server import ThreadedMotoServer

from alerts.channels import KINDS, Attempt, Channel
from gatewatch.errors import ChannelError
from gatewatch.settings import Settings
from tests.alerts.builders import a_payload

REGION = "eu-central-1"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    urlopen(Request(f"{endpoint}/moto-api/reset", method="POST")).read()


def client(service: str, endpoint: str) -> Any:
    return boto3.client(service, endpoint_url=endpoint, region_name=REGION)


def made(kind: str, endpoint: str, **options: Any) -> Channel:
    chosen = KINDS[kind]
    given = chosen.options.model_validate({"type": kind, "region": REGION, **options})
    return chosen.make(given, Settings(aws_endpoint_url=endpoint))


def test_a_topic_gets_a_text_for_people_and_the_payload_for_programs(endpoint: str) -> None:
    sns, sqs = client("sns", endpoint), client("sqs", endpoint)
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="alerts")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    attempt = Attempt()
    made("sns", endpoint, topic_arn=topic).send(a_payload(), idempotency_key="k1", attempt=attempt)
    [got] = sqs.receive_message(QueueUrl=queue)["Messages"]
    envelope = json.loads(got["Body"])
    assert envelope["Subject"].startswith("[HIGH] auth_failure_spike on orders/prod")
    assert envelope["MessageAttributes"]["severity"]["Value"] == "high"
    assert "MessageId" in str(attempt.wire)


def test_a_topic_that_is_gone_is_not_tried_again(endpoint: str) -> None:
    arn = f"arn:aws:sns:{REGION}:123456789012:nowhere"
    with pytest.raises(ChannelError) as caught:
        made("sns", endpoint, topic_arn=arn).send(a_payload(), idempotency_key="k")
    assert "NotFound" in str(caught.value)
    assert not caught.value.retry


def test_a_bus_gets_an_event_that_rules_can_match(endpoint: str) -> None:
    events, sqs = client("events", endpoint), client("sqs", endpoint)
    events.create_event_bus(Name="ops")
    queue = sqs.create_queue(QueueName="events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["gatewatch"], "detail": {"severity": ["high"]}}
    events.put_rule(Name="high", EventBusName="ops", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="high", EventBusName="ops", Targets=[{"Id": "q", "Arn": arn}])
    made("eventbridge", endpoint, bus="ops").send(a_payload(), idempotency_key="k1")
    [got] = sqs.receive_message(QueueUrl=queue)["Messages"]
    event = json.loads(got["Body"])
    assert event["detail-type"] == "gatewatch finding new"
    assert event["detail"]["idempotency_key"] == "k1"
    assert event["detail"]["finding_id"] == a_payload()["finding_id"]


def test_ses_sends_the_same_letter(endpoint: str) -> None:
    ses = client("sesv2", endpoint)
    ses.create_email_identity(EmailIdentity="gatewatch@example.net")
    made("ses", endpoint, sender="gatewatch@example.net", to=["ops@example.net"]).send(a_payload(), idempotency_key="k")
    sent = json.loads(urlopen(f"{endpoint}/moto-api/data.json").read())
    assert "ops@example.net" in json.dumps(sent.get("ses") or sent.get("sesv2") or {})


def test_a_sender_that_ses_does_not_know_is_refused(endpoint: str) -> None:
    attempt = Attempt()
    with pytest.raises(ChannelError) as caught:
        made("ses", endpoint, sender="nobody@example.net", to=["ops@example.net"]).send(
            a_payload(), idempotency_key="k", attempt=attempt
        )
    assert not caught.value.retry
    [noted] = attempt.wire
    assert isinstance(noted, dict)
    letter = message_from_string(str(noted["request"]), policy=default)
    assert letter["To"] == "ops@example.net"


def test_an_endpoint_that_is_away_is_tried_again() -> None:
    with pytest.raises(ChannelError) as caught:
        made("eventbridge", "http://127.0.0.1:9", bus="ops").send(a_payload(), idempotency_key="k")
    assert caught.value.retry
