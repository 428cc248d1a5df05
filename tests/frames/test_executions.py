"""A request's cause comes from the execution log only where the access log knew none, and only for the same request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from gatewatch.frames import EXECUTIONS, REQUESTS
from gatewatch.frames.executions import refined

AT = datetime(2026, 6, 9, 12, 0, tzinfo=UTC)


def requests(**values: Any) -> pa.Table:
    row = {"at": AT, "api": "a1", "status": 429, "request_id": "r1", "extended_request_id": "x1"}
    return pa.Table.from_pylist(
        [row | {"reject_cause": "throttle", "throttle_scope": "unknown"} | values], schema=REQUESTS
    )


def executions(**values: Any) -> pa.Table:
    row = {"at": AT, "api": "a1", "request_id": "r1", "extended_request_id": "x1"}
    told = {"reject_cause": "throttle", "throttle_scope": "plan"}
    return pa.Table.from_pylist([row | told | values], schema=EXECUTIONS)


def outcome(table: pa.Table) -> tuple[str | None, str | None]:
    (row,) = table.to_pylist()
    return row["reject_cause"], row["throttle_scope"]


def test_a_limit_that_was_not_known_is_named() -> None:
    found = refined(requests(), executions())
    assert outcome(found) == ("throttle", "plan")
    assert found.schema == REQUESTS
    assert outcome(refined(requests(), executions(reject_cause="quota", throttle_scope=None))) == ("quota", None)


def test_a_refusal_without_a_cause_gets_one() -> None:
    bare = {"status": 401, "reject_cause": "unknown", "throttle_scope": None}
    denied = {"reject_cause": "authorizer_deny", "throttle_scope": None}
    assert outcome(refined(requests(**bare), executions(**denied))) == ("authorizer_deny", None)


@pytest.mark.parametrize(
    ("request_", "execution"),
    [
        ({"throttle_scope": "method"}, {}),  # the access log knew
        ({"reject_cause": "policy_deny", "throttle_scope": None}, {}),
        ({}, {"reject_cause": "authorizer_deny", "throttle_scope": None}),  # speaks of something else than a limit
        ({}, {"extended_request_id": "x2"}),  # a client chose the same requestId again
        ({"extended_request_id": None}, {"extended_request_id": None, "at": AT + timedelta(minutes=5)}),
        ({}, {"api": "a2"}),
        ({"status": 200, "reject_cause": "unknown"}, {}),
    ],
)
def test_what_is_known_stays_and_others_do_not_count(request_: dict[str, Any], execution: dict[str, Any]) -> None:
    before = requests(**request_)
    assert refined(before, executions(**execution)).equals(before)


def test_without_the_extended_id_the_time_has_to_fit() -> None:
    near = executions(extended_request_id=None, at=AT + timedelta(seconds=20))
    assert outcome(refined(requests(), near)) == ("throttle", "plan")
