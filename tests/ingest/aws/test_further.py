"""Alarms and their history, AWS Config's history and AWS/Usage come over HTTP, each once, into timeline and metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from gatewatch.connecting import Accounts
from gatewatch.jobs import tick
from gatewatch.polling import poll
from gatewatch.settings import Settings
from gatewatch.store.changes import changes
from gatewatch.store.connections import AwsConnection, save_connection
from gatewatch.store.findings import FindingFilter, list_findings
from gatewatch.store.points import read_points
from gatewatch.store.state import State, open_state
from gatewatch.surroundings import causes
from tests.awsdouble import Answer, Call, Double

REGION = "eu-west-1"
NOW = datetime.now(UTC).replace(second=30, microsecond=0)


@pytest.fixture(name="state")
def _state(double: Double, tmp_path: Path) -> Iterator[State]:
    fast = dict.fromkeys(("apigateway", "cloudwatch", "config", "sts"), 1e4)
    opened = open_state(Settings(data_dir=tmp_path / "data", aws_endpoint_url=double.url, aws_rates=fast))
    yield opened
    opened.close()


def asked(state: State, *sources: str, at: datetime = NOW) -> dict[str, str]:
    """Ask for these; what failed."""
    one = AwsConnection("main", None, None, None, (REGION,), sources, NOW)
    state.run(lambda session: save_connection(session, one))
    done = poll(state, Accounts(state, state.settings), at, force=True)
    return {one.source: one.error for one in done if one.error}


def told(state: State) -> list[Any]:
    with state.read() as session:
        return changes(session)


def test_alarms_over_api_gateway_and_their_history_are_events_and_no_causes(double: Double, state: State) -> None:
    api = boto3.client("apigateway", region_name=REGION, endpoint_url=double.url).create_rest_api(name="orders")["id"]
    cloudwatch = boto3.client("cloudwatch", region_name=REGION, endpoint_url=double.url)
    where = [{"Name": "ApiName", "Value": "orders"}, {"Name": "Stage", "Value": "prod"}]
    for name, namespace in (("errors", "AWS/ApiGateway"), ("disk", "AWS/EC2")):
        cloudwatch.put_metric_alarm(
            AlarmName=name, Namespace=namespace, MetricName="5XXError", Dimensions=where, Period=60, Statistic="Sum",
            EvaluationPeriods=1, Threshold=1.0, ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip
    pages = [[("errors", "OK", "ALARM", 30), ("disk", "OK", "ALARM", 29)], [("errors", "ALARM", "OK", 10)]]

    def answer(call: Call) -> Answer | None:
        if call.name != "DescribeAlarmHistory":
            return None
        number = int(call.body.get("NextToken") or 0)
        items = [
            {
                "AlarmName": name,
                "HistoryItemType": "StateUpdate",
                "Timestamp": (NOW - timedelta(minutes=ago)).timestamp(),
                "HistorySummary": f"Alarm updated from {old} to {new}",
                "HistoryData": json.dumps(
                    {"oldState": {"stateValue": old}, "newState": {"stateValue": new, "stateReason": "1 > 0"}}
                ),
            }
            for name, old, new, ago in pages[number]
        ]
        return 200, {"AlarmHistoryItems": items, **({"NextToken": "1"} if number == 0 else {})}

    double.answers.append(answer)
    assert asked(state, "inventory", "alarms") == {}
    assert asked(state, "inventory", "alarms", at=NOW + timedelta(minutes=5)) == {}
    events = told(state)
    assert [one.change.what for one in events] == ["alarm errors: OK -> ALARM", "alarm errors: ALARM -> OK"]
    assert {one.change.resource for one in events} == {f"{api}/prod"}
    assert events[0].detail == {"alarm": "errors", "before": "OK", "after": "ALARM", "reason": "1 > 0"}
    assert causes(events) == []


def item(minutes: int, status: str = "OK", **configuration: Any) -> dict[str, Any]:
    return {
        "configurationItemCaptureTime": (NOW - timedelta(minutes=minutes)).timestamp(),
        "configurationItemStatus": status,
        "accountId": "123456789012",
        "awsRegion": REGION,
        "configuration": json.dumps({"tracingEnabled": True, **configuration}),
    }


def test_what_config_recorded_is_told_with_before_and_after(double: Double, state: State) -> None:
    rest = boto3.client("apigateway", region_name=REGION, endpoint_url=double.url)
    api = rest.create_rest_api(name="orders")["id"]
    items = [item(90), item(60, tracingEnabled=False), item(60 - 1, "ResourceDeleted")]
    questions: list[Any] = []

    def answer(call: Call) -> Answer | None:
        if call.name != "GetResourceConfigHistory":
            return None
        questions.append(call.body)
        if call.body["resourceId"] != api:
            return 400, {"__type": "ResourceNotDiscoveredException", "message": "no"}
        past = call.body["chronologicalOrder"] == "Reverse"
        return 200, {"configurationItems": items[:1] if past else items[1:]}

    double.answers.append(answer)
    assert asked(state, "inventory") == {}
    assert asked(state, "config") == {}
    assert asked(state, "config", at=NOW + timedelta(hours=1)) == {}
    changed, gone = told(state)
    assert changed.change.what == "AWS::ApiGateway::RestApi /tracingEnabled: true -> false"
    assert changed.detail["differences"] == [{"path": "/tracingEnabled", "before": "true", "after": "false"}]
    assert gone.change.what.endswith("was deleted")
    assert changed.change.resource == api
    assert [one["resourceType"] for one in questions[:1]] == ["AWS::ApiGateway::RestApi"]


def test_what_config_recorded_is_a_finding_after_one_poll(double: Double, state: State) -> None:
    rest = boto3.client("apigateway", region_name=REGION, endpoint_url=double.url)
    api = rest.create_rest_api(name="orders")["id"]
    root = rest.get_resources(restApiId=api)["items"][0]["id"]
    rest.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="AWS_IAM")
    rest.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK")
    deployment = rest.create_deployment(restApiId=api)["id"]
    rest.create_stage(restApiId=api, stageName="prod", deploymentId=deployment)
    items = [item(90, webAclArn="arn:aws:wafv2:x"), item(60)]

    def answer(call: Call) -> Answer | None:
        if call.name != "GetResourceConfigHistory":
            return None
        if not call.body["resourceId"].endswith("/stages/prod"):
            return 400, {"__type": "ResourceNotDiscoveredException", "message": "no"}
        past = call.body["chronologicalOrder"] == "Reverse"
        return 200, {"configurationItems": items[:1] if past else items[1:]}

    double.answers.append(answer)
    assert asked(state, "inventory", "config") == {}
    assert tick(state, state.settings, NOW).new == 1
    with state.read() as session:
        (found,) = list_findings(session, FindingFilter(state="open")).items
    assert (found.finding.subtype, found.finding.api, found.finding.stage) == ("waf_detached", api, "prod")
    assert "web ACL: arn:aws:wafv2:x -> (none), seen by AWS Config" in found.finding.evidence.sentence


def test_config_that_is_off_is_one_line(double: Double, state: State) -> None:
    boto3.client("apigateway", region_name=REGION, endpoint_url=double.url).create_rest_api(name="orders")
    double.refuse("config", "GetResourceConfigHistory", 400, "NoAvailableConfigurationRecorderException")
    assert asked(state, "inventory") == {}
    assert "turn on its recorder" in asked(state, "config", "inventory")["config"]


def test_calls_to_the_management_are_metrics_of_their_own(double: Double, state: State) -> None:
    cloudwatch = boto3.client("cloudwatch", region_name=REGION, endpoint_url=double.url)
    for service in ("API Gateway", "DynamoDB"):
        where = {"Service": service, "Type": "API", "Resource": "GetRestApis", "Class": "None"}
        cloudwatch.put_metric_data(
            Namespace="AWS/Usage",
            MetricData=[
                {
                    "MetricName": "CallCount",
                    "Dimensions": [{"Name": name, "Value": value} for name, value in where.items()],
                    "Timestamp": NOW - timedelta(minutes=30),
                    "Value": 5.0,
                }
            ],
        )
    assert asked(state, "usage") == {}
    (row,) = read_points(state).to_pylist()
    assert (row["namespace"], row["metric"], row["value"]) == ("AWS/Usage", "CallCount", 5.0)
    assert "API Gateway" in row["dimensions"]
    before = len(double.names("monitoring"))
    assert asked(state, "metrics") == {}
    assert "AWS/Usage" not in str([call.body for call in double.calls if call.service == "monitoring"][before:])
