"""What became of each incident and of each finding.

A hit is a finding of the incident's kind, at its place, detected between its onset and its end + grace. Incidents and
hits are paired one to one: as many pairs as possible, and of these the ones with the least delay. What else touches an
incident is a double or a symptom told apart. Three rules keep luck and flooding out:

- blanket: a finding that claims a large part of the record, most of it outside the incident, hits nothing;
- flood: where findings of that kind and place come so often away from incidents that one was to be expected in
  twice the delay (an hour at least), or where they rain on the incident itself, none of them counts as a hit;
- look-ahead: nothing is detected before its onset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from gatewatch.evaluation.claims import Claim
from gatewatch.evaluation.labels import Incident, Labels
from gatewatch.evaluation.people import Named, culprits
from gatewatch.evaluation.places import agrees, tempted
from gatewatch.records import Kind

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

HOUR_S = 3600.0
DAY_S = 86_400.0
KINDS = (
    Kind.AUTH_FAILURE_SPIKE.value,
    Kind.THROTTLING_ABUSE.value,
    Kind.DEAD_API.value,
    Kind.LATENCY_OUTLIER.value,
)
"""Kinds that are judged in every world; others only where a label has them."""


class Fate(StrEnum):
    """What a finding turned out to be. `FALSE` lists the false alarms among them."""

    HIT = "hit"
    DOUBLE = "double"
    SYMPTOM = "symptom"
    EARLY = "early"
    LATE = "late"
    BENIGN = "benign"
    BLANKET = "blanket"
    FLOOD = "flood"
    STRAY = "stray"
    NOTE = "note"
    OTHER_KIND = "other_kind"


FALSE = frozenset({Fate.EARLY, Fate.LATE, Fate.BENIGN, Fate.BLANKET, Fate.FLOOD, Fate.STRAY})
ALARMS = FALSE | {Fate.HIT, Fate.DOUBLE, Fate.SYMPTOM}


@dataclass(frozen=True, slots=True)
class Rules:
    """grace_s: how long after its end an incident may still be reported. The rest: see docs/evaluation.md."""

    grace_s: float = 1800.0
    luck: float = 0.5
    luck_floor_s: float = HOUR_S
    blanket_share: float = 0.25
    blanket_least_s: float = DAY_S
    rain: int = 50
    rain_every_s: float = 300.0
    symptom_s: float = DAY_S


@dataclass(frozen=True, slots=True)
class Outcome:
    """found: index of the finding that counts, None when missed. delay_s None: missed, or there was no onset to see.

    findings: how many touched it, doubles and symptoms included. flooded: touched, but by a flood.
    """

    incident: Incident
    found: int | None
    delay_s: float | None
    findings: int
    flooded: bool
    named: Named | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """fates, owners, tempted: by finding; owner: index of the incident or None; tempted: index of the benign window."""

    labels: Labels
    claims: Sequence[Claim]
    outcomes: tuple[Outcome, ...]
    fates: tuple[Fate, ...]
    owners: tuple[int | None, ...]
    tempted: tuple[int | None, ...]


def judge(labels: Labels, claims: Sequence[Claim], rules: Rules | None = None) -> Judgement:
    """Fates, owners and windows in the order of `claims`; which of two equally good ones counts does not hang on it."""
    order = sorted(range(len(claims)), key=lambda i: _rank(claims[i]))
    judged = Pairing(labels, [claims[i] for i in order], rules or Rules()).judged()
    back = np.argsort(order)
    return replace(
        judged,
        claims=claims,
        outcomes=tuple(one if one.found is None else replace(one, found=order[one.found]) for one in judged.outcomes),
        fates=tuple(judged.fates[i] for i in back),
        owners=tuple(judged.owners[i] for i in back),
        tempted=tuple(judged.tempted[i] for i in back),
    )


@dataclass(slots=True)
class Times:
    """Of all findings, seconds since the epoch. end: inf while open."""

    start: Floats
    end: Floats
    detected: Floats


@dataclass(slots=True)
class Pairing:
    """Which finding could be about which incident by kind and place: does not change when times are shuffled."""

    labels: Labels
    claims: Sequence[Claim]
    rules: Rules
    times: Times = field(init=False)
    alarms: Bools = field(init=False)
    same: list[Ints] = field(init=False)
    other: list[dict[str, Ints]] = field(init=False)
    benign: list[Ints] = field(init=False)
    outside_s: list[float] = field(init=False)
    opens: Floats = field(init=False)
    closes: Floats = field(init=False)

    def __post_init__(self) -> None:
        claims, incidents, record = self.claims, self.labels.incidents, self.labels
        self.times = Times(
            np.array([one.start for one in claims], float),
            np.array([np.inf if one.end is None else one.end for one in claims], float),
            np.array([one.detected for one in claims], float),
        )
        judged = {*KINDS, *(one.kind for one in incidents)}
        self.alarms = np.array([one.kind in judged and not one.note for one in claims], bool)
        by_api: dict[str, list[int]] = {}
        for index, one in enumerate(claims):
            if self.alarms[index] and one.place is not None:
                by_api.setdefault(one.place.api, []).append(index)
        self.same, self.other = [], []
        for incident in incidents:
            apis = sorted({row.api for row in (*incident.scope, incident.place)})
            near = [index for api in apis for index in by_api.get(api, ()) if agrees(claims[index], incident)]
            mine = [index for index in near if claims[index].kind == incident.kind]
            self.same.append(np.array(mine, np.int64))
            rest = sorted({claims[index].kind for index in near} - {incident.kind})
            self.other.append({k: np.array([i for i in near if claims[i].kind == k], np.int64) for k in rest})
        self.benign = [
            np.array([i for i in by_api.get(one.place.api, ()) if tempted(claims[i], one)], np.int64)
            for one in record.benign
        ]
        self.opens = np.array([one.start for one in incidents], float)
        self.closes = np.array([record.end if one.end is None else one.end for one in incidents], float)
        self.closes += self.rules.grace_s
        self.outside_s = [self._outside(number) for number in range(len(incidents))]

    def _outside(self, number: int) -> float:
        """Seconds of the record in which no incident of this kind goes on at an API of this incident."""
        mine = self.labels.incidents[number]
        apis = {row.api for row in mine.scope}
        spans = sorted(
            (max(self.opens[i], self.labels.start), min(self.closes[i], self.labels.end))
            for i, one in enumerate(self.labels.incidents)
            if one.kind == mine.kind and apis & {row.api for row in one.scope}
        )
        covered, reached = 0.0, self.labels.start
        for begin, end in spans:
            covered += max(0.0, end - max(begin, reached))
            reached = max(reached, end)
        return self.labels.end - self.labels.start - covered

    def judged(self, times: Times | None = None) -> Judgement:
        """What became of everything, with the findings' own times or others."""
        times = times or self.times
        incidents = self.labels.incidents
        edges = [self._touching(number, self.same[number], times) for number in range(len(incidents))]
        flooded = self._flooded(edges, times)
        drowned = {int(i) for number in flooded for i in edges[number]}
        kept = [[] if number in flooded else _by_delay(edge, times) for number, edge in enumerate(edges)]
        found = assign(kept, times.detected, self.opens)
        owners: list[int | None] = [None] * len(self.claims)
        fates: list[Fate | None] = [None] * len(self.claims)
        for number, index in enumerate(found):
            if index is not None:
                owners[index], fates[index] = number, Fate.HIT
        self._others(kept, Fate.DOUBLE, fates, owners)
        symptoms = self._symptoms(times)
        self._others(symptoms, Fate.SYMPTOM, fates, owners)
        windows = self._tempted(fates, times)
        counted = np.bincount([owner for owner in owners if owner is not None], minlength=len(incidents))
        outcomes = [
            self._outcome(number, index, times, int(counted[number]), number in flooded)
            for number, index in enumerate(found)
        ]
        false = self._false(drowned, windows, times)
        known = tuple(fate or other for fate, other in zip(fates, false, strict=True))
        return Judgement(self.labels, self.claims, tuple(outcomes), known, tuple(owners), windows)

    def _touching(self, number: int, which: Ints, times: Times) -> Ints:
        opens, closes = self.opens[number], self.closes[number]
        detected, start, end = times.detected[which], times.start[which], times.end[which]
        touch = (detected >= opens) & (detected <= closes) & (start <= closes) & (end > opens)
        span, until = self._span(which, times)
        inside = np.minimum(until, closes) - np.maximum(start, opens)
        real: Ints = which[touch & ~((span > self._widest()) & (inside < span / 2))]
        return real

    def _span(self, which: Ints, times: Times) -> tuple[Floats, Floats]:
        """How long each finding claims to have gone on, and until when; an open one: to the end of the record."""
        last = np.maximum(times.detected[which], self.labels.end)
        until = np.where(np.isinf(times.end[which]), last, times.end[which])
        return until - times.start[which], until

    def _widest(self) -> float:
        record = self.labels.end - self.labels.start
        return max(self.rules.blanket_share * record, min(self.rules.blanket_least_s, record / 2))

    def _flooded(self, edges: list[Ints], times: Times) -> set[int]:
        touched = self._marked(edges)
        out = set()
        for number, edge in enumerate(edges):
            length = self.closes[number] - self.opens[number]
            rains = len(edge) > self.rules.rain and len(edge) * self.rules.rain_every_s > length
            strays = int((~touched[self.same[number]]).sum())
            if rains or self._by_chance(number, edge, strays, self.outside_s[number], times):
                out.add(number)
        return out

    def _by_chance(self, number: int, edge: Ints, strays: int, seconds: float, times: Times) -> bool:
        """Do findings that touch nothing come so often that one was to be expected here by now?"""
        if not len(edge):
            return False
        delay = times.detected[edge].min() - self.opens[number]
        chance = strays / max(seconds, HOUR_S) * max(self.rules.luck_floor_s, 2 * delay)
        return bool(chance > self.rules.luck)

    def _marked(self, edges: Sequence[Ints]) -> Bools:
        out = np.zeros(len(self.claims), bool)
        for edge in edges:
            out[edge] = True
        return out

    def _symptoms(self, times: Times) -> list[list[int]]:
        """Alarms of other kinds at the same place soon after the onset; a state from the start has no onset."""
        near: list[dict[str, Ints]] = []
        for number, kinds in enumerate(self.other):
            onset = self.opens[number] > self.labels.start
            last = self.opens[number] + self.rules.symptom_s
            touch = {kind: self._touching(number, which, times) for kind, which in kinds.items()} if onset else {}
            near.append({kind: edge[times.detected[edge] <= last] for kind, edge in touch.items()})
        touched = self._marked([edge for kinds in near for edge in kinds.values()])
        record = self.labels.end - self.labels.start
        out = []
        for number, kinds in enumerate(near):
            strays = {kind: int((~touched[self.other[number][kind]]).sum()) for kind in kinds}
            kept = [e for k, e in kinds.items() if not self._by_chance(number, e, strays[k], record, times)]
            out.append(_by_delay(np.concatenate(kept), times) if kept else [])
        return out

    def _others(
        self, edges: Sequence[Sequence[int]], fate: Fate, fates: list[Fate | None], owners: list[int | None]
    ) -> None:
        """What touches and has no fate yet belongs to the incident that began last."""
        for number in sorted(range(len(edges)), key=lambda i: (-self.opens[i], i)):
            for index in edges[number]:
                if fates[index] is None:
                    fates[index], owners[index] = fate, number

    def _tempted(self, fates: list[Fate | None], times: Times) -> tuple[int | None, ...]:
        """The shortest benign window that each otherwise unexplained alarm falls into."""
        record = self.labels
        out: list[int | None] = [None] * len(self.claims)
        length = {i: (record.end if one.end is None else one.end) - one.start for i, one in enumerate(record.benign)}
        for number in sorted(length, key=lambda i: (length[i], i)):
            one = record.benign[number]
            closes = one.start + length[number] + self.rules.grace_s
            for index in self.benign[number]:
                if fates[index] is None and out[index] is None and one.start <= times.detected[index] <= closes:
                    out[index] = number
        return tuple(out)

    def _false(self, drowned: set[int], windows: Sequence[int | None], times: Times) -> list[Fate]:
        """What each finding would be called if nothing explains it."""
        everything = np.arange(len(self.claims))
        span, _ = self._span(everything, times)
        wide = span > self._widest()
        untimely: dict[int, Fate] = {}
        for number, which in enumerate(self.same):
            opens, closes = self.opens[number], self.closes[number]
            near = which[(times.start[which] <= closes) & (times.end[which] > opens)]
            for index in near:
                untimely.setdefault(int(index), Fate.EARLY if times.detected[index] < opens else Fate.LATE)
        out = []
        for index, claim in enumerate(self.claims):
            if not self.alarms[index]:
                out.append(Fate.NOTE if claim.note else Fate.OTHER_KIND)
            elif index in drowned:
                out.append(Fate.FLOOD)
            elif claim.place is None or wide[index]:
                out.append(Fate.BLANKET)
            else:
                out.append(Fate.BENIGN if windows[index] is not None else untimely.get(index, Fate.STRAY))
        return out

    def _outcome(self, number: int, found: int | None, times: Times, findings: int, flooded: bool) -> Outcome:
        incident = self.labels.incidents[number]
        if found is None:
            return Outcome(incident, None, None, findings, flooded, None)
        onset = incident.start > self.labels.start
        delay = float(times.detected[found] - self.opens[number]) if onset else None
        return Outcome(incident, found, delay, findings, flooded, culprits(incident.people, self.claims[found].people))


