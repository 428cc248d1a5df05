"""One finding a cause: what overlaps in one API and has one root is joined to the finding nearest the root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

from detect.coverage import same_stage
from gatewatch.records import JSON, Cause, Finding, Kind, iso

SLACK = timedelta(minutes=10)
FAR = datetime.max.replace(tzinfo=UTC)

_STANDING = frozenset({"unused", "shadow", "zombie", "dead", "unproven"})
"""What stands for weeks has nothing to do with what happens meanwhile."""


def correlate(findings: Sequence[Finding]) -> list[Finding]:
    """Findings with their symptoms folded in: evidence.facts["joined"] lists what each swallowed."""
    ordered = sorted(findings, key=lambda finding: (_rank(finding), finding.start, finding.id))
    kept: list[Finding] = []
    joined: dict[str, list[JSON]] = {}
    for finding in ordered:
        root = next((other for other in kept if _explains(other, finding)), None)
        if root is None:
            kept.append(finding)
        else:
            joined.setdefault(root.id, []).append(_line(finding))
    out = []
    for finding in kept:
        if finding.id in joined:
            facts = {**finding.evidence.facts, "joined": joined[finding.id][:20]}
            finding = replace(finding, evidence=replace(finding.evidence, facts=facts))
        out.append(finding)
    return sorted(out, key=lambda finding: (finding.start, finding.kind, finding.id))


def _rank(finding: Finding) -> float:
    """Nearer the root first."""
    if finding.subtype in {"authorizer_outage", "misconfiguration", "signing_key_rotation"}:
        return 0
    if finding.subtype == "timeout_29s":
        return 3.5
    order: dict[Kind, float] = {
        Kind.DEAD_API: 1,
        Kind.THROTTLING_ABUSE: 2,
        Kind.AUTH_FAILURE_SPIKE: 3,
        Kind.LATENCY_OUTLIER: 4,
        Kind.DATA_QUALITY: 0.5,
    }
    return order[finding.kind] + (6 if finding.subtype in {"path_probing", "unused", "shadow", "zombie"} else 0)


def _overlap(one: Finding, two: Finding) -> bool:
    return one.start - SLACK <= (two.end or FAR) and two.start - SLACK <= (one.end or FAR)


def _near(one: Finding, two: Finding) -> bool:
    """Began together, give or take."""
    return abs(one.start - two.start) <= timedelta(minutes=30)


def _explains(root: Finding, symptom: Finding) -> bool:
    """Is `symptom` what `root` causes or shows elsewhere? Different stages have one cause only when all agrees."""
    if root.account != symptom.account or not _overlap(root, symptom):
        return False
    if Kind.DATA_QUALITY in (root.kind, symptom.kind):
        return _explains_by_data(root, symptom)
    if root.api != symptom.api or root.subtype in _STANDING or symptom.subtype in _STANDING:
        return False
    same_stage = root.stage == symptom.stage
    if root.kind is symptom.kind:
        if not same_stage:
            shared = set(root.entities.ips) & set(symptom.entities.ips)
            alike = root.subtype == symptom.subtype and root.cause is symptom.cause
            return bool(shared) or (alike and _near(root, symptom))
        return root.cause is symptom.cause or _same_culprit(root, symptom)
    if not same_stage:
        return False
    if root.kind is Kind.DEAD_API:
        # Nothing gets through: whatever else is odd meanwhile is part of it.
        return True
    if symptom.kind is Kind.DEAD_API:
        return root.subtype in {"authorizer_outage", "misconfiguration", "signing_key_rotation"}
    if symptom.kind is Kind.LATENCY_OUTLIER:
        return _near(root, symptom) and (root.cause is not Cause.CLIENT or root.kind is Kind.THROTTLING_ABUSE)
    return _same_culprit(root, symptom) or (root.cause is symptom.cause and _near(root, symptom))


def _explains_by_data(root: Finding, symptom: Finding) -> bool:
    """Delivery that fails for many stages at once is one thing; a silence that only the logs show is its symptom."""
    if root.kind is symptom.kind:
        return root.subtype == symptom.subtype and root.region == symptom.region and _near(root, symptom)
    if root.subtype != "coverage_low" or symptom.subtype not in {"live_outage", "taken_offline"}:
        return False
    stages, share = root.evidence.facts.get("stages"), root.evidence.facts.get("coverage")
    here = (symptom.account, symptom.region, symptom.api, symptom.stage)
    if not isinstance(stages, list) or not isinstance(share, float) or symptom.evidence.facts.get("server_errors"):
        return False
    return share < 0.5 and any(same_stage(here, cast(list[str | None], stage)) for stage in stages)


def _same_culprit(one: Finding, two: Finding) -> bool:
    return bool(
        set(one.entities.ips) & set(two.entities.ips) or set(one.entities.api_key_ids) & set(two.entities.api_key_ids)
    )


def _line(finding: Finding) -> JSON:
    return {
        "kind": finding.kind.value,
        "subtype": finding.subtype,
        "stage": finding.stage,
        "route": finding.route,
        "start": iso(finding.start),
        "sentence": finding.evidence.sentence,
    }
