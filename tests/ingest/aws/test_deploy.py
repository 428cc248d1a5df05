"""What deploy/aws sets up is sound, and is what the program itself says: rights, formats, and what it listens for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from detect.logformat import recommended
from gatewatch.app.eventbridge import PATH as CHANGES_PATH
from gatewatch.app.firehose import PATH as LOGS_PATH
from gatewatch.records import ApiType
from ingest.aws.policy import policy, trust
from ingest.aws.trail import SOURCES

FOLDER = Path(__file__).parents[3] / "deploy" / "aws"
TEMPLATES = sorted(FOLDER.glob("*.template.json"))
DEFAULT = ("inventory", "changes", "metrics", "traces")
EVENT = {
    "source": "aws.apigateway",
    "detail-type": "AWS API Call via CloudTrail",
    "detail": {"eventSource": "apigateway.amazonaws.com", "readOnly": False, "eventName": "DeleteStage"},
}


def filled(value: Any) -> Any:
    """The template's functions as they come out in the partition aws."""
    if isinstance(value, dict):
        if set(value) == {"Fn::Sub"}:
            return value["Fn::Sub"].replace("${AWS::Partition}", "aws")
        if set(value) == {"Ref"}:
            return f"<{value['Ref']}>"
        return {key: filled(inner) for key, inner in value.items()}
    return [filled(inner) for inner in value] if isinstance(value, list) else value


def template(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.template.json").read_text())


def terraform() -> Any:
    return json.loads((FOLDER / "terraform" / "main.tf.json").read_text())


def matches(pattern: Any, event: Any) -> bool:
    """As EventBridge matches exact values."""
    return all(
        matches(wanted, event.get(key, {})) if isinstance(wanted, dict) else event.get(key) in wanted
        for key, wanted in pattern.items()
    )


def test_the_role_has_the_rights_that_are_needed() -> None:
    role = filled(template("role")["Resources"]["Reader"]["Properties"])
    assert role["Policies"][0]["PolicyDocument"] == policy(DEFAULT)
    assert role["AssumeRolePolicyDocument"] == trust("<Hub>", "<ExternalId>")
    made = terraform()["resource"]
    assert json.loads(made["aws_iam_role_policy"]["reader"]["policy"]) == policy(DEFAULT)
    asked = json.loads(made["aws_iam_role"]["reader"]["assume_role_policy"])
    assert asked == trust("${var.hub}", "${var.external_id}")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_cfn_lint_finds_no_error_and_no_warning(path: Path) -> None:
    from cfnlint.api import ManualArgs, lint

    found = lint(path.read_text(), config=ManualArgs(regions=["eu-west-1", "us-east-1"], include_checks=["I"]))
    assert [str(one) for one in found if one.rule.id[0] in "EW"] == []  # I: matters of taste


def test_the_formats_are_those_that_doctor_recommends() -> None:
    outputs, formats = template("logging")["Outputs"], terraform()["locals"]["formats"]
    for name, kind in (("Rest", ApiType.REST), ("Http", ApiType.HTTP), ("WebSocket", ApiType.WEBSOCKET)):
        assert outputs[f"{name}Format"]["Value"] == recommended(kind)
        assert formats[kind.value] == recommended(kind)
        assert "${" not in recommended(kind)  # which Terraform would fill in


def test_the_stream_and_the_rule_send_to_where_we_listen() -> None:
    stream = template("firehose")
    assert re.fullmatch(stream["Parameters"]["Endpoint"]["AllowedPattern"], f"https://gatewatch.example{LOGS_PATH}")
    assert re.fullmatch(stream["Parameters"]["StreamName"]["AllowedPattern"], "amazon-apigateway-gatewatch")
    told = stream["Resources"]["Stream"]["Properties"]["HttpEndpointDestinationConfiguration"]
    assert told["S3BackupMode"] == "FailedDataOnly"
    rule = template("eventbridge")
    assert re.fullmatch(rule["Parameters"]["Endpoint"]["AllowedPattern"], f"https://gatewatch.example{CHANGES_PATH}")
    made = terraform()["resource"]
    url = made["aws_kinesis_firehose_delivery_stream"]["gatewatch"]["http_endpoint_configuration"][0]["url"]
    assert url.endswith(LOGS_PATH)
    assert made["aws_cloudwatch_event_api_destination"]["gatewatch"]["invocation_endpoint"].endswith(CHANGES_PATH)
    for key in (stream["Parameters"]["AccessKey"]["NoEcho"], terraform()["variable"]["access_key"]["sensitive"]):
        assert key is True


def test_the_rule_lets_changes_through_and_no_reads() -> None:
    patterns = [
        template("eventbridge")["Resources"]["Changes"]["Properties"]["EventPattern"],
        json.loads(terraform()["resource"]["aws_cloudwatch_event_rule"]["changes"]["event_pattern"]),
    ]
    for pattern in patterns:
        assert set(pattern["detail"]["eventSource"]) == set(SOURCES)
        assert matches(pattern, EVENT)
        assert not matches(pattern, {**EVENT, "detail": {**EVENT["detail"], "readOnly": True}})  # type: ignore[dict-item]
        assert not matches(pattern, {**EVENT, "source": "aws.ec2"})


def test_what_terraform_refers_to_is_there() -> None:
    document = terraform()
    text = json.dumps(document)
    named = {f"{kind}.{name}" for kind, things in document["resource"].items() for name in things}
    assert set(re.findall(r"\b(aws_\w+\.\w+)\b", text)) - {"aws_caller_identity.here"} <= named
    assert set(re.findall(r"var\.(\w+)", text)) == set(document["variable"])
