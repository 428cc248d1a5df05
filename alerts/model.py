"""An alert: what is to be said about one problem, and the shape of the steps that decide whether it is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gatewatch.records import Finding, Severity

TRANSITIONS: tuple[str, ...] = ("new", "worse", "changed", "resolved", "same")
"""What became of a finding, most urgent first."""

ALARMS = frozenset({"new", "worse"})
"""The transitions that everybody wants to hear of."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Findings with one fingerprint, oldest first and never none; `ends_at` None: still going on.

    labels: kind, severity, api, stage, route, account, region, cause; '' when not known.
    """

    findings: tuple[Finding, ...]
    labels: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None
    transition: str

    @property
    def fingerprint(self) -> str:
        return self.findings[0].fingerprint

    @property
    def lead(self) -> Finding:
        """The finding that speaks for all: the latest episode."""
        return self.findings[-1]

    @property
    def severity(self) -> Severity:
        return max((finding.severity for finding in self.findings), key=lambda severity: severity.rank)

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of what is said: once each is enough."""
        return tuple(f"{finding.id}:{transition_key(self.transition, finding)}" for finding in self.findings)


Step = Callable[[Sequence[Alert], datetime], list[Alert]]
"""(alerts, now) -> the alerts to go on with."""


def alert_of(transition: str, *findings: Finding) -> Alert:
    """An alert about findings with one fingerprint."""
    ordered = tuple(sorted(findings, key=lambda finding: (finding.start, finding.id)))
    lead = ordered[-1]
    ends = [finding.end for finding in ordered]
    alert = Alert(
        findings=ordered,
        labels={
            "kind": lead.kind.value,
            "severity": max((one.severity for one in ordered), key=lambda severity: severity.rank).value,
            "api": lead.api,
            "stage": lead.stage or "",
            "route": lead.route or "",
            "account": lead.account or "",
            "region": lead.region or "",
            "cause": lead.cause.value,
        },
        starts_at=ordered[0].start,
        ends_at=None if None in ends else max(end for end in ends if end is not None),
        transition=transition,
    )
    assert len({finding.fingerprint for finding in ordered}) == 1
    return alert


def transition_key(transition: str, finding: Finding) -> str:
    """What is said once only: a finding can get worse more than once, each time to another severity."""
    return f"worse:{finding.severity.value}" if transition == "worse" else transition
