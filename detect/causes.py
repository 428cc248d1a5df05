"""Whose fault it is, decided in one place for all kinds: by the change that explains it, else as the detector saw it.

Attackers and callers stay what they are, whatever was deployed meanwhile. What a change can break is the change's
fault when one is likely; and that none is, is said as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from detect.changes import BEFORE, LIKELY, family, likely, ranked_changes
from detect.resources import Links
from gatewatch.records import JSON, Cause, Change, Finding, Kind

CALLERS: frozenset[str] = frozenset(
    {
        "brute_force",
        "credential_stuffing",
        "password_spray",
        "distributed",
        "account_takeover",
        "path_probing",
        "expired_token_loop",
        "over_plan",
        "retry_storm",
        "address_rotation",
        "quota_exhausted",
        "noisy_neighbour",
        "slow_ramp",
    }
)
"""Subtypes that name a caller's doing: a change at the same time is a coincidence."""

STANDING: frozenset[str] = frozenset({"dead", "unused", "zombie", "shadow", "unproven"})
"""What went on or stood still for weeks is nobody's change of the last hours."""

_WAYS: Mapping[Cause, str] = {
    Cause.GATEWAY: "the gateway itself, its authorizer or WAF",
    Cause.INTEGRATION: "what stands behind the gateway",
    Cause.CLIENT: "the callers' doing",
    Cause.CONFIG_CHANGE: "a configuration: it refuses callers at large",
    Cause.UNKNOWN: "cannot be told",
}


def decided(finding: Finding, changes: Sequence[Change] | None, linked: Links) -> Finding:
    """The finding with its candidate changes and its cause. changes None: nobody brought any."""
    if finding.subtype in STANDING or finding.kind is Kind.CONFIG_CHANGE:
        return finding  # the latter is a change itself
    errors = finding.evidence.facts.get("server_errors")
    failing = finding.kind is not Kind.DEAD_API or (
        isinstance(errors, int | float) and errors > finding.evidence.observed
    )
    broken = family(finding.kind, finding.subtype, finding.layer, failing=failing)
    found = ranked_changes(changes or (), broken, finding.api, finding.stage, finding.start, linked)
    # One customer of many who leaves does so by himself, too.
    callers = finding.subtype in CALLERS or (finding.kind is Kind.DEAD_API and bool(finding.entities.api_key_ids))
    named = likely(found) and not callers
    cause = Cause.CONFIG_CHANGE if named else finding.cause
    why = f"{found[0].what} by {found[0].actor} on {found[0].resource}" if named else _WAYS[cause]
    answer = _answer(found, changes)
    if callers and likely(found):
        answer = f"at the same time, but callers do this by themselves: {found[0].what}"[:256]
    told: dict[str, JSON] = {"cause": cause.value, "why": why[:512], "changes": answer}
    card = {**finding.evidence.card, "cause": told}
    return replace(finding, cause=cause, changes=found, evidence=replace(finding.evidence, card=card))


def _answer(found: Sequence[Change], changes: Sequence[Change] | None) -> str:
    """Whether there is a likely change, in words."""
    hours = BEFORE.total_seconds() / 3600
    if changes is None or not changes:
        return "no changes were given"
    if likely(found):
        return f"likely: {found[0].what}"[:256]
    if found:
        return f"no likely change in the {hours:.0f} h before (best score {found[0].score:g}, {LIKELY:g} is likely)"
    return f"no likely change in the {hours:.0f} h before"
