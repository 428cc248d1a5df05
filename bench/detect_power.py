"""Recall against severity at a fixed false-alarm rate, delay against burn rates, and how old the history is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.detect_minutes import Stage
from gatewatch.evaluation.claims import Claim
from gatewatch.evaluation.figures import figures
from gatewatch.evaluation.labels import WEEK_S, Incident, Labels
from gatewatch.evaluation.match import FALSE, Judgement, judge
from gatewatch.simulate.severity import NATS

LEVELS = ("blatant", "moderate", "subtle")
RATES = (0.03, 0.1, 0.3, 1.0, 3.0)
"""False alarms an API and week at which recall is compared."""

HOUR_S = 3600.0
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Point:
    """Recall by level without findings below `score`, so that calm worlds have at most `rate` false alarms."""

    rate: float
    score: float
    recall: dict[str, float]
    overall: float


def power(eventful: Sequence[Judgement], calm: Sequence[Judgement], rates: Sequence[float] = RATES) -> list[Point]:
    """Thresholds come from the calm worlds, recall from the others; without calm worlds there is nothing to say."""
    weeks = sum(one.labels.api_weeks for one in calm)
    if not weeks:
        return []
    false = sorted((score for one in calm for score in _false_scores(one)), reverse=True)
    out = []
    for rate in rates:
        allowed = math.floor(rate * weeks)
        score = math.nextafter(false[allowed], math.inf) if allowed < len(false) else -math.inf
        counted = figures([_above(one, score) for one in eventful])
        levels = {level: group.recall for level, group in counted.by["level"].items()}
        out.append(Point(rate, score, levels, counted.everything.recall))
    return out


def _false_scores(judgement: Judgement) -> list[float]:
    return [claim.score for claim, fate in zip(judgement.claims, judgement.fates, strict=True) if fate in FALSE]


def _above(judgement: Judgement, score: float) -> Judgement:
    return judge(judgement.labels, [claim for claim in judgement.claims if claim.score >= score])


@dataclass(frozen=True, slots=True)
class Race:
    """Our delay beside the burn-rate alerts', over incidents that make requests fail (5xx).

    both: found by both. never_later: share of these where ours is not later. ours_only, theirs_only: found by one.
    ratio: median of ours / theirs where 0.2 to 5 % of the requests fail, in `band` incidents. reset: median minutes
    between the end of an incident and that of its finding, and share of at most 5 minutes.
    """

    incidents: int
    both: int
    never_later: float
    ours_only: int
    theirs_only: int
    band: int
    ratio: float
    reset: float
    reset_in_time: float


def race(pairs: Sequence[tuple[Judgement, Judgement, Sequence[Stage]]]) -> Race:
    """Each world: ours, the burn rates', its stages."""
    both: list[bool] = []
    ours_only = theirs_only = incidents = 0
    ratios: list[float] = []
    resets: list[float] = []
    for ours, theirs, stages in pairs:
        for mine, other in zip(ours.outcomes, theirs.outcomes, strict=True):
            share = failing(mine.incident, ours.labels, stages)
            if share < 0.001:
                continue
            incidents += 1
            if mine.delay_s is not None and other.delay_s is not None:
                both.append(mine.delay_s <= other.delay_s)
                if 0.002 <= share <= 0.05:
                    ratios.append((mine.delay_s + 1) / (other.delay_s + 1))
            ours_only += mine.found is not None and other.found is None
            theirs_only += mine.found is None and other.found is not None
            if mine.found is not None and mine.incident.end is not None:
                end = ours.claims[mine.found].end
                resets.append(math.inf if end is None else (end - mine.incident.end) / 60)
    return Race(
        incidents,
        len(both),
        sum(both) / len(both) if both else math.nan,
        ours_only,
        theirs_only,
        len(ratios),
        statistics.median(ratios) if ratios else math.nan,
        statistics.median(resets) if resets else math.nan,
        sum(reset <= 5 for reset in resets) / len(resets) if resets else math.nan,
    )


def failing(incident: Incident, labels: Labels, stages: Sequence[Stage]) -> float:
    """Share of requests with 5xx in the first hour of the incident, less that of the day before."""
    for stage in stages:
        if stage.api == incident.place.api and incident.place.stage in (None, stage.stage):
            first = int(incident.start // 60) - stage.first
            last = int(min(incident.end or labels.end, incident.start + HOUR_S) // 60) - stage.first
            during, before = slice(max(first, 0), max(last, first + 1)), slice(max(first - 1440, 0), max(first, 0))
            shares = [float(stage.errors_5xx[part].sum() / max(stage.n[part].sum(), 1.0)) for part in (during, before)]
            return shares[0] - shares[1]
    return 0.0


@dataclass(frozen=True, slots=True)
class Age:
    """What holds while the history is this old: [from_days, to_days) since the begin of the record."""

    from_days: float
    to_days: float
    incidents: int
    recall: float
    weeks: float
    false_alarms: float


AGES = ((0.0, 2.0), (2.0, 7.0), (7.0, 14.0), (14.0, math.inf))


def by_age(eventful: Sequence[Judgement], calm: Sequence[Judgement]) -> list[Age]:
    """Recall by the age of the history at the onset; false alarms an API and week in calm worlds by their age."""
    out = []
    for first, last in AGES:
        found = [
            outcome.found is not None
            for one in eventful
            for outcome in one.outcomes
            if first * DAY_S <= outcome.incident.start - one.labels.start < last * DAY_S
        ]
        weeks, false = 0.0, 0
        for one in calm:
            span = min(one.labels.end - one.labels.start, last * DAY_S) - first * DAY_S
            weeks += len(one.labels.apis) * max(span, 0.0) / WEEK_S
            false += sum(
                fate in FALSE and first * DAY_S <= claim.detected - one.labels.start < last * DAY_S
                for claim, fate in zip(one.claims, one.fates, strict=True)
            )
        recall = sum(found) / len(found) if found else math.nan
        out.append(Age(first, last, len(found), recall, weeks, false / weeks if weeks else math.nan))
    return out


LORDEN_NATS = math.log(100_800)
"""What an alarm needs that is false once in ten weeks of minutes (Lorden's bound)."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Of the incidents of a level that have an onset: what theory allows for the median delay, and ours; minutes.

    The information that an incident carries (gatewatch.simulate.severity) is taken as spread evenly over its time. The
    background is known to theory, and no minute must close first: nobody can be as fast.
    """

    level: str
    incidents: int
    bound: float
    delay: float


def allowed(judgements: Sequence[Judgement]) -> list[Allowed]:
    out = []
    for level in LEVELS:
        low, high = NATS[level]
        needed = LORDEN_NATS / ((low + high) / 2)
        mine = [
            (outcome, (outcome.incident.end or one.labels.end) - outcome.incident.start)
            for one in judgements
            for outcome in one.outcomes
            if outcome.incident.level == level and outcome.incident.start > one.labels.start
        ]
        delays = [outcome.delay_s / 60 for outcome, _ in mine if outcome.delay_s is not None]
        bounds = [needed * length / 60 for _, length in mine]
        out.append(
            Allowed(
                level,
                len(mine),
                statistics.median(bounds) if bounds else math.nan,
                statistics.median(delays) if delays else math.nan,
            )
        )
    return out


def calm_labels(labels: Labels) -> Labels:
    """The same record without incidents: everything that alarms is false."""
    return replace(labels, incidents=())


def quiet(labels: Labels, claims: Sequence[Claim]) -> Judgement:
    return judge(calm_labels(labels), claims)
