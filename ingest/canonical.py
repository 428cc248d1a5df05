"""From a format's variables to the canonical request (gatewatch.frames.REQUESTS), as DuckDB expressions.

The row-by-row reference of the very same rules is `ingest.canonical_row`; a property test holds them together.
Written for speed: each expression takes its usual shape in one or two cheap steps, and what is rare stands behind a
CASE, which DuckDB evaluates for the rows that reach it only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from gatewatch.frames import REQUESTS
from ingest import reject_cause
from ingest.api_types import kind_sql
from ingest.canonical_row import (
    ADDRESSES,
    EXTRA,
    EXTRA_LIMIT,
    LIMITS,
    MESSAGES,
    OWN,
    PARTS,
    PRINCIPALS,
    ROUTES,
    TIMES,
    canonical_row,
    given,
    reason,
)
from ingest.routes import NO_ROUTE, method_of_sql, normalised_sql, target_path_sql
from ingest.secrets import clean_sql, key_id_sql, redacted_sql, suspicious_sql
from ingest.values import (
    EARLIEST,
    LATEST,
    address_sql,
    bounded_sql,
    instant_sql,
    let_sql,
    literal,
    milliseconds_of_seconds_sql,
    number_sql,
    own_text_sql,
    present_sql,
    quoted,
    text_sql,
)

__all__ = ["canonical_columns", "canonical_row", "given", "reason", "reason_sql"]

_NONE: Mapping[str, str] = MappingProxyType({})
_TYPES = {"timestamp[us, tz=UTC]": "TIMESTAMPTZ", "string": "VARCHAR", "int16": "SMALLINT", "float": "FLOAT"}


UNTRUSTED = "a text must be redacted"


WHOLE = frozenset(
    {
        "status",
        "responseLatency",
        "integration.latency",
        "integrationLatency",
        "authorizer.latency",
        "authorizer.integrationLatency",
        "waf.latency",
        "integration.status",
        "integrationStatus",
        "integration.integrationStatus",
        "responseLength",
    }
)
"""Variables of which nothing is asked but the number, so that they may come as integers; INSTANTS: as milliseconds."""

INSTANTS = frozenset({"requestTimeEpoch"})


def canonical_columns(
    variables: frozenset[str],
    constants: Mapping[str, str] = _NONE,
    key: str = "",
    *,
    trusting: bool = False,
    whole: frozenset[str] = frozenset(),
) -> dict[str, str]:
    """REQUESTS column -> expression over `raw`, made only of variables that exist; a typed NULL where none helps.

    trusting: where a text holds a secret the query stops with UNTRUSTED instead of replacing it. Most logs hold
    none, and the SQL that replaces them is so long that DuckDB needs as much time to plan it as to read 5,000 lines.
    whole: variables that are integers, negative where absent (of WHOLE), or milliseconds that are always there
    (of INSTANTS). What a place or a cause follows from is given for text only.
    """
    build = _Columns(variables, constants, key, trusting=trusting, whole=whole)
    found = {
        "at": build.at(),
        "account": build.text("accountId", constant="account"),
        "region": build.region(),
        "api": build.api(),
        "api_type": kind_sql(variables, constants),
        "stage": build.text("stage", constant="stage"),
        "route": build.route(),
        "method": build.method(),
        "path": build.path_shown(),
        "status": build.number("status", 4, "SMALLINT"),
        "latency_ms": build.latency("responseLatency", seconds="x.duration_s"),
        "integration_latency_ms": build.latency("integration.latency", "integrationLatency", seconds="x.integration_s"),
        "authorizer_latency_ms": build.latency("authorizer.latency", "authorizer.integrationLatency"),
        "waf_latency_ms": build.latency("waf.latency"),
        "integration_status": build.integration_status(),
        "response_bytes": build.number("responseLength", 18, "BIGINT"),
        "client_ip": build.client_ip(),
        "principal": build.free_text(*PRINCIPALS, limit=LIMITS["principal"]),
        "api_key_id": build.api_key_id(),
        "user_agent": build.free_text("identity.userAgent", limit=LIMITS["user_agent"]),
        "request_id": build.free_text("requestId", limit=LIMITS["text"]),
        "extended_request_id": build.text("extendedRequestId"),
        "trace_id": build.free_text("xrayTraceId", "x.trace", limit=LIMITS["text"]),
        "error_type": build.text("error.responseType"),
        "error_message": build.free_text(*MESSAGES, limit=LIMITS["error_message"]),
        "authorizer_error": build.free_text("authorizer.error", limit=LIMITS["authorizer_error"]),
        "waf_action": build.waf_action(),
        "domain": build.domain(),
        "tls_version": build.text("tlsVersion"),
        "tls_cipher": build.text("cipherSuite"),
        "connection_id": build.text("connectionId"),
        "event_type": build.text("eventType"),
        "extra": build.extra(),
        "delivered_at": instant_sql(quoted("x.delivered")) if "x.delivered" in variables else None,
    }
    if "status" in variables:
        cause, scope = reject_cause.reject_cause_sql(variables, constants)
        found["reject_cause"] = f"CASE WHEN {_refused_sql(variables)} THEN {cause} END"
        found["throttle_scope"] = f"CASE WHEN {_refused_sql(variables)} THEN {scope} END"
    return {field.name: found.get(field.name) or f"NULL::{_TYPES.get(str(field.type), 'BIGINT')}" for field in REQUESTS}


def reason_sql(variables: frozenset[str]) -> str:
    """Why a row is rejected: no_time, bad_time (also outside 2000-2100), no_status, bad_status (not 100-599)."""

    def told(names: Sequence[str]) -> str:
        return " OR ".join(f"coalesce({present_sql(quoted(name))}, false)" for name in names) or "false"

    times = [name for name in TIMES if name in variables]
    statuses = ["status"] if "status" in variables else []
    at = _Columns(variables, _NONE, "").at() or "NULL::TIMESTAMPTZ"
    status = _status_sql() if statuses else "NULL::SMALLINT"
    early, late = (f"'{limit:%Y-%m-%d} 00:00:00+00'::TIMESTAMPTZ" for limit in (EARLIEST, LATEST))
    return (
        f"CASE WHEN ({at}) >= {early} AND ({at}) < {late} THEN CASE WHEN ({status}) BETWEEN 100 AND 599 THEN NULL "
        f"WHEN {told(statuses)} THEN 'bad_status' ELSE 'no_status' END "
        f"WHEN {told(times)} THEN 'bad_time' ELSE 'no_time' END"
    )


def _status_sql() -> str:
    return f"({number_sql(quoted('status'), 4, 0)})::SMALLINT"


def _refused_sql(variables: frozenset[str]) -> str:
    """status >= 400 of an accepted row, by the first character."""
    return f"{quoted('status')} >= '4'" if "status" in variables else "false"


class _Columns:
    """The expressions of one format. A method gives None where the format has none of the variables."""

    def __init__(
        self,
        variables: frozenset[str],
        constants: Mapping[str, str],
        key: str,
        *,
        trusting: bool = False,
        whole: frozenset[str] = frozenset(),
    ) -> None:
        self.variables = variables
        self.whole = whole
        self.constants = constants
        self.key = key
        self.trusting = trusting

    def has(self, *names: str) -> list[str]:
        return [name for name in names if name in self.variables]

    def text(self, *names: str, limit: int = LIMITS["text"], constant: str | None = None) -> str | None:
        values = [_text(name, limit) for name in self.has(*names)]
        if constant is not None and constant in self.constants:
            values.append(literal(self.constants[constant]))
        return _first(values)

    def free_text(self, *names: str, limit: int) -> str | None:
        """Text that a client or a back end wrote: secrets in it are replaced before it is cut."""
        return _first([self._redacted(quoted(name), limit, name) for name in self.has(*names)])

    def _redacted(self, column: str, limit: int, name: str = "") -> str:
        if name == "error.messageString":  # the gateway wraps it in quotation marks
            trimmed = f"trim({column}, '\"')"
            return let_sql(trimmed, lambda value: self._redacted(value, limit))
        plain = bounded_sql(column, limit)
        return (
            f"CASE WHEN strlen({column}) BETWEEN 2 AND {limit} AND {clean_sql(column)} "
            f"AND NOT contains({column}, chr(0)) THEN {column} WHEN {column} = '-' THEN NULL "
            f"WHEN {suspicious_sql(column)} THEN {self._replaced(column, limit)} "
            f"ELSE nullif({plain}, '') END"
        )

    def _replaced(self, column: str, limit: int) -> str:
        """The text of a column that holds a secret."""
        return f"error('{UNTRUSTED}')" if self.trusting else bounded_sql(redacted_sql(column, self.key), limit)

    def number(self, name: str, digits: int, type_: str) -> str | None:
        return f"({self.number_of(name, digits, 0)})::{type_}" if name in self.variables else None

    def number_of(self, name: str, digits: int, places: int) -> str:
        if name in self.whole:
            return f"CASE WHEN {quoted(name)} BETWEEN 0 AND {10 ** (digits - places) - 1} THEN {quoted(name)} END"
        return number_sql(quoted(name), digits, places)

    def latency(self, *names: str, seconds: str | None = None) -> str | None:
        values = [f"({self.number_of(name, 12, 3)})::FLOAT" for name in self.has(*names)]
        if seconds in self.variables:
            values.append(milliseconds_of_seconds_sql(quoted(str(seconds))))
        if seconds == "x.duration_s" and self.variables.issuperset(PARTS):
            parts = " + ".join(f"({number_sql(quoted(name), 15, 6)})" for name in PARTS)
            values.append(f"(({parts}) * 1000)::FLOAT")
        return _first(values)

    def at(self) -> str | None:
        times = self.has(*TIMES)
        if times and times[0] in self.whole:
            return f"make_timestamptz({quoted(times[0])} * 1000)"
        return _first([instant_sql(quoted(name)) for name in times])

    def region(self) -> str | None:
        values = []
        if told := self.text("x.region"):
            values.append(told)
        if "region" in self.constants:
            return _first([*values, literal(self.constants["region"])])
        if "domainName" in self.variables:
            name = quoted("domainName")
            values.append(
                # Ten characters of API id are nearly all there is; the pattern is ten times as slow.
                f"CASE WHEN substr({name}, 11, 13) = '.execute-api.' AND strlen({name}) BETWEEN 40 AND 60 "
                f"AND suffix({name}, '.amazonaws.com') THEN substr({name}, 24, strlen({name}) - 37) "
                f"WHEN contains({name}, '.execute-api.') "
                rf"THEN nullif(regexp_extract({name}, '\.execute-api\.([a-z0-9-]{{1,30}})\.amazonaws\.com', 1), '') END"
            )
        if "webaclArn" in self.variables:
            values.append(
                rf"nullif(regexp_extract({quoted('webaclArn')}, '^arn:[a-z-]+:wafv2:([a-z0-9-]{{1,30}}):', 1), '')"
            )
        return _first(values)

    def api(self) -> str | None:
        values = [_text("apiId", LIMITS["text"])] if "apiId" in self.variables else []
        if "domainName" in self.variables:
            name = quoted("domainName")
            values.append(
                f"CASE WHEN contains({name}, '.execute-api.') "
                rf"THEN nullif(regexp_extract({name}, '^([a-z0-9]{{1,32}})(?:-vpce-[a-z0-9-]+)?\.execute-api\.', 1), "
                "'') END"
            )
        elif "domainPrefix" in self.variables:
            name = quoted("domainPrefix")
            values.append(f"CASE WHEN regexp_full_match({name}, '[a-z0-9]{{10}}') THEN {name} END")
        if told := self.text("x.api", constant="api"):
            values.append(told)
        return _first(values)

    def method(self) -> str | None:
        values = [_text("httpMethod", LIMITS["method"])] if "httpMethod" in self.variables else []
        if "x.request" in self.variables:
            values.append(
                let_sql(
                    f"split_part({quoted('x.request')}, ' ', 1)",
                    lambda word: (
                        f"CASE WHEN {word} >= 'A' AND {word} < '[' THEN {bounded_sql(word, LIMITS['method'])} END"
                    ),
                )
            )
        return _first(values)

    def target(self) -> str | None:
        """What the client asked for, query included: an expression that is not cheap to repeat."""
        values = [f"CASE WHEN {present_sql(quoted('path'))} THEN {quoted('path')} END"] if self.has("path") else []
        if "x.request" in self.variables:
            values.append(f"nullif(nullif(split_part({quoted('x.request')}, ' ', 2), ''), '-')")
        if "x.url" in self.variables:
            values.append(f"CASE WHEN {present_sql(quoted('x.url'))} THEN {quoted('x.url')} END")
        return _first(values)

    def path_shown(self) -> str | None:
        target = self.target()
        if target is None:
            return None
        if self.has("path", "x.request", "x.url") == ["path"]:
            return self._redacted(quoted("path"), LIMITS["path"])

        def shown(value: str) -> str:
            bare = f"coalesce(nullif(regexp_replace({value}, '^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*', ''), ''), '/')"
            return let_sql(
                f"CASE WHEN contains({value}, '://') THEN {bare} ELSE {value} END",
                lambda path: self._redacted(path, LIMITS["path"]),
            )

        return let_sql(target, shown)

    def domain(self) -> str | None:
        values = [_text("domainName", LIMITS["text"])] if self.has("domainName") else []
        values += [
            f"CASE WHEN contains({value}, '://') THEN nullif(left(replace(regexp_extract({value}, "
            rf"'^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#:]*)', 1), chr(0), '\ufffd'), {LIMITS['text']}), '') END"
            for value in (
                *(quoted(name) for name in self.has("x.url")),
                *(f"split_part({quoted(name)}, ' ', 2)" for name in self.has("x.request")),
            )
        ]
        return _first(values)

    def route(self) -> str | None:
        if not self.has(*ROUTES):
            return None
        cases = []
        method = self.method()
        if "routeKey" in self.variables:
            key = quoted("routeKey")
            cases.append(f"WHEN strlen({key}) BETWEEN 2 AND {LIMITS['route']} THEN {key}")
            cases.append(f"WHEN {present_sql(key)} THEN left({key}, {LIMITS['route']})")
        if "resourcePath" in self.variables:
            resource = quoted("resourcePath")
            if "httpMethod" in self.variables:
                plain = quoted("httpMethod")
                cases.append(
                    # '/' is the character after '-': one comparison for "present". No method is longer than OPTIONS.
                    f"WHEN {resource} >= '/' AND strlen({resource}) <= {LIMITS['route']} "
                    f"AND strlen({plain}) BETWEEN 3 AND 8 THEN concat({plain}, ' ', {resource})"
                )
            prefix = f"coalesce({method} || ' ', '') || " if method is not None else ""
            cases.append(f"WHEN {present_sql(resource)} THEN {prefix}left({resource}, {LIMITS['route']})")
        refusals = reject_cause.no_route_sql(self.variables)
        if refusals is not None:
            cases.append(f"WHEN {refusals} THEN '{NO_ROUTE}'")
        target = self.target()
        fallback = "NULL"
        if target is not None:
            stage = self.text("stage", constant="stage")

            def from_path(value: str) -> str:
                path = f"left(replace({target_path_sql(value)}, chr(0), '\ufffd'), {LIMITS['path']})"
                return let_sql(path, lambda clean: normalised_sql(clean, stage))

            prefix = f"coalesce({method_of_sql(f'({method})')} || ' ', '') || " if method is not None else ""
            fallback = f"CASE WHEN ({target}) IS NOT NULL THEN {prefix}{let_sql(target, from_path)} END"
        return f"CASE {' '.join(cases)} ELSE {fallback} END" if cases else fallback

    def integration_status(self) -> str | None:
        names = self.has("integration.status", "integrationStatus", "integration.integrationStatus")
        return _first([f"({self.number_of(name, 4, 0)})::SMALLINT" for name in names])

    def client_ip(self) -> str | None:
        return _first([address_sql(quoted(name)) for name in self.has(*ADDRESSES)])

    def api_key_id(self) -> str | None:
        values = [_text(name, LIMITS["text"]) for name in self.has("identity.apiKeyId")]
        for name in self.has("identity.apiKey"):
            value = quoted(name)
            values.append(f"CASE WHEN {present_sql(value)} THEN {key_id_sql(value, self.key)} END")
        return _first(values)

    def waf_action(self) -> str | None:
        values = [_text(name, LIMITS["text"]) for name in self.has("wafResponseCode")]
        for name in self.has("waf.status"):
            values.append(f"CASE {quoted(name)} WHEN '200' THEN 'WAF_ALLOW' WHEN '403' THEN 'WAF_BLOCK' END")
        return _first(values)

    def extra(self) -> str | None:
        """JSON text of a few further variables, NULL when there is nothing to tell; see EXTRA."""
        told = {
            name: f"({quoted(name)} <> {literal(usual)} AND {present_sql(quoted(name))})"
            for name, usual in EXTRA.items()
            if name in self.variables
        }
        if not told:
            return None

        def shown(column: str) -> str:
            replaced = self._replaced(column, LIMITS["extra"])
            return f"CASE WHEN {suspicious_sql(column)} THEN {replaced} ELSE {bounded_sql(column, LIMITS['extra'])} END"

        parts = ", ".join(
            f"CASE WHEN {test} THEN {literal(f'{chr(34)}{name}{chr(34)}:')} || "
            f"to_json({shown(quoted(name))})::VARCHAR END"
            for name, test in told.items()
        )
        whole = let_sql(
            f"'{{' || concat_ws(',', {parts}) || '}}'",
            lambda text: f"CASE WHEN strlen({text}) <= {EXTRA_LIMIT} THEN {text} END",
        )
        return f"CASE WHEN {' OR '.join(told.values())} THEN {whole} END"


def _first(values: Sequence[str]) -> str | None:
    if not values:
        return None
    return values[0] if len(values) == 1 else f"coalesce({', '.join(values)})"


def _text(name: str, limit: int) -> str:
    return own_text_sql(quoted(name), limit) if name in OWN else text_sql(quoted(name), limit)
