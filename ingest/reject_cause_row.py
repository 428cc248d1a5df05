"""Why a request was refused: exactly one cause for each status >= 400 (records.REJECT_CAUSES), and what throttled it.

The rules, row by row in Python; `ingest.reject_cause` says the same in SQL, and a property test compares them.

Who refused comes first: the web ACL, then what the gateway itself says (`error.responseType`, or failing that its
message), then the first phase that failed (authenticate, authorizer, authorize), then the back end, which has answered
when an integration status or latency is there. Only then does the status alone decide, and only where it can: a bare
401 or 403 is `unknown`, never a guess. Response types and messages: aws-facts 2.1 and 2.2; statuses may be customised
in a gateway response, types may not.

Path probing: a REST API answers 403 MISSING_AUTHENTICATION_TOKEN for paths and methods that do not exist, and the same
to unsigned calls of methods with IAM authorization. Only the second ones have come to a route and to the authenticate
phase: they are `missing_credential` when `resourcePath` names a route (not `/` and no `{proxy+}`, which match whatever
a scanner tries) *and* a phase variable shows the refusal; everything else of that type is `path_probing`. HTTP APIs
answer 404 for unknown routes, WebSocket APIs have no paths: there the type means an unsigned call.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gatewatch.records import ApiType
from ingest.api_types import foreign, kind_of_line
from ingest.values import number, present

_NONE: Mapping[str, str] = MappingProxyType({})
Outcome = tuple[str, str | None]

# Response types whose meaning needs no further look.
PLAIN: Mapping[str, str] = MappingProxyType(
    {
        "EXPIRED_TOKEN": "expired_credential",
        "INVALID_SIGNATURE": "bad_signature",
        "QUOTA_EXCEEDED": "quota",
        "INTEGRATION_TIMEOUT": "backend_timeout",
        "BAD_REQUEST_PARAMETERS": "bad_request",
        "BAD_REQUEST_BODY": "bad_request",
        "REQUEST_TOO_LARGE": "bad_request",
        "UNSUPPORTED_MEDIA_TYPE": "bad_request",
        "RESOURCE_NOT_FOUND": "not_found",
    }
)
JUDGED = (
    "MISSING_AUTHENTICATION_TOKEN",
    "UNAUTHORIZED",
    "ACCESS_DENIED",
    "INVALID_API_KEY",
    "THROTTLED",
    "AUTHORIZER_FAILURE",
    "AUTHORIZER_CONFIGURATION_ERROR",
    "API_CONFIGURATION_ERROR",
    "INTEGRATION_FAILURE",
)
"""Response types that other variables tell apart. DEFAULT_4XX, DEFAULT_5XX and unknown words say nothing."""

Words = tuple[str, ...]

TYPE_OF_MESSAGE: Mapping[str, Words] = MappingProxyType(
    {
        "MISSING_AUTHENTICATION_TOKEN": ("missing authentication token",),
        "EXPIRED_TOKEN": ("token included in the request is expired", "token has expired"),
        "INVALID_SIGNATURE": ("signature",),
        "ACCESS_DENIED": ("not authorized to perform", "not authorized to access"),
        "THROTTLED": ("too many requests", "throttle", "rate exceeded"),
        "QUOTA_EXCEEDED": ("limit exceeded", "quota"),
        "AUTHORIZER_FAILURE": ("authorizer",),
        "INTEGRATION_TIMEOUT": ("endpoint request timed out",),
        "INTEGRATION_FAILURE": ("network error communicating",),
        "API_CONFIGURATION_ERROR": ("malformed lambda proxy response", "configuration error"),
        "BAD_REQUEST_BODY": (
            "invalid request body",
            "missing required",
            "content length exceeded",
            "unsupported media type",
        ),
        "UNAUTHORIZED": ("unauthorized",),
    }
)
"""What the gateway's message says when the response type was not logged: words in lower case, first match wins."""

CAUSE_OF_TEXT: Mapping[str, Words] = MappingProxyType(
    {
        "expired_credential": ("expir",),
        "wrong_scope": ("scope",),
        "authorizer_deny": ("audience", "issuer"),
        "bad_signature": ("signature", "signing key", "jwk"),
        "missing_credential": ("missing", "no token", "not provided", "required", "not present", "absent"),
        "malformed_credential": (
            "malformed",
            "segment",
            "pars",
            "decod",
            "incomplete",
            "invalid token",
            "invalid format",
            "not a valid",
        ),
    }
)
"""What an authorizer says about a credential: words in lower case, first match wins."""

