"""From minutes in alarm to episodes: hysteresis, a merge gap, and an onset that is fixed when the alarm is raised."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from detect.who import Tally
from gatewatch.records import JSON

QUIET_MINUTES = 15
MERGE_MINUTES = 60
SERIES = 240
BEFORE = 60


@dataclass(slots=True)
class Episode:
    """One incident of one series; minutes are counted from the epoch.

    end: first minute after it, None while it goes on. last: last minute that was out of line. detected_us: when the
    deciding minute closed. series: [minute, observed, expected, upper] for the chart. facts: the detector's own.
    """

    start: int
    detected_us: int
    last: int
    end: int | None = None
    score: float = 0.0
    observed: float = 0.0
    expected: float = 0.0
    peak: float = 0.0
    hot: int = 0
    series: list[list[float | None]] = field(default_factory=list)
    now: Tally = field(default_factory=Tally)
    before: Tally = field(default_factory=Tally)
    before_minutes: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    changed: bool = False

    def touch(self, minute: int, *, hot: bool, warm: bool, score: float) -> None:
        """One more minute. Ends after QUIET_MINUTES in line; opens again when hot within the merge gap."""
        if hot and self.end is not None:
            self.end = None
            self.changed = True
        if self.end is not None:
            return
        if hot or warm:
            self.last = minute
        self.hot += hot
        self.changed = True
        self.score = max(self.score, score)
        if minute - self.last >= QUIET_MINUTES:
            self.end = self.last + 1

    def over(self, minute: int) -> bool:
        """Nothing can change it any more."""
        return self.end is not None and minute - self.end >= MERGE_MINUTES

    def chart(self, minute: int, observed: float, expected: float, upper: float | None) -> None:
        if len(self.series) < SERIES:
            self.series.append([minute, observed, round(expected, 3), None if upper is None else round(upper, 3)])

    def to_json(self) -> JSON:
        return {
            "start": self.start,
            "detected_us": self.detected_us,
            "last": self.last,
            "end": self.end,
            "score": self.score,
            "observed": self.observed,
            "expected": self.expected,
            "peak": self.peak,
            "hot": self.hot,
            "series": cast(JSON, self.series),
            "now": self.now.to_json(),
            "before": self.before.to_json(),
            "before_minutes": self.before_minutes,
            "facts": self.facts,
        }

    @classmethod
    def from_json(cls, value: JSON) -> Episode:
        stored = dict(cast(dict[str, Any], value))
        stored["now"], stored["before"] = Tally.from_json(stored["now"]), Tally.from_json(stored["before"])
        return cls(**stored)
