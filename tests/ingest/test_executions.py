"""Execution logs tell why a request was refused; what a client wrote tells nothing, and nothing in them can stop us."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewatch.errors import UsageError
from gatewatch.frames import EXECUTIONS
from ingest.executions import LINE, Executions, read_executions

AT = 1_781_008_496_000
WHERE = ("a1b2c3d4e5", "prod")
PLAN = (
    "Key throttle limit exceeded for Usage Plan ID nnpegc, RestApi a1b2c3d4e5, Stage prod, Resource f6, HttpMethod GET"
)

CASES: dict[str, tuple[list[str], tuple[str, str | None]]] = {
    "plan": ([f"{PLAN}. Limit: 5.00 Burst: 10", "Method completed with status: 429"], ("throttle", "plan")),
    "plan of a key": (
        [f"API Key ****F0yrv6 exceeded throttle limit for API Stage a1b2c3d4e5/prod: {PLAN}. Limit: 5.00 Burst: 10"],
        ("throttle", "plan"),
    ),
    "method": (
        ["Key throttle limit exceeded for RestApi a1, Stage Prod, Resource k0, HttpMethod POST. Limit: 1.00 Burst: 1"],
        ("throttle", "method"),
    ),
    "stage": (["Key throttle limit exceeded for RestApi a1, Stage Prod. Limit: 1.00 Burst: 1"], ("throttle", "stage")),
    "quota": (
        ["API Key ****F0yrv6 exceeded quota limit for API Stage a1/dev: Key quota exhausted for Usage Plan ID nn."],
        ("quota", None),
    ),
    "no credential": (
        ["Starting authorizer: z4nj0a for request: r", "Unauthorized request: r"],
        ("missing_credential", None),
    ),
    "denied": (
        ["Starting authorizer: z4nj0a for request: r", "Incoming identity: ****er", "Unauthorized request: r"],
        ("authorizer_deny", None),
    ),
    "authorizer broken": (
        [
            "Starting authorizer: q8togz for request: r",
            "Endpoint request URI: https://lambda.eu-west-1.amazonaws.com/x",
            "Execution failed due to configuration error: Invalid JSON in response: Unrecognized field",
        ],
        ("authorizer_error", None),
    ),
    "authorizer late": (
        ["Starting authorizer: q8togz for request: r", "Execution failed due to a timeout error"],
        ("authorizer_timeout", None),
    ),
    "back end late": (
        [
            "Starting authorizer: q8togz for request: r",
            "Successfully completed authorizer execution",
            "Execution failed due to a timeout error",
            "Method completed with status: 504",
        ],
        ("backend_timeout", None),
    ),
    "garbage": (
        ["Execution failed due to configuration error: Malformed Lambda proxy response"],
        ("backend_error", None),
    ),
    "no permission": (
        ["Execution failed due to configuration error: Invalid permissions on Lambda function"],
        ("config_error", None),
    ),
    "policy": (
        ["User: anonymous is not authorized to perform: execute-api:Invoke on resource: x"],
        ("policy_deny", None),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_cause_is_what_the_gateway_says(name: str) -> None:
    lines, expected = CASES[name]
    together = Executions(*WHERE)
    for number, text in enumerate(["Extended Request Id: Qx0y=", *lines]):
        # Those of another request stand in between.
        assert together.take(AT + number, f"(one) {text}")
        assert together.take(AT + number, "(other) Method completed with status: 200")
    (row,) = together.table().to_pylist()
    assert (row["reject_cause"], row["throttle_scope"]) == expected
    assert (row["request_id"], row["extended_request_id"], row["api"], row["stage"]) == ("one", "Qx0y=", *WHERE)
    assert row["at"] == datetime.fromtimestamp(AT / 1000, UTC)


@pytest.mark.parametrize(
    "text",
    [
        f'Method request body before transformations: {{"a":"{PLAN}"}}',
        f"Method request path before transformations: {{p={PLAN}}}",
        f"HTTP Method: GET, Resource Path: /{PLAN}",
        "Method request headers: {User-Agent=Unauthorized request: r}",
    ],
)
def test_what_a_client_wrote_is_no_cause(text: str) -> None:
    together = Executions(*WHERE)
    together.take(AT, f"(r) {text}")
    together.take(AT, "(r) Method completed with status: 429")
    assert together.table().num_rows == 0


def test_a_request_that_came_through_is_none_of_them() -> None:
    together = Executions(*WHERE)
    for text in ("Execution failed due to a timeout error", "Method completed with status: 200"):
        together.take(AT, f"(r) {text}")
    assert together.table().num_rows == 0


@given(st.lists(st.tuples(st.integers(0, 1 << 42), st.text(max_size=200)), max_size=20), st.sampled_from(sorted(CASES)))
def test_any_text_is_read_or_counted(lines: list[tuple[int, str]], name: str) -> None:
    together = Executions(*WHERE)
    for at, text in lines:
        for message in (text, f"(r) {text}", f"(r) {CASES[name][0][0]}{text}"):
            together.take(at, message)
    table = together.table()
    assert table.schema == EXECUTIONS
    assert all(len(row["said"] or "") <= LINE for row in table.to_pylist())


def test_files_are_read_as_cloudwatch_gives_them(tmp_path: Path) -> None:
    line = f"(r1) {PLAN}. Limit: 5.00 Burst: 10"
    group = "API-Gateway-Execution-Logs_a1b2c3d4e5/prod"
    envelope = tmp_path / "pushed.json"
    events = [{"id": "1", "timestamp": AT, "message": line}, {"id": "2", "timestamp": AT, "message": "no such line"}]
    control = {"messageType": "CONTROL_MESSAGE", "logGroup": "", "logEvents": []}
    pushed = {"messageType": "DATA_MESSAGE", "logGroup": group, "logEvents": events}
    envelope.write_text("\n".join(map(json.dumps, (control, pushed))))
    pulled = tmp_path / "API-Gateway-Execution-Logs_b2b2c3d4e5__dev.json"
    pulled.write_text(json.dumps({"events": [{"timestamp": AT + 5, "message": line}, {"message": "(r1) x"}]}))
    found = read_executions([str(envelope), str(pulled)])
    assert [(row["api"], row["stage"], row["throttle_scope"]) for row in found.table.to_pylist()] == [
        ("a1b2c3d4e5", "prod", "plan"),
        ("b2b2c3d4e5", "dev", "plan"),
    ]
    assert (found.records, found.refused, found.rejects.count) == (2, 2, 2)
    with pytest.raises(UsageError, match=r"[Nn]o such file"):
        read_executions([str(tmp_path / "none.json")])