SILENT_MESSAGES = ("Unauthorized", "Forbidden", "-", "")
"""Messages that say nothing about a credential: most have no other, and no word is looked for in them."""

TIMED_OUT = ("timed out", "timed-out", "timeout", "time out", "deadline")
NO_CERTIFICATE = ("client cert", "mutual tls", "mtls")
LAMBDA_FULL = ("toomanyrequests", "rate exceeded", "concurren")
NO_PERMISSION = ("permission", "not authorized")

SCOPE_OF_TEXT: Mapping[str, Words] = MappingProxyType(
    {
        "plan": ("usage plan", "key throttle", "api key"),
        "account": ("account",),
        "method": ("method", "route"),
        "stage": ("stage",),
        "lambda": ("lambda", "function", "concurren"),
    }
)
"""Which limit was hit, by the gateway's message."""

BAD_REQUEST = (400, 405, 406, 408, 409, 411, 412, 413, 414, 415, 416, 417, 422, 423, 424, 425, 426, 428, 431)
NOT_FOUND = (404, 410)
NOBODY = (444, 460, 463, 499)
"""Statuses that servers log when the client has gone: nobody refused anything."""

LIMIT_MS = 29_000
"""The gateway's integration timeout: 29 s (REST, WebSocket) or 30 s (HTTP)."""
AUTHORIZER_LIMIT_MS: Mapping[str, int] = MappingProxyType({"http": 10_000, "rest": 28_000, "websocket": 28_000})


def reject_cause(variables: Mapping[str, str | None], constants: Mapping[str, str] = _NONE) -> Outcome:
    """Cause and throttle scope of a line with status >= 400; the scope is None unless the cause is `throttle`.

    variables: every variable of the line's format, None where the line has no value.
    """
    return _Refusal(variables, constants).judge()


def no_route(variables: Mapping[str, str | None]) -> bool:
    """Whether the line was refused because nothing answers to what it asked for."""
    line = _Refusal(variables, _NONE)
    return line.status >= 400 and (line.status == 404 or line.type == "MISSING_AUTHENTICATION_TOKEN")


