"""The policy of a connection's sources is the calls that they make: no more, no fewer, and no key's value."""

from __future__ import annotations

import fnmatch
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from gatewatch.cli import main
from ingest.aws.inventory import pull_inventory
from ingest.aws.metrics import pull_metrics
from ingest.aws.policy import policy, trust
from ingest.aws.session import Aws
from ingest.aws.trail import pull_changes
from ingest.aws.xray import pull_traces
from tests.awsdouble import Answer, Call, Double
from tests.ingest.aws.conftest import REGION
from tests.ingest.aws.test_inventory import _made  # noqa: F401  the fixture

NOW = datetime.now(UTC)
_FREE = {"sts:GetCallerIdentity"}  # AWS asks for no right


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
        return {"/TraceSummaries": "xray:GetTraceSummaries", "/Traces": "xray:BatchGetTraces"}[path], "*"
    return f"{ {'monitoring': 'cloudwatch'}.get(call.service, call.service) }:{call.name}", "*"


def matches(statement: dict[str, Any], action: str, resource: str) -> bool:
    return action in statement["Action"] and any(fnmatch.fnmatchcase(resource, one) for one in statement["Resource"])


@pytest.mark.parametrize("keys", [False, True])
def test_the_policy_is_the_calls_that_are_made(aws: Aws, double: Double, made: dict[str, str], keys: bool) -> None:
    aws.client("cloudwatch", REGION).put_metric_data(
        Namespace="AWS/ApiGateway",
        MetricData=[
            {
                "MetricName": "Count",
                "Value": 1.0,
                "Dimensions": [{"Name": "ApiName", "Value": "orders"}, {"Name": "Stage", "Value": "prod"}],
            }
        ],
    )

    def answer(call: Call) -> Answer | None:
        if call.name.startswith("POST /TraceSummaries"):
            return 200, {"TraceSummaries": [{"Id": "1-5759e988-bd862e3fe1be46a994272793"}]}
        return None

    double.answers.append(answer)
    double.calls.clear()
    pull_inventory(aws, REGION, NOW, keys=keys)
    pull_changes(aws, REGION, None, NOW)
    pull_metrics(aws, REGION, None, NOW)
    pull_traces(aws, REGION, None, NOW)
    calls = {needed(call) for call in double.calls} - {(action, "*") for action in _FREE}
    sources = ("inventory", "changes", "metrics", "traces", *(["keys"] if keys else []))
    statements = policy(sources, regions=[REGION])["Statement"]
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


def test_no_action_is_a_wildcard_and_key_values_are_denied() -> None:
    for one in policy(("inventory", "changes", "metrics", "traces", "keys"))["Statement"]:
        assert all("*" not in action for action in one["Action"])
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
