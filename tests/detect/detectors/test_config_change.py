"""Risky settings are told with who did it and what was before, are over when put back; everything else is silent."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from detect.catalog import code_of
from detect.configuration import Version, version_of
from detect.detectors.config_change import TOLD
from detect.model import Context
from detect.run import detect
from gatewatch.frames import CLIENTS, CLOSE_DELAY, COVERAGE, MINUTES
from gatewatch.records import Cause, ChangeEvent, Finding, Kind, Severity
from ingest.changes import change_events

START = datetime(2026, 6, 9, 10, 0, tzinfo=UTC)
ACCOUNT, REGION, API = "123456789012", "eu-west-1", "a1b2c3d4e5"
ACL = f"arn:aws:wafv2:{REGION}:{ACCOUNT}:regional/webacl/edge/1"
VERBS = ("GET", "PUT", "POST", "DELETE")
STAGE_ARN = f"arn:aws:apigateway:{REGION}::/restapis/{API}/stages/prod"


def event(
    minute: float, name: str, parameters: dict[str, Any], *, agent: str = "aws-cli/2.31", **more: Any
) -> ChangeEvent:
    record = {
        "eventID": f"{name}-{minute}-{json.dumps(parameters, sort_keys=True)[:60]}",
        "eventName": name,
        "eventSource": f"{more.pop('source', 'apigateway')}.amazonaws.com",
        "eventTime": (START + timedelta(minutes=minute)).isoformat(),
        "awsRegion": REGION,
        "recipientAccountId": ACCOUNT,
        "userAgent": agent,
        "userIdentity": {"arn": "arn:aws:iam::123456789012:user/ann"},
        "requestParameters": parameters,
        **more,
    }
    return next(iter(change_events(record)))


def patched(minute: float, name: str, path: str, value: str | None, op: str = "replace", **ids: str) -> ChangeEvent:
    operation = {"op": op, "path": path, **({} if value is None else {"value": value})}
    wrapped = {f"{name[0].lower()}{name[1:]}Input": {"patchOperations": [operation]}}
    return event(minute, name, {"restApiId": API, **ids, **wrapped})


def stage(minute: float, path: str, value: str | None, op: str = "replace") -> ChangeEvent:
    return patched(minute, "UpdateStage", path, value, op, stageName="prod")


def method(minute: float, value: str, verb: str = "GET") -> ChangeEvent:
    return patched(minute, "UpdateMethod", "/authorizationType", value, resourceId="r1", httpMethod=verb)


def deployed(minute: float) -> ChangeEvent:
    return event(minute, "CreateDeployment", {"restApiId": API, "createDeploymentInput": {"stageName": "prod"}})


def inventory(minute: float | None = -600, **changed: Any) -> Version:
    """A REST API with everything that is good, and what is `changed`."""
    settings = {"throttlingRateLimit": 100.0, "throttlingBurstLimit": 50, "loggingLevel": "ERROR"}
    document = {
        "accountId": ACCOUNT,
        "region": REGION,
        "restApis": [
            {
                "id": API,
                "name": "pets",
                "policy": changed.pop("policy", ""),
                "resources": [
                    {
                        "id": "r1",
                        "path": "/pets",
                        "resourceMethods": {verb: {"authorizationType": "CUSTOM"} for verb in VERBS},
                    }
                ],
                "authorizers": [{"id": "z1"}],
                "stages": [
                    {
                        "stageName": "prod",
                        "deploymentId": "d1",
                        "webAclArn": ACL,
                        "tracingEnabled": True,
                        "accessLogSettings": {"destinationArn": "arn:aws:logs:eu-west-1:123456789012:log-group:x"},
                        "methodSettings": {"*/*": settings},
                        **changed,
                    }
                ],
            }
        ],
        "usagePlans": [{"id": "p1", "name": "gold", "throttle": {"rateLimit": 10.0, "burstLimit": 5}}],
    }
    return version_of(document, None if minute is None else START + timedelta(minutes=minute))


def told(*events: ChangeEvent, versions: tuple[Version, ...] = (inventory(),), until: float = 200) -> list[Finding]:
    """What is said when events end with one that means nothing, `until` minutes after the start."""
    end = event(until, "TagResource", {"resourceArn": STAGE_ARN, "tags": {"a": "b"}})
    begin = event(-1, "TagResource", {"resourceArn": STAGE_ARN, "tags": {"c": "d"}})
    context = Context(events=(begin, *events, end), versions=versions)
    found = detect(MINUTES.empty_table(), CLIENTS.empty_table(), COVERAGE.empty_table(), context)
    assert {one.kind for one in found.findings} <= {Kind.CONFIG_CHANGE}
    return found.findings


POLICY = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"}


def policy(*networks: str) -> str:
    when = {"Condition": {"IpAddress": {"aws:SourceIp": list(networks)}}} if networks else {}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**POLICY, **when}]})


RISKS: tuple[tuple[str, ChangeEvent, str, str, Severity], ...] = (
    ("authorizer_removed", method(5, "NONE"), "CUSTOM", "NONE", Severity.HIGH),
    (
        "waf_detached",
        event(5, "DisassociateWebACL", {"resourceArn": STAGE_ARN}, source="wafv2"),
        ACL,
        "(none)",
        Severity.HIGH,
    ),
    ("throttle_raised", stage(5, "/*/*/throttling/rateLimit", "150"), "100", "150", Severity.LOW),
    ("throttle_raised", stage(5, "/*/*/throttling/burstLimit", "100"), "50", "100", Severity.MEDIUM),
    ("throttle_raised", stage(5, "/*/*/throttling/rateLimit", None, "remove"), "100", "(none)", Severity.HIGH),
    ("throttle_raised", stage(5, "/*/*/throttling/rateLimit", "-1"), "100", "(none)", Severity.HIGH),
    ("logging_off", stage(5, "/accessLogSettings", None, "remove"), "log-group:x", "(none)", Severity.MEDIUM),
    ("logging_off", stage(5, "/*/*/logging/loglevel", "OFF"), "ERROR", "OFF", Severity.LOW),
    ("tracing_off", stage(5, "/tracingEnabled", "false"), "on", "off", Severity.LOW),
    ("api_deleted", event(5, "DeleteRestApi", {"restApiId": API}), "there", "(none)", Severity.MEDIUM),
    (
        "stage_deleted",
        event(5, "DeleteStage", {"restApiId": API, "stageName": "prod"}),
        "there",
        "(none)",
        Severity.MEDIUM,
    ),
)


@pytest.mark.parametrize(("subtype", "change", "before", "after", "severity"), RISKS)
def test_a_risky_change_is_told_with_before_after_who_and_with_what(
    subtype: str, change: ChangeEvent, before: str, after: str, severity: Severity
) -> None:
    (found,) = (one for one in told(change, deployed(6)) if one.subtype != "not_deployed")
    assert (found.subtype, found.severity, found.cause) == (subtype, severity, Cause.CONFIG_CHANGE)
    assert (found.account, found.region, found.api) == (ACCOUNT, REGION, API)
    setting: Any = found.evidence.facts["settings"][0]  # type: ignore[index]
    assert before in setting["before"]
    assert after in setting["after"]
    assert (setting["actor"], setting["tool"]) == ("arn:aws:iam::123456789012:user/ann", "AWS CLI")
    assert found.changes[0].what == change.change.what
    assert found.confidence > 0.9
    assert found.start == START + timedelta(minutes=5)
    assert (
        found.detected_at == START + timedelta(minutes=8) + CLOSE_DELAY
    )  # it stood for two minutes, and the third closed
    assert "ann (AWS CLI)" in found.evidence.sentence


def test_each_has_a_code_and_a_text() -> None:
    assert all(code_of(Kind.CONFIG_CHANGE, subtype) for subtype in TOLD)
    assert {one[0] for one in RISKS} <= set(TOLD)


BENIGN = (
    stage(5, "/*/*/throttling/rateLimit", "50"),
    stage(5, "/*/*/throttling/rateLimit", "100"),
    stage(5, "/tracingEnabled", "true"),
    stage(5, "/*/*/logging/loglevel", "INFO"),
    stage(5, "/accessLogSettings/destinationArn", "arn:aws:logs:eu-west-1:123456789012:log-group:y"),
    stage(5, "/description", "NONE"),
    event(5, "AssociateWebACL", {"resourceArn": STAGE_ARN, "webACLArn": f"{ACL}2"}, source="wafv2"),
    event(5, "CreateStage", {"restApiId": API, "createStageInput": {"stageName": "dev", "tracingEnabled": False}}),
    event(5, "UpdateUsagePlan", {"usagePlanId": "p1", "patchOperations": [{"op": "replace", "path": "/name"}]}),
)


@pytest.mark.parametrize("change", BENIGN, ids=lambda one: one.change.what)
def test_a_change_that_risks_nothing_is_silent(change: ChangeEvent) -> None:
    assert told(change) == []


@pytest.mark.parametrize(
    "changes",
    [
        (method(5, "AWS_IAM"), deployed(6)),
        (method(5, "NONE", "OPTIONS"), deployed(6)),  # browsers ask without credentials
        (  # a tool that makes all again, in its own order
            event(5, "DisassociateWebACL", {"resourceArn": STAGE_ARN}, source="wafv2"),
            event(6, "AssociateWebACL", {"resourceArn": STAGE_ARN, "webACLArn": f"{ACL}9"}, source="wafv2"),
        ),
        (
            event(4, "CreateAuthorizer", {"restApiId": API}),
            event(5, "DeleteAuthorizer", {"restApiId": API, "authorizerId": "z1"}),
            deployed(6),
        ),
        (event(5, "PutMethod", {"restApiId": API, "resourceId": "r9", "httpMethod": "POST",
                                "putMethodInput": {"authorizationType": "NONE"}}), deployed(6)),
    ],
)  # fmt: skip
def test_a_tool_that_replaces_one_thing_by_another_is_silent(changes: tuple[ChangeEvent, ...]) -> None:
    assert told(*changes) == []


def test_a_refused_call_is_no_change() -> None:
    record: dict[str, Any] = {
        "eventName": "DeleteRestApi",
        "eventSource": "apigateway.amazonaws.com",
        "errorCode": "AccessDenied",
        "eventTime": START.isoformat(),
        "requestParameters": {"restApiId": API},
    }
    assert list(change_events(record)) == []


def test_it_is_over_when_it_is_put_back_and_comes_again_as_another() -> None:
    first, second = told(
        stage(5, "/tracingEnabled", "false"), stage(30, "/tracingEnabled", "true"), stage(90, "/tracingEnabled", "0")
    )
    assert (first.start, first.end) == (START + timedelta(minutes=5), START + timedelta(minutes=30))
    assert (second.start, second.end) == (START + timedelta(minutes=90), None)
    assert first.fingerprint == second.fingerprint
    assert first.id != second.id
    (half,) = told(stage(5, "/*/*/throttling/rateLimit", "1000"), stage(30, "/*/*/throttling/rateLimit", "200"))
    assert half.end is None  # still twice what it was
    assert half.evidence.facts["settings"][0]["after"] == "200"  # type: ignore[index,call-overload]


def test_what_is_put_back_by_nobody_we_know_of_is_seen_in_the_inventory() -> None:
    gone = event(5, "DisassociateWebACL", {"resourceArn": STAGE_ARN}, source="wafv2")
    (found,) = told(gone, versions=(inventory(), inventory(60)))
    assert found.end == START + timedelta(minutes=60)
    (found,) = told(gone, versions=(inventory(), inventory(60, webAclArn="")))
    assert found.end is None


def test_two_inventories_tell_what_no_event_told() -> None:
    later = inventory(60, webAclArn=None, tracingEnabled=False, methodSettings={"*/*": {"throttlingRateLimit": 500.0}})
    found = {one.subtype: one for one in told(versions=(inventory(), later))}
    assert set(found) == {"waf_detached", "tracing_off", "throttle_raised", "logging_off"}
    assert "no event told who did it" in found["waf_detached"].evidence.sentence
    assert found["waf_detached"].start == START + timedelta(minutes=60)
    assert told(versions=(inventory(), inventory(60))) == []
    assert told(versions=(inventory(None),)) == []


def test_an_inventory_that_may_not_see_stages_says_nothing_of_them() -> None:
    document = {"accountId": ACCOUNT, "region": REGION, "restApis": [{"id": API, "unread": ["resources", "stages"]}]}
    assert told(versions=(inventory(), version_of(document, START + timedelta(minutes=60)))) == []


def test_an_event_that_the_inventory_confirms_is_told_once() -> None:
    gone = event(5, "DisassociateWebACL", {"resourceArn": STAGE_ARN}, source="wafv2")
    (found,) = told(gone, versions=(inventory(), inventory(60, webAclArn=None), inventory(120, webAclArn=None)))
    assert (found.start, found.evidence.facts["actor"]) == (START + timedelta(minutes=5), found.changes[0].actor)


def test_without_a_value_before_only_what_is_a_risk_by_itself_is_told() -> None:
    sure = {"authorizer_removed", "waf_detached", "tracing_off", "logging_off"}
    changes = [one[1] for one in RISKS if one[0] in sure] + [stage(5, "/*/*/throttling/rateLimit", "150")]
    found = [one for one in told(*changes, deployed(6), versions=()) if one.subtype != "not_deployed"]
    assert {one.subtype for one in found} == sure
    assert all(one.confidence < 0.7 and "not known" in (one.caveat or "") for one in found)


@pytest.mark.parametrize(
    ("before", "after", "severity"),
    [
        (policy("10.0.0.0/8"), policy(), Severity.HIGH),
        (policy("10.0.0.0/8"), policy("10.0.0.0/8", "198.51.100.0/24"), Severity.MEDIUM),
        (policy("10.0.0.0/8"), policy("10.1.0.0/16"), None),
        (policy("10.0.0.0/8"), policy("10.0.0.0/8"), None),
        ("", policy("10.0.0.0/8"), None),
        (policy(), "", Severity.HIGH),
        (
            json.dumps({"Statement": [POLICY, {**POLICY, "Effect": "Deny", "Condition": {"Bool": {"x": "false"}}}]}),
            policy(),
            Severity.HIGH,
        ),
    ],
)
def test_a_policy_that_lets_in_more_is_told(before: str, after: str, severity: Severity | None) -> None:
    changed = patched(5, "UpdateRestApi", "/policy", after)
    escaped = before.replace('"', '\\"')  # as API Gateway gives it
    found = told(changed, deployed(6), versions=(inventory(policy=escaped),))
    assert [(one.subtype, one.severity) for one in found] == (
        [] if severity is None else [("policy_widened", severity)]
    )


def test_many_methods_of_one_api_are_one_finding() -> None:
    found = told(*(method(5 + n, "NONE", verb) for n, verb in enumerate(VERBS)), deployed(10))
    (one,) = found
    assert one.evidence.observed == 4
    assert "GET /pets: CUSTOM -> NONE" in one.evidence.sentence
    back = told(*(method(5 + n, "NONE", verb) for n, verb in enumerate(VERBS)), deployed(10),
                *(method(40 + n, "CUSTOM", verb) for n, verb in enumerate(VERBS)), deployed(45))  # fmt: skip
    assert back[0].end == START + timedelta(minutes=43)


def test_what_is_configured_and_not_deployed_is_told_after_an_hour() -> None:
    change = event(5, "PutIntegration", {"restApiId": API, "resourceId": "r1", "httpMethod": "GET"})
    assert told(change, deployed(50)) == []
    (found,) = told(change)
    assert (found.subtype, found.severity, found.end) == ("not_deployed", Severity.LOW, None)
    assert found.detected_at == START + timedelta(minutes=5 + 60 + 1) + CLOSE_DELAY
    (found,) = told(change, deployed(90))
    assert found.end == START + timedelta(minutes=90)
    assert told(event(5, "UpdateIntegration", {"apiId": "h1", "integrationId": "i"})) == []  # deploys by itself
    (found,) = told(change, event(6, "PutIntegration", {"restApiId": API, "resourceId": "r2", "httpMethod": "GET"}))
    assert found.evidence.sentence.startswith("PutIntegration (2 times), by ")


def test_http_apis_are_told_too() -> None:
    document = {
        "accountId": ACCOUNT,
        "region": REGION,
        "httpApis": [
            {
                "ApiId": "h1",
                "Routes": [{"RouteId": "q1", "RouteKey": "GET /cats", "AuthorizationType": "JWT"}],
                "Stages": [
                    {
                        "StageName": "$default",
                        "AutoDeploy": True,
                        "AccessLogSettings": {"DestinationArn": "arn:aws:logs:x"},
                        "DefaultRouteSettings": {"ThrottlingRateLimit": 10.0},
                    }
                ],
            }
        ],
    }
    known = (version_of(document, START - timedelta(hours=1)),)
    at = {"apiId": "h1", "stageName": "$default"}
    found = told(
        event(5, "UpdateRoute", {"apiId": "h1", "routeId": "q1", "authorizationType": "NONE"}),
        event(5, "UpdateStage", {**at, "defaultRouteSettings": {"throttlingRateLimit": 1000}}),
        event(6, "DeleteAccessLogSettings", at),
        versions=known,
    )
    assert {one.subtype for one in found} == {"authorizer_removed", "throttle_raised", "logging_off"}
    assert (
        "GET /cats: JWT -> NONE" in next(one for one in found if one.subtype == "authorizer_removed").evidence.sentence
    )


def test_a_usage_plan_that_lets_through_more_is_told_by_its_name() -> None:
    patches = [{"op": "replace", "path": "/throttle/rateLimit", "value": "40"}]
    (found,) = told(
        event(5, "UpdateUsagePlan", {"usagePlanId": "p1", "updateUsagePlanInput": {"patchOperations": patches}})
    )
    assert found.title == "usage plan gold lets through more requests"


def test_what_went_with_its_stage_is_over() -> None:
    off, gone = stage(5, "/tracingEnabled", "false"), event(60, "DeleteRestApi", {"restApiId": API})
    found = {one.subtype: one for one in told(off, gone, until=3000)}
    assert found["tracing_off"].end == START + timedelta(minutes=60)
    assert found["api_deleted"].end == START + timedelta(minutes=60 + 1440)
