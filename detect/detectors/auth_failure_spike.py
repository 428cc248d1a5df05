"""auth_failure_spike: refused credentials out of line, and what kind of trouble that is.

Five counts a stage: credentials refused by the gateway, 401/403 of the back end itself, a failing authorizer, WAF
blocks, and probing of unknown paths. Each is judged against its usual odds to the successes and its hour-of-week rate,
so that a crowd that brings its usual share of typing errors is no alarm; a single source is judged by itself as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from detect import codec
from detect.authkinds import GUESSES, Verdict, judge, taken_over
from detect.entered import came_in
from detect.episodes import Episode
from detect.model import Block, Context, Step, detector, minute_at
from detect.policy import budget_of, severity_of
from detect.report import changes_for, finding, number, place, span_words, were_expected
from detect.sight import auth_blind, remember
from detect.spikes import Candidate, Group, Spikes
from detect.unreached import DOUBTFUL, PROBING, decide
from detect.who import ENTITIES, Tally, culprits, distinct, excess
from gatewatch.records import AUTH_CAUSES, JSON, Cause, Entities, Finding, Kind, iso

GROUPS: tuple[Group, ...] = (
    Group("missing", ("missing_credential", "malformed_credential"), least=8, source=15),
    Group("expired", ("expired_credential",), least=8, source=15),
    Group("signature", ("bad_signature",), least=8, source=15),
    Group("key", ("unknown_key", "disabled_key"), least=8, source=15),
    Group("denied", ("authorizer_deny",), least=8, source=15, lasting=True, door=True),
    Group("policy", ("policy_deny", "wrong_scope", "mtls_failure"), least=8, source=15),
    Group("unknown", ("unknown",), least=8, source=15, lasting=True, door=True),
    Group("application", ("backend_refused",), least=10, source=15, lasting=True, door=True),
    Group("authorizer", ("authorizer_error", "authorizer_timeout"), least=4, young=20),
    Group("waf", ("waf_block",), least=8, ratio=2.0, young=200),
    Group("probing", (PROBING,), least=150, ratio=3.0, source=200, young=400, callers=0),
)
assert {cause for group in GROUPS for cause in group.causes} >= AUTH_CAUSES

WAVE_MINUTES = 20
"""Tokens that were issued together expire together; clients that refresh are done by then."""


@detector("auth_failure_spike")
@dataclass(frozen=True)
class AuthFailureSpike:
    name: str = "auth_failure_spike"

    def start(self) -> JSON:
        return {}

    def step(self, state: JSON, block: Block, context: Context) -> Step:
        known = cast(dict[str, JSON], state or {})
        spikes = codec.revived(known.get("spikes"), lambda: Spikes(GROUPS, budget_of(context.settings, self.name)))
        told = decide(block, known.get("routes"))
        changed = spikes.watched(self.name, context.watch).step(block, waits, told)
        findings = [_finding(spikes, row, episode, context) for row, episode in changed]
        sight = remember(known.get("sight"), block)
        after = {"spikes": codec.kept(spikes, live=context.live), "sight": sight, "routes": told.dump()}
        return after, findings, auth_blind(sight)


def waits(candidate: Candidate) -> str | None:
    """Why it is not worth raising yet: benign waves are waited out."""
    now, length = candidate.now, candidate.minute - candidate.start + 1
    over = excess(now, candidate.before, length, candidate.before_minutes)
    if candidate.group.name in {"authorizer", "waf", "probing"}:
        return None
    clients = max(distinct(over, "client_ip"), distinct(over, "principal"), distinct(over, "api_key_id"))
    tries = over.total / max(clients, 1)
    concentrated = max(over.top("client_ip")[1], over.top("principal")[1]) >= 0.3
    expired = over.share("reject_cause", "expired_credential") >= 0.6
    if expired and candidate.source is None and clients >= 5 and tries <= 4 and not concentrated:
        # Still going on at the usual pace, when those that refresh should be done.
        late = list(candidate.recent)[-8:]
        usual = candidate.expected / length
        if length > WAVE_MINUTES and sum(late) - 8 * usual >= 2 * (candidate.observed / length - usual):
            return None
        return f"tokens that expired together, a few tries each: waits {WAVE_MINUTES} min for those that refresh"
    if _people_behind_one_address(candidate, over):
        return "many people behind one address: many agents, a few tries a name"
    if concentrated or clients < 10 or candidate.source is not None or not _came_along(candidate, over, tries):
        return None
    return "newcomers of whom some fail: successes rose with the refusals"


def _came_along(candidate: Candidate, over: Tally, tries: float) -> bool:
    """Many newcomers, of whom some fail now and then: the failures are a small part of what came."""
    newcomers = candidate.base - candidate.base_expected
    more = candidate.observed - candidate.expected
    if candidate.base < 1.3 * candidate.base_expected or over.top("user_agent")[1] >= 0.7:
        return False
    return newcomers > (4 if tries <= 3 else 10) * more


def _people_behind_one_address(candidate: Candidate, over: Tally) -> bool:
    """Many names, each with a few tries, from one address but with browsers of their own: an office, not a spray."""
    top, share = over.top("client_ip")
    if top is None or share < 0.4:
        return False
    prefix = f"{top}\x1f"
    agents = [pair for pair in candidate.now.of("client_ip|user_agent") if pair.startswith(prefix)]
    names = [n for pair, n in candidate.now.of("client_ip|principal").items() if pair.startswith(prefix)]
    if names and max(names) > 12:
        return False
    return len(agents) >= max(5, 0.15 * (len(names) or 20))


def _finding(spikes: Spikes, row: int, episode: Episode, context: Context) -> Finding:
    key = spikes.counting.keys[row]
    group = key[4] or ""
    end = episode.end or episode.last + 1
    length = max(end - episode.start, 1)
    over = excess(episode.now, episode.before, length, episode.before_minutes)
    sources, day = episode.facts.get("only"), episode.facts.get("day")
    if sources is not None:
        # One source under a hum of others: they are not part of it.
        over = episode.now
    changes, _ = changes_for(context, Kind.AUTH_FAILURE_SPIKE, key, episode.start)
    base, base_due = float(episode.facts["base"]), float(episode.facts["base_expected"])
    verdict: Verdict = judge(
        group,
        over,
        change=changes[0].score if changes else 0.0,
        base=base,
        base_expected=base_due,
        day=None if day is None else (day["refused"], len(day["names"])),
    )
    opened = _opened(episode, over)
    if taken := bool(opened) and verdict.subtype in GUESSES:
        verdict = taken_over(verdict)
    who = culprits(over, episode.before) if verdict.cause is Cause.CLIENT else _keys_of(over, verdict.subtype)
    if day is not None and verdict.cause is Cause.CLIENT:
        who = _lasting(who, day)
    ratio = episode.observed / max(episode.expected, 1.0)
    addresses, names = distinct(over, "client_ip"), distinct(over, "principal")
    top_ip, top_share = over.top("client_ip")
    sentence = (
        f"{number(episode.observed)} {verdict.what} in {span_words(length)} where "
        f"{were_expected(episode.expected)}; {addresses:,} {'address' if addresses == 1 else 'addresses'}"
        + (f", {top_share:.0%} from {top_ip}" if top_ip and top_share >= 0.2 else "")
        + (f", {names:,} {'principal' if names == 1 else 'principals'}" if names else "")
        + (came_in(opened) if taken else "")
        + "."
    )
    causes = dict(sorted(over.of("reject_cause").items()))
    facts: dict[str, JSON] = {
        "group": group,
        "origin": "back end" if group == "application" else "gateway",
        "ratio": round(ratio, 2),
        "peak_per_minute": episode.peak,
        "distinct_ips": addresses,
        "distinct_principals": names,
        "distinct_api_keys": distinct(over, "api_key_id"),
        "distinct_user_agents": distinct(over, "user_agent"),
        "top_ip_share": round(top_share, 3),
        "reject_causes": cast(JSON, causes),
        "successes": base,
        "successes_expected": round(base_due, 1),
        "routes": cast(JSON, [name for name, _ in sorted(over.of("route").items(), key=lambda i: (-i[1], i[0]))[:5]]),
    }
    if day is not None:
        facts["day"] = {
            "sources": day["sources"],
            "refused": day["refused"],
            "distinct_principals": len(day["names"]),
            "since": iso(minute_at(day["since"])),
        }
    if opened:
        facts["entered"] = cast(JSON, [{kind: name, "at": iso(minute_at(at))} for name, kind, at in opened[:ENTITIES]])
    unknown = over.share("reject_cause", "unknown")
    return finding(
        Kind.AUTH_FAILURE_SPIKE,
        key,
        episode,
        scope=group,
        subtype=verdict.subtype,
        severity=severity_of(verdict.severity, ratio=ratio, minutes=length),
        confidence=verdict.confidence * (0.7 if unknown > 0.5 else 1.0),
        title=f"{verdict.title} on {place(key)}",
        cause=verdict.cause,
        entities=who,
        unit="refused requests",
        sentence=sentence,
        facts=facts,
        remedy=verdict.remedy,
        caveat="The logs do not say why requests were refused; the cause is inferred." if unknown > 0.5 else None,
        changes=changes,
        counts=_counts(spikes.groups[group], episode),
        shown=_shown(group, None if sources is None else sources[0]),
    )


def _opened(episode: Episode, over: Tally) -> list[tuple[str, str, int]]:
    """Who came in after its refusals (who, as what it is known, minute): addresses only with a tool of the attack."""
    found: dict[str, list[Any]] = episode.facts.get("entered", {})
    tools = {agent for agent, n in over.of("user_agent").items() if n >= 0.2 * over.total}
    tools = {agent for agent in tools if episode.before.share("user_agent", agent) < 0.1}
    used = {pair.split("\x1f")[0] for pair in over.of("client_ip|user_agent") if pair.split("\x1f")[1] in tools}
    # Of a caller that was refused now and then before, too, what it had then is no guess.
    used = {name for name in used if not _regular(episode, name)}
    tries = {name: n for name, n in over.of("client_ip").items() if not _regular(episode, name)}
    listed = [
        (name, str(kind), int(at))
        for name, (kind, at) in found.items()
        if kind == "principal" or name in used or tries.get(name, 0) >= SURELY_NO_OWNER
    ]
    return sorted(listed, key=lambda one: (one[2], one[0]))


def _regular(episode: Episode, address: str) -> bool:
    """Was it refused before the episode as often as a fifth of what it is in it, minute for minute?"""
    length = max((episode.end or episode.last + 1) - episode.start, 1)
    before = episode.before.of("client_ip").get(address, 0) * length / max(episode.before_minutes, 1)
    return before > 0.2 * episode.now.of("client_ip").get(address, 0)


SURELY_NO_OWNER = 8
"""Refusals of an address without a tool of its own, from which whoever comes in then has not mistyped."""

MOST_ROUTES = 50


def _counts(group: Group, episode: Episode) -> dict[str, Any] | None:
    """Which requests were counted, where it can be said: refusals on routes that never answered are probing instead."""
    if group.name == "probing":
        return None
    picked: dict[str, Any] = {"reject_causes": group.causes}
    routes = tuple(sorted(episode.now.of("route")))
    if set(group.causes) & set(DOUBTFUL) and 0 < len(routes) <= MOST_ROUTES:
        picked["routes"] = routes
    return picked


def _shown(group: str, source: str | None) -> dict[str, Any] | None:
    """The requests that are shown: of a lone source only its own, of probing whatever may be it."""
    if group == "probing":
        return {"reject_causes": (PROBING, *DOUBTFUL)}
    return None if source is None else {"caller": source}


def _keys_of(over: Tally, subtype: str) -> Entities:
    """Callers that are locked out are no culprits; but which key stopped working is what the finding is about."""
    key, share = over.top("api_key_id")
    named = key is not None and share >= 0.8 and subtype == "misconfiguration"
    return Entities(api_key_ids=(key,)) if named and key is not None else Entities()


def _lasting(who: Entities, day: Mapping[str, Any]) -> Entities:
    """With those that were at it for hours, and the names that they tried."""
    return replace(
        who,
        ips=tuple(dict.fromkeys([*day["sources"], *who.ips]))[:ENTITIES],
        principals=tuple(dict.fromkeys([*who.principals, *day["names"]]))[:ENTITIES],
    )
