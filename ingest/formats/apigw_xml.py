"""API Gateway's XML lines: one `request` element with the request id as attribute."""

from __future__ import annotations

from gatewatch.records import ApiType
from ingest.formats.model import Format, log_format
from ingest.formats.template import compile_template

_REST = (
    "ip=identity.sourceIp caller=identity.caller user=identity.user requestTime httpMethod resourcePath status "
    "protocol responseLength"
)
_HTTP = "ip=identity.sourceIp requestTime httpMethod routeKey status protocol responseLength"
_WEBSOCKET = (
    "ip=identity.sourceIp caller=identity.caller user=identity.user requestTime eventType routeKey status connectionId"
)


def _xml(name: str, variables: str, api_type: ApiType) -> Format:
    """variables: ELEMENT=VARIABLE, or VARIABLE where both are called the same."""
    elements = []
    for item in variables.split():
        element, _, variable = item.partition("=")
        elements.append(f"<{element}>$context.{variable or element}</{element}>")
    template = f'<request id="$context.requestId">{"".join(elements)}</request>'
    return log_format(name)(compile_template(template, name=name, api_type=api_type))


REST = _xml("apigw-rest-xml", f"extendedRequestId {_REST}", ApiType.REST)
REST_OLD = _xml("apigw-rest-xml-old", _REST, ApiType.REST)
HTTP = _xml("apigw-http-xml", f"{_HTTP} extendedRequestId", ApiType.HTTP)
HTTP_OLD = _xml("apigw-http-xml-old", _HTTP, ApiType.HTTP)
WEBSOCKET = _xml("apigw-websocket-xml", _WEBSOCKET, ApiType.WEBSOCKET)
