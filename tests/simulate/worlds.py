"""Worlds of the usual gateways for tests of scenarios, with their background drawn once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from gatewatch.simulate.archetypes import build
from gatewatch.simulate.background import background
from gatewatch.simulate.calls import Calls, joined
from gatewatch.simulate.model import DAY_MS, HOUR_MS, Api, Chunk, Settings, World
from gatewatch.simulate.scenarios import SCENARIOS, Planted, Unfit

END_MS = 1_780_000_000_000 // HOUR_MS * HOUR_MS


@lru_cache(maxsize=4)
def world(rate: float = 4.0, days: float = 5.0, seed: int = 3) -> World:
    """Thirteen gateways, one of each archetype."""
    return build(Settings(seed=seed, days=days, apis=13, rate_rps=rate, end_ms=END_MS))


@lru_cache(maxsize=64)
def _drawn(key: tuple[float, float, int], place: int, number: int) -> Calls:
    one = world(*key)
    chunks = {chunk.number: chunk for chunk in one.chunks(one.apis[place])}
    return background(one, chunks[number])


def drawn(one: World, chunk: Chunk) -> Calls:
    """A fresh copy of the chunk's ordinary calls."""
    settings = one.settings
    calls = _drawn((settings.rate_rps, settings.days, settings.seed), chunk.api.index, chunk.number)
    return calls.take(np.arange(len(calls)))


def planted(one: World, name: str, api: Api, level: str, seed: int = 5) -> Planted | None:
    """The scenario in the middle of the world, on a working day; None when it is unfit at all of some hours."""
    known = SCENARIOS[name]
    for hours in (36, 30, 42, 26, 57, 12):
        start = one.end_ms - hours * HOUR_MS + 137_000
        try:
            return known.make(
                one, api, level, start, start + known.minutes[level] * 60_000, np.random.default_rng(seed)
            )
        except Unfit:
            continue
    return None


def before_and_after(one: World, what: Planted, api: Api) -> tuple[Calls, Calls]:
    """The calls of all chunks that it touches, without and with it, each in order of time."""
    chunks = [chunk for chunk in one.chunks(api) if what.touches(chunk)]
    plain = [drawn(one, chunk) for chunk in chunks]
    edited = [what.apply(drawn(one, chunk), chunk, np.random.default_rng(1)) for chunk in chunks]
    return joined(plain).in_order(), joined(edited).in_order()


def first_fits(one: World, name: str, kind: str) -> Api | None:
    """The busiest API of that kind that the scenario fits."""
    return next((api for api in one.apis if api.kind == kind and SCENARIOS[name].fits(api)), None)


__all__ = ["DAY_MS", "END_MS", "before_and_after", "drawn", "first_fits", "planted", "world"]
