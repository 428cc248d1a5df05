"""Who lives in the demo: four gateways, their routes and log templates, and four incidents."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from gatewatch.records import JSON, iso

ACCOUNT = "123456789012"
REGION = "eu-west-1"
HOURS = 26

SHOP, LOGIN, CHAT, LEGACY = "shop7f3k2a", "acct5m2n8p", "chat4d5e6f", "lgcy1c2d3e"
GREEDY_KEY = "k9greedy01"

_CONSOLE = {
    "requestId": "$context.requestId",
    "extendedRequestId": "$context.extendedRequestId",
    "apiId": "$context.apiId",
    "stage": "$context.stage",
    "ip": "$context.identity.sourceIp",
    "requestTimeEpoch": "$context.requestTimeEpoch",
    "httpMethod": "$context.httpMethod",
    "resourcePath": "$context.resourcePath",
    "path": "$context.path",
    "status": "$context.status",
    "protocol": "$context.protocol",
    "responseLength": "$context.responseLength",
    "responseLatency": "$context.responseLatency",
    "integrationLatency": "$context.integration.latency",
    "integrationStatus": "$context.integration.status",
    "apiKeyId": "$context.identity.apiKeyId",
    "errorType": "$context.error.responseType",
    "errorMessage": "$context.error.message",
    "userAgent": "$context.identity.userAgent",
}
_NESTED = {
    "requestId": "$context.requestId",
    "extendedRequestId": "$context.extendedRequestId",
    "apiId": "$context.apiId",
    "stage": "$context.stage",
    "requestTimeEpoch": "$context.requestTimeEpoch",
    "routeKey": "$context.routeKey",
    "status": "$context.status",
    "responseLength": "$context.responseLength",
    "responseLatency": "$context.responseLatency",
    "integration": {"latency": "$context.integration.latency", "status": "$context.integration.status"},
    "authorizer": {"error": "$context.authorizer.error", "sub": "$context.authorizer.claims.sub"},
    "identity": {"sourceIp": "$context.identity.sourceIp", "userAgent": "$context.identity.userAgent"},
    "error": {"message": "$context.error.message", "responseType": "$context.error.responseType"},
}
_SNAKE = {
    "request_id": "$context.requestId",
    "extended_request_id": "$context.extendedRequestId",
    "api_id": "$context.apiId",
    "stage": "$context.stage",
    "request_time_epoch": "$context.requestTimeEpoch",
    "event_type": "$context.eventType",
    "route_key": "$context.routeKey",
    "connection_id": "$context.connectionId",
    "status": "$context.status",
    "integration_latency": "$context.integration.latency",
    "integration_status": "$context.integration.status",
    "error_message": "$context.error.message",
    "source_ip": "$context.identity.sourceIp",
}
CLF = (
    "$context.identity.sourceIp $context.identity.caller $context.identity.user [$context.requestTime]"
    '"$context.httpMethod $context.resourcePath $context.protocol" $context.status $context.responseLength '
    "$context.requestId $context.extendedRequestId"
)


@dataclass(frozen=True, slots=True)
class Route:
    """share of the traffic; typical latency of the integration in ms and its log-normal spread; error shares."""

    method: str
    path: str
    share: float
    ms: float
    spread: float = 0.35
    client_errors: float = 0.01
    server_errors: float = 0.0008


@dataclass(frozen=True, slots=True)
class Api:
    """One gateway: `rate` is its mean number of calls a minute over a day."""

    id: str
    name: str
    kind: str
    stage: str
    rate: float
    clients: int
    template: str
    routes: tuple[Route, ...]


APIS: tuple[Api, ...] = (
    Api(
        SHOP,
        "shop",
        "rest",
        "prod",
        95.0,
        700,
        json.dumps(_CONSOLE),
        (
            Route("GET", "/products", 0.38, 45),
            Route("GET", "/products/{id}", 0.30, 30),
            Route("GET", "/orders/{id}", 0.20, 90, client_errors=0.02),
            Route("POST", "/orders", 0.12, 160, 0.45),
        ),
    ),
    Api(
        LOGIN,
        "accounts",
        "http",
        "$default",
        60.0,
        500,
        json.dumps(_NESTED),
        (
            Route("POST", "/session", 0.35, 120),
            Route("GET", "/me", 0.50, 25),
            Route("PUT", "/me/settings", 0.15, 60),
        ),
    ),
    Api(
        CHAT,
        "chat",
        "websocket",
        "live",
        28.0,
        250,
        json.dumps(_SNAKE),
        (
            Route("CONNECT", "$connect", 0.15, 20),
            Route("MESSAGE", "sendMessage", 0.70, 18),
            Route("DISCONNECT", "$disconnect", 0.15, 8),
        ),
    ),
    Api(
        LEGACY,
        "legacy-billing",
        "rest",
        "v1",
        24.0,
        60,
        CLF,
        (
            Route("GET", "/invoices", 0.6, 70),
            Route("GET", "/invoices/{id}", 0.3, 50),
            Route("POST", "/payments", 0.1, 200),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Incident:
    """What was put into the logs, for tests and for the curious. end None: still going on."""

    kind: str
    api: str
    start: datetime
    end: datetime | None


def incidents_of(end: datetime) -> tuple[Incident, ...]:
    """The four incidents of a world that ends then."""
    return (
        Incident("auth_failure_spike", LOGIN, end - timedelta(hours=8), end - timedelta(hours=7, minutes=20)),
        Incident("throttling_abuse", SHOP, end - timedelta(hours=5), end - timedelta(hours=4, minutes=10)),
        Incident("latency_outlier", SHOP, end - timedelta(hours=2, minutes=30), None),
        Incident("dead_api", LEGACY, end - timedelta(hours=1, minutes=30), None),
    )


def epoch_ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def inventory() -> dict[str, JSON]:
    """What describe-calls would say about the APIs, with the log template of each stage."""
    rest: list[JSON] = []
    http: list[JSON] = []
    sockets: list[JSON] = []
    for api in APIS:
        if api.kind == "rest":
            stage: JSON = {"stageName": api.stage, "accessLogSettings": {"format": api.template}}
            resources: list[JSON] = [{"path": path} for path in sorted({route.path for route in api.routes})]
            rest.append({"id": api.id, "name": api.name, "stages": [stage], "resources": resources})
            continue
        settings: JSON = {"StageName": api.stage, "AccessLogSettings": {"Format": api.template}}
        socket = api.kind == "websocket"
        keys: list[JSON] = [
            {"RouteKey": route.path if socket else f"{route.method} {route.path}"} for route in api.routes
        ]
        found: JSON = {
            "ApiId": api.id,
            "Name": api.name,
            "ProtocolType": "WEBSOCKET" if socket else "HTTP",
            "Stages": [settings],
            "Routes": keys,
        }
        (sockets if socket else http).append(found)
    plan: JSON = {
        "id": "plan01",
        "name": "partner",
        "throttle": {"rateLimit": 0.5, "burstLimit": 5},
        "apiStages": [{"apiId": SHOP, "stage": "prod"}],
    }
    return {
        "accountId": ACCOUNT,
        "region": REGION,
        "restApis": rest,
        "httpApis": http,
        "webSocketApis": sockets,
        "usagePlans": [plan],
        "apiKeys": [{"id": GREEDY_KEY, "name": "partner-export", "enabled": True}],
    }


def changes(end: datetime) -> list[dict[str, JSON]]:
    """The deployment that made the orders slow, as CloudTrail tells it."""
    slow = next(incident for incident in incidents_of(end) if incident.kind == "latency_outlier")
    return [
        {
            "eventVersion": "1.11",
            "eventTime": iso(slow.start - timedelta(minutes=1)),
            "eventSource": "apigateway.amazonaws.com",
            "eventName": "UpdateIntegration",
            "awsRegion": REGION,
            "readOnly": False,
            "recipientAccountId": ACCOUNT,
            "userIdentity": {"type": "AssumedRole", "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/release-4.2"},
            "requestParameters": {"restApiId": SHOP, "resourceId": "ord1", "httpMethod": "GET"},
        }
    ]
