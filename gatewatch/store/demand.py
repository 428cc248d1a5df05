"""Who asks how fast: raw requests by second, for limits. Everything is bound to a time and comes out small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from gatewatch.frames import REQUESTS
from gatewatch.frames.schema import TIME
from gatewatch.store.groups import Scope, columns_of
from gatewatch.store.hours import by_the_hour, hour_before
from gatewatch.store.lake import Segment
from gatewatch.store.manifest import segments
from gatewatch.store.reading import among
from gatewatch.store.request_fields import CLIENT_ID_SQL
from gatewatch.store.state import State

_CUT = "coalesce(reject_cause IN ('throttle', 'quota'), FALSE)"
_PLACE = ("at", "account", "region", "api", "stage", "route")
_WHO = ("client_ip", "principal", "api_key_id")


ASKING = 100
"""Callers of a stage and hour that are told apart beside those that were refused: who asked for most."""


def throttled_callers(state: State, scope: Scope, *, limit: int = 500) -> pa.Table:
    """Who was refused by a limit, and who asked for most, in the minutes in which an API and stage refused somebody.

    Columns: api, stage, client_id, asked, refused, quota, peak (most calls in a second), first, last; of all callers of
    the stage in these minutes: whole (calls), callers (in the hour that had most), minutes. The most refused and the
    most asking first. Of hours in which a caller was neither refused nor among the ASKING, nothing counts for it.
    """
    place, values = _where(scope)
    query = f"""
        WITH calls AS (
            SELECT coalesce(api, '') AS api, coalesce(stage, '') AS stage, {CLIENT_ID_SQL} AS client_id,
                   date_trunc('hour', "at") AS hour, date_trunc('minute', "at") AS minute,
                   date_trunc('second', "at") AS second, {_CUT} AS cut,
                   coalesce(reject_cause = 'quota', FALSE) AS quota, "at"
            FROM ({{rows}}) WHERE {{time}} AND {place}
        ),
        hot AS (SELECT DISTINCT api, stage, hour, minute FROM calls WHERE cut),
        seconds AS (
            SELECT api, stage, client_id, hour, second, count(*) AS n, count(*) FILTER (cut) AS cut,
                   count(*) FILTER (quota) AS quota, min("at") FILTER (cut) AS first, max("at") FILTER (cut) AS last
            FROM calls SEMI JOIN hot USING (api, stage, minute) GROUP BY ALL
        ),
        callers AS (
            SELECT api, stage, client_id, hour, sum(n)::BIGINT AS asked, sum(cut)::BIGINT AS refused,
                   sum(quota)::BIGINT AS quota, max(n)::BIGINT AS peak, min(first) AS first, max(last) AS last
            FROM seconds GROUP BY ALL
        ),
        lengths AS (SELECT api, stage, hour, count(*)::BIGINT AS minutes FROM hot GROUP BY ALL),
        placed AS (
            SELECT *, sum(asked) OVER stages AS whole, count(*) OVER stages AS callers,
                   row_number() OVER (PARTITION BY api, stage, hour ORDER BY asked DESC, client_id) AS place
            FROM callers WINDOW stages AS (PARTITION BY api, stage, hour)
        )
        SELECT placed.* EXCLUDE (place, whole), whole::BIGINT AS whole, minutes
        FROM placed JOIN lengths USING (api, stage, hour) WHERE refused > 0 OR place <= {ASKING:d}
    """
    schema = columns_of(REQUESTS, *_PLACE, "reject_cause", *_WHO)
    parts = by_the_hour(state, schema, query, values, scope.since, scope.until)
    if parts is None:
        return _NOBODY
    return among(
        f"""
        WITH stages AS (
            SELECT api, stage, sum(whole)::BIGINT AS whole, max(callers)::BIGINT AS callers,
                   sum(minutes)::BIGINT AS minutes
            FROM (SELECT DISTINCT api, stage, hour, whole, callers, minutes FROM parts) GROUP BY ALL
        ),
        summed AS (
            SELECT api, stage, client_id, sum(asked)::BIGINT AS asked, sum(refused)::BIGINT AS refused,
                   sum(quota)::BIGINT AS quota, max(peak) AS peak, min(first) AS first, max(last) AS last
            FROM parts GROUP BY ALL
        )
        SELECT summed.*, whole, callers, minutes FROM summed JOIN stages USING (api, stage)
        ORDER BY greatest(refused, asked) DESC, api, stage, client_id LIMIT {limit:d}
        """,
        parts=parts,
    )


_NOBODY = pa.schema([]).empty_table()


def peaks(state: State, scope: Scope, by: Sequence[str], *, keys: Sequence[str] | None = None) -> pa.Table:
    """Calls a second, by these columns: n, peak, peak_at, busy (seconds with a call), p99 (of the busy seconds).

    keys: only of these API keys.
    """
    place, values = _where(scope, keys)
    names = "".join(f"{name}, " for name in by)
    query = (
        f"WITH seconds AS (SELECT {names}date_trunc('hour', \"at\") AS hour, date_trunc('second', \"at\") AS second, "
        f"count(*) AS calls FROM ({{rows}}) WHERE {{time}} AND {place} GROUP BY ALL) "
        f"SELECT {names}hour, calls::BIGINT AS calls, count(*)::BIGINT AS seconds, min(second) AS second "
        "FROM seconds GROUP BY ALL"
    )
    schema = columns_of(REQUESTS, *_PLACE, *by, *(() if keys is None else ("api_key_id",)))
    parts = by_the_hour(state, schema, query, values, scope.since, scope.until)
    if parts is None:
        return _NOBODY
    group = f"PARTITION BY {', '.join(by)}" if by else ""
    order = f"GROUP BY ALL ORDER BY n DESC, {', '.join(by)}" if by else ""
    return among(
        f"""
        WITH levels AS (
            SELECT {names}calls, sum(seconds)::BIGINT AS seconds, min(second) AS second FROM parts GROUP BY ALL
        ),
        ranked AS (
            SELECT *, sum(seconds) OVER (
                {group} ORDER BY calls ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
            ) AS below, sum(seconds) OVER ({group}) AS busy FROM levels
        )
        SELECT {names}sum(calls * seconds)::BIGINT AS n, max(calls) AS peak, arg_max(second, calls) AS peak_at,
               max(busy)::BIGINT AS busy, min(calls) FILTER (below >= ceil(0.99 * busy)) AS p99
        FROM ranked {order}
        """,
        parts=parts,
    )


def key_use(state: State, scope: Scope, *, keys: Sequence[str] | None = None) -> pa.Table:
    """What each API key had of each stage by hour: api, stage, api_key_id, hour, served, throttled, quota; in no order.

    keys: only these; None: all, of an hour and stage the MOST_KEYS with most calls.
    """
    place, values = _where(scope, keys)
    query = (
        "SELECT api, stage, api_key_id, date_trunc('hour', \"at\") AS hour, "
        f"count(*) FILTER (WHERE NOT {_CUT})::BIGINT AS served, "
        "count(*) FILTER (WHERE reject_cause = 'throttle')::BIGINT AS throttled, "
        "count(*) FILTER (WHERE reject_cause = 'quota')::BIGINT AS quota "
        f"FROM ({{rows}}) WHERE {{time}} AND {place} AND api_key_id IS NOT NULL "
        "GROUP BY api, stage, api_key_id, hour "
        f"QUALIFY row_number() OVER (PARTITION BY api, stage, hour ORDER BY count(*) DESC, api_key_id) <= {MOST_KEYS:d}"
    )
    schema = columns_of(REQUESTS, *_PLACE, "reject_cause", "api_key_id")
    parts = by_the_hour(state, schema, query, values, scope.since, scope.until)
    return _NO_KEY if parts is None else parts  # each hour is in one part: there is nothing to sum


def keys_of(used: pa.Table) -> list[dict[str, Any]]:
    """Each api, stage and api_key_id in answers of `key_use` once, in no order."""
    rows: list[dict[str, Any]] = among("SELECT DISTINCT api, stage, api_key_id FROM used", used=used).to_pylist()
    return rows


@dataclass(frozen=True, slots=True)
class Period:
    """What of a stage counts for a plan, and since when its quota does."""

    plan: str
    api: str
    stage: str | None
    key: str
    since: datetime


def plan_use(used: pa.Table, periods: Sequence[Period], since: datetime, until: datetime) -> pa.Table:
    """Answers of `key_use` by plan and key: plan, api_key_id, served (in its period), throttled and quota (from `since`
    on), and lately: (hour, served) of the 24 hours before `until`.
    """
    if not periods or not used.num_rows:
        return _NOBODY
    given = pa.table(
        {
            "plan": [one.plan for one in periods],
            "api": [one.api for one in periods],
            "stage": pa.array([one.stage for one in periods], pa.string()),
            "api_key_id": [one.key for one in periods],
            "begin": pa.array([one.since for one in periods], TIME),
        }
    )
    return among(
        """
        SELECT plan, given.api_key_id, coalesce(sum(served) FILTER (hour >= begin), 0)::BIGINT AS served,
               coalesce(sum(throttled) FILTER (hour >= $since), 0)::BIGINT AS throttled,
               coalesce(sum(quota) FILTER (hour >= $since), 0)::BIGINT AS quota,
               list({'hour': hour, 'served': served}) FILTER (hour >= $lately AND hour < $until) AS lately
        FROM used JOIN given ON used.api = given.api AND used.api_key_id = given.api_key_id
             AND used.stage IS NOT DISTINCT FROM given.stage
        GROUP BY ALL
        """,
        {"since": since, "until": until, "lately": until - timedelta(hours=25)},
        used=used,
        given=given,
    )


_NO_KEY = pa.table(
    {"api": pa.array([], pa.string()), "stage": pa.array([], pa.string()), "api_key_id": pa.array([], pa.string())}
)
MOST_KEYS = 2000


def _where(scope: Scope, keys: Sequence[str] | None = None) -> tuple[str, dict[str, object]]:
    """The scope without its time."""
    parts, values = scope.place()
    parts = ["TRUE", *parts]
    if keys is not None:
        parts.append("list_contains($keys, api_key_id)")
        values["keys"] = list(keys)
    return " AND ".join(parts), values


def arrivals(state: State, scope: Scope, *, limit: int) -> tuple[pa.Table, datetime]:
    """The last `limit` calls in the order of time, to replay a limit on, and from when on they are all of them.

    Columns: at, client_id, client_ip, route, cut (a limit refused it). Hours are read from the last one back, and kept:
    who tries limits asks for the same calls again and again.
    """
    place, values = _where(scope)
    query = (
        f'SELECT date_trunc(\'hour\', "at") AS hour, "at", {CLIENT_ID_SQL} AS client_id, client_ip, route, '
        f'{_CUT} AS cut FROM ({{rows}}) WHERE {{time}} AND {place} ORDER BY "at" DESC LIMIT {limit:d}'
    )
    schema = columns_of(REQUESTS, *_PLACE, "reject_cause", *_WHO)
    found, rows, end = list[pa.Table](), 0, scope.until
    with state.read() as session:
        listed = segments(session, "requests", scope.since, scope.until)
    while end > scope.since and rows < limit:
        begin = _back(listed, scope.since, end, limit)
        part = by_the_hour(state, schema, query, values, begin, end)
        if part is not None:
            found.append(part)
            rows += part.num_rows
        end = begin
    if not found:
        return _NO_CALL, scope.since
    whole = pa.concat_tables(found).drop_columns(["hour"]).combine_chunks()
    order = np.argsort(whole.column("at").cast(pa.int64()).to_numpy(), kind="stable")[-limit:]
    last = whole.take(pa.array(order))
    return last, scope.since if rows < limit else last.column("at")[0].as_py()


def _back(listed: Sequence[Segment], since: datetime, end: datetime, limit: int) -> datetime:
    """From when on to read up to `end`: an hour, and further ones as long as no more than `limit` rows can be there."""
    begin, rest, rows = end, list(listed), 0
    while begin > since:
        earlier = max(since, hour_before(begin))
        reached = [one for one in rest if one.max_at >= earlier and one.min_at < end]
        rows += sum(one.rows for one in reached)
        if begin < end and rows > limit:
            break
        begin, rest = earlier, [one for one in rest if one.max_at < earlier]
    return begin


_NO_CALL = pa.table(
    {
        "at": pa.array([], TIME),
        **{name: pa.array([], pa.string()) for name in ("client_id", "client_ip", "route")},
        "cut": pa.array([], pa.bool_()),
    }
)
