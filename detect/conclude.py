"""From what the detectors say to what is said: how far the logs bear it, then one finding a cause.

The folds know nothing of each other; here a finding meets what is known about the data that it rests on. Pure, and the
same at the end of a scan, of a tick and of a backtest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

from detect.catalog import code_of
from detect.causes import decided
from detect.correlate import correlate
from detect.coverage import WHOLE, same_stage, share_of, shares
from detect.detectors.data_quality import EVERYWHERE
from detect.executed import executed
from detect.layers import refined
from detect.model import Context, epoch_minute
from detect.networks import placed
from detect.report import span_words
from gatewatch.records import JSON, Finding, Kind, Measured, Severity, iso

UNPROVEN = "unproven"
_QUIET = frozenset({"dead", "unused", UNPROVEN})
CONCLUDED: frozenset[str] = frozenset({"data_quality"})
"""Detectors whose states are looked at, besides what they found."""

_LAGGED, _POORER = 0.9, 0.8
_NEEDS: dict[Kind, frozenset[str]] = {
    Kind.AUTH_FAILURE_SPIKE: frozenset({"status", "error_type", "authorizer_error", "client_ip", "principal"}),
    Kind.THROTTLING_ABUSE: frozenset({"status", "error_type", "client_ip", "principal", "api_key_id"}),
    Kind.DEAD_API: frozenset({"status"}),
    Kind.LATENCY_OUTLIER: frozenset({"latency_ms", "integration_latency_ms", "authorizer_latency_ms", "route"}),
}


def conclude(
    findings: Sequence[Finding], states: Mapping[str, JSON], until: datetime, context: Context
) -> list[Finding]:
    """One finding a cause, by start. states: the detectors' after the last minute. until: the end of what was seen."""
    told = [decided(refined(finding, context.spans, until), context.changes, context.linked) for finding in findings]
    told = [placed(finding, context.networks) for finding in told]
    told = [executed(finding, context.executions, until) for finding in told]
    return correlate([_coded(finding) for finding in reviewed(told, states, until)])


def _coded(finding: Finding) -> Finding:
    """With its code on the card, by which it can be looked up (`gatewatch detectors explain`)."""
    card = {**finding.evidence.card, "code": code_of(finding.kind, finding.subtype)}
    return replace(finding, evidence=replace(finding.evidence, card=card))


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: (-finding.severity.rank, -finding.score, finding.start, finding.id))


def measured(states: Mapping[str, JSON]) -> list[Measured]:
    """How much of the traffic of each counted stage is in the logs; empty without metrics."""
    found = shares(_coverage_state(states))
    return [Measured(key[0], key[1], key[2] or "", key[3], round(lines), round(due)) for key, lines, due in found]


def reviewed(findings: Sequence[Finding], states: Mapping[str, JSON], until: datetime) -> list[Finding]:
    """The findings, less sure where coverage, gaps, lag or lost fields touch them; "dead" may become "unproven"."""
    coverage = _coverage_state(states)
    about_data = [finding for finding in findings if finding.kind is Kind.DATA_QUALITY]
    out = []
    for finding in findings:
        one = finding
        if finding.kind not in (Kind.DATA_QUALITY, Kind.CONFIG_CHANGE):  # these do not rest on the logs
            if finding.kind is Kind.DEAD_API and finding.subtype in _QUIET:
                one = _proven(finding, coverage, about_data, until)
            else:
                one = _weighed(finding, about_data, until)
        out.append(one)
    return out


def _coverage_state(states: Mapping[str, JSON]) -> JSON:
    stored = states.get("data_quality")
    if not isinstance(stored, dict):
        return None
    inner = stored.get("state")
    return inner.get("coverage") if isinstance(inner, dict) else None


def _proven(finding: Finding, coverage: JSON, about_data: Sequence[Finding], until: datetime) -> Finding:
    """Never seen is not proven while requests are missing from the logs, or are counted elsewhere."""
    end = finding.end or until
    key = (finding.account, finding.region, finding.api, finding.stage)
    share = share_of(coverage, key, epoch_minute(finding.start), epoch_minute(end))
    if share is not None:
        lines, counts = share
        if lines >= WHOLE * counts:
            return finding
        why = f"The logs hold {lines:,.0f} of the {counts:,.0f} requests that CloudWatch counted meanwhile."
        return _unproven(finding, why, lines / counts)
    missing = sum((_shared(finding, one, until) for one in about_data if one.subtype == "delivery_gap"), timedelta())
    whole = max(end - finding.start, timedelta(minutes=1))
    if missing > (1 - WHOLE) * whole:
        return _unproven(
            finding,
            f"No source delivered logs for {span_words(missing / timedelta(minutes=1))} of that time.",
            1 - missing / whole,
        )
    return finding


def _unproven(finding: Finding, why: str, share: float) -> Finding:
    facts = {**finding.evidence.facts, "would_be": finding.subtype, "coverage": round(share, 4)}
    return replace(
        finding,
        subtype=UNPROVEN,
        severity=Severity.INFO,
        confidence=round(min(finding.confidence, 0.3), 2),
        title=f"{finding.title} (unproven)",
        caveat=" ".join(text for text in (why, finding.caveat) if text),
        evidence=replace(finding.evidence, facts=facts),
    )


def _weighed(finding: Finding, about_data: Sequence[Finding], until: datetime) -> Finding:
    """Confidence times what the data leave of it; the caveat says why."""
    factor, said, named = 1.0, [], list[JSON]()
    for one in about_data:
        if not _same_place(one, finding) or _shared(finding, one, until) <= timedelta():
            continue
        if one.subtype == "coverage_low":
            share = cast(float, one.evidence.facts["coverage"])
            factor *= share
            said.append(f"Only {share:.0%} of the requests were in the logs meanwhile.")
        elif one.subtype == "delivery_gap":
            whole = max((finding.end or until) - finding.start, timedelta(minutes=1))
            lost = _shared(finding, one, until) / whole
            factor *= 1 - lost
            said.append(f"No source delivered logs for {lost:.0%} of that time.")
        elif one.subtype == "delivery_lag":
            factor *= _LAGGED
            said.append("Log lines came late meanwhile.")
        elif _NEEDS[finding.kind] & set(cast(list[str], one.evidence.facts["fields"])):
            factor *= _POORER
            said.append("The lines had lost fields that this rests on.")
        else:
            continue
        named.append({"subtype": one.subtype, "id": one.id, "start": iso(one.start)})
    if not named:
        return finding
    facts = {**finding.evidence.facts, "data_quality": named[:10]}
    return replace(
        finding,
        confidence=round(max(finding.confidence * factor, 0.01), 2),
        caveat=" ".join(text for text in (*dict.fromkeys(said), finding.caveat) if text),
        evidence=replace(finding.evidence, facts=facts),
    )


def _same_place(one: Finding, other: Finding) -> bool:
    if one.api == EVERYWHERE:
        return True
    stages = one.evidence.facts.get("stages")
    if isinstance(stages, list):
        here = (other.account, other.region, other.api, other.stage)
        return any(same_stage(here, cast(list[str | None], stage)) for stage in stages)
    return (one.account, one.api) == (other.account, other.api) and one.stage in (None, other.stage)


def _shared(one: Finding, other: Finding, until: datetime) -> timedelta:
    """How long both go on together."""
    return min(one.end or until, other.end or until) - max(one.start, other.start)
