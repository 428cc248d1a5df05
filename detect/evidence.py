"""The evidence card: what a finding rests on, from the minutes and requests themselves, so that anyone can count again.

A detector says when, where and how unlikely. Here its window is compared with the time before it: totals, latency,
the dimensions that stand out, some raw requests, and the question that gives the number back. Keys of a card:

count: the Selection whose number of requests is `observed`. shown: the one that `requests` are the first of.
window, before: since, until, n (all requests of the place), and for latency p50_ms, p95_ms, mean_ms by layer.
top: [{dimension, value, n, share, before, share_before}], each dimension's largest. factors: [{sign, what, value}].
tail_log10: log10 of the tail probability. band: {at, expected, upper} at the onset, a minute.
requests: 5 to 50 raw ones where there are so many. reproduce: {gatewatch, sql}.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detect.factors import factors
from gatewatch.frames import HISTOGRAMS, cause_column
from gatewatch.frames.histogram import bucket_value_ms
from gatewatch.frames.selecting import count_sql, export_command
from gatewatch.records import JSON, Finding, Kind, Selection, iso

PINNED = 20
TOP = 3
SHORTEST, LONGEST = timedelta(hours=1), timedelta(hours=24)
"""The time before a window that it is compared with is as long as the window, within these bounds."""

LONGEST_TEXT = 256
CALLER_DIMENSIONS = ("reject_cause", "throttle_scope", "client_ip", "principal", "api_key_id", "user_agent", "route")
SHOWN_COLUMNS: tuple[str, ...] = (
    "at",
    "request_id",
    "extended_request_id",
    "trace_id",
    "route",
    "path",
    "status",
    "reject_cause",
    "throttle_scope",
    "client_ip",
    "principal",
    "api_key_id",
    "user_agent",
    "latency_ms",
    "integration_latency_ms",
)
"""Columns of a pinned request; what is NULL is left out."""


class Rows(Protocol):
    """Where minutes and requests come from: files that were scanned, or a store."""

    def minutes(self, asked: Selection) -> pa.Table:
        """MINUTES rows of the selection's place and time, in any order and cut into batches in any way."""

    def clients(self, asked: Selection) -> pa.Table:
        """CLIENTS rows of the selection's place, time and reject causes."""

    def requests(self, asked: Sequence[Selection], limit: int) -> list[pa.Table]:
        """For each selection the first `limit` requests by time, with columns of REQUESTS."""


def dressed(findings: Sequence[Finding], rows: Rows) -> list[Finding]:
    """The findings with their cards filled in."""
    cards = [_counted(finding, rows) for finding in findings]
    asked = [
        (place, Selection.from_json(cast(dict[str, Any], card["shown"])))
        for place, card in enumerate(cards)
        if "shown" in card
    ]
    for (place, _), table in zip(asked, rows.requests([one for _, one in asked], PINNED), strict=True):
        cards[place]["requests"] = [*_pinned(table)]
    return [
        replace(finding, evidence=replace(finding.evidence, card=card))
        for finding, card in zip(findings, cards, strict=True)
    ]


def window_of(finding: Finding) -> tuple[datetime, datetime]:
    """First and last moment of what was counted."""
    card = finding.evidence.card
    if "since" in card:
        return datetime.fromisoformat(str(card["since"])), datetime.fromisoformat(str(card["until"]))
    return finding.start, finding.end or finding.start + timedelta(minutes=1)


def _counted(finding: Finding, rows: Rows) -> dict[str, JSON]:
    card = dict(finding.evidence.card)
    since, until = window_of(finding)
    length = min(max(until - since, SHORTEST), LONGEST)
    routes = (finding.route,) if finding.route is not None else ()
    here = Selection(since, until, finding.api, finding.account, finding.region, finding.stage, routes)
    past = replace(here, since=since - length, until=since)
    now, before = rows.minutes(here), rows.minutes(past)
    latency = finding.kind is Kind.LATENCY_OUTLIER
    card |= {
        "since": iso(since),
        "until": iso(until),
        "tail_log10": -finding.score,
        "window": _totals(here, now, latency=latency),
        "before": _totals(past, before, latency=latency),
    }
    band = next((point for point in finding.evidence.series if point.at >= since and point.upper is not None), None)
    if band is not None:
        card["band"] = {"at": iso(band.at), "expected": band.expected, "upper": band.upper}
    counts = card.get("count")
    asked = here if not isinstance(counts, dict) else Selection.from_json(counts)
    if asked.reject_causes:
        told = rows.clients(asked), rows.clients(replace(asked, since=past.since, until=past.until))
        card["top"] = [*_top_callers(*told, asked)]
    else:
        card["top"] = [*_top_routes(now, before, finding)]
    if isinstance(counts, dict):
        card["reproduce"] = {"gatewatch": export_command(asked), "sql": count_sql(asked)}
    card["factors"] = [*factors(finding, card)]
    return card


