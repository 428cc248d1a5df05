"""Which kind of API a line is about, from the variables that its format has and, where these leave it open, its values.

REST, HTTP and WebSocket APIs have variables that the others lack (aws-facts 1.1): a format that has those of one kind
only tells the kind of all its lines, even of those that were refused before routing and have no value there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gatewatch.records import ApiType
from ingest.values import literal, present, present_sql, quoted

_WEBSOCKET = ("eventType", "connectionId")
UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|UUID_REPLACED_INVALID_REQUEST_ID"
_GATEWAY = frozenset(
    {
        "accountId",
        "apiId",
        "stage",
        "extendedRequestId",
        "routeKey",
        "resourcePath",
        "resourceId",
        "deploymentId",
        "domainPrefix",
        "error.responseType",
        "integration.integrationStatus",
        "integrationStatus",
        "responseLatency",
        "x.api_type",
        *_WEBSOCKET,
    }
)
_GATEWAY_PHASES = ("authorizer.", "authorize.", "authenticate.", "identity.apiKey", "customDomain.")


def foreign(variables: frozenset[str], constants: Mapping[str, str]) -> bool:
    """Whether the format is of another server (nginx, a load balancer): it has nothing that only API Gateway writes.

    Such a server is the back end itself, or speaks for it: what it refuses, no gateway has refused.
    """
    if "api_type" in constants:
        return constants["api_type"] == ApiType.OTHER
    return not (variables & _GATEWAY) and not any(name.startswith(_GATEWAY_PHASES) for name in variables)


def kind_of_format(variables: frozenset[str], constants: Mapping[str, str]) -> str | None:
    """The kind of all lines of the format; None when each line has to tell."""
    if "api_type" in constants:
        return constants["api_type"]
    if foreign(variables, constants):
        return ApiType.OTHER.value
    if "x.api_type" in variables:
        return None
    websocket = bool(variables.intersection(_WEBSOCKET))
    signs = (websocket, "routeKey" in variables and not websocket, "resourcePath" in variables)
    if signs == (True, False, False):
        return None if "httpMethod" in variables else ApiType.WEBSOCKET.value
    return {(False, True, False): ApiType.HTTP.value, (False, False, True): ApiType.REST.value}.get(signs)


def kind_of_line(variables: Mapping[str, str | None], constants: Mapping[str, str]) -> str:
    """The kind of one line; its keys are the variables of the format, None where the line has no value."""
    kind = kind_of_format(frozenset(variables), constants)
    if kind is not None:
        return kind
    told = (variables.get("x.api_type") or "").lower()
    if told in ("rest", "http", "websocket"):
        return told
    if any(present(variables.get(name)) for name in _WEBSOCKET):
        return ApiType.WEBSOCKET.value
    if present(variables.get("routeKey")):
        return ApiType.HTTP.value
    if present(variables.get("resourcePath")) or re.fullmatch(UUID, variables.get("requestId") or ""):
        return ApiType.REST.value
    return ApiType.OTHER.value


def kind_sql(variables: frozenset[str], constants: Mapping[str, str]) -> str:
    """`kind_of_line` as an expression."""
    kind = kind_of_format(variables, constants)
    if kind is not None:
        return literal(kind)
    cases = []
    if "x.api_type" in variables:
        told = f"lower({quoted('x.api_type')})"
        cases.append(f"WHEN {told} IN ('rest', 'http', 'websocket') THEN {told}")
    cases += [f"WHEN {present_sql(quoted(name))} THEN 'websocket'" for name in _WEBSOCKET if name in variables]
    if "routeKey" in variables:
        cases.append(f"WHEN {present_sql(quoted('routeKey'))} THEN 'http'")
    if "resourcePath" in variables:
        cases.append(f"WHEN {present_sql(quoted('resourcePath'))} THEN 'rest'")
    if "requestId" in variables:
        cases.append(f"WHEN regexp_full_match({quoted('requestId')}, '{UUID}') THEN 'rest'")
    return f"CASE {' '.join(cases)} ELSE 'other' END" if cases else "'other'"
