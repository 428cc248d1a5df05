"""The payload of a planned message: that of its leading finding, and what its group or storm adds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from alerts.matching import Labels
from alerts.model import alert_of
from alerts.named import Names, titled
from alerts.payload import clean, finite, link_to, payload_of
from alerts.plan import Outgoing
from gatewatch.privacy import privacy_of
from gatewatch.records import JSON, Finding, Severity, iso
from gatewatch.settings import Settings

NAMELESS: Names = {}
MOST_FINDINGS = 10
MOST_POINTS = 120
MOST_IDS = 40


def told(
    message: Outgoing,
    findings: Mapping[str, tuple[Finding, str]],
    labels: Labels,
    settings: Settings,
    now: datetime,
    names: Names = NAMELESS,
) -> dict[str, JSON]:
    """JSON for the outbox. findings: (finding, state) by id, with all members. labels: of the leading finding.

    names: of APIs, which stand in titles instead of their ids.
    """
    lead, state = findings[message.lead]
    lead = titled(lead, names)
    what = message.transition.partition(":")[0]
    payload = payload_of(alert_of(what, lead), settings)
    payload["api_name"] = clean(names.get(lead.api), 120)
    payload["transition"] = message.reason
    payload["transition_key"] = message.transition
    payload["state"] = state
    payload["group_id"] = message.group_id
    payload["team"], payload["environment"] = (clean(_first(labels, name), 80) for name in ("team", "environment"))
    payload["series"] = _series(lead)
    payload["finding_ids"] = [*message.members[:MOST_IDS]] or [message.lead]
    payload["sent_at"] = iso(now)
    members = [
        (titled(one, names), state) for one, state in (findings[id_] for id_ in message.members if id_ in findings)
    ]
    if message.reason == "storm":
        payload |= _storm(members, lead, message, settings, names)
    elif len(members) > 1:
        payload["group"] = _group(members, message, settings)
        payload["severity"] = _worst(members).value
    return payload


def _first(labels: Labels, name: str) -> str | None:
    values = labels.get(name, ())
    return values[0] if values else None


def _worst(members: list[tuple[Finding, str]]) -> Severity:
    still = [one for one, _ in members if one.end is None] or [one for one, _ in members]
    return max((one.severity for one in still), key=lambda severity: severity.rank)


def _group(members: list[tuple[Finding, str]], message: Outgoing, settings: Settings) -> dict[str, JSON]:
    ordered = sorted(members, key=lambda one: (-one[0].severity.rank, one[0].start, one[0].id))
    privacy = privacy_of(settings)
    listed: list[JSON] = [
        {
            "id": finding.id,
            "title": clean(privacy.finding(finding).title, 160),
            "severity": finding.severity.value,
            "state": state,
            "link": link_to(finding, settings),
        }
        for finding, state in ordered[:MOST_FINDINGS]
    ]
    labels: dict[str, JSON] = {name: clean(value, 120) for name, value in message.labels.items()}
    return {
        "labels": labels,
        "findings": listed,
        "count": len(members),
        "open": sum(one.end is None for one, _ in members),
    }


def _storm(
    members: list[tuple[Finding, str]], lead: Finding, message: Outgoing, settings: Settings, names: Names
) -> dict[str, JSON]:
    total = len(members)
    by_severity = Counter(one.severity for one, _ in members)
    by_kind = Counter(one.kind.value for one, _ in members)
    by_api = Counter(one.api for one, _ in members)
    said = ", ".join(f"{by_severity[one]:,} {one.value}" for one in reversed(Severity) if by_severity[one])
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in by_kind.most_common(4))
    apis = ", ".join(f"{clean(names.get(api, api), 60)} ({count:,})" for api, count in by_api.most_common(5))
    base = link_to(lead, settings).rsplit("/", 1)[0]
    return {
        "kind": "storm",
        "subtype": "",
        "title": f"{total:,} findings at once: {said}",
        "sentence": f"{total:,} findings came faster than one message each helps: {kinds}. Most are on {apis}.",
        "observed": float(total),
        "expected": None,
        "unit": "findings",
        "api": clean(by_api.most_common(1)[0][0], 120) if len(by_api) == 1 else f"{len(by_api):,} APIs",
        "api_name": clean(names.get(lead.api), 120) if len(by_api) == 1 else None,
        "stage": None,
        "route": None,
        "entities": {},
        "more": {},
        "changes": [],
        "cause": "unknown",
        "layer": None,
        "caveat": "Each of them is in the list of findings; none has a message of its own.",
        "remedy": "Look for one cause first: a deployment, a shared backend, an account limit, a change of the logs.",
        "series": [],
        "link": f"{base}?state=open",
        "group": _group(members, message, settings),
    }


def _series(finding: Finding) -> list[JSON]:
    """At most MOST_POINTS points [time, observed, expected, upper] around the onset, thinned evenly."""
    points = finding.evidence.series
    step = -(-len(points) // MOST_POINTS) or 1
    return [
        [iso(one.at), *(None if value is None else finite(value) for value in (one.observed, one.expected, one.upper))]
        for one in points[::step]
    ]


def notice_payload(
    *, what: str, title: str, sentence: str, remedy: str, severity: Severity, settings: Settings, now: datetime
) -> dict[str, JSON]:
    """The payload of a message about gatewatch itself: a channel that is down, a source that is silent."""
    base = settings.public_url or ""
    return {
        "version": 1,
        "finding_id": f"gatewatch:{what}",
        "fingerprint": f"gatewatch:{what}",
        "transition": "new",
        "title": clean(title, 200),
        "severity": severity.value,
        "kind": "gatewatch",
        "subtype": what,
        "api": "gatewatch",
        "start": iso(now),
        "detected_at": iso(now),
        "sent_at": iso(now),
        "sentence": clean(sentence, 600),
        "remedy": remedy,
        "cause": "unknown",
        "entities": {},
        "changes": [],
        "episodes": 1,
        "link": base,
        "code": "",
    }
