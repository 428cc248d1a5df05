"""How many calls an API gets: shape of day and week in its own time zone, holidays, trend, slow wandering.

A closed function of time: nothing is drawn, so that any part of it can be asked for at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from gatewatch.simulate.happenings import crowd_factor
from gatewatch.simulate.model import DAY_MS, HOUR_MS, MINUTE_MS, Api, Floats, Ints, World
from gatewatch.simulate.people import uniform

SHARPNESS = 1.6
"""Of the daily peak: the von Mises concentration of its bell."""

EVENING_HOUR = 20.5
LIE_IN_HOURS = 1.5
"""People rise later on days off."""

HOUR_NOISE = 0.05
DAY_NOISE = 0.06
"""Standard deviation (log scale) of the wandering between knots an hour and a day apart."""


def per_minute(world: World, api: Api, start_ms: int, end_ms: int) -> Floats:
    """Expected ordinary calls of each minute in [start_ms, end_ms), both on whole minutes.

    Without batches, health checks, scanners and incidents. A week without holidays and crowds averages 60 × rate_rps
    a minute when there is no trend; the trend is anchored at the world's start.
    """
    at = np.arange(start_ms, end_ms, MINUTE_MS, dtype=np.int64)
    if not len(at):
        return np.zeros(0)
    local = local_ms(api.timezone, at)
    day = local // DAY_MS
    off = _days_off(world, api, day)
    hour = local % DAY_MS / HOUR_MS
    shape = _wave(api, hour - np.where(off < 1.0, LIE_IN_HOURS if api.audience == "people" else 0.0, 0.0))
    weeks = (at - world.start_ms) / (7 * DAY_MS)
    level = api.rate_rps * 60 * 7 / (5 + 2 * api.weekend) * (1 + api.trend_week) ** weeks
    found: Floats = level * shape * off * np.exp(_wander(world, api, at)) * crowd_factor(world, api, at)
    return found


def local_ms(timezone: str, at_ms: Ints) -> Ints:
    """The wall clock as epoch ms; clock changes happen on whole hours (of every zone the archetypes use)."""
    zone = ZoneInfo(timezone)
    hours, places = np.unique(at_ms // HOUR_MS, return_inverse=True)
    offsets = [
        (datetime.fromtimestamp(hour * 3600, UTC).astimezone(zone).utcoffset() or timedelta()).total_seconds() * 1000
        for hour in hours.tolist()
    ]
    found: Ints = at_ms + np.array(offsets, dtype=np.int64)[places]
    return found


def local_date(day: int) -> date:
    """The date of a local day number (local_ms // DAY_MS)."""
    return date(1970, 1, 1) + timedelta(days=day)


def _wave(api: Api, hour: Floats) -> Floats:
    """The day's shape; its mean over 24 hours is 1."""
    around = 2 * np.pi / 24
    main = np.exp(SHARPNESS * np.cos((hour - api.peak_hour) * around))
    evening = api.evening * np.exp(SHARPNESS * np.cos((hour - EVENING_HOUR) * around))
    mean = float(np.i0(SHARPNESS)) * (1 + api.evening)
    found: Floats = 1 - api.amplitude + api.amplitude * (main + evening) / mean
    return found


def _days_off(world: World, api: Api, day: Ints) -> Floats:
    """The factor of each local day: 1 on working days."""
    holidays = world.holidays.get(api.country, frozenset())
    factor: dict[int, float] = {}
    for number in np.unique(day).tolist():
        when = local_date(number)
        free = api.holiday if when in holidays else 1.0
        factor[number] = (
            min(free, api.weekend)
            if when.weekday() >= 5 and free < 1
            else (api.weekend if when.weekday() >= 5 else free)
        )
    keys = np.array(sorted(factor))
    found: Floats = np.array([factor[key] for key in keys.tolist()])[np.searchsorted(keys, day)]
    return found


def _wander(world: World, api: Api, at_ms: Ints) -> Floats:
    found: Floats = knots(world.seed, api.index, 1, at_ms, HOUR_MS) * HOUR_NOISE
    found += knots(world.seed, api.index, 2, at_ms, DAY_MS) * DAY_NOISE
    return found


def knots(seed: int, index: int, salt: int, at_ms: Ints, step_ms: int) -> Floats:
    """Standard normal numbers at whole steps, straight lines between them. salt tells series of one API apart."""
    place = at_ms // step_ms
    part = at_ms % step_ms / step_ms
    found: Floats = (1 - part) * _normal(seed, index, salt, place) + part * _normal(seed, index, salt, place + 1)
    return found


def _normal(seed: int, index: int, salt: int, place: Ints) -> Floats:
    """Box and Muller's transform of two hashes."""
    first = np.maximum(uniform(seed, index, salt, place, 1), 1e-12)
    found: Floats = np.sqrt(-2 * np.log(first)) * np.cos(2 * np.pi * uniform(seed, index, salt, place, 2))
    return found


_FIXED: Mapping[str, tuple[tuple[int, int], ...]] = {
    "DE": ((1, 1), (5, 1), (10, 3), (12, 25), (12, 26)),
    "ES": ((1, 1), (1, 6), (5, 1), (8, 15), (10, 12), (11, 1), (12, 6), (12, 8), (12, 25)),
    "GB": ((1, 1), (12, 25), (12, 26)),
    "US": ((1, 1), (6, 19), (7, 4), (11, 11), (12, 25)),
    "JP": ((1, 1), (2, 11), (2, 23), (4, 29), (5, 3), (5, 4), (5, 5), (8, 11), (11, 3), (11, 23)),
    "IN": ((1, 26), (8, 15), (10, 2), (12, 25)),
}
_EASTER: Mapping[str, tuple[int, ...]] = {"DE": (-2, 1, 39, 50), "ES": (-3, -2), "GB": (-2, 1)}


def holidays_of(country: str, first: date, last: date, seed: int) -> frozenset[date]:
    """Dates in [first, last] on which a country stays at home.

    Fixed dates, those around Easter, and in each two weeks one local working day of the seed's choice (feasts, strikes,
    bridge days), so that a world of two weeks has a day off that no calendar tells.
    """
    days: set[date] = set()
    for year in range(first.year, last.year + 1):
        days.update(date(year, month, day) for month, day in _FIXED.get(country, ()))
        days.update(_easter(year) + timedelta(days=offset) for offset in _EASTER.get(country, ()))
    for fortnight in range(first.toordinal() // 14, last.toordinal() // 14 + 1):
        place = int(uniform(seed, sum(map(ord, country)), fortnight) * 14)
        chosen = date.fromordinal(max(fortnight * 14 + place, 1))
        if chosen.weekday() < 5:
            days.add(chosen)
    return frozenset(day for day in days if first <= day <= last)


def _easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (Meeus, Jones, Butcher)."""
    a, b, c = year % 19, year // 100, year % 100
    d = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    e = (32 + 2 * (b % 4) + 2 * (c // 4) - d - c % 4) % 7
    f = d + e - 7 * ((a + 11 * d + 22 * e) // 451) + 114
    return date(year, f // 31, f % 31 + 1)


def chunk_minutes(rate_rps: float) -> int:
    """Chunk length in minutes for about 60,000 calls at this many a second: 5 to 1440, a divisor of a day."""
    wish = 60_000 / max(rate_rps, 1e-9) / 60
    return max((step for step in (5, 10, 15, 20, 30, 60, 120, 180, 360, 720, 1440) if step <= wish), default=5)
