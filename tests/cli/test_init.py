"""init leads from nothing to followed logs, asked or by options; what is refused is said, and it may be run again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from gatewatch.cli import main
from tests.awsdouble import KEYS, Answer, Call, Double, aws_double

REGION = "eu-west-1"
GROUP = f"arn:aws:logs:{REGION}:123456789012:log-group:/aws/apigw/pets"
FORMAT = '{"id":"$context.requestId","status":"$context.status"}'


@pytest.fixture(name="double")
def _double(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Double]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    fast = dict.fromkeys(("apigateway", "cloudtrail", "cloudwatch", "xray", "sts", "acm", "lambda", "cognito-idp"), 1e4)
    monkeypatch.setenv("GATEWATCH_AWS_RATES", json.dumps(fast))
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "data"))
    with aws_double() as double:
        monkeypatch.setenv("GATEWATCH_AWS_ENDPOINT_URL", double.url)
        second = boto3.client("apigatewayv2", region_name=REGION, endpoint_url=double.url)
        api = second.create_api(Name="pets", ProtocolType="HTTP")["ApiId"]
        second.create_stage(ApiId=api, StageName="prod", AccessLogSettings={"DestinationArn": GROUP, "Format": FORMAT})
        second.create_stage(ApiId=api, StageName="dev")
        yield double


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    capsys.readouterr()
    assert main(list(arguments)) == code
    return capsys.readouterr()


def test_options_alone_lead_to_followed_logs_and_again_changes_nothing(
    double: Double, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "old").mkdir()
    told = run(capsys, "init", "--yes", "--region", REGION, "--logs-from", str(tmp_path / "old"))
    assert "AWS: account 123456789012, eu-west-1" in told.out
    assert "stages: 2, of which 1 write access logs" in told.out
    assert "source: aws.apigw.pets follows" in told.out
    assert "a month at list price" in told.err
    assert "/dev --patch cli" in told.err
    listed = json.loads(run(capsys, "sources", "list", "--format", "json").out)["sources"]
    assert {(one["kind"], one["location"]) for one in listed} == {
        ("cloudwatch_logs", GROUP),
        ("files", str(tmp_path / "old")),
    }
    again = run(capsys, "init", "--yes", "--region", REGION)
    assert "the connection main is there already" in again.out
    assert len(json.loads(run(capsys, "sources", "list", "--format", "json").out)["sources"]) == 2


def test_what_is_refused_is_said_and_exits_3(double: Double, capsys: pytest.CaptureFixture[str]) -> None:
    double.deny("xray")
    told = run(capsys, "init", "--yes", "--region", REGION, code=3)
    assert "AWS: traces: xray:GetTraceSummaries" in told.out
    assert "gatewatch iam-policy" in told.err
    role = "arn:aws:iam::123456789012:role/gatewatch"
    told = run(capsys, "init", "--yes", "--name", "shop", "--role-arn", role, "--region", REGION, code=3)
    assert told.out.count("gatewatch-") == 1  # the external id, once
    assert "can be assumed without the external id" in told.out


def test_without_aws_and_without_anybody_to_ask(
    double: Double, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked = len(double.calls)
    assert "store: " in run(capsys, "init", "--yes", "--no-aws").out
    assert len(double.calls) == asked
    assert "give --yes" in run(capsys, "init", code=2).err
    assert "no such folder" in run(capsys, "init", "--yes", "--no-aws", "--logs-from", str(tmp_path / "x"), code=2).err


def test_somebody_who_is_asked_decides(
    double: Double, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([True, REGION, "", False])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", lambda *_, **__: next(answers))
    monkeypatch.setattr("click.prompt", lambda *_, **__: next(answers))
    told = run(capsys, "init")
    assert "stages: 2" in told.out
    assert "follows" not in told.out
    assert next(answers, None) is None


def test_execution_logs_and_spans_are_offered_where_they_are(
    double: Double, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = boto3.client("apigateway", region_name=REGION, endpoint_url=double.url)
    api = rest.create_rest_api(name="orders")["id"]
    root = rest.get_resources(restApiId=api)["items"][0]["id"]
    rest.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
    rest.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK")
    rest.create_deployment(restApiId=api, stageName="prod")
    on = [{"op": "replace", "path": "/*/*/logging/loglevel", "value": "ERROR"}]
    rest.update_stage(restApiId=api, stageName="prod", patchOperations=on)

    def answer(call: Call) -> Answer | None:
        asked = call.name == "POST /GetTraceSegmentDestination"
        return (200, {"Destination": "CloudWatchLogs", "Status": "ACTIVE"}) if asked else None

    double.answers.append(answer)
    groups = [f"API-Gateway-Execution-Logs_{api}/prod", "aws/spans"]
    told = run(capsys, "init", "--yes", "--region", REGION)
    assert "follows" in told.out
    assert not any(f"log-group:{group}" in told.out for group in groups)  # unasked: they may be large
    assert all(f":log-group:{group}' --connection main" in told.err for group in groups)
    told = run(capsys, "init", "--yes", "--region", REGION, "--execution-logs", "--no-spans")
    assert f"follows arn:aws:logs:{REGION}:123456789012:log-group:{groups[0]}" in told.out
    assert "aws/spans" not in told.out + told.err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    asked: list[str] = []

    def yes(text: str, **_: object) -> bool:
        asked.append(text)
        return True

    monkeypatch.setattr("click.confirm", yes)
    run(capsys, "init", "--aws", "--region", REGION, "--role-arn", "")
    assert [("execution log" in text, "spans" in text) for text in asked[1:]] == [(True, False), (False, True)]
    listed = json.loads(run(capsys, "sources", "list", "--format", "json").out)["sources"]
    assert {one["location"].partition(":log-group:")[2] for one in listed} >= set(groups)
