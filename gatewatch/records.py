"""The values that cross from room to room: frozen, with units in their names and aware UTC instants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any, TypeAlias

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

REJECT_CAUSES: tuple[str, ...] = (
    "missing_credential",
    "malformed_credential",
    "expired_credential",
    "wrong_scope",
    "bad_signature",
    "unknown_key",
    "disabled_key",
    "authorizer_deny",
    "policy_deny",
    "waf_block",
    "mtls_failure",
    "authorizer_error",
    "authorizer_timeout",
    "path_probing",
    "throttle",
    "quota",
    "bad_request",
    "not_found",
    "backend_refused",
    "backend_error",
    "backend_timeout",
    "config_error",
    "unknown",
)
"""Why a request with status >= 400 was refused; exactly one each (product.md 2, feature 2)."""

AUTH_CAUSES: frozenset[str] = frozenset(
    {
        "missing_credential",
        "malformed_credential",
        "expired_credential",
        "wrong_scope",
        "bad_signature",
        "unknown_key",
        "disabled_key",
        "authorizer_deny",
        "policy_deny",
        "mtls_failure",
    }
)
"""Refusals of a credential or its rights: what an auth-failure rate counts. Probing and outages are not in it."""

THROTTLE_SCOPES: tuple[str, ...] = ("account", "stage", "method", "plan", "waf", "lambda", "unknown")


class ApiType(StrEnum):
    REST = "rest"
    HTTP = "http"
    WEBSOCKET = "websocket"
    OTHER = "other"


class Outcome(StrEnum):
    """How a line ended. The four counts always add up to the lines read."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    BLANK = "blank"
    DUPLICATE = "duplicate"


class Severity(StrEnum):
    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class Kind(StrEnum):
    AUTH_FAILURE_SPIKE = "auth_failure_spike"
    THROTTLING_ABUSE = "throttling_abuse"
    DEAD_API = "dead_api"
    LATENCY_OUTLIER = "latency_outlier"
    DATA_QUALITY = "data_quality"
    CONFIG_CHANGE = "config_change"


JUDGED: tuple[Kind, ...] = tuple(kind for kind in Kind if kind not in (Kind.DATA_QUALITY, Kind.CONFIG_CHANGE))
"""The kinds that judge the traffic; data_quality judges the logs, config_change what people set."""


class Cause(StrEnum):
    """Whose fault it is. Attackers are clients."""

    GATEWAY = "gateway"
    INTEGRATION = "integration"
    CLIENT = "client"
    CONFIG_CHANGE = "config_change"
    UNKNOWN = "unknown"


class State(StrEnum):
    """Life of a stored finding; gatewatch.lifecycle says what leads from one to another."""

    NEW = "new"
    ONGOING = "ongoing"
    ESCALATING = "escalating"
    REGRESSED = "regressed"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    SUPPRESSED = "suppressed"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Entities:
    """Who: at most 50 of each, most involved first."""

    ips: tuple[str, ...] = ()
    api_key_ids: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    user_agents: tuple[str, ...] = ()
    asns: tuple[str, ...] = ()

    def to_json(self) -> dict[str, JSON]:
        return {
            "ips": list(self.ips),
            "apiKeyIds": list(self.api_key_ids),
            "principals": list(self.principals),
            "userAgents": list(self.user_agents),
            "asns": list(self.asns),
        }


@dataclass(frozen=True, slots=True)
class Point:
    """One minute of the evidence series; `upper` is the alarm limit. None: not known (gap, warm-up)."""

    at: datetime
    observed: float | None
    expected: float | None = None
    upper: float | None = None


