"""The SQL of one pass: from lines to the raw variables of a format, and what identifies a row and its caller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum

from gatewatch.frames import REQUESTS
from gatewatch.frames.callers import ADDRESS, KEY, PRINCIPAL, caller_hash_sql
from ingest.canonical_row import ADDRESSES, PRINCIPALS
from ingest.cut import PLACE
from ingest.formats.model import Format
from ingest.jsonshape import transformed
from ingest.values import EARLIEST, LATEST, address, caller_sql, present

PLACES: tuple[str, ...] = ("account", "region", "api", "api_type", "stage", "route")
JUDGED: tuple[str, ...] = ("reject_cause", "throttle_scope")
"""Columns that books fill (see book.py); dictionary-encoded."""

_NOT_OF_IT = frozenset({*PLACES, *JUDGED, "source", "batch", "delivered_at", "waf_latency_ms"})
RECORD: tuple[str, ...] = tuple(name for name in REQUESTS.names if name not in _NOT_OF_IT)
"""The columns that make a whole record's identity: a later column is not among them, or known lines would be new."""

WORKED = frozenset({*PLACES, *JUDGED})
UNKEPT = "extended_request_id"
WHO = frozenset({"client_ip", "principal", "api_key_id", "user_agent"})
SANE = (
    "NOT unmet AND status BETWEEN 100 AND 599 AND "
    f"\"at\" >= '{EARLIEST:%Y-%m-%d} 00:00:00+00'::TIMESTAMPTZ AND "
    f"\"at\" < '{LATEST:%Y-%m-%d} 00:00:00+00'::TIMESTAMPTZ"
)
"""An accepted row. The others go on to the slow reader, which tells the reason."""

SERIES_SQL = "hash(account, region, api, api_type, stage, route)"
CALLERS = (
    (KEY, ("identity.apiKeyId", "identity.apiKey")),
    (PRINCIPAL, PRINCIPALS),
    (ADDRESS, ADDRESSES),
)


def client_sql(variables: frozenset[str]) -> str:
    """The best identity of the caller (key, principal, address), hashed to 32 bits; NULL when there is none.

    Over the raw values: telling callers apart needs no canonical text, and this is looked at for every request.
    """
    cases = [
        f"WHEN {quoted_name(name)} NOT IN ('-', '') THEN "
        f"{caller_hash_sql(caller_sql(quoted_name(name)) if name in ADDRESSES else quoted_name(name), rank)}"
        for rank, names in CALLERS
        for name in names
        if name in variables
    ]
    return f"CASE {' '.join(cases)} END" if cases else "NULL::UBIGINT"


def client_text(variables: Mapping[str, str | None]) -> tuple[str, int] | tuple[None, None]:
    """What `client_sql` hashes of one line, and the rank of it."""
    for rank, names in CALLERS:
        for name in names:
            value = variables.get(name)
            if value is not None and present(value):
                several = name in ADDRESSES and (":" in value or "," in value)
                return (several and address(value)) or value, rank
    return None, None


IDENTITY_SQL = """
    CASE WHEN extended_request_id IS NOT NULL THEN hash(extended_request_id, "at")
         WHEN event_id IS NOT NULL THEN hash('event:' || event_id, "at")
         {otherwise}
    END
"""
"""Identity of a request (reliability.md 3): never the requestId alone, which a client can choose."""


class Care(IntEnum):
    """Which JSON lines are looked at before they are read: a malformed one gives no row then, and else stops the query.

    Looking costs a third of reading. ODD: those with another number of quotes than most (`odd`), or without their end.
    """

    NONE = 0
    ODD = 1
    EACH = 2


_SOUND = {
    Care.NONE: "true",
    Care.ODD: "CASE WHEN odd OR NOT suffix(line, e'}\\n') THEN json_valid(line) ELSE true END",
    Care.EACH: "json_valid(line)",
}


def paths_of(found: Format, used: frozenset[str]) -> frozenset[str] | None:
    """The JSON paths that `raw_sql` reads; None for text."""
    if found.family != "json":
        return None
    return found.needs.union(*(found.fields[name] for name in found.fields.keys() & used))