class _Refusal:
    def __init__(self, variables: Mapping[str, str | None], constants: Mapping[str, str]) -> None:
        self.variables = variables
        self.constants = constants
        self.status = self.number("status") or 0
        self.kind = kind_of_line(variables, constants)
        message = self.text("error.message") or (self.text("error.messageString") or "").strip('"')
        self.message = message.lower()
        said = self.text("error.responseType")
        known = said is not None and (said in PLAIN or said in JUDGED or said == "WAF_FILTERED")
        self.type = said if known else _match(TYPE_OF_MESSAGE, self.message)
        self.authorizer = self.number("authorizer.status")
        self.authorizer_text = (self.text("authorizer.error") or "").lower()
        self.credential_text = f"{self.authorizer_text} {self.message}"
        self.authenticate_failed = self.failed("authenticate")
        self.integration_error = (self.text("integration.error") or self.text("integrationErrorMessage") or "").lower()
        # integrationStatus is the Lambda service's status, except on WebSocket APIs, where it is the back end's.
        websocket = self.kind == ApiType.WEBSOCKET
        plain = self.number("integrationStatus")
        self.backend = self.number("integration.status") or (plain if websocket else None) or None
        self.service = self.number("integration.integrationStatus") or (None if websocket else plain) or None
        latency = self.decimal("integration.latency") or self.decimal("integrationLatency") or 0.0
        # A gateway that logs no type of its own says that it did not refuse; only HTTP APIs may be silent about it.
        silent = said is None and self.kind != ApiType.HTTP and only_type(frozenset(variables))
        self.reached = self.backend is not None or self.service is not None or latency > 0 or silent
        self.slow = max(latency, self.decimal("responseLatency") or 0.0) >= LIMIT_MS

    def text(self, name: str) -> str | None:
        value = self.variables.get(name)
        return value if present(value) else None

    def number(self, name: str) -> int | None:
        found = number(self.variables.get(name), 4, 0)
        return None if found is None else int(found)

    def decimal(self, name: str) -> float | None:
        found = number(self.variables.get(name), 12, 3)
        return None if found is None else float(found)

    def failed(self, phase: str) -> bool:
        return (self.number(f"{phase}.status") or 0) >= 400 or self.text(f"{phase}.error") is not None

    def judge(self) -> Outcome:
        if self._blocked_by_waf():
            # A rate rule with a custom response of 429 throttles; any other block blocks.
            return ("throttle", "waf") if self.status == 429 else ("waf_block", None)
        if foreign(frozenset(self.variables), self.constants):
            return self._of_server()
        if self._lambda_throttled():
            return "throttle", "lambda"
        if self.type is not None and self.type in PLAIN:
            return PLAIN[self.type], None
        if self.type == "THROTTLED":
            return "throttle", _match(SCOPE_OF_TEXT, self.message) or "unknown"
        if self.type is not None:
            return self._of_type(self.type), None
        if self.status == 429 and not self.reached:
            return "throttle", "unknown"
        return self._of_phase() or self._of_status()

    def _blocked_by_waf(self) -> bool:
        return (
            self.variables.get("wafResponseCode") == "WAF_BLOCK"
            or self.number("waf.status") == 403
            or self.type == "WAF_FILTERED"
        )

    def _lambda_throttled(self) -> bool:
        """Lambda refused to run the function. A back end's own 429 comes through to the client as it is."""
        if _says(self.integration_error, LAMBDA_FULL):
            return True
        if self.service != 429:
            return False
        return self.backend != 429 if "integration.integrationStatus" in self.variables else self.status != 429

    def _of_type(self, type_: str) -> str:
        if type_ == "MISSING_AUTHENTICATION_TOKEN":
            return self._unsigned()
        if type_ == "UNAUTHORIZED":
            return self._unauthorized()
        if type_ == "ACCESS_DENIED":
            return self._denied()
        if type_ == "INVALID_API_KEY":
            return self._bad_key()
        if type_ in ("AUTHORIZER_FAILURE", "AUTHORIZER_CONFIGURATION_ERROR"):
            return self._broken_authorizer()
        if type_ == "API_CONFIGURATION_ERROR":
            # A function that answers garbage, or dies, is reported as a configuration error of the API.
            garbage = "malformed lambda" in self.message or (self.status == 502 and self.reached)
            return "backend_error" if garbage and self.service != 403 else "config_error"
        late = self.slow or _says(f"{self.integration_error} {self.message}", TIMED_OUT)
        return "backend_timeout" if late else "backend_error"

    def _unsigned(self) -> str:
        if self.kind in (ApiType.HTTP, ApiType.WEBSOCKET):
            return "missing_credential"
        route = self.text("resourcePath") or "/"
        evidence = self.authenticate_failed or (self.authorizer or 0) >= 400
        return "missing_credential" if evidence and route != "/" and "+}" not in route else "path_probing"

    def _unauthorized(self) -> str:
        """An authorizer that is missing its identity source is not even asked."""
        told = _match(CAUSE_OF_TEXT, self.credential_text)
        if told is not None:
            return told
        asked = self.authorizer is not None or self.authorizer_text or self.number("authorizer.integrationStatus")
        return "authorizer_deny" if asked else "missing_credential"

    def _denied(self) -> str:
        if _says(self.message, NO_CERTIFICATE):
            return "mtls_failure"
        if self.authorizer != 403 and "not authorized to perform" in self.message:
            return "policy_deny"
        if "scope" in self.credential_text:
            return "wrong_scope"
        if self.authorizer == 403 or "not authorized to access" in self.message:
            return "authorizer_deny"
        signed = self.text("identity.userArn") is not None or self.text("identity.caller") is not None
        return "policy_deny" if self.failed("authorize") or signed else "authorizer_deny"

    def _bad_key(self) -> str:
        """Only a key that exists has an id: one that has and is refused is disabled, or in no plan of the stage."""
        if self.text("identity.apiKeyId") is not None or "disabled" in self.message:
            return "disabled_key"
        sent = "identity.apiKey" not in self.variables or self.text("identity.apiKey") is not None
        return "unknown_key" if sent else "missing_credential"

    def _broken_authorizer(self) -> str:
        limit = AUTHORIZER_LIMIT_MS.get(self.kind, LIMIT_MS)
        waited = max(self.decimal("authorizer.latency") or 0.0, self.decimal("authorizer.integrationLatency") or 0.0)
        late = self.authorizer == 504 or waited >= limit or _says(self.credential_text, TIMED_OUT)
        return "authorizer_timeout" if late else "authorizer_error"

    def _of_phase(self) -> Outcome | None:
        """The first phase that refused, where the gateway gave no type."""
        if _says(self.message, NO_CERTIFICATE) and self.status == 403:
            return "mtls_failure", None
        if self.authenticate_failed:
            error = (self.text("authenticate.error") or "").lower()
            return _match(CAUSE_OF_TEXT, f"{error} {self.message}") or "bad_signature", None
        if (self.authorizer or 0) >= 500:
            return self._broken_authorizer(), None
        if self.status >= 500 and not self.reached and (self.number("authorizer.integrationStatus") or 0) >= 400:
            return self._broken_authorizer(), None
        if (self.authorizer or 0) >= 400:
            return _match(CAUSE_OF_TEXT, self.credential_text) or "authorizer_deny", None
        if self.authorizer_text and not self.reached:
            if self.status >= 500:
                return self._broken_authorizer(), None
            return _match(CAUSE_OF_TEXT, self.credential_text) or "authorizer_deny", None
        if self.failed("authorize"):
            return "policy_deny", None
        return None

    def _of_status(self) -> Outcome:
        if self.status >= 500:
            return self._of_failure(), None
        if self.status in BAD_REQUEST:
            return "bad_request", None
        if self.status in NOT_FOUND:
            return "not_found", None
        if self.reached:
            return "backend_refused", None
        # Only a logged authorizer that says nothing shows that the credential never came to it.
        told = "authorizer.error" in self.variables or "authorizer.status" in self.variables
        if self.status == 401 and told and shows_backend(frozenset(self.variables)):
            return "missing_credential", None
        return "unknown", None

    def _of_failure(self) -> str:
        """5xx without a type: only a 500 can also be the gateway's own, or the authorizer's."""
        if self.status == 504 or self.slow or _says(self.integration_error, TIMED_OUT):
            return "backend_timeout"
        if self.service == 403 or _says(self.integration_error, NO_PERMISSION):
            return "config_error"
        if self.reached or self.status > 500 or self.integration_error:
            return "backend_error"
        return "unknown"

    def _of_server(self) -> Outcome:
        """A server's own log: it is the back end, or speaks for one."""
        if self.status == 504:
            return "backend_timeout", None
        if self.status >= 500:
            return "backend_error", None
        if self.status in BAD_REQUEST:
            return "bad_request", None
        if self.status in NOT_FOUND:
            return "not_found", None
        if self.status == 429:
            return "throttle", "unknown"
        # A balancer that names its target's status, and has none, refused by itself: for what, its log does not say.
        own = "integration.status" in self.variables and self.backend is None
        return ("unknown" if own or self.status in NOBODY else "backend_refused"), None


