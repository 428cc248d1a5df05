"""Traces: the parts of a request add up to it, whatever form it comes in, and what is no trace is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewatch.errors import UsageError
from gatewatch.frames import PARTS, SPANS
from ingest import traces as module
from ingest.spantree import Span, parts
from ingest.traces import Traces, read_traces

AT = 1781008496.0
ARN = "arn:aws:apigateway:eu-west-1::/restapis/a1b2c3d4e5/stages/prod"


def segment(ident: str, start: float, end: float, **more: Any) -> dict[str, Any]:
    """Times in ms after AT."""
    return {"id": ident, "start_time": AT + start / 1000, "end_time": AT + end / 1000, **more}


def gateway(end: float = 233, *below: dict[str, Any], **more: Any) -> dict[str, Any]:
    return segment(
        "gw",
        0,
        end,
        name="orders/prod",
        origin="AWS::ApiGateway::Stage",
        resource_arn=ARN,
        http={
            "request": {"url": "https://x.execute-api.eu-west-1.amazonaws.com/prod/pets/7", "method": "GET"},
            "response": {"status": 200},
        },
        aws={"api_gateway": {"account_id": "123456789012", "rest_api_id": "a1b2c3d4e5", "stage": "prod"}},
        subsegments=list(below),
        **more,
    )


def call(start: float = 3, end: float = 231) -> dict[str, Any]:
    return segment("call", start, end, name="Lambda", namespace="aws", aws={"function_name": "pets"})


def a_lambda(*, cold: float = 0, table: float = 0) -> list[dict[str, Any]]:
    """Service and function of an invocation: from 5 to 230 ms, the function from 10 + cold on."""
    begun = 10 + cold
    below = [segment("init", 10, begun, name="Initialization")] if cold else []
    inside = [segment("db", begun, begun + table, name="DynamoDB", namespace="aws", aws={"table_name": "orders"})]
    below.append(segment("inv", begun, 229, name="Invocation", subsegments=inside if table else []))
    return [
        segment("svc", 5, 230, name="pets", origin="AWS::Lambda", parent_id="call"),
        segment("fn", begun, 229, name="pets", origin="AWS::Lambda::Function", parent_id="svc", subsegments=below),
    ]


def trace(*segments: dict[str, Any], ident: str = "1-6a280870-1f2e3d4c5b6a798801234567") -> dict[str, Any]:
    return {"Id": ident, "Segments": [{"Id": one["id"], "Document": json.dumps(one)} for one in segments]}


def read(folder: Path, *rows: object) -> Traces:
    path = folder / "traces.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return read_traces([str(path)])


def times(found: Traces) -> dict[tuple[str, str | None], float]:
    return {(row["part"], row["name"]): round(row["ms"], 1) for row in found.table.to_pylist()}


def test_a_trace_is_taken_apart_into_gateway_init_handler_and_downstream(tmp_path: Path) -> None:
    found = read(tmp_path, trace(gateway(233, call()), *a_lambda(cold=80, table=90)))
    assert found.table.schema == SPANS
    assert times(found) == {
        ("gateway", None): 5.0,
        ("integration", "pets"): 9.0,
        ("init", "pets"): 80.0,
        ("downstream", "DynamoDB orders"): 90.0,
        ("handler", "pets"): 49.0,
    }
    row = found.table.to_pylist()[0]
    assert (row["account"], row["region"], row["api"], row["stage"]) == (
        "123456789012",
        "eu-west-1",
        "a1b2c3d4e5",
        "prod",
    )
    assert (row["route"], row["status"]) == ("GET /pets/{id}", 200)
    assert row["total_ms"] == pytest.approx(233, abs=0.01)


def test_a_back_end_by_http_is_the_integration_or_the_service_that_it_traces(tmp_path: Path) -> None:
    http = {"request": {"url": "https://pets.example.com/x", "method": "GET"}}
    bare = gateway(100, segment("call", 10, 90, name="pets.example.com", namespace="remote", http=http))
    assert times(read(tmp_path, trace(bare))) == {("gateway", None): 20.0, ("integration", "pets.example.com"): 80.0}
    service = segment("ecs", 20, 85, name="pets-service", origin="AWS::ECS::Container", parent_id="call")
    service["subsegments"] = [segment("sql", 30, 80, name="orders@db.example.com", namespace="remote")]
    assert times(read(tmp_path, trace(bare, service))) == {
        ("gateway", None): 20.0,
        ("integration", "pets.example.com"): 15.0,
        ("handler", "pets-service"): 15.0,
        ("downstream", "orders@db.example.com"): 50.0,
    }


def test_an_authorizer_is_told_from_the_back_end(tmp_path: Path) -> None:
    asked = segment("auth", 1, 41, name="Lambda", namespace="aws", aws={"function_name": "my-authorizer"})
    assert times(read(tmp_path, trace(gateway(100, asked, call(45, 95))))) == {
        ("gateway", None): 10.0,
        ("authorizer", "my-authorizer"): 40.0,
        ("integration", "pets"): 50.0,
    }


def a_span(ident: str, parent: str | None, start: float, end: float, **more: Any) -> dict[str, Any]:
    nanos = int(AT * 1e9)
    return {
        "traceId": "6a2808701f2e3d4c5b6a798801234567",
        "spanId": ident,
        "parentSpanId": parent,
        "startTimeUnixNano": nanos + int(start * 1e6),
        "endTimeUnixNano": nanos + int(end * 1e6),
        "name": ident,
        "kind": "INTERNAL",
        **more,
    }


def spans() -> list[dict[str, Any]]:
    stage = {"cloud.platform": "aws_api_gateway", "cloud.resource_id": ARN, "cloud.account.id": "123456789012"}
    asked = {"http.request.method": "GET", "url.path": "/prod/pets/7", "http.response.status_code": 200}
    table = {"aws.remote.service": "DynamoDB", "aws.remote.resource.identifier": "orders"}
    function = {"cloud.platform": "aws_lambda", "faas.name": "pets"}
    return [
        a_span("db", "fn", 90, 180, kind="CLIENT", attributes=table),
        a_span("gw", None, 0, 233, kind="SERVER", resource={"attributes": stage}, attributes=asked),
        a_span("call", "gw", 3, 231, kind="CLIENT", attributes={"faas.invoked_name": "pets"}),
        a_span("fn", "call", 10, 229, kind="SERVER", resource={"attributes": function}),
        a_span("Init", "fn", 10, 90),
    ]


def test_spans_of_a_trace_may_stand_anywhere(tmp_path: Path) -> None:
    expected = {
        ("gateway", None): 5.0,
        ("integration", "pets"): 9.0,
        ("init", "pets"): 80.0,
        ("handler", "pets"): 49.0,
        ("downstream", "DynamoDB orders"): 90.0,
    }
    for order in (1, -1):
        found = read(tmp_path, *spans()[::order])
        assert times(found) == expected
        assert found.table.column("route").to_pylist()[0] == "GET /pets/{id}"


def test_traces_without_a_stage_are_counted_apart(tmp_path: Path) -> None:
    found = read(tmp_path, trace(*a_lambda()), trace(gateway(), ident="b"))
    assert (found.traced, found.elsewhere, found.records) == (1, 1, 2)


def test_what_is_in_progress_is_passed_over(tmp_path: Path) -> None:
    open_ = {**call(), "in_progress": True}
    del open_["end_time"]
    assert times(read(tmp_path, trace(gateway(100, open_)))) == {("gateway", None): 100.0}


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("{cut", "not JSON"),
        ({"Id": 3}, "no trace"),
        ({"Id": "x", "Segments": [{"Id": "y"}]}, "a segment has no Document"),
        ({"Id": "x", "Segments": [{"Document": "{"}]}, "Document is not JSON"),
        ({"Id": "x", "Segments": [{"Document": "3"}]}, "no JSON object"),
        ({"traceId": "x", "spanId": "y"}, "without startTimeUnixNano"),
        (a_span("gw", None, 5, 1), "times that cannot be"),
        ({**a_span("gw", None, 0, 1), "spanId": 7}, "without spanId"),
    ],
)
def test_a_bad_record_is_named_and_the_others_count(tmp_path: Path, bad: object, why: str) -> None:
    found = read(tmp_path, trace(gateway()), bad, trace(gateway(), ident="b"))
    assert found.traced == 2
    assert found.rejects.count == 1
    assert why in found.rejects.named[0]


def test_a_file_without_one_trace_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"traces\.jsonl: line 1: no trace"):
        read(tmp_path, {"a": 1})


def test_too_many_traces_are_thinned_by_their_ids_whatever_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 40)
    monkeypatch.setattr(module, "_FLUSH", 8)
    rows = [trace(gateway(), ident=f"t{number}") for number in range(200)]
    kept = []
    for order in (1, -1):
        found = read(tmp_path, *rows[::order])
        kept.append(set(found.table.column("trace_id").to_pylist()))
        assert found.thinned in (8, 16)
        assert found.table.num_rows <= 40
    assert kept[0] == kept[1] != set()


MS = st.floats(0, 100)
PIECES = st.lists(
    st.tuples(st.integers(0, 9), MS, MS, st.sampled_from(["x", "Init", "Lambda"]), st.booleans()), max_size=9
)


@given(PIECES)
def test_parts_always_add_up_to_the_whole(pieces: list[tuple[int, float, float, str, bool]]) -> None:
    root = Span("0", None, "gw", AT, AT + 0.08)
    below = [
        Span(str(at + 1), str(parent), name, AT + min(a, b) / 1000, AT + max(a, b) / 1000, None, remote)
        for at, (parent, a, b, name, remote) in enumerate(pieces)
    ]
    found = parts(root, [root, *below])
    assert sum(ms for *_, ms in found) == pytest.approx(80, abs=1e-3)
    assert {part for part, *_ in found} <= set(PARTS)
