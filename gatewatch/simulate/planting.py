"""Which scenarios happen in a world, when, where and how strongly."""

from __future__ import annotations

from gatewatch.simulate.labels import LEVELS
from gatewatch.simulate.model import DAY_MS, HOUR_MS, MINUTE_MS, World
from gatewatch.simulate.scenarios import SCENARIOS, Planted


def plan(world: World) -> tuple[Planted, ...]:
    """Each wanted scenario once, one after the other, behind the first fifth of the world (a day, if it is that long).

    KeyError: there is no scenario of that name.
    """
    if not world.settings.plant:
        return ()
    chosen = [SCENARIOS[name] for name in world.settings.scenarios or tuple(SCENARIOS)]
    length = world.end_ms - world.start_ms
    first = world.start_ms + max(length // 5, min(DAY_MS, length // 2))
    step = (world.end_ms - first) // max(len(chosen), 1)
    planted = []
    for place, one in enumerate(chosen):
        rng = world.rng("planting", place)
        level = LEVELS[place % len(LEVELS)]
        apis = [api for api in world.apis if one.fits(api)]
        if not apis:
            continue
        start = (first + place * step) // MINUTE_MS * MINUTE_MS
        end = min(start + one.minutes[level] * MINUTE_MS, start + max(step - HOUR_MS, 10 * MINUTE_MS))
        planted.append(one.make(world, apis[place % len(apis)], level, start, end, rng))
    return tuple(planted)
