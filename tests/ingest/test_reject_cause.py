"""Reject causes: cases with the reasoning in their ids, and the SQL against the row-by-row reference."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewatch.records import REJECT_CAUSES, THROTTLE_SCOPES
from ingest.reject_cause import missing_for_cause, reject_cause, reject_cause_sql
from ingest.reject_cause_row import JUDGED, PLAIN

Line = Mapping[str, str | None]

_connection = duckdb.connect(config={"threads": "1"})

REST = dict.fromkeys(
    [
        "resourcePath",
        "error.responseType",
        "error.message",
        "waf.status",
        "wafResponseCode",
        "authenticate.status",
        "authorizer.status",
        "authorizer.error",
        "authorizer.latency",
        "authorizer.integrationStatus",
        "authorize.status",
        "identity.apiKeyId",
        "integration.status",
        "integration.integrationStatus",
        "integration.latency",
        "integration.error",
        "responseLatency",
    ],
    "-",
)
HTTP = dict.fromkeys(
    [
        "routeKey",
        "error.responseType",
        "error.message",
        "authorizer.error",
        "integration.status",
        "integrationStatus",
        "integrationErrorMessage",
        "integrationLatency",
        "responseLatency",
    ],
    "-",
)
WEBSOCKET = dict.fromkeys(
    ["eventType", "connectionId", "routeKey", "error.responseType", "error.message", "integrationStatus"], "-"
)
CONSOLE = dict.fromkeys(["resourcePath", "httpMethod"], "-")
CONSOLE_HTTP = dict.fromkeys(["routeKey", "httpMethod"], "-")
NGINX = dict.fromkeys(["path", "identity.sourceIp", "identity.userAgent"], "-")
BALANCER = {**NGINX, "integration.status": "-"}


def by_sql(lines: list[Line], constants: Mapping[str, str]) -> list[tuple[str, str | None]]:
    variables = frozenset(lines[0])
    table = pa.table({name: pa.array([line[name] for line in lines], pa.string()) for name in variables})
    _connection.register("lines", table)
    cause, scope = reject_cause_sql(variables, constants)
    rows = _connection.execute(f"SELECT {cause}, {scope} FROM lines").fetchall()
    _connection.unregister("lines")
    return rows


def judged(line: Line, constants: Mapping[str, str] | None = None) -> str:
    """Cause and scope as one text, by both ways, which must agree."""
    (row,) = by_sql([line], constants or {})
    assert row == reject_cause(line, constants or {})
    cause, scope = row
    return cause if scope is None else f"{cause}/{scope}"


def case(expected: str, why: str, format_: Mapping[str, str], status: int, /, **values: str) -> object:
    line = {**format_, "status": str(status), **{name.replace("__", "."): value for name, value in values.items()}}
    return pytest.param(line, expected, id=why)


def typed(expected: str, why: str, status: int, type_: str, /, **values: str) -> object:
    return case(expected, why, REST, status, error__responseType=type_, **values)


CASES = [
    # The web ACL speaks first.
    typed("waf_block", "the type says that the web ACL blocked", 403, "WAF_FILTERED"),
    case("waf_block", "a web ACL's custom response hides the type", REST, 418, wafResponseCode="WAF_BLOCK"),
    case("waf_block", "403 of the WAF phase is a block", REST, 403, waf__status="403"),
    typed("waf_block", "the WAF phase is before all others", 403, "ACCESS_DENIED", waf__status="403"),
    case("throttle/waf", "a rate rule may answer 429", REST, 429, wafResponseCode="WAF_BLOCK"),
    typed(
        "missing_credential", "an allowing web ACL refused nothing", 401, "UNAUTHORIZED", wafResponseCode="WAF_ALLOW"
    ),
    # Types of the gateway.
    typed("expired_credential", "AWS credentials have run out", 403, "EXPIRED_TOKEN"),
    typed("bad_signature", "SigV4 does not match", 403, "INVALID_SIGNATURE"),
    typed("bad_signature", "a status customised in the gateway response changes no type", 400, "INVALID_SIGNATURE"),
    typed("quota", "the plan's quota is used up", 429, "QUOTA_EXCEEDED"),
    typed("backend_timeout", "the integration took over 29 s", 504, "INTEGRATION_TIMEOUT"),
    typed("bad_request", "a required parameter is missing", 400, "BAD_REQUEST_PARAMETERS"),
    typed("bad_request", "the body does not match the model", 400, "BAD_REQUEST_BODY"),
    typed("bad_request", "over 10 MB", 413, "REQUEST_TOO_LARGE"),
    typed("bad_request", "no mapping for the media type", 415, "UNSUPPORTED_MEDIA_TYPE"),
    typed("not_found", "the resource is gone behind the authorizer", 404, "RESOURCE_NOT_FOUND"),
    # MISSING_AUTHENTICATION_TOKEN.
    typed("path_probing", "a REST API knows no such path", 403, "MISSING_AUTHENTICATION_TOKEN"),
    typed(
        "path_probing",
        "known path alone: the method may not exist",
        403,
        "MISSING_AUTHENTICATION_TOKEN",
        resourcePath="/pets",
    ),
    typed(
        "missing_credential",
        "known path and a failed authenticate phase: an unsigned IAM call",
        403,
        "MISSING_AUTHENTICATION_TOKEN",
        resourcePath="/pets",
        authenticate__status="403",
    ),
    typed(
        "path_probing",
        "the root matches whatever a scanner tries",
        403,
        "MISSING_AUTHENTICATION_TOKEN",
        resourcePath="/",
        authenticate__status="403",
    ),
    typed(
        "path_probing",
        "so does a greedy path",
        403,
        "MISSING_AUTHENTICATION_TOKEN",
        resourcePath="/{proxy+}",
        authenticate__status="403",
    ),
    case(
        "missing_credential",
        "HTTP APIs answer 404 to unknown routes",
        HTTP,
        403,
        routeKey="GET /x",
        error__responseType="MISSING_AUTHENTICATION_TOKEN",
    ),
    case(
        "missing_credential",
        "WebSocket APIs have no paths to probe",
        WEBSOCKET,
        403,
        error__responseType="MISSING_AUTHENTICATION_TOKEN",
    ),
    case(
        "path_probing",
        "the message stands in for the type",
        CONSOLE | {"error.message": "-"},
        403,
        error__message="Missing Authentication Token",
    ),
    # UNAUTHORIZED.
    typed("missing_credential", "the authorizer was not asked: no identity source", 401, "UNAUTHORIZED"),
    typed("authorizer_deny", "the authorizer was asked and said 401", 401, "UNAUTHORIZED", authorizer__status="401"),
    typed("authorizer_deny", "its function ran", 401, "UNAUTHORIZED", authorizer__integrationStatus="200"),
    typed(
        "expired_credential",
        "the message says expired",
        401,
        "UNAUTHORIZED",
        error__message="The incoming token has expired",
    ),
    typed(
        "malformed_credential",
        "the authorizer could not parse it",
        401,
        "UNAUTHORIZED",
        authorizer__error="Invalid token: malformed",
    ),
    case(
        "missing_credential",
        "types need no further variables",
        {"resourcePath": "/", "error.responseType": "-"},
        401,
        error__responseType="UNAUTHORIZED",
    ),
    # ACCESS_DENIED.
    typed("authorizer_deny", "the authorizer's answer was 403", 403, "ACCESS_DENIED", authorizer__status="403"),
    typed(
        "authorizer_deny",
        "the text of a Lambda authorizer's Deny",
        403,
        "ACCESS_DENIED",
        error__message="User is not authorized to access this resource with an explicit deny",
        authorize__status="403",
    ),
    typed(
        "policy_deny",
        "the text of IAM and resource policies",
        403,
        "ACCESS_DENIED",
        error__message="User: arn:aws:sts::1:assumed-role/scope/x is not authorized to perform: execute-api:Invoke",
    ),
    typed(
        "policy_deny",
        "anonymous: a resource policy",
        403,
        "ACCESS_DENIED",
        error__message="User: anonymous is not authorized to perform: execute-api:Invoke on resource",
    ),
    typed("policy_deny", "the authorize phase refused", 403, "ACCESS_DENIED", authorize__status="403"),
    typed("authorizer_deny", "nothing else known: authorizers are the usual ones", 403, "ACCESS_DENIED"),
    typed("wrong_scope", "scopes are named", 403, "ACCESS_DENIED", authorizer__error="insufficient_scope"),
    typed(
        "mtls_failure",
        "the client certificate was refused",
        403,
        "ACCESS_DENIED",
        error__message="Invalid client certificate",
    ),
    # API keys.
    typed("unknown_key", "a key without an id is not known", 403, "INVALID_API_KEY"),
    typed("disabled_key", "a key with an id exists, yet is refused", 403, "INVALID_API_KEY", identity__apiKeyId="k1"),
    typed(
        "missing_credential", "the format logs keys, and none was sent", 403, "INVALID_API_KEY", identity__apiKey="-"
    ),
    typed("unknown_key", "the format logs keys, and one was sent", 403, "INVALID_API_KEY", identity__apiKey="zzz"),
    # Throttling.
    typed("throttle/unknown", "the type alone names no limit", 429, "THROTTLED", error__message="Too Many Requests"),
    typed(
        "throttle/plan",
        "the message names the plan",
        429,
        "THROTTLED",
        error__message="Key throttle limit exceeded for Usage Plan ID abc",
    ),
    typed("throttle/stage", "the message names the stage", 429, "THROTTLED", error__message="Stage throttle exceeded"),
    typed(
        "throttle/account", "the message names the account", 429, "THROTTLED", error__message="account rate exceeded"
    ),
    case(
        "throttle/plan",
        "plans by message alone",
        CONSOLE | {"error.message": "-"},
        429,
        error__message="Key throttle limit exceeded for Usage Plan ID abc",
    ),
    case("quota", "quotas by message alone", CONSOLE | {"error.message": "-"}, 429, error__message="Limit Exceeded"),
    case("throttle/unknown", "a status-only 429 is a throttle by name", CONSOLE, 429),
    case("throttle/unknown", "not reached, 429: the gateway", HTTP, 429),
    case("throttle/lambda", "Lambda refused to run the function", REST, 500, integration__integrationStatus="429"),
    case(
        "throttle/lambda",
        "Lambda throttled, logged as a broken configuration",
        REST,
        500,
        error__responseType="API_CONFIGURATION_ERROR",
        integration__integrationStatus="429",
    ),
    case("throttle/lambda", "the integration's error says so", HTTP, 503, integrationErrorMessage="Rate Exceeded."),
    case(
        "backend_refused",
        "an HTTP back end's own 429",
        REST,
        429,
        integration__status="429",
        integration__integrationStatus="429",
    ),
    # Authorizers that break.
    typed("authorizer_error", "the function threw", 500, "AUTHORIZER_FAILURE"),
    typed("authorizer_error", "no permission to invoke it", 500, "AUTHORIZER_CONFIGURATION_ERROR"),
    typed("authorizer_timeout", "it took too long", 500, "AUTHORIZER_FAILURE", authorizer__latency="29500"),
    typed(
        "authorizer_timeout",
        "its error says timed out",
        500,
        "AUTHORIZER_FAILURE",
        authorizer__error="Task timed out after 3.00 seconds",
    ),
    typed("authorizer_error", "10 s is no timeout on REST", 500, "AUTHORIZER_FAILURE", authorizer__latency="10500"),
    case(
        "authorizer_error",
        "a failed phase without a type",
        REST | {"error.responseType": "DEFAULT_5XX"},
        500,
        authorizer__status="500",
    ),
    case("authorizer_error", "HTTP API, 500, only the authorizer has an error", HTTP, 500, authorizer__error="crashed"),
    case("backend_error", "HTTP API, the back end answered 500", HTTP, 500, integration__status="500"),
    # Phases without a type (DEFAULT_4XX says nothing).
    case(
        "bad_signature",
        "authenticate refused",
        REST,
        403,
        authenticate__status="403",
        error__responseType="DEFAULT_4XX",
    ),
    case(
        "authorizer_deny", "authorizer refused", REST, 403, authorizer__status="403", error__responseType="DEFAULT_4XX"
    ),
    case("policy_deny", "authorize refused", REST, 403, authorize__status="403", error__responseType="SOMETHING_NEW"),
    # JWT authorizers of HTTP APIs.
    case("expired_credential", "JWT expired", HTTP, 401, authorizer__error="The token has expired"),
    case("authorizer_deny", "JWT for another audience", HTTP, 401, authorizer__error="invalid audience"),
    case("authorizer_deny", "JWT of another issuer", HTTP, 401, authorizer__error="issuer does not match"),
    case("wrong_scope", "JWT without the scope", HTTP, 403, authorizer__error="insufficient_scope: pets:write"),
    case(
        "malformed_credential",
        "JWT malformed",
        HTTP,
        401,
        authorizer__error="JWT string is malformed: invalid number of segments",
    ),
    case("bad_signature", "JWT signature", HTTP, 401, authorizer__error="unable to verify signature"),
    case("missing_credential", "no token at all, by text", HTTP, 401, authorizer__error="missing token"),
    case("missing_credential", "no token at all, by silence", HTTP, 401),
    case("unknown", "HTTP API 403 without a word: scope, Deny, IAM, mutual TLS or a closed endpoint", HTTP, 403),
    case("not_found", "HTTP API without such a route", HTTP, 404),
    # The back end.
    case("backend_refused", "the application's own 401", REST, 401, integration__status="401"),
    case("backend_refused", "the application's own 403", HTTP, 403, integration__status="403"),
    case("backend_refused", "Lambda answered (200): the function said 401", HTTP, 401, integrationStatus="200"),
    case("backend_refused", "a latency shows that it was asked", REST, 403, integration__latency="12"),
    case(
        "backend_refused",
        "the gateway logs types and logged none",
        {"resourcePath": "/", "error.responseType": "-"},
        403,
    ),
    case("not_found", "the application's own 404", REST, 404, integration__status="404"),
    case("bad_request", "the application's own 400", REST, 400, integration__status="400"),
    case("backend_refused", "the application's own 402", REST, 402, integration__status="402"),
    case(
        "bad_request",
        "what is sold out or was changed meanwhile: the application's own 409",
        REST,
        409,
        integration__status="409",
    ),
    case("bad_request", "the application's own 428", HTTP, 428, integration__status="428"),
    case("backend_error", "the application's own 500", REST, 500, integration__status="500"),
    case(
        "backend_error",
        "a crashed function: Lambda answered, the gateway says 502",
        REST,
        502,
        integration__integrationStatus="200",
    ),
    case(
        "backend_error",
        "garbage from a function is no error of the configuration",
        REST,
        502,
        error__responseType="API_CONFIGURATION_ERROR",
        integration__integrationStatus="200",
    ),
    case("backend_timeout", "29 s and a 503", HTTP, 503, integrationLatency="30000"),
    case("backend_error", "503: unreachable", HTTP, 503),
    case("backend_timeout", "504 without a type", HTTP, 504),
    typed("backend_error", "the back end cannot be reached", 504, "INTEGRATION_FAILURE"),
    typed("backend_timeout", "a failure after 29 s", 504, "INTEGRATION_FAILURE", integration__latency="29001"),
    typed("config_error", "bad mapping, or no permission for Lambda", 500, "API_CONFIGURATION_ERROR"),
    case("config_error", "Lambda's 403: the gateway may not invoke", REST, 500, integration__integrationStatus="403"),
    case("backend_refused", "WebSocket: integrationStatus is the back end's", WEBSOCKET, 401, integrationStatus="401"),
    # Too little to tell.
    case("unknown", "a bare 401 may be anyone's", CONSOLE, 401),
    case("unknown", "a bare 403 may be anyone's", CONSOLE_HTTP, 403),
    case("unknown", "a bare 500 may be the authorizer's", CONSOLE, 500),
    case("bad_request", "a bare 400", CONSOLE, 400),
    case("not_found", "a bare 404", CONSOLE, 404),
    case("backend_error", "a bare 502 is the back end's", CONSOLE, 502),
    case("backend_timeout", "a bare 504 is the back end's", CONSOLE, 504),
    case("unknown", "mutual TLS without a word", REST | {"error.responseType": "DEFAULT_4XX"}, 403),
    case(
        "mtls_failure",
        "mutual TLS with its message",
        REST | {"error.responseType": "DEFAULT_4XX"},
        403,
        error__message="Client certificate is not trusted",
    ),
    # Other servers.
    case("backend_refused", "nginx answers for the back end: 401", NGINX, 401),
    case("backend_refused", "nginx answers for the back end: 403", NGINX, 403),
    case("not_found", "nginx: 404", NGINX, 404),
    case("throttle/unknown", "nginx: 429", NGINX, 429),
    case("bad_request", "nginx: 413", NGINX, 413),
    case("unknown", "nginx 499: the client has gone", NGINX, 499),
    case("backend_timeout", "nginx: 504", NGINX, 504),
    case("backend_error", "nginx: 502", NGINX, 502),
    case("backend_refused", "the balancer's target said 403", BALANCER, 403, integration__status="403"),
    case("unknown", "the balancer itself said 403", BALANCER, 403),
]


@pytest.mark.parametrize(("line", "expected"), CASES)
def test_a_refusal_has_its_cause(line: Line, expected: str) -> None:
    assert judged(line) == expected


def test_a_format_declared_foreign_is_judged_as_a_server() -> None:
    assert judged({"status": "401", "stage": "x"}) == "unknown"
    assert judged({"status": "401", "stage": "x"}, {"api_type": "other"}) == "backend_refused"


def test_all_documented_response_types_are_told() -> None:
    for type_ in (*PLAIN, *JUDGED, "WAF_FILTERED"):
        for format_ in (REST, WEBSOCKET, {"resourcePath": "-", "error.responseType": "-"}):
            assert judged({**format_, "status": "403", "error.responseType": type_}) != "unknown", type_


def test_a_format_is_told_what_it_lacks() -> None:
    assert missing_for_cause(frozenset({"status", *REST}), "rest") == ()
    assert missing_for_cause(frozenset({"status", *HTTP}), "http") == ()
    assert missing_for_cause(frozenset({"status", *NGINX}), "other") == ()
    assert missing_for_cause(frozenset({"status", *CONSOLE}), "rest") == ("error.responseType",)
    assert missing_for_cause(frozenset({"status", *CONSOLE_HTTP}), "http") == ("authorizer.error", "integration.status")
    assert missing_for_cause(frozenset({"status", *CONSOLE}), None) == ("error.responseType",)
    assert missing_for_cause(frozenset(REST), "rest") == ("status",)


# Any refusal at all.

_TYPES = [*PLAIN, *JUDGED, "WAF_FILTERED", "DEFAULT_4XX", "DEFAULT_5XX", "A_NEW_WORD", "-", ""]
_MESSAGES = [
    "-",
    "",
    "Unauthorized",
    "Forbidden",
    '"Forbidden"',
    "Too Many Requests",
    "Limit Exceeded",
    "Missing Authentication Token",
    "The security token included in the request is expired",
    "The incoming token has expired",
    "The request signature we calculated does not match",
    "User is not authorized to access this resource",
    "User is not authorized to access this resource with an explicit deny",
    "User: anonymous is not authorized to perform: execute-api:Invoke on resource: arn",
    "Key throttle limit exceeded for Usage Plan ID abc",
    "Key quota exhausted for account",
    "Lambda function throttled",
    "Internal server error",
    "Authorizer error: timed out",
    "Network error communicating with endpoint",
    "Endpoint request timed out",
    "Invalid request body",
    "HTTP content length exceeded 10485760 bytes",
    "Unsupported Media Type",
    "Malformed Lambda proxy response",
    "Execution failed due to configuration error",
    "Invalid client certificate",
    "Not Found",
    "Service Unavailable",
]
_ERRORS = [
    "-",
    "",
    "The token has expired",
    "invalid audience",
    "issuer mismatch",
    "insufficient scope",
    "JWT is malformed",
    "signature verification failed",
    "missing token",
    "Unauthorized",
    "Task timed out",
    "boom",
]
_INTEGRATION_ERRORS = ["-", "TooManyRequestsException", "Rate Exceeded.", "timeout", "no permission to call", "boom"]
_STATUSES = ["-", "0", "200", "400", "401", "403", "404", "429", "500", "502", "504", "junk"]
_LATENCIES = ["-", "0", "0.5", "120", "9999", "10000", "28000", "29000.5", "junk"]
VALUES: dict[str, list[str]] = {
    "error.responseType": _TYPES,
    "error.message": _MESSAGES,
    "error.messageString": _MESSAGES,
    "authorizer.error": _ERRORS,
    "authenticate.error": _ERRORS,
    "authorize.error": ["-", "denied"],
    "integration.error": _INTEGRATION_ERRORS,
    "integrationErrorMessage": _INTEGRATION_ERRORS,
    **dict.fromkeys(["waf.status", "authenticate.status", "authorizer.status", "authorize.status"], _STATUSES),
    **dict.fromkeys(["integration.status", "integrationStatus", "integration.integrationStatus"], _STATUSES),
    "authorizer.integrationStatus": _STATUSES,
    **dict.fromkeys(["integration.latency", "integrationLatency", "authorizer.latency"], _LATENCIES),
    **dict.fromkeys(["authorizer.integrationLatency", "responseLatency"], _LATENCIES),
    "wafResponseCode": ["-", "WAF_ALLOW", "WAF_BLOCK"],
    "resourcePath": ["-", "/", "/pets", "/{proxy+}", "/a/{p+}"],
    "routeKey": ["-", "GET /x", "$default"],
    "eventType": ["-", "CONNECT"],
    "connectionId": ["-", "c="],
    "requestId": ["-", "3f1c0e0a-8f0b-4c58-9d1e-5a1f3f6f2b11", "Qx0yFHzToAMEVkw="],
    "httpMethod": ["GET"],
    "path": ["/x"],
    "x.api_type": ["-", "REST", "http", "websocket"],
    "identity.apiKeyId": ["-", "k1"],
    "identity.apiKey": ["-", "secret"],
    "identity.userArn": ["-", "arn:aws:iam::1:user/x"],
    "identity.caller": ["-", "AIDA"],
}
_REFUSED = st.sampled_from(
    "400 401 402 403 404 405 408 409 410 413 414 415 429 431 444 460 499 500 501 502 503 504 561 599".split()
)


@st.composite
def refusals(draw: st.DrawFn) -> tuple[list[Line], dict[str, str]]:
    whole = draw(st.sampled_from([{}, {}, REST, HTTP, WEBSOCKET, CONSOLE, BALANCER]))
    names = sorted({*whole, *draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=10))})
    line = st.fixed_dictionaries(
        {"status": _REFUSED, **{name: st.none() | st.sampled_from(VALUES.get(name, ["-", "x"])) for name in names}}
    )
    kind = draw(st.sampled_from([None, None, "rest", "http", "websocket", "other"]))
    return draw(st.lists(line, min_size=20, max_size=40)), {} if kind is None else {"api_type": kind}


@settings(max_examples=100, deadline=None)
@given(batch=refusals())
def test_sql_and_reference_agree_on_any_refusal(batch: tuple[list[Line], dict[str, str]]) -> None:
    lines, constants = batch
    for row, line in zip(by_sql(lines, constants), lines, strict=True):
        assert row == reject_cause(line, constants), line
        cause, scope = row
        assert cause in REJECT_CAUSES
        assert (scope in THROTTLE_SCOPES) if cause == "throttle" else scope is None
