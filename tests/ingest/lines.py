"""Builders of access-log lines for tests: documentation addresses, invented ids."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from ingest.formats.model import Format
from ingest.slow import SlowLine, read_line

START = datetime(2026, 6, 9, 12, tzinfo=UTC)


def a_line(number: int = 0, *, status: int = 200, second: float | None = None, **changed: str) -> str:
    """One REST request in the flat JSON that gatewatch recommends, `number` making its ids unique."""
    at = START + timedelta(seconds=number if second is None else second)
    fields = {
        "requestId": f"00000000-0000-4000-8000-{number:012d}",
        "extendedRequestId": f"Xt{number:012d}=",
        "accountId": "123456789012",
        "apiId": "a1b2c3d4e5",
        "stage": "prod",
        "requestTimeEpoch": str(int(at.timestamp() * 1000)),
        "httpMethod": "GET",
        "resourcePath": "/pets/{id}",
        "status": str(status),
        "responseLength": "120",
        "responseLatency": str(10 + number % 50),
        "integrationLatency": str(5 + number % 50),
        "errorType": "-",
        "apiKeyId": "-",
        "ip": f"192.0.2.{number % 7 + 1}",
        "userAgent": "curl/8.0",
        "xrayTraceId": f"1-{int(at.timestamp()):08x}-{number:024x}",
    }
    return json.dumps(fields | changed)


def a_clf_line(number: int = 0, status: int = 200) -> str:
    """One REST request in the console's CLF."""
    at = START + timedelta(seconds=number)
    return (
        f'198.51.100.{number % 5 + 1} - - [{at:%d/%b/%Y:%H:%M:%S +0000}]"GET /pets HTTP/1.1" {status} 31 '
        f"00000000-0000-4000-9000-{number:012d} Cl{number:013d}="
    )


def read_lines(formats: Sequence[Format], line: str) -> Iterator[SlowLine]:
    """All records of a line, in order: one, unless records were glued together."""
    text: str | None = line
    while text is not None:
        found = read_line(formats, text)
        yield found
        text = found.rest
