"""What a template lets each detector see: twenty-odd formats as users write them, each with all that it lacks."""

from __future__ import annotations

import json

import pytest

from detect.logformat import RECOMMENDED, TEMPLATE_LIMIT, line_bytes, monthly_dollars, recommended
from detect.signal import judge, missing, secrets
from gatewatch.records import ApiType, Kind
from gatewatch.simulate.templates import TEMPLATES
from ingest.stagelogs import template_variables

REST, HTTP, WS = ApiType.REST, ApiType.HTTP, ApiType.WEBSOCKET
FULL = {kind: recommended(kind) for kind in RECOMMENDED}

WANTED = {
    REST: "requestTimeEpoch status resourcePath httpMethod error.responseType integration.status identity.sourceIp "
    "identity.apiKeyId authorizer.principalId identity.userAgent authorizer.error authorizer.status error.message "
    "wafResponseCode responseLatency integration.latency authorizer.latency integration.integrationStatus "
    "extendedRequestId",
    HTTP: "requestTimeEpoch status routeKey error.responseType integration.status identity.sourceIp "
    "authorizer.claims.sub identity.userAgent authorizer.error error.message responseLatency integration.latency "
    "integration.integrationStatus extendedRequestId",
    WS: "requestTimeEpoch status routeKey error.responseType integration.status identity.sourceIp identity.apiKeyId "
    "authorizer.principalId identity.userAgent authorizer.error authorizer.status error.message integration.latency "
    "authorizer.latency integration.integrationStatus extendedRequestId",
}

CLF = (
    '$context.identity.sourceIp - - [$context.requestTime] "$context.httpMethod $context.resourcePath '
    '$context.protocol" $context.status $context.responseLength $context.requestId $context.extendedRequestId'
)
GIVEN = [
    # kind, template, the wanted variables that it gives under whatever name
    (REST, CLF, "requestTimeEpoch status resourcePath httpMethod identity.sourceIp extendedRequestId"),
    (
        HTTP,
        '$context.identity.sourceIp - - [$context.requestTime] "$context.httpMethod $context.routeKey '
        '$context.protocol" $context.status $context.responseLength $context.requestId',
        "requestTimeEpoch status routeKey identity.sourceIp extendedRequestId",
    ),
    (
        WS,
        '$context.identity.sourceIp $context.identity.caller [$context.requestTime] "$context.eventType '
        '$context.routeKey $context.connectionId" $context.status $context.requestId',
        "requestTimeEpoch status routeKey identity.sourceIp authorizer.principalId extendedRequestId",
    ),
    (REST, '{"id":"$context.requestId","s":"$context.status"}', "status"),
    (REST, '{"id":"$context.extendedRequestId","t":"$context.requestTimeEpoch"}', "requestTimeEpoch extendedRequestId"),
    (
        REST,
        "$context.identity.sourceIp,$context.requestTime,$context.httpMethod,$context.resourcePath,$context.status",
        "requestTimeEpoch status resourcePath httpMethod identity.sourceIp",
    ),
    (
        HTTP,
        '<request id="$context.requestId"><t>$context.requestTime</t><s>$context.status</s></request>',
        "requestTimeEpoch status extendedRequestId",
    ),
    (
        HTTP,
        '{"client":{"ip":"$context.identity.sourceIp","ua":"$context.identity.userAgent"},"http":{"s":$context.status},'
        '"at":"$context.requestTimeEpoch","route":"$context.routeKey"}',
        "requestTimeEpoch status routeKey identity.sourceIp identity.userAgent",
    ),
    (
        REST,
        '{"t":"$context.requestTime","st":"$context.status","lat":"$context.responseLatency",'
        '"il":"$context.integrationLatency","r":"$context.resourcePath"}',
        "requestTimeEpoch status resourcePath responseLatency integration.latency",
    ),
    (
        REST,
        '{"t":"$context.requestTime","st":"$context.status","e":$context.error.messageString,'
        '"et":"$context.error.responseType"}',
        "requestTimeEpoch status error.responseType error.message",
    ),
    (
        REST,
        '{"t":"$context.requestTime","st":"$context.status","who":"$context.identity.userArn",'
        '"waf":"$context.waf.status"}',
        "requestTimeEpoch status authorizer.principalId wafResponseCode",
    ),
    (
        HTTP,
        '{"t":"$context.requestTimeEpoch","st":"$context.status","jwt":"$context.authorizer.error",'
        '"sub":"$context.authorizer.claims.sub"}',
        "requestTimeEpoch status authorizer.error authorizer.claims.sub",
    ),
    (
        REST,
        '{"t":"$context.requestTimeEpoch","st":"$context.status","a":"$context.authorizer.integrationLatency",'
        '"as":"$context.authorizer.status","ae":"$context.authorizer.error"}',
        "requestTimeEpoch status authorizer.latency authorizer.status authorizer.error",
    ),
    (
        REST,
        '{"t":"$context.requestTimeEpoch","st":"$context.status","l":"$context.integrationStatus",'
        '"i":"$context.integration.status"}',
        "requestTimeEpoch status integration.integrationStatus integration.status",
    ),
    (WS, '{"t":"$context.requestTimeEpoch","k":"$context.identity.apiKeyId"}', "requestTimeEpoch identity.apiKeyId"),
    (REST, "$context.requestId\t$context.status\t$context.path", "status"),
    (HTTP, '{"path":"$context.path","rid":"$context.requestId","u":"$context.identity.user"}',
     "extendedRequestId authorizer.claims.sub"),
    (REST, '{"t":"${context.requestTime}","s":"${context.status}"}', "requestTimeEpoch status"),
    (WS, FULL[WS].replace("$context.integration.latency", "-"), WANTED[WS].replace("integration.latency ", "")),
    (HTTP, FULL[HTTP].replace("$context.error.responseType", "-"), WANTED[HTTP].replace("error.responseType ", "")),
    (REST, FULL[REST].replace("$context.identity.sourceIp", "-"), WANTED[REST].replace("identity.sourceIp ", "")),
    *((kind, template, WANTED[kind]) for kind, template in FULL.items()),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "template", "given"), GIVEN)
