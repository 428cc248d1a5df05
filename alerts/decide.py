"""From what became of findings to messages in channels: pure, so that it can run inside the store's transaction."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from datetime import datetime

from alerts.channels import transitions_of
from alerts.model import Alert, Step, alert_of
from alerts.payload import payload_of
from alerts.steps.dedup import dedup
from alerts.steps.floor import severity_floor
from alerts.steps.group import group
from alerts.steps.only import only
from gatewatch.records import JSON, Finding, Severity
from gatewatch.settings import Settings


def decide(
    transition: str, finding: Finding, settings: Settings, channels: Iterable[str]
) -> list[tuple[str, dict[str, JSON]]]:
    """(channel, payload) for each of `channels` that is to hear of it, in their order.

    New and worse findings at or above `alert_min_severity`; other transitions only where the channel wants them.
    """
    return decide_all([alert_of(transition, finding)], settings, channels, now=finding.detected_at)


def decide_all(
    alerts: Sequence[Alert],
    settings: Settings,
    channels: Iterable[str],
    *,
    now: datetime,
    said: Container[str] = frozenset(),
) -> list[tuple[str, dict[str, JSON]]]:
    """The same for many alerts at once: episodes of one problem become one message."""
    out: list[tuple[str, dict[str, JSON]]] = []
    for channel in channels:
        steps: list[Step] = [
            only(transitions_of(channel)),
            dedup(said),
            group,
            severity_floor(Severity(settings.alert_min_severity)),
        ]
        going: list[Alert] = list(alerts)
        for step in steps:
            going = step(going, now)
        out.extend((channel, payload_of(alert, settings)) for alert in going)
    return out
