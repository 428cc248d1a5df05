"""Who ended a call and with which words: what API Gateway writes for each way of refusing, by kind of API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType


class Outcome(IntEnum):
    """ANSWERED: the back end (or the stage's cache) answered, whatever the status. All else is the gateway's word."""

    ANSWERED = 0
    TOKEN_MISSING = 1
    TOKEN_MALFORMED = 2
    TOKEN_EXPIRED = 3
    TOKEN_SIGNATURE = 4
    TOKEN_SCOPE = 5
    AUTHORIZER_DENY = 6
    AUTHORIZER_FAILED = 7
    AUTHORIZER_MISCONFIGURED = 8
    AUTHORIZER_TIMEOUT = 9
    KEY_UNKNOWN = 10
    KEY_DISABLED = 11
    IAM_SIGNATURE = 12
    IAM_EXPIRED = 13
    POLICY_DENY = 14
    WAF_BLOCK = 15
    NO_ROUTE = 16
    THROTTLED = 17
    QUOTA = 18
    BAD_BODY = 19
    BAD_PARAMETERS = 20
    MEDIA_TYPE = 21
    INTEGRATION_TIMEOUT = 22
    INTEGRATION_FAILED = 23
    INTEGRATION_FORBIDDEN = 24
    LAMBDA_THROTTLED = 25
    MALFORMED_ANSWER = 26
    TOKEN_AUDIENCE = 27


@dataclass(frozen=True, slots=True)
class Words:
    """status sent, error.responseType ('-': none given) and error.message."""

    status: int
    type: str
    message: str


@dataclass(frozen=True, slots=True)
class Look:
    """How one outcome shows. layer: gateway, waf, authorizer or integration, where the call ended.

    authorizer_status, authorizer_error: phase variables, '-' when that phase did not run or had nothing to say.
    service_status: of the Lambda service (integration.integrationStatus), '-' when it was not asked.
    """

    layer: str
    rest: Words
    http: Words
    websocket: Words
    authorizer_status: str = "-"
    authorizer_error: str = "-"
    authorize_status: str = "-"
    authenticate_status: str = "-"
    waf_status: str = "-"
    service_status: str = "-"
    integration_error: str = "-"

    def of(self, kind: str) -> Words:
        return {"rest": self.rest, "http": self.http}.get(kind, self.websocket)


def _all(layer: str, status: int, type_: str, message: str, **more: str) -> Look:
    words = Words(status, type_, message)
    return Look(layer, words, words, words, **more)


def _token(layer: str, rest: str, error: str, *, status: int = 401) -> Look:
    """A token that the authorizer did not take: REST and WebSocket tell by message, HTTP by authorizer.error."""
    refused = Words(status, "UNAUTHORIZED" if status == 401 else "ACCESS_DENIED", rest)
    http = Words(status, "-", "Unauthorized" if status == 401 else "Forbidden")
    asked = str(status) if layer == "authorizer" else "-"
    return Look(layer, refused, http, refused, authorizer_status=asked, authorizer_error=error)


_DENIED = "User is not authorized to access this resource with an explicit deny"
_SERVER = "Internal server error"

LOOKS: Mapping[Outcome, Look] = MappingProxyType(
    {
        Outcome.ANSWERED: _all("integration", 200, "-", "-"),
        Outcome.TOKEN_MISSING: _token("gateway", "Unauthorized", "-"),
        Outcome.TOKEN_MALFORMED: _token("authorizer", "Unauthorized", "the token is malformed"),
        Outcome.TOKEN_EXPIRED: _token("authorizer", "The incoming token has expired", "the token has expired"),
        Outcome.TOKEN_SIGNATURE: _token("authorizer", "Unauthorized", "invalid signature"),
        Outcome.TOKEN_AUDIENCE: _token("authorizer", "Unauthorized", "the audience of the token is not the API's"),
        Outcome.TOKEN_SCOPE: _token("authorizer", _DENIED, "insufficient_scope", status=403),
        Outcome.AUTHORIZER_DENY: Look(
            "authorizer",
            Words(403, "ACCESS_DENIED", _DENIED),
            Words(403, "-", "Forbidden"),
            Words(403, "ACCESS_DENIED", _DENIED),
            authorizer_status="403",
        ),
        Outcome.AUTHORIZER_FAILED: Look(
            "authorizer",
            Words(500, "AUTHORIZER_FAILURE", _SERVER),
            Words(500, "-", "Internal Server Error"),
            Words(500, "AUTHORIZER_FAILURE", _SERVER),
            authorizer_status="500",
            authorizer_error="The authorizer function failed",
        ),
        Outcome.AUTHORIZER_MISCONFIGURED: Look(
            "authorizer",
            Words(500, "AUTHORIZER_CONFIGURATION_ERROR", _SERVER),
            Words(500, "-", "Internal Server Error"),
            Words(500, "AUTHORIZER_CONFIGURATION_ERROR", _SERVER),
            authorizer_status="500",
            authorizer_error="Invalid permissions on Lambda function",
        ),
        Outcome.AUTHORIZER_TIMEOUT: Look(
            "authorizer",
            Words(500, "AUTHORIZER_FAILURE", _SERVER),
            Words(500, "-", "Internal Server Error"),
            Words(500, "AUTHORIZER_FAILURE", _SERVER),
            authorizer_status="504",
            authorizer_error="The authorizer timed out",
        ),
        Outcome.KEY_UNKNOWN: _all("gateway", 403, "INVALID_API_KEY", "Forbidden"),
        Outcome.KEY_DISABLED: _all("gateway", 403, "INVALID_API_KEY", "Forbidden"),
        Outcome.IAM_SIGNATURE: _all(
            "gateway",
            403,
            "INVALID_SIGNATURE",
            "The request signature we calculated does not match the signature you provided.",
            authenticate_status="403",
        ),
        Outcome.IAM_EXPIRED: _all(
            "gateway",
            403,
            "EXPIRED_TOKEN",
            "The security token included in the request is expired",
            authenticate_status="403",
        ),
        Outcome.POLICY_DENY: _all(
            "gateway",
            403,
            "ACCESS_DENIED",
            "User: anonymous is not authorized to perform: execute-api:Invoke",
            authorize_status="403",
        ),
        Outcome.WAF_BLOCK: _all("waf", 403, "WAF_FILTERED", "Forbidden", waf_status="403"),
        Outcome.NO_ROUTE: Look(
            "gateway",
            Words(403, "MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token"),
            Words(404, "-", "Not Found"),
            Words(403, "MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token"),
        ),
        Outcome.THROTTLED: Look(
            "gateway",
            Words(429, "THROTTLED", "Too Many Requests"),
            Words(429, "-", "Too Many Requests"),
            Words(429, "THROTTLED", "Too Many Requests"),
        ),
        Outcome.QUOTA: _all("gateway", 429, "QUOTA_EXCEEDED", "Limit Exceeded"),
        Outcome.BAD_BODY: _all("gateway", 400, "BAD_REQUEST_BODY", "Invalid request body"),
        Outcome.BAD_PARAMETERS: _all(
            "gateway", 400, "BAD_REQUEST_PARAMETERS", "Missing required request parameters: [from]"
        ),
        Outcome.MEDIA_TYPE: _all("gateway", 415, "UNSUPPORTED_MEDIA_TYPE", "Unsupported Media Type"),
        Outcome.INTEGRATION_TIMEOUT: Look(
            "integration",
            Words(504, "INTEGRATION_TIMEOUT", "Endpoint request timed out"),
            Words(504, "-", "Gateway Timeout"),
            Words(504, "INTEGRATION_TIMEOUT", "Endpoint request timed out"),
            integration_error="Execution failed due to a timeout error",
        ),
        Outcome.INTEGRATION_FAILED: Look(
            "integration",
            Words(504, "INTEGRATION_FAILURE", "Network error communicating with endpoint"),
            Words(503, "-", "Service Unavailable"),
            Words(504, "INTEGRATION_FAILURE", "Network error communicating with endpoint"),
            integration_error="Network error communicating with endpoint",
        ),
        Outcome.INTEGRATION_FORBIDDEN: Look(
            "integration",
            Words(500, "API_CONFIGURATION_ERROR", _SERVER),
            Words(500, "-", "Internal Server Error"),
            Words(500, "API_CONFIGURATION_ERROR", _SERVER),
            service_status="403",
            integration_error="Invalid permissions on Lambda function",
        ),
        Outcome.LAMBDA_THROTTLED: Look(
            "integration",
            Words(500, "-", _SERVER),
            Words(503, "-", "Service Unavailable"),
            Words(500, "-", _SERVER),
            service_status="429",
            integration_error="Rate Exceeded.",
        ),
        Outcome.MALFORMED_ANSWER: Look(
            "integration",
            Words(502, "DEFAULT_5XX", _SERVER),
            Words(500, "-", "Internal Server Error"),
            Words(502, "DEFAULT_5XX", _SERVER),
            service_status="200",
            integration_error="Malformed Lambda proxy response",
        ),
    }
)
