"""The inventory of a double: everything joined, what is denied named as unread, no secret in it."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest

from dashboard.inventoried import inventory_of
from detect.inventory import declared
from detect.resources import links
from ingest.aws.inventory import pull_inventory
from ingest.aws.session import Aws
from ingest.stagelogs import stage_logs
from tests.awsdouble import Double
from tests.ingest.aws.conftest import REGION

NOW = datetime(2026, 6, 9, 12, 0, tzinfo=UTC)
FORMAT = '{"id":"$context.requestId","status":"$context.status"}'


@pytest.fixture(name="made")
def _made(aws: Aws) -> dict[str, str]:
    """A REST API with a function, a pool, a plan, a key, a domain and an ACL, and an HTTP API."""
    iam, function = aws.client("iam", REGION), aws.client("lambda", REGION)
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("f.py", "def handler(event, context): return {}")
    arn = function.create_function(
        FunctionName="orders", Runtime="python3.12", Role=role, Handler="f.handler", Code={"ZipFile": packed.getvalue()}
    )["FunctionArn"]
    function.add_permission(
        FunctionName="orders", StatementId="s", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
    )
    cognito = aws.client("cognito-idp", REGION)
    pool = cognito.create_user_pool(PoolName="people")["UserPool"]
    cognito.create_user_pool_client(UserPoolId=pool["Id"], ClientName="app", GenerateSecret=True)
    rest = aws.client("apigateway", REGION)
    api = rest.create_rest_api(name="orders", endpointConfiguration={"types": ["REGIONAL"]})
    root = rest.get_resources(restApiId=api["id"])["items"][0]["id"]
    authorizer = rest.create_authorizer(
        restApiId=api["id"], name="pool", type="COGNITO_USER_POOLS", providerARNs=[pool["Arn"]],
        identitySource="method.request.header.Authorization",
    )["id"]  # fmt: skip
    rest.put_method(
        restApiId=api["id"], resourceId=root, httpMethod="GET", authorizationType="COGNITO_USER_POOLS",
        authorizerId=authorizer,
    )  # fmt: skip
    rest.put_integration(
        restApiId=api["id"], resourceId=root, httpMethod="GET", type="AWS_PROXY", integrationHttpMethod="POST",
        uri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations",
    )  # fmt: skip
    deployment = rest.create_deployment(restApiId=api["id"])["id"]
    rest.create_stage(restApiId=api["id"], stageName="prod", deploymentId=deployment)
    rest.update_stage(
        restApiId=api["id"],
        stageName="prod",
        patchOperations=[
            {"op": "replace", "path": "/accessLogSettings/format", "value": FORMAT},
            {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": "arn:aws:logs:x:1:log-group:g"},
        ],
    )
    waf = aws.client("wafv2", REGION)
    visible = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "m"}
    acl = waf.create_web_acl(Name="edge", Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig=visible)
    stage = f"arn:aws:apigateway:{REGION}::/restapis/{api['id']}/stages/prod"
    waf.associate_web_acl(WebACLArn=acl["Summary"]["ARN"], ResourceArn=stage)
    plan = rest.create_usage_plan(name="gold", apiStages=[{"apiId": api["id"], "stage": "prod"}])["id"]
    rest.create_usage_plan(name="without keys")
    key = rest.create_api_key(name="partner", value="a-secret-value-of-twenty", enabled=True)["id"]
    rest.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
    certificate = aws.client("acm", REGION).request_certificate(DomainName="api.example.com")["CertificateArn"]
    rest.create_domain_name(domainName="api.example.com", regionalCertificateArn=certificate)
    second = aws.client("apigatewayv2", REGION)
    http = second.create_api(Name="pets", ProtocolType="HTTP")["ApiId"]
    second.create_route(ApiId=http, RouteKey="GET /pets")
    second.create_stage(ApiId=http, StageName="$default", AutoDeploy=True)
    found = {"rest": api["id"], "http": http, "function": arn, "pool": pool["Id"], "acl": acl["Summary"]["ARN"]}
    return {**found, "key": key}


def of(document: dict[str, Any], field: str) -> list[Any]:
    found = document[field]
    assert isinstance(found, list)
    return found


def test_everything_is_joined_and_known_to_the_detectors(aws: Aws, double: Double, made: dict[str, str]) -> None:
    double.calls.clear()
    pulled = pull_inventory(aws, REGION, NOW, keys=True)
    document: dict[str, Any] = pulled.document
    assert pulled.denied == {}
    assert "unread" not in document
    (api,) = of(document, "restApis")
    assert api["resources"][0]["resourceMethods"]["GET"]["methodIntegration"]["type"] == "AWS_PROXY"
    assert api["stages"][0]["webAclArn"] == made["acl"]
    assert api["deployments"][0]["id"] == api["stages"][0]["deploymentId"]
    (http,) = of(document, "httpApis")
    assert http["Routes"][0]["RouteKey"] == "GET /pets"
    assert [one["name"] for one in of(document, "webAcls")] == ["edge"]
    (function,) = of(document, "functions")
    assert "apigateway.amazonaws.com" in function["policy"]
    (pool,) = of(document, "userPools")
    assert pool["clients"][0]["ClientName"] == "app"
    assert of(document, "certificates")[0]["DomainName"] == "api.example.com"
    plans = {one["name"]: one for one in of(document, "usagePlans")}
    assert plans["gold"]["apiStages"] == [{"apiId": made["rest"], "stage": "prod"}]
    assert plans["gold"]["keys"] == [{"id": made["key"], "name": "partner"}]
    assert plans["without keys"]["keys"] == []
    assert [(one.name, one.keys) for one in inventory_of(document).plans] == [
        ("gold", {made["key"]: "partner"}),
        ("without keys", {}),
    ]
    assert not [call.name for call in double.calls if "/keys" in call.name]  # they would tell the values
    text = json.dumps(document)
    assert "a-secret-value" not in text
    assert "ClientSecret" not in text
    assert {(one.api, one.stage) for one in declared(document)} == {(made["rest"], "prod"), (made["http"], "$default")}
    assert links(document).places(made["function"]) == {(made["rest"], None)}
    assert [one.template for one in stage_logs(document)] == [FORMAT, None]
    names = [call.name if "keyId=" in call.name else call.name.split("?")[0] for call in double.calls]
    assert len(names) == len(set(names))  # nothing is asked twice


def test_keys_are_not_read_unless_asked_for(aws: Aws, double: Double, made: dict[str, str]) -> None:
    double.calls.clear()
    document = pull_inventory(aws, REGION, NOW).document
    assert document["unread"] == ["apiKeys"]
    assert not [call.name for call in double.calls if "apikeys" in call.name or "/keys" in call.name]


def test_plans_of_too_many_keys_are_unread(aws: Aws, made: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.aws.inventory.MOST_KEYS", 0)
    plans = of(dict(pull_inventory(aws, REGION, NOW, keys=True).document), "usagePlans")
    assert [(one["unread"], "keys" in one) for one in plans] == [(["keys"], False)] * 2


def test_what_is_denied_is_unread_and_the_rest_goes_on(aws: Aws, double: Double, made: dict[str, str]) -> None:
    double.deny("lambda")
    double.deny("cognito-idp", "DescribeUserPool")
    double.deny("apigateway", f"GET /restapis/{made['rest']}/authorizers")
    double.deny("apigateway", f"GET /restapis/{made['rest']}/gatewayresponses")
    pulled = pull_inventory(aws, REGION, NOW)
    document: dict[str, Any] = pulled.document
    assert document["restApis"][0]["unread"] == ["authorizers", "gatewayResponses"]
    assert not {"authorizers", "gatewayResponses"} & set(document["restApis"][0])
    assert document["functions"] == [{"functionArn": made["function"], "unread": ["policy"]}]
    assert len(document["httpApis"]) == 1
    assert any("gatewatch iam-policy" in why for why in pulled.denied.values())
    assert len(pulled.denied) == 2  # the pool is known only from the authorizers


def test_keys_without_their_plans_and_what_is_deleted_meanwhile_stop_nothing(
    aws: Aws, double: Double, made: dict[str, str]
) -> None:
    double.refuse("cognito-idp", "DescribeUserPoolClient", 400, "ResourceNotFoundException")
    double.refuse("apigateway", f"GET /usageplans?keyId={made['key']}", 404, "NotFoundException")
    double.refuse("apigateway", "GET /usageplans?limit=500&keyId", 404, "NotFoundException")
    document: dict[str, Any] = pull_inventory(aws, REGION, NOW, keys=True).document
    assert of(document, "userPools")[0]["clients"] == []
    assert [one["keys"] for one in of(document, "usagePlans")] == [[], []]
    double.deny("apigateway", "GET /usageplans")
    document = dict(pull_inventory(aws, REGION, NOW, keys=True).document)
    assert document["unread"] == ["usagePlans"]
    assert [one["id"] for one in of(document, "apiKeys")] == [made["key"]]
