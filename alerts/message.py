"""A payload as a writer of messages reads it: every field is there, whatever was stored.

The texts are still untrusted: each goes through its sink in alerts/render.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from alerts.render.link import safe_link
from alerts.render.unlinked import unlinked
from gatewatch.records import JSON, Severity

_WHO = {
    "ips": "IP addresses",
    "apiKeyIds": "API keys",
    "principals": "Principals",
    "userAgents": "User agents",
    "asns": "Networks",
}

_NEWS = {
    "new": "New",
    "regressed": "Came back",
    "worse": "Got worse",
    "changed": "Changed",
    "resolved": "Resolved",
    "repeat": "Still open",
    "escalated": "Nobody has acknowledged it",
    "storm": "Many at once",
}

_SAID_STATES = frozenset({"acknowledged", "snoozed", "suppressed"})

MOST_LISTED = 10
_LONGEST = 4000

_CAUSES = {
    "gateway": "the gateway",
    "integration": "the backend behind it",
    "client": "clients",
    "config_change": "a configuration change",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """One finding of a group. link: safe, or ''."""

    title: str
    severity: str
    state: str
    link: str

    @property
    def known(self) -> str:
        """Its state where that is no news of the message; else ''."""
        return "" if self.state in ("new", "ongoing") else self.state

    @property
    def line(self) -> str:
        """`high: orders/prod is slow (resolved)`."""
        return f"{self.severity}: {self.title}" + (f" ({self.known})" if self.known else "")


CHANGED = "Changes that may have caused it"
"""What stands above them; an onset is known to some minutes, so that a change may seem to come after it."""


@dataclass(frozen=True, slots=True)
class Message:
    """severity: one of Severity's values. link: safe to stand in a link, or ''. who: (label, names, how many more).

    series: (time, observed, expected, upper) for the chart. findings: those of the group when there are several;
    count, still_open: how many these are in all. finding_ids: of all that the message tells of, 40 at most.
    stands_in_for: the channel that did not take the message. scope: API and stage, by the API's name where it has one,
    and then api: its id.
    """

    severity: str
    transition: str
    kind: str
    subtype: str
    title: str
    scope: str
    route: str
    account: str
    region: str
    start: str
    end: str
    detected_at: str
    sentence: str
    observed: float | None
    expected: float | None
    unit: str
    cause: str
    caveat: str
    remedy: str
    who: tuple[tuple[str, tuple[str, ...], int], ...]
    changes: tuple[tuple[str, str], ...]
    episodes: int
    link: str
    code: str
    fingerprint: str
    state: str = ""
    group_id: str = ""
    team: str = ""
    environment: str = ""
    stands_in_for: str = ""
    series: tuple[tuple[datetime, float | None, float | None, float | None], ...] = ()
    findings: tuple[Listed, ...] = ()
    finding_ids: tuple[str, ...] = ()
    count: int = 1
    still_open: int = 1
    api: str = ""

    @property
    def over(self) -> bool:
        return self.transition == "resolved"

    @property
    def thread(self) -> str:
        """What all messages about one matter share: the group's name, else the problem's."""
        return self.group_id or self.fingerprint

    @property
    def call(self) -> str:
        """What the link says."""
        return "Open the findings" if self.transition == "storm" else "Open the finding"

    @property
    def who_lines(self) -> list[str]:
        """`IP addresses: 203.0.113.9, 203.0.113.10 and 39 more`, a line for each sort of name."""
        return [
            f"{label}: {', '.join(names)}" + (f" and {more:,} more" if more else "") for label, names, more in self.who
        ]

    @property
    def news(self) -> str:
        """The transition in words."""
        return _NEWS.get(self.transition, "News")

    @property
    def headline(self) -> str:
        """`[HIGH] orders/prod is slow`; `RESOLVED` stands for the severity of what is over.

        A title that does not say where stands behind that: `[HIGH] auth_failure_spike on orders/prod: title`.
        """
        mark = "RESOLVED" if self.transition == "resolved" else self.severity.upper()
        if self.scope and self.scope in self.title:
            return f"[{mark}] {self.title}"
        return f"[{mark}] {self.kind} on {self.scope}: {self.title}"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """(label, value) of what is known, in the order in which people ask."""
        rows = [
            ("Observed", quantity(self.observed, self.unit)),
            ("Expected", expectation(self.expected, self.unit)),
            ("Since", self.start + (f", until {self.end}" if self.end else "")),
            ("Detected", self.detected_at),
            ("API and stage", f"{self.scope} ({self.api})" if self.api else self.scope),
            ("Route", self.route),
            ("Account", " / ".join(part for part in (self.account, self.region) if part)),
            ("Kind", f"{self.kind} ({self.subtype})" if self.subtype else self.kind),
            (
                "Owner" if self.team else "Environment",
                " / ".join(part for part in (self.team, self.environment) if part),
            ),
            ("Caused by", self.cause),
            ("Episodes", str(self.episodes) if self.episodes > 1 else ""),
            ("Findings", f"{self.count:,}, {self.still_open:,} of them open" if self.count > 1 else ""),
            ("State", self.state if self.state in _SAID_STATES else ""),
            ("Stands in for", f"the channel {self.stands_in_for}, which is down" if self.stands_in_for else ""),
        ]
        return [(label, value) for label, value in rows if value]


def read(payload: Mapping[str, JSON]) -> Message:
    """The message in `payload`; never fails: an alert that cannot be shown well is still shown."""
    given: Mapping[str, Any] = payload
    severity = _text(given, "severity").lower()
    cause = _text(given, "cause")
    layer = _said(given, "layer")
    stage, name = _said(given, "stage"), _said(given, "api_name")
    return Message(
        severity=severity if severity in set(Severity) else Severity.MEDIUM.value,
        transition=_text(given, "transition"),
        kind=_said(given, "kind") or "finding",
        subtype=_said(given, "subtype"),
        title=_said(given, "title") or _said(given, "sentence"),
        scope=(name or _said(given, "api")) + (f"/{stage}" if stage else ""),
        route=_said(given, "route"),
        account=_said(given, "account"),
        region=_said(given, "region"),
        start=_instant(_text(given, "start")),
        end=_instant(_text(given, "end")),
        detected_at=_instant(_text(given, "detected_at")),
        sentence=_said(given, "sentence"),
        observed=_number(given.get("observed")),
        expected=_number(given.get("expected")),
        unit=_said(given, "unit"),
        cause=_CAUSES.get(cause, "") + (f" ({layer})" if layer and cause in _CAUSES else ""),
        caveat=_said(given, "caveat"),
        remedy=_said(given, "remedy"),
        who=tuple(_who(given)),
        changes=tuple(_changes(given)),
        episodes=int(_number(given.get("episodes")) or 1),
        link=safe_link(given.get("link")),
        code=_said(given, "code"),
        fingerprint=_text(given, "fingerprint"),
        state=_text(given, "state"),
        group_id=_text(given, "group_id"),
        team=_said(given, "team"),
        environment=_said(given, "environment"),
        stands_in_for=_said(given, "stands_in_for"),
        series=tuple(_series(given)),
        findings=tuple(_listed(given)),
        finding_ids=tuple(_ids(given)),
        count=_count(given, "count"),
        still_open=_count(given, "open"),
        api=_said(given, "api") if name else "",
    )


def quantity(value: float | None, unit: str) -> str:
    """A number as people read it, with its unit; '' when it is not known.

    >>> quantity(1234.5, "requests/min"), quantity(0.0312, "share"), quantity(None, "ms")
    ('1,234 requests/min', '0.0312 share', '')
    """
    if value is None:
        return ""
    text = f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


_MEASURES = frozenset({"ms", "share", "min", ""})
"""What is not counted: the first words of its units."""


def expectation(value: float | None, unit: str) -> str:
    """
    >>> expectation(0.005, "refused requests"), expectation(22.0, "ms")
    ('hardly any', '22 ms')
    """
    few = value is not None and 0 < value < 0.1 and unit.partition(" ")[0] not in _MEASURES
    return "hardly any" if few else quantity(value, unit)


def _who(given: Mapping[str, Any]) -> list[tuple[str, tuple[str, ...], int]]:
    entities = given.get("entities")
    more = given.get("more")
    out: list[tuple[str, tuple[str, ...], int]] = []
    for name, label in _WHO.items():
        items = entities.get(name) if isinstance(entities, Mapping) else None
        rest = _number(more.get(name)) if isinstance(more, Mapping) else None
        if isinstance(items, list) and items:
            out.append(
                (
                    label,
                    tuple(unlinked(str(item)[:_LONGEST]) for item in items[:5]),
                    int(rest or 0) + max(0, len(items) - 5),
                )
            )
    return out


def _changes(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    changes = given.get("changes")
    out: list[tuple[str, str]] = []
    for change in changes[:3] if isinstance(changes, list) else []:
        if isinstance(change, Mapping):
            by = _said(change, "actor")
            on = _said(change, "resource")
            what = _said(change, "what") + (f" on {on}" if on else "") + (f" by {by}" if by else "")
            out.append((_instant(_text(change, "at")), what))
    return out


def _series(given: Mapping[str, Any]) -> list[tuple[datetime, float | None, float | None, float | None]]:
    out = []
    series = given.get("series")
    for point in series[:240] if isinstance(series, list) else []:
        if isinstance(point, list) and len(point) == 4:
            at = parsed_instant(point[0])
            if at is not None:
                out.append((at, _number(point[1]), _number(point[2]), _number(point[3])))
    return out


def _listed(given: Mapping[str, Any]) -> list[Listed]:
    group = given.get("group")
    findings = group.get("findings") if isinstance(group, Mapping) else None
    return [
        Listed(_said(one, "title"), _text(one, "severity"), _text(one, "state"), safe_link(one.get("link")))
        for one in (findings[:MOST_LISTED] if isinstance(findings, list) else [])
        if isinstance(one, Mapping)
    ]


_ID = re.compile(r"[\w:.-]{1,64}")


def _ids(given: Mapping[str, Any]) -> list[str]:
    listed = given.get("finding_ids")
    ids = listed if isinstance(listed, list) else [given.get("finding_id")]
    return [one for one in ids[:40] if isinstance(one, str) and _ID.fullmatch(one)]


def _count(given: Mapping[str, Any], name: str) -> int:
    group = given.get("group")
    return int(_number(group.get(name)) or 0) if isinstance(group, Mapping) else 1


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    return value if isinstance(value, str) else "" if value is None else str(value)


def _said(given: Mapping[str, Any], name: str) -> str:
    """A text of strangers: whatever shows it, a telephone's notification too, finds no link to make of it."""
    return unlinked(_text(given, name)[:_LONGEST])


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > 1e15:
        return None
    return float(value)


def _instant(text: str) -> str:
    at = parsed_instant(text)
    return text[:40] if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def parsed_instant(text: object) -> datetime | None:
    """An aware UTC instant out of ISO 8601, None when it is none."""
    try:
        at = datetime.fromisoformat(str(text)[:40])
        return at.astimezone(UTC) if at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
