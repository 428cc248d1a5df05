"""Who asks how fast: raw requests by second, for limits. Everything is bound to a time and comes out small."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from gatewatch.frames import REQUESTS
from gatewatch.store.groups import Scope, columns_of
from gatewatch.store.reading import asked
from gatewatch.store.request_fields import CLIENT_ID_SQL
from gatewatch.store.state import State

_CUT = "coalesce(reject_cause IN ('throttle', 'quota'), FALSE)"
_PLACE = ("at", "account", "region", "api", "stage", "route")
_WHO = ("client_ip", "principal", "api_key_id")


def throttled_callers(state: State, scope: Scope, *, limit: int = 500) -> pa.Table:
    """Who was refused by a limit, and who asked for most, in the minutes in which an API and stage refused somebody.

    Columns: api, stage, client_id, asked, refused, quota, peak (most calls in a second), first, last; of all callers of
    the stage in these minutes: whole (calls), callers, minutes. The most refused and the most asking first.
    """
    condition, values = scope.condition("at")
    query = f"""
        WITH calls AS (
            SELECT coalesce(api, '') AS api, coalesce(stage, '') AS stage, {CLIENT_ID_SQL} AS client_id,
                   date_trunc('minute', "at") AS minute, date_trunc('second', "at") AS second, {_CUT} AS cut,
                   coalesce(reject_cause = 'quota', FALSE) AS quota, "at"
            FROM ({{rows}}) WHERE {condition}
        ),
        hot AS (SELECT DISTINCT api, stage, minute FROM calls WHERE cut),
        seconds AS (
            SELECT api, stage, client_id, minute, second, count(*) AS n, count(*) FILTER (WHERE cut) AS cut,
                   count(*) FILTER (WHERE quota) AS quota, min("at") FILTER (WHERE cut) AS first,
                   max("at") FILTER (WHERE cut) AS last
            FROM calls SEMI JOIN hot USING (api, stage, minute) GROUP BY ALL
        ),
        callers AS (
            SELECT api, stage, client_id, sum(n)::BIGINT AS asked, sum(cut)::BIGINT AS refused,
                   sum(quota)::BIGINT AS quota, max(n)::BIGINT AS peak, min(first) AS first, max(last) AS last
            FROM seconds GROUP BY ALL
        )
        SELECT *, sum(asked) OVER stages AS whole, count(*) OVER stages AS callers,
               (SELECT count(*) FROM hot WHERE hot.api = callers.api AND hot.stage = callers.stage) AS minutes
        FROM callers WINDOW stages AS (PARTITION BY api, stage)
        ORDER BY greatest(refused, asked) DESC, api, stage, client_id LIMIT {limit:d}
    """
    schema = columns_of(REQUESTS, *_PLACE, "reject_cause", *_WHO)
    return asked(state, "requests", schema, query, values, scope.since, scope.until)


def peaks(state: State, scope: Scope, by: Sequence[str]) -> pa.Table:
    """Calls a second, by these columns: n, peak, peak_at, busy (seconds with a call), p99 (of the busy seconds)."""
    condition, values = scope.condition("at")
    names = "".join(f"{name}, " for name in by)
    order = f"GROUP BY ALL ORDER BY n DESC, {', '.join(by)}" if by else ""
    query = (
        f"WITH seconds AS (SELECT {names}date_trunc('second', \"at\") AS second, count(*) AS calls FROM ({{rows}}) "
        f"WHERE {condition} GROUP BY ALL) SELECT {names}sum(calls)::BIGINT AS n, max(calls)::BIGINT AS peak, "
        "arg_max(second, calls) AS peak_at, count(*)::BIGINT AS busy, quantile_disc(calls, 0.99)::BIGINT AS p99 "
        f"FROM seconds {order}"
    )
    return asked(state, "requests", columns_of(REQUESTS, *_PLACE, *by), query, values, scope.since, scope.until)


def key_use(state: State, scope: Scope) -> pa.Table:
    """What each API key had of each stage, by hour: api, stage, api_key_id, hour, served, throttled, quota."""
    condition, values = scope.condition("at")
    query = (
        "SELECT api, stage, api_key_id, date_trunc('hour', \"at\") AS hour, "
        f"count(*) FILTER (WHERE NOT {_CUT})::BIGINT AS served, "
        "count(*) FILTER (WHERE reject_cause = 'throttle')::BIGINT AS throttled, "
        "count(*) FILTER (WHERE reject_cause = 'quota')::BIGINT AS quota "
        f"FROM ({{rows}}) WHERE {condition} AND api_key_id IS NOT NULL GROUP BY ALL "
        "ORDER BY api, stage, api_key_id, hour LIMIT 200000"
    )
    schema = columns_of(REQUESTS, *_PLACE, "reject_cause", "api_key_id")
    return asked(state, "requests", schema, query, values, scope.since, scope.until)


def arrivals(state: State, scope: Scope, *, limit: int) -> tuple[pa.Table, datetime]:
    """The last `limit` calls in the order of time, to replay a limit on, and from when on they are all of them.

    Columns: at, client_id, client_ip, route, cut (a limit refused it).
    """
    condition, values = scope.condition("at")
    query = (
        f'SELECT * FROM (SELECT "at", {CLIENT_ID_SQL} AS client_id, client_ip, route, {_CUT} AS cut FROM ({{rows}}) '
        f'WHERE {condition} ORDER BY "at" DESC LIMIT {limit:d}) ORDER BY "at"'
    )
    schema = columns_of(REQUESTS, *_PLACE, "reject_cause", *_WHO)
    found = asked(state, "requests", schema, query, values, scope.since, scope.until)
    whole = found.num_rows < limit
    return found, scope.since if whole else found.column("at")[0].as_py()
