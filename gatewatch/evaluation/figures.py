"""Counts and shares of judged incidents and findings, over one world or several."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gatewatch.evaluation.claims import Claim
from gatewatch.evaluation.labels import Incident
from gatewatch.evaluation.match import ALARMS, FALSE, Fate, Judgement, Outcome
from gatewatch.evaluation.people import ABOUT, WHO, named
from gatewatch.evaluation.rates import Rate, poisson_rate, share_interval
from gatewatch.records import Kind


@dataclass(frozen=True, slots=True)
class Group:
    """Incidents alike in something. Shares are of 1; NaN where there is nothing to count. Delays in minutes.

    subtype, cause, layer: right among the found ones that have one to tell (layer: latency only). precision,
    culprit_recall, f1, top: culprits, mean over found incidents with somebody to name. blamed: found ones with nobody
    to name where somebody was named. findings: findings an incident found; single: share of found ones with exactly
    one. flooded: missed only because of a flood.
    """

    incidents: int
    found: int
    recall: float
    recall_low: float
    recall_high: float
    delay_median: float
    delay_p90: float
    subtype: float
    cause: float
    layer: float
    culprits: int
    precision: float
    culprit_recall: float
    f1: float
    top: float
    blamed: float
    findings: float
    single: float
    flooded: int


@dataclass(frozen=True, slots=True)
class Figures:
    """precision: share of the alarms that touch an incident. by: dimension -> value -> group."""

    everything: Group
    by: dict[str, dict[str, Group]]
    alarms: int
    precision: float
    false_alarms: Rate
    false_by_kind: dict[str, Rate]
    fates: dict[str, int]
    entities: dict[str, tuple[int, float, float]]
    benign: dict[str, tuple[int, int]]
    benign_windows: int
    benign_alarmed: int
    other_kinds: dict[str, int]


DIMENSIONS: dict[str, Callable[[Incident], str]] = {
    "kind": lambda one: one.kind,
    "level": lambda one: one.level,
    "traffic": lambda one: one.traffic or "not said",
    "subtype": lambda one: f"{one.kind}/{one.subtypes[0]}",
    "scenario": lambda one: one.scenario or "not said",
    "scenario and level": lambda one: f"{one.scenario or 'not said'} {one.level}",
}


def figures(judgements: Sequence[Judgement]) -> Figures:
    """All worlds together."""
    pairs = [(outcome, judgement.claims) for judgement in judgements for outcome in judgement.outcomes]
    fates = Counter(fate for judgement in judgements for fate in judgement.fates)
    alarms = sum(fates[fate] for fate in ALARMS)
    false = sum(fates[fate] for fate in FALSE)
    weeks = sum(judgement.labels.api_weeks for judgement in judgements)
    by: dict[str, dict[str, Group]] = {}
    for name, value_of in DIMENSIONS.items():
        parts: dict[str, list[tuple[Outcome, Sequence[Claim]]]] = {}
        for pair in pairs:
            parts.setdefault(value_of(pair[0].incident), []).append(pair)
        by[name] = {value: group(parts[value]) for value in sorted(parts)}
    false_kinds = Counter(kind for judgement in judgements for kind in _kinds(judgement, FALSE))
    windows, hit = _benign(judgements)
    return Figures(
        everything=group(pairs),
        by=by,
        alarms=alarms,
        precision=_share(alarms - false, alarms),
        false_alarms=poisson_rate(false, weeks),
        false_by_kind={kind: poisson_rate(count, weeks) for kind, count in sorted(false_kinds.items())},
        fates={fate.value: fates[fate] for fate in Fate if fates[fate]},
        entities=_entities(pairs),
        benign={name: (windows[name], hit[name]) for name in sorted(windows)},
        benign_windows=sum(windows.values()),
        benign_alarmed=sum(hit.values()),
        other_kinds=dict(
            sorted(Counter(kind for one in judgements for kind in _kinds(one, {Fate.OTHER_KIND})).items())
        ),
    )


def group(pairs: Sequence[tuple[Outcome, Sequence[Claim]]]) -> Group:
    """pairs: each outcome with the findings of its world."""
    found = [(outcome, claims[outcome.found]) for outcome, claims in pairs if outcome.found is not None]
    delays = sorted(outcome.delay_s / 60 for outcome, _ in found if outcome.delay_s is not None)
    named_ones = [outcome.named for outcome, _ in found if outcome.named is not None]
    nobody = [claim for outcome, claim in found if outcome.named is None]
    low, high = share_interval(len(found), len(pairs))
    return Group(
        incidents=len(pairs),
        found=len(found),
        recall=_share(len(found), len(pairs)),
        recall_low=low if pairs else math.nan,
        recall_high=high if pairs else math.nan,
        delay_median=quantile(delays, 0.5),
        delay_p90=quantile(delays, 0.9),
        subtype=_mean(claim.subtype in outcome.incident.subtypes for outcome, claim in found),
        cause=_mean(claim.cause in outcome.incident.causes for outcome, claim in found if outcome.incident.causes),
        layer=_mean(
            claim.layer == one.incident.layer for one, claim in found if one.incident.layer and _layered(claim)
        ),
        culprits=len(named_ones),
        precision=_mean(one.precision for one in named_ones),
        culprit_recall=_mean(one.recall for one in named_ones),
        f1=_mean(one.f1 for one in named_ones),
        top=_mean(one.top for one in named_ones),
        blamed=_mean(claim.people.names_anybody() for claim in nobody),
        findings=_mean(outcome.findings for outcome, _ in found),
        single=_mean(outcome.findings == 1 for outcome, _ in found),
        flooded=sum(outcome.flooded for outcome, _ in pairs),
    )


def _layered(claim: Claim) -> bool:
    return claim.kind == Kind.LATENCY_OUTLIER.value


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least this share does not exceed; NaN of nothing."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else math.nan


def _entities(pairs: Sequence[tuple[Outcome, Sequence[Claim]]]) -> dict[str, tuple[int, float, float]]:
    """By type: found incidents whose label names some, precision, recall."""
    out = {}
    for kind in (*WHO, *ABOUT):
        each = [
            named(outcome.incident.people, claims[outcome.found].people, kind)
            for outcome, claims in pairs
            if outcome.found is not None and outcome.incident.people.of(kind)
        ]
        if each:
            out[kind] = (len(each), _mean(one.precision for one in each), _mean(one.recall for one in each))
    return out


def _benign(judgements: Sequence[Judgement]) -> tuple[Counter[str], Counter[str]]:
    windows: Counter[str] = Counter()
    alarmed: Counter[str] = Counter()
    for judgement in judgements:
        hit = {
            window
            for window, fate in zip(judgement.tempted, judgement.fates, strict=True)
            if window is not None and fate in FALSE
        }
        for number, one in enumerate(judgement.labels.benign):
            windows[one.scenario or "not said"] += 1
            alarmed[one.scenario or "not said"] += number in hit
    return windows, alarmed


def _kinds(judgement: Judgement, fates: Iterable[Fate]) -> list[str]:
    wanted = set(fates)
    return [claim.kind for claim, fate in zip(judgement.claims, judgement.fates, strict=True) if fate in wanted]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _mean(values: Iterable[float]) -> float:
    listed = [float(value) for value in values]
    return sum(listed) / len(listed) if listed else math.nan
