"""Looking over the detectors' shoulder at one minute: what each condition of an alarm was, and what it asked for.

A Watch comes in through the Context and only listens: with or without one the findings are the same. What it is told
are the very arrays that the alarm is made of, so that the explanation cannot drift from the decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detect.grid import Key
from gatewatch.records import JSON


@dataclass(frozen=True, slots=True)
class Check:
    """One condition: what, its value, what is needed (at least), and whether it was met."""

    what: str
    value: float
    need: float
    met: bool

    @property
    def share(self) -> float:
        """How far it was, 1 being enough."""
        if self.met:
            return 1.0
        return max(min(self.value / self.need, 0.999), 0.0) if self.need > 0 else 0.0

    def to_json(self) -> JSON:
        return {"what": self.what, "value": _plain(self.value), "need": _plain(self.need), "met": self.met}


def _plain(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


@dataclass(slots=True)
class Look:
    """One series at the watched minute. key: stage and group, or stage and route; window: minutes of the best window.

    all checks met: an alarm was due. raised: start (minute) of the episode that was open then. waits: why an alarm that
    was due was held back.
    """

    detector: str
    key: Key
    checks: list[Check]
    window: int = 0
    observed: float | None = None
    expected: float | None = None
    raised: int | None = None
    waits: str | None = None
    age_minutes: float | None = None

    @property
    def due(self) -> bool:
        return all(check.met for check in self.checks)

    @property
    def nearness(self) -> float:
        """How near to an alarm it was: the condition that was farthest off."""
        return min((check.share for check in self.checks), default=0.0)


@dataclass(slots=True)
class Watch:
    """minute: since the epoch. api, stage: only series of these are told; None: all."""

    minute: int
    api: str
    stage: str | None = None
    looks: list[Look] = field(default_factory=list)

    def place(self, first: int, minutes: int) -> int | None:
        """Where the watched minute stands in minutes from `first` on; None: elsewhere."""
        return self.minute - first if first <= self.minute < first + minutes else None

    def wants(self, key: Key) -> bool:
        return key[2] == self.api and self.stage in (None, key[3])

    def told(
        self, detector: str, keys: Sequence[Key], at: int, rows: Sequence[tuple[str, Any, Any, Any]], **more: Any
    ) -> None:
        """Conditions as (what, value, need, met), each (series, minutes) or (series,); more: fields of Look."""
        for row, key in enumerate(keys):
            if self.wants(key):
                checks = [
                    Check(what, float(_at(value, row, at)), float(_at(need, row, at)), bool(_at(met, row, at)))
                    for what, value, need, met in rows
                ]
                fields = {name: _at(value, row, at) for name, value in more.items()}
                self.looks.append(Look(detector, key, checks, **_fields(fields)))

    def note(self, detector: str, key: Key, *, raised: int | None = None, waits: str | None = None) -> None:
        """What became of a series that was told of."""
        for look in self.looks:
            if look.detector == detector and look.key == key:
                look.raised = raised if raised is not None else look.raised
                look.waits = waits if waits is not None else look.waits


def _fields(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: int(value) if name == "window" else float(value) for name, value in values.items()}


def _at(value: Any, row: int, at: int) -> Any:
    """The value of a row and minute, whatever shape it was broadcast from."""
    array = np.asarray(value)
    if array.ndim == 0:
        return array.item()
    if array.ndim == 1:
        return array[row]
    return array[row if array.shape[0] > 1 or row == 0 else 0, at if array.shape[1] > 1 else 0]