BOUNDS: tuple[str, ...] = ("status_min", "status_max", "latency_min_ms", "authorizer_min_ms")
"""Fields of a Selection that are numbers."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Some requests: those of [since, until) for which all that is set holds. Empty and None ask for nothing.

    api "(all)" is every API. except_causes: not those that were refused for these. caller: an address, principal or API
    key id. status_max and the others include the bound.
    """

    since: datetime
    until: datetime
    api: str
    account: str | None = None
    region: str | None = None
    stage: str | None = None
    routes: tuple[str, ...] = ()
    reject_causes: tuple[str, ...] = ()
    except_causes: tuple[str, ...] = ()
    caller: str | None = None
    status_min: int | None = None
    status_max: int | None = None
    latency_min_ms: float | None = None
    authorizer_min_ms: float | None = None

    def to_json(self) -> dict[str, JSON]:
        """Only what is set."""
        out: dict[str, JSON] = {"since": iso(self.since), "until": iso(self.until), "api": self.api}
        for name in ("account", "region", "stage", "caller", *BOUNDS):
            value = getattr(self, name)
            if value is not None:
                out[name] = value
        for name in ("routes", "reject_causes", "except_causes"):
            if getattr(self, name):
                out[name] = list(getattr(self, name))
        return out

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Selection:
        """What `to_json` gave."""
        given: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in value.items()}
        since, until = (datetime.fromisoformat(given.pop(name)) for name in ("since", "until"))
        return cls(since=since, until=until, **given)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen against what was expected, in `unit`; `sentence` is what a person reads.

    facts: further numbers and names, each recomputable from the minutes (e.g. {"distinct_ips": 41}).
    series: the minutes around the onset, for the chart; at most 240 points.
    card: what it can be recomputed from, see detect.evidence: `count` (the Selection whose number of requests is
    `observed`, where it is a number of requests), `factors`, `top`, `requests`, `reproduce` …
    """

    observed: float
    expected: float
    unit: str
    sentence: str
    facts: Mapping[str, JSON] = field(default_factory=dict)
    series: tuple[Point, ...] = ()
    card: Mapping[str, JSON] = field(default_factory=dict)

    def to_json(self) -> dict[str, JSON]:
        series: list[JSON] = [
            {"at": iso(point.at), "observed": point.observed, "expected": point.expected, "upper": point.upper}
            for point in self.series
        ]
        return {
            "observed": self.observed,
            "expected": self.expected,
            "unit": self.unit,
            "sentence": self.sentence,
            "facts": dict(self.facts),
            "series": series,
            "card": dict(self.card),
        }


@dataclass(frozen=True, slots=True)
class Change:
    """A configuration change that may have caused a finding."""

    at: datetime
    what: str
    actor: str
    resource: str
    score: float = 0.0

    def to_json(self) -> dict[str, JSON]:
        return {
            "at": iso(self.at),
            "what": self.what,
            "actor": self.actor,
            "resource": self.resource,
            "score": self.score,
        }


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """A change as the timeline keeps it. id: CloudTrail's eventID, else a digest of the record.

    service: `apigateway`; name: the call, `UpdateStage`. user_agent: what made the call. detail: what was asked for.
    """

    id: str
    change: Change
    service: str
    name: str
    account: str | None = None
    region: str | None = None
    user_agent: str | None = None
    detail: JSON = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One incident: scope, time, who, why, and what to do. `end` None: still going on.

    fingerprint: stable over restarts, see `fingerprint()`; id adds the first onset and is stored, never recomputed.
    score: -log10 of the tail probability, capped at 300. confidence: 0 to 1, falls with missing data.
    """

    id: str
    fingerprint: str
    kind: Kind
    subtype: str
    severity: Severity
    score: float
    confidence: float
    title: str
    account: str | None
    region: str | None
    api: str
    stage: str | None
    route: str | None
    start: datetime
    end: datetime | None
    detected_at: datetime
    entities: Entities
    cause: Cause
    evidence: Evidence
    remedy: str
    layer: str | None = None
    caveat: str | None = None
    changes: tuple[Change, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """Ids of the findings that were folded into this one as symptoms of the same cause."""
        listed = self.evidence.facts.get("joined")
        return tuple(str(one["id"]) for one in listed if isinstance(one, dict)) if isinstance(listed, list) else ()

    def to_json(self) -> dict[str, JSON]:
        """The shape that `scan --format json` and the API print (schema_version 1)."""
        out: dict[str, JSON] = {
            "id": self.id,
            "fingerprint": self.fingerprint,
            "kind": self.kind.value,
            "subtype": self.subtype,
            "severity": self.severity.value,
            "score": self.score,
            "confidence": self.confidence,
            "title": self.title,
            "account": self.account,
            "region": self.region,
            "api_id": self.api,
            "stage": self.stage,
            "route": self.route,
            "start": iso(self.start),
            "end": iso(self.end) if self.end else None,
            "detected_at": iso(self.detected_at),
            "entities": self.entities.to_json(),
            "cause": self.cause.value,
            "caveat": self.caveat,
            "evidence": self.evidence.to_json(),
            "changes": [change.to_json() for change in self.changes],
            "remedy": self.remedy,
        }
        if self.layer is not None:
            out["layer"] = self.layer
        return out


@dataclass(frozen=True, slots=True)
class Blind:
    """A detector that cannot judge a stage, and why: "could not tell" is never "fine"."""

    kind: Kind
    account: str | None
    region: str | None
    api: str
    stage: str | None
    reason: str
    missing: tuple[str, ...] = ()

    def to_json(self) -> dict[str, JSON]:
        return {
            "kind": self.kind.value,
            "account": self.account,
            "region": self.region,
            "api_id": self.api,
            "stage": self.stage,
            "reason": self.reason,
            "missing": list(self.missing),
        }


@dataclass(frozen=True, slots=True)
class Measured:
    """Log lines of a stage beside the requests that CloudWatch counted; stage None: of all stages of the API."""

    account: str | None
    region: str | None
    api: str
    stage: str | None
    lines: int
    requests: int

    @property
    def percent(self) -> float:
        return 100.0 * self.lines / self.requests if self.requests else 100.0

    def to_json(self) -> dict[str, JSON]:
        return {
            "account": self.account,
            "region": self.region,
            "api_id": self.api,
            "stage": self.stage,
            "lines": self.lines,
            "requests": self.requests,
            "percent": round(self.percent, 2),
        }


def fingerprint(
    kind: Kind, account: str | None, region: str | None, api: str, stage: str | None, scope: str | None
) -> str:
    """Stable name of one problem (design.md D8); `scope` is its primary scope: a route, a key, an authorizer.

    >>> fingerprint(Kind.DEAD_API, None, None, "a1", "prod", None)
    'a71e0cf6164b87e5ad2f0a9b'
    """
    parts = (kind.value, account or "", region or "", api, stage or "", scope or "")
    return blake2b("\x1f".join(parts).encode(), digest_size=12).hexdigest()


def finding_id(print_: str, first_onset: datetime) -> str:
    """Id of one episode of a problem: the fingerprint with its first onset."""
    return blake2b(f"{print_}\x1f{iso(first_onset)}".encode(), digest_size=10).hexdigest()


def iso(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds only where there are any: 2026-06-09T12:34:56Z."""
    if at.tzinfo is None:
        raise ValueError("a naive datetime has no place here")
    text = at.astimezone(UTC).isoformat(timespec="milliseconds" if at.microsecond else "seconds")
    return text.replace("+00:00", "Z")
