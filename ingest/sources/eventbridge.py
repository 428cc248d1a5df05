"""Configuration changes that an EventBridge rule puts into an SQS queue, for whom no address of ours can be reached.

A message is deleted when its changes are kept, so one may be told again; each is known by its eventID. What is no event
stays for the queue's dead-letter queue.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from gatewatch.errors import UsageError
from gatewatch.records import JSON, ChangeEvent
from ingest.changes import event_changes
from ingest.sources import notifications
from ingest.sources.model import Clients, Told, World, source

AT_ONCE = 10
MOST_CALLS = 1000
"""Of one look: 10,000 messages."""


@source("eventbridge")
class EventBridgeQueue:
    """location: the URL of the queue."""

    def __init__(self, clients: Clients, location: str, options: Mapping[str, JSON]) -> None:  # noqa: ARG002
        if not location.startswith(("https://", "http://")) or len(location) > 2048:
            raise UsageError("the events of an EventBridge rule come through an SQS queue, which is named by its URL")
        self._clients = clients
        self._url = location

    def look(self, world: World) -> Iterator[Told]:
        sqs = self._clients("sqs")
        for _ in range(MOST_CALLS):
            answer = sqs.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=AT_ONCE, WaitTimeSeconds=notifications.WAIT_S
            )
            messages = answer.get("Messages", ())
            if not messages:
                return
            found: list[ChangeEvent] = []
            done: list[dict[str, str]] = []
            for number, message in enumerate(messages):
                try:
                    found += event_changes(_event(str(message.get("Body", ""))))
                except ValueError as error:
                    world.failed(f"{self._url}: a message is no event ({error})")
                    continue
                done.append({"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]})
            yield Told(found)
            if done:  # kept by now, or this is never reached
                sqs.delete_message_batch(QueueUrl=self._url, Entries=done)
            if world.enough():
                return


def _event(body: str) -> dict[str, Any]:
    """The event in a message, also when it came through SNS. ValueError: there is none."""
    try:
        document = json.loads(body)
        if isinstance(document, dict) and isinstance(document.get("Message"), str) and "detail" not in document:
            document = json.loads(document["Message"])
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(document, dict):
        raise ValueError("it is no object")
    return document
