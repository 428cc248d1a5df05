"""What Firehose and EventBridge send: durable before 200, once however often it is sent, and told why not."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from gatewatch.access.tokens import create_token
from gatewatch.app.build import build_app
from gatewatch.app.ingestion import build_ingest_app
from gatewatch.errors import StoreError
from gatewatch.roles import Scope, Via, Who
from gatewatch.settings import Settings
from gatewatch.store.batches import accounting
from gatewatch.store.changes import changes
from gatewatch.store.reading import read_minutes, read_requests
from gatewatch.store.state import State, open_state
from tests.people import add_people

KEY, NEXT = "k" * 40, "n" * 40
NOTHING: Mapping[str, str] = MappingProxyType({})
ARN = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/amazon-apigateway-orders"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", ingest_key=SecretStr(KEY), ingest_key_next=SecretStr(NEXT))


@pytest.fixture
def state(settings: Settings) -> Iterator[State]:
    opened = open_state(settings)
    yield opened
    opened.close()


@pytest.fixture
def client(state: State) -> Iterator[TestClient]:
    with TestClient(build_ingest_app(state.settings), base_url="https://taker.example") as opened:
        yield opened


def a_line(number: int, **fields: str) -> str:
    known = {
        "requestId": f"r-{number}",
        "extendedRequestId": f"x-{number}=",
        "requestTimeEpoch": str(1781006400000 + number * 10),
        "apiId": "a1b2c3d4e5",
        "stage": "prod",
        "httpMethod": "GET",
        "resourcePath": "/pets/{id}",
        "status": "200",
        "ip": "203.0.113.7",
    }
    return json.dumps({**known, **fields})


def an_envelope(*numbers: int, kind: str = "DATA_MESSAGE") -> bytes:
    events = [{"id": f"3719{n}", "timestamp": 1781006400000 + n, "message": a_line(n)} for n in numbers]
    fields = {"messageType": kind, "owner": "123456789012", "logGroup": "/aws/apigw/orders", "logStream": "s"}
    return gzip.compress(json.dumps({**fields, "subscriptionFilters": ["f"], "logEvents": events}).encode())


def a_request(name: str, *records: bytes | str) -> dict[str, Any]:
    raw = [one if isinstance(one, bytes) else one.encode() for one in records]
    return {
        "requestId": name,
        "timestamp": 1781006400000,
        "records": [{"data": base64.b64encode(one).decode()} for one in raw],
    }


def push(
    client: TestClient, document: Any, *, key: str = KEY, zipped: bool = False, headers: Mapping[str, str] = NOTHING
) -> Any:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    named = document["requestId"] if isinstance(document, dict) and "requestId" in document else "r"
    sent = {
        "X-Amz-Firehose-Protocol-Version": "1.0",
        "X-Amz-Firehose-Request-Id": named,
        "X-Amz-Firehose-Source-Arn": ARN,
        "X-Amz-Firehose-Access-Key": key,
        "Content-Type": "application/json",
        **({"Content-Encoding": "gzip"} if zipped else {}),
        **headers,
    }
    return client.post("/ingest/firehose", content=gzip.compress(body) if zipped else body, headers=sent)


def kept(state: State) -> list[str]:
    return sorted(read_requests(state, limit=10_000).column("request_id").to_pylist())


def test_lines_are_in_the_store_when_the_answer_comes_and_count_once(client: TestClient, state: State) -> None:
    first = a_request("q1", a_line(1), a_line(2) + "\n" + a_line(3) + "\n", an_envelope(4, 5))
    answer = push(client, first, zipped=True)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert "content-encoding" not in answer.headers
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.json()["requestId"] == "q1"
    assert sorted(answer.json()) == ["requestId", "timestamp"]
    assert kept(state) == ["r-1", "r-2", "r-3", "r-4", "r-5"]
    again = a_request("q2", a_line(5), a_line(6), an_envelope(1, 7), an_envelope(kind="CONTROL_MESSAGE"))
    for document in (first, again, again, first):
        assert push(client, document).status_code == 200
    assert kept(state) == [f"r-{n}" for n in range(1, 8)]
    assert read_minutes(state).column("n").to_pylist().count(0) == 0
    assert sum(read_minutes(state).column("n").to_pylist()) == 7
    with state.read() as session:
        (account,) = accounting(session)
    assert (account.source, account.accepted, account.duplicate) == ("firehose/amazon-apigateway-orders", 7, 2)


def test_a_request_sent_again_is_known_even_when_its_lines_have_no_identity(client: TestClient, state: State) -> None:
    line = '203.0.113.7 - - [09/Jun/2026:12:00:01 +0000] "GET /pets HTTP/1.1" 200 12 r-1'
    document = a_request("q1", line, line)
    for _ in range(3):
        assert push(client, document).status_code == 200
    assert len(kept(state)) == 2
    assert push(client, a_request("q2", line)).status_code == 200
    assert len(kept(state)) == 3
    # An id that is used again for other lines costs none of them.
    assert push(client, a_request("q1", line.replace("r-1", "r-9"))).status_code == 200
    assert len(kept(state)) == 4


def test_what_is_sent_at_the_same_time_and_repeated_counts_once(client: TestClient, state: State) -> None:
    documents = [a_request(f"q{n}", *(a_line(n * 10 + i) for i in range(12))) for n in range(8)]
    statuses: list[int] = []

    def sender() -> None:
        statuses.extend(push(client, document).status_code for document in documents)

    threads = [threading.Thread(target=sender) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 24
    assert kept(state) == sorted(f"r-{n}" for n in range(82))


def test_either_key_and_a_token_come_through_and_others_are_told_no(client: TestClient, state: State) -> None:
    add_people(state)
    with state.begin() as session:
        token = create_token(session, Who("test", None, Via.CLI), "x", (Scope.INGEST,), now=datetime.now(UTC))[1].text
    for number, key in enumerate((KEY, NEXT, token)):
        assert push(client, a_request(f"q{number}", a_line(number)), key=key).status_code == 200
    for key in ("", KEY[:-1], KEY + "k", token[:-1]):
        answer = push(client, a_request("q9", a_line(9)), key=key)
        assert (answer.status_code, answer.json()["requestId"]) == (401, "q9")
        assert answer.json()["errorMessage"]
        assert not key or key not in answer.text
    assert len(kept(state)) == 3


BOMB = gzip.compress(b"[" + b" " * (300 << 20), 6)


@pytest.mark.parametrize(
    ("document", "headers", "why"),
    [
        (b"", {}, "not JSON"),
        (b"[]", {}, "no JSON object"),
        (b'{"requestId":"r"}', {}, "records"),
        (b'{"records":[]}', {}, "no requestId"),
        (b'{"requestId":"other","records":[]}', {}, "not that of the header"),
        (b'{"requestId":"r","records":[1]}', {}, "record 0 has no data"),
        (b'{"requestId":"r","records":[{"data":"?"}]}', {}, "record 0 is not base64"),
        (b'{"requestId":"r","records":[{"data":"H4sIAAAA"}]}', {}, "record 0 is gzip that is cut off"),
        (b'{"requestId":"r","records":[]}', {"Content-Encoding": "gzip"}, "broken gzip"),
        (b'{"requestId":"r","records":[]}', {"Content-Encoding": "br"}, "not gzip"),
        (json.dumps(a_request("r", *[""] * 10_001)).encode(), {}, "at most 10,000"),
        (BOMB, {"Content-Encoding": "gzip"}, "expands to more than 256 MiB"),
        (json.dumps(a_request("r", BOMB)).encode(), {}, "record 0 expands to more than 256 MiB"),
    ],
    ids=range(13),
)
def test_what_is_none_of_firehoses_is_400_with_the_reason(
    client: TestClient, document: bytes, headers: dict[str, str], why: str
) -> None:
    answer = push(client, document, headers=headers)
    assert answer.status_code == 400
    assert why in answer.json()["errorMessage"]
    assert answer.json()["requestId"] == "r"


def test_no_records_and_lines_that_cannot_be_read_are_taken(client: TestClient, state: State) -> None:
    assert push(client, a_request("q1")).status_code == 200
    assert push(client, a_request("q2", "no access log at all", a_line(1))).status_code == 200
    with state.read() as session:
        (account,) = accounting(session)
    assert (account.accepted, account.rejected) == (1, 1)


def test_more_than_64_mib_is_413_and_as_much_is_taken(client: TestClient) -> None:
    blank = json.dumps(a_request("q1", a_line(1))).encode()
    named = {"X-Amz-Firehose-Request-Id": "q1"}
    assert push(client, blank + b" " * ((64 << 20) - len(blank)), headers=named).status_code == 200
    assert push(client, blank + b" " * (64 << 20), headers=named).status_code == 413


def test_what_is_not_durable_is_503_and_comes_through_later(
    client: TestClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gatewatch import taking

    def full(*arguments: Any, **more: Any) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(taking, "commit_result", full)
        answer = push(client, a_request("q1", a_line(1)))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["requestId"] == "q1"
        assert "disk" not in answer.text
    assert kept(state) == []
    assert push(client, a_request("q1", a_line(1))).status_code == 200
    assert kept(state) == ["r-1"]
    monkeypatch.setattr(taking, "WAITING_BYTES", -1)
    monkeypatch.setattr("gatewatch.app.counter.BODY_BYTES", -1)
    assert push(client, a_request("q2", a_line(2))).status_code == 200  # one alone always fits


def test_the_pages_address_takes_data_too_with_keys_only(settings: Settings, state: State) -> None:
    with TestClient(build_app(settings), base_url="http://localhost") as client:
        large = a_request("q1", a_line(1), *[a_line(1, path="x" * 1000)] * 1500)
        assert push(client, large).status_code == 200
        assert push(client, large, key="wrong").status_code == 401
        assert client.get("/ingest/firehose").status_code == 401
        assert client.get("/ingest/other", headers={"X-Amz-Firehose-Access-Key": KEY}).status_code == 404
        assert client.get("/api/v1/findings").status_code == 200
    assert kept(state) == ["r-1"]


def test_changes_come_from_eventbridge_once(client: TestClient, state: State) -> None:
    record = {
        "eventID": "e1",
        "eventTime": "2026-06-09T12:00:00Z",
        "eventSource": "apigateway.amazonaws.com",
        "eventName": "UpdateStage",
        "requestParameters": {"restApiId": "a1", "stageName": "prod"},
    }
    event = {"detail-type": "AWS API Call via CloudTrail", "source": "aws.apigateway", "detail": record}
    other = {"detail-type": "CloudWatch Alarm State Change", "source": "aws.cloudwatch", "detail": {}}
    headers = {"Authorization": f"Bearer {KEY}"}

    def post(document: Any) -> Any:
        return client.post("/ingest/eventbridge", content=json.dumps(document), headers=headers)

    assert [post(one).json() for one in (event, [event, other], other)] == [{"new": 1}, {"new": 0}, {"new": 0}]
    with state.read() as session:
        (change,) = changes(session)
    assert (change.id, change.change.resource) == ("e1", "a1/prod")
    for wrong in ({}, [1], "x", {"detail-type": "x", "detail": {"eventName": "x"}}):
        assert post(wrong).status_code == 400
    assert client.post("/ingest/eventbridge", content=json.dumps(event)).status_code == 401
