"""What programs are sent is bounded, whatever stands in a finding: else it is refused, and the alert lost."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from alerts.channels.eventbridge import EventBridge
from alerts.channels.sns import Sns
from alerts.channels.webhook import Webhook
from alerts.model import alert_of
from alerts.payload import payload_of
from gatewatch.records import Change, Entities, Evidence
from tests.alerts.builders import ONSET, a_finding, settings

AWS_TAKES = 256 << 10
"""Bytes of an SNS message, and of an EventBridge entry, attributes included."""


class Caller:
    """Takes what the AWS clients are given."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def publish(self, **given: Any) -> dict[str, Any]:
        self.texts.append(given["Message"])
        return {}

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        self.texts.append(Entries[0]["Detail"])
        return {}


@pytest.mark.parametrize("char", ["\U0001f4a9", "\u4e2d", "\\", '"', "\x01", "&", "<", "\u0301", "\ud800"])
def test_the_largest_payload_is_taken(char: str) -> None:
    text = char * 20_000
    finding = a_finding(
        **dict.fromkeys(("title", "api", "stage", "route", "subtype", "remedy", "caveat", "layer", "account"), text),
        entities=Entities(*[(text,) * 50] * 5),
        evidence=Evidence(observed=1.0, expected=1.0, unit=text, sentence=text),
        changes=(Change(ONSET, text, text, text),) * 20,
    )
    payload = payload_of(alert_of("new", finding), settings())
    aws, posted = Caller(), []

    def take(request: httpx.Request) -> httpx.Response:
        posted.append(request.content)
        return httpx.Response(200)

    Sns(lambda: aws, "arn:aws:sns:eu-central-1:123456789012:t").send(payload, idempotency_key="k")
    EventBridge(lambda: aws, "b", "s").send(payload, idempotency_key="k")
    hook = Webhook(SecretStr("https://hooks.example/x"), b"k" * 24, transport=lambda: httpx.MockTransport(take))
    hook.send(payload, idempotency_key="k")
    for body in aws.texts:
        assert len(body.encode()) < 0.75 * AWS_TAKES
        json.loads(body)
    assert json.loads(json.loads(aws.texts[0])["sqs"])["finding_id"] == finding.id
    assert len(posted[0]) < 100_000
