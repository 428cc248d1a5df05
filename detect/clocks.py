"""When clocks change: what people and their jobs do by the clock then comes an hour earlier or later in UTC. Weekends.

Whose clock a caller goes by is not known, so that the change of any of the usual zones counts for all.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from detect.stats.seasonal import hour_of_week

ZONES = tuple(map(ZoneInfo, ("Europe/Berlin", "America/New_York", "Australia/Sydney")))
"""For the rules of Europe, North America, and the south of Australia."""

NEW_DAYS = 8
"""So long after a change an hour of the week may not have been seen by the new clock."""

_DAY_S = 86_400


def clocks_changed(minute: int) -> bool:
    """Whether a usual zone changed its clocks on this day of UTC or in the NEW_DAYS before. minute: since the epoch.

    >>> at = lambda text: int(datetime.fromisoformat(text).timestamp()) // 60
    >>> [clocks_changed(at(f"2026-{day}T00:00Z")) for day in ("10-24", "10-25", "11-09", "11-10", "12-24")]
    [False, True, True, False, False]
    """
    return _changed(minute // 1440)


@lru_cache(maxsize=4096)
def _changed(day: int) -> bool:
    end = datetime.fromtimestamp((day + 1) * _DAY_S, UTC)
    before = datetime.fromtimestamp((day - NEW_DAYS) * _DAY_S, UTC)
    return any(zone.utcoffset(end) != zone.utcoffset(before) for zone in ZONES)


def weekend(minute: int) -> bool:
    """Saturday or Sunday of UTC: days on which many are not called who are on others."""
    return hour_of_week(minute) // 24 in (0, 6)
