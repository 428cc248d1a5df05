"""What is stored in the outbox about an alert: bounded JSON without secrets, from which any message can be written."""

from __future__ import annotations

import hmac
import math
from base64 import b32encode
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import quote

from alerts.model import Alert, transition_key
from alerts.render.redact import redacted
from alerts.render.text import plain
from gatewatch.privacy import privacy_of
from gatewatch.records import JSON, Finding, iso
from gatewatch.settings import Settings

MOST_ENTITIES = 5
MOST_CHANGES = 3


def payload_of(alert: Alert, settings: Settings) -> dict[str, JSON]:
    """The payload of `alert`; less than 16 KiB of text whatever the finding says.

    observed, expected: numbers in `unit`, None when not finite. entities: the first five of each kind; `more` counts
    the others. code: see `code_of`.
    """
    finding = privacy_of(settings).finding(alert.lead)
    entities, more = _entities(finding)
    return {
        "version": 1,
        "finding_id": finding.id,
        "fingerprint": finding.fingerprint,
        "transition": alert.transition,
        "transition_key": transition_key(alert.transition, finding),
        "title": clean(finding.title, 200),
        "severity": alert.severity.value,
        "kind": finding.kind.value,
        "subtype": clean(finding.subtype, 80),
        "account": clean(finding.account, 40),
        "region": clean(finding.region, 40),
        "api": clean(finding.api, 120),
        "stage": clean(finding.stage, 120),
        "route": clean(finding.route, 200),
        "start": iso(finding.start),
        "end": iso(finding.end) if finding.end else None,
        "detected_at": iso(finding.detected_at),
        "sentence": clean(finding.evidence.sentence, 600),
        "observed": finite(finding.evidence.observed),
        "expected": finite(finding.evidence.expected),
        "unit": clean(finding.evidence.unit, 40),
        "confidence": finite(finding.confidence),
        "entities": entities,
        "more": more,
        "cause": finding.cause.value,
        "layer": clean(finding.layer, 80),
        "caveat": clean(finding.caveat, 400),
        "remedy": clean(finding.remedy, 1000),
        "changes": [
            {
                "at": iso(change.at),
                "what": clean(change.what, 200),
                "actor": clean(change.actor, 120),
                "resource": clean(change.resource, 200),
            }
            for change in finding.changes[:MOST_CHANGES]
        ],
        "episodes": len(alert.findings),
        "link": link_to(finding, settings),
        "code": code_of(alert, settings),
    }


AROUND = timedelta(minutes=30)
"""What a link shows before a finding's begin and after what is known of it."""


def link_to(finding: Finding, settings: Settings) -> str:
    """The page of a finding at its time, at the public address if there is one: tomorrow it shows the same."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    begin = iso((finding.start - AROUND).replace(microsecond=0))
    end = iso((max(finding.end or finding.detected_at, finding.detected_at) + AROUND).replace(microsecond=0))
    base = settings.public_url or f"http://{host}:{settings.port}"
    return f"{base.rstrip('/')}/findings/{quote(finding.id, safe='')}?from={begin}&to={end}"


def code_of(alert: Alert, settings: Settings) -> str:
    """A short code by which a reader finds out, on the finding's page, that gatewatch wrote the message.

    With the setting hash_key nobody else can make one. Without it, it needs the fingerprint, which no message shows.
    A repeat of a message carries the same code.
    """
    key = settings.hash_key.get_secret_value() if settings.hash_key else alert.fingerprint
    digest = hmac.digest(key.encode(), f"alert\x1f{alert.fingerprint}\x1f{alert.keys[-1]}".encode(), "sha256")
    text = b32encode(digest).decode()
    return f"{text[:4]}-{text[4:8]}"


def _entities(finding: Finding) -> tuple[dict[str, JSON], dict[str, JSON]]:
    who = finding.entities
    groups: dict[str, Sequence[str]] = {
        "ips": who.ips,
        "apiKeyIds": who.api_key_ids,
        "principals": who.principals,
        "userAgents": who.user_agents,
        "asns": who.asns,
    }
    shown: dict[str, JSON] = {
        name: [clean(item, 120) for item in items[:MOST_ENTITIES]] for name, items in groups.items()
    }
    more: dict[str, JSON] = {name: max(0, len(items) - MOST_ENTITIES) for name, items in groups.items()}
    return shown, more


def clean(value: str | None, limit: int) -> str | None:
    """`value` as it may leave the house: one line, bounded, without what looks like a credential."""
    if value is None:
        return None
    # Redacted before it is cut, so that the first half of a token does not stay.
    return plain(redacted(plain(value, 4 * limit)), limit)


def finite(value: float) -> float | None:
    """A number that JSON knows."""
    return float(value) if math.isfinite(value) else None
