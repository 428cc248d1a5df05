"""What wraps log lines: CloudWatch Logs subscription envelopes, filter-log-events documents, records glued together."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from ingest.block import Block, Origin, Text, block_of_records
from ingest.prefixes import PREFIX

_ENVELOPE = re.compile(rb'^\s*\{[^\n]{0,400}?"(?:messageType|logEvents|awslogs)"\s*:')
_EVENTS = re.compile(rb'^\s*\{\s*"(?:events|searchedLogStreams|nextForwardToken|nextToken)"\s*:')
# Records in a list or over several lines, as jq and `aws logs tail --format json` print them, and the answer of a
# CloudWatch Logs Insights query.
_SPREAD = re.compile(rb'^\s*\[\s*[{\[]|^\s*\{\s*"(?:queryLanguage|results)"\s*:|^(?:[0-9][^\n{]{10,1024})?\{[ \t\r]*\n')
_TRIES = 16
_DECODER = json.JSONDecoder()
_BETWEEN = re.compile(r"[\s\x00,\]]*")
_PREFIX = re.compile(rf"{PREFIX}(?=\{{)", re.ASCII)


@dataclass(slots=True)
class Unwrapped:
    """Events of the envelopes of one text. number: the line (from 0) that each event's envelope began in."""

    records: list[bytes] = field(default_factory=list)
    number: list[int] = field(default_factory=list)
    event_id: list[str | None] = field(default_factory=list)
    event_time: list[str | None] = field(default_factory=list)
    delivered: list[str | None] = field(default_factory=list)
    owner: list[str | None] = field(default_factory=list)
    group: list[str | None] = field(default_factory=list)
    envelopes: int = 0
    broken: list[tuple[int, bytes]] = field(default_factory=list)

    def add(
        self,
        line: int,
        record: bytes,
        event_id: str | None = None,
        event_time: str | None = None,
        delivered: str | None = None,
        owner: str | None = None,
        group: str | None = None,
    ) -> None:
        self.records.append(record)
        self.number.append(line)
        self.event_id.append(event_id)
        self.event_time.append(event_time)
        self.delivered.append(delivered)
        self.owner.append(owner)
        self.group.append(group)

    def take(self, document: dict[str, object], line: int) -> bool:
        """Add the events of one document; False when it is no envelope."""
        wrapped = document.get("awslogs")
        if isinstance(wrapped, dict) and isinstance(wrapped.get("data"), str):
            try:
                inner = json.loads(gzip.decompress(base64.b64decode(wrapped["data"])))
            except (ValueError, OSError, EOFError, binascii.Error, RecursionError):
                return False
            return isinstance(inner, dict) and self.take(inner, line)
        events = document.get("logEvents", document.get("events"))
        if not isinstance(events, list):
            return self._insights(document, line)
        self.envelopes += 1
        if document.get("messageType") == "CONTROL_MESSAGE":
            return True
        owner, group = document.get("owner"), document.get("logGroup")
        for event in events:
            if not isinstance(event, dict) or not isinstance(event.get("message"), str):
                continue
            identity = event.get("id", event.get("eventId"))
            self.add(
                line,
                event["message"].rstrip("\n").encode("utf-8", "replace"),
                str(identity) if identity not in (None, "") else None,
                _number(event.get("timestamp")),
                _number(event.get("ingestionTime")),
                owner if isinstance(owner, str) else None,
                group if isinstance(group, str) else None,
            )
        return True

    def _insights(self, document: dict[str, object], line: int) -> bool:
        """A row of CloudWatch Logs Insights, whose field @message is the log line, or the answer with all rows."""
        results = document.get("results")
        if isinstance(results, list):
            for row in results:
                fields = _fields(row) if isinstance(row, list) else {}
                if not self._insights(fields, line):
                    self.add(line, json.dumps(row).encode())
            return True
        message = document.get("@message")
        if isinstance(message, dict):
            message = json.dumps(message)
        if not isinstance(message, str):
            return False
        self.add(line, message.rstrip("\n").encode("utf-8", "replace"), event_time=_number(document.get("@timestamp")))
        return True


def _fields(row: list[object]) -> dict[str, object]:
    return {
        cell["field"]: cell.get("value")
        for cell in row
        if isinstance(cell, dict) and isinstance(cell.get("field"), str)
    }


