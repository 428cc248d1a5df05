"""What a detector takes and gives: blocks of closed minutes in, findings out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Protocol, TypeAlias

import pandas as pd
import pyarrow as pa

from detect.configuration import Version
from detect.consumers import Consumers, consumers_of
from detect.grid import Grid, covered_minutes
from detect.networks import Networks, networks_of
from detect.resources import Links, links
from detect.watching import Watch
from gatewatch.records import JSON, Blind, Change, ChangeEvent, Finding
from gatewatch.registry import Registry
from gatewatch.settings import Settings

Step: TypeAlias = "tuple[JSON, list[Finding], list[Blind]]"


@dataclass(frozen=True)
class Block:
    """Closed minutes [start, end).

    stages, routes: frames of gatewatch.frames.stage_counts (route is None) and of rollup. clients: CLIENTS columns.
    coverage: COVERAGE columns, all intervals known; what lies outside of the block is not looked at.
    """

    start: datetime
    end: datetime
    stages: pd.DataFrame
    routes: pd.DataFrame
    clients: pd.DataFrame
    coverage: pd.DataFrame

    @cached_property
    def stage_grid(self) -> Grid:
        return Grid(self.stages, self.first, self.minutes, by_route=False)

    @cached_property
    def route_grid(self) -> Grid:
        return Grid(self.routes, self.first, self.minutes, by_route=True)

    @cached_property
    def covered(self) -> Any:
        """bool (minutes,): a source delivered in this minute, or there is a row for it."""
        known = covered_minutes(self.coverage, self.first, self.minutes)
        return known | self.stage_grid.counts("n").any(axis=0)

    @property
    def first(self) -> int:
        """Minutes since the epoch of `start`."""
        return epoch_minute(self.start)

    @property
    def minutes(self) -> int:
        return epoch_minute(self.end) - self.first


@dataclass(frozen=True)
class Context:
    """What is known beside the traffic. asn: rows with `network`, `asn`, `name`. metrics: METRICS. spans: SPANS.

    executions: EXECUTIONS. events: the changes with all that is known of them. versions: of the inventory, see
    detect.configuration. watch: who wants to know what was decided at one minute; it changes nothing.
    """

    inventory: Mapping[str, Any] | None = None
    changes: Sequence[Change] = ()
    asn: Sequence[Any] | None = None
    metrics: pa.Table | None = None
    spans: pa.Table | None = None
    settings: Settings = field(default_factory=Settings)
    watch: Watch | None = None
    events: Sequence[ChangeEvent] = ()
    versions: Sequence[Version] = ()
    executions: pa.Table | None = None
    live: bool = False
    """States may hold parts that live (detect.codec): whoever sets it settles them at the end."""

    @cached_property
    def linked(self) -> Links:
        """Which APIs each resource of the inventory serves."""
        return links(self.inventory)

    @cached_property
    def consumers(self) -> Consumers:
        """The API keys that the inventory declares."""
        return consumers_of(self.inventory)

    @cached_property
    def networks(self) -> Networks:
        """Whose addresses are whose, by `asn`."""
        return networks_of(self.asn)


class Detector(Protocol):
    """A fold over closed minutes (design.md D6): no clock, no I/O; any cut into blocks gives the same.

    A finding is given again, with the same id, whenever a block changed it; the last one given holds. The list of
    blind stages is complete each time.
    """

    name: str

    def start(self) -> JSON: ...

    def step(self, state: JSON, block: Block, context: Context) -> Step: ...


class Maker(Protocol):
    def __call__(self) -> Detector: ...


DETECTORS: Registry[Maker] = Registry("detect.detectors")
detector = DETECTORS.register


def epoch_minute(at: datetime) -> int:
    return int(at.timestamp() // 60)


def minute_at(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)


def micros_at(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
