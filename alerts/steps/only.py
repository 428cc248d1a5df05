"""A channel hears of the transitions that it wants."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import datetime

from alerts.model import Alert, Step


def only(transitions: Container[str]) -> Step:
    """Drop alerts of other transitions."""

    def step(alerts: Sequence[Alert], now: datetime) -> list[Alert]:  # noqa: ARG001  the shape of a step
        return [alert for alert in alerts if alert.transition in transitions]

    return step
