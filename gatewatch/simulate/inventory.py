"""What the describe-calls of AWS would say about the world, joined into one document (design.md 4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from gatewatch.records import iso
from gatewatch.simulate.delivery import log_group
from gatewatch.simulate.model import Api, Route, World
from gatewatch.simulate.people import mixed
from gatewatch.simulate.scenarios import Planted
from gatewatch.simulate.templates import TEMPLATES

_LAMBDA = "arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function}/invocations"


def inventory(world: World, planted: Sequence[Planted]) -> dict[str, Any]:
    """The document, with what the scenarios change in it."""
    document: dict[str, Any] = {
        "accountId": world.account,
        "region": world.region,
        "restApis": [_rest(world, api) for api in world.apis if api.kind == "rest"],
        "httpApis": [_v2(world, api) for api in world.apis if api.kind == "http"],
        "webSocketApis": [_v2(world, api) for api in world.apis if api.kind == "websocket"],
        "usagePlans": [plan for api in world.apis for plan in _plans(api)],
        "apiKeys": [key for api in world.apis for key in _keys(api)],
        "domainNames": [],
    }
    for one in planted:
        if one.inventory is not None:
            one.inventory(document)
    return document


def function_name(api: Api, route: Route) -> str:
    """The Lambda behind a route: one for each first segment of its path."""
    head = route.resource.strip("/$").split("/")[0] or "root"
    return f"{api.name}-{head}"


def authorizer_name(api: Api) -> str:
    """The Lambda behind its authorizer."""
    return f"{api.name}-authorizer"


def function_arn(world: World, name: str) -> str:
    return f"arn:aws:lambda:{world.region}:{world.account}:function:{name}"


def _id(world: World, *places: int) -> str:
    return format(int(mixed(world.seed, *places)) % 36**6, "x")[:6].rjust(6, "0")


def _at(at_ms: int) -> str:
    return iso(datetime.fromtimestamp(at_ms // 1000, UTC))


_TEAMS = {
    "shop": "storefront",
    "accounts": "identity",
    "partner-orders": "partners",
    "chat": "messaging",
    "meters": "devices",
    "catalog-search": "search",
    "reports": "analytics",
    "mobile-bff": "mobile",
    "webhooks": "partners",
    "legacy-billing": "billing",
    "uploads": "media",
    "sandbox": "developer-experience",
    "support-live": "support",
}
"""Who looks after an API of each kind."""


def _tags(api: Api) -> dict[str, str]:
    env = "test" if api.archetype == "sandbox" else "staging" if api.stage == "v1" else "prod"
    return {"team": _TEAMS.get(api.archetype, api.archetype), "env": env}


def _rest(world: World, api: Api) -> dict[str, Any]:
    paths = sorted({route.resource for route in api.routes})
    firehose = f"arn:aws:firehose:{world.region}:{world.account}:deliverystream/amazon-apigateway-{api.name}"
    stage: dict[str, Any] = {
        "stageName": api.stage,
        "deploymentId": _id(world, api.index, 61),
        "createdDate": _at(api.created_ms),
        "lastUpdatedDate": _at(api.created_ms),
        "cacheClusterEnabled": api.cache,
        "methodSettings": {
            "*/*": {
                "metricsEnabled": api.detailed_metrics,
                "loggingLevel": "ERROR",
                "dataTraceEnabled": False,
                "throttlingBurstLimit": api.stage_burst,
                "throttlingRateLimit": api.stage_rate_rps,
                "cachingEnabled": api.cache,
            }
        },
        "accessLogSettings": {"format": TEMPLATES[api.template], "destinationArn": firehose},
        "tracingEnabled": api.tracing,
        "tags": _tags(api),
    }
    if api.waf:
        stage["webAclArn"] = f"arn:aws:wafv2:{world.region}:{world.account}:regional/webacl/edge/{_id(world, 62)}"
    out: dict[str, Any] = {
        "id": api.id,
        "name": api.name,
        "createdDate": _at(api.created_ms),
        "apiKeySource": "HEADER",
        "endpointConfiguration": {"types": ["REGIONAL"]},
        "disableExecuteApiEndpoint": False,
        "resources": [
            {
                "id": _id(world, api.index, 63, place),
                "path": path,
                "resourceMethods": {
                    route.method: _method(world, api, route) for route in api.routes if route.resource == path
                },
            }
            for place, path in enumerate(paths)
        ],
        "stages": [stage],
        "authorizers": [],
    }
    if api.authorizer is not None:
        out["authorizers"] = [
            {
                "id": _id(world, api.index, 64),
                "name": "tokens",
                "type": "TOKEN",
                "authorizerUri": _LAMBDA.format(
                    region=world.region, function=function_arn(world, authorizer_name(api))
                ),
                "identitySource": "method.request.header.Authorization",
                "authorizerResultTtlInSeconds": 300,
            }
        ]
    return out


def _method(world: World, api: Api, route: Route) -> dict[str, Any]:
    kind = {"lambda": "CUSTOM", "jwt": "COGNITO_USER_POOLS", "iam": "AWS_IAM"}.get(route.auth, "NONE")
    method: dict[str, Any] = {
        "httpMethod": route.method,
        "authorizationType": kind,
        "apiKeyRequired": route.auth == "key",
        "methodIntegration": {
            "type": "AWS_PROXY",
            "httpMethod": "POST",
            "uri": _LAMBDA.format(region=world.region, function=function_arn(world, function_name(api, route))),
            "timeoutInMillis": 29_000,
        },
    }
    if kind in ("CUSTOM", "COGNITO_USER_POOLS"):
        method["authorizerId"] = _id(world, api.index, 64)
    return method


def _v2(world: World, api: Api) -> dict[str, Any]:
    """HTTP and WebSocket APIs, with the field names of the v2 calls."""
    socket = api.kind == "websocket"
    group = f"arn:aws:logs:{world.region}:{world.account}:log-group:{log_group(api)}"
    kinds = {"lambda": "CUSTOM", "jwt": "JWT", "iam": "AWS_IAM"}
    routes: list[dict[str, Any]] = []
    integrations: list[dict[str, Any]] = []
    for place, route in enumerate(api.routes):
        integration = _id(world, api.index, 65, place)
        routes.append(
            {
                "RouteId": _id(world, api.index, 66, place),
                "RouteKey": route.key,
                "AuthorizationType": kinds.get(route.auth, "NONE"),
                "ApiKeyRequired": False,
                "Target": f"integrations/{integration}",
            }
        )
        if route.auth in ("lambda", "jwt"):
            routes[-1]["AuthorizerId"] = _id(world, api.index, 64)
        integrations.append(
            {
                "IntegrationId": integration,
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": function_arn(world, function_name(api, route)),
                "TimeoutInMillis": 29_000 if socket else 30_000,
            }
        )
    authorizers: list[dict[str, Any]] = []
    if api.authorizer == "jwt":
        authorizers.append(
            {
                "AuthorizerId": _id(world, api.index, 64),
                "Name": "tokens",
                "AuthorizerType": "JWT",
                "IdentitySource": ["$request.header.Authorization"],
                "JwtConfiguration": {"Issuer": "https://login.example", "Audience": [api.name]},
            }
        )
    elif api.authorizer == "lambda":
        authorizers.append(
            {
                "AuthorizerId": _id(world, api.index, 64),
                "Name": "tokens",
                "AuthorizerType": "REQUEST",
                "AuthorizerUri": _LAMBDA.format(
                    region=world.region, function=function_arn(world, authorizer_name(api))
                ),
            }
        )
    return {
        "ApiId": api.id,
        "Name": api.name,
        "ProtocolType": "WEBSOCKET" if socket else "HTTP",
        "ApiEndpoint": f"{'wss' if socket else 'https'}://{api.id}.execute-api.{world.region}.amazonaws.com",
        "CreatedDate": _at(api.created_ms),
        "DisableExecuteApiEndpoint": False,
        "Routes": routes,
        "Integrations": integrations,
        "Authorizers": authorizers,
        "Stages": [
            {
                "StageName": api.stage,
                "AccessLogSettings": {"DestinationArn": group, "Format": TEMPLATES[api.template]},
                "DefaultRouteSettings": {
                    "DetailedMetricsEnabled": api.detailed_metrics,
                    "ThrottlingBurstLimit": api.stage_burst,
                    "ThrottlingRateLimit": api.stage_rate_rps,
                },
                "AutoDeploy": not socket,
                "LastUpdatedDate": _at(api.created_ms),
                "Tags": _tags(api),
            }
        ],
    }


def _plans(api: Api) -> list[dict[str, Any]]:
    out = []
    for place, plan in enumerate(api.plans):
        document: dict[str, Any] = {
            "id": plan.id,
            "name": plan.name,
            "throttle": {"rateLimit": plan.rate, "burstLimit": plan.burst},
            "apiStages": [{"apiId": api.id, "stage": api.stage}],
            "keys": [
                {"id": key, "type": "API_KEY", "name": f"client-{key[-2:]}"}
                for key, of in zip(api.keys, api.key_plan, strict=True)
                if of == place
            ],
        }
        if plan.quota_day:
            document["quota"] = {"limit": plan.quota_day, "offset": 0, "period": "DAY"}
        out.append(document)
    return out


def _keys(api: Api) -> list[dict[str, Any]]:
    stage = f"{api.id}/{api.stage}"
    return [
        {
            "id": key,
            "name": f"client-{key[-2:]}",
            "enabled": True,
            "createdDate": _at(api.created_ms),
            "stageKeys": [stage],
        }
        for key in api.keys
    ]
