"""The reject cause as DuckDB expressions over a format's variables; the rules are told in `ingest.reject_cause_row`.

Nothing here is evaluated for requests that were answered: the caller guards both expressions by the status.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from ingest.api_types import foreign, kind_of_format, kind_sql
from ingest.reject_cause_row import (
    AUTHORIZER_LIMIT_MS,
    BAD_REQUEST,
    CAUSE_OF_TEXT,
    JUDGED,
    LAMBDA_FULL,
    LIMIT_MS,
    NO_CERTIFICATE,
    NO_PERMISSION,
    NOBODY,
    NOT_FOUND,
    PLAIN,
    SCOPE_OF_TEXT,
    SILENT_MESSAGES,
    TIMED_OUT,
    TYPE_OF_MESSAGE,
    Words,
    missing_for_cause,
    only_type,
    reject_cause,
    shows_backend,
)
from ingest.values import let_sql, literal, number_sql, present_sql, quoted

__all__ = ["missing_for_cause", "no_route_sql", "reject_cause", "reject_cause_sql"]

_NONE: Mapping[str, str] = MappingProxyType({})
_NULL = "NULL::VARCHAR"
_NO_NUMBER = "NULL::INTEGER"
_CONSTANTS = (_NULL, _NO_NUMBER, "''", "0", "false")


def reject_cause_sql(variables: frozenset[str], constants: Mapping[str, str] = _NONE) -> tuple[str, str]:
    """(cause, throttle scope): expressions for rows with status >= 400; the scope is NULL unless it was throttled."""
    rules = _Sql(variables, constants)
    return rules.cause(), rules.scope()


def no_route_sql(variables: frozenset[str]) -> str | None:
    """Whether a row was refused because nothing answers to what it asked for; None when no variable of it tells."""
    if "status" not in variables:
        return None
    rules = _Sql(variables, _NONE)
    unsigned = "MISSING_AUTHENTICATION_TOKEN"
    tests = [f"{rules.status} = 404"]
    if "error.responseType" in variables:
        tests.append(f"{quoted('error.responseType')} = '{unsigned}'")
    if rules.message != "''":
        tests.append(f"({rules.type_unknown()} AND {_says(rules.message, TYPE_OF_MESSAGE[unsigned])})")
    return f"({quoted('status')} >= '4' AND ({' OR '.join(tests)}))"


class _Sql:
    """The rules for one format, in the order of the reference.

    Conditions may be NULL, which is as good as false; what is negated never is. What several rules look at are
    attributes: first the expressions themselves, inside of `bound` the fields of a struct that holds their values, for
    DuckDB plans as long as a query is.
    """

    def __init__(self, variables: frozenset[str], constants: Mapping[str, str]) -> None:
        self.variables = variables
        self.constants = constants
        self.kind = kind_sql(variables, constants)
        self.status = f"coalesce({self.number('status')}, 0)"
        self.message = self.lower(self.text("error.message"), self.quoted_text("error.messageString"))
        self.authorizer_text = self.lower(self.text("authorizer.error"))
        texts = [text for text in (self.authorizer_text, self.message) if text != "''"]
        self.credential_text = f"({' || chr(32) || '.join(texts)})" if texts else "''"
        self.integration_error = self.lower(self.text("integration.error"), self.text("integrationErrorMessage"))
        self.authorizer = self.number("authorizer.status")
        self.backend, self.service = self._integration()
        self.latency = self._latency()
        self.reached = self._reached()

    def bound(self, body: Callable[[], str]) -> str:
        """body's expression, with the attributes evaluated once a row."""
        names = (
            "status",
            "message",
            "credential_text",
            "integration_error",
            "authorizer",
            "backend",
            "service",
            "latency",
            "reached",
        )
        values = {name: value for name in names if (value := getattr(self, name)) not in _CONSTANTS}
        packed = f"{{{', '.join(f'{literal(name)}: {value}' for name, value in values.items())}}}"

        def with_fields(row: str) -> str:
            for name in values:
                setattr(self, name, f"{row}.{name}")
            return body()

        try:
            return let_sql(packed, with_fields)
        finally:
            for name, value in values.items():
                setattr(self, name, value)

    # Variables: NULL where the format or the row has none.

    def given(self, *names: str) -> bool:
        return bool(self.variables.intersection(names))

    def text(self, name: str) -> str:
        column = quoted(name)
        return f"CASE WHEN {present_sql(column)} THEN {column} END" if name in self.variables else _NULL

    def quoted_text(self, name: str) -> str:
        """The text without the quotation marks around it."""
        column = quoted(name)
        return f"CASE WHEN {present_sql(column)} THEN trim({column}, '\"') END" if name in self.variables else _NULL

    def lower(self, *texts: str) -> str:
        known = [text for text in texts if text != _NULL]
        return f"lower(coalesce({', '.join([*known, literal('')])}))" if known else "''"

    def number(self, name: str) -> str:
        return f"({number_sql(quoted(name), 4, 0)})::INTEGER" if name in self.variables else _NO_NUMBER

    def decimal(self, name: str) -> str:
        return f"coalesce({number_sql(quoted(name), 12, 3)}, 0)" if name in self.variables else "0"

    def failed(self, phase: str) -> str:
        tests = []
        if f"{phase}.status" in self.variables:
            tests.append(f"{self.number(f'{phase}.status')} >= 400")
        if f"{phase}.error" in self.variables:
            tests.append(present_sql(quoted(f"{phase}.error")))
        return _any(tests)

    def _integration(self) -> tuple[str, str]:
        backend = [self.number("integration.status")] if self.given("integration.status") else []
        service = [self.number("integration.integrationStatus")] if self.given("integration.integrationStatus") else []
        if self.given("integrationStatus"):
            plain, kind = self.number("integrationStatus"), kind_of_format(self.variables, self.constants)
            if kind in (None, "websocket"):
                backend.append(f"CASE WHEN {self.kind} = 'websocket' THEN {plain} END")
            if kind != "websocket":
                service.append(f"CASE WHEN {self.kind} <> 'websocket' THEN {plain} END")
        return tuple(  # type: ignore[return-value]  # two of them
            f"coalesce({', '.join(f'nullif({value}, 0)' for value in values)})" if values else _NO_NUMBER
            for values in (backend, service)
        )

    def _latency(self) -> str:
        names = [name for name in ("integration.latency", "integrationLatency") if name in self.variables]
        return f"coalesce({', '.join(f'nullif({self.decimal(name)}, 0)' for name in names)}, 0)" if names else "0"

    def _reached(self) -> str:
        tests = [f"{value} IS NOT NULL" for value in (self.backend, self.service) if value != _NO_NUMBER]
        if self.latency != "0":
            tests.append(f"{self.latency} > 0")
        if only_type(self.variables):
            tests.append(f"({self.text('error.responseType')} IS NULL AND {self.kind} <> 'http')")
        return f"coalesce({_any(tests)}, false)" if tests else "false"

    def slow(self) -> str:
        return f"greatest({self.latency}, {self.decimal('responseLatency')}) >= {LIMIT_MS}"

    def told(self) -> str:
        """What the authorizer and the message say about the credential."""
        silent = [f"coalesce({quoted('authorizer.error')}, '-') IN ('-', '')"] if self.given("authorizer.error") else []
        silent += [
            f"coalesce({quoted(name)}, '-') IN ({', '.join(map(literal, SILENT_MESSAGES))})"
            for name in ("error.message", "error.messageString")
            if self.given(name)
        ]
        if not silent:
            return _NULL
        return f"(CASE WHEN {' AND '.join(silent)} THEN NULL ELSE {_match(CAUSE_OF_TEXT, self.credential_text)} END)"

    def type_unknown(self) -> str:
        """The response type says nothing: absent, DEFAULT_4XX, DEFAULT_5XX, or a word of the future."""
        if "error.responseType" not in self.variables:
            return "true"
        known = ", ".join(map(literal, (*PLAIN, *JUDGED, "WAF_FILTERED")))
        return f"coalesce({quoted('error.responseType')} NOT IN ({known}), true)"

    # Rules.

    def cause(self) -> str:
        waf, full = self.waf(), self.lambda_throttled()
        cases = [f"WHEN {waf} THEN CASE WHEN {self.status} = 429 THEN 'throttle' ELSE 'waf_block' END"]
        if foreign(self.variables, self.constants):
            return f"CASE {cases[0]} ELSE {self.of_server()} END"
        outcomes = {
            **{type_: literal(cause) for type_, cause in PLAIN.items()},
            "THROTTLED": "'throttle'",
            "MISSING_AUTHENTICATION_TOKEN": self.unsigned(),
            "UNAUTHORIZED": self.unauthorized(),
            "ACCESS_DENIED": self.denied(),
            "INVALID_API_KEY": self.bad_key(),
            "AUTHORIZER_FAILURE": self.broken_authorizer(),
            "API_CONFIGURATION_ERROR": self.misconfigured(),
            "INTEGRATION_FAILURE": self.unreachable(),
        }
        cases.append(f"WHEN {full} THEN 'throttle'")
        if self.given("error.responseType"):
            name = f"replace({quoted('error.responseType')}, 'AUTHORIZER_CONFIGURATION_ERROR', 'AUTHORIZER_FAILURE')"
            by_type = " ".join(f"WHEN {literal(type_)} THEN {rule}" for type_, rule in outcomes.items())
            cases.append(f"WHEN NOT {self.type_unknown()} THEN CASE {name} {by_type} END")
        if self.message != "''":
            cases += [
                f"WHEN {_says(self.message, words)} THEN {outcomes[type_]}" for type_, words in TYPE_OF_MESSAGE.items()
            ]
        cases.append(f"WHEN {self.status} = 429 AND NOT {self.reached} THEN 'throttle'")
        return f"CASE {' '.join([*cases, *self.of_phase()])} ELSE {self.of_status()} END"

    def scope(self) -> str:
        """Of the same rules only what throttles; outside of `bound`, for it is short."""
        cases = [f"WHEN {self.waf()} THEN CASE WHEN {self.status} = 429 THEN 'waf' END"]
        if foreign(self.variables, self.constants):
            return f"CASE {cases[0]} WHEN {self.status} = 429 THEN 'unknown' END"
        limit = f"coalesce({_match(SCOPE_OF_TEXT, self.message)}, 'unknown')"
        cases.append(f"WHEN {self.lambda_throttled()} THEN 'lambda'")
        if self.given("error.responseType"):
            cases.append(
                f"WHEN NOT {self.type_unknown()} "
                f"THEN CASE WHEN {quoted('error.responseType')} = 'THROTTLED' THEN {limit} END"
            )
        if self.message != "''":
            earlier = tuple(TYPE_OF_MESSAGE)[: tuple(TYPE_OF_MESSAGE).index("THROTTLED")]
            words = tuple(word for type_ in earlier for word in TYPE_OF_MESSAGE[type_])
            cases.append(f"WHEN {_says(self.message, words)} THEN NULL")
            cases.append(f"WHEN {_says(self.message, TYPE_OF_MESSAGE['THROTTLED'])} THEN {limit}")
            later = tuple(TYPE_OF_MESSAGE)[len(earlier) + 1 :]
            words = tuple(word for type_ in later for word in TYPE_OF_MESSAGE[type_])
            cases.append(f"WHEN {_says(self.message, words)} THEN NULL")
        return f"CASE {' '.join(cases)} WHEN {self.status} = 429 AND NOT {self.reached} THEN 'unknown' END"

    def waf(self) -> str:
        tests = []
        if self.given("wafResponseCode"):
            tests.append(f"{quoted('wafResponseCode')} = 'WAF_BLOCK'")
        if self.given("waf.status"):
            tests.append(f"{self.number('waf.status')} = 403")
        if self.given("error.responseType"):
            tests.append(f"{quoted('error.responseType')} = 'WAF_FILTERED'")
        return _any(tests)

    def lambda_throttled(self) -> str:
        tests = [_says(self.integration_error, LAMBDA_FULL)]
        if self.given("integration.integrationStatus"):
            tests.append(f"({self.service} = 429 AND coalesce({self.backend}, 0) <> 429)")
        elif self.service != _NO_NUMBER:
            tests.append(f"({self.service} = 429 AND {self.status} <> 429)")
        return _any(tests)

    def unsigned(self) -> str:
        route = self.text("resourcePath")
        evidence = _any([self.failed("authenticate"), f"{self.authorizer} >= 400"])
        return (
            f"CASE WHEN {self.kind} IN ('http', 'websocket') THEN 'missing_credential' "
            f"WHEN {evidence} AND {route} <> '/' AND NOT contains({route}, '+}}') THEN 'missing_credential' "
            "ELSE 'path_probing' END"
        )

    def unauthorized(self) -> str:
        asked = _any(
            [
                f"{self.authorizer} IS NOT NULL",
                f"{self.authorizer_text} <> ''",
                f"{self.number('authorizer.integrationStatus')} > 0",
            ]
        )
        return f"coalesce({self.told()}, CASE WHEN {asked} THEN 'authorizer_deny' ELSE 'missing_credential' END)"

    def denied(self) -> str:
        signed = [present_sql(quoted(name)) for name in ("identity.userArn", "identity.caller") if self.given(name)]
        return (
            f"CASE WHEN {_says(self.message, NO_CERTIFICATE)} THEN 'mtls_failure' "
            f"WHEN coalesce({self.authorizer}, 0) <> 403 AND contains({self.message}, 'not authorized to perform') "
            "THEN 'policy_deny' "
            f"WHEN contains({self.credential_text}, 'scope') THEN 'wrong_scope' "
            f"WHEN {self.authorizer} = 403 OR contains({self.message}, 'not authorized to access') "
            "THEN 'authorizer_deny' "
            f"WHEN {_any([self.failed('authorize'), *signed])} THEN 'policy_deny' ELSE 'authorizer_deny' END"
        )

    def bad_key(self) -> str:
        disabled = [f"contains({self.message}, 'disabled')"]
        if self.given("identity.apiKeyId"):
            disabled.append(present_sql(quoted("identity.apiKeyId")))
        sent = f"{self.text('identity.apiKey')} IS NOT NULL" if self.given("identity.apiKey") else "true"
        return (
            f"CASE WHEN {_any(disabled)} THEN 'disabled_key' "
            f"WHEN {sent} THEN 'unknown_key' ELSE 'missing_credential' END"
        )

    def broken_authorizer(self) -> str:
        limits = " ".join(f"WHEN {literal(kind)} THEN {limit}" for kind, limit in AUTHORIZER_LIMIT_MS.items())
        waited = f"greatest({self.decimal('authorizer.latency')}, {self.decimal('authorizer.integrationLatency')})"
        return (
            f"CASE WHEN {self.authorizer} = 504 OR {waited} >= (CASE {self.kind} {limits} ELSE {LIMIT_MS} END) "
            f"OR {_says(self.credential_text, TIMED_OUT)} THEN 'authorizer_timeout' ELSE 'authorizer_error' END"
        )

    def misconfigured(self) -> str:
        return (
            f"CASE WHEN (contains({self.message}, 'malformed lambda') OR ({self.status} = 502 AND {self.reached})) "
            f"AND coalesce({self.service}, 0) <> 403 THEN 'backend_error' ELSE 'config_error' END"
        )

    def unreachable(self) -> str:
        late = _any([self.slow(), _says(self.integration_error, TIMED_OUT), _says(self.message, TIMED_OUT)])
        return f"CASE WHEN {late} THEN 'backend_timeout' ELSE 'backend_error' END"

    def of_phase(self) -> list[str]:
        """Cases for the first phase that refused, where the gateway gave no type."""
        cases = []
        if self.message != "''":
            cases.append(f"WHEN {self.status} = 403 AND {_says(self.message, NO_CERTIFICATE)} THEN 'mtls_failure'")
        if self.given("authenticate.status", "authenticate.error"):
            error = self.lower(self.text("authenticate.error"))
            text = f"{error} || ' ' || {self.message}"
            cases.append(
                f"WHEN {self.failed('authenticate')} THEN coalesce({_match(CAUSE_OF_TEXT, text)}, 'bad_signature')"
            )
        broken, refused = [], []
        if self.given("authorizer.status"):
            broken.append(f"{self.authorizer} >= 500")
            refused.append(f"{self.authorizer} >= 400")
        if self.given("authorizer.integrationStatus"):
            failed = f"{self.number('authorizer.integrationStatus')} >= 400"
            broken.append(f"({self.status} >= 500 AND NOT {self.reached} AND {failed})")
        if self.given("authorizer.error"):
            says = f"{self.authorizer_text} <> '' AND NOT {self.reached}"
            broken.append(f"({self.status} >= 500 AND coalesce({self.authorizer}, 0) < 400 AND {says})")
            refused.append(f"({says})")
        if broken:
            cases.append(f"WHEN {_any(broken)} THEN {self.broken_authorizer()}")
        if refused:
            cases.append(f"WHEN {_any(refused)} THEN coalesce({self.told()}, 'authorizer_deny')")
        if self.given("authorize.status", "authorize.error"):
            cases.append(f"WHEN {self.failed('authorize')} THEN 'policy_deny'")
        return cases

    def of_status(self) -> str:
        told = self.given("authorizer.error", "authorizer.status") and shows_backend(self.variables)
        bare = f"WHEN {self.status} = 401 THEN 'missing_credential' " if told else ""
        return (
            f"CASE WHEN {self.status} >= 500 THEN {self.of_failure()} "
            f"WHEN {self.status} IN {BAD_REQUEST} THEN 'bad_request' "
            f"WHEN {self.status} IN {NOT_FOUND} THEN 'not_found' "
            f"WHEN {self.reached} THEN 'backend_refused' {bare}ELSE 'unknown' END"
        )

    def of_failure(self) -> str:
        error = self.integration_error
        late = _any([f"{self.status} = 504", self.slow(), _says(error, TIMED_OUT)])
        return (
            f"CASE WHEN {late} THEN 'backend_timeout' "
            f"WHEN {self.service} = 403 OR {_says(error, NO_PERMISSION)} THEN 'config_error' "
            f"WHEN {self.reached} OR {self.status} > 500 OR {error} <> '' THEN 'backend_error' ELSE 'unknown' END"
        )

    def of_server(self) -> str:
        own = f"{self.backend} IS NULL" if self.given("integration.status") else "false"
        return (
            f"CASE WHEN {self.status} = 504 THEN 'backend_timeout' WHEN {self.status} >= 500 THEN 'backend_error' "
            f"WHEN {self.status} IN {BAD_REQUEST} THEN 'bad_request' "
            f"WHEN {self.status} IN {NOT_FOUND} THEN 'not_found' WHEN {self.status} = 429 THEN 'throttle' "
            f"WHEN {own} OR {self.status} IN {NOBODY} THEN 'unknown' ELSE 'backend_refused' END"
        )


def _any(tests: Sequence[str]) -> str:
    known = [test for test in tests if test != "false"]
    return f"({' OR '.join(known)})" if known else "false"


def _says(value: str, words: Words) -> str:
    return "false" if value == "''" else _any([f"contains({value}, {literal(word)})" for word in words])


def _match(table: Mapping[str, Words], value: str) -> str:
    """What the first words that stand in the text mean; else NULL."""
    if value == "''":
        return _NULL
    cases = (f"WHEN {_says(value, words)} THEN {literal(meaning)}" for meaning, words in table.items())
    return f"CASE {' '.join(cases)} END"
