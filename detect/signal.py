"""What an access-log template lets each detector see, what is missing in it, and what it should not hold.

A detector is full when the template gives all that it uses, blind when it cannot work at all, degraded in between.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from gatewatch.records import JSON, ApiType, Kind

REST, HTTP, WEBSOCKET = ApiType.REST, ApiType.HTTP, ApiType.WEBSOCKET
_ALL = frozenset({REST, HTTP, WEBSOCKET})

FULL, DEGRADED, BLIND = "full", "degraded", "blind"
_ORDER = (FULL, DEGRADED, BLIND)

SAME: Mapping[str, tuple[str, ...]] = {
    "requestTimeEpoch": ("requestTime",),
    "integration.latency": ("integrationLatency",),
    "integration.integrationStatus": ("integrationStatus",),
    "error.message": ("error.messageString",),
    "authorizer.latency": ("authorizer.integrationLatency",),
    "extendedRequestId": ("requestId",),
    "authorizer.principalId": ("authorizer.claims.sub", "identity.userArn", "identity.user", "identity.caller"),
    "authorizer.claims.sub": ("authorizer.principalId", "identity.userArn", "identity.user", "identity.caller"),
    "wafResponseCode": ("waf.status",),
}
"""Variables that say enough of the same. For REST APIs a client may choose the requestId: see `_told`."""


@dataclass(frozen=True, slots=True)
class Need:
    """A variable that a detector uses for these API types; without it the detector is of this level."""

    kind: Kind
    level: str
    variable: str
    why: str
    types: frozenset[ApiType] = _ALL


def _needs() -> tuple[Need, ...]:
    out: list[Need] = []

    def add(level: str, variable: str, why: str, *kinds: Kind, types: Collection[ApiType] = _ALL) -> None:
        out.extend(Need(kind, level, variable, why, frozenset(types)) for kind in kinds)

    auth, throttle, dead, slow, quality = (
        Kind.AUTH_FAILURE_SPIKE,
        Kind.THROTTLING_ABUSE,
        Kind.DEAD_API,
        Kind.LATENCY_OUTLIER,
        Kind.DATA_QUALITY,
    )
    add(BLIND, "requestTimeEpoch", "when a request came", auth, throttle, dead, slow, quality)
    add(BLIND, "status", "how a request ended", auth, throttle, dead, slow, quality)
    routed = {REST: "resourcePath", HTTP: "routeKey", WEBSOCKET: "routeKey"}
    for kind, variable in routed.items():
        add(DEGRADED, variable, "which route it was", auth, throttle, dead, slow, types={kind})
    add(DEGRADED, "httpMethod", "which method it was", auth, throttle, dead, slow, types={REST})
    add(DEGRADED, "error.responseType", "why the gateway refused", auth, throttle)
    add(DEGRADED, "integration.status", "whether the back end refused", auth, throttle, dead)
    add(DEGRADED, "identity.sourceIp", "who it was: the address", auth, throttle)
    add(DEGRADED, "identity.apiKeyId", "who it was: the API key", auth, throttle, types={REST, WEBSOCKET})
    add(DEGRADED, "authorizer.principalId", "who it was: the principal", auth, throttle, types={REST, WEBSOCKET})
    add(DEGRADED, "authorizer.claims.sub", "who it was: the token's subject", auth, throttle, types={HTTP})
    add(DEGRADED, "identity.userAgent", "what program it was", auth)
    add(DEGRADED, "authorizer.error", "why the authorizer refused", auth)
    add(DEGRADED, "authorizer.status", "whether the authorizer broke", auth, types={REST, WEBSOCKET})
    add(DEGRADED, "error.message", "what exactly was refused", auth)
    add(DEGRADED, "wafResponseCode", "whether WAF blocked it", auth, types={REST})
    add(BLIND, "responseLatency", "how long it took", slow, types={REST, HTTP})
    add(DEGRADED, "integration.latency", "how long the back end took", slow, types={REST, HTTP})
    add(BLIND, "integration.latency", "how long it took", slow, types={WEBSOCKET})
    add(DEGRADED, "authorizer.latency", "how long the authorizer took", slow, types={REST, WEBSOCKET})
    add(DEGRADED, "integration.integrationStatus", "whether Lambda itself refused", dead, slow)
    add(DEGRADED, "extendedRequestId", "which line is a repetition", quality)
    return tuple(out)


NEEDS = _needs()

_TIME = "requestTimeEpoch"
_STANDS_IN = "when a request came: the log group's own time stands in"

SECRETS: Mapping[str, str] = {
    "identity.apiKey": "the API key itself; log identity.apiKeyId instead",
    "identity.clientCert.clientCertPem": "the client's whole certificate; log identity.clientCert.subjectDN instead",
}
_SECRET_NAME = re.compile(
    r"(?i)(?:^|[._-])(?:authorization|cookie|x-api-key|api[_-]?key|password|secret|(?:access|id|refresh|bearer)?_?token)$"
)


@dataclass(frozen=True, slots=True)
class Sight:
    """What one detector sees of a stage. missing: its variables, most harmful first, each with what it would tell."""

    kind: Kind
    level: str
    missing: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, JSON]:
        missing: list[JSON] = [{"variable": f"$context.{name}", "tells": why} for name, why in self.missing]
        return {"kind": self.kind.value, "level": self.level, "missing": missing}


def judge(kind: ApiType, variables: Collection[str] | None, *, timed: bool = False) -> list[Sight]:
    """Every detector by the variables (names without `$context.`) of a template; None: no access log is written.

    timed: the lines go into a log group, whose events have a time of their own; it stands in for that of the request.
    """
    given = frozenset(variables or ())
    out = []
    for detector in Kind:
        lacking = [
            need
            for need in NEEDS
            if need.kind is detector and kind in need.types and not _told(need.variable, kind, given)
        ]
        if timed and variables is not None:
            lacking = [
                replace(need, level=DEGRADED, why=_STANDS_IN) if need.variable == _TIME else need for need in lacking
            ]
        lacking.sort(key=lambda need: -_ORDER.index(need.level))
        if not any(need.kind is detector for need in NEEDS):
            continue
        level = max((need.level for need in lacking), key=_ORDER.index, default=FULL)
        out.append(Sight(detector, level, tuple((need.variable, need.why) for need in lacking)))
    return out


def missing(sights: Collection[Sight]) -> list[str]:
    """All variables that some detector misses, each once, in the order of the detectors."""
    return list(dict.fromkeys(name for sight in sights for name, _ in sight.missing))


def secrets(variables: Collection[str]) -> list[tuple[str, str]]:
    """Variables that put a secret into the log, each with what to do."""
    found = []
    for name in sorted(variables):
        if name in SECRETS:
            found.append((name, SECRETS[name]))
        elif name.startswith(("authorizer.", "requestOverride.", "responseOverride.")) and _SECRET_NAME.search(name):
            found.append((name, "a header or value that lets its reader in; leave it out"))
    return found


def _told(variable: str, kind: ApiType, given: frozenset[str]) -> bool:
    if variable in given:
        return True
    if variable == "extendedRequestId" and kind is REST:
        return False  # a client may send the requestId of another's call
    return any(name in given for name in SAME.get(variable, ()))
