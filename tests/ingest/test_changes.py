"""CloudTrail records become changes; reads, failures and other services do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gatewatch.errors import UsageError
from gatewatch.records import JSON, Change, iso
from ingest.changes import read_changes


def an_event(**fields: JSON) -> dict[str, JSON]:
    return {
        "eventTime": "2026-06-09T12:00:00Z",
        "eventSource": "apigateway.amazonaws.com",
        "eventName": "UpdateStage",
        "readOnly": False,
        "userIdentity": {"type": "AssumedRole", "arn": "arn:aws:sts::123456789012:assumed-role/deploy/ci"},
        "requestParameters": {"restApiId": "a1b2c3", "stageName": "prod"},
        **fields,
    }


def a_file(folder: Path, *events: JSON) -> str:
    path = folder / "changes.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return str(path)


def test_a_patch_is_described_with_actor_and_stage(tmp_path: Path) -> None:
    operations: list[JSON] = [{"op": "replace", "path": "/throttling/rateLimit", "value": "10"}]
    parameters: JSON = {"restApiId": "a1b2c3", "stageName": "prod", "updateStageInput": {"patchOperations": operations}}
    (change,) = read(a_file(tmp_path, an_event(requestParameters=parameters)))
    assert change.what == "UpdateStage replace /throttling/rateLimit 10"
    assert change.actor.endswith("assumed-role/deploy/ci")
    assert change.resource == "a1b2c3/prod"
    assert iso(change.at) == "2026-06-09T12:00:00Z"


def read(path: str) -> list[Change]:
    return [event.change for event in read_changes([path])]


@pytest.mark.parametrize(
    ("fields", "resource"),
    [
        ({"eventName": "UpdateRoute", "requestParameters": {"apiId": "h1"}}, "h1"),
        (
            {
                "eventSource": "wafv2.amazonaws.com",
                "eventName": "AssociateWebACL",
                "requestParameters": {"resourceArn": "arn:aws:apigateway:eu-west-1::/restapis/a1/stages/prod"},
            },
            "a1/prod",
        ),
        (
            {
                "eventSource": "lambda.amazonaws.com",
                "eventName": "UpdateFunctionCode20150331v2",
                "requestParameters": {"functionName": "pets"},
            },
            "pets",
        ),
        (
            {
                "eventSource": "iam.amazonaws.com",
                "eventName": "PutRolePolicy",
                "requestParameters": {"roleName": "r", "policyName": "p"},
            },
            "r",
        ),
        (
            {"eventName": "CreateRestApi", "requestParameters": {"name": "n"}, "responseElements": {"id": "new1"}},
            "new1",
        ),
        ({"eventName": "UpdateAccount", "requestParameters": None}, "apigateway.amazonaws.com"),
    ],
)
def test_each_service_names_what_it_changed(tmp_path: Path, fields: dict[str, JSON], resource: str) -> None:
    (change,) = read(a_file(tmp_path, an_event(**fields)))
    assert change.resource == resource
    assert "2015" not in change.what


@pytest.mark.parametrize(
    "fields",
    [
        {"eventName": "GetStages"},
        {"readOnly": True},
        {"errorCode": "AccessDenied"},
        {"eventSource": "s3.amazonaws.com"},
    ],
)
def test_what_changed_nothing_is_passed_over(tmp_path: Path, fields: dict[str, JSON]) -> None:
    assert read(a_file(tmp_path, an_event(**fields))) == []


def test_all_wrappings_of_a_record_are_read_and_sorted_by_time(tmp_path: Path) -> None:
    early = an_event(eventTime="2026-06-09T11:00:00Z")
    wrappings: tuple[JSON, ...] = (
        {"Records": [an_event(), early]},
        [an_event(), early],
        {"Events": [{"CloudTrailEvent": json.dumps(an_event())}, {"CloudTrailEvent": json.dumps(early)}]},
    )
    for wrapped in wrappings:
        changes = read(a_file(tmp_path, wrapped))
        assert [change.at.hour for change in changes] == [11, 12]
    bus: JSON = {"source": "aws.apigateway", "detail": an_event()}
    assert len(read(a_file(tmp_path, bus))) == 1


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        ({"a": 1}, "no CloudTrail record"),
        (an_event(eventTime="yesterday"), "no ISO 8601 time"),
        ({"CloudTrailEvent": "{"}, "CloudTrailEvent is not JSON"),
    ],
)
def test_a_bad_record_is_named_with_its_line(tmp_path: Path, event: JSON, complaint: str) -> None:
    with pytest.raises(UsageError, match=rf"changes\.jsonl: line 2: {complaint}|eventTime.*{complaint}"):
        read(a_file(tmp_path, an_event(), event))


def test_an_event_counts_once_however_often_and_wherever_it_stands(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    known, nameless = an_event(eventID="e-1"), an_event(eventTime="2026-06-09T13:00:00Z")
    paths = [a_file(tmp_path, known, nameless, known), a_file(tmp_path / "again", nameless, known)]
    found = read_changes(paths)
    assert [event.change.at.hour for event in found] == [12, 13]
    assert found[0].id == "e-1"


def test_an_event_keeps_what_was_asked_for_but_no_secrets(tmp_path: Path) -> None:
    asked: JSON = {"restApiId": "a1", "nested": [{"password": "hunter2", "secretArn": "arn:x"}]}
    fields: dict[str, JSON] = {"awsRegion": "eu-west-1", "recipientAccountId": "1", "userAgent": "Terraform"}
    (event,) = read_changes([a_file(tmp_path, an_event(requestParameters=asked, **fields))])
    assert event.detail == {"restApiId": "a1", "nested": [{"password": "(hidden)", "secretArn": "arn:x"}]}
    assert (event.account, event.region, event.user_agent) == ("1", "eu-west-1", "Terraform")
    long: JSON = {"restApiId": "a1", "body": "x" * 20_000}
    (event,) = read_changes([a_file(tmp_path, an_event(requestParameters=long))])
    assert len(str(event.detail)) < 100
