"""What detectors expected of a measure, where they said so: the series that findings carry as evidence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from gatewatch.records import Kind, Point
from gatewatch.store.findings import FindingFilter, list_findings
from gatewatch.where import Term

MOST_BANDS = 10

_JUDGES: dict[str, tuple[Kind, str]] = {
    "auth_refusals": (Kind.AUTH_FAILURE_SPIKE, "refused requests"),
    "throttled": (Kind.THROTTLING_ABUSE, "requests answered 429"),
    "successes": (Kind.DEAD_API, "successful requests"),
    "timeouts": (Kind.LATENCY_OUTLIER, "requests over 28 s"),
    **{f"latency_p{rank}": (Kind.LATENCY_OUTLIER, "ms") for rank in (50, 90, 95, 99)},
}
"""Measure -> the kind of finding that judges it, and the unit of its series."""


@dataclass(frozen=True, slots=True)
class Band:
    """points: observed, expected and the upper limit of the detector, a minute each."""

    finding_id: str
    kind: str
    unit: str
    title: str
    points: tuple[Point, ...]


def bands(session: Session, measure: str, since: datetime, until: datetime, terms: tuple[Term, ...]) -> list[Band]:
    """Of findings in [since, until) and the places that the terms name, newest first. Empty: no detector says."""
    judge = _JUDGES.get(measure)
    if judge is None:
        return []
    kind, unit = judge
    places = tuple(term for term in terms if term.field in ("api", "stage", "route", "account", "region"))
    wish = FindingFilter(kind=kind.value, since=since, until=until, where=places)
    found = []
    for stored in list_findings(session, wish, limit=50).items:
        one = stored.finding
        points = tuple(point for point in one.evidence.series if since <= point.at < until)
        if one.evidence.unit == unit and any(point.expected is not None for point in points):
            found.append(Band(one.id, kind.value, unit, one.title, points))
    return found[:MOST_BANDS]
