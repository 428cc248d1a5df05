"""Nobody is woken for little."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from alerts.model import Alert, Step
from gatewatch.records import Severity


def severity_floor(least: Severity) -> Step:
    """Drop alerts below `least`. One that was below it and got worse arrives here again, and passes."""

    def step(alerts: Sequence[Alert], now: datetime) -> list[Alert]:  # noqa: ARG001  the shape of a step
        return [alert for alert in alerts if alert.severity.rank >= least.rank]

    return step
