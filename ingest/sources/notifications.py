"""What S3 tells of new objects through an SQS queue: directly, through SNS, or as EventBridge events."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from ingest.sources.model import Clients

AT_ONCE = 10
"""Most messages of one call, and receipts of one deletion."""

WAIT_S = 1
"""Seconds that an empty queue is asked to wait: a short look misses messages that are there."""

_DEEPEST = 3


@dataclass(frozen=True, slots=True)
class Told:
    """An object as a notification names it. etag without quotes, "" when it is not said."""

    bucket: str
    key: str
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class Notice:
    """A message: receipt to delete it with, and the objects that it tells of; none in a test event."""

    receipt: str
    objects: tuple[Told, ...]


class Queue:
    """Messages that are not deleted are there again after the queue's visibility timeout."""

    def __init__(self, clients: Clients, url: str) -> None:
        self._clients = clients
        self._url = url

    def receive(self, failed: Callable[[str], None]) -> list[Notice]:
        """The next messages; none when the queue is empty. failed: told of what is no notification."""
        answer = self._clients("sqs").receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=AT_ONCE, WaitTimeSeconds=WAIT_S
        )
        notices = []
        for message in answer.get("Messages", ()):
            try:
                objects = tuple(objects_of(message.get("Body", "")))
            except ValueError as error:  # it stays: a queue with a dead-letter queue moves it there
                failed(f"{self._url}: a message tells of no object ({error})")
                continue
            notices.append(Notice(message["ReceiptHandle"], objects))
        return notices

    def delete(self, notices: Sequence[Notice]) -> None:
        """These are done."""
        for begin in range(0, len(notices), AT_ONCE):
            part = notices[begin : begin + AT_ONCE]
            entries = [{"Id": str(number), "ReceiptHandle": one.receipt} for number, one in enumerate(part)]
            self._clients("sqs").delete_message_batch(QueueUrl=self._url, Entries=entries)


def objects_of(body: str, depth: int = 0) -> Iterator[Told]:
    """The created objects in a message's body; none in a test event. ValueError: it is no notification of S3."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(document, dict):
        raise ValueError("it is no object")
    records, message, detail = document.get("Records"), document.get("Message"), document.get("detail")
    if isinstance(records, list):
        for record in records:
            yield from _of_s3(record)
    elif isinstance(message, str) and depth < _DEEPEST:
        yield from objects_of(message, depth + 1)
    elif isinstance(detail, dict) and document.get("source") == "aws.s3":
        if document.get("detail-type") == "Object Created":
            yield _told(detail.get("bucket"), detail.get("object"), encoded=False)
    elif document.get("Event") != "s3:TestEvent":
        raise ValueError("it is neither of S3 nor of EventBridge")


def _of_s3(record: Any) -> Iterator[Told]:
    if not isinstance(record, dict) or not isinstance(record.get("s3"), dict):
        raise ValueError("a record is none of S3")
    if str(record.get("eventName", "")).removeprefix("s3:").startswith("ObjectCreated"):
        yield _told(record["s3"].get("bucket"), record["s3"].get("object"), encoded=True)


def _told(bucket: Any, thing: Any, *, encoded: bool) -> Told:
    name = bucket.get("name") if isinstance(bucket, dict) else None
    key = thing.get("key") if isinstance(thing, dict) else None
    if not isinstance(name, str) or not isinstance(key, str):
        raise ValueError("bucket or key is missing")
    etag, size = thing.get("eTag", thing.get("etag", "")), thing.get("size", 0)
    # Keys come form-encoded from S3 itself, and as they are from EventBridge (aws-facts.md 5.5).
    return Told(name, unquote_plus(key) if encoded else key, str(etag).strip('"'), size if isinstance(size, int) else 0)
