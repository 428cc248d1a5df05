"""An inventory that fits tests.dashboard.world: what is declared beside what is called, with limits and plans."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gatewatch.store.inventories import save_inventory
from gatewatch.store.state import State


def document(**changes: Any) -> dict[str, Any]:
    """shop4f2k1 is REST with plans, login8a2 HTTP with a JWT, `never77` is never called, `legacy9` is deprecated."""
    method = {"httpMethod": "GET", "authorizationType": "CUSTOM", "authorizerId": "au1", "apiKeyRequired": True}
    shop = {
        "id": "shop4f2k1",
        "name": "Shop",
        "createdDate": "2025-01-01T00:00:00Z",
        "endpointConfiguration": {"types": ["REGIONAL"]},
        "resources": [
            {"path": "/items/{id}", "resourceMethods": {"GET": method, "DELETE": method | {"httpMethod": "DELETE"}}}
        ],
        "authorizers": [
            {
                "id": "au1",
                "name": "tokens",
                "type": "TOKEN",
                "authorizerResultTtlInSeconds": 300,
                "authorizerUri": "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/"
                "arn:aws:lambda:eu-west-1:1:function:shop-authorizer/invocations",
            }
        ],
        "stages": [
            {
                "stageName": "prod",
                "methodSettings": {
                    "*/*": {"throttlingRateLimit": 100.0, "throttlingBurstLimit": 200},
                    "~1items~1{id}/DELETE": {"throttlingRateLimit": 1.0, "throttlingBurstLimit": 2},
                },
                "accessLogSettings": {"format": "$context.requestId"},
                "webAclArn": "arn:aws:wafv2:eu-west-1:1:regional/webacl/edge/1",
                "tags": {"team": "storefront"},
            }
        ],
    }
    login = {
        "ApiId": "login8a2",
        "Name": "Login",
        "ProtocolType": "HTTP",
        "Routes": [{"RouteKey": "POST /login", "AuthorizationType": "JWT", "AuthorizerId": "au2"}],
        "Authorizers": [{"AuthorizerId": "au2", "Name": "pool", "AuthorizerType": "JWT"}],
        "Stages": [{"StageName": "prod", "DefaultRouteSettings": {"ThrottlingRateLimit": 50.0}}],
        "Tags": {"Owner": "identity"},
    }
    legacy = {
        "id": "legacy9",
        "name": "Legacy",
        "tags": {"deprecated": "true"},
        "resources": [],
        "stages": [{"stageName": "v1"}],
        "unread": ["resources"],
    }
    never = {"id": "never77", "name": "Never", "resources": [], "stages": [{"stageName": "v1"}]}
    out: dict[str, Any] = {
        "accountId": "1",
        "region": "eu-west-1",
        "restApis": [shop, legacy, never],
        "httpApis": [login],
        "webSocketApis": [],
        "usagePlans": [
            {
                "id": "pl1",
                "name": "gold",
                "throttle": {"rateLimit": 10.0, "burstLimit": 20},
                "quota": {"limit": 1000, "offset": 0, "period": "DAY"},
                "apiStages": [{"apiId": "shop4f2k1", "stage": "prod"}],
                "keys": [{"id": "k1", "type": "API_KEY", "name": "partner-one"}],
            }
        ],
        "apiKeys": [{"id": "k1", "name": "partner-one", "enabled": True}],
        "account": {"throttleSettings": {"rateLimit": 10000.0, "burstLimit": 5000}},
    }
    return out | changes


def declare(state: State, now: datetime, **changes: Any) -> None:
    """Put it into the store."""
    with state.begin() as session:
        save_inventory(session, document(**changes), source="test", now=now)
