"""API Gateway's variants of the common log format. Templates before extendedRequestId was added end at requestId."""

from __future__ import annotations

from dataclasses import replace

from gatewatch.records import ApiType
from ingest.formats.model import Format, log_format
from ingest.formats.template import compile_template

_REST = (
    "$context.identity.sourceIp $context.identity.caller $context.identity.user [$context.requestTime] "
    '"$context.httpMethod $context.resourcePath $context.protocol" $context.status $context.responseLength '
    "$context.requestId"
)
_HTTP = (
    '$context.identity.sourceIp - - [$context.requestTime] "$context.httpMethod $context.routeKey $context.protocol" '
    "$context.status $context.responseLength $context.requestId"
)
_WEBSOCKET = (
    "$context.identity.sourceIp $context.identity.caller $context.identity.user [$context.requestTime] "
    '"$context.eventType $context.routeKey $context.connectionId" $context.status $context.requestId'
)
_EXTENDED = " $context.extendedRequestId"


# The last value is an id, so that no server's log with a number behind the size is taken for API Gateway's.
_ID = "(?P<id>[0-9A-Za-z=_+/-]{8,}|-)[ \\t]*$"


def _clf(name: str, template: str, api_type: ApiType) -> Format:
    found = compile_template(template, name=name, api_type=api_type)
    last = "extendedRequestId" if "extendedRequestId" in found.fields else "requestId"
    (group,) = found.fields[last]
    head = (found.pattern or "").partition(f"(?P<{group}>")[0]
    return log_format(name)(replace(found, pattern=head + _ID, fields={**found.fields, last: ("id",)}))


REST = _clf("apigw-rest-clf", _REST + _EXTENDED, ApiType.REST)
REST_OLD = _clf("apigw-rest-clf-old", _REST, ApiType.REST)
HTTP = _clf("apigw-http-clf", _HTTP + _EXTENDED, ApiType.HTTP)
HTTP_OLD = _clf("apigw-http-clf-old", _HTTP, ApiType.HTTP)
WEBSOCKET = _clf("apigw-websocket-clf", _WEBSOCKET, ApiType.WEBSOCKET)
