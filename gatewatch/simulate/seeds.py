"""Three disjoint sets of seeds and settings: one to tune with, one to check with, one for the end of a release.

Whoever looks at a set while changing a detector fits the detector to it. So detectors are worked on with TUNING,
`make bench-detect` reports on CHECKING, and FINAL is run once a release (`python -m bench.detect_final`), reported as
it comes out. A test fails when anything else names a final seed. The settings differ, too: a detector that holds only
at the rates, sizes and seasons it was tuned at does not hold. docs/evaluation.md lists all three.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Plan:
    """One world: `gatewatch simulate OUT --seed … --days … --apis … --rate … --end …`.

    rate: calls a second of all APIs together. end: ISO 8601, exclusive. calm: nothing is planted, not even what tempts.
    """

    seed: int
    days: float
    apis: int
    rate: float
    end: str
    calm: bool = False

    @property
    def name(self) -> str:
        return f"{'calm' if self.calm else 'world'}-{self.seed}"

    @property
    def api_weeks(self) -> float:
        return self.days * self.apis / 7

    def arguments(self) -> list[str]:
        """Options of `gatewatch simulate`."""
        options = [
            ("seed", self.seed),
            ("days", self.days),
            ("apis", self.apis),
            ("rate", self.rate),
            ("end", self.end),
        ]
        made = [
            part for name, value in options for part in (f"--{name}", f"{value:g}" if name != "end" else str(value))
        ]
        return [*made, "--scenario", "none"] if self.calm else made

    def twin(self) -> Plan:
        """The same world, in which nothing happens."""
        return Plan(self.seed, self.days, self.apis, self.rate, self.end, calm=True)


@dataclass(frozen=True, slots=True)
class Worlds:
    """eventful: with incidents and temptations; each has a calm twin. calm: more of the kind, for false alarms only."""

    eventful: tuple[Plan, ...]
    calm: tuple[Plan, ...]

    @property
    def quiet(self) -> tuple[Plan, ...]:
        """All worlds in which nothing happens."""
        return (*(plan.twin() for plan in self.eventful), *self.calm)


TUNING = Worlds(
    eventful=(
        Plan(11, 14, 10, 2.0, "2026-05-18T00:00:00Z"),
        Plan(12, 10, 16, 1.0, "2026-04-03T06:00:00Z"),  # the clocks of Europe change
        Plan(13, 5, 6, 12.0, "2026-07-08T12:00:00Z"),  # busy ones
        Plan(14, 20, 6, 0.5, "2026-02-20T00:00:00Z"),
    ),
    calm=(Plan(15, 21, 30, 0.8, "2026-03-22T00:00:00Z", calm=True),),  # the clocks of America change
)

CHECKING = Worlds(
    eventful=(
        Plan(2101, 6, 9, 13.0, "2026-09-16T00:00:00Z"),  # busy ones
        Plan(2102, 15, 9, 1.5, "2026-11-05T09:00:00Z"),  # both clocks change
        Plan(2103, 12, 20, 2.5, "2027-01-08T00:00:00Z"),  # Christmas, New Year
        Plan(2104, 16, 7, 0.4, "2026-06-12T18:00:00Z"),
        Plan(2105, 18, 14, 0.7, "2026-08-24T00:00:00Z"),
        Plan(2106, 22, 24, 1.2, "2026-10-09T03:00:00Z"),
    ),
    calm=(
        Plan(2107, 24, 40, 0.55, "2026-05-30T00:00:00Z", calm=True),
        Plan(2108, 17, 48, 0.9, "2026-12-05T00:00:00Z", calm=True),
        Plan(2109, 28, 32, 0.6, "2026-04-27T00:00:00Z", calm=True),
    ),
)

FINAL = Worlds(
    eventful=(
        Plan(730_211, 11, 11, 3.0, "2027-03-05T00:00:00Z"),
        Plan(730_212, 13, 18, 0.95, "2027-04-04T15:00:00Z"),
        Plan(730_213, 8, 8, 11.0, "2027-06-21T00:00:00Z"),  # busy ones
        Plan(730_214, 19, 5, 0.3, "2027-01-29T00:00:00Z"),
        Plan(730_215, 25, 13, 1.1, "2027-11-26T00:00:00Z"),
    ),
    calm=(
        Plan(730_216, 23, 44, 0.75, "2027-09-03T00:00:00Z", calm=True),
        Plan(730_217, 26, 36, 1.3, "2027-05-15T00:00:00Z", calm=True),
    ),
)

OPEN: Mapping[str, Worlds] = MappingProxyType({"tuning": TUNING, "checking": CHECKING})
"""The sets that may be named on a command line."""
