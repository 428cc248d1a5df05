"""What people have today, on the same minutes: CloudWatch alarms (static thresholds, bands) and burn-rate alerts.

Each firing (OK to ALARM) is one finding, judged by the same rules as ours. Where there is a choice it is made for the
peer: data that never came are passed over, thresholds that would have fired in the first days are raised for the stage,
an alarm on errors counts as whatever kind the incident there is, and the three burn-rate rules together are one alert.

Alarms as AWS's list of recommended alarms for API Gateway has them (CloudWatch user guide), at periods of 5 minutes and
3 of 3 data points; bands of 2 standard deviations, the default; burn rates as in the SRE Workbook, chapter 5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bench.detect_minutes import PERIOD, Floats, Stage
from gatewatch.evaluation.claims import Claim
from gatewatch.evaluation.labels import Labels, Place
from gatewatch.evaluation.places import agrees

Bools = npt.NDArray[np.bool_]
Peer = Callable[[Stage], Iterator[Claim]]

OF, NEEDED = 3, 3
"""Data points looked at, and how many of them must breach."""

LATE_S = 60.0
"""Seconds after the end of a period until CloudWatch has its data point and has looked at the alarm."""

RAISED = 1.1
"""A static threshold is this many times above what would have fired in the first days."""

SIGMAS = 2.0
PAST_DAYS = 14
A_DAY = 1440 // PERIOD

AUTH, THROTTLING, DEAD, LATENCY = "auth_failure_spike", "throttling_abuse", "dead_api", "latency_outlier"
ERRORS = "errors"
"""Kind of an alarm that says only that requests fail; `told_apart` puts the incident's own kind in its place."""


@dataclass(frozen=True, slots=True)
class Static:
    """value > threshold."""

    kind: str
    threshold: float
    value: Callable[[Stage], Floats]


def _share(part: Callable[[Stage], Floats]) -> Callable[[Stage], Floats]:
    def share(stage: Stage) -> Floats:
        n = stage.periods(stage.n)
        return np.where(n > 0, stage.periods(part(stage)) / np.maximum(n, 1), 0.0)

    return share


def _throttled(stage: Stage) -> Floats:
    return stage.periods(stage.throttled)


def _p99(stage: Stage) -> Floats:
    return stage.p99_ms


share_4xx = _share(lambda stage: stage.errors_4xx)
share_5xx = _share(lambda stage: stage.errors_5xx)

STATIC = (
    Static(ERRORS, 0.05, share_4xx),
    Static(ERRORS, 0.05, share_5xx),
    Static(THROTTLING, 10.0, _throttled),
    Static(LATENCY, 2500.0, _p99),
)


