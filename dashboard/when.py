"""Times as people write them: `now-6h`, `yesterday`, `2026-06-09 12:00`, by the clock of the page; UTC by itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from dashboard.words import zone, zoned
from gatewatch.errors import UsageError

_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_BACK = re.compile(r"now(?:-(\d{1,4})([smhdw]))?")
_LAST = re.compile(r"(?:last\s+)?(\d{1,4})\s*(s|sec|m|min|h|hours?|d|days?|w|weeks?)")
_BETWEEN = re.compile(r"\s+(?:to|until)\s+|\s*(?:\.\.|–|→)\s*|\s+-\s+")
_YEARS = range(2000, 2101)
_DAY = timedelta(days=1)
HINT = "write now-6h, yesterday, 2026-06-09, or 2026-06-09 12:00 to 2026-06-09 13:30 (UTC)"


def relative(text: str) -> bool:
    """It counts back from now."""
    return text.startswith("now")


def canonical(value: str | datetime | None) -> str | None:
    """The one way to write an instant in an address; None for what is none."""
    if value is None or isinstance(value, datetime):
        at = value
    else:
        text = value.strip().lower()
        if _BACK.fullmatch(text):
            return text
        at = _iso(text)
    if at is None:
        return None
    form = "%Y-%m-%dT%H:%M:%SZ" if at.second else "%Y-%m-%dT%H:%MZ"
    return at.astimezone(UTC).strftime(form)


def instant(text: str, now: datetime) -> datetime:
    """What a canonical text means at a time."""
    found = _BACK.fullmatch(text)
    if found is None:
        return datetime.fromisoformat(text)
    return now - int(found[1]) * _UNITS[found[2]] if found[1] else now


def typed(text: str, now: datetime) -> tuple[str, str]:
    """(from, to) in canonical form, of what somebody typed. UsageError says what can be written.

    >>> typed("last 90 min", datetime(2026, 6, 9, tzinfo=UTC))
    ('now-90m', 'now')
    """
    said = re.sub(r"\bnow\s*-\s*", "now-", " ".join(text.strip().lower().split()))
    parts = _BETWEEN.split(said)
    if not said or len(parts) > 2:
        raise UsageError(f"{text[:60]!r} is no time: {zoned(HINT)}")
    since, until = _ends(parts[0], now)
    if len(parts) == 2:
        begin, end = _ends(parts[1], now)
        until = begin if end == "now" and parts[1] != "today" else end  # the end of a day, or the instant itself
    if instant(since, now) >= instant(until, now):
        raise UsageError(f"{text[:60]!r}: it begins at or after its end")
    return since, until


def _ends(said: str, now: datetime) -> tuple[str, str]:
    """Begin and end of one expression: of a day both, of an instant it and now."""
    today = now.astimezone(zone()).replace(hour=0, minute=0, second=0, microsecond=0)
    days = {"today": today, "yesterday": today - _DAY}
    if said in days:
        day = days[said]
        return _of(day), "now" if said == "today" else _of(day + _DAY)
    if _BACK.fullmatch(said):
        return (said, said) if said == "now" else (said, "now")
    if last := _LAST.fullmatch(said):
        return f"now-{last[1]}{last[2][0]}", "now"
    at = _iso(said)
    if at is None:
        raise UsageError(f"{said[:60]!r} is no time: {zoned(HINT)}")
    if re.fullmatch(r"\d{4}-\d\d-\d\d", said):
        return _of(at), _of(at.astimezone(zone()) + _DAY)  # a day in which clocks change is not as long
    return _of(at), "now"


def _of(at: datetime) -> str:
    return canonical(at) or ""


def _iso(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    at = at.replace(tzinfo=zone()) if at.tzinfo is None else at
    if at.year not in _YEARS:
        return None
    return at.astimezone(UTC).replace(microsecond=0)