def _totals(asked: Selection, minutes: pa.Table, *, latency: bool) -> dict[str, JSON]:
    out: dict[str, JSON] = {"since": iso(asked.since), "until": iso(asked.until), "n": _sum(minutes, "n")}
    if not latency:
        return out
    buckets, counts = _histogram(minutes, "latency")
    total = int(counts.sum())
    for name, quantile in (("p50_ms", 0.5), ("p95_ms", 0.95)):
        if total:
            rank = max(int(np.ceil(quantile * total)), 1)
            spot = int(np.searchsorted(np.cumsum(counts), rank, side="left"))
            out[name] = round(float(bucket_value_ms(buckets[spot])), 2)
    means: dict[str, JSON] = {}
    for name in HISTOGRAMS:
        n = int(_histogram(minutes, name)[1].sum())
        if n:
            means[name] = round(_sum(minutes, f"{name}_us") / n / 1000.0, 3)
    out["mean_ms"] = means
    return out


def _sum(minutes: pa.Table, column: str) -> int:
    return int(pc.sum(minutes.column(column)).as_py() or 0)


def _histogram(minutes: pa.Table, name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Buckets, ascending, and how many requests are in each."""
    parts = [pc.list_flatten(minutes.column(f"{name}_{part}")).to_numpy() for part in "bc"]
    buckets, place = np.unique(parts[0].astype(np.int64), return_inverse=True)
    return buckets, np.bincount(place, weights=parts[1], minlength=len(buckets)).astype(np.int64)


def _top_callers(now: pa.Table, before: pa.Table, asked: Selection) -> list[JSON]:
    """The values that most of the counted requests have, in each dimension."""
    mine, past = (_of_caller(table, asked.caller) for table in (now, before))
    total, then = _sum(mine, "n"), _sum(past, "n")
    out: list[JSON] = []
    for name in CALLER_DIMENSIONS:
        counts, earlier = _by(mine, name), _by(past, name)
        out += _largest(name, counts, earlier, total, then)
    return out


def _of_caller(clients: pa.Table, caller: str | None) -> pa.Table:
    if caller is None:
        return clients
    mine = [
        pc.equal(clients.column(name), caller).fill_null(False) for name in ("client_ip", "principal", "api_key_id")
    ]
    return clients.filter(pc.or_(pc.or_(mine[0], mine[1]), mine[2]))


def _by(table: pa.Table, name: str, column: str = "n") -> dict[str, int]:
    grouped = table.select([name, column]).group_by(name).aggregate([(column, "sum")])
    pairs = zip(grouped.column(name).to_pylist(), grouped.column(f"{column}_sum").to_pylist(), strict=True)
    return {str(value): int(n) for value, n in pairs if value is not None}


def _largest(name: str, counts: dict[str, int], earlier: dict[str, int], total: int, then: int) -> list[JSON]:
    chosen = sorted(((value, n) for value, n in counts.items() if n), key=lambda item: (-item[1], item[0]))[:TOP]
    return [
        {
            "dimension": name,
            "value": value[:LONGEST_TEXT],
            "n": n,
            "share": round(n / max(total, 1), 4),
            "before": earlier.get(value, 0),
            "share_before": round(earlier.get(value, 0) / then, 4) if then else 0.0,
        }
        for value, n in chosen
    ]


def _top_routes(now: pa.Table, before: pa.Table, finding: Finding) -> list[JSON]:
    """Of what does not count refusals: the routes by their requests, and for an outage by what failed and why."""
    out = _largest("route", _by(now, "route"), _by(before, "route"), _sum(now, "n"), _sum(before, "n"))
    if finding.kind is Kind.DEAD_API:
        failed = {"s5xx": _sum(now, "s5xx")}
        for cause in ("backend_error", "backend_timeout", "config_error", "authorizer_error", "authorizer_timeout"):
            failed[cause] = _sum(now, cause_column(cause))
        total, then = _sum(now, "n"), _sum(before, "n")
        past = {name: _sum(before, name if name == "s5xx" else cause_column(name)) for name in failed}
        out += _largest("failed", failed, past, total, then)
    return out


def _pinned(table: pa.Table) -> list[JSON]:
    out: list[JSON] = []
    columns = [name for name in SHOWN_COLUMNS if name in table.column_names]
    for row in table.select(columns).to_pylist():
        shown: dict[str, JSON] = {}
        for name, value in row.items():
            if isinstance(value, datetime):
                shown[name] = iso(value)
            elif isinstance(value, str):
                shown[name] = value[:LONGEST_TEXT]
            elif value is not None:
                shown[name] = round(value, 3) if isinstance(value, float) else value
        out.append(shown)
    return out
