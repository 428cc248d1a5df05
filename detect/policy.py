"""Budgets and severities, apart from scoring: one place for what is worth waking whom.

The budget is false alarms an API and week, all detectors together. A detector has a share of it, by default as
DETECTOR_SHARES says; a detector shares it out among its tests, and a test among the stages of an API.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from gatewatch.records import Kind, Severity
from gatewatch.settings import Settings

DETECTOR_SHARES: Mapping[str, float] = {
    Kind.AUTH_FAILURE_SPIKE: 0.35,
    Kind.THROTTLING_ABUSE: 0.2,
    Kind.DEAD_API: 0.15,
    Kind.LATENCY_OUTLIER: 0.3,
}

LOOKS_PER_WEEK = 3e4
"""Independent looks a series has in a week: overlapping windows of a minute count once."""

SERIES_PER_API = 20.0


def budget_of(settings: Settings, detector: str) -> float:
    """False alarms an API and week that a detector may raise: what the settings give it, else its share of the rest."""
    given = settings.detector_budgets
    if detector in given:
        return given[detector]
    rest = max(settings.false_alarms_per_week - math.fsum(given.values()), 0.0)
    free = math.fsum(share for name, share in DETECTOR_SHARES.items() if name not in given)
    # Nothing left is still not a promise of never: a hundredth of the whole.
    return max(rest, 0.01 * settings.false_alarms_per_week) * DETECTOR_SHARES.get(detector, 0.0) / max(free, 1e-9)


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
