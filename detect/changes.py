"""Which configuration change may have caused a finding: time × resource × type."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from gatewatch.records import Change, Kind

BEFORE = timedelta(hours=6)
AFTER = timedelta(minutes=10)
"""An onset is an estimate, and CloudTrail's time is the call's: a change may seem to come a little late."""

HALF_TIME_MINUTES = 45.0
LIKELY = 0.25
SHOWN = 5

_WORDS: dict[Kind, tuple[str, ...]] = {
    Kind.AUTH_FAILURE_SPIKE: (
        "authorizer",
        "authorization",
        "apikey",
        "usageplan",
        "putmethod",
        "updatemethod",
        "userpool",
        "webacl",
        "policy",
        "role",
        "deployment",
        "route",
        "integration",
        "key",
        "putrestapi",
        "function",
    ),
    Kind.THROTTLING_ABUSE: ("throttl", "usageplan", "quota", "burst", "rate", "stage", "concurrency", "deployment"),
    Kind.DEAD_API: ("delete", "disable", "mapping", "domain", "deployment", "stage", "integration", "restapi", "api"),
    Kind.DATA_QUALITY: ("accesslog", "stage", "deployment", "role", "account", "policy", "firehose", "restapi", "api"),
    Kind.LATENCY_OUTLIER: ("deployment", "function", "integration", "stage", "authorizer", "cache", "timeout", "vpc"),
}


def ranked_changes(
    changes: Sequence[Change], kind: Kind, api: str, stage: str | None, start: datetime
) -> tuple[Change, ...]:
    """Candidates with score 0 to 1, best first; those unlikely are left out. Empty: no likely change."""
    scored = [
        replace(change, score=round(score, 3))
        for change in changes
        if start - BEFORE <= change.at <= start + AFTER and (score := _score(change, kind, api, stage, start)) >= 0.05
    ]
    return tuple(sorted(scored, key=lambda change: (-change.score, change.at, change.what, change.resource))[:SHOWN])


def likely(changes: Sequence[Change]) -> bool:
    """Is the best candidate good enough to name a change as the cause?"""
    return bool(changes) and changes[0].score >= LIKELY


def _score(change: Change, kind: Kind, api: str, stage: str | None, start: datetime) -> float:
    minutes = abs((start - change.at).total_seconds()) / 60.0
    near = math.exp2(-max(minutes - 5.0, 0.0) / HALF_TIME_MINUTES)
    parts = change.resource.split("/")
    if api in parts:
        named = [part for part in parts if part not in {api, "", "restapis", "apis", "stages"}]
        where = 1.0 if not named or stage is None or stage in named else 0.4
    else:
        where = 0.15 if _is_api(change.resource) else 0.5
    text = change.what.replace(" ", "").lower()
    what = 1.0 if any(word in text for word in _WORDS[kind]) else 0.4
    return near * where * what


def _is_api(resource: str) -> bool:
    """Does the resource look like another API (ten lower-case letters and digits)?"""
    head = resource.split("/")[0]
    return len(head) == 10 and head.isalnum() and head == head.lower()
