"""One alert a problem: alerts with one fingerprint become one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from alerts.model import TRANSITIONS, Alert, alert_of


def group(alerts: Sequence[Alert], now: datetime) -> list[Alert]:  # noqa: ARG001  the shape of a step
    """Alerts joined by fingerprint, in the order in which the problems first came; the most urgent transition wins."""
    together: dict[str, list[Alert]] = {}
    for alert in alerts:
        together.setdefault(alert.fingerprint, []).append(alert)
    return [_joined(same) for same in together.values()]


def _joined(alerts: Sequence[Alert]) -> Alert:
    if len(alerts) == 1:
        return alerts[0]
    findings = {finding.id: finding for alert in alerts for finding in alert.findings}
    return alert_of(min((alert.transition for alert in alerts), key=TRANSITIONS.index), *findings.values())
