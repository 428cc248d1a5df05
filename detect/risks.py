"""Which new value of a setting is a risk, how bad, and in which words; everything else is a change like any other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, TypeAlias

from detect.configuration import EVERY_METHOD, Unknown, Value
from gatewatch.records import Severity

SURE, UNSURE = 0.95, 0.6
MUCH = 10.0
"""Times the old limit from which a raised one is as good as none."""


Before: TypeAlias = "Value | Unknown"
"""UNKNOWN: nobody told what it was."""


@dataclass(frozen=True, slots=True)
class Risk:
    """confidence: less where the value before is not known."""

    subtype: str
    severity: Severity
    confidence: float = SURE


def risk_of(what: str, before: Before, after: Value, *, made: bool = False) -> Risk | None:
    """The risk of a setting that became `after`; None: none, or the same as before.

    made: by a call that makes something, which takes nothing away.
    """
    if not isinstance(before, Unknown) and before == after:
        return None
    known = SURE if not isinstance(before, Unknown) else UNSURE
    if what == "auth":
        if after != "NONE" or before is None or (made and isinstance(before, Unknown)):
            return None
        return Risk("authorizer_removed", Severity.HIGH, known)
    if what == "authorizer":
        return Risk("authorizer_removed", Severity.MEDIUM, UNSURE) if after is None else None
    if what == "waf":
        return Risk("waf_detached", Severity.HIGH, known) if not after and not _empty(before) else None
    if what in ("rate", "burst", "plan_rate", "plan_burst", "plan_quota"):
        return _raised(before, after)
    if what == "access_log":
        return Risk("logging_off", Severity.MEDIUM, known) if not after and not _empty(before) else None
    if what == "log_level":
        return Risk("logging_off", Severity.LOW, known) if after == "OFF" and not _empty(before) else None
    if what == "tracing":
        return Risk("tracing_off", Severity.LOW, known) if after == "off" and before is not None else None
    if what == "policy":
        return _widened(before, after)
    if what in ("stage", "api") and after is None:
        return Risk(f"{what}_deleted", Severity.MEDIUM)
    return None


def words(what: str, name: str, before: Before, after: Value) -> str:
    """What happened, for a list: `authorization of GET /pets: CUSTOM -> NONE`."""
    title = _TITLES.get(what, what)
    of = "" if not name or name == EVERY_METHOD else f" of {name}"
    return f"{title}{of}: {shown(before)} -> {shown(after)}"


def shown(value: Before) -> str:
    """A value as a person reads it."""
    if isinstance(value, Unknown):
        return "(not known)"
    if value is None or value == "":
        return "(none)"
    if isinstance(value, float):
        return f"{value:,.10g}"
    return value if len(value) <= 120 else f"{value[:117]}..."


_TITLES: Mapping[str, str] = {
    "auth": "authorization",
    "authorizer": "authorizer",
    "waf": "web ACL",
    "rate": "requests a second",
    "burst": "burst",
    "plan_rate": "requests a second",
    "plan_burst": "burst",
    "plan_quota": "quota",
    "access_log": "access log",
    "log_level": "execution log",
    "tracing": "X-Ray tracing",
    "policy": "resource policy",
    "stage": "stage",
    "api": "API",
}


def _empty(before: Before) -> bool:
    return before is None or before in ("", "OFF")


def _raised(before: Before, after: Value) -> Risk | None:
    """Higher, or taken away. Without the limit before nobody can say that it rose."""
    if not isinstance(before, float):
        return None
    if not isinstance(after, float) or after >= MUCH * before:
        return Risk("throttle_raised", Severity.HIGH)
    if after <= before:
        return None
    return Risk("throttle_raised", Severity.MEDIUM if after >= 2 * before else Severity.LOW)


def _widened(before: Before, after: Value) -> Risk | None:
    """Does the new policy let in somebody who was kept out?"""
    new = _statements(after)
    if isinstance(before, Unknown):
        return Risk("policy_widened", Severity.MEDIUM, UNSURE) if any(_open(one) for one in new) else None
    old = _statements(before)
    if old and not new:
        return Risk("policy_widened", Severity.HIGH)
    if not old:
        return None  # a first policy narrows
    added = [one for one in new if one["Effect"] == "Allow" and one not in old]
    gone = [one for one in old if one["Effect"] == "Deny" and one not in new]
    mine = [one for one in old if one["Effect"] == "Allow"]
    if any(_open(one) for one in added) and not any(_open(one) for one in mine):
        return Risk("policy_widened", Severity.HIGH)
    known = {who for one in mine for who in one["who"]}
    if any(set(one["who"]) - known for one in added) or _more_addresses(mine, added):
        return Risk("policy_widened", Severity.MEDIUM)
    left = [one for one in new if one["Effect"] == "Deny" and one not in old]
    if gone and (len(left) < len(gone) or _more_addresses(gone, left)):
        return Risk("policy_widened", Severity.HIGH)
    return None


def _statements(policy: Value) -> list[dict[str, Any]]:
    """Effect, who, condition and the rest of each statement; none of what is no policy."""
    try:
        document = json.loads(policy) if isinstance(policy, str) and policy else {}
    except ValueError:
        return []
    listed = document.get("Statement") if isinstance(document, dict) else None
    listed = listed if isinstance(listed, list) else [listed]
    return [
        {
            "Effect": one.get("Effect"),
            "who": sorted(_who(one.get("Principal"))),
            "when": one.get("Condition") or {},
            "rest": [_texts(one.get(name)) for name in ("Action", "Resource", "NotPrincipal", "NotAction")],
        }
        for one in listed
        if isinstance(one, dict)
    ]


def _who(principal: Any) -> list[str]:
    if isinstance(principal, dict):
        return [who for inner in principal.values() for who in _texts(inner)]
    return _texts(principal)


def _texts(value: Any) -> list[str]:
    return sorted(str(one) for one in value) if isinstance(value, list) else [] if value is None else [str(value)]


def _open(statement: Mapping[str, Any]) -> bool:
    """Is everybody allowed, whatever they come from?"""
    return statement["Effect"] == "Allow" and "*" in statement["who"] and not statement["when"]


def _more_addresses(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> bool:
    """Do the new statements name networks that lie in none of the old ones?"""
    mine, now = ([net for one in side for net in _networks(one["when"])] for side in (old, new))
    if not mine or not now:
        return False
    return any(not any(net.version == one.version and net.subnet_of(one) for one in mine) for net in now)


def _networks(condition: Mapping[str, Any]) -> list[Any]:
    out = []
    for tests in condition.values():
        for key, values in tests.items() if isinstance(tests, dict) else ():
            if str(key).lower() in ("aws:sourceip", "aws:vpcsourceip"):
                for text in _texts(values):
                    try:
                        out.append(ip_network(text, strict=False))
                    except ValueError:
                        continue
    return out