def _rank(claim: Claim) -> tuple[float, float, str, str]:
    return claim.detected, claim.start, claim.id, repr(claim)


_EVEN = 1e-11
"""Weight of the square of a delay in seconds: breaks ties, and never outweighs a second of total delay."""


def _by_delay(edge: Ints, times: Times) -> list[int]:
    return [int(i) for i in edge[np.lexsort((edge, times.detected[edge]))]]


def assign(edges: Sequence[Sequence[int]], detected: Floats, opens: Floats) -> list[int | None]:
    """For each incident one of its findings (edges, earliest first), none twice: most pairs, then least total delay.

    Incidents that share no finding take their earliest. Among n that do, nobody needs more than its n earliest. Any
    exchange among incidents that are open at once has the same total: of these the least unequal delays are taken, so
    that each gets the finding that came just after it.
    """
    from scipy.optimize import linear_sum_assignment

    out: list[int | None] = [edge[0] if edge else None for edge in edges]
    users: dict[int, list[int]] = {}
    for number, edge in enumerate(edges):
        for index in edge:
            users.setdefault(index, []).append(number)
    rivals = sorted({number for numbers in users.values() if len(numbers) > 1 for number in numbers})
    if not rivals:
        return out
    rows = [edges[number][: len(rivals)] for number in rivals]
    columns = sorted({index for row in rows for index in row})
    at = {index: column for column, index in enumerate(columns)}
    delays = [[detected[index] - opens[number] for index in row] for number, row in zip(rivals, rows, strict=True)]
    never = 1.0 + sum(max(row) for row in delays)
    cost: npt.NDArray[Any] = np.full((len(rivals), len(columns)), never)
    for i, (row, times) in enumerate(zip(rows, delays, strict=True)):
        for index, delay in zip(row, times, strict=True):
            cost[i, at[index]] = delay + _EVEN * delay * delay
    for number in rivals:
        out[number] = None
    for i, column in zip(*linear_sum_assignment(cost), strict=True):
        if cost[i, column] < never:
            out[rivals[i]] = columns[column]
    return out
