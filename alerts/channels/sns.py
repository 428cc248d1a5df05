"""An Amazon SNS topic: a text for people, and the whole payload for programs that subscribe by HTTP, SQS or Lambda."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from alerts.channels import Attempt, channel_kind
from alerts.channels.aws import AwsOptions, called, client_of
from alerts.letter import letter_text
from alerts.message import read
from alerts.outbound import as_json
from alerts.render.mail import mail_header
from gatewatch.records import JSON
from gatewatch.settings import Settings

SUBJECT = 99
"""SNS takes less than 100 characters of ASCII as subject."""


class SnsOptions(AwsOptions):
    topic_arn: str = Field(pattern=r"^arn:[\w-]+:sns:[\w-]+:\d{12}:[\w.-]+$")


class Sns:
    """client: makes the SNS client, with credentials that are good now."""

    def __init__(self, client: Callable[[], Any], topic_arn: str) -> None:
        self._client = client
        self._topic = topic_arn

    def send(
        self,
        payload: Mapping[str, JSON],
        *,
        idempotency_key: str,
        now: datetime | None = None,  # noqa: ARG002  SNS dates the message
        attempt: Attempt | None = None,
    ) -> None:
        message = read(payload)
        whole = _json({"idempotency_key": idempotency_key, **payload})
        text = letter_text(message)
        subject = mail_header(message.headline, SUBJECT).encode("ascii", "replace").decode()
        attributes = {
            name: {"DataType": "String", "StringValue": value or "none"}
            for name, value in (
                ("severity", message.severity),
                ("kind", message.kind),
                ("transition", message.transition),
                ("idempotency_key", idempotency_key),
            )
        }
        given: dict[str, Any] = {
            "TopicArn": self._topic,
            "Subject": subject,
            "Message": _json({"default": text, "email": text, "sqs": whole, "lambda": whole, "https": whole}),
            "MessageStructure": "json",
            "MessageAttributes": attributes,
        }
        if self._topic.endswith(".fifo"):
            given |= {"MessageDeduplicationId": idempotency_key, "MessageGroupId": message.thread[:128] or "gatewatch"}
        called("sns", "SNS Publish", {**given}, attempt, lambda: self._client().publish(**given))


def _json(value: Mapping[str, JSON]) -> str:
    """JSON in UTF-8: JSON within JSON that spells out each character would go beyond the 256 KiB that SNS takes."""
    return as_json(value).decode()


@channel_kind("sns", SnsOptions, resolved=True)
def sns(options: SnsOptions, settings: Settings) -> Sns:
    region = options.region or options.topic_arn.split(":")[3]
    chosen = options.model_copy(update={"region": region})
    return Sns(lambda: client_of("sns", chosen, settings), options.topic_arn)