def joined(several: Sequence[tuple[str, int, int, Unwrapped]]) -> Block:
    """One block of what was unwrapped of several files: (file, line number of its first line, byte offset, events).

    Behind the events of each file stands what was no envelope in it (read as it stands).
    """
    origins = []
    whole = Unwrapped()
    for file, line, offset, one in several:
        origins.append(Origin(len(whole.records), file, line, offset))
        for at, text in one.broken:
            one.add(at, text)
        for name in ("records", "number", "event_id", "event_time", "delivered", "owner", "group"):
            getattr(whole, name).extend(getattr(one, name))
        whole.envelopes += one.envelopes
    told = {
        "x.event_id": whole.event_id,
        "x.event_time": whole.event_time,
        "x.delivered": whole.delivered,
        "x.owner": whole.owner,
        "x.log_group": whole.group,
    }
    return block_of_records(
        whole.records,
        origins=origins,
        number=np.array(whole.number, dtype=np.int64),
        side={name: pa.array(values, pa.string()) for name, values in told.items() if any(values)},
        envelopes=whole.envelopes,
    )


def _number(value: object) -> str | None:
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else None


def is_envelope(text: Text) -> bool:
    """Whether the text begins like something that wraps log events."""
    head = text[:4096]
    if _EVENTS.match(head) is not None:
        return b'"message"' in text[:65536]
    return _ENVELOPE.match(head) is not None or _SPREAD.match(head) is not None


def unwrap(text: bytes) -> Unwrapped:
    """The log events of a text of envelopes, glued together or a line each, or of documents over several lines.

    What is neither an envelope nor an object, or a broken one, stands in `broken` as it was, so that nothing is lost in
    silence.
    """
    out = Unwrapped()
    decoded = text.decode("utf-8", "replace")
    at = counted = line = 0
    while True:
        space = _BETWEEN.match(decoded, at)
        at = space.end() if space else at
        if at >= len(decoded):
            return out
        line += decoded.count("\n", counted, at)
        counted = at
        if decoded[at] == "[":  # what is in a list comes one by one, so that a list that is cut off is read up to there
            at += 1
            continue
        told = _PREFIX.match(decoded, at)
        begin = told.end() if told is not None else at
        try:
            document, end = _DECODER.raw_decode(decoded, begin)
        except (ValueError, RecursionError):
            document, end = None, -1
        if isinstance(document, dict):
            if not out.take(document, line):
                out.add(line, decoded[begin:end].encode("utf-8", "replace"), event_time=told and told["time"])
        else:
            end = end if document is not None and end > at else _resume(decoded, at)
            out.broken.append((line, decoded[at:end].encode("utf-8", "replace")))
        at = end


def _resume(text: str, at: int) -> int:
    """Where to go on behind something unreadable: the next line, or the next envelope glued to it."""
    newline = text.find("\n", at)
    glued = text.find('}{"messageType"', at)
    ends = [end for end in (newline, glued + 1 if glued >= 0 else -1) if end > at]
    return min(ends, default=len(text))


GLUED = re.compile(rb'\}[\s,]*(?=\{\s*"[^"]+"\s*:)')
"""Where one record may end and the next begin: with nothing, white space or a comma between them."""


def glued_records(line: bytes) -> Iterator[bytes]:
    """JSON objects that stand in one line; the rest behind a broken one in one piece.

    A cut between braces is tried first, since a record is far longer than the check; a cut inside a string is healed
    by joining the pieces until they read as an object.
    """
    cuts = [*(found.span() for found in GLUED.finditer(line)), (len(line) - 1, len(line))]
    begin, first, place = 0, 0, 0
    while place < len(cuts):
        whole = _whole(line[begin : cuts[place][0] + 1])
        if (
            not whole and place - first < _TRIES and place < len(cuts) - 1
        ):  # the bound: an attacker can write many `}{` into one string
            place += 1
            continue
        if not whole and first < place and _whole(line[cuts[first][1] : cuts[first + 1][0] + 1]):
            place = first  # nothing closed the string: the record was cut off, and must not swallow its neighbours
        yield line[begin : cuts[place][0] + 1].strip()
        begin = cuts[place][1]
        first = place = place + 1
    if line[begin:].strip():
        yield line[begin:].strip()


def _whole(piece: bytes) -> bool:
    """Whether quotes and braces close: cheaper than parsing, and blind only to text that is broken anyway."""
    text = piece.strip()
    if not (text.startswith(b"{") and text.endswith(b"}")):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        # A record that is broken in itself (a bare '-') must not swallow its neighbours.
        return text.count(b'"') % 2 == 0 and text.count(b"{") == text.count(b"}")
