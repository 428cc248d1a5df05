"""An AWS double: moto's server over real HTTP, with what it cannot do answered by us, and faults on demand."""

from __future__ import annotations

import io
import json
import re
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from werkzeug.serving import WSGIRequestHandler, make_server

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example", "AWS_DEFAULT_REGION": "eu-west-1"}

_SERVICE = re.compile(r"Credential=[^/]+/\d+/([^/]*)/([^/]+)/")
Answer = tuple[int, Any]


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: `calls` has them."""


@dataclass(frozen=True)
class Call:
    """One HTTP request. service, key: as it signs. name: `GetMetricData`, or `GET /restapis?limit=500`. at: seconds."""

    service: str
    region: str
    name: str
    body: Any
    at: float
    key: str = ""


@dataclass
class Double:
    """url: where it listens. calls: all that came, in order. answers: (call) -> (status, JSON) or None to go on."""

    url: str
    calls: list[Call] = field(default_factory=list)
    answers: list[Callable[[Call], Answer | None]] = field(default_factory=list)

    def deny(self, service: str, name: str = "") -> None:
        """Every call of a service whose name begins so is not authorised."""
        user = "arn:aws:iam::123456789012:user/u"
        said = f"User: {user} is not authorized to perform: {service}:{name or 'X'} on resource: *"
        self.refuse(service, name, 403, "AccessDeniedException", said)

    def refuse(self, service: str, name: str, status: int, code: str, said: str = "no") -> None:
        def answer(call: Call) -> Answer | None:
            mine = call.service == service and call.name.startswith(name)
            return (status, {"__type": code, "message": said}) if mine else None

        self.answers.append(answer)

    def names(self, service: str) -> list[str]:
        return [call.name for call in self.calls if call.service == service]


GAPS: tuple[tuple[str, str, Any], ...] = (
    ("apigateway", r"GET /clientcertificates\b", {"item": []}),
    ("apigateway", r"GET /v2/apis/\w+/(authorizers|deployments)\b", {"items": []}),
    ("apigateway", r"GET /usageplans/\w+/usage\b", {"values": {}}),
    ("xray", r"POST /GetTraceSegmentDestination\b", {"Destination": "XRay", "Status": "ACTIVE"}),
    ("cloudtrail", r"LookupEvents$", {"Events": []}),
    ("monitoring", r"DescribeAlarmHistory$", {"AlarmHistoryItems": []}),
    ("config", r"GetResourceConfigHistory$", {"configurationItems": []}),
)
"""What moto does not know (aws-facts.md 12), answered as an account without such things does."""


def _gap(call: Call) -> Answer | None:
    found = (value for service, name, value in GAPS if service == call.service and re.match(name, call.name))
    return next(((200, value) for value in found), None)


@contextmanager
def aws_double() -> Iterator[Double]:
    """Start it on a free port, empty; stop it at the end."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    real = DomainDispatcherApplication(create_backend_app)
    double = Double("")

    def application(environ: dict[str, Any], start: Any) -> Any:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        raw = environ["wsgi.input"].read(length) if length else b""
        found = _SERVICE.search(environ.get("HTTP_AUTHORIZATION", ""))
        region, service = found.groups() if found else ("", "")
        target = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        body: Any = None
        if raw[:1] == b"{" and service != "s3":  # where it is an object's own content
            body = json.loads(raw)
        elif environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
            body = {name: values[0] for name, values in parse_qs(raw.decode()).items()}
            target = target or str(body.get("Action", ""))
        query = environ.get("QUERY_STRING", "")
        name = target or f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}" + (f"?{query}" if query else "")
        signed = re.search(r"Credential=([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
        call = Call(service, region, name, body, time.monotonic(), signed[1] if signed else "")
        double.calls.append(call)
        for answer in (*reversed(double.answers), _gap):
            given = answer(call)
            if given is not None:
                return _respond(start, given, service)
        environ["wsgi.input"] = io.BytesIO(raw)
        return real(environ, start)

    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    double.url = f"http://127.0.0.1:{server.server_port}"
    urllib.request.urlopen(urllib.request.Request(f"{double.url}/moto-api/reset", method="POST")).close()
    double.calls.clear()
    try:
        yield double
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _respond(start: Any, given: Answer, service: str) -> list[bytes]:
    status, value = given
    if isinstance(value, bytes):
        payload, kind = value, "text/xml"
    elif service == "sts" and isinstance(value, dict) and "__type" in value:
        code, said = escape(str(value["__type"])), escape(str(value["message"]))
        payload = f"<ErrorResponse><Error><Code>{code}</Code><Message>{said}</Message></Error></ErrorResponse>".encode()
        kind = "text/xml"
    else:
        payload, kind = json.dumps(value).encode(), "application/json"
    headers = [("Content-Type", kind), ("Content-Length", str(len(payload)))]
    if isinstance(value, dict) and "__type" in value:
        headers.append(("x-amzn-ErrorType", str(value["__type"])))
    start(f"{status} X", headers)
    return [payload]