def shows_backend(variables: frozenset[str]) -> bool:
    """Whether a line of the format shows that the back end was reached."""
    return bool(variables & {"integration.status", "integration.integrationStatus", "integrationStatus"})


def only_type(variables: frozenset[str]) -> bool:
    """Whether the response type is the format's only sign of who refused."""
    return "error.responseType" in variables and not shows_backend(variables)


def _says(value: str, words: Words) -> bool:
    return any(word in value for word in words)


def _match(table: Mapping[str, Words], value: str) -> str | None:
    return next((meaning for meaning, words in table.items() if _says(value, words)), None)


def missing_for_cause(
    variables: frozenset[str], api_type: str | None, constants: Mapping[str, str] = _NONE
) -> tuple[str, ...]:
    """The `$context` variables without which refusals stay `unknown`: what the format has to log in addition.

    api_type: None when the lines differ. Empty when every usual refusal can be told.
    """
    if "status" not in variables:
        return ("status",)
    if foreign(variables, constants):
        return ()
    missing = []
    if api_type == ApiType.HTTP:
        # Which types HTTP APIs log is not documented: the authorizer's text and the back end's status tell.
        if not variables & {"authorizer.error", "error.responseType", "error.message", "error.messageString"}:
            missing.append("authorizer.error")
        if not shows_backend(variables):
            missing.append("integration.status")
    elif not variables & {"error.responseType", "error.message", "error.messageString"}:
        missing.append("error.responseType")
    return tuple(missing)