def test_every_missing_variable_is_named(kind: ApiType, template: str, given: str) -> None:
    found = missing(judge(kind, template_variables(template)))
    assert set(found) == set(WANTED[kind].split()) - set(given.split())
    assert len(found) == len(set(found))


def test_there_are_twenty_formats() -> None:
    assert len({template for _, template, _ in GIVEN}) >= 20


def level(kind: ApiType, template: str | None) -> dict[Kind, str]:
    return {one.kind: one.level for one in judge(kind, None if template is None else template_variables(template))}


def test_full_degraded_blind() -> None:
    assert set(level(REST, None).values()) == {"blind"}
    assert set(level(REST, FULL[REST]).values()) == {"full"}
    console = level(REST, CLF)
    assert console[Kind.AUTH_FAILURE_SPIKE] == console[Kind.DEAD_API] == "degraded"
    assert console[Kind.LATENCY_OUTLIER] == "blind"
    assert console[Kind.DATA_QUALITY] == "full"


def test_the_time_of_a_log_groups_events_stands_in_for_that_of_the_request() -> None:
    untimed = template_variables(FULL[HTTP].replace("$context.requestTimeEpoch", "-"))
    assert {one.level for one in judge(HTTP, untimed)} == {"blind"}
    told = judge(HTTP, untimed, timed=True)
    assert {one.level for one in told} == {"degraded"}
    assert missing(told) == ["requestTimeEpoch"]
    assert {one.level for one in judge(HTTP, None, timed=True)} == {"blind"}


def test_a_rest_request_id_does_not_tell_repetitions() -> None:
    only_id = {"requestTimeEpoch", "status", "requestId"}
    quality = {kind: level(kind, " ".join(f"$context.{name}" for name in only_id)) for kind in (REST, HTTP)}
    assert quality[REST][Kind.DATA_QUALITY] == "degraded"  # clients choose it
    assert quality[HTTP][Kind.DATA_QUALITY] == "full"


@pytest.mark.parametrize("kind", FULL)
def test_the_recommended_format_is_taken_by_aws_and_holds_no_secret(kind: ApiType) -> None:
    template = FULL[kind]
    assert len(template.encode()) < TEMPLATE_LIMIT
    assert "\n" not in template
    assert {"requestId", "extendedRequestId"} <= template_variables(template)
    assert secrets(template_variables(template)) == []
    assert list(json.loads(template))[-1] == "userAgent"


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_users_templates_are_no_secret_but_for_the_key_itself(name: str) -> None:
    found = [variable for variable, _ in secrets(template_variables(TEMPLATES[name]))]
    assert found == (["identity.apiKey"] if "identity.apiKey" in template_variables(TEMPLATES[name]) else [])


def test_secrets_in_a_format_are_told() -> None:
    given = {"identity.apiKey", "requestOverride.header.Authorization", "authorizer.access_token", "authorizer.tenant"}
    assert [name for name, _ in secrets(given)] == [
        "authorizer.access_token",
        "identity.apiKey",
        "requestOverride.header.Authorization",
    ]


def test_the_cost_is_that_of_the_destination() -> None:
    assert line_bytes('{"s":"$context.status"}') == len('{"s":"200"}')
    group = monthly_dollars("$context.status", 1e9, "arn:aws:logs:eu-west-1:1:log-group:x")
    assert group == pytest.approx((3 + 26) * 0.5)
    stream = monthly_dollars("$context.status", 1e6, "arn:aws:firehose:eu-west-1:1:deliverystream/amazon-apigateway-x")
    assert stream == pytest.approx(5120 * 1e6 / 1e9 * 0.029)
