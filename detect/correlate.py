"""One finding a cause: what overlaps and has one root is joined to the finding nearest the root.

Symptoms of one cause show in several series, kinds, routes, stages and APIs. The finding nearest the root stays, with
each of the others as a piece of evidence (facts "joined") and all places that are touched ("scope"). An outage hides
what is slow or refused because of it; victims are listed with the offender. What merely happens at the same time, an
attack during an outage, stays apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

from detect.causes import CALLERS
from detect.changes import LIKELY
from detect.coverage import same_stage
from gatewatch.records import JSON, Cause, Entities, Finding, Kind, Severity, iso

SLACK = timedelta(minutes=10)
TOGETHER = timedelta(minutes=30)
PAUSE = timedelta(hours=4)
"""A campaign that rests no longer is one; whoever comes back later has come back."""

FLOOD = 0.2
"""Share of all requests from which refusals change how fast a stage seems."""

FAR = datetime.max.replace(tzinfo=UTC)
PIECES = 20
ENTITIES = 50

_STANDING = frozenset({"unused", "shadow", "zombie", "dead", "unproven"})
"""What stands for weeks has nothing to do with what happens meanwhile."""

_ROOTS = frozenset({"authorizer_outage", "misconfiguration", "signing_key_rotation"})
_SILENT = frozenset({"live_outage", "taken_offline", "only_health_checks", "only_scanners", "no_longer_called"})
_CAMPAIGNS = frozenset({"password_spray", "credential_stuffing", "account_takeover", "distributed", "brute_force"})
_OFFENDERS = frozenset({"over_plan", "noisy_neighbour", "retry_storm", "address_rotation", "slow_ramp"})


def correlate(findings: Sequence[Finding]) -> list[Finding]:
    """Findings with their symptoms folded in, by start."""
    ordered = sorted(findings, key=lambda finding: (_rank(finding), _begun(finding), finding.id))
    kept: list[Finding] = []
    joined: dict[str, list[Finding]] = {}
    for finding in ordered:
        root = next((other for other in kept if _explains(other, finding)), None)
        if root is None:
            kept.append(finding)
        else:
            joined.setdefault(root.id, []).append(finding)
            if _same_campaign(root, finding):
                later = None if root.end is None or finding.end is None else max(root.end, finding.end)
                kept[kept.index(root)] = replace(root, end=later)
    out = [_with(finding, joined[finding.id]) if finding.id in joined else finding for finding in kept]
    return sorted(out, key=lambda finding: (finding.start, finding.kind, finding.id))


def _with(root: Finding, symptoms: list[Finding]) -> Finding:
    """The root with its symptoms: their lines, all places, all callers where it is callers, and the worst severity."""
    facts = {**root.evidence.facts, "joined": [_line(one) for one in symptoms[:PIECES]]}
    places = dict.fromkeys((one.api, one.stage, one.route) for one in (root, *symptoms))
    facts["scope"] = [{"api_id": api, "stage": stage, "route": route} for api, stage, route in list(places)[:PIECES]]
    victims = [_place(one) for one in symptoms if _is_victim(root, one)]
    if victims:
        told = facts.get("victims")
        facts["victims"] = [*(told if isinstance(told, list) else []), *victims][:ENTITIES]
    callers = [one for one in symptoms if one.cause is Cause.CLIENT and not _is_victim(root, one)]
    noticed = min(one.detected_at for one in (root, *symptoms) if one.kind is root.kind)
    return replace(
        root,
        detected_at=max(noticed, min(root.start, root.detected_at)),
        severity=_worst(root, symptoms),
        entities=_united([root, *callers]) if root.cause is Cause.CLIENT and callers else root.entities,
        evidence=replace(root.evidence, facts=facts),
    )


def _worst(root: Finding, symptoms: Sequence[Finding]) -> Severity:
    """The worst of all; but what is only known for the timeline stays so, and a silence that is none counts nothing."""
    if root.severity is Severity.INFO:
        return root.severity
    counted = [one for one in symptoms if root.kind is not Kind.DATA_QUALITY or one.kind is root.kind]
    return max((root.severity, *(one.severity for one in counted)), key=lambda severity: severity.rank)


def _united(findings: Sequence[Finding]) -> Entities:
    def of(name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(value for one in findings for value in getattr(one.entities, name)))[:ENTITIES]

    return Entities(of("ips"), of("api_key_ids"), of("principals"), of("user_agents"), of("asns"))


def _begun(finding: Finding) -> datetime:
    """When it began; what shows on a whole stage is nearer the root than what shows on a route at that time."""
    return finding.start - (SLACK if finding.route is None else timedelta())


def _rank(finding: Finding) -> float:
    """Nearer the root first."""
    if _back_end_failed(finding):
        return -1  # an authorizer that calls the same back end fails with it
    if finding.subtype in _ROOTS:
        return 0
    if finding.subtype == "timeout_29s":
        return 3.5
    order: dict[Kind, float] = {
        Kind.DEAD_API: 1,
        Kind.THROTTLING_ABUSE: 2,
        Kind.AUTH_FAILURE_SPIKE: 3,
        Kind.LATENCY_OUTLIER: 4,
        Kind.DATA_QUALITY: 0.5,
        Kind.CONFIG_CHANGE: 10,
    }
    if finding.kind is Kind.AUTH_FAILURE_SPIKE and finding.subtype in CALLERS and finding.subtype != "path_probing":
        return 1.5  # who attacks is throttled and blocked because of it
    # Offenders before their victims.
    late = 0.5 if finding.subtype == "shared_limit" else 0.0
    return order[finding.kind] + late + (6 if finding.subtype in _STANDING or finding.subtype == "path_probing" else 0)


def _back_end_failed(finding: Finding) -> bool:
    """Is it an outage in which most of what failed got through to the back end?"""
    return finding.kind is Kind.DEAD_API and finding.evidence.facts.get("in_the_back_end") is True


def _overlap(one: Finding, two: Finding, slack: timedelta = SLACK) -> bool:
    return one.start - slack <= (two.end or FAR) and two.start - slack <= (one.end or FAR)


def _near(one: Finding, two: Finding) -> bool:
    """Began together, give or take."""
    return abs(one.start - two.start) <= TOGETHER


def _explains(root: Finding, symptom: Finding) -> bool:
    """Is `symptom` what `root` causes or shows elsewhere?"""
    if root.account != symptom.account:
        return False
    if _same_campaign(root, symptom):
        return True
    if not _overlap(root, symptom):
        return False
    if Kind.CONFIG_CHANGE in (root.kind, symptom.kind):
        return _explains_deletion(root, symptom)
    if Kind.DATA_QUALITY in (root.kind, symptom.kind):
        return _explains_by_data(root, symptom)
    if root.subtype in _STANDING or symptom.subtype in _STANDING:
        return False
    if _same_change(root, symptom) or _is_victim(root, symptom):
        return True
    if root.api != symptom.api or root.stage != symptom.stage:
        return _explains_elsewhere(root, symptom)
    return _explains_here(root, symptom)


def _explains_deletion(root: Finding, symptom: Finding) -> bool:
    """What was deleted does not answer: one thing. Any other change stands for itself, whatever else goes on."""
    if root.kind is not Kind.DEAD_API or symptom.subtype not in ("api_deleted", "stage_deleted"):
        return False
    return root.api == symptom.api and symptom.stage in (None, root.stage) and _near(root, symptom)


def _explains_here(root: Finding, symptom: Finding) -> bool:
    """On one stage."""
    if root.kind is symptom.kind:
        if root.cause is Cause.CLIENT or symptom.cause is Cause.CLIENT:
            return _same_callers(root, symptom) or (root.cause is symptom.cause and _near(root, symptom))
        return root.cause is symptom.cause or _near(root, symptom)
    if root.kind is Kind.DEAD_API:
        # Nothing gets through: whatever is odd from then on is part of it, but for those who attack.
        if root.route is not None and symptom.route != root.route and not _near(root, symptom):
            return False  # one route is silent, and later something happens to others
        began = symptom.start >= root.start - TOGETHER
        return began and (symptom.subtype not in CALLERS or symptom.kind is Kind.THROTTLING_ABUSE)
    if symptom.kind is Kind.DEAD_API:
        return root.subtype in _ROOTS and not _back_end_failed(symptom)
    if symptom.kind is Kind.LATENCY_OUTLIER:
        at_fault = root.cause is not Cause.CLIENT or root.kind is Kind.THROTTLING_ABUSE or _refusals_take(root, symptom)
        return _near(root, symptom) and at_fault
    return _same_callers(root, symptom) or (root.cause is symptom.cause and _near(root, symptom))


def _refusals_take(root: Finding, symptom: Finding) -> bool:
    """Is what is slow before the integration but the time that a flood of refusals takes?"""
    successes, refused = root.evidence.facts.get("successes"), root.evidence.observed or 0.0
    before = symptom.layer in {"gateway", "authorizer", "waf"}
    return before and isinstance(successes, int | float) and refused >= FLOOD * (refused + successes)


def _explains_elsewhere(root: Finding, symptom: Finding) -> bool:
    """On another stage or API: only when something says that it is the same."""
    if _same_callers(root, symptom):
        return True
    if root.kind is not symptom.kind:
        return False
    downstream = root.evidence.facts.get("verdict")
    if isinstance(downstream, str) and downstream.startswith("downstream "):
        return symptom.evidence.facts.get("verdict") == downstream and _near(root, symptom)
    alike = root.subtype == symptom.subtype and root.cause is symptom.cause and root.cause is not Cause.CLIENT
    return root.api == symptom.api and alike and _near(root, symptom)


def _same_change(one: Finding, two: Finding) -> bool:
    """Do both follow from one change?"""
    if one.cause is not Cause.CONFIG_CHANGE or two.cause is not Cause.CONFIG_CHANGE or not _near(one, two):
        return False
    first, second = one.changes[:1], two.changes[:1]
    return (
        bool(first and second)
        and min(first[0].score, second[0].score) >= LIKELY
        and ((first[0].at, first[0].what, first[0].resource) == (second[0].at, second[0].what, second[0].resource))
    )


def _is_victim(offender: Finding, other: Finding) -> bool:
    """Is `other` throttled because the offender used up the account's limit?"""
    if offender.kind is not Kind.THROTTLING_ABUSE or other.kind is not Kind.THROTTLING_ABUSE:
        return False
    if offender.subtype not in _OFFENDERS or other.subtype != "shared_limit" or offender.region != other.region:
        return False
    return _by_account(offender) and _by_account(other) and other.start >= offender.start - SLACK


