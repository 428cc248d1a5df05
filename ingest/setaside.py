"""Lines of execution logs that come among those of access logs: they say why, and are no requests that were rejected.

Whoever sends all log groups through one stream, or exports them into one folder, has both in one text. A line is known
by its group, or by what the gateway writes behind the request's id; what a client wrote stands in neither place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from ingest.block import Block
from ingest.executions import LINE, Executions, place_of
from ingest.outcome import Reading

_ISO = r"(?P<time>[0-9]{4}(?:-[0-9]{2}){2}[T ][0-9]{2}(?::[0-9]{2}){2}(?:\.[0-9]{1,9})?Z?)[ \t]+(?:[^\s({<]+[ \t]+)?"
_LINE = re.compile(rf"(?:{_ISO})?(?P<line>\((?P<id>[\w=+/.-]{{8,128}})\) (?P<text>[\s\S]{{0,1200}}))")
BEFORE = 200
"""Bytes in which a line of an execution log has its request id: behind a time and the name of its stream."""

_WORDS = (
    "Extended Request Id: ",
    "Verifying Usage Plan for request: ",
    "Usage Plan check succeeded",
    "API Key ",
    "Starting execution for request: ",
    "HTTP Method: ",
    "Method request ",
    "Method response ",
    "Method completed with status: ",
    "Starting authorizer: ",
    "Successfully completed ",
    "Using valid authorizer policy ",
    "Unauthorized request: ",
    "Endpoint request ",
    "Endpoint response ",
    "Sending request to ",
    "Received response. Status: ",
    "Execution failed",
    "Lambda execution failed",
    "Key throttle limit exceeded ",
    "Key quota exhausted ",
    "AWS Integration Endpoint RequestId",
    "X-ray Tracing ID",
)
"""How lines begin by which one of an execution log is known without its group."""


def set_aside(reading: Reading, together: Executions, arrived_ms: int | None = None) -> list[int]:
    """Take such lines out of those that were rejected and into `together`; which rows they were.

    arrived_ms: when they came, for lines that have no time. Without either a line stays as it was.
    """
    block = reading.block
    if not reading.rejected:
        return []
    found: list[tuple[int, int, str, tuple[str, str] | None, str | None]] = []
    known: set[str] = set()
    time_of, group_of, owner_of = (_told(block, name) for name in ("x.event_time", "x.log_group", "x.owner"))
    for row in reading.rejected:
        if row >= len(block):
            continue  # a record that was split out of a line
        raw = block.raw(row)[: LINE + 200]
        if b"(" not in raw[:BEFORE]:
            continue  # almost all that is rejected
        line = _LINE.match(raw.decode("utf-8", "replace"))
        if line is None:
            continue
        where = place_of((group_of(row) or block.origin(row)[0]).replace("__", "/"))
        told = line["time"] or time_of(row)
        at = _milliseconds(told) if told is not None else arrived_ms
        if at is None:
            continue
        if where is not None or line["text"].startswith(_WORDS):
            known.add(line["id"])
        found.append((row, at, line["line"], where, owner_of(row)))
    rows = []
    for row, at, text, where, owner in found:
        if text[1:].partition(")")[0] in known and together.take(at, text, where, owner):
            rows.append(row)
            del reading.rejected[row]
    return rows


def _told(block: Block, name: str) -> Callable[[int], str | None]:
    """What an envelope told about a row."""
    column = block.side.get(name)
    return lambda row: None if column is None else column[row].as_py()


def _milliseconds(text: str) -> int | None:
    if text.isascii() and text.isdigit():
        return int(text) if len(text) == 13 else None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
