"""Each risky change, told by each source that can tell it: CloudTrail, EventBridge, two inventories, AWS Config."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from detect.configuration import Version, version_of
from detect.detectors.config_change import ConfigChange
from detect.model import Block, Context, epoch_minute
from detect.run import frames_of
from detect.standing import HOLD, UNDEPLOYED_MINUTES
from gatewatch.frames import CLIENTS, CLOSE_DELAY, COVERAGE, MINUTES
from gatewatch.records import Cause, ChangeEvent, Finding
from ingest.aws.config import Recorded, item_change
from ingest.changes import change_events, event_changes
from tests.detect.detectors.test_config_change import ACCOUNT, ACL, API, REGION, STAGE_ARN, START, policy

AT = 5
ANN = "arn:aws:iam::123456789012:user/ann"
CLOSED, OPEN = policy("10.0.0.0/8"), policy()
LOGS = {"destinationArn": "arn:aws:logs:eu-west-1:123456789012:log-group:x", "format": "$context.requestId"}
STAGE: Mapping[str, Any] = {
    "stageName": "prod",
    "deploymentId": "d1",
    "webAclArn": ACL,
    "tracingEnabled": True,
    "accessLogSettings": LOGS,
    "methodSettings": {"*/*": {"throttlingRateLimit": 100.0, "throttlingBurstLimit": 50, "loggingLevel": "ERROR"}},
}
RAISED = {"*/*": {**STAGE["methodSettings"]["*/*"], "throttlingRateLimit": 500.0}}


def patch(path: str, value: str | None = None) -> dict[str, Any]:
    one = {"op": "replace", "path": path, "value": value} if value is not None else {"op": "remove", "path": path}
    return {"restApiId": API, "patchOperations": [one]}


@dataclass(frozen=True)
class Risky:
    """call: as CloudTrail has it. stage, policy, auth, path: what the settings then are. says: before and after."""

    call: tuple[str, str, dict[str, Any]]
    says: tuple[str, str]
    stage: Mapping[str, Any] | None = field(default_factory=lambda: STAGE)
    policy: str = CLOSED
    auth: str = "CUSTOM"
    path: str = "/pets"
    api: bool = True
    unrecorded: str = ""


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in STAGE.items() if key != name}


METHOD = {"resourceId": "r1", "httpMethod": "GET"}
KINDS: dict[str, Risky] = {
    "authorizer_removed": Risky(
        ("apigateway", "UpdateMethod", {**METHOD, **patch("/authorizationType", "NONE")}),
        ("CUSTOM", "NONE"),
        auth="NONE",
        unrecorded="AWS Config records neither methods nor authorizers",
    ),
    "waf_detached": Risky(
        ("wafv2", "DisassociateWebACL", {"resourceArn": STAGE_ARN}), (ACL, "(none)"), without("webAclArn")
    ),
    "throttle_raised": Risky(
        ("apigateway", "UpdateStage", {"stageName": "prod", **patch("/*/*/throttling/rateLimit", "500")}),
        ("100", "500"),
        {**STAGE, "methodSettings": RAISED},
    ),
    "logging_off": Risky(
        ("apigateway", "UpdateStage", {"stageName": "prod", **patch("/accessLogSettings")}),
        ("log-group:x", "(none)"),
        without("accessLogSettings"),
    ),
    "tracing_off": Risky(
        ("apigateway", "UpdateStage", {"stageName": "prod", **patch("/tracingEnabled", "false")}),
        ("on", "off"),
        {**STAGE, "tracingEnabled": False},
    ),
    "policy_widened": Risky(
        ("apigateway", "UpdateRestApi", patch("/policy", OPEN)), ("10.0.0.0/8", '"Allow"'), policy=OPEN
    ),
    "stage_deleted": Risky(
        ("apigateway", "DeleteStage", {"restApiId": API, "stageName": "prod"}), ("there", "(none)"), None
    ),
    "api_deleted": Risky(("apigateway", "DeleteRestApi", {"restApiId": API}), ("there", "(none)"), api=False),
    "not_deployed": Risky(
        ("apigateway", "PutIntegration", {"restApiId": API, **METHOD, "type": "MOCK"}),
        ("", ""),
        path="/cats",
        unrecorded="AWS Config records neither resources nor integrations",
    ),
}


def record(one: Risky) -> dict[str, Any]:
    service, name, parameters = one.call
    return {
        "eventID": "e1",
        "eventName": name,
        "eventSource": f"{service}.amazonaws.com",
        "eventTime": (START + timedelta(minutes=AT)).isoformat(),
        "awsRegion": REGION,
        "recipientAccountId": ACCOUNT,
        "userAgent": "APN/1.0 HashiCorp/1.0 Terraform/1.9",
        "userIdentity": {"arn": ANN},
        "requestParameters": parameters,
    }


def inventory(one: Risky | None, minute: float) -> Version:
    """What there is after the change, or before any."""
    one = one or Risky(("", "", {}), ("", ""))
    method = {"GET": {"authorizationType": one.auth}}
    api = {
        "id": API,
        "policy": one.policy,
        "resources": [{"id": "r1", "path": one.path, "resourceMethods": method}],
        "authorizers": [{"id": "z1"}],
        "stages": [] if one.stage is None else [one.stage],
    }
    document = {"accountId": ACCOUNT, "region": REGION, "restApis": [api] if one.api else []}
    return version_of(document, START + timedelta(minutes=minute))


def item(minute: float, configuration: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "configurationItemCaptureTime": (START + timedelta(minutes=minute)).isoformat(),
        "configurationItemStatus": "OK" if configuration is not None else "ResourceDeleted",
        "accountId": ACCOUNT,
        "awsRegion": REGION,
        "configuration": json.dumps(configuration or {}),
    }


def recorded(one: Risky) -> list[ChangeEvent]:
    """What Config's items of the stage and of the API tell."""
    api = {"id": API, "name": "pets"}
    new = {**api, "policy": one.policy} if one.api else None
    found = [
        item_change(
            Recorded("AWS::ApiGateway::RestApi", API, API), item(-600, {**api, "policy": CLOSED}), item(AT, new)
        ),
        item_change(
            Recorded("AWS::ApiGateway::Stage", STAGE_ARN, f"{API}/prod"), item(-600, STAGE), item(AT, one.stage)
        ),
    ]
    return [event for event in found if event is not None]