def static(stage: Stage) -> Iterator[Claim]:
    """4xx > 5 %, 5xx > 5 %, more than 10 requests throttled, p99 > 2.5 s, no request at all.

    Thresholds are raised until the first fifth of the record (a day at least), in which nothing happens, is silent. The
    last only for stages that had requests in each period of that time: AWS recommends it for nothing else.
    """
    there = _there(stage)
    first = max(len(there) // 5, A_DAY)
    for number, one in enumerate(STATIC):
        value = one.value(stage)
        usual = np.nan_to_num(value[:first][there[:first]])
        held = np.min([usual[back : len(usual) - NEEDED + 1 + back] for back in range(NEEDED)], axis=0)
        threshold = max(one.threshold, RAISED * held.max(initial=0.0))
        yield from _fired(stage, f"static {number}", one.kind, value > threshold, there, value / threshold)
    n = stage.periods(stage.n)
    if (n[:first][there[:first]] > 0).all():
        yield from _fired(stage, "static count", DEAD, n == 0, there, np.ones(len(n)))


def band(stage: Stage) -> Iterator[Claim]:
    """Above (requests: below) mean + 2 standard deviations of the same hour of the week in the last two weeks."""
    there = _there(stage)
    for number, one in enumerate(STATIC):
        value = one.value(stage)
        excess = _sigmas(value, there, stage.first)
        yield from _fired(stage, f"band {number}", one.kind, excess > SIGMAS, there, excess)
    lacking = _sigmas(-stage.periods(stage.n), there, stage.first)
    yield from _fired(stage, "band count", DEAD, lacking > SIGMAS, there, lacking)


def cloudwatch(stage: Stage) -> Iterator[Claim]:
    """Both."""
    yield from static(stage)
    yield from band(stage)


BURNS = ((14.4, 60, 5), (6.0, 360, 30), (1.0, 4320, 360))
"""Burn rate, long and short window in minutes: 2, 5 and 10 % of a 30-day budget."""

OBJECTIVE = 0.999


def burn_rate(stage: Stage) -> Iterator[Claim]:
    """Multi-window burn-rate alerts on 5xx at an objective of 99.9 %; the three rules are one alert."""
    firing = np.zeros(len(stage.n), bool)
    worst = np.zeros(len(stage.n))
    for rate, long, short in BURNS:
        burns = [
            _moving(stage.errors_5xx, w) / np.maximum(_moving(stage.n, w), 1) / (1 - OBJECTIVE) for w in (long, short)
        ]
        firing |= (burns[0] > rate) & (burns[1] > rate)
        worst = np.maximum(worst, np.minimum(burns[0], burns[1]) / rate)
    yield from _spells(stage, "burn", ERRORS, firing, np.flatnonzero(stage.covered), worst, minutes=1, back=0)


def told_apart(claims: Iterable[Claim], labels: Labels) -> list[Claim]:
    """Alarms on errors take the kind of the incident they fall into; elsewhere they are called auth failures."""
    out = []
    for claim in claims:
        if claim.kind == ERRORS:
            kind = next(
                (
                    one.kind
                    for one in sorted(labels.incidents, key=lambda one: -one.start)
                    if one.start <= claim.detected <= (one.end or labels.end) + 1800
                    and agrees(replace(claim, kind=one.kind), one)
                ),
                AUTH,
            )
            claim = replace(claim, kind=kind)
        out.append(claim)
    return out


def _there(stage: Stage) -> Bools:
    """Periods of which at least something was delivered."""
    return np.asarray(stage.covered.reshape(-1, PERIOD).any(axis=1), np.bool_)


def _moving(values: Floats, minutes: int) -> Floats:
    """Sum of the last so many minutes, fewer at the begin."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(1, len(values) + 1)
    return np.asarray(total[at] - total[np.maximum(at - minutes, 0)], np.float64)


def _sigmas(value: Floats, there: Bools, first: int) -> Floats:
    """Standard deviations above the mean of the same hour: of the same weekdays after a week, of all days before.

    NaN in the first day. A constant past has a deviation of next to nothing: the first change is far outside the band.
    """
    lead = first // PERIOD % A_DAY
    days = -(-(lead + len(value)) // A_DAY)
    padded = np.full(days * A_DAY, np.nan)
    padded[lead : lead + len(value)] = np.where(there, value, np.nan)
    hours = padded.reshape(days, 24, A_DAY // 24)
    known = ~np.isnan(hours)
    filled = np.where(known, hours, 0.0)
    sums = np.stack([known.sum(2), filled.sum(2), (filled**2).sum(2)]).astype(float)  # (3, days, 24)
    out = np.full((days, 24, A_DAY // 24), np.nan)
    for day in range(1, days):
        past = [day - 7, day - 14] if day >= 7 else list(range(day))
        count, total, squares = sums[:, [d for d in past if d >= 0]].sum(axis=1)
        count = np.where(count >= 6, count, np.nan)
        mean = total / count
        spread = np.sqrt(np.maximum(squares / count - mean**2, 0))
        floor = 1e-3 * np.abs(mean) + 1e-6
        out[day] = (hours[day] - mean[:, None]) / np.maximum(spread, floor)[:, None]
    return out.reshape(-1)[lead : lead + len(value)]


def _fired(stage: Stage, name: str, kind: str, breach: Bools, there: Bools, size: Floats) -> Iterator[Claim]:
    """Findings of an alarm with NEEDED of OF periods; those that never came are left out."""
    seen = np.flatnonzero(there)
    points = breach[seen].astype(np.int64)
    total = np.concatenate([[0], np.cumsum(points)])
    at = np.arange(1, len(seen) + 1)
    alarm = total[at] - total[np.maximum(at - OF, 0)] >= NEEDED
    full = np.zeros(len(breach), bool)
    full[seen] = alarm
    yield from _spells(stage, name, kind, full, seen, size, minutes=PERIOD, back=OF - 1)


def _spells(
    stage: Stage,
    name: str,
    kind: str,
    alarm: Bools,
    seen: npt.NDArray[np.int64],
    size: Floats,
    *,
    minutes: int,
    back: int,
) -> Iterator[Claim]:
    """A finding for each stretch of ALARM among the seen steps; it is noticed when its first step is over."""
    state = alarm[seen]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], state, [False]]).astype(np.int8)))
    step = minutes * 60.0
    begin = stage.first * 60.0
    for opened, closed in zip(edges[::2], edges[1::2], strict=True):
        done = begin + (seen[opened] + 1) * step
        sizes = np.sort(np.nan_to_num(size[seen[max(opened - back, 0) : closed]]))[::-1]
        yield Claim(
            id=f"{stage.api} {name} {seen[opened]}",
            kind=kind,
            place=Place(stage.api, stage.stage),
            start=begin + seen[max(opened - back, 0)] * step,
            end=None if closed == len(seen) else begin + (seen[closed] + 1) * step,
            detected=done + LATE_S,
            severity="high",
            score=float(sizes[min(NEEDED - 1, len(sizes) - 1)]),
        )


def alarms(stages: Sequence[Stage], peer: Peer, labels: Labels) -> list[Claim]:
    """Every finding of one peer in one world."""
    return told_apart((claim for stage in stages for claim in peer(stage)), labels)


PEERS: dict[str, Peer] = {
    "CloudWatch static": static,
    "CloudWatch band": band,
    "CloudWatch both": cloudwatch,
    "burn rate": burn_rate,
}
