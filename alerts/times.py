"""Windows of time that come again, such as nights, and lengths of time as people write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LENGTH = r"^\d+(s|m|h|d)$"


def _length(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(_LENGTH, value):
        return timedelta(seconds=int(value[:-1]) * _UNITS[value[-1]])
    if isinstance(value, timedelta):
        return value
    raise ValueError("a length of time is written 30s, 5m, 4h or 2d")


Length = Annotated[timedelta, BeforeValidator(_length), WithJsonSchema({"type": "string", "pattern": _LENGTH})]
"""A length of time, written `30s`, `5m`, `4h` or `2d`."""


class Strict(BaseModel):
    """Frozen, and without keys that nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Window(Strict):
    """Part of a day on some days of the week, in a zone. A window whose end is not after its start ends the next day.

    >>> night = Window(days=("fri",), start="22:00", end="06:00")
    >>> [night.open_at(datetime(2026, 6, day, 3, tzinfo=UTC)) for day in (5, 6)]
    [False, True]
    """

    days: tuple[str, ...] = Field(default=DAYS, description="days on which it starts: mon, tue …")
    start: str = Field(default="00:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="HH:MM")
    end: str = Field(default="24:00", pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$", description="HH:MM, not included")
    zone: str = Field(default="UTC", description="name of the time zone, such as Europe/Berlin")

    @field_validator("days")
    @classmethod
    def _known(cls, days: tuple[str, ...]) -> tuple[str, ...]:
        for day in days:
            if day not in DAYS:
                raise ValueError(f"{day!r} is no day; write {', '.join(DAYS)}")
        return days

    @field_validator("zone")
    @classmethod
    def _exists(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"no time zone is called {zone!r}") from None
        return zone

    def open_at(self, now: datetime) -> bool:
        """Whether the instant `now` is in the window."""
        return self.closes_after(now) is not None

    def closes_after(self, now: datetime) -> datetime | None:
        """The end of the window that `now` is in, None when it is in none."""
        zone = ZoneInfo(self.zone)
        here = now.astimezone(zone)
        for back in (0, 1):
            day = here.date() - timedelta(days=back)
            if DAYS[day.weekday()] not in self.days:
                continue
            begins = datetime.combine(day, time.fromisoformat(self.start), zone)
            over = self.end == "24:00" or self.end <= self.start
            ends_on = day + timedelta(days=1) if over else day
            ends = datetime.combine(ends_on, time.fromisoformat("00:00" if self.end == "24:00" else self.end), zone)
            # Compared in UTC: two instants of one zone are compared by their wall clocks, which a change of time moves.
            if begins.astimezone(UTC) <= now < ends.astimezone(UTC):
                return ends.astimezone(UTC)
        return None
