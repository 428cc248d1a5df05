"""Turning an episode into a Finding: one place for ids, evidence and the words all kinds share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from detect.changes import family, likely, ranked_changes
from detect.episodes import Episode
from detect.grid import Key
from detect.model import Context, micros_at, minute_at
from detect.policy import score_of
from gatewatch.records import (
    JSON,
    Cause,
    Change,
    Entities,
    Evidence,
    Finding,
    Kind,
    Point,
    Selection,
    Severity,
    finding_id,
    fingerprint,
    iso,
)

Facts: TypeAlias = "dict[str, JSON]"


def place(key: Key) -> str:
    """`a1b2c3/prod`, for titles."""
    return "/".join(part for part in (key[2], key[3]) if part)


def span_words(minutes: float) -> str:
    """`12 min`, `3 h`, `2 days`."""
    if minutes < 120:
        return f"{round(minutes)} min"
    if minutes < 48 * 60:
        return f"{minutes / 60:.0f} h"
    return f"{minutes / 1440:.0f} days"


def number(value: float) -> str:
    """Three digits are enough for a person: 0.04, 1.7, 7, 23, 4,180."""
    if value >= 10 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def were_expected(value: float) -> str:
    """`2.1 were expected`; nobody expects 0.0083 requests."""
    return f"{'hardly any' if value < 0.1 else number(value)} were expected"


def changes_for(
    context: Context, kind: Kind, key: Key, start_minute: int, *, failing: bool = True
) -> tuple[tuple[Change, ...], bool]:
    """Candidate changes, and whether the best is likely the cause; what the subtype says of it comes later (causes)."""
    broken, start = family(kind, failing=failing), minute_at(start_minute)
    ranked = ranked_changes(context.changes, broken, key[2] or "", key[3], start, context.linked)
    return ranked, likely(ranked)


def finding(
    kind: Kind,
    key: Key,
    episode: Episode,
    *,
    scope: str | None,
    subtype: str,
    severity: Severity,
    confidence: float,
    title: str,
    cause: Cause,
    entities: Entities,
    unit: str,
    sentence: str,
    facts: Mapping[str, JSON],
    remedy: str,
    route: str | None = None,
    layer: str | None = None,
    caveat: str | None = None,
    changes: tuple[Change, ...] = (),
    counts: Mapping[str, Any] | None = None,
    shown: Mapping[str, Any] | None = None,
) -> Finding:
    """observed and expected come from the episode, per minute of it where unit says so.

    counts: fields of the Selection, within the episode, whose number of requests is `observed`; None: it is no number
    of requests. shown: fields of the one that raw requests are taken from, by default the same.
    """
    start, until = minute_at(episode.start), minute_at(episode.end or episode.last + 1)
    card: dict[str, JSON] = {"since": iso(start), "until": iso(until)}
    whole = Selection(start, until, key[2] or "", key[0], key[1], key[3], () if route is None else (route,))
    if counts is not None:
        whole = replace(whole, **counts)
        card["count"] = whole.to_json()
    if counts is not None or shown is not None:
        card["shown"] = replace(whole, **(shown or {})).to_json()
    name = fingerprint(kind, key[0], key[1], key[2] or "", key[3], scope)
    return Finding(
        id=finding_id(name, start),
        fingerprint=name,
        kind=kind,
        subtype=subtype,
        severity=severity,
        score=score_of(episode.score),
        confidence=round(confidence, 2),
        title=title,
        account=key[0],
        region=key[1],
        api=key[2] or "",
        stage=key[3],
        route=route,
        start=start,
        end=None if episode.end is None else minute_at(episode.end),
        detected_at=micros_at(episode.detected_us),
        entities=entities,
        cause=cause,
        evidence=Evidence(
            observed=round(episode.observed, 3),
            expected=round(episode.expected, 3),
            unit=unit,
            sentence=sentence,
            facts=dict(facts),
            series=tuple(Point(minute_at(int(minute or 0)), *rest) for minute, *rest in episode.series),
            card=card,
        ),
        remedy=remedy,
        layer=layer,
        caveat=caveat,
        changes=changes,
    )
