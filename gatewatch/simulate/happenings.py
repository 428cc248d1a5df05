"""What happens to every world, planted incidents or not: small crowds, and log deliveries that are late or lost.

Each is told in labels.json among the benign, since a detector may stumble over it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gatewatch.simulate.labels import Benign, Scope
from gatewatch.simulate.model import DAY_MS, MINUTE_MS, Api, Floats, Hold, Ints, World
from gatewatch.simulate.people import mixed, uniform

CROWD_EVERY_DAYS = 4
"""People's APIs get a crowd (a newsletter, a goal, a broadcast) about once in so many days."""

CROWD_TIMES = (1.5, 3.0)
CROWD_HALF_MS = (8 * MINUTE_MS, 25 * MINUTE_MS)
CROWD_RISE_MS = 2 * MINUTE_MS
CROWD_HALVES = 6
"""After so many half-lives a crowd is over."""

GAP_EVERY_DAYS = 28
LATE_EVERY_DAYS = 14
GAP_MINUTES = (12, 45)
LATE_MINUTES = (30, 110)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Demand is `times` as high at start_ms + two minutes, then the excess halves every half_ms."""

    start_ms: int
    times: float
    half_ms: int

    @property
    def end_ms(self) -> int:
        return self.start_ms + CROWD_RISE_MS + CROWD_HALVES * self.half_ms


def crowds(world: World, api: Api) -> tuple[Crowd, ...]:
    """Those that touch the world, in order."""
    if api.audience != "people":
        return ()
    found = []
    for start, salt in _times(world, api, 71, CROWD_EVERY_DAYS):
        draws = [float(uniform(world.seed, salt, number)) for number in (1, 2)]
        times = CROWD_TIMES[0] + draws[0] * (CROWD_TIMES[1] - CROWD_TIMES[0])
        half = CROWD_HALF_MS[0] + round(draws[1] * (CROWD_HALF_MS[1] - CROWD_HALF_MS[0]))
        found.append(Crowd(start, times, half))
    return tuple(found)


def crowd_factor(world: World, api: Api, at_ms: Ints) -> Floats:
    """By how much crowds raise the demand at these times."""
    factor = np.ones(len(at_ms))
    for crowd in crowds(world, api):
        if at_ms[0] > crowd.end_ms or at_ms[-1] < crowd.start_ms:
            continue
        since = at_ms - crowd.start_ms
        decay = np.exp2(-np.maximum(since - CROWD_RISE_MS, 0) / crowd.half_ms)
        rising = np.clip(since / CROWD_RISE_MS, 0.0, 1.0)
        factor += np.where(at_ms < crowd.end_ms, (crowd.times - 1) * rising * decay, 0.0)
    return factor


def holds(world: World, api: Api) -> tuple[Hold, ...]:
    """Log lines of the API that are lost, or come late, for no fault of the API."""
    found = []
    for start, salt in _times(world, api, 72, GAP_EVERY_DAYS):
        minutes = GAP_MINUTES[0] + int(mixed(world.seed, salt, 1)) % (GAP_MINUTES[1] - GAP_MINUTES[0])
        found.append(Hold(api.id, start, start + minutes * MINUTE_MS, None))
    for start, salt in _times(world, api, 73, LATE_EVERY_DAYS):
        minutes = LATE_MINUTES[0] + int(mixed(world.seed, salt, 1)) % (LATE_MINUTES[1] - LATE_MINUTES[0])
        end = start + minutes * MINUTE_MS
        found.append(Hold(api.id, start, end, end))
    return tuple(sorted(found, key=lambda hold: hold.start_ms))


def labels(world: World, held: Sequence[Hold]) -> list[Benign]:
    """The crowds and these holds as labels."""
    found = []
    for api in world.apis:
        scope = Scope(api.id, api.stage)
        for crowd in crowds(world, api):
            end = crowd.end_ms if crowd.end_ms < world.end_ms else None
            why = f"A crowd: {crowd.times:.1f} times the calls, answered as always."
            found.append(_benign("background_crowd", scope, crowd.start_ms, end, why))
        for hold in held:
            if hold.api_id != api.id:
                continue
            end = hold.end_ms if hold.end_ms < world.end_ms else None
            if hold.until_ms is None:
                why = "The log lines of this time were lost on their way; metrics show the calls."
                found.append(_benign("delivery_gap", scope, hold.start_ms, end, why))
            else:
                why = "The log lines of this time were delivered late, all at once."
                found.append(_benign("delivery_late", scope, hold.start_ms, end, why))
    return found


def _benign(name: str, scope: Scope, start_ms: int, end_ms: int | None, why: str) -> Benign:
    return Benign(f"{name}-{scope.api_id}-{start_ms // MINUTE_MS}", name, scope, start_ms, end_ms, why)


def _times(world: World, api: Api, purpose: int, every_days: int) -> list[tuple[int, int]]:
    """(start, salt): one whole minute in each stretch of so many days, the stretches shifted for each API.

    None in the first tenth of the world and the last two hours, where it could not be told from the edge.
    """
    step = every_days * DAY_MS
    shift = int(mixed(world.seed, api.index, purpose)) % step
    low = world.start_ms + (world.end_ms - world.start_ms) // 10
    found = []
    for number in range((low + shift) // step - 1, (world.end_ms + shift) // step + 1):
        salt = int(mixed(world.seed, api.index, purpose, number))
        start = (number * step - shift + salt % step) // MINUTE_MS * MINUTE_MS
        if low <= start < world.end_ms - 120 * MINUTE_MS:
            found.append((start, salt))
    return found
