"""Where an alert would go at a chosen time, and why it would be held back; nothing is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from alerts.channels import Configured
from alerts.config import AlertConfig
from alerts.holds import Inhibitions, Silence, Subject, hold
from alerts.routes import Way, group_labels, ways
from gatewatch.records import JSON, Severity, iso


@dataclass(frozen=True, slots=True)
class Verdict:
    """One way of the alert. held: why it is held back now; '' when it goes. until: when that ends, if known."""

    way: Way
    group: Mapping[str, str]
    held: str
    until: datetime | None

    def to_json(self) -> dict[str, JSON]:
        group: dict[str, JSON] = {**self.group}
        return {
            "way": self.way.name,
            "channels": [*self.way.channels],
            "group": group,
            "group_wait_s": self.way.group_wait.total_seconds(),
            "repeat_s": self.way.repeat.total_seconds() or None,
            "escalates_to": [
                {"after_s": step.after.total_seconds(), "channels": [*step.channels]} for step in self.way.escalate
            ],
            "held": self.held or None,
            "until": iso(self.until) if self.until else None,
        }


def dry_run(
    config: AlertConfig,
    channels: Mapping[str, Configured],
    subject: Subject,
    at: datetime,
    *,
    least: Severity,
    silences: Iterable[Silence] = (),
    others: Iterable[Subject] = (),
) -> list[Verdict]:
    """The ways of a finding at `at`, in the tree's order. others: findings that are open, for inhibition."""
    inhibitions = Inhibitions(config, others)
    listed = list(silences)
    verdicts = []
    for way in ways(config, subject.labels, at, channels):
        held = hold(subject, way, at, config=config, silences=listed, inhibitions=inhibitions)
        why, until = ("", None) if held is None else (held.reason, held.until)
        low = all(Severity(value).rank < least.rank for value in subject.labels.get("severity", ()))
        if low and subject.labels.get("severity"):
            why, until = f"it is below alert_min_severity ({least.value})", None
        verdicts.append(Verdict(way, group_labels(way, subject.labels), why, until))
    return verdicts
