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


# The last value is an id, so that no server's log with a number behind the size is taken for API Gateway's. Where the
# line is known to be API Gateway's it may be anything (a client can choose the requestId), and the extended id absent.
_ID = r"(?P<id>[A-Za-z][A-Za-z=_+/.:@-]*[0-9][0-9A-Za-z=_+/.:@-]*|[0-9A-Za-z=_+/-]{8,}|-)[ \t]*$"
_ANY_ID = r"(?P<id>[^ \t]*)"


def _clf(name: str, template: str, api_type: ApiType) -> Format:
    found = compile_template(template, name=name, api_type=api_type)
    extended = "extendedRequestId" in found.fields
    last = "extendedRequestId" if extended else "requestId"
    (group,) = found.fields[last]
    head = (found.pattern or "").partition(f"(?P<{group}>")[0]
    relaxed = f"{head.removesuffix(' ')}(?: {_ANY_ID})?" if extended else head + _ANY_ID
    fields = {**found.fields, last: ("id",)}
    return log_format(name)(replace(found, pattern=head + _ID, relaxed=relaxed + r"[ \t]*$", fields=fields))


REST = _clf("apigw-rest-clf", _REST + _EXTENDED, ApiType.REST)
REST_OLD = _clf("apigw-rest-clf-old", _REST, ApiType.REST)
HTTP = _clf("apigw-http-clf", _HTTP + _EXTENDED, ApiType.HTTP)
HTTP_OLD = _clf("apigw-http-clf-old", _HTTP, ApiType.HTTP)
WEBSOCKET = _clf("apigw-websocket-clf", _WEBSOCKET, ApiType.WEBSOCKET)
