"""What detectors and logs say, in words that somebody reads who knows neither: facts, causes, dimensions, odds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from alerts.render.text import plain
from dashboard import words
from detect.saying import CAUSES, SCOPES, times
from gatewatch.records import JSON

DIMENSIONS: Mapping[str, str] = {
    "reject_cause": "Refused because",
    "throttle_scope": "Limit of",
    "client_ip": "IP address",
    "principal": "Principal",
    "api_key_id": "API key",
    "user_agent": "User agent",
    "route": "Route",
    "failed": "Failed because",
}

_GROUPS: Mapping[str, str] = {
    "denied": "access denied",
    "key": "API keys",
    "expired": "expired credentials",
    "authorizer": "failures of the authorizer",
    "waf": "blocked by WAF",
    "probing": "paths that do not exist",
    "application": "logins refused by the back end",
}


def value(dimension: str, text: str, limit: int = 120) -> str:
    """A value of a dimension: a cause in words, anything else as it is."""
    if dimension in ("reject_cause", "failed"):
        return CAUSES.get(text, "any 5xx" if text == "s5xx" else plain(text, limit))
    if dimension == "throttle_scope":
        return SCOPES.get(text, plain(text, limit))
    return plain(text, limit)


def factor(said: str) -> str:
    """A factor of the evidence card as a line of its own."""
    shown = words.spaced(plain(said, 300))
    return shown[:1].upper() + shown[1:]


def _written(shown: Callable[[float], str]) -> Callable[[object], str]:
    """For a number; anything else, and what is no finite number, is text."""

    def write(one: object) -> str:
        if isinstance(one, bool) or not isinstance(one, int | float):
            return text(one)
        try:
            return words.NONE if words.missing(one) else shown(float(one))
        except OverflowError:
            return text(one)

    return write


number = _written(words.count)
share = _written(words.percent)
multiple = _written(times)
millis = _written(words.millis)
minutes = _written(lambda one: words.duration(timedelta(minutes=one)))


def moment(one: object) -> str:
    """A minute since 1970, or an ISO text."""
    try:
        if isinstance(one, int | float):
            return words.at(datetime.fromtimestamp(one * 60, UTC))
        return words.at(datetime.fromisoformat(str(one)))
    except (ValueError, OverflowError, OSError):
        return text(one)


def rises(one: object) -> str:
    return _pairs(one, lambda name: name, lambda value: f"+{words.millis(float(str(value)))}")


def parts(one: object) -> str:
    """Shares by name, the largest first; what has none is left out."""
    return _pairs(one, lambda name: DIMENSIONS.get(name, name).lower(), share)


def causes(one: object) -> str:
    return _pairs(one, lambda name: value("reject_cause", name), number)


def scopes(one: object) -> str:
    return _pairs(one, lambda name: value("throttle_scope", name), number)


def _pairs(one: object, name: Callable[[str], str], shown: Callable[[object], str]) -> str:
    if not isinstance(one, dict):
        return text(one)
    known = [(key, value) for key, value in one.items() if isinstance(value, int | float) and value > 0]
    ranked = sorted(known, key=lambda pair: -float(pair[1]))[:8]
    return ", ".join(f"{plain(name(str(key)), 60)} {shown(value)}" for key, value in ranked) or words.NONE


def entered(one: object) -> str:
    """Who came in, and when: objects of one name and `at`."""
    return _listed(
        one, lambda who: ", ".join(f"{text(name)}" for key, name in who.items() if key != "at"), "at", moment
    )


def networks(one: object) -> str:
    """Whose networks, and how many of the addresses are in each."""

    def name(of: Mapping[str, object]) -> str:
        owner, asn = text(of.get("name")), text(of.get("asn"))
        return asn if of.get("name") is None else f"{owner} ({asn})"

    return _listed(
        one, name, "addresses", lambda n: words.plural(n, "address", "addresses") if isinstance(n, int) else text(n)
    )


def _listed(
    one: object, name: Callable[[Mapping[str, object]], str], field: str, shown: Callable[[object], str]
) -> str:
    if not isinstance(one, list) or not all(isinstance(part, dict) for part in one):
        return text(one)
    said = "; ".join(f"{name(part)}, {shown(part.get(field))}" for part in one[:10])
    return f"{said} and {len(one) - 10} more" if len(one) > 10 else said or words.NONE


def text(one: object) -> str:
    """Any value of a fact."""
    if isinstance(one, bool):
        return "yes" if one else "no"
    if isinstance(one, int | float):
        return words.count(one)
    if isinstance(one, list):
        shown = ", ".join(text(part) for part in one[:10])
        return f"{shown} and {len(one) - 10} more" if len(one) > 10 else shown or words.NONE
    if isinstance(one, dict):
        return ", ".join(f"{plain(name, 60)}: {text(part)}" for name, part in list(one.items())[:10]) or words.NONE
    return plain(one, 200) or words.NONE


Shown = tuple[str, Callable[[object], str]]

FACTS: Mapping[str, Shown] = {
    "peak_per_minute": ("Most in one minute", number),
    "share": ("Share of all requests", share),
    "successes": ("Successful requests meanwhile", number),
    "successes_expected": ("Successful requests usual", number),
    "entered": ("Came in after refusals", entered),
    "distinct_ips": ("IP addresses", number),
    "distinct_principals": ("Principals", number),
    "distinct_api_keys": ("API keys", number),
    "distinct_user_agents": ("User agents", number),
    "top_ip_share": ("From the busiest address", share),
    "top_share": ("From the busiest caller", parts),
    "networks": ("Networks", networks),
    "victims": ("Others who were hit", text),
    "reject_causes": ("Refused because", causes),
    "causes": ("Refused because", causes),
    "scopes": ("Limit of", scopes),
    "group": ("What was refused", lambda one: _GROUPS.get(str(one), text(one))),
    "origin": ("Refused by", lambda one: "the back end" if one == "back end" else f"the {text(one)}"),
    "routes": ("Routes", text),
    "minutes": ("Lasted", minutes),
    "expected_missed": ("Expected, but did not come", number),
    "api_key_id": ("API key", text),
    "longest_gap_expected": ("Longest pause that is usual", minutes),
    "longest_gap_minutes": ("Longest pause so far", minutes),
    "last_call_minute": ("Last call", moment),
    "calls": ("Calls", number),
    "server_errors": ("Server errors", number),
    "in_the_back_end": ("The back end fails", text),
    "created": ("Created", moment),
    "layer_shares": ("The rise is in", parts),
    "most_ms": ("Route that rose most", millis),
    "most_usual_ms": ("That route as a rule", millis),
    "became_normal": ("Has become the new normal", text),
    "verdict": ("Traces say it is", text),
    "traces": ("Traces looked at", number),
    "traces_before": ("Traces from before", number),
    "trace_shares": ("By traces the rise is in", parts),
    "trace_rise_ms": ("By traces slower by", rises),
    "trace_ids": ("Traces", text),
    "coverage": ("Requests that are in the logs", share),
    "missing": ("Requests that are not in the logs", number),
    "connections": ("Only connections are counted", text),
    "usual_minutes": ("Usual delay", minutes),
    "fields": ("Fields that went missing", text),
    "variables": ("Variables that went missing", text),
    "stages": ("Stages", text),
    "standing": ("Settings that still stand", number),
    "actor": ("Made by", text),
    "tool": ("Made with", text),
}
"""Facts that detectors name: label, and how their value is written."""

ELSEWHERE = frozenset({"joined", "scope", "data_quality", "day", "settings", "ratio", "charted"})
"""Facts that stand in another place of the page, or repeat what stands there."""

_QUANTILE = re.compile(r"p(\d{1,2}(?:\.\d)?)_ratio")


def facts(found: Mapping[str, JSON]) -> list[tuple[str, str]]:
    """(label, text) in the order of FACTS; what a detector names that we do not know comes last, under its own name."""
    known = [(FACTS[name][0], FACTS[name][1](found[name])) for name in FACTS if name in found]
    slower = sorted((float(match[1]), name) for name in found if (match := _QUANTILE.fullmatch(name)))
    known += [(f"Slower at p{quantile:g}", multiple(found[name])) for quantile, name in slower]
    rest = [name for name in found if name not in FACTS and name not in ELSEWHERE and not _QUANTILE.fullmatch(name)]
    named = [(plain(name, 60).replace("_", " ").capitalize(), text(found[name])) for name in rest]
    return [(label, said) for label, said in known + named if said not in ("", "0", words.NONE)]


TRANSITIONS: Mapping[str, str] = {
    "new": "Found",
    "worse": "Got worse",
    "changed": "Changed",
    "resolved": "Ended",
    "regressed": "Came back",
    "wake": "Snooze is over",
    "acknowledge": "Acknowledged",
    "unacknowledge": "Acknowledgement taken back",
    "snooze": "Snoozed",
    "unsnooze": "Snooze ended",
    "suppress": "Suppressed",
    "unsuppress": "Shown again",
    "resolve": "Resolved",
    "reopen": "Reopened",
    "assign": "Assigned",
    "comment": "Comment",
    "feedback": "Feedback",
}
"""What became of a finding (finding_events), as its history tells it."""

_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z")


def happened(transition: str) -> str:
    return TRANSITIONS.get(transition) or plain(transition, 30).replace("_", " ").capitalize()


def noted(note: str) -> str:
    """A note of the history, its instants written as everywhere else."""
    said = _ISO.sub(lambda found: moment(found[0]), plain(note, 300))
    for verdict, word in (("true_positive", "it was right"), ("false_positive", "a false alarm")):
        said = said.replace(verdict, word)
    return said.replace("accepted_risk", "accepted risk")
