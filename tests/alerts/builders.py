"""A finding to alert about, and settings; each test says only what matters to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from gatewatch.records import (
    JSON,
    Cause,
    Change,
    Entities,
    Evidence,
    Finding,
    Kind,
    Severity,
    finding_id,
    fingerprint,
)
from gatewatch.settings import Settings

ONSET = datetime(2026, 6, 9, 12, 34, tzinfo=UTC)
NOW = datetime(2026, 6, 9, 12, 41, 7, tzinfo=UTC)


def a_finding(**changed: Any) -> Finding:
    print_ = fingerprint(Kind.AUTH_FAILURE_SPIKE, "123456789012", "eu-central-1", "orders", "prod", None)
    finding = Finding(
        id=finding_id(print_, ONSET),
        fingerprint=print_,
        kind=Kind.AUTH_FAILURE_SPIKE,
        subtype="credential_stuffing",
        severity=Severity.HIGH,
        score=41.0,
        confidence=0.97,
        title="52 times the usual number of refused credentials",
        account="123456789012",
        region="eu-central-1",
        api="orders",
        stage="prod",
        route="POST /v1/login",
        start=ONSET,
        end=None,
        detected_at=datetime(2026, 6, 9, 12, 38, tzinfo=UTC),
        entities=Entities(
            ips=tuple(f"203.0.113.{n}" for n in range(9, 50)),
            principals=("alice@example.com", "bob@example.com"),
            user_agents=("python-requests/2.31.0",),
            asns=("AS64500 Example Hosting",),
        ),
        cause=Cause.CLIENT,
        evidence=Evidence(
            observed=418.2,
            expected=8.0,
            unit="refused requests/min",
            sentence="Since 12:34, 41 addresses have tried 390 principals about once each on POST /v1/login: 418 "
            "refused requests a minute where 8 are usual at this hour.",
            facts={"distinct_ips": 41, "distinct_principals": 390},
        ),
        remedy="Put a rate-based WAF rule on POST /v1/login, ask for a second factor on the tried accounts, and check "
        "whether one of them answered 200 after the failures (log $context.authorizer.principalId to see which).",
        caveat="12 % of the requests carried no principal.",
        changes=(
            Change(
                at=datetime(2026, 6, 9, 12, 20, tzinfo=UTC),
                what="UpdateAuthorizer: identity cache switched off",
                actor="deploy-bot",
                resource="authorizer login",
                score=0.8,
            ),
        ),
    )
    return replace(finding, **changed)


def settings(**changed: Any) -> Settings:
    return Settings(public_url="https://gatewatch.example.net", **changed)


def a_payload(**changed: JSON) -> dict[str, JSON]:
    from alerts.model import alert_of
    from alerts.payload import payload_of

    return {**payload_of(alert_of("new", a_finding()), settings()), **changed}
