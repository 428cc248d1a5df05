"""What can be planted in a world: one file a scenario, registered by `@scenario`.

A scenario is a function `(world, api, level, start_ms, end_ms, rng) -> Planted`. It looks at the API, chooses who
does what, and returns the label together with `apply`, which edits the calls of one chunk. `apply` is pure in (calls,
chunk, rng): its rng is seeded with the incident and the chunk, it keeps no state from chunk to chunk, and it sees only
calls of its own APIs in chunks that touch [from_ms, until_ms). Metrics, traces and log lines are made from the calls
after all scenarios are applied, so they agree by themselves. A scenario must not know how anything is detected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from gatewatch.records import JSON
from gatewatch.registry import Registry
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.labels import LEVELS, Benign, Incident
from gatewatch.simulate.model import Api, Chunk, World
from gatewatch.simulate.model import Hold as Hold


class Unfit(Exception):  # not an error: planting tries another API, level or time
    """What a scenario raises when it cannot happen on this API at this time and level."""


class Apply(Protocol):
    """Edit the calls of a chunk; they belong to the callee, and what it returns need not be in order."""

    def __call__(self, calls: Calls, chunk: Chunk, rng: np.random.Generator) -> Calls: ...


def unchanged(calls: Calls, chunk: Chunk, rng: np.random.Generator) -> Calls:
    """An `apply` for scenarios that touch no call (deliveries, inventories)."""
    return calls


@dataclass(frozen=True, slots=True)
class Planted:
    """One incident or temptation in one world.

    label: what is true. from_ms, until_ms: calls outside of it are never handed to apply (until_ms None: the world's
    end); an aftermath (retries, decaying refusals) may lie outside of the label's time. api_ids: whose calls.
    changes: CloudTrail records it leaves (build them with `changes.record`). holds: late or lost deliveries.
    inventory: edits the inventory document in place, e.g. adds an API that nobody calls.
    """

    label: Incident | Benign
    apply: Apply
    from_ms: int
    until_ms: int | None
    api_ids: frozenset[str]
    changes: Sequence[Mapping[str, JSON]] = ()
    holds: Sequence[Hold] = ()
    inventory: Callable[[dict[str, Any]], None] | None = None

    def touches(self, chunk: Chunk) -> bool:
        return (
            chunk.api.id in self.api_ids
            and chunk.end_ms > self.from_ms
            and (self.until_ms is None or chunk.start_ms < self.until_ms)
        )


class Make(Protocol):
    """The function behind a scenario. end_ms: when it should be over; the world's end or later: it goes on."""

    def __call__(
        self, world: World, api: Api, level: str, start_ms: int, end_ms: int, rng: np.random.Generator
    ) -> Planted: ...


def anywhere(api: Api) -> bool:
    """Fits every API."""
    return True


@dataclass(frozen=True, slots=True)
class Scenario:
    """What planting needs to know before it makes one.

    kind, subtype, cause: of the label (empty for benign ones). minutes: usual length of it by level. fits: on which
    APIs it can happen at all. alone: nothing else should happen on the API meanwhile; False for what changes no call.
    """

    name: str
    make: Make
    kind: str = ""
    subtype: str = ""
    cause: str = ""
    benign: bool = False
    minutes: Mapping[str, int] = field(default_factory=dict)
    fits: Callable[[Api], bool] = anywhere
    alone: bool = True


SCENARIOS: Registry[Scenario] = Registry("gatewatch.simulate.scenarios")

_MINUTES: Mapping[str, int] = MappingProxyType(dict.fromkeys(LEVELS, 60))


def scenario(
    name: str,
    *,
    kind: str = "",
    subtype: str = "",
    cause: str = "",
    benign: bool = False,
    minutes: Mapping[str, int] = _MINUTES,
    fits: Callable[[Api], bool] = anywhere,
    alone: bool = True,
) -> Callable[[Make], Make]:
    """Register the function under it as a scenario; an incident has kind, subtype and cause, a benign one has none."""
    if benign == bool(kind and subtype and cause):
        raise ValueError(f"scenario {name}: either benign, or with kind, subtype and cause")

    def add(make: Make) -> Make:
        SCENARIOS.register(name)(Scenario(name, make, kind, subtype, cause, benign, minutes, fits, alone))
        return make

    return add
