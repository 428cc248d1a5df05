"""Lines of execution logs among access logs say why; they are neither requests nor rejected, however they come."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gatewatch.cli import main
from gatewatch.ingesting import ingest_paths
from gatewatch.settings import Settings
from gatewatch.store.executions import read_executions
from gatewatch.store.request_search import find_requests
from gatewatch.store.sources import accounting
from gatewatch.store.state import State, open_state
from gatewatch.taking import Delivery, Taker
from ingest.scan import scan_paths
from ingest.sources.firehose import read_push, sender_of

AT = 1_781_008_496_000
GROUP = "API-Gateway-Execution-Logs_a1b2c3d4e5/prod"
PLAN = "Key throttle limit exceeded for Usage Plan ID nn, RestApi a1b2c3d4e5, Stage prod, Resource f6, HttpMethod GET"


def ident(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def access(number: int, status: int = 429) -> str:
    """A line of a format that does not tell why."""
    told = {
        "requestId": ident(number),
        "ts": str(AT + number),
        "apiId": "a1b2c3d4e5",
        "stage": "prod",
        "method": "GET",
        "resourcePath": "/pets",
        "status": str(status),
        "ip": "203.0.113.7",
    }
    return json.dumps(told)


def said(number: int, *texts: str) -> list[tuple[int, str]]:
    given = texts or ("Extended Request Id: Qx0y=", PLAN, "Method completed with status: 429")
    return [(AT + number, f"({ident(number)}) {text}") for text in given]


def envelope(group: str, events: list[tuple[int, str]]) -> dict[str, Any]:
    listed = [{"id": f"{group}{at}{n}", "timestamp": at, "message": text} for n, (at, text) in enumerate(events)]
    return {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": group,
        "logStream": "s",
        "subscriptionFilters": ["f"],
        "logEvents": listed,
    }


def exported(events: list[tuple[int, str]]) -> str:
    """As an export to S3 writes events."""
    return "".join(
        f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%dT%H:%M:%S}.{at % 1000:03}Z {text}\n" for at, text in events
    )


@pytest.fixture(name="tree")
def _tree(tmp_path: Path) -> Path:
    """Both kinds of lines in every form, two requests each."""
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "access.log").write_text("".join(access(n) + "\n" for n in range(8)))
    glued = [envelope("/aws/apigateway/x", [(AT + 8, access(8))]), envelope(GROUP, [*said(0), *said(1)])]
    (folder / "firehose.gz").write_bytes(gzip.compress("".join(map(json.dumps, glued)).encode()))
    (folder / "export").write_text(exported([*said(2), *said(3)]))
    events = [{"timestamp": at, "message": text} for at, text in (*said(4), *said(5))]
    (folder / f"{GROUP.replace('/', '__')}.json").write_text(json.dumps({"events": events}))
    return folder


def test_a_scan_takes_them_for_what_they_are(tree: Path) -> None:
    found = scan_paths([str(tree)], workers=1)
    assert (found.accounting.lines, found.accounting.accepted, found.accounting.rejected) == (9, 9, 0)
    assert found.errors == []
    rows = found.executions.to_pylist()
    assert [row["request_id"] for row in rows] == [ident(n) for n in range(6)]
    assert {(row["reject_cause"], row["throttle_scope"]) for row in rows} == {("throttle", "plan")}
    assert rows[0]["account"] == "123456789012"
    assert {(row["api"], row["stage"]) for row in rows[:2] + rows[4:]} == {("a1b2c3d4e5", "prod")}


def test_what_only_looks_like_them_is_rejected_as_before(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    others = f"({ident(1)}) a line of a program of ours\n(short) Method completed with status: 200\nnonsense\n"
    path.write_text(access(1) + "\n" + others + f"({ident(2)}) Method completed with status: 429\n")
    found = scan_paths([str(path)], workers=1)
    assert (found.accounting.lines, found.accounting.rejected) == (5, 4)  # the last has no time, and no file says one
    assert found.executions.num_rows == 0


def test_ingest_keeps_the_causes_and_the_requests_tell_them(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "data"))
    assert main(["ingest", str(tree)]) == 0
    assert "execution logs: 6 refused requests with a cause" in capsys.readouterr().err
    state = open_state(Settings(data_dir=tmp_path / "data"))
    assert read_executions(state).num_rows == 6
    found = find_requests(state, limit=20).rows.to_pylist()
    told = {row["request_id"]: row["throttle_scope"] for row in found}
    assert {told[ident(n)] for n in range(6)} == {"plan"}
    assert ingest_paths(state, [str(tree)]).executions == 0
    state.close()


@pytest.fixture(name="state")
def _state(tmp_path: Path) -> Any:
    opened = open_state(Settings(data_dir=tmp_path / "data"))
    yield opened
    opened.close()


def pushed(request: str, *records: bytes) -> Delivery:
    sender = sender_of("arn:aws:firehose:eu-west-1:123456789012:deliverystream/gw")
    data = [{"data": base64.b64encode(one).decode()} for one in records]
    body = {"requestId": request, "timestamp": AT, "records": data}
    got = read_push(json.dumps(body).encode(), request, sender)
    return Delivery("firehose/gw", "gw", got.text, got.events, got.key)


def test_a_stream_may_push_both_and_a_request_may_come_in_parts(state: State) -> None:
    both = [envelope("/aws/apigateway/x", [(AT, access(n)) for n in range(3)]), envelope(GROUP, said(0))]
    first = pushed("r1", *(gzip.compress(json.dumps(one).encode()) for one in both))
    halves = [
        said(1, "Starting authorizer: z4nj0a for request: r", "Incoming identity: ****er"),
        said(1, f"Unauthorized request: {ident(1)}"),
    ]
    parts = [pushed(f"r{n + 2}", json.dumps(envelope(GROUP, half)).encode()) for n, half in enumerate(halves)]
    # Without its envelope a line has no time but that at which it came.
    bare = pushed("r9", "".join(f"{text}\n" for _, text in said(2)).encode())
    taker = Taker(state)
    for one in (first, *parts, bare):
        assert taker.take([one]).lines.rejected == 0
        assert taker.take([one]).again
    taker.close()
    rows = {row["request_id"]: row for row in read_executions(state).to_pylist()}
    causes = [rows[ident(n)]["reject_cause"] for n in range(3)]
    assert causes == ["throttle", "authorizer_deny", "throttle"]
    assert rows[ident(0)]["account"] == "123456789012"
    with state.read() as session:
        (account,) = accounting(session)
    assert (account.accepted, account.rejected) == (3, 0)
