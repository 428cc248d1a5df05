"""latency_outlier: answers slower than this route's own normal, since when, and in which layer.

The layers' mean times add up to the whole, so their rises are shares of it: integration, authorizer, and what the
gateway itself takes. An authorizer's time is ranked by itself, too: the whole may hide it, and a WebSocket API logs no
whole. Answers at the 29-second limit are counted apart: they are timeouts, however few.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from detect import codec
from detect.episodes import Episode
from detect.hidden import hidden
from detect.model import Block, Context, Step, detector
from detect.policy import budget_of, severity_of
from detect.report import changes_for, finding, number, place, span_words, were_expected
from detect.saying import layer_words, times
from detect.sight import latency_blind, remember, stages
from detect.slowness import MOVED
from detect.slowness import step as look
from detect.slowstate import LAYER_PLACES, Slowness
from detect.spikes import Group, Spikes
from gatewatch.records import JSON, Cause, Entities, Finding, Kind, Severity

TIMEOUTS: tuple[Group, ...] = (Group("timeout", (), least=5, ratio=3.0, young=20, columns=("over_28s",)),)

LATENCY_SHARE, AUTHORIZER_SHARE, TIMEOUT_SHARE = 0.6, 0.1, 0.3
"""How the budget is shared between slow answers, authorizers that are slow by themselves, and timeouts."""

BARELY = 1.08
HARDLY = 0.15
"""Rise of the log below which a quantile tells nothing: of two humps one may have moved, between median and p95."""

MUCH_MS = 300.0
"""From which an authorizer that is slow by itself may be of high severity."""

_REMEDY = {
    "integration": "Look at the back end of these routes: its last deployment, its own latency and its downstreams.",
    "authorizer": "Look at the authorizer's latency and cold starts, and raise its cache TTL.",
    "gateway": "Compare with the AWS health dashboard; check WAF, mapping templates and payload sizes.",
    "waf": "Look at the web ACL's last change: rules that inspect bodies or use patterns take the most time.",
}


@detector("latency_outlier")
@dataclass(frozen=True)
class LatencyOutlier:
    name: str = "latency_outlier"

    def start(self) -> JSON:
        return {}

    def step(self, state: JSON, block: Block, context: Context) -> Step:
        known = cast(dict[str, JSON], state or {})
        budget = budget_of(context.settings, self.name)
        slowness = codec.revived(known.get("slowness"), lambda: Slowness(LATENCY_SHARE * budget))
        behind = codec.revived(known.get("authorizers"), lambda: Slowness(AUTHORIZER_SHARE * budget, "authorizer"))
        slowness.watch = behind.watch = context.watch
        timeouts = codec.revived(known.get("timeouts"), lambda: Spikes(TIMEOUTS, TIMEOUT_SHARE * budget))
        sight = remember(known.get("sight"), block)
        seen = dict(stages(sight))
        findings = [
            _slow(one, row, episode, context, seen.get(one.stages[row], frozenset()))
            for one in (slowness, behind)
            for row, episode in look(one, block)
        ]
        timeouts.watched(self.name, context.watch)
        findings += [_timeout(timeouts, row, episode, context) for row, episode in timeouts.step(block, lambda _: None)]
        parts: dict[str, codec.Kept] = {"slowness": slowness, "authorizers": behind, "timeouts": timeouts}
        after = {name: codec.kept(part, live=context.live) for name, part in parts.items()}
        hid = hidden(slowness.routes, slowness.hidden, block.first + block.minutes - 1)
        return {**after, "sight": sight}, findings, [*latency_blind(sight), *hid]


def _slow(slowness: Slowness, row: int, episode: Episode, context: Context, seen: frozenset[str]) -> Finding:
    key = slowness.stages[row]
    facts = episode.facts
    quantiles = {float(name): rise for name, rise in cast(dict[str, list[float]], facts.get("quantiles", {})).items()}
    subtype = _shape(slowness, episode)
    tail = subtype == "tail_only"
    authorizer = slowness.part == "authorizer"
    layer, shares = _layer(cast(list[float], facts["layers"]), seen, tail=tail)
    if authorizer:
        layer = "authorizer"
    minutes = max(int(facts.get("shown", 1)), 1)
    end = episode.end or episode.last + 1
    length = max(end - episode.start, 1)
    # The episode keeps sums over its minutes; a finding shows their mean.
    shown = replace(episode, observed=episode.observed / minutes, expected=episode.expected / minutes)
    share = 0.95 if tail or bool(facts["p95"]) else 0.5  # as in the chart
    if quantiles and (subtype == "bimodal" or quantiles.get(share, [0.0])[0] < HARDLY):
        best = max(rise[0] for rise in quantiles.values())
        share = min(one for one, rise in quantiles.items() if rise[0] >= min(0.5 * best, best))
    if told := quantiles.get(share):
        shown = replace(shown, observed=round(told[1], 3), expected=round(told[2], 3))
    ratio = math.exp(max((rise[0] for rise in quantiles.values()), default=0.0))
    # Of an authorizer that takes 5 ms three times as much is nothing to its callers.
    much = not authorizer or shown.observed - shown.expected >= MUCH_MS
    if layer in {"authorizer", "gateway", "waf"}:
        subtype = layer
    routes = _routes(slowness, facts)
    route = routes[0] if len(routes) == 1 else None
    most = cast(dict[str, list[float]], facts.get("most", {})).get(f"{share:g}") if len(routes) > 1 else None
    figures: dict[str, JSON] = {}
    cause = Cause.UNKNOWN if layer is None else Cause.INTEGRATION if layer == "integration" else Cause.GATEWAY
    quantile = "median" if share == 0.5 else f"p{share * 100:g}"
    where = f"{place(key)} {route}" if route else place(key)
    sentence = (
        f"The {quantile} {'time of the authorizer' if authorizer else 'latency'} was {number(shown.observed)} ms "
        f"over {span_words(length)} where {number(shown.expected)} ms is normal"
        f" ({times(shown.observed / max(shown.expected, 1e-9))})"
        + (_most(slowness, most) if most else "")
        + ("." if authorizer else f"; {_part(layer, shares)}.")
    )
    if most:
        figures["most_ms"], figures["most_usual_ms"] = (round(ms, 3) for ms in most[1:])
    changes, _ = changes_for(context, Kind.LATENCY_OUTLIER, key, episode.start)
    return finding(
        Kind.LATENCY_OUTLIER,
        key,
        shown,
        scope="authorizer latency" if authorizer else "latency",
        subtype=subtype,
        severity=severity_of(_severity(ratio, much), ratio=ratio, minutes=length),
        confidence=0.9 if layer else 0.7,
        title=f"{where} is slow{' in its authorizer' if authorizer else ' in its tail' if tail else ''}",
        cause=cause,
        entities=Entities(),
        unit="ms in the authorizer" if authorizer else "ms",
        sentence=sentence,
        facts={
            "ratio": round(ratio, 3),
            **{f"p{share * 100:g}_ratio": round(math.exp(rise[0]), 3) for share, rise in sorted(quantiles.items())},
            "layer_shares": {name: round(share, 3) for name, share in shares.items()},
            "routes": cast(JSON, routes[:20]),
            **figures,
            "became_normal": bool(facts["new_level"]),
            "charted": "p95" if facts["p95"] else "median",  # of each minute, in the series
        },
        remedy=_REMEDY.get(layer or "", "Log integration and authorizer latency, so that the slow layer can be told."),
        route=route,
        layer=layer,
        caveat=None if layer else "The logs do not split latency into its layers.",
        changes=changes,
        shown={
            "routes": tuple(routes),
            "authorizer_min_ms" if authorizer else "latency_min_ms": round(shown.observed, 3),
        },
    )


def _most(slowness: Slowness, most: list[float]) -> str:
    row, now, usual = most
    route = (slowness.routes[int(row)][4] or "requests without a route")[:80]
    return f", most on {route} ({number(now)} ms, usually {number(usual)} ms)"


def _part(layer: str | None, shares: Mapping[str, float]) -> str:
    return f"{shares[layer]:.0%} of the rise is in the {layer_words(layer)}" if layer else "the layer cannot be told"


def _severity(ratio: float, much: bool) -> Severity:
    """What was over before it mattered is kept for the timeline only. much: for whoever calls."""
    if ratio < BARELY:
        return Severity.INFO
    return Severity.HIGH if ratio >= 3 and much else Severity.MEDIUM


def _shape(slowness: Slowness, episode: Episode) -> str:
    """step, creep, one_route, tail_only, bimodal or load_correlated, by what the values since the onset look like."""
    facts = episode.facts
    rises = {float(name): rise for name, rise in cast(dict[str, float], facts.get("relative", {})).items()}
    share, far = cast(list[float], facts.get("moved", [0.0, 0.0]))
    quiet = rises.get(0.25, 0.0) < 0.15
    still = rises.get(0.5, 0.0) < 0.15
    if quiet and still and (share < 0.08 or far >= 8.0):
        return "tail_only"
    if quiet and 0.08 <= share <= 0.7 and max(rises.values(), default=0.0) >= 1.0:
        return "bimodal"
    if _follows_load(episode):
        return "load_correlated"
    if _creeps(episode):
        return "creep"
    told = {int(row): rise for row, rise in cast(dict[str, float], facts.get("by_route", {})).items()}
    if len(told) >= 2:
        ordered = sorted(told.values(), reverse=True)
        if ordered[0] >= 0.1 and ordered[1] <= 0.35 * ordered[0]:
            return "one_route"
    del slowness
    return "tail_only" if facts["tail"] and still else "step"


def _tenths(episode: Episode) -> tuple[list[float], list[float]]:
    """Mean body scores and calls by ten minutes till it was slow last, where there were enough values."""
    whole = (episode.last - episode.start + 1) // 10
    pairs = zip(episode.facts["thirds"][:whole], episode.facts["load"][:whole], strict=True)
    told = [(body / n, calls) for (n, body), (_, calls) in pairs if n >= 5]
    return [score for score, _ in told], [calls for _, calls in told]


def _creeps(episode: Episode) -> bool:
    """Slower in each third of at least two hours, and less than half of it in the first."""
    scores, _ = _tenths(episode)
    if len(scores) < 12:
        return False
    third = len(scores) // 3
    first, middle, last = (
        sum(part) / len(part) for part in (scores[:third], scores[third : 2 * third], scores[-third:])
    )
    return last > 0 and first < middle < last and first <= 0.5 * last


def _follows_load(episode: Episode) -> bool:
    """Slow when much is called, hardly when little is, over two hours and more."""
    scores, calls = _tenths(episode)
    if len(scores) < 12 or max(calls) < 1.5 * min(calls) or min(scores) == max(scores):
        return False
    third = len(scores) // 3
    by_load = [score for _, score in sorted(zip(calls, scores, strict=True))]
    little, much = sum(by_load[:third]) / third, sum(by_load[-third:]) / third
    return statistics.correlation(scores, calls) >= 0.6 and little <= 0.6 * much


def _layer(rises: list[float], seen: frozenset[str], *, tail: bool) -> tuple[str | None, dict[str, float]]:
    """The layer with most of the rise of its own median (tail: p95), and the shares of the layers that are logged."""
    if seen and "integration_latency_ms" not in seen:
        return None, {}
    told = {
        name: max(rise, 0.0)
        for (name, quantile, *_), rise in zip(LAYER_PLACES, rises, strict=False)
        if quantile == ("p95" if tail else "p50") and math.isfinite(rise)
    }
    total = sum(told.values())
    if total <= 0:
        return None, {}
    shares = {name: rise / total for name, rise in told.items()}
    best = max(shares, key=lambda name: (shares[name], name))
    return (best if shares[best] >= 0.5 else None), shares


def _routes(slowness: Slowness, facts: dict[str, Any]) -> list[str]:
    """Routes that moved most, first those that moved more."""
    told = cast(dict[str, float], facts.get("by_route", {}))
    top = max(told.values(), default=0.0)
    chosen = [row for row, rise in told.items() if rise >= MOVED * top > 0]
    ordered = sorted(chosen, key=lambda row: (-told[row], int(row)))
    return [slowness.routes[int(row)][4] or "" for row in ordered]


def _timeout(timeouts: Spikes, row: int, episode: Episode, context: Context) -> Finding:
    key = timeouts.counting.keys[row]
    length = max((episode.end or episode.last + 1) - episode.start, 1)
    total = episode.observed + float(episode.facts["base"])
    share = episode.observed / max(total, 1.0)
    changes, _ = changes_for(context, Kind.LATENCY_OUTLIER, key, episode.start)
    return finding(
        Kind.LATENCY_OUTLIER,
        key,
        episode,
        scope="timeout",
        subtype="timeout_29s",
        severity=severity_of(Severity.HIGH if share >= 0.05 else Severity.MEDIUM, ratio=3.0, minutes=length),
        confidence=0.9,
        title=f"Requests on {place(key)} run into the 29-second limit",
        cause=Cause.INTEGRATION,
        entities=Entities(),
        unit="requests over 28 s",
        sentence=(
            f"{number(episode.observed)} requests took 28 s or more in {span_words(length)}, {share:.1%} of all, "
            f"where {were_expected(episode.expected)}."
        ),
        facts={"share": round(share, 4), "peak_per_minute": episode.peak},
        remedy="Find what the back end waits for (a lock, a dead downstream), and give its calls a timeout below 29 s.",
        layer="integration",
        changes=changes,
        counts={"latency_min_ms": 28_000.0},
    )