def _by_account(finding: Finding) -> bool:
    """Is most of it the account's limit?"""
    scopes = finding.evidence.facts.get("scopes")
    if not isinstance(scopes, dict) or not scopes:
        return False
    counts = cast(dict[str, int], scopes)
    return counts.get("account", 0) >= 0.5 * sum(counts.values())


def _explains_by_data(root: Finding, symptom: Finding) -> bool:
    """Delivery that fails for many stages at once is one thing; a silence that only the logs show is its symptom."""
    if root.kind is symptom.kind:
        return root.subtype == symptom.subtype and root.region == symptom.region and _near(root, symptom)
    if root.subtype != "coverage_low" or symptom.subtype not in _SILENT:
        return False
    stages, share = root.evidence.facts.get("stages"), root.evidence.facts.get("coverage")
    here = (symptom.account, symptom.region, symptom.api, symptom.stage)
    if not isinstance(stages, list) or not isinstance(share, float) or symptom.evidence.facts.get("server_errors"):
        return False
    return share < 0.5 and any(same_stage(here, cast(list[str | None], stage)) for stage in stages)


def _same_campaign(one: Finding, two: Finding) -> bool:
    """The same callers go on in the same way after hours of quiet; or others, with its tool and names or network."""
    if one.kind is not two.kind or (one.api, one.stage) != (two.api, two.stage):
        return False
    if not one.cause is two.cause is Cause.CLIENT or not _overlap(one, two, PAUSE):
        return False
    one_network = one.entities.asns[:1] == two.entities.asns[:1] != ()
    kind = {one.subtype, two.subtype} - {"account_takeover"}  # guesses that have come to succeed
    alike = (
        len(kind) <= 1
        and {one.subtype, two.subtype} <= _CAMPAIGNS
        and bool(
            (one_network or set(one.entities.principals) & set(two.entities.principals))
            and set(one.entities.user_agents) & set(two.entities.user_agents)
        )
    )
    same_keys = one.subtype == two.subtype and set(one.entities.api_key_ids) & set(two.entities.api_key_ids)
    return alike or bool(same_keys or set(one.entities.ips) & set(two.entities.ips))


def _same_callers(one: Finding, two: Finding) -> bool:
    """Do they share at least half of the addresses or keys of the one that has fewer?"""
    for name in ("ips", "api_key_ids"):
        first, second = set(getattr(one.entities, name)), set(getattr(two.entities, name))
        if first and second and len(first & second) >= 0.5 * min(len(first), len(second)):
            return True
    return False


def _place(finding: Finding) -> str:
    return "/".join(part for part in (finding.api, finding.stage) if part)


def _line(finding: Finding) -> JSON:
    """A piece of evidence: enough to count it again and to tell what it was."""
    evidence = finding.evidence
    line: dict[str, JSON] = {
        "id": finding.id,
        "kind": finding.kind.value,
        "subtype": finding.subtype,
        "api_id": finding.api,
        "stage": finding.stage,
        "route": finding.route,
        "start": iso(finding.start),
        "end": None if finding.end is None else iso(finding.end),
        "detected_at": iso(finding.detected_at),
        "observed": evidence.observed,
        "expected": evidence.expected,
        "unit": evidence.unit,
        "sentence": evidence.sentence,
    }
    if "count" in evidence.card:
        line["count"] = evidence.card["count"]
    return line
