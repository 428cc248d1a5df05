"""A made-up finding, to show what a message looks like and whether it arrives."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from alerts.plan import Outgoing
from alerts.told import told
from gatewatch.records import (
    JSON,
    Cause,
    Change,
    Entities,
    Evidence,
    Finding,
    Kind,
    Point,
    Severity,
    finding_id,
    fingerprint,
)
from gatewatch.settings import Settings


def sample_finding(now: datetime) -> Finding:
    """A spike of refused credentials that began a quarter of an hour before `now`. Addresses are those of examples."""
    onset = now.replace(second=0, microsecond=0) - timedelta(minutes=15)
    print_ = fingerprint(Kind.AUTH_FAILURE_SPIKE, "123456789012", "eu-central-1", "example", "prod", "test")
    points = tuple(
        Point(onset + timedelta(minutes=minute), _observed(minute), 8 + 2 * math.sin(minute / 9), 19.0)
        for minute in range(-75, 13)
    )
    return Finding(
        id=finding_id(print_, onset),
        fingerprint=print_,
        kind=Kind.AUTH_FAILURE_SPIKE,
        subtype="credential_stuffing",
        severity=Severity.HIGH,
        score=41.0,
        confidence=0.97,
        title="TEST of this channel: 52 times the usual number of refused credentials",
        account="123456789012",
        region="eu-central-1",
        api="example",
        stage="prod",
        route="POST /v1/login",
        start=onset,
        end=None,
        detected_at=onset + timedelta(minutes=4),
        entities=Entities(
            ips=tuple(f"203.0.113.{n}" for n in range(9, 50)), principals=("alice@example.com", "bob@example.com")
        ),
        cause=Cause.CLIENT,
        evidence=Evidence(
            observed=418.0,
            expected=8.0,
            unit="refused requests/min",
            sentence="This is a test, nothing is wrong. A real message says: 41 addresses have tried 390 principals "
            "about once each on POST /v1/login, 418 refused requests a minute where 8 are usual.",
            series=points,
        ),
        remedy="Nothing: this message was asked for with `gatewatch alerts test`.",
        changes=(Change(onset - timedelta(minutes=14), "UpdateAuthorizer", "deploy-bot", "authorizer login"),),
    )


def _observed(minute: int) -> float:
    usual = 8 + 3 * math.sin(minute / 4) + 2 * math.sin(minute * 1.7)
    return usual if minute < 0 else 418 - 60 * math.cos(minute)


def sample_payload(settings: Settings, now: datetime, *, reason: str = "new") -> dict[str, JSON]:
    """Its payload. reason: new, worse or resolved."""
    finding = sample_finding(now)
    message = Outgoing("", f"test-{finding.id}", {}, reason, reason, finding.id, (), (finding.id,), 3)
    return told(message, {finding.id: (finding, "new")}, {}, settings, now)
