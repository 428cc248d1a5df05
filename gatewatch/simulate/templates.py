"""Access-log templates as users write them: from the console's to home-made ones. What they leave out, nobody sees."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_VARIABLE = re.compile(r"\$context\.([A-Za-z_.0-9]*[A-Za-z_0-9])")


def _quoted(names: Mapping[str, Any]) -> str:
    """A JSON template in which every variable is quoted."""
    return json.dumps(_with_context(names), separators=(",", ":"))


def _with_context(names: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _with_context(value) if isinstance(value, Mapping) else f"$context.{value}" for key, value in names.items()
    }


def _bare(names: Mapping[str, str], bare: frozenset[str]) -> str:
    """A JSON template in which the numbers stand without quotes: not JSON any more where a value is absent."""
    pairs = (f'"{key}":$context.{name}' if key in bare else f'"{key}":"$context.{name}"' for key, name in names.items())
    return "{" + ",".join(pairs) + "}"


_REST_CONSOLE = _quoted(
    {
        "requestId": "requestId",
        "extendedRequestId": "extendedRequestId",
        "ip": "identity.sourceIp",
        "caller": "identity.caller",
        "user": "identity.user",
        "requestTime": "requestTime",
        "httpMethod": "httpMethod",
        "resourcePath": "resourcePath",
        "status": "status",
        "protocol": "protocol",
        "responseLength": "responseLength",
    }
)
_REST_FULL = _quoted(
    {
        "apiType": "apiId",
        "accountId": "accountId",
        "apiId": "apiId",
        "stage": "stage",
        "requestId": "requestId",
        "extendedRequestId": "extendedRequestId",
        "ts": "requestTimeEpoch",
        "method": "httpMethod",
        "resourcePath": "resourcePath",
        "status": "status",
        "responseLength": "responseLength",
        "responseLatency": "responseLatency",
        "integrationLatency": "integration.latency",
        "integrationStatus": "integration.status",
        "lambdaStatus": "integration.integrationStatus",
        "errorType": "error.responseType",
        "wafStatus": "waf.status",
        "wafLatency": "waf.latency",
        "authenticateStatus": "authenticate.status",
        "authorizerStatus": "authorizer.status",
        "authorizerLatency": "authorizer.latency",
        "authorizerError": "authorizer.error",
        "authorizeStatus": "authorize.status",
        "principalId": "authorizer.principalId",
        "apiKeyId": "identity.apiKeyId",
        "xrayTraceId": "xrayTraceId",
        "domainName": "domainName",
        "ip": "identity.sourceIp",
        "path": "path",
        "userAgent": "identity.userAgent",
        "errorMessage": "error.message",
    }
).replace('"apiType":"$context.apiId"', '"apiType":"REST"')
_REST_NESTED = _quoted(
    {
        "request": {
            "id": "requestId",
            "extendedId": "extendedRequestId",
            "time": "requestTimeEpoch",
            "method": "httpMethod",
            "path": "path",
            "resourcePath": "resourcePath",
        },
        "api": {"id": "apiId", "stage": "stage"},
        "response": {"status": "status", "length": "responseLength", "latency": "responseLatency"},
        "integration": {"status": "integration.status", "latency": "integration.latency", "error": "integration.error"},
        "authorizer": {
            "error": "authorizer.error",
            "latency": "authorizer.latency",
            "principalId": "authorizer.principalId",
        },
        "waf": {"status": "waf.status", "latency": "waf.latency"},
        "identity": {
            "sourceIp": "identity.sourceIp",
            "userAgent": "identity.userAgent",
            "apiKeyId": "identity.apiKeyId",
        },
        "error": {"responseType": "error.responseType", "message": "error.message"},
    }
)
_SNAKE_NAMES = {
    "request_id": "requestId",
    "extended_request_id": "extendedRequestId",
    "api_id": "apiId",
    "stage": "stage",
    "source_ip": "identity.sourceIp",
    "request_time_epoch": "requestTimeEpoch",
    "http_method": "httpMethod",
    "resource_path": "resourcePath",
    "status": "status",
    "response_length": "responseLength",
    "response_latency": "responseLatency",
    "integration_latency": "integration.latency",
    "integration_status": "integration.status",
    "api_key_id": "identity.apiKeyId",
    "error_response_type": "error.responseType",
    "error_message": "error.message",
    "user_agent": "identity.userAgent",
}
_NUMBERS = frozenset(
    {
        "request_time_epoch",
        "status",
        "response_length",
        "response_latency",
        "integration_latency",
        "integration_status",
    }
)
_HTTP_NESTED = _quoted(
    {
        "requestId": "requestId",
        "apiId": "apiId",
        "stage": "stage",
        "requestTimeEpoch": "requestTimeEpoch",
        "routeKey": "routeKey",
        "status": "status",
        "responseLength": "responseLength",
        "responseLatency": "responseLatency",
        "integration": {"latency": "integration.latency", "status": "integration.status", "error": "integration.error"},
        "authorizer": {"error": "authorizer.error", "sub": "authorizer.claims.sub"},
        "identity": {"sourceIp": "identity.sourceIp", "userAgent": "identity.userAgent"},
        "error": {"message": "error.message", "responseType": "error.responseType"},
        "path": "path",
    }
)
_HTTP_BARE = _bare(
    {
        "requestId": "requestId",
        "apiId": "apiId",
        "stage": "stage",
        "time": "requestTimeEpoch",
        "ip": "identity.sourceIp",
        "method": "httpMethod",
        "routeKey": "routeKey",
        "status": "status",
        "bytes": "responseLength",
        "latency": "responseLatency",
        "integrationLatency": "integration.latency",
        "authorizerError": "authorizer.error",
        "sub": "authorizer.claims.sub",
        "userAgent": "identity.userAgent",
    },
    frozenset({"time", "status", "bytes", "latency", "integrationLatency"}),
)

TEMPLATES: Mapping[str, str] = MappingProxyType(
    {
        "rest_console_json": _REST_CONSOLE,
        "rest_full_json": _REST_FULL,
        "rest_nested_json": _REST_NESTED,
        "rest_snake_bare": _bare(_SNAKE_NAMES, _NUMBERS),
        "rest_clf": "$context.identity.sourceIp $context.identity.caller $context.identity.user "
        '[$context.requestTime]"$context.httpMethod $context.resourcePath $context.protocol" $context.status '
        "$context.responseLength $context.requestId $context.extendedRequestId",
        "rest_csv": "$context.identity.sourceIp,$context.identity.caller,$context.identity.user,$context.requestTime,"
        "$context.httpMethod,$context.resourcePath,$context.protocol,$context.status,$context.responseLength,"
        "$context.requestId,$context.extendedRequestId",
        "rest_csv_own": "$context.requestTimeEpoch,$context.requestId,$context.extendedRequestId,"
        "$context.identity.sourceIp,$context.identity.apiKeyId,$context.httpMethod,$context.resourcePath,"
        "$context.status,$context.responseLatency,$context.integration.latency,$context.integration.status,"
        "$context.error.responseType,$context.responseLength",
        "rest_xml": '<request id="$context.requestId"> <extendedRequestId>$context.extendedRequestId'
        "</extendedRequestId> <ip>$context.identity.sourceIp</ip> <caller>$context.identity.caller</caller> "
        "<user>$context.identity.user</user> <requestTime>$context.requestTime</requestTime> "
        "<httpMethod>$context.httpMethod</httpMethod> <resourcePath>$context.resourcePath</resourcePath> "
        "<status>$context.status</status> <protocol>$context.protocol</protocol> "
        "<responseLength>$context.responseLength</responseLength> </request>",
        "http_nested_json": _HTTP_NESTED,
        "http_bare_json": _HTTP_BARE,
        "http_clf": '$context.identity.sourceIp - - [$context.requestTime] "$context.httpMethod $context.routeKey '
        '$context.protocol" $context.status $context.responseLength $context.requestId $context.extendedRequestId',
        "websocket_snake_json": _quoted(
            {
                "request_id": "requestId",
                "extended_request_id": "extendedRequestId",
                "api_id": "apiId",
                "stage": "stage",
                "request_time_epoch": "requestTimeEpoch",
                "event_type": "eventType",
                "route_key": "routeKey",
                "connection_id": "connectionId",
                "status": "status",
                "integration_latency": "integration.latency",
                "integration_status": "integration.status",
                "authorizer_status": "authorizer.status",
                "authorizer_latency": "authorizer.latency",
                "principal_id": "authorizer.principalId",
                "error_response_type": "error.responseType",
                "error_message": "error.message",
                "source_ip": "identity.sourceIp",
                "user_agent": "identity.userAgent",
            }
        ),
        "websocket_csv": "$context.identity.sourceIp,$context.identity.caller,$context.identity.user,"
        "$context.requestTime,$context.eventType,$context.routeKey,$context.connectionId,$context.status,"
        "$context.requestId",
    }
)


def variables(name: str) -> tuple[str, ...]:
    """The variables of a template in the order in which they stand: what its lines can show at all."""
    return tuple(_VARIABLE.findall(TEMPLATES[name]))


def pieces(name: str) -> tuple[list[str], list[str]]:
    """(texts, variables): a line is texts[0] + variables[0] + texts[1] + … + texts[-1]."""
    parts = _VARIABLE.split(TEMPLATES[name])
    return parts[0::2], parts[1::2]
