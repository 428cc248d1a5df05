"""The JSON lines of API Gateway's console: the templates that the documentation gives for each type of API."""

from __future__ import annotations

from gatewatch.records import ApiType
from ingest.formats.model import log_format
from ingest.formats.template import compile_template

_REST = """
{ "requestId":"$context.requestId", "extendedRequestId":"$context.extendedRequestId",
  "ip":"$context.identity.sourceIp", "caller":"$context.identity.caller", "user":"$context.identity.user",
  "requestTime":"$context.requestTime", "httpMethod":"$context.httpMethod",
  "resourcePath":"$context.resourcePath", "status":"$context.status", "protocol":"$context.protocol",
  "responseLength":"$context.responseLength" }
"""
_HTTP = """
{ "requestId":"$context.requestId", "ip":"$context.identity.sourceIp", "requestTime":"$context.requestTime",
  "httpMethod":"$context.httpMethod", "routeKey":"$context.routeKey", "status":"$context.status",
  "protocol":"$context.protocol", "responseLength":"$context.responseLength",
  "extendedRequestId":"$context.extendedRequestId" }
"""
_WEBSOCKET = """
{ "requestId":"$context.requestId", "ip":"$context.identity.sourceIp", "caller":"$context.identity.caller",
  "user":"$context.identity.user", "requestTime":"$context.requestTime", "eventType":"$context.eventType",
  "routeKey":"$context.routeKey", "status":"$context.status", "connectionId":"$context.connectionId" }
"""

REST = log_format("apigw-rest-json")(compile_template(_REST, name="apigw-rest-json", api_type=ApiType.REST))
HTTP = log_format("apigw-http-json")(compile_template(_HTTP, name="apigw-http-json", api_type=ApiType.HTTP))
WEBSOCKET = log_format("apigw-websocket-json")(
    compile_template(_WEBSOCKET, name="apigw-websocket-json", api_type=ApiType.WEBSOCKET)
)
