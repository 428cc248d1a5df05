"""Firehose's HTTP endpoint protocol (aws-facts.md 5.4): from a request's body to the log lines in it.

A record is one log line, or a gzip envelope of a CloudWatch Logs subscription, or envelopes as plain text; each tells
by its first bytes.
"""

from __future__ import annotations

import binascii
import re
import zlib
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import cast

import orjson
from isal import isal_zlib

from ingest.envelopes import Unwrapped, is_envelope, unwrap

MOST_BODY = 64 << 20
"""Bytes of a body as it is sent: Firehose's own limit before compression."""

MOST_EXPANDED = 256 << 20
"""Bytes that a body and the records in it may expand to."""

MOST_RECORDS = 10_000

_GZIP = b"\x1f\x8b"
_ENVELOPE = b'"messageType"'
_ARN = re.compile(r"arn:[\w-]+:firehose:([\w-]*):(\d*):deliverystream/([\w.-]{1,64})\Z")
_LONGEST_ID = 256
_BROKEN = (cast("type[Exception]", isal_zlib.error), zlib.error)


class Malformed(ValueError):
    """What was sent is no request of Firehose; the text says why."""


@dataclass(frozen=True, slots=True)
class Sender:
    """The delivery stream that pushes, as its ARN says; None where it does not say."""

    stream: str = "unnamed"
    account: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Pushed:
    """One request. key: the same for the same request sent again. text: its plain lines; events: what was wrapped."""

    request_id: str
    key: str
    text: bytes
    events: Unwrapped = field(default_factory=Unwrapped)


def sender_of(arn: str) -> Sender:
    """Who sends, by the header X-Amz-Firehose-Source-Arn."""
    found = _ARN.match(arn)
    return Sender() if found is None else Sender(found[3], found[2] or None, found[1] or None)


def expanded(body: bytes, encoding: str) -> bytes:
    """The body without its Content-Encoding. Malformed: it is another than gzip, broken, cut off or a bomb."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise Malformed(f"Content-Encoding {encoding[:40]!r} is not gzip")
    return _gunzip(body, MOST_EXPANDED, "the body")


def read_push(body: bytes, request_id: str | None, sender: Sender) -> Pushed:
    """The lines of a request. request_id: what its header says. Malformed: the body is none of Firehose's."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error.msg}") from None
    if not isinstance(document, dict):
        raise Malformed("the body is no JSON object")
    named, records = document.get("requestId"), document.get("records")
    if not isinstance(named, str) or not 0 < len(named) <= _LONGEST_ID:
        raise Malformed("the body has no requestId")
    if request_id is not None and request_id != named:
        raise Malformed("the requestId is not that of the header")
    if not isinstance(records, list) or len(records) > MOST_RECORDS:
        raise Malformed(f"records is no list of at most {MOST_RECORDS:,}")
    lines: list[bytes] = []
    wrapped: list[bytes] = []
    digest = blake2b(digest_size=16)
    room = MOST_EXPANDED
    for number, record in enumerate(records):
        data = _data(record, number)
        digest.update(len(data).to_bytes(4, "big"))
        digest.update(data)
        if data.startswith(_GZIP):
            data = _gunzip(data, room, f"record {number}")
        room -= len(data)
        if room < 0:
            raise Malformed(f"the records expand to more than {MOST_EXPANDED >> 20} MiB")
        if _ENVELOPE in data[:512] and is_envelope(data):
            wrapped.append(data)
        elif data.strip():
            lines.append(data if data.endswith(b"\n") else data + b"\n")
    key = f"firehose {sender.stream} {named} {digest.hexdigest()}"
    return Pushed(named, key, b"".join(lines), unwrap(b"\n".join(wrapped)))


def _data(record: object, number: int) -> bytes:
    text = record.get("data") if isinstance(record, dict) else None
    if not isinstance(text, str):
        raise Malformed(f"record {number} has no data")
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        raise Malformed(f"record {number} is not base64") from None


def _gunzip(data: bytes, most: int, what: str) -> bytes:
    """All gzip members of `data`, which may not expand to more than `most` bytes."""
    out: list[bytes] = []
    room = most
    while data:
        inflate = isal_zlib.decompressobj(wbits=31)
        try:
            part = inflate.decompress(data, room + 1)
        except _BROKEN as error:
            raise Malformed(f"{what} is broken gzip: {error}") from None
        room -= len(part)
        if room < 0:
            raise Malformed(f"{what} expands to more than {most >> 20} MiB")
        if not inflate.eof:
            raise Malformed(f"{what} is gzip that is cut off")
        out.append(part)
        data = inflate.unused_data.lstrip(b"\0")
    return b"".join(out)
