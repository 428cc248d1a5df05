"""Which configuration change may have caused a finding: time × resource × type; and that none is likely, when so.

time: halved for each HALF_TIME_MINUTES that the change lies before the onset (five are free), and for what came a few
minutes after it. resource: the stage itself, its API, what the inventory says serves it, or something else. type: how
often such a call breaks such a thing. The product is the score, 0 to 1; from LIKELY on a change is named as the cause.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from detect.resources import Links
from gatewatch.records import Change, Kind

BEFORE = timedelta(hours=6)
AFTER = timedelta(minutes=10)
"""An onset is an estimate, and CloudTrail's time is the call's: a change may seem to come a little late."""

HALF_TIME_MINUTES = 30.0
FREE_MINUTES = 5.0
LIKELY = 0.25
LEAST = 0.05
SHOWN = 5

HERE, NAMESAKE, OTHER_STAGE, UNKNOWN, UNUSED, ELSEWHERE = 1.0, 0.6, 0.2, 0.4, 0.2, 0.04
"""HERE: the stage, its API, or what serves it. NAMESAKE: it bears the API's name, but nobody says that it serves it.
UNKNOWN: nobody says whom it serves; UNUSED: the inventory says nobody. ELSEWHERE: another API: not even a candidate."""

BESIDE = 0.4
"""Of a function whose part is another: one behind the gateway does not break the authorizer, nor the other way round;
and one that bears the API's name is not among the functions that the inventory says the API has."""

_FUNCTIONS = frozenset({"code", "capacity"})
_AT_THE_DOOR = frozenset({"authorizer", "latency_authorizer"})
_BEHIND = frozenset({"errors", "latency"})

CLASSES: Mapping[str, tuple[str, ...]] = {
    "tag": ("tagresource", "tagrole", "tags"),
    "logging": ("/accesslog", "loggingsettings", "accesslogsettings"),
    "throttle": ("throttl", "quota", "/burst", "ratelimit", "concurrency", "servicequota"),
    "plan": ("usageplan", "apikey"),
    "authorizer": (
        "authorizer",
        "userpool",
        "resourceserver",
        "identityprovider",
        "authorization",
        "secretvalue",
        "rotatesecret",
    ),
    "waf": ("webacl", "rulegroup", "ipset", "loggingconfiguration"),
    "permission": ("policy", "permission", "role", "clientcertificate", "truststore"),
    "remove": (
        "deletestage",
        "deleterestapi",
        "deleteapi",
        "deletebasepathmapping",
        "deletedomainname",
        "deletedeployment",
        "deletefunction",
        "disable",
    ),
    "door": ("domain", "mapping", "vpclink", "certificate", "recordset"),
    "code": ("functioncode", "publishversion", "updatealias", "updateservice", "taskdefinition"),
    "capacity": ("functionconfiguration", "provisioned", "updatetable", "autoscaling", "loadbalancer", "modifydb"),
    "cache": ("cache",),
    "integration": ("integration", "method", "route", "putrestapi", "importapi", "reimportapi", "resource", "timeout"),
    "deploy": ("deployment", "stage", "restapi", "api"),
}
"""Class of a change -> words in its call and patches; the first class that fits counts."""

_WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "auth": {
        "authorizer": 1.0, "permission": 1.0, "plan": 0.8, "deploy": 0.8, "integration": 0.7, "code": 0.6,
        "waf": 0.5, "capacity": 0.4, "door": 0.4, "remove": 0.4,
    },
    "keys": {"plan": 1.0, "deploy": 0.6, "integration": 0.6, "authorizer": 0.5, "permission": 0.4},
    "authorizer": {
        "authorizer": 1.0, "code": 1.0, "permission": 1.0, "capacity": 0.8, "throttle": 0.7, "deploy": 0.7,
        "remove": 0.8, "integration": 0.4,
    },
    "waf": {"waf": 1.0, "deploy": 0.2},
    "throttle": {
        "throttle": 1.0, "plan": 1.0, "deploy": 0.6, "capacity": 0.6, "cache": 0.5, "integration": 0.3, "code": 0.3,
    },
    "silence": {
        "remove": 1.0, "door": 1.0, "deploy": 0.7, "waf": 0.5, "permission": 0.6, "integration": 0.6, "authorizer": 0.3,
    },
    "errors": {
        "code": 1.0, "integration": 1.0, "permission": 1.0, "capacity": 0.9, "deploy": 0.9, "remove": 1.0, "door": 0.7,
        "throttle": 0.7, "authorizer": 0.3,
    },
    "latency": {
        "code": 1.0, "capacity": 1.0, "integration": 0.9, "deploy": 0.9, "cache": 0.9, "throttle": 0.8, "door": 0.5,
        "waf": 0.4, "authorizer": 0.5, "permission": 0.2,
    },
    "latency_authorizer": {
        "authorizer": 1.0, "code": 0.9, "capacity": 0.9, "throttle": 0.7, "deploy": 0.5, "permission": 0.4,
    },
    "latency_gateway": {"waf": 1.0, "deploy": 0.7, "integration": 0.6, "cache": 0.6, "door": 0.5},
    "logs": {"logging": 1.0, "permission": 0.6, "deploy": 0.6, "remove": 0.5},
}  # fmt: skip
_OTHER = 0.1
"""Weight of a class of change that is not known to break such a thing."""


