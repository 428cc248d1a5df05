"""Changes: the one that did it comes first, and none is named when none is likely."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np
import pytest

from detect.causes import decided
from detect.changes import LIKELY, class_of, family, likely, ranked_changes
from detect.model import Context
from detect.resources import Links, links, short
from gatewatch.records import Cause, Change, Kind
from tests.store.builders import a_finding

START = datetime(2026, 6, 9, 12, tzinfo=UTC)
API, OTHER = "a1b2c3d4e5", "z9y8x7w6v5"


def uri(function: str) -> str:
    arn = f"arn:aws:lambda:eu-west-1:123456789012:function:{function}"
    return f"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{arn}/invocations"


INVENTORY: dict[str, Any] = {
    "restApis": [
        {
            "id": API,
            "name": "orders",
            "resources": [{"id": "r1", "resourceMethods": {"GET": {"methodIntegration": {"uri": uri("orders-read")}}}}],
            "authorizers": [{"id": "auth01", "authorizerUri": uri("orders-authorizer")}],
            "stages": [
                {
                    "stageName": "prod",
                    "webAclArn": "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/edge/11aa22bb",
                },
                {"stageName": "test"},
            ],
        },
        {
            "id": OTHER,
            "resources": [{"methodIntegration": {"uri": uri("pets-read")}}],
            "stages": [{"stageName": "prod"}],
        },
    ],
    "usagePlans": [{"id": "plan01", "name": "gold", "apiStages": [{"apiId": API, "stage": "prod"}]}],
}
LINKED = links(INVENTORY)

CASES: list[tuple[Kind, str, str | None, str, str]] = [
    (Kind.AUTH_FAILURE_SPIKE, "misconfiguration", None, "UpdateAuthorizer replace /providerARNs x", API),
    (Kind.AUTH_FAILURE_SPIKE, "misconfiguration", None, "UpdateMethod replace /authorizationType AWS_IAM", API),
    (Kind.AUTH_FAILURE_SPIKE, "misconfiguration", None, "CreateDeployment", f"{API}/prod"),
    (Kind.AUTH_FAILURE_SPIKE, "misconfiguration", None, "DeleteApiKey", "plan01"),
    (Kind.AUTH_FAILURE_SPIKE, "signing_key_rotation", None, "UpdateAuthorizer replace /jwtConfiguration x", API),
    (Kind.AUTH_FAILURE_SPIKE, "authorizer_outage", None, "UpdateFunctionCode", "orders-authorizer"),
    (Kind.AUTH_FAILURE_SPIKE, "authorizer_outage", None, "UpdateAuthorizer replace /authorizerUri x", API),
    (Kind.AUTH_FAILURE_SPIKE, "waf_block_surge", None, "UpdateWebACL", "edge"),
    (Kind.AUTH_FAILURE_SPIKE, "waf_block_surge", None, "AssociateWebACL", f"{API}/prod"),
    (Kind.THROTTLING_ABUSE, "shared_limit", None, "UpdateStage replace /*/*/throttling/rateLimit 10", f"{API}/prod"),
    (Kind.THROTTLING_ABUSE, "shared_limit", None, "UpdateUsagePlan replace /throttle/rateLimit 5", "plan01"),
    (Kind.DEAD_API, "live_outage", None, "UpdateFunctionCode", "orders-read"),
    (Kind.DEAD_API, "live_outage", None, "RemovePermission", "orders-read"),
    (Kind.DEAD_API, "live_outage", None, "UpdateIntegration replace /uri x", API),
    (Kind.DEAD_API, "taken_offline", None, "DeleteStage", f"{API}/prod"),
    (Kind.LATENCY_OUTLIER, "step", "integration", "UpdateFunctionCode", "orders-read"),
    (Kind.LATENCY_OUTLIER, "cold_start", "cold_start", "UpdateFunctionConfiguration", "orders-read"),
    (Kind.LATENCY_OUTLIER, "authorizer", "authorizer", "UpdateFunctionConfiguration", "orders-authorizer"),
    (Kind.LATENCY_OUTLIER, "gateway", "gateway", "UpdateWebACL", "edge"),
    (Kind.DATA_QUALITY, "fields_lost", None, "UpdateStage replace /accessLogSettings/format x", f"{API}/prod"),
]
NOISE: list[tuple[str, str]] = [
    ("UpdateFunctionCode", "pets-read"),
    ("CreateDeployment", f"{OTHER}/prod"),
    ("UpdateStage replace /variables/x 1", f"{API}/test"),
    ("UpdateStage replace /description x", f"{API}/test"),
    ("PutRolePolicy", "build-role"),
    ("TagResource", API),
    ("UpdateUserPool", "eu-west-1_elsewhere"),
    ("CreateFunction", "nightly-report"),
]


def a_change(minutes_before: float, what: str, resource: str) -> Change:
    return Change(START - timedelta(minutes=minutes_before), what, "arn:aws:iam::123456789012:user/ops", resource)


def noise(rng: np.random.Generator, count: int) -> list[Change]:
    picked = rng.integers(len(NOISE), size=count)
    return [a_change(float(rng.uniform(0, 240)), *NOISE[int(number)]) for number in picked]


def test_the_true_change_is_first_among_many() -> None:
    first = among = 0
    total = 0
    for seed in range(3):
        for number, (kind, subtype, layer, what, resource) in enumerate(CASES):
            rng = np.random.default_rng([seed, number])
            true = a_change(float(rng.uniform(1, 12)), what, resource)
            changes = [*noise(rng, 12), true]
            failing = subtype != "taken_offline"
            found = ranked_changes(changes, family(kind, subtype, layer, failing=failing), API, "prod", START, LINKED)
            places = [(change.at, change.what) for change in found]
            first += places[:1] == [(true.at, true.what)]
            among += (true.at, true.what) in places[:3]
            total += 1
            assert likely(found), what
    assert total == 60
    assert first >= 0.95 * total
    assert among == total


@pytest.mark.parametrize("seed", range(20))
def test_no_likely_change_is_an_answer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for kind, subtype, layer, _, _ in CASES:
        found = ranked_changes(noise(rng, 8), family(kind, subtype, layer), API, "prod", START, LINKED)
        assert not likely(found)
        assert all(change.score < LIKELY for change in found)


def test_time_resource_and_type_each_count() -> None:
    def score(minutes: float, what: str = "UpdateFunctionCode", resource: str = "orders-read") -> float:
        found = ranked_changes([a_change(minutes, what, resource)], "latency", API, "prod", START, LINKED)
        return found[0].score if found else 0.0

    assert score(3) == 1.0 > score(30) > score(120) > score(300)
    assert score(3) > score(-8) > 0
    assert score(400) == score(-11) == 0.0
    assert score(3) > score(3, resource="nobody-knows") > score(3, resource="pets-read")
    assert score(3) > score(3, "TagResource", API)


def test_what_bears_the_name_of_the_api_is_likely_its_own() -> None:
    inventory = {"restApis": [{"id": API, "name": "shop"}, {"id": OTHER, "name": "shop-admin"}]}
    linked = links(inventory)
    assert linked.namesakes("shop/signing-key") == {API}
    assert linked.namesakes("shop-admin-auth") == {OTHER}
    assert linked.namesakes("workshop-auth") == frozenset()

    def found(resource: str) -> bool:
        change = a_change(2, "PutSecretValue", resource)
        return likely(ranked_changes([change], "auth", API, "prod", START, linked))

    assert found("shop/signing-key")
    assert not found("shop-admin/signing-key")
    assert not found("billing/signing-key")


def test_a_function_is_to_blame_for_its_own_part_only() -> None:
    def score(resource: str, broken: str) -> float:
        change = a_change(2, "UpdateFunctionCode", resource)
        found = ranked_changes([change], broken, API, "prod", START, LINKED)
        return found[0].score if found else 0.0

    assert score("orders-authorizer", "authorizer") == score("orders-read", "errors") == 1.0
    assert score("orders-read", "authorizer") == score("orders-authorizer", "errors") == pytest.approx(0.4)
    assert score("orders-read", "auth") == score("orders-authorizer", "auth"), "what refuses may be either"
    # It bears the API's name, but the inventory lists the API's functions, and it is none of them.
    assert score("orders-nightly-report", "errors") == pytest.approx(0.24)
    unlisted = {"restApis": [{"id": API, "name": "orders"}]}
    found = ranked_changes(
        [a_change(2, "UpdateFunctionCode", "orders-nightly-report")], "errors", API, "prod", START, links(unlisted)
    )
    assert found[0].score == pytest.approx(0.6)


def test_the_deployment_of_another_api_is_no_candidate() -> None:
    for broken in ("throttle", "errors", "latency", "auth"):
        for resource in (OTHER, f"{OTHER}/prod", "pets-read"):
            assert ranked_changes([a_change(1, "CreateDeployment", resource)], broken, API, "prod", START, LINKED) == ()


def test_a_change_beside_what_callers_do_is_not_called_likely() -> None:
    storm = a_finding("x", START, kind=Kind.THROTTLING_ABUSE, subtype="retry_storm", api=API, stage="prod")
    found = decided(storm, [a_change(2, "CreateDeployment", f"{API}/prod")], LINKED)
    told = cast(dict[str, str], found.evidence.card["cause"])["changes"]
    assert found.cause is Cause.CLIENT
    assert told == "at the same time, but callers do this by themselves: CreateDeployment"


def test_attackers_stay_attackers_whatever_was_deployed() -> None:
    change = a_change(2, "CreateDeployment", f"{API}/prod")
    attack = a_finding("x", START, kind=Kind.AUTH_FAILURE_SPIKE, subtype="brute_force", api=API, stage="prod")
    found = decided(attack, [change], LINKED)
    assert found.cause is Cause.CLIENT
    assert found.changes[0].what == "CreateDeployment"


@pytest.mark.parametrize("kind", [Kind.DEAD_API, Kind.LATENCY_OUTLIER, Kind.AUTH_FAILURE_SPIKE])
def test_the_same_rule_holds_for_all_kinds(kind: Kind) -> None:
    subtype = {Kind.DEAD_API: "live_outage", Kind.LATENCY_OUTLIER: "step"}.get(kind, "misconfiguration")
    one = a_finding("x", START, kind=kind, subtype=subtype, api=API, stage="prod", cause=Cause.INTEGRATION)
    deployed = a_change(4, "CreateDeployment", f"{API}/prod")
    named = decided(one, [deployed], LINKED)
    assert named.cause is Cause.CONFIG_CHANGE
    assert cast(dict[str, str], named.evidence.card["cause"])["changes"] == "likely: CreateDeployment"
    alone = decided(one, [a_change(4, "CreateDeployment", f"{OTHER}/prod")], LINKED)
    assert alone.cause is Cause.INTEGRATION
    assert cast(dict[str, str], alone.evidence.card["cause"])["changes"].startswith(
        "no likely change in the 6 h before"
    )
    nothing = decided(one, [], LINKED)
    assert cast(dict[str, str], nothing.evidence.card["cause"])["changes"] == "no changes were given"


def test_what_stood_still_for_weeks_is_no_change_of_today() -> None:
    one = a_finding("x", START, kind=Kind.DEAD_API, subtype="unused", api=API, stage="prod", changes=())
    assert decided(one, [a_change(4, "DeleteStage", f"{API}/prod")], LINKED) == one


def test_resources_are_linked_by_name_id_and_arn() -> None:
    assert LINKED.places("orders-read") == {(API, None)}
    assert LINKED.places("edge") == {(API, "prod")}
    assert LINKED.places("plan01") == {(API, "prod")}
    assert LINKED.places("orders") == frozenset()
    assert links(None) == Links()
    assert short("arn:aws:lambda:eu-west-1:123456789012:function:Pets:live") == "pets"
    assert short("plain") == "plain"
    assert Context(inventory=INVENTORY).linked == LINKED


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("UpdateStage replace /*/*/throttling/rateLimit 10", "throttle"),
        ("UpdateStage replace /accessLogSettings/format x", "logging"),
        ("UpdateRestApi replace /disableExecuteApiEndpoint true", "remove"),
        ("PutFunctionConcurrency", "throttle"),
        ("UpdateFunctionCode", "code"),
        ("PutRolePolicy", "permission"),
        ("FlushStageAuthorizersCache", "authorizer"),
        ("CreateApiMapping", "door"),
        ("TagResource", "tag"),
        ("SomethingNew", "other"),
        ("DeleteApiMapping on api.example.com", "remove"),
        ("DeleteBasePathMapping on api.example.com", "remove"),
        ("CreateBasePathMapping on api.example.com", "door"),
    ],
)
def test_calls_have_a_class(what: str, expected: str) -> None:
    assert class_of(what) == expected
