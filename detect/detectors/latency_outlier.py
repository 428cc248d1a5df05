"""latency_outlier: answers slower than this route's own normal, since when, and in which layer.

The layers' mean times add up to the whole, so their rises are shares of it: integration, authorizer, and what the
gateway itself takes. Answers at the 29-second limit are counted apart: they are timeouts, however few.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, cast

from detect.episodes import Episode
from detect.model import Block, Context, Step, detector
from detect.policy import budget_of, severity_of
from detect.report import changes_for, finding, number, place, span_words
from detect.sight import latency_blind, remember, stages
from detect.slowness import step as look
from detect.slowstate import PARTS, QUANTILES, Slowness
from detect.spikes import Group, Spikes
from gatewatch.records import JSON, Cause, Entities, Finding, Kind, Severity

TIMEOUTS: tuple[Group, ...] = (Group("timeout", (), least=5, ratio=3.0, young=20, columns=("over_28s",)),)

LATENCY_SHARE = 0.7
"""How the budget is shared between slow answers and timeouts."""

BARELY = 1.08

_REMEDY = {
    "integration": "Look at the back end of these routes: its last deployment, its own latency and its downstreams.",
    "authorizer": "Look at the authorizer's latency and cold starts, and raise its cache TTL.",
    "gateway": "Compare with the AWS health dashboard; check WAF, mapping templates and payload sizes.",
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
        slowness = Slowness(LATENCY_SHARE * budget)
        slowness.load(known.get("slowness"))
        timeouts = Spikes(TIMEOUTS, (1.0 - LATENCY_SHARE) * budget)
        timeouts.load(known.get("timeouts"))
        sight = remember(known.get("sight"), block)
        seen = dict(stages(sight))
        findings = [
            _slow(slowness, row, episode, context, seen.get(slowness.stages[row], frozenset()))
            for row, episode in look(slowness, block)
        ]
        findings += [_timeout(timeouts, row, episode, context) for row, episode in timeouts.step(block, lambda _: True)]
        after: JSON = {"slowness": slowness.dump(), "timeouts": timeouts.dump(), "sight": sight}
        return after, findings, latency_blind(sight)


def _slow(slowness: Slowness, row: int, episode: Episode, context: Context, seen: frozenset[str]) -> Finding:
    key = slowness.stages[row]
    facts = episode.facts
    rises = {name: _ratio(facts[name]) for name in QUANTILES}
    tail = bool(facts["tail"]) or rises["p50"] < 0.35 * rises["p95"]
    layer, shares = _layer(cast(list[float], facts["parts"]), cast(list[float], facts["usual"]), seen)
    minutes = max(int(facts.get("minutes", 1)), 1)
    end = episode.end or episode.last + 1
    length = max(end - episode.start, 1)
    # The episode keeps sums over its minutes; a finding shows their mean.
    shown = replace(episode, observed=episode.observed / minutes, expected=episode.expected / minutes)
    ratio = shown.observed / max(shown.expected, 0.1)
    subtype = "tail_only" if tail else "creep" if _creeps(facts) else "step"
    if layer in {"authorizer", "gateway"}:
        subtype = layer
    routes = _routes(slowness, facts)
    route = routes[0] if len(routes) == 1 else None
    cause = {"integration": Cause.INTEGRATION, "authorizer": Cause.GATEWAY, "gateway": Cause.GATEWAY}.get(
        layer or "", Cause.UNKNOWN
    )
    quantile = "p95" if tail else "median"
    where = f"{place(key)} {route}" if route else place(key)
    sentence = (
        f"The {quantile} latency was {number(shown.observed)} ms over {span_words(length)} where "
        f"{number(shown.expected)} ms is normal"
        + (f"; {shares[layer]:.0%} of the rise is in the {layer}." if layer else "; the layer cannot be told.")
    )
    changes, _ = changes_for(context, Kind.LATENCY_OUTLIER, key, episode.start)
    return finding(
        Kind.LATENCY_OUTLIER,
        key,
        shown,
        scope="latency",
        subtype=subtype,
        severity=severity_of(_severity(ratio), ratio=ratio, minutes=length),
        confidence=0.9 if layer else 0.7,
        title=f"{where} is slow" + (" in its tail" if tail else ""),
        cause=cause,
        entities=Entities(),
        unit="ms",
        sentence=sentence,
        facts={
            "ratio": round(ratio, 3),
            "p50_ratio": round(math.exp(rises["p50"]), 3),
            "p95_ratio": round(math.exp(rises["p95"]), 3),
            "layer_shares": {name: round(share, 3) for name, share in shares.items()},
            "routes": cast(JSON, routes[:20]),
            "became_normal": bool(facts["new_level"]),
        },
        remedy=_REMEDY.get(layer or "", "Log integration and authorizer latency, so that the slow layer can be told."),
        route=route,
        layer=layer,
        caveat=None if layer else "The logs do not split latency into its layers.",
        changes=changes,
        shown={"routes": tuple(routes), "latency_min_ms": round(shown.observed, 3)},
    )


def _severity(ratio: float) -> Severity:
    """What was over before it mattered is kept for the timeline only."""
    if ratio < BARELY:
        return Severity.INFO
    return Severity.HIGH if ratio >= 3 else Severity.MEDIUM


def _creeps(facts: dict[str, Any]) -> bool:
    """Halfway there an hour before it was noticed, and still rising after."""
    growing = _ratio(facts["p50"]) >= 1.15 * _ratio(facts["early"]) or int(facts.get("minutes", 0)) < 90
    return bool(facts["crept"]) and growing


def _ratio(sums: list[float]) -> float:
    return sums[0] / sums[1] if sums[1] > 0 else 0.0


def _layer(now: list[float], usual: list[float], seen: frozenset[str]) -> tuple[str | None, dict[str, float]]:
    """The layer with most of the rise of the mean, and the shares of the layers that are logged."""
    if seen and "integration_latency_ms" not in seen:
        return None, {}
    rises: dict[str, float] = {}
    for at, name in enumerate(PARTS):
        us, n = now[2 * at], now[2 * at + 1]
        before, times = usual[2 * at], usual[2 * at + 1]
        if n > 0 and times > 0:
            rises[name] = max(us / n - before / times, 0.0)
    total = sum(rises.values())
    if total <= 0:
        return None, {}
    shares = {name: rise / total for name, rise in rises.items()}
    best = max(shares, key=lambda name: (shares[name], name))
    return (best if shares[best] >= 0.5 else None), shares


def _routes(slowness: Slowness, facts: dict[str, Any]) -> list[str]:
    """Routes that are slow: those that were out of line by themselves, else those with most of the rise."""
    rises = cast(dict[str, list[float]], facts["rise"])
    by = {row: _ratio(sums[:2]) for row, sums in rises.items()}
    top = max(by.values(), default=0.0)
    hot = [row for row, sums in rises.items() if sums[2] > 0 and by[row] >= 0.3 * top]
    chosen = hot or [row for row, rise in by.items() if rise >= 0.5 * top > 0]
    ordered = sorted(chosen, key=lambda row: (-by[row], int(row)))
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
            f"where {number(episode.expected)} were expected."
        ),
        facts={"share": round(share, 4), "peak_per_minute": episode.peak},
        remedy="Find what the back end waits for (a lock, a dead downstream), and give its calls a timeout below 29 s.",
        layer="integration",
        changes=changes,
        counts={"latency_min_ms": 28_000.0},
    )
