"""Why a finding counts for more or less, in words, each with its sign and the number that it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from detect.saying import CAUSES, SCOPES, layer_words, odds, times
from gatewatch.records import JSON, Finding, Kind

MOST = 0.4
"""Share of one value from which it is worth a word."""

UNUSUAL = 2.0
"""Times its share before: a value that always had this share is no reason."""

_NAMES: Mapping[str, str] = {
    "client_ip": "the address",
    "principal": "the principal",
    "api_key_id": "the API key",
    "user_agent": "the user agent",
    "route": "the route",
    "reject_cause": "the reason",
    "throttle_scope": "the limit",
}


def factors(finding: Finding, card: Mapping[str, JSON]) -> Iterator[JSON]:
    """[{sign, what, value}], what speaks for the finding first. card: with window, before and top."""
    evidence, facts = finding.evidence, finding.evidence.facts
    if finding.kind is not Kind.CONFIG_CHANGE:  # which nobody does by chance
        yield _factor("+", odds(finding.score), finding.score)
    if evidence.expected > 0 and evidence.observed > evidence.expected:
        ratio = evidence.observed / evidence.expected
        # Below one, what is expected is a guess, and a multiple of it says nothing.
        said = f"{times(ratio)} what was expected" if evidence.expected >= 1 else "hardly any were expected"
        yield _factor("+", said, round(ratio, 3))
    elif evidence.expected > 0 and finding.kind in (Kind.DEAD_API, Kind.DATA_QUALITY):
        share = evidence.observed / evidence.expected
        yield _factor("+", f"{1 - share:.0%} of what was expected is missing", round(1 - share, 4))
    for one in cast(list[dict[str, JSON]], card.get("top", [])):
        yield from _of_value(one)
    if facts.get("layer_shares") and finding.layer:
        part = cast(dict[str, float], facts["layer_shares"]).get(finding.layer)
        if part is not None:
            yield _factor("+", f"{part:.0%} of the rise is in the {layer_words(finding.layer)}", part)
    for change in finding.changes[:1]:
        minutes = (finding.start - change.at).total_seconds() / 60
        when = f"{abs(minutes):.0f} min {'before' if minutes >= 0 else 'after'} it began"
        yield _factor("+", f"{change.what} {when if abs(minutes) >= 1 else 'as it began'}", change.score)
    base, due = facts.get("successes"), facts.get("successes_expected")
    if isinstance(base, int | float) and isinstance(due, int | float) and due > 0:
        if base >= 1.3 * due:
            yield _factor("-", f"successes rose, too: {times(base / due)} the usual", round(base / due, 3))
        elif base <= 0.7 * due:
            yield _factor("+", f"successes fell to {base / due:.0%} of the usual", round(base / due, 3))
    causes = facts.get("reject_causes")
    if isinstance(causes, dict) and causes:
        unknown = cast(int, causes.get("unknown", 0)) / max(sum(cast(dict[str, int], causes).values()), 1)
        if unknown > 0.5:
            yield _factor("-", f"for {unknown:.0%} the logs do not say why", round(unknown, 3))
    touched = facts.get("data_quality")
    if isinstance(touched, list) and touched:
        yield _factor("-", "the logs were not whole meanwhile", len(touched))


def _of_value(one: Mapping[str, JSON]) -> Iterator[JSON]:
    """A value that stands out; one that always had its share does not."""
    share, before = cast(float, one["share"]), cast(float, one["share_before"])
    name = _NAMES.get(str(one["dimension"]))
    if (one["dimension"], one["value"]) == ("throttle_scope", "unknown"):
        return  # what the logs do not say is no reason
    if name is not None and share >= MOST and share >= UNUSUAL * before:
        value = _said(str(one["dimension"]), str(one["value"]))
        yield _factor("+", f"{share:.0%} have {name} {value}, {before:.0%} before", share)


def _said(dimension: str, value: str) -> str:
    """A value in words, quoted where it is ours and not the log's."""
    if dimension == "reject_cause":
        return f"“{CAUSES.get(value, value)}”"
    return f"“{SCOPES.get(value, value)}”" if dimension == "throttle_scope" else value


def _factor(sign: str, what: str, value: float) -> JSON:
    return {"sign": sign, "what": what, "value": value}
