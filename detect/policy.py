"""Budgets and severities, apart from scoring: one place for what is worth waking whom."""

from __future__ import annotations

import math

from gatewatch.records import Severity

LOOKS_PER_WEEK = 3e4
"""Independent looks a series has in a week: overlapping windows of a minute count once (measured, see tests)."""

SERIES_PER_API = 20.0


def threshold_nats(false_alarms_per_week: float) -> float:
    """Tail nats at which one look may fire, so that all series of an API keep the weekly budget."""
    return math.log(LOOKS_PER_WEEK * SERIES_PER_API / false_alarms_per_week)


def score_of(nats: float) -> float:
    """-log10 of the tail probability, capped at 300."""
    return round(min(max(nats, 0.0) / math.log(10.0), 300.0), 2)


def severity_of(base: Severity, *, ratio: float, minutes: float) -> Severity:
    """One step up for what is huge or lasts, one step down for what is barely out of line."""
    ladder = list(Severity)
    rank = base.rank
    if base is Severity.INFO:
        return base
    if ratio >= 20 or minutes >= 6 * 60:
        rank += 1
    elif ratio < 2 and minutes < 30:
        rank -= 1
    return ladder[min(max(rank, Severity.LOW.rank), Severity.CRITICAL.rank)]
