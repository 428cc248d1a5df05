"""throttling_abuse: requests answered 429 out of line, by whom, and whether the caller or the limit is wrong.

A client that backs off is no abuse: its refusals lie seconds apart, and then there are none for minutes. Where the logs
do not tell the seconds, an alarm waits until the refusals have gone on for some minutes without falling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from detect import codec
from detect.changes import class_of
from detect.episodes import Episode
from detect.model import Block, Context, Step, detector
from detect.policy import budget_of, severity_of
from detect.report import changes_for, finding, number, place, span_words, were_expected
from detect.sight import remember, throttle_blind
from detect.spikes import BY_KEY, Candidate, Group, Spikes
from detect.throttlekinds import first_share, judge
from detect.who import Tally, culprits, distinct, excess, ranked
from gatewatch.records import JSON, Entities, Finding, Kind

GROUPS: tuple[Group, ...] = (
    Group("throttle", ("throttle",), least=6, ratio=1.5, source=25, young=60),
    # What is used up stays so: whoever is refused four times goes on calling.
    Group("quota", ("quota",), least=4, ratio=1.5, source=4, young=60),
)

LIMIT_MOVED = 0.5
"""Score of a change of the limit itself from which the limit is what is wrong, whoever runs into it first."""

WAIT_MINUTES = 4
"""Back-off with doubling waits leaves a sixteenth after so many minutes; for logs that tell no seconds."""

COUNTED = 50
"""More callers than so many are many: not all of them are kept."""


@detector("throttling_abuse")
@dataclass(frozen=True)
class ThrottlingAbuse:
    name: str = "throttling_abuse"

    def start(self) -> JSON:
        return {}

    def step(self, state: JSON, block: Block, context: Context) -> Step:
        known = cast(dict[str, JSON], state or {})
        budget = budget_of(context.settings, self.name)
        spikes = codec.revived(known.get("spikes"), lambda: Spikes(GROUPS, budget, BY_KEY))
        changed = spikes.watched(self.name, context.watch).step(block, waits)
        findings = [_finding(spikes, row, episode, context) for row, episode in changed]
        sight = remember(known.get("sight"), block)
        return {"spikes": codec.kept(spikes, live=context.live), "sight": sight}, findings, throttle_blind(sight)


def waits(candidate: Candidate) -> str | None:
    """Why not to raise it yet: the callers wait before they come back, or it is dying down by itself."""
    now, recent = candidate.now, list(candidate.recent)
    if candidate.usual_now > 0 and candidate.observed - candidate.expected <= 1.5 * candidate.usual_now:
        return "the same caller, at this time of day and no more, as on an earlier day: a job"
    if now.share("reject_cause", "quota") >= 0.5:
        return None
    heard = sum(rhythm.n for rhythm in now.rhythms.values() if rhythm.seconds)
    if heard >= 0.5 * now.total:
        patient = sum(rhythm.n for rhythm in now.rhythms.values() if rhythm.waits(len(recent)))
        return "the callers wait before they come back" if patient >= 0.5 * heard else None
    if len(recent) < WAIT_MINUTES:
        return f"has gone on for {len(recent)} min: waits {WAIT_MINUTES} min for callers that back off"
    if len(recent) >= 10:
        first, second = sum(recent[: len(recent) // 2]), sum(recent[len(recent) // 2 :])
        going_on = second >= 0.25 * first
    else:
        going_on = sum(recent[-2:]) >= max(recent)
    return None if going_on else "it is dying down: callers back off"


def _finding(spikes: Spikes, row: int, episode: Episode, context: Context) -> Finding:
    key = spikes.counting.keys[row]
    group = spikes.groups[key[4] or ""]
    length = max((episode.end or episode.last + 1) - episode.start, 1)
    over = excess(episode.now, episode.before, length, episode.before_minutes)
    changes, likely = changes_for(context, Kind.THROTTLING_ABUSE, key, episode.start)
    base, base_due = float(episode.facts["base"]), float(episode.facts["base_expected"])
    pace = [value or 0.0 for minute, value, *_ in episode.series if (minute or 0) >= episode.start]
    moved = likely and changes[0].score >= LIMIT_MOVED and class_of(changes[0].what) in ("throttle", "plan")
    verdict = judge(over, changed=likely, limit_moved=moved, minutes=length, per_minute=pace)
    who = _who(over, episode.before, verdict.subtype)
    ratio = episode.observed / max(episode.expected, 1.0)
    top = {name: over.top(name) for name in ("api_key_id", "principal", "client_ip")}
    named = next((f"{share:.0%} from {value}" for value, share in top.values() if value and share >= 0.4), None)
    _, callers, _ = first_share(over)
    named = named or (f"from {callers} callers" if 1 < callers <= COUNTED else "from many callers")
    sentence = (
        f"{number(episode.observed)} requests were answered 429 in {span_words(length)} where "
        f"{were_expected(episode.expected)}; {named}."
    )
    victims = [value for value, _ in ranked(over.of("api_key_id")) if value not in who.api_key_ids][:20]
    facts: dict[str, JSON] = {
        "ratio": round(ratio, 2),
        "peak_per_minute": episode.peak,
        "scopes": cast(JSON, dict(sorted(over.of("throttle_scope").items()))),
        "causes": cast(JSON, dict(sorted(over.of("reject_cause").items()))),
        "distinct_ips": distinct(over, "client_ip"),
        "distinct_api_keys": distinct(over, "api_key_id"),
        "top_share": {name: round(share, 3) for name, (_, share) in top.items()},
        "victims": cast(JSON, victims if verdict.subtype == "noisy_neighbour" else []),
        "successes": base,
        "successes_expected": round(base_due, 1),
    }
    return finding(
        Kind.THROTTLING_ABUSE,
        key,
        episode,
        scope=None if group.name == "throttle" else group.name,
        subtype=verdict.subtype,
        severity=severity_of(verdict.severity, ratio=ratio, minutes=length),
        confidence=verdict.confidence,
        title=f"{verdict.title} on {place(key)}",
        cause=verdict.cause,
        entities=who,
        unit="requests answered 429",
        sentence=sentence,
        facts=facts,
        remedy=verdict.remedy,
        changes=changes,
        counts={"reject_causes": group.causes},
    )


def _who(over: Tally, before: Tally, subtype: str) -> Entities:
    """Offenders only: everybody is a victim of a limit that is wrong."""
    return Entities() if subtype == "shared_limit" else culprits(over, before)
