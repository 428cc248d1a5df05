"""Nothing is said twice."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import datetime

from alerts.model import Alert, Step


def dedup(said: Container[str]) -> Step:
    """Drop alerts of which everything was said before; `said` holds `Alert.keys`."""

    def step(alerts: Sequence[Alert], now: datetime) -> list[Alert]:  # noqa: ARG001  the shape of a step
        fresh: dict[tuple[str, ...], Alert] = {}
        for alert in alerts:
            if not all(key in said for key in alert.keys):
                fresh.setdefault(alert.keys, alert)
        return list(fresh.values())

    return step
