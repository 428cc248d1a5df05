"""The access-log templates that we recommend, how long their lines are, and what logging costs a month."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from gatewatch.records import ApiType

TEMPLATE_LIMIT = 3072
"""Bytes of a template that API Gateway takes (aws-facts.md 1.2)."""

_FIRST = {
    "accountId": "accountId",
    "apiId": "apiId",
    "stage": "stage",
    "requestId": "requestId",
    "extendedRequestId": "extendedRequestId",
    "ts": "requestTimeEpoch",
}
_OUTCOME = {
    "status": "status",
    "integrationLatency": "integration.latency",
    "integrationStatus": "integration.status",
    "lambdaStatus": "integration.integrationStatus",
    "integrationRequestId": "integration.requestId",
    "errorType": "error.responseType",
}
_LAST = {
    "authorizerError": "authorizer.error",
    "errorMessage": "error.message",
    "userAgent": "identity.userAgent",
}
"""What callers write themselves comes last: an invented key there cannot stand before ours."""

RECOMMENDED: Mapping[ApiType, Mapping[str, str]] = {
    ApiType.REST: {
        **_FIRST,
        "method": "httpMethod",
        "resourcePath": "resourcePath",
        "protocol": "protocol",
        **_OUTCOME,
        "responseLength": "responseLength",
        "responseLatency": "responseLatency",
        "wafStatus": "waf.status",
        "wafResponse": "wafResponseCode",
        "authenticateStatus": "authenticate.status",
        "authorizerStatus": "authorizer.status",
        "authorizerLatency": "authorizer.latency",
        "authorizeStatus": "authorize.status",
        "principalId": "authorizer.principalId",
        "apiKeyId": "identity.apiKeyId",
        "callerAccount": "identity.accountId",
        "xrayTraceId": "xrayTraceId",
        "tls": "tlsVersion",
        "domainName": "domainName",
        "ip": "identity.sourceIp",
        "userArn": "identity.userArn",
        "path": "path",
        **_LAST,
    },
    ApiType.HTTP: {
        **_FIRST,
        "method": "httpMethod",
        "routeKey": "routeKey",
        "protocol": "protocol",
        **_OUTCOME,
        "responseLength": "responseLength",
        "responseLatency": "responseLatency",
        "domainName": "domainName",
        "ip": "identity.sourceIp",
        "sub": "authorizer.claims.sub",
        "userArn": "identity.userArn",
        "path": "path",
        **_LAST,
    },
    ApiType.WEBSOCKET: {
        **_FIRST,
        "eventType": "eventType",
        "routeKey": "routeKey",
        "connectionId": "connectionId",
        "messageId": "messageId",
        **_OUTCOME,
        "authenticateStatus": "authenticate.status",
        "authorizerStatus": "authorizer.status",
        "authorizerLatency": "authorizer.latency",
        "authorizeStatus": "authorize.status",
        "principalId": "authorizer.principalId",
        "apiKeyId": "identity.apiKeyId",
        "domainName": "domainName",
        "ip": "identity.sourceIp",
        "userArn": "identity.userArn",
        **_LAST,
    },
}

_LENGTHS = {
    "accountId": 12, "apiId": 10, "stage": 5, "requestId": 36, "extendedRequestId": 16, "requestTimeEpoch": 13,
    "requestTime": 26, "httpMethod": 4, "resourcePath": 24, "routeKey": 26, "path": 32, "protocol": 8, "status": 3,
    "identity.sourceIp": 13, "identity.userAgent": 80, "identity.apiKeyId": 10, "identity.userArn": 40,
    "identity.caller": 10, "identity.user": 10, "integration.requestId": 36, "xrayTraceId": 35, "tlsVersion": 7,
    "domainName": 45, "authorizer.principalId": 20, "authorizer.claims.sub": 36, "connectionId": 16,
    "messageId": 16, "responseLength": 4, "eventType": 7, "webaclArn": 90, "identity.clientCert.clientCertPem": 1800,
}  # fmt: skip
_OTHER_LENGTH = 3
"""Typical bytes of a value; what is mostly absent is a `-`, most numbers have three digits."""

EVENT_BYTES = 26
"""CloudWatch Logs bills so many bytes for each event beside its text."""

CLOUDWATCH_GB, FIREHOSE_GB = 0.50, 0.029
"""Dollars a GB taken in (us-east-1, list price, first step)."""

FIREHOSE_STEP = 5 * 1024
"""Firehose bills each record as a multiple of 5 KB."""

_VARIABLE = re.compile(r"\$context\.[A-Za-z0-9_.:-]*[A-Za-z0-9_]")


def recommended(kind: ApiType) -> str:
    """The template for an API type: one line of JSON with every value quoted."""
    return json.dumps({key: f"$context.{name}" for key, name in RECOMMENDED[kind].items()}, separators=(",", ":"))


def line_bytes(template: str) -> int:
    """About how long a line of this template is."""
    length = len(_VARIABLE.sub("", template).encode())
    for found in _VARIABLE.findall(template):
        length += _LENGTHS.get(found.removeprefix("$context."), _OTHER_LENGTH)
    return length


def monthly_dollars(template: str, requests: float, destination: str) -> float:
    """List price of a month with so many requests. destination: ARN of a log group or of a Firehose stream."""
    if ":firehose:" in destination:
        billed = -(-line_bytes(template) // FIREHOSE_STEP) * FIREHOSE_STEP
        return billed * requests / 1e9 * FIREHOSE_GB
    return (line_bytes(template) + EVENT_BYTES) * requests / 1e9 * CLOUDWATCH_GB
