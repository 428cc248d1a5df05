"""The policy of a connection's sources is the calls that they make: no more, no fewer, and no key's value."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from gatewatch.cli import main
from ingest.aws.alarms import pull_alarms
from ingest.aws.config import pull_config, recorded
from ingest.aws.inventory import pull_inventory
from ingest.aws.metrics import USAGE, pull_metrics
from ingest.aws.policy import SOURCES, policy, trust
from ingest.aws.session import Aws
from ingest.aws.trail import pull_changes
from ingest.aws.trial import CALLS, try_rights
from ingest.aws.xray import pull_traces
from tests.awsdouble import Answer, Call, Double
from tests.ingest.aws.conftest import REGION
from tests.ingest.aws.test_inventory import _made  # noqa: F401  the fixture

NOW = datetime.now(UTC)
_FREE = {"sts:GetCallerIdentity"}  # AWS asks for no right
ADVISED = {"xray:GetTraceSegmentDestination"}
"""What doctor alone asks, to say where traces are."""


def needed(call: Call) -> tuple[str, str]:
    """Action and resource of a recorded call, as IAM names them."""
    path = call.name.partition(" ")[2].partition("?")[0]
    if call.service == "apigateway":
        verb = call.name.split(" ")[0]
        return f"apigateway:{verb}", f"arn:aws:apigateway:{REGION}::{path.removeprefix('/v2')}"
    if call.service == "lambda":
        assert re.fullmatch(r"/2015-03-31/functions/.+/policy", path)
        return "lambda:GetPolicy", "*"
    if call.service == "xray":
        known = {"/TraceSummaries": "GetTraceSummaries", "/Traces": "BatchGetTraces"}
        return f"xray:{known.get(path, path[1:])}", "*"
    return f"{ {'monitoring': 'cloudwatch'}.get(call.service, call.service) }:{call.name}", "*"


def matches(statement: dict[str, Any], action: str, resource: str) -> bool:
    return action in statement["Action"] and any(fnmatch.fnmatchcase(resource, one) for one in statement["Resource"])


def pulled(aws: Aws, source: str, document: dict[str, Any]) -> None:
    """Ask for one source of a connection, whatever comes of it."""
    pull: dict[str, Callable[[], object]] = {
        "inventory": lambda: pull_inventory(aws, REGION, NOW),
        "keys": lambda: pull_inventory(aws, REGION, NOW, keys=True),
        "changes": lambda: pull_changes(aws, REGION, None, NOW),
        "metrics": lambda: pull_metrics(aws, REGION, None, NOW),
        "traces": lambda: pull_traces(aws, REGION, None, NOW),
        "alarms": lambda: pull_alarms(aws, REGION, None, NOW, {}),
        "config": lambda: pull_config(aws, REGION, recorded(document, REGION), None, NOW),
        "usage": lambda: pull_metrics(aws, REGION, None, NOW, namespaces=USAGE),
    }
    pull[source]()


def equal(statements: list[dict[str, Any]], calls: set[tuple[str, str]]) -> None:
    """Every call is allowed and none denied; nothing is allowed that no call needs."""
    allowed = [one for one in statements if one["Effect"] == "Allow"]
    denied = [one for one in statements if one["Effect"] == "Deny"]
    for action, resource in calls:
        assert any(matches(one, action, resource) for one in allowed), (action, resource)
        assert not any(matches(one, action, resource) for one in denied), (action, resource)
    for one in allowed:
        for action in one["Action"]:
            for resource in one["Resource"]:
                used = any(action == name and fnmatch.fnmatchcase(where, resource) for name, where in calls)
                assert used, (action, resource)


def test_the_policy_is_the_calls_that_each_source_makes(aws: Aws, double: Double, made: dict[str, str]) -> None:
    cloudwatch = aws.client("cloudwatch", REGION)
    stage = [{"Name": "ApiName", "Value": "orders"}, {"Name": "Stage", "Value": "prod"}]
    called = [{"Name": name, "Value": "API Gateway"} for name in ("Service", "Type", "Resource", "Class")]
    for namespace, metric, where in (("AWS/ApiGateway", "Count", stage), ("AWS/Usage", "CallCount", called)):
        cloudwatch.put_metric_data(
            Namespace=namespace, MetricData=[{"MetricName": metric, "Value": 1.0, "Dimensions": where}]
        )
    cloudwatch.put_metric_alarm(
        AlarmName="errors", Namespace="AWS/ApiGateway", MetricName="5XXError", Dimensions=stage, Period=60,
        Statistic="Sum", EvaluationPeriods=1, Threshold=1.0, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip

    def answer(call: Call) -> Answer | None:
        if call.name.startswith("POST /TraceSummaries"):
            return 200, {"TraceSummaries": [{"Id": "1-5759e988-bd862e3fe1be46a994272793"}]}
        return None

    double.answers.append(answer)
    document = pull_inventory(aws, REGION, NOW).document
    assert set(CALLS) == set(SOURCES) - {"cloudwatch_logs", "s3", "sqs"}
    everything: set[tuple[str, str]] = set()
    for source in CALLS:
        double.calls.clear()
        pulled(aws, source, document)
        asked = {needed(call) for call in double.calls}
        assert not any("includeValues=true" in call.name for call in double.calls)
        double.calls.clear()
        assert list(try_rights(aws, REGION, [source], NOW))
        tried = {needed(call) for call in double.calls}
        assert {action for action, _ in tried} <= {action for action, _ in asked} | ADVISED
        calls = (asked | {one for one in tried if one[0] in ADVISED}) - {(action, "*") for action in _FREE}
        everything |= calls
        enabled = ("inventory", "keys") if source == "keys" else (source,)  # keys are read with the inventory
        statements = policy(enabled, regions=[REGION])["Statement"]
        equal(statements, calls)
        for action, resource in tried - {(action, "*") for action in _FREE}:
            assert any(matches(one, action, resource) for one in statements if one["Effect"] == "Allow"), action
    equal(policy(tuple(CALLS), regions=[REGION])["Statement"], everything)


def test_no_action_is_a_wildcard_and_key_values_are_denied() -> None:
    named = ["arn:aws:logs:r:1:log-group:g:*", "arn:aws:s3:::b/*", "arn:aws:sqs:r:1:q"]
    for one in policy(SOURCES, resources=named)["Statement"]:
        assert all("*" not in action for action in one["Action"])
        assert one["Resource"]
    (deny,) = [one for one in policy(("inventory", "keys"))["Statement"] if one["Effect"] == "Deny"]
    for path in ("/apikeys/abc", "/usageplans/p1/keys", "/usageplans/p1/keys/k1"):
        assert matches(deny, "apigateway:GET", f"arn:aws:apigateway:{REGION}::{path}")


def test_log_sources_name_what_they_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["iam-policy", "--source", "s3"]) == 2
    assert "arn:aws:s3:::BUCKET/PREFIX/*" in capsys.readouterr().err
    assert main(["iam-policy", "--source", "s3", "--resource", "arn:aws:s3:::logs/apigw/*"]) == 0
    found = json.loads(capsys.readouterr().out)["Statement"]
    assert [(one["Action"], one["Resource"]) for one in found] == [
        (["s3:GetObject"], ["arn:aws:s3:::logs/apigw/*"]),
        (["s3:ListBucket"], ["arn:aws:s3:::logs"]),
    ]


def test_the_trust_policy_asks_for_the_external_id() -> None:
    (one,) = trust("arn:aws:iam::1:role/hub", "gatewatch-7")["Statement"]
    assert one["Condition"] == {"StringEquals": {"sts:ExternalId": "gatewatch-7"}}
