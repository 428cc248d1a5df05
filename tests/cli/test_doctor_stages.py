"""doctor on the stages of an inventory file: levels, privacy, costs, and the change in four forms."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from gatewatch.cli import main

INVENTORY = {
    "accountId": "123456789012",
    "region": "eu-west-1",
    "restApis": [
        {
            "id": "a1b2c3d4e5",
            "name": "orders",
            "stages": [
                {
                    "stageName": "prod",
                    "accessLogSettings": {
                        "format": '{"id":"$context.requestId","s":"$context.status","k":"$context.identity.apiKey"}',
                        "destinationArn": "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/apigw/orders",
                    },
                }
            ],
        }
    ],
    "httpApis": [{"ApiId": "h1h2h3h4h5", "Name": "pets", "Stages": [{"StageName": "$default"}]}],
}


@pytest.fixture(name="path")
def _path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "data"))
    path = tmp_path / "inventory.json"
    path.write_text(json.dumps(INVENTORY))
    return str(path)


def doctor(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["doctor", *arguments]) == 0
    return capsys.readouterr().out


def test_each_stage_says_what_its_format_shows(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = doctor(capsys, "--inventory", path, "--requests-per-month", "100000000")
    assert "orders/prod (rest API a1b2c3d4e5, eu-west-1)" in text
    lacks = "lacks $context.requestTimeEpoch (when a request came: the log group's own time stands in);"
    assert f"degraded  auth failure spike: {lacks}" in text
    assert "blind     latency outlier: lacks $context.responseLatency (how long it took);" in text
    assert "privacy: $context.identity.apiKey is the API key itself" in text
    assert "log cost a month: $" in text
    assert "writes no access log: every detector is blind" in text


def test_json_has_all_of_it(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(doctor(capsys, "--inventory", path, "--format", "json", "--requests-per-month", "1e6"))
    rest, http = document["stages"]
    assert rest["privacy"][0]["variable"] == "$context.identity.apiKey"
    assert rest["monthly_dollars"]["recommended"] > rest["monthly_dollars"]["now"] > 0
    assert http["logged"] is False
    assert {one["level"] for one in http["detectors"]} == {"blind"}


def test_the_change_in_four_forms(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    def change(stage: str, form: str) -> str:
        return doctor(capsys, "--inventory", path, "--stage", stage, "--patch", form)

    words = shlex.split(change("orders/prod", "cli"))
    assert words[:3] == ["aws", "apigateway", "update-stage"]
    (operation,) = json.loads(words[words.index("--patch-operations") + 1])
    assert operation["path"] == "/accessLogSettings/format"
    assert json.loads(operation["value"])["ts"] == "$context.requestTimeEpoch"
    words = shlex.split(change("h1h2h3h4h5/$default", "cli"))
    settings = json.loads(words[words.index("--access-log-settings") + 1])
    assert settings["DestinationArn"] == "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/apigateway/access"
    template = json.loads(change("pets/$default", "cloudformation"))
    stage = template["Resources"]["Stage"]
    assert stage["Type"] == "AWS::ApiGatewayV2::Stage"
    assert stage["Properties"]["AccessLogSettings"]["Format"] == settings["Format"]
    assert 'resource "aws_api_gateway_stage"' in change("orders/prod", "terraform")
    assert "apigateway.CfnStage).accessLogSetting = {" in change("orders/prod", "cdk")
