"""Findings against the truth: recall, precision, delay, subtype, cause, culprits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gatewatch.records import Finding, Severity
from tests.detect.world import EPOCH, Truth, World

GRACE = 30


@dataclass
class Score:
    truths: list[tuple[Truth, Finding | None]] = field(default_factory=list)
    false: list[Finding] = field(default_factory=list)
    alarms: int = 0
    doubles: int = 0
    api_weeks: float = 0.0

    def __iadd__(self, other: Score) -> Score:
        self.truths += other.truths
        self.false += other.false
        self.alarms += other.alarms
        self.doubles += other.doubles
        self.api_weeks += other.api_weeks
        return self

    def report(self) -> str:
        lines = []
        by: dict[tuple[str, str], list[tuple[Truth, Finding | None]]] = defaultdict(list)
        for truth, found in self.truths:
            by[truth.kind.value, truth.size].append((truth, found))
        for (kind, size), pairs in sorted(by.items()):
            hit = [(t, f) for t, f in pairs if f is not None]
            delays = sorted(delay(t, f) for t, f in hit)
            lines.append(
                f"{kind:20} {size:9} n={len(pairs):3} recall={len(hit) / len(pairs):.2f}"
                + (
                    f" delay={delays[len(delays) // 2]:.0f}/{delays[int(len(delays) * 0.9)]:.0f} min"
                    f" subtype={sum(f.subtype in t.subtypes for t, f in hit) / len(hit):.2f}"
                    f" cause={sum(f.cause in t.cause for t, f in hit) / len(hit):.2f}"
                    f" culprit-F1={mean([f1(t, f) for t, f in hit if t.ips]):.2f}"
                    if hit
                    else ""
                )
            )
        hits = [(t, f) for t, f in self.truths if f is not None]
        delays = sorted(delay(t, f) for t, f in hits)
        lines.append(
            f"all: n={len(self.truths)} recall={len(hits) / max(len(self.truths), 1):.3f} alarms={self.alarms} "
            f"precision={1 - len(self.false) / max(self.alarms, 1):.3f} "
            f"false/API-week={len(self.false) / max(self.api_weeks, 0.01):.3f} doubles={self.doubles} "
            f"median delay={delays[len(delays) // 2] if delays else 0:.0f} "
            f"subtype={sum(f.subtype in t.subtypes for t, f in hits) / max(len(hits), 1):.3f} "
            f"cause={sum(f.cause in t.cause for t, f in hits) / max(len(hits), 1):.3f}"
        )
        return "\n".join(lines)


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def at(world_start: int, minute: int) -> datetime:
    return EPOCH + timedelta(minutes=world_start + minute)


def delay(truth: Truth, found: Finding) -> float:
    start = EPOCH + timedelta(minutes=truth.start)
    return (found.detected_at - start).total_seconds() / 60


def f1(truth: Truth, found: Finding) -> float:
    named, right = set(found.entities.ips), set(truth.ips)
    if len(right) > 50 and named:
        return len(named & right) / len(named)
    both = len(named & right)
    return 2 * both / (len(named) + len(right)) if named or right else 1.0


def score(world: World, findings: Sequence[Finding], least: Severity = Severity.LOW) -> Score:
    out = Score(api_weeks=world.api_weeks)
    alarms = [finding for finding in findings if finding.severity.rank >= least.rank]
    out.alarms = len(alarms)
    used: set[str] = set()
    for truth in world.truths:
        moved = Truth(**{**vars(truth), "start": truth.start + world.start, "end": truth.end + world.start})
        first, last = at(world.start, truth.start), at(world.start, truth.end + GRACE)
        touching = [
            f
            for f in alarms
            if f.api == truth.api and f.start <= last and (f.end is None or f.end >= first) and f.detected_at >= first
        ]
        used |= {f.id for f in touching}
        right = [f for f in touching if f.kind is truth.kind and f.detected_at <= last]
        out.truths.append((moved, min(right, key=lambda f: f.detected_at) if right else None))
        out.doubles += max(len(touching) - 1, 0)
    out.false = [f for f in alarms if f.id not in used]
    return out