def raw_sql(
    found: Format,
    side: frozenset[str],
    used: frozenset[str],
    *,
    care: Care,
    lines: str = "lines",
    cut: Sequence[str] | None = None,
) -> str:
    """The query that turns the relation `lines` into one VARCHAR column for each variable in `used`.

    cut: the columns of the relation where it has values for lines: JSON paths, whose values stand in columns that are
    called so, and PLACE; other paths lead nowhere.
    """
    names = sorted(found.fields.keys() & used)
    sides = [name for name in sorted(side) if name not in names]
    if cut is not None and PLACE in cut:
        sides.append(PLACE)
    outer = "".join(f", {quoted_name(name)}" for name in sides)
    if found.family == "json":
        paths = sorted(paths_of(found, used) or ())
        inner, place = _cut(paths, cut) if cut is not None else _walked(paths)
        values = {name: _first([place[path] for path in found.fields[name]]) for name in names}
        for name in found.inside.keys() & used:
            values[name] = f"nullif(regexp_extract({values[name]}, {quoted_text(found.inside[name])}, 1), '')"
        unmet = " OR ".join(f"{place[path]} IS NULL" for path in sorted(found.needs)) or "x IS NULL"
        if care != Care.NONE:
            lines = f"(SELECT * FROM {lines} WHERE {_SOUND[care]})"
    else:
        values = {name: f"x[{quoted_text(found.fields[name][0])}]" for name in names}
        values |= {name: _unquoted_sql(values[name]) for name in names if name in found.quoted}
        unmet = "x IS NULL"
        listed = ", ".join(quoted_text(group) for group in found.groups)
        inner = f"regexp_extract(rtrim(line, e'\\r\\n'), {quoted_text(found.pattern or '')}, [{listed}]) AS x"
    if "x.owner" in side:
        values["accountId"] = _first([*([values["accountId"]] if "accountId" in values else []), '"x.owner"'])
    columns = "".join(f", {value} AS {quoted_name(name)}" for name, value in values.items())
    return f"SELECT rn{outer}, {unmet} AS unmet{columns} FROM (SELECT rn{outer}, {inner} FROM {lines})"


def _walked(paths: Sequence[str]) -> tuple[str, dict[str, str]]:
    """What reads a line (`x`), and where in it the value at each path is."""
    shape = transformed(paths, "line")
    if shape is not None:
        return f"{shape[0]} AS x", shape[1]
    listed = ", ".join(quoted_text(path) for path in paths)
    return f"json_extract_string(line, [{listed}]) AS x", {path: f"x[{i}]" for i, path in enumerate(paths, 1)}


def _cut(paths: Sequence[str], cut: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The same of lines that were cut already."""
    values = ", ".join(f"{quoted_name(path)} AS v{i}" for i, path in enumerate(paths) if path in cut)
    return f"true AS x{', ' if values else ''}{values}", {
        path: f"v{i}" if path in cut else "NULL::VARCHAR" for i, path in enumerate(paths)
    }


def _unquoted_sql(value: str) -> str:
    """What a CSV cell says: without the quotes around it, and with those inside it single."""
    inner = f"replace(substr({value}, 2, length({value}) - 2), '\"\"', '\"')"
    both = f"starts_with({value}, '\"') AND ends_with({value}, '\"') AND length({value}) > 1"
    return f"CASE WHEN {both} THEN {inner} ELSE {value} END"


def identity_sql(record: Sequence[str]) -> str:
    return IDENTITY_SQL.format(otherwise=f"ELSE hash({', '.join(map(quoted_name, record))})" if record else "")


def occurring(variables: frozenset[str], expressions: Iterable[str]) -> frozenset[str]:
    """The variables that occur in the expressions."""
    text = " ".join(expressions)
    return frozenset(name for name in variables if quoted_name(name) in text)


def event_id_sql(variables: frozenset[str]) -> str:
    return '"x.event_id"' if "x.event_id" in variables else "NULL::VARCHAR"


def aliases(side: frozenset[str]) -> frozenset[str]:
    return frozenset({"accountId"} if "x.owner" in side else ())


def _first(values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else f"coalesce({', '.join(values)})"


def quoted_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def quoted_text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