def told(events: list[ChangeEvent], versions: tuple[Version, ...]) -> list[Finding]:
    """What is said of them without any traffic, until 200 minutes after the start."""
    _, found, _ = ConfigChange().step({}, quiet(), Context(events=tuple(events), versions=versions))
    return found


@cache
def quiet() -> Block:
    first, last = (epoch_minute(START + timedelta(minutes=minutes)) for minutes in (-1, 200))
    return frames_of(MINUTES.empty_table(), CLIENTS.empty_table(), COVERAGE.empty_table(), first, last)


@pytest.mark.parametrize("source", ["cloudtrail", "eventbridge", "inventory", "config"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_risky_change_is_told_by_each_source(kind: str, source: str) -> None:
    one, known = KINDS[kind], (inventory(None, -600),)
    if source == "cloudtrail":
        found = told(list(change_events(record(one))), known)
    elif source == "eventbridge":
        wrapped: dict[str, Any] = {
            "source": f"aws.{one.call[0]}",
            "detail-type": "AWS API Call via CloudTrail",
            "detail": record(one),
        }
        found = told(event_changes(wrapped), known)
    elif source == "inventory":
        found = told([], (*known, inventory(one, AT)))
    else:
        found = told(recorded(one), ())  # its items alone say what was before
        if one.unrecorded:
            assert found == []
            return
    (finding,) = (each for each in found if kind == "not_deployed" or each.subtype != "not_deployed")
    hold = UNDEPLOYED_MINUTES if kind == "not_deployed" else HOLD
    assert (finding.subtype, finding.cause, finding.api) == (kind, Cause.CONFIG_CHANGE, API)
    assert finding.start == START + timedelta(minutes=AT)
    assert finding.detected_at == START + timedelta(minutes=AT + hold + 1) + CLOSE_DELAY
    assert kind == "not_deployed" or finding.confidence > 0.9
    facts: Any = finding.evidence.facts
    setting = facts["settings"][0]
    if kind != "not_deployed":
        assert one.says[0] in setting["before"]
        assert one.says[1] in setting["after"]
    if source in ("cloudtrail", "eventbridge"):
        assert (setting["actor"], setting["tool"]) == (ANN, "Terraform")
        assert "ann (Terraform)" in finding.evidence.sentence
    elif source == "config":
        assert setting["actor"] is None
        assert "seen by AWS Config, which does not tell who did it." in finding.evidence.sentence
    else:
        assert setting["actor"] is None
        assert ", seen in the inventory; no event told who did it." in finding.evidence.sentence


@pytest.mark.parametrize("kind", [kind for kind, one in KINDS.items() if not one.unrecorded])
def test_what_config_records_after_the_event_is_told_once_and_by_whom(kind: str) -> None:
    one = KINDS[kind]
    events = [*recorded(one), *change_events(record(one))]
    found = told(events, (inventory(None, -600), inventory(one, AT + 60)))
    (finding,) = (each for each in found if each.subtype != "not_deployed")
    assert finding.evidence.facts["actor"] == ANN
    assert finding.evidence.observed == 1


def test_what_config_does_not_say_is_no_change() -> None:
    whole = Risky(
        ("", "", {}),
        ("", ""),
        {"stageName": "prod", "webAclArn": ACL, "accessLogSettings": LOGS, "tracingEnabled": True},
    )
    assert told(recorded(whole), ()) == []  # an item without limits does not say that they are gone
    moved = Risky(("", "", {}), ("", ""), {**STAGE, "deploymentId": "d2"})
    assert told(recorded(moved), ()) == []
    second = item_change(
        Recorded("AWS::ApiGatewayV2::Stage", "arn", "h1/$default"),
        item(-600, {"defaultRouteSettings": {"throttlingRateLimit": 10.0}, "accessLogSettings": LOGS}),
        item(AT, {"defaultRouteSettings": {"throttlingRateLimit": 1000.0}}),
    )
    assert second is not None
    assert {one.subtype for one in told([second], ())} == {"throttle_raised", "logging_off"}
