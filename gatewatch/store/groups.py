"""Sums over the lake by any of its columns, made in DuckDB: what the tables and charts of pages show.

Every answer is small: a row a group, and of callers, whom an attacker can make as many as he likes, the busiest alone.
Times are [since, until). Values are bound; names are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from gatewatch.frames import CLIENTS, HISTOGRAMS, MINUTE_COUNTS, MINUTES, REQUESTS
from gatewatch.store.coarse import CALLERS, SUMS, summed_minutes
from gatewatch.store.reading import among, asked
from gatewatch.store.request_fields import CLIENT_ID_SQL, field_sql
from gatewatch.store.state import State

SKETCH = 64
_MOST = 100_000
_MINUTE = timedelta(minutes=1)


_SCOPED = ("account", "region", "api", "stage", "route")


@dataclass(frozen=True, slots=True)
class Scope:
    """Some minutes of some APIs; None asks for all. places: `API/stage`; only these."""

    since: datetime
    until: datetime
    api: str | None = None
    stage: str | None = None
    route: str | None = None
    account: str | None = None
    region: str | None = None
    places: tuple[str, ...] | None = None

    def condition(self, time: str) -> tuple[str, dict[str, object]]:
        there, values = self.place()
        parts = [f'"{time}" >= $since', f'"{time}" < $until', *there]
        return " AND ".join(parts), values | {"since": self.since, "until": self.until}

    def place(self) -> tuple[list[str], dict[str, object]]:
        """Its conditions without the time; they need account, region, api, stage and route."""
        parts, values = [], dict[str, object]()
        for name in _SCOPED:
            value = getattr(self, name)
            if value is not None:
                parts.append(f'"{name}" = ${name}')
                values[name] = value
        if self.places is not None:
            parts.append(f"list_contains($places, {field_sql('place')})")
            values["places"] = list(self.places) or [""]
        return parts, values

    def only(self, rows: pa.Table) -> pa.Table:
        """Those of the scope."""
        for name in _SCOPED:
            value = getattr(self, name)
            if value is not None:
                rows = rows.filter(pc.equal(rows.column(name), value))
        if self.places is not None:
            api, stage = (pc.fill_null(rows.column(name).cast(pa.string()), "") for name in ("api", "stage"))
            rows = rows.filter(
                pc.is_in(pc.binary_join_element_wise(api, stage, "/"), pa.array(self.places, pa.string()))
            )
        return rows


def minute_sums(
    state: State,
    scope: Scope,
    by: Sequence[str],
    counts: Sequence[str] = ("n",),
    *,
    step: timedelta | None = None,
) -> pa.Table:
    """Columns: `bucket` (start of each step, if there is one), `by`, `counts`, `visible` (mask), `last` (minute)."""
    _known(by, MINUTES)
    _known(counts, MINUTE_COUNTS)
    groups, values = _placed(step, by)
    sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in counts)
    query = (
        f"SELECT {_listed(groups)}{sums}, bit_or(visible) AS visible, max(last) AS last FROM minutes {_grouped(groups)}"
    )
    return _minutes(state, SUMS, scope, query, values, step)


def minute_histograms(
    state: State, scope: Scope, by: Sequence[str], name: str = "latency", *, step: timedelta | None = None
) -> pa.Table:
    """The histogram of each group: `bucket` (if there is a step), `by`, lists `b` and `c` as in MINUTES."""
    _known(by, MINUTES)
    _known((name,), HISTOGRAMS)
    groups, values = _placed(step, by)
    names = ["bucket", *by] if step else list(by)
    query = (
        f"WITH flat AS (SELECT {_listed(groups)}unnest(b) AS b, unnest(c) AS c FROM minutes), "
        f"summed AS (SELECT {_listed(names)}b, sum(c)::INTEGER AS c FROM flat GROUP BY ALL) "
        f"SELECT {_listed(names)}list(b ORDER BY b) AS b, list(c ORDER BY b) AS c FROM summed {_grouped(names)}"
    )
    return _minutes(state, name, scope, query, values, step)


def minute_clients(state: State, scope: Scope, by: Sequence[str]) -> pa.Table:
    """The sketch of distinct clients of each group: `by`, list `clients_k` (frames.merge.distinct_estimate)."""
    _known(by, MINUTES)
    query = (
        f"WITH seen AS (SELECT DISTINCT {_listed(by)}unnest(clients_k) AS k FROM minutes) "
        f"SELECT {_listed(by)}list_sort(min(k, {SKETCH})) AS clients_k FROM seen {_grouped(by)}"
    )
    return _minutes(state, CALLERS, scope, query, {}, None)


def _placed(step: timedelta | None, by: Sequence[str]) -> tuple[list[str], dict[str, object]]:
    values: dict[str, object] = {}
    return [*bucket_sql("minute", step, values), *by], values


def _minutes(
    state: State, what: str, scope: Scope, query: str, values: dict[str, object], step: timedelta | None
) -> pa.Table:
    """The answer about `minutes`, the rows of the scope."""
    rows = scope.only(summed_minutes(state, what, scope.since, scope.until, step))
    return among(query, values, minutes=rows)


DISTINCT: dict[str, str] = {
    "callers": "client_id",
    "addresses": "client_ip",
    "principals": "principal",
    "routes": "route",
    "agents": "user_agent",
}
"""Numbers of different values: what they are called, and of which column."""


def refused_sums(
    state: State,
    scope: Scope,
    by: Sequence[str],
    *,
    causes: Sequence[str] = (),
    step: timedelta | None = None,
    limit: int = _MOST,
) -> pa.Table:
    """`refused_of` the refused requests of the scope."""
    return refused_of(refused_rows(state, scope, causes=causes), by, step=step, limit=limit)


def refused_rows(state: State, scope: Scope, *, causes: Sequence[str] = ()) -> pa.Table:
    """Rows of CLIENTS, with `client_id`: read once for all that a page asks of them."""
    condition, values = scope.condition("minute")
    if causes:
        condition += " AND list_contains($causes, reject_cause)"
        values["causes"] = list(causes)
    query = f"SELECT *, {CLIENT_ID_SQL} AS client_id FROM ({{rows}}) WHERE {condition}"
    who = ("client_ip", "principal", "api_key_id", "user_agent")
    schema = columns_of(CLIENTS, "minute", *_SCOPED, "reject_cause", "throttle_scope", *who, "n")
    return asked(state, "clients", schema, query, values, scope.since, scope.until)


def refused_of(
    rows: pa.Table,
    by: Sequence[str],
    *,
    step: timedelta | None = None,
    limit: int = _MOST,
    distinct: Sequence[str] = tuple(DISTINCT),
) -> pa.Table:
    """Refused requests by these columns; the `limit` largest groups.

    Columns: `bucket` (if there is a step), `by`, `n`, `first`, `last`, the numbers of different values that are asked
    for, and one `agent`.
    """
    _known([name for name in by if name != "client_id"], rows.schema)
    values: dict[str, object] = {}
    groups = [*bucket_sql("minute", step, values), *by]
    names = ["bucket", *by] if step else list(by)
    counts = "".join(f", count(DISTINCT {DISTINCT[name]})::BIGINT AS {name}" for name in distinct)
    order = f"ORDER BY {_listed(['bucket'] if step else [])}n DESC, {_listed(by)}first LIMIT {limit:d}"
    same = " AND ".join(f"refused.{name} IS NOT DISTINCT FROM top.{name}" for name in by)
    # What is different is counted of those groups alone that are in the answer.
    only = (
        f"(SELECT refused.* FROM refused JOIN (SELECT {_listed(by)}sum(n) AS n, min(minute) AS first FROM refused "
        f"GROUP BY ALL ORDER BY n DESC, {_listed(by)}first LIMIT {limit:d}) AS top ON {same})"
        if by and not step and counts and limit < _MOST
        else "refused"
    )
    query = (
        f"SELECT {_listed(groups)}sum(n)::BIGINT AS n, min(minute) AS first, max(minute) AS last{counts}, "
        f"any_value(user_agent) AS agent FROM {only} {'GROUP BY ALL' if names else ''} {order}"
    )
    return among(query, values, refused=rows)


def caller_sums(state: State, scope: Scope, *, limit: int = 200) -> pa.Table:
    """Who called: the busiest `limit` clients, with what they got.

    Columns: client_id, client_ip, principal, api_key_id, n, refused, throttled, failed, routes, addresses, agents,
    user_agent (one of them), first, last; and `clients` and `total`, the number of all clients and of all requests.
    """
    condition, values = scope.condition("at")
    # Two passes: what is different is counted of few callers, and no pass keeps millions of rows. Rows that are alike
    # in what is told apart are summed first.
    query = f"""
        WITH counted AS (
            SELECT {CLIENT_ID_SQL} AS client_id, count(*)::BIGINT AS n FROM ({{rows}}) WHERE {condition} GROUP BY 1
        ),
        top AS (SELECT client_id, n FROM counted ORDER BY n DESC, client_id LIMIT {limit:d}),
        alike AS (
            SELECT calls.client_id, client_ip, route, user_agent, any_value(principal) AS principal,
                   any_value(api_key_id) AS api_key_id, count(*) AS n,
                   count(*) FILTER (WHERE status BETWEEN 400 AND 499) AS refused,
                   count(*) FILTER (WHERE status = 429) AS throttled, count(*) FILTER (WHERE status >= 500) AS failed,
                   min("at") AS first, max("at") AS last
            FROM (
                SELECT {CLIENT_ID_SQL} AS client_id, client_ip, principal, api_key_id, status, route, user_agent, "at"
                FROM ({{rows}}) WHERE {condition}
            ) AS calls JOIN top ON calls.client_id IS NOT DISTINCT FROM top.client_id
            GROUP BY calls.client_id, client_ip, route, user_agent
        )
        SELECT client_id, any_value(client_ip) AS client_ip, any_value(principal) AS principal,
               any_value(api_key_id) AS api_key_id, sum(n)::BIGINT AS n, sum(refused)::BIGINT AS refused,
               sum(throttled)::BIGINT AS throttled, sum(failed)::BIGINT AS failed,
               count(DISTINCT route)::BIGINT AS routes, count(DISTINCT client_ip)::BIGINT AS addresses,
               count(DISTINCT user_agent)::BIGINT AS agents, any_value(user_agent) AS user_agent,
               min(first) AS first, max(last) AS last,
               (SELECT count(*) FROM counted WHERE client_id IS NOT NULL)::BIGINT AS clients,
               (SELECT sum(n) FROM counted)::BIGINT AS total
        FROM alike GROUP BY client_id ORDER BY n DESC, client_id
    """
    names = ("at", *_SCOPED, "status", "client_ip", "principal", "api_key_id", "user_agent")
    return asked(state, "requests", columns_of(REQUESTS, *names), query, values, scope.since, scope.until)


MOST_PARTS = 30
"""Values that are told of each side of a caller."""


IDENTITIES = {"key": "api_key_id", "principal": "principal", "ip": "client_ip"}
"""What a caller may be known by, and its column."""


def caller_parts(
    state: State, scope: Scope, kind: str, name: str, step: timedelta, *, most: int = MOST_PARTS
) -> pa.Table:
    """One caller from each side, in one look: the `most` largest values of each `part`. kind: of IDENTITIES.

    All requests with this key, principal or address count, whatever else they name.
    part: whole, place (API, stage), route (API, route), cause, address, agent, or time (status class by `bucket`).
    Columns: part, one, two, bucket, n, refused (4xx), throttled, failed (5xx), first, last; and `many`, how many values
    the part has.
    """
    condition, values = scope.condition("at")
    values |= {"name": name}
    (bucket,) = bucket_sql("at", step, values)
    sums = (
        "count(*)::BIGINT AS n, count(*) FILTER (WHERE status BETWEEN 400 AND 499)::BIGINT AS refused, "
        "count(*) FILTER (WHERE status = 429)::BIGINT AS throttled, "
        'count(*) FILTER (WHERE status >= 500)::BIGINT AS failed, min("at") AS first, max("at") AS last'
    )
    sides = {
        "whole": ("NULL", "NULL", "NULL", ""),
        "place": ("api", "stage", "NULL", ""),
        "route": ("api", "route", "NULL", ""),
        "cause": ("reject_cause", "NULL", "NULL", "WHERE reject_cause IS NOT NULL"),
        "address": ("client_ip", "NULL", "NULL", "WHERE client_ip IS NOT NULL"),
        "agent": ("user_agent", "NULL", "NULL", "WHERE user_agent IS NOT NULL"),
        "time": ("(status // 100)::VARCHAR || 'xx'", "NULL", bucket.removesuffix(" AS bucket"), ""),
    }
    parts = " UNION ALL ".join(
        f"SELECT '{part}' AS part, ({one})::VARCHAR AS one, ({two})::VARCHAR AS two, ({time})::TIMESTAMPTZ AS bucket, "
        f"{sums} FROM mine {where} GROUP BY 2, 3, 4"
        for part, (one, two, time, where) in sides.items()
    )
    query = (
        f"WITH mine AS MATERIALIZED (SELECT * FROM ({{rows}}) WHERE {condition} AND {IDENTITIES[kind]} = $name) "
        f"SELECT *, count(*) OVER (PARTITION BY part)::BIGINT AS many FROM ({parts}) "
        f"QUALIFY part = 'time' OR row_number() OVER (PARTITION BY part ORDER BY n DESC, one, two) <= {most:d} "
        "ORDER BY part, n DESC, one, two, bucket"
    )
    names = ("at", *_SCOPED, "status", "reject_cause", "client_ip", "principal", "api_key_id")
    schema = columns_of(REQUESTS, *names, "user_agent")
    return asked(state, "requests", schema, query, values, scope.since, scope.until)


def bucket_sql(time: str, step: timedelta | None, values: dict[str, object]) -> list[str]:
    if step is None:
        return []
    values["step"] = step
    return [f"time_bucket($step, \"{time}\", TIMESTAMPTZ '1970-01-01 00:00:00+00') AS bucket"]


def _known(names: Sequence[str], allowed: pa.Schema | Sequence[str]) -> None:
    have = allowed.names if isinstance(allowed, pa.Schema) else allowed
    for name in names:
        if name not in have:
            raise ValueError(f"there is no column {name!r} to group or sum by")


def _listed(names: Sequence[str]) -> str:
    return "".join(f"{name}, " for name in names)


def _grouped(names: Sequence[str]) -> str:
    return "GROUP BY ALL ORDER BY ALL" if names else ""


def columns_of(schema: pa.Schema, *names: str) -> pa.Schema:
    return pa.schema([schema.field(name) for name in dict.fromkeys(names)])
