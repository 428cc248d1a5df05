"""The fields of requests that people filter and group by, and terms on them (gatewatch.where) as SQL for DuckDB.

Some are derived when read: who called (client_id), the network of an address (ip_prefix), the program that an agent
names (agent), the place (`API/stage`), and the class of a status. Names are ours; every value is bound.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewatch.privacy import Privacy
from gatewatch.records import REJECT_CAUSES, THROTTLE_SCOPES, ApiType
from gatewatch.where import Grammar, Term, Type

CLIENT_ID_SQL = (
    "CASE WHEN api_key_id IS NOT NULL THEN 'key:' || api_key_id WHEN principal IS NOT NULL THEN 'principal:' || "
    "principal WHEN client_ip IS NOT NULL THEN 'ip:' || client_ip END"
)
"""The best identity of a caller that we have, and which kind it is (frames.REQUESTS)."""

IP_PREFIX_SQL = (
    "CASE WHEN contains(client_ip, ':') THEN rtrim(regexp_extract(client_ip, '^[^:]*:[^:]*:?[^:]*'), ':') || '::/48' "
    "WHEN client_ip IS NOT NULL THEN regexp_extract(client_ip, '^\\d+\\.\\d+\\.\\d+') || '.0/24' END"
)
AGENT_SQL = "nullif(regexp_extract(user_agent, '^[^/ (;]+'), '')"

_DERIVED = {
    "client_id": f"({CLIENT_ID_SQL})",
    "ip_prefix": f"({IP_PREFIX_SQL})",
    "agent": f"({AGENT_SQL})",
    "place": "(coalesce(api, '') || '/' || coalesce(stage, ''))",
    "status_class": "((status // 100)::VARCHAR || 'xx')",
}

_WORDS: dict[str, tuple[str, ...]] = {
    "reject_cause": REJECT_CAUSES,
    "throttle_scope": THROTTLE_SCOPES,
    "api_type": tuple(ApiType),
    "status_class": tuple(f"{place}xx" for place in range(1, 6)),
}
_TEXTS = (
    "account region api stage place route method path client_id client_ip ip_prefix principal api_key_id agent "
    "user_agent request_id extended_request_id trace_id error_type error_message authorizer_error waf_action domain "
    "tls_version tls_cipher connection_id event_type source"
).split()
_NUMBERS = (
    "status",
    "latency_ms",
    "integration_latency_ms",
    "authorizer_latency_ms",
    "waf_latency_ms",
    "integration_status",
    "response_bytes",
)

REQUEST_FIELDS = Grammar(
    {
        **dict.fromkeys(_WORDS, Type.WORD),
        **dict.fromkeys(_TEXTS, Type.TEXT),
        **dict.fromkeys(_NUMBERS, Type.NUMBER),
        "at": Type.TIME,
    },
    _WORDS,
    optional=frozenset(_WORDS) | frozenset(_NUMBERS),
)
"""What can be asked of a request."""

GROUPED: tuple[str, ...] = (*_WORDS, *_TEXTS, "status", "integration_status")
"""What requests can be grouped by."""

ROLLED: tuple[str, ...] = ("account", "region", "api", "api_type", "stage", "place", "route")
"""Fields that minutes have, too; for these a rollup answers, however long the time."""

PEOPLE: frozenset[str] = frozenset({"client_ip", "client_id", "ip_prefix", "principal"})
"""Fields whose values may have to be masked (gatewatch.privacy)."""


def field_sql(name: str) -> str:
    """The expression of a field over columns of REQUESTS."""
    return _DERIVED.get(name, f'"{name}"')


def conditions_sql(terms: Iterable[Term], prefix: str = "w") -> tuple[str, dict[str, object]]:
    """Terms that must all hold as one condition, and the values that it names; no terms: TRUE."""
    parts, values = ["TRUE"], dict[str, object]()
    for place, term in enumerate(terms):
        names = [f"{prefix}{place}_{number}" for number in range(len(term.values))]
        parts.append(_condition(term, [f"${name}" for name in names]))
        if term.op != "is":
            values.update(zip(names, term.values, strict=True))
    return " AND ".join(parts), values


def _condition(term: Term, named: list[str]) -> str:
    column = field_sql(term.field)
    if term.op == "is":
        return f"{column} IS {'NULL' if term.values[0] == 'empty' else 'NOT NULL'}"
    if term.op in (">=", "<=", ">", "<"):
        return f"{column} {term.op} {named[0]}"
    if term.op in ("~", "!~"):
        has = f"contains(lower({column}), lower({named[0]}))"
    else:
        has = f"{column} IN ({', '.join(named)})"
    # What has no value is not that value either.
    return has if not term.op.startswith(("!", "not")) else f"({column} IS NULL OR NOT {has})"


def shown(privacy: Privacy, field: str | None, value: str | None) -> str | None:
    """A value of a field as it may be shown."""
    if value is None or field is None or not privacy.on:
        return value
    if field == "client_id":
        kind, _, rest = value.partition(":")
        return f"{kind}:{rest if kind == 'key' else privacy.address(rest)}"
    if field in ("client_ip", "ip_prefix"):
        return privacy.address(value.removesuffix(".0/24")) if field == "client_ip" else privacy.text(value)
    return privacy.name(value) if field == "principal" else privacy.text(value)
