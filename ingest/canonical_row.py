"""The canonical request of one line, row by row in plain Python: what the SQL of `ingest.canonical` must equal.

Also the tables both share: which variables give what, and how long a text may be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

from ingest import reject_cause_row as reject_cause
from ingest.api_types import kind_of_format, kind_of_line
from ingest.routes import NO_ROUTE, method_of, normalised, target_path
from ingest.secrets import key_id, redacted
from ingest.values import EARLIEST, LATEST, address, instant, milliseconds_of_seconds, number, own_text, present, text

TIMES = ("requestTimeEpoch", "requestTime", "x.time", "x.event_time")
PRINCIPALS = (
    "authorizer.principalId",
    "authorizer.claims.sub",
    "authorizer.claims.email",
    "authorizer.claims.username",
    "authorizer.claims.cognito:username",
    "authorizer.claims.client_id",
    "authorizer.sub",
    "authorizer.userId",
    "authorizer.username",
    "authorizer.email",
    "identity.userArn",
    "identity.caller",
    "identity.user",
    "identity.cognitoIdentityId",
)
ROUTES = ("routeKey", "resourcePath", "path", "x.request", "x.url")
ADDRESSES = ("identity.sourceIp", "x.forwarded", "x.client_port")
MESSAGES = ("error.message", "error.messageString", "integration.error", "integrationErrorMessage")
EXTRA: Mapping[str, str] = MappingProxyType(
    {
        "protocol": "HTTP/1.1",
        "responseOverride.status": "",
        "error.validationErrorString": "",
        "isCanaryRequest": "false",
        "customDomain.basePathMatched": "(none)",
        "authenticate.error": "",
        "authorize.error": "",
        "waf.error": "",
        "identity.vpceId": "",
    }
)
"""Variables that `extra` keeps, each with the value that is not worth keeping."""

PARTS = ("x.before_s", "x.integration_s", "x.after_s")
"""Seconds that a load balancer tells apart; together the latency, when none of them is unknown (-1)."""


EXTRA_LIMIT = 1024
LIMITS: Mapping[str, int] = MappingProxyType(
    {
        "text": 128,
        "method": 32,
        "route": 256,
        "path": 1024,
        "principal": 256,
        "user_agent": 512,
        "error_message": 512,
        "authorizer_error": 512,
        "extra": 128,
    }
)
"""Longest texts in characters: whoever sends requests chooses what stands in them."""

OWN = frozenset(
    {
        "accountId",
        "apiId",
        "stage",
        "httpMethod",
        "routeKey",
        "resourcePath",
        "extendedRequestId",
        "error.responseType",
        "identity.apiKeyId",
        "wafResponseCode",
        "tlsVersion",
        "cipherSuite",
        "connectionId",
        "eventType",
    }
)
"""Variables whose text no client chooses: see values.own_text."""

_GIVEN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "at": TIMES,
        "account": ("accountId",),
        "region": ("x.region", "domainName", "webaclArn"),
        "api": ("apiId", "domainName", "domainPrefix", "x.api"),
        "stage": ("stage",),
        "route": ROUTES,
        "method": ("httpMethod", "x.request"),
        "path": ("path", "x.request", "x.url"),
        "status": ("status",),
        "latency_ms": ("responseLatency", "x.duration_s"),
        "integration_latency_ms": ("integration.latency", "integrationLatency", "x.integration_s"),
        "authorizer_latency_ms": ("authorizer.latency", "authorizer.integrationLatency"),
        "waf_latency_ms": ("waf.latency",),
        "integration_status": ("integration.status", "integrationStatus", "integration.integrationStatus"),
        "response_bytes": ("responseLength",),
        "client_ip": ADDRESSES,
        "principal": PRINCIPALS,
        "api_key_id": ("identity.apiKeyId", "identity.apiKey"),
        "user_agent": ("identity.userAgent",),
        "request_id": ("requestId",),
        "extended_request_id": ("extendedRequestId",),
        "trace_id": ("xrayTraceId", "x.trace"),
        "error_type": ("error.responseType",),
        "error_message": MESSAGES,
        "authorizer_error": ("authorizer.error",),
        "waf_action": ("wafResponseCode", "waf.status"),
        "domain": ("domainName", "x.url", "x.request"),
        "tls_version": ("tlsVersion",),
        "tls_cipher": ("cipherSuite",),
        "connection_id": ("connectionId",),
        "event_type": ("eventType",),
        "extra": tuple(EXTRA),
        "delivered_at": ("x.delivered",),
    }
)
_NONE: Mapping[str, str] = MappingProxyType({})
_T = TypeVar("_T")


def given(variables: frozenset[str], constants: Mapping[str, str] = _NONE) -> frozenset[str]:
    """The REQUESTS columns that a format with these variables can give; the others are NULL and known to be so.

    reject_cause is given only where no variable is missing that tells the causes apart (`missing_for_cause`).
    """
    found = {column for column, sources in _GIVEN.items() if variables.intersection(sources)}
    found |= constants.keys() & {"account", "region", "api", "stage"}
    found.add("api_type")
    if variables.issuperset(PARTS):
        found.add("latency_ms")
    if "status" in variables and not reject_cause.missing_for_cause(
        variables, kind_of_format(variables, constants), constants
    ):
        found |= {"reject_cause", "throttle_scope"}
    return frozenset(found)


def reason(variables: Mapping[str, str | None]) -> str | None:
    """Why the line is rejected: no_time, bad_time (also outside 2000-2100), no_status, bad_status (100-599)."""
    at = _at(variables)
    if at is None or not EARLIEST <= at < LATEST:
        return "bad_time" if any(present(variables.get(name)) for name in TIMES) else "no_time"
    status = number(variables.get("status"), 4, 0)
    if status is None or not 100 <= status <= 599:
        return "bad_status" if present(variables.get("status")) else "no_status"
    return None


def canonical_row(
    variables: Mapping[str, str | None], constants: Mapping[str, str] = _NONE, key: str = ""
) -> dict[str, object]:
    """REQUESTS column -> value of an accepted line.

    variables: every variable of the line's format, None where the line has no value. Latencies are rounded to 1 µs.
    """
    line = _Line(variables, constants, key)
    status = number(variables.get("status"), 4, 0)
    integration_status = _first(
        number(variables.get(name), 4, 0)
        for name in ("integration.status", "integrationStatus", "integration.integrationStatus")
    )
    size = number(variables.get("responseLength"), 18, 0)
    return {
        "at": _at(variables),
        **place_row(variables, constants),
        "method": line.method(),
        "path": line.path_shown(),
        "status": None if status is None else int(status),
        **judged_row(variables, constants),
        "latency_ms": line.latency("responseLatency", seconds="x.duration_s"),
        "integration_latency_ms": line.latency("integration.latency", "integrationLatency", seconds="x.integration_s"),
        "authorizer_latency_ms": line.latency("authorizer.latency", "authorizer.integrationLatency"),
        "waf_latency_ms": line.latency("waf.latency"),
        "integration_status": None if integration_status is None else int(integration_status),
        "response_bytes": None if size is None else int(size),
        "client_ip": line.client_ip(),
        "principal": line.free_text(*PRINCIPALS, limit=LIMITS["principal"]),
        "api_key_id": line.api_key_id(),
        "user_agent": line.free_text("identity.userAgent", limit=LIMITS["user_agent"]),
        "request_id": line.free_text("requestId", limit=LIMITS["text"]),
        "extended_request_id": line.text("extendedRequestId"),
        "trace_id": line.free_text("xrayTraceId", "x.trace", limit=LIMITS["text"]),
        "error_type": line.text("error.responseType"),
        "error_message": line.free_text(*MESSAGES, limit=LIMITS["error_message"]),
        "authorizer_error": line.free_text("authorizer.error", limit=LIMITS["authorizer_error"]),
        "waf_action": line.waf_action(),
        "domain": line.domain(),
        "tls_version": line.text("tlsVersion"),
        "tls_cipher": line.text("cipherSuite"),
        "connection_id": line.text("connectionId"),
        "event_type": line.text("eventType"),
        "extra": line.extra(),
        "delivered_at": instant(variables.get("x.delivered")),
    }


def place_row(variables: Mapping[str, str | None], constants: Mapping[str, str]) -> dict[str, str | None]:
    """The columns that say where a request went."""
    line = _Line(variables, constants, "")
    return {
        "account": line.text("accountId") or constants.get("account"),
        "region": line.region(),
        "api": line.api(),
        "api_type": kind_of_line(variables, constants),
        "stage": line.stage(),
        "route": line.route(),
    }


def judged_row(variables: Mapping[str, str | None], constants: Mapping[str, str]) -> dict[str, str | None]:
    """The columns that say why a request was refused; None for one that was not."""
    status = number(variables.get("status"), 4, 0)
    refused = status is not None and status >= 400
    cause, scope = reject_cause.reject_cause(variables, constants) if refused else (None, None)
    return {"reject_cause": cause, "throttle_scope": scope}


def _at(variables: Mapping[str, str | None]) -> datetime | None:
    return _first(instant(variables.get(name)) for name in TIMES)


class _Line:
    def __init__(self, variables: Mapping[str, str | None], constants: Mapping[str, str], key: str) -> None:
        self.variables = variables
        self.constants = constants
        self.key = key

    def text(self, *names: str, limit: int = LIMITS["text"]) -> str | None:
        return _first(self._text(name, limit) for name in names)

    def _text(self, name: str, limit: int) -> str | None:
        value = self.variables.get(name)
        return own_text(value, limit) if name in OWN else text(value, limit)

    def free_text(self, *names: str, limit: int) -> str | None:
        return _first(self._redacted(self._unwrapped(name), limit) for name in names)

    def _unwrapped(self, name: str) -> str | None:
        """error.messageString comes with quotation marks around it."""
        value = self.variables.get(name)
        return value.strip('"') if value is not None and name == "error.messageString" else value

    def _redacted(self, value: str | None, limit: int) -> str | None:
        return text(redacted(value, self.key), limit) if value is not None and present(value) else None

    def latency(self, *names: str, seconds: str | None = None) -> float | None:
        found = _first(number(self.variables.get(name), 12, 3) for name in names)
        if found is not None:
            return float(found)
        whole = milliseconds_of_seconds(self.variables.get(seconds)) if seconds is not None else None
        if whole is not None or seconds != "x.duration_s":
            return whole
        parts = [number(self.variables.get(name), 15, 6) for name in PARTS]
        known = [part for part in parts if part is not None]
        return float(sum(known) * 1000) if len(known) == len(PARTS) else None

    def stage(self) -> str | None:
        return self.text("stage") or self.constants.get("stage")

    def region(self) -> str | None:
        told = self.text("x.region") or self.constants.get("region")
        if told is not None:
            return told
        host, acl = self.variables.get("domainName") or "", self.variables.get("webaclArn") or ""
        found = re.search(r"\.execute-api\.([a-z0-9-]{1,30})\.amazonaws\.com", host)
        found = found or re.match(r"arn:[a-z-]+:wafv2:([a-z0-9-]{1,30}):", acl)
        return found.group(1) if found is not None else None

    def api(self) -> str | None:
        told = self.text("apiId")
        if told is not None:
            return told
        host = self.variables.get("domainName") or ""
        found = re.match(r"([a-z0-9]{1,32})(?:-vpce-[a-z0-9-]+)?\.execute-api\.", host)
        if found is None and "domainName" not in self.variables:
            found = re.fullmatch(r"([a-z0-9]{10})", self.variables.get("domainPrefix") or "")
        return found.group(1) if found is not None else self.text("x.api") or self.constants.get("api")

    def method(self) -> str | None:
        told = self.text("httpMethod", limit=LIMITS["method"])
        if told is not None:
            return told
        word = (self.variables.get("x.request") or "").split(" ")[0]
        return text(word, LIMITS["method"]) if "A" <= word < "[" else None

    def target(self) -> str | None:
        """What the client asked for, query included."""
        if present(self.variables.get("path")):
            return self.variables["path"]
        words = (self.variables.get("x.request") or "").split(" ")
        if len(words) > 1 and present(words[1]):
            return words[1]
        return self.variables["x.url"] if present(self.variables.get("x.url")) else None

    def path_shown(self) -> str | None:
        target = self.target()
        if target is not None and "://" in target and not self._only_path():
            target = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*", "", target) or "/"
        return self._redacted(target, LIMITS["path"])

    def _only_path(self) -> bool:
        return "x.request" not in self.variables and "x.url" not in self.variables

    def domain(self) -> str | None:
        told = self.text("domainName")
        if told is not None:
            return told
        request = (self.variables.get("x.request") or "").split(" ")
        for value in (self.variables.get("x.url") or "", request[1] if len(request) > 1 else ""):
            host = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#:]*)", value)
            if host is not None and host.group(1):
                return host.group(1).replace("\x00", "\ufffd")[: LIMITS["text"]]
        return None

    def route(self) -> str | None:
        declared = self.text("routeKey", limit=LIMITS["route"])
        if declared is not None:
            return declared
        method = self.method()
        resource = self.text("resourcePath", limit=LIMITS["route"])
        if resource is not None:
            return resource if method is None else f"{method} {resource}"
        if not self.variables.keys() & set(ROUTES):
            return None
        if reject_cause.no_route(self.variables):
            return NO_ROUTE
        target = self.target()
        if target is None:
            return None
        path = normalised(target_path(target).replace("\x00", "\ufffd")[: LIMITS["path"]], self.stage())
        return path if method is None else f"{method_of(method)} {path}"

    def client_ip(self) -> str | None:
        """An address and nothing else: no port, no list, no name, whatever a client wrote into a header."""
        return _first(address(self.variables.get(name)) for name in ADDRESSES)

    def api_key_id(self) -> str | None:
        told = self.text("identity.apiKeyId")
        value = self.variables.get("identity.apiKey")
        if told is not None or value is None or not present(value):
            return told
        return key_id(value, self.key)

    def waf_action(self) -> str | None:
        told = self.text("wafResponseCode")
        return told or {"200": "WAF_ALLOW", "403": "WAF_BLOCK"}.get(self.variables.get("waf.status") or "")

    def extra(self) -> str | None:
        told: dict[str, str] = {}
        for name, usual in EXTRA.items():
            value = self.variables.get(name)
            if value is not None and present(value) and value != usual:
                told[name] = redacted(value, self.key).replace("\x00", "\ufffd")[: LIMITS["extra"]]
        found = _as_duckdb(json.dumps(told, ensure_ascii=False, separators=(",", ":"))) if told else None
        return found if found is not None and len(found.encode()) <= EXTRA_LIMIT else None


_CONTROL = re.compile(r"(?<!\\)((?:\\\\)*\\u)(00[01][0-9a-f])")


def _as_duckdb(text: str) -> str:
    """JSON as its to_json writes it, to the byte, since what identifies a record is hashed."""
    return _CONTROL.sub(lambda found: found[1] + found[2].upper(), text)


def _first(values: Iterable[_T | None]) -> _T | None:
    """The first that is not None."""
    return next((value for value in values if value is not None), None)