def family(kind: Kind, subtype: str = "", layer: str | None = None, *, failing: bool = True) -> str:
    """What is broken, as far as it tells which changes can break it. failing: errors rather than silence."""
    if kind is Kind.AUTH_FAILURE_SPIKE:
        named = {"authorizer_outage": "authorizer", "waf_block_surge": "waf", "api_key_probing": "keys"}
        return named.get(subtype, "auth")
    if kind is Kind.THROTTLING_ABUSE:
        return "throttle"
    if kind is Kind.DEAD_API:
        return "errors" if failing else "silence"
    if kind is Kind.DATA_QUALITY:
        return "logs"
    return {"authorizer": "latency_authorizer", "gateway": "latency_gateway", "waf": "latency_gateway"}.get(
        layer or "", "latency"
    )


def ranked_changes(
    changes: Sequence[Change],
    broken: str,
    api: str,
    stage: str | None,
    start: datetime,
    linked: Links | None = None,
) -> tuple[Change, ...]:
    """Candidates with score 0 to 1, best first; those unlikely are left out. Empty: no likely change.

    broken: a family. linked: see detect.resources.links.
    """
    scored = [
        replace(change, score=round(score, 3))
        for change in changes
        if start - BEFORE <= change.at <= start + AFTER
        and (score := _score(change, broken, api, stage, start, linked or Links())) >= LEAST
    ]
    return tuple(sorted(scored, key=lambda change: (-change.score, change.at, change.what, change.resource))[:SHOWN])


def likely(changes: Sequence[Change]) -> bool:
    """Is the best candidate good enough to name a change as the cause?"""
    return bool(changes) and changes[0].score >= LIKELY


def class_of(what: str) -> str:
    """The class of a change by its call and patches; "other" when none fits.

    >>> class_of("UpdateStage replace /*/*/throttling/rateLimit 10")
    'throttle'
    """
    text = what.replace(" ", "").lower()
    return next((name for name, words in CLASSES.items() if any(word in text for word in words)), "other")


def _score(change: Change, broken: str, api: str, stage: str | None, start: datetime, linked: Links) -> float:
    minutes = (start - change.at).total_seconds() / 60.0
    # What comes after cannot be the cause; a few minutes may only seem so.
    near = math.exp2(-max(abs(minutes) - FREE_MINUTES, 0.0) / (HALF_TIME_MINUTES if minutes > 0 else FREE_MINUTES))
    kind = class_of(change.what)
    part = _part(linked.role(change.resource, api), broken) if kind in _FUNCTIONS else 1.0
    return near * part * _where(change.resource, api, stage, linked) * _WEIGHTS[broken].get(kind, _OTHER)


def _part(role: str | None, broken: str) -> float:
    """How well a function's part in the API fits what is broken."""
    other = (role == "behind" and broken in _AT_THE_DOOR) or (role == "door" and broken in _BEHIND) or role == "none"
    return BESIDE if other else 1.0


def concerns(resource: str, api: str, stage: str | None, linked: Links) -> bool:
    """May a change of this resource matter to the API? What nobody says whom it serves may matter to all."""
    return _where(resource, api, stage, linked) >= OTHER_STAGE


def here(resource: str, api: str, stage: str | None, linked: Links) -> bool:
    """Is it this stage's own, or its API's?"""
    return _where(resource, api, stage, linked) >= HERE


def _where(resource: str, api: str, stage: str | None, linked: Links) -> float:
    parts = resource.split("/")
    if api in parts:
        named = [part for part in parts if part not in {api, "", "restapis", "apis", "stages"}]
        if not named or stage is None:
            return HERE
        return HERE if stage in named else OTHER_STAGE
    places = linked.places(resource)
    if places:
        mine = {one for name, one in places if name == api}
        if not mine:
            return ELSEWHERE
        return HERE if stage is None or mine & {None, stage} else OTHER_STAGE
    if _is_api(resource):
        return ELSEWHERE
    namesakes = linked.namesakes(resource)
    if namesakes:
        return NAMESAKE if api in namesakes else ELSEWHERE
    return UNUSED if linked.by_word else UNKNOWN


def _is_api(resource: str) -> bool:
    """Does the resource look like another API (ten lower-case letters and digits)?"""
    head = resource.split("/")[0]
    return len(head) == 10 and head.isalnum() and head == head.lower()
