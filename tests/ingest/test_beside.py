"""Documents and pictures beside the logs are no logs; nothing that a caller writes makes a log one of them."""

from __future__ import annotations

import gzip
import json

import pytest

from ingest.beside import document, named_no_log, no_access_log
from tests.ingest.lines import a_clf_line, a_line

API = {"id": "a1b2c3d4e5", "name": "shop"}
TRAIL = {
    "eventVersion": "1.08",
    "eventTime": "2026-06-09T12:00:00Z",
    "eventSource": "apigateway.amazonaws.com",
    "eventName": "UpdateStage",
    "sourceIPAddress": "192.0.2.1",
    "userAgent": "console",
    "requestID": "r1",
}
METRIC = {"Namespace": "AWS/ApiGateway", "MetricName": "Count", "Timestamps": ["2026-06-09T12:00:00Z"], "Values": [200]}
STREAMED = {
    "metric_stream_name": "s",
    "namespace": "AWS/ApiGateway",
    "metric_name": "Count",
    "timestamp": 1,
    "value": {},
}
TRACE = {"Id": "1-5759e988-bd862e3fe1be46a994272793", "Duration": 0.2, "Segments": [{"Id": "x", "Document": "{}"}]}
SPAN = {
    "traceId": "ab",
    "spanId": "cd",
    "name": "GET /x",
    "startTimeUnixNano": 1781006400000000000,
    "attributes": {"http.response.status_code": 200, "http.route": "/x", "url.path": "/x"},
}


def told(text: str | bytes, kind: str = "plain") -> str | None:
    head = text if isinstance(text, bytes) else text.encode()
    return document(head[:65536], kind, whole=len(head) <= 65536)


def lines(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (json.dumps({"accountId": "1", "region": "r", "restApis": [API]}), "inventory"),
        (json.dumps({"httpApis": [API]}, indent=2), "inventory"),
        (json.dumps({"restApis": [API] * 5000}), "inventory"),
        (json.dumps({"restApis": [API] * 5000}, indent=2), "inventory"),
        (lines(TRAIL, TRAIL), "CloudTrail"),
        (json.dumps({"Records": [TRAIL]}), "CloudTrail"),
        (json.dumps({"Records": [TRAIL] * 900}, indent=1), "CloudTrail"),
        (json.dumps({"Events": [{"EventId": "x", "CloudTrailEvent": "{}"}]}), "CloudTrail"),
        (lines(METRIC, METRIC), "metrics"),
        (lines({**METRIC, "Values": [200] * 40_000}), "metrics"),
        (lines(STREAMED), "metrics"),
        (lines(TRACE), "traces"),
        (json.dumps({"Traces": [TRACE]}), "traces"),
        (lines(SPAN, SPAN), "traces"),
        ("network,asn,name\n192.0.2.0/24,64500,Example\n", "networks"),
        ('192.0.2.0/24,AS64500,"B, C"\n2001:db8::/32,64501\n', "networks"),
        (lines({"file": "a", "line": 1, "outcome": "accepted", "reason": None, "at": "x", "status": 200}), "parse"),
        (lines({"at": "2026-06-09T12:00:00Z", "status": 200, "source": "files", "batch": "x"}), "export"),
        (json.dumps({"schema_version": 1, "findings": []}, indent=2), "findings"),
    ],
)
def test_a_document_is_told_by_its_content(text: str, word: str) -> None:
    assert word in str(told(text))
    assert word in str(told("\ufeff" + text))
    assert word in str(told(gzip.compress(text.encode()), "gzip"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "{",
        "[]",
        a_line(0),
        a_clf_line(0),
        json.dumps({"labels": [1, 2]}),
        "192.0.2.1,-,-,09/Jun/2026:12:00:00 +0000,GET,/pets,HTTP/1.1,200,5,r\n",
        "2026-06-09,200\n",
        lines({"level": "info", "message": "hello"}),
    ],
)
def test_what_may_be_a_log_is_no_document(text: str) -> None:
    assert told(text) is None


@pytest.mark.parametrize(
    "keys",
    [
        {"restApis": []},
        {"eventName": "a", "eventSource": "b", "eventTime": "c"},
        {"MetricName": "a", "Namespace": "b"},
        {"Id": "a", "Segments": []},
    ],
)
def test_keys_that_a_caller_smuggles_in_hide_no_log(keys: dict[str, object]) -> None:
    forged = json.dumps({**json.loads(a_line(0)), **keys})
    assert told(forged + "\n") is None
    assert told(forged + "\n" + a_line(1) + "\n") is None


def test_a_name_may_say_that_a_file_is_no_log() -> None:
    assert named_no_log("a/diagram.PNG")
    assert not named_no_log("a/access.log")
    assert not named_no_log("a/access")


def test_prose_is_no_log_and_a_log_that_cannot_be_read_stays_one() -> None:
    prose = [b"# Logs", b"These were taken on 2026-06-09, 12:00:00.", b"There are 200 of them."]
    assert no_access_log("README.md", prose)
    assert no_access_log("LICENSE", prose)
    assert no_access_log("labels.json", [b'{"start": "2026-06-09T12:00:00Z", "kind": "dead_api"}'])
    assert no_access_log("access.log", prose) is None
    assert no_access_log("notes.md.gz", prose) is None
    for line in (b"12:00:00 who=192.0.2.1 code=503", b'{"t":1781006400,"s":200}', b"1781006400123|GET|404|x"):
        assert no_access_log("odd.txt", [*prose, line]) is None
