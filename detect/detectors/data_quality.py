"""data_quality: the logs themselves are not whole, late or poorer than they were; what else is said rests on them.

coverage_low: fewer lines than CloudWatch counted requests. delivery_gap: no source delivered anything. delivery_lag:
lines come much later than usual. fields_lost: the lines of a stage lack what they used to tell. The first needs
`Count` metrics; the others only hint, and are kept for the timeline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from detect import codec
from detect.coverage import Coverage
from detect.episodes import Episode
from detect.grid import Key
from detect.model import Block, Context, Step, detector
from detect.quality import Fields, Gaps, Lag, columns_of
from detect.report import changes_for, finding, number, place, span_words
from detect.sight import VARIABLES, blind
from gatewatch.records import JSON, Blind, Cause, Entities, Finding, Kind, Severity

EVERYWHERE = "(all)"
"""The API of a finding about all that is delivered."""


@detector("data_quality")
@dataclass(frozen=True)
class DataQuality:
    name: str = "data_quality"

    def start(self) -> JSON:
        return {}

    def step(self, state: JSON, block: Block, context: Context) -> Step:
        known = cast(dict[str, JSON], state or {})
        coverage, lag = codec.revived(known.get("coverage"), Coverage), codec.revived(known.get("lag"), Lag)
        fields, gaps = codec.revived(known.get("fields"), Fields), codec.revived(known.get("gaps"), Gaps)
        found = [_low(key, episode, context) for key, episode in coverage.step(block, context)]
        found += [_late(key, episode) for key, episode in lag.step(block)]
        found += [_poorer(key, episode, context) for key, episode in fields.step(block)]
        found += [_gap(episode) for episode in gaps.step(block)]
        parts: dict[str, codec.Kept] = {"coverage": coverage, "lag": lag, "fields": fields, "gaps": gaps}
        after = {name: codec.kept(part, live=context.live) for name, part in parts.items()}
        return after, found, _blind(coverage, context)


def _blind(coverage: Coverage, context: Context) -> list[Blind]:
    """With metrics: the stages whose requests no series counts, or of whose connections no line tells."""
    if context.metrics is None:
        return []
    reasons = {
        "coverage is unknown: no Count or ConnectCount series is this stage's (REST APIs need --inventory for their "
        "names)": coverage.lost,
        "coverage is unknown: no line of a new connection came yet (needs $context.routeKey)": coverage.untold,
    }
    return [blind(Kind.DATA_QUALITY, key, reason, ()) for reason, keys in reasons.items() for key in keys]


def _length(episode: Episode) -> int:
    return max((episode.end or episode.last + 1) - episode.start, 1)


def _low(key: Key, episode: Episode, context: Context) -> Finding:
    share = episode.observed / max(episode.expected, 1.0)
    changes, likely = changes_for(context, Kind.DATA_QUALITY, key, episode.start)
    members = cast(list[JSON], episode.facts["members"])
    what = "connections" if episode.facts.get("connections") else "requests"
    return finding(
        Kind.DATA_QUALITY,
        key,
        episode,
        scope="coverage",
        subtype="coverage_low",
        severity=Severity.HIGH if share < 0.1 else Severity.MEDIUM,
        confidence=0.95,
        title=f"{place(key)}: {1 - share:.0%} of the {what} are not in the logs",
        cause=Cause.CONFIG_CHANGE if likely else Cause.UNKNOWN,
        entities=Entities(),
        unit="log lines",
        sentence=f"{number(episode.observed)} lines in {span_words(_length(episode))} where CloudWatch counted "
        f"{number(episode.expected)} {what}.",
        facts={
            "coverage": round(share, 4),
            "missing": episode.expected - episode.observed,
            "stages": members,
            "connections": what == "connections",
        },
        remedy="Look at the stage's access-log settings, the delivery stream's errors and quotas, and whether all of "
        "its files were read.",
        changes=changes,
        counts={},
    )


def _late(key: Key, episode: Episode) -> Finding:
    return finding(
        Kind.DATA_QUALITY,
        key,
        episode,
        scope="lag",
        subtype="delivery_lag",
        severity=Severity.INFO,
        confidence=0.9,
        title=f"{place(key)}: log lines come late",
        cause=Cause.UNKNOWN,
        entities=Entities(),
        unit="minutes late",
        sentence=f"Lines came up to {number(episode.observed)} min after their requests, for "
        f"{span_words(_length(episode))}; {number(episode.expected)} min is usual.",
        facts={"usual_minutes": episode.expected},
        remedy="Look at the delivery stream's freshness and throttling; what was judged meanwhile is amended when "
        "the lines come.",
    )


def _poorer(key: Key, episode: Episode, context: Context) -> Finding:
    lost = columns_of(int(episode.facts["mask"]))
    variables = [VARIABLES[name] for name in lost if name in VARIABLES]
    changes, likely = changes_for(context, Kind.DATA_QUALITY, key, episode.start)
    return finding(
        Kind.DATA_QUALITY,
        key,
        episode,
        scope="fields",
        subtype="fields_lost",
        severity=Severity.LOW,
        confidence=0.9,
        title=f"{place(key)}: the log lines tell less than they did",
        cause=Cause.CONFIG_CHANGE if likely else Cause.UNKNOWN,
        entities=Entities(),
        unit="requests without them",
        sentence=f"{number(episode.observed)} requests in {span_words(_length(episode))} were logged without "
        f"{', '.join(variables)}, which nearly every line had before.",
        facts={"fields": cast(JSON, lost), "variables": cast(JSON, variables)},
        remedy="Put these variables back into the stage's access-log format: without them detectors are blind.",
        changes=changes,
        counts={},
    )


def _gap(episode: Episode) -> Finding:
    stages: set[Key] = {tuple(key) for key in episode.facts["keys"]}
    apis: set[Key] = {key[:3] for key in stages}
    # What there is only one of, is named.
    api = next(iter(apis)) if len(apis) == 1 else (None, None, EVERYWHERE)
    stage = next(iter(stages))[3] if len(stages) == 1 else None
    key: Key = (*api, stage)
    return finding(
        Kind.DATA_QUALITY,
        key,
        episode,
        scope="gap",
        subtype="delivery_gap",
        severity=Severity.INFO,
        confidence=0.7,
        title="No logs from any source" if len(apis) > 1 else f"{place(key)}: no logs",
        cause=Cause.UNKNOWN,
        entities=Entities(),
        unit="log lines",
        sentence=f"For {span_words(_length(episode))} no source delivered a line where about "
        f"{number(episode.expected)} were expected.",
        facts={"stages": len(stages)},
        remedy="Look for the missing files; with Count metrics it can be told whether there were requests meanwhile.",
        caveat="A stop of all traffic looks the same in the logs.",
        counts={},
    )
