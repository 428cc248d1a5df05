"""API Gateway's CSV lines. Values are neither quoted nor escaped: what stands around a path tells where it ends."""

from __future__ import annotations

from gatewatch.records import ApiType
from ingest.formats.model import Format, log_format
from ingest.formats.template import compile_template

_REST = (
    "identity.sourceIp identity.caller identity.user requestTime httpMethod resourcePath protocol status "
    "responseLength requestId"
)
_HTTP = "identity.sourceIp requestTime httpMethod routeKey protocol status responseLength requestId"
_WEBSOCKET = (
    "identity.sourceIp identity.caller identity.user requestTime eventType routeKey connectionId status requestId"
)
_EXTENDED = " extendedRequestId"


def _csv(name: str, variables: str, api_type: ApiType) -> Format:
    template = ",".join(f"$context.{variable}" for variable in variables.split())
    return log_format(name)(compile_template(template, name=name, api_type=api_type))


REST = _csv("apigw-rest-csv", _REST + _EXTENDED, ApiType.REST)
REST_OLD = _csv("apigw-rest-csv-old", _REST, ApiType.REST)
HTTP = _csv("apigw-http-csv", _HTTP + _EXTENDED, ApiType.HTTP)
HTTP_OLD = _csv("apigw-http-csv-old", _HTTP, ApiType.HTTP)
WEBSOCKET = _csv("apigw-websocket-csv", _WEBSOCKET, ApiType.WEBSOCKET)
