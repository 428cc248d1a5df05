"""A finding about refused requests says which limit or authorizer the execution log names, and nothing of others'."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from detect.executed import executed
from gatewatch.frames import EXECUTIONS
from gatewatch.records import Cause, Entities, Evidence, Finding, Kind, Severity

AT = datetime(2026, 6, 9, 12, 0, tzinfo=UTC)
END = AT + timedelta(hours=1)


def finding(kind: Kind = Kind.THROTTLING_ABUSE) -> Finding:
    evidence = Evidence(40.0, 0.0, "requests answered 429", "40 requests were answered 429.")
    return Finding(
        "one", "f", kind, "shared_limit", Severity.HIGH, 1.0, 0.7, "t", "1", "r", "a1", "prod", None, AT, None, AT,
        Entities(), Cause.UNKNOWN, evidence, "",
    )  # fmt: skip


def told(*rows: dict[str, Any]) -> pa.Table:
    usual = {"at": AT + timedelta(minutes=1), "account": None, "api": "a1", "stage": "prod"}
    return pa.Table.from_pylist([usual | row for row in rows], schema=EXECUTIONS)


PLAN = {
    "reject_cause": "throttle",
    "throttle_scope": "plan",
    "said": "Key throttle limit exceeded for Usage Plan ID nn",
}
METHOD = {"reject_cause": "throttle", "throttle_scope": "method", "said": "x"}
DENIED = {"reject_cause": "authorizer_deny", "authorizer": "z4nj0a", "said": None}


def test_the_limit_is_named_in_the_gateways_words() -> None:
    others = ({**METHOD, "api": "a2"}, {**METHOD, "at": AT - timedelta(minutes=1)}, DENIED)
    found = executed(finding(), told(PLAN, PLAN, METHOD, *others), END)
    assert found.evidence.facts["execution_log"] == {
        "requests": 3,
        "causes": {"throttle": 3},
        "scopes": {"method": 1, "plan": 2},
    }
    assert found.evidence.sentence == (
        "40 requests were answered 429. The execution log names a usage plan's rate in 2 of 3 of them: “Key throttle "
        "limit exceeded for Usage Plan ID nn”."
    )


def test_a_quota_is_a_limit_too() -> None:
    rows = [{"reject_cause": "quota", "said": "Key quota exhausted"}] * 2
    assert "names a usage plan's quota in 2 of 2" in executed(finding(), told(*rows), END).evidence.sentence


def test_refusals_of_an_authorizer_are_named() -> None:
    found = executed(finding(Kind.AUTH_FAILURE_SPIKE), told(DENIED, PLAN), END)
    facts = found.evidence.facts["execution_log"]
    assert facts == {"requests": 1, "causes": {"authorizer_deny": 1}, "authorizers": {"z4nj0a": 1}}
    assert found.evidence.sentence.endswith("The execution log names authorizer deny in 1 of 1 of them.")


def test_without_one_a_finding_stays_as_it_is() -> None:
    one = finding()
    for rows in (None, told(), told(DENIED)):
        assert executed(one, rows, END) is one
    late = replace(one, kind=Kind.LATENCY_OUTLIER)
    assert executed(late, told(PLAN), END) is late
