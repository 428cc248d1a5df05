"""How numbers, times and names are written: one way everywhere."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from detect.saying import layer_words
from gatewatch.records import Cause, Kind, Severity, State

NONE = "–"

KINDS: dict[Kind, str] = {
    Kind.AUTH_FAILURE_SPIKE: "Auth failures",
    Kind.THROTTLING_ABUSE: "Throttling abuse",
    Kind.DEAD_API: "Dead API",
    Kind.LATENCY_OUTLIER: "Latency",
    Kind.DATA_QUALITY: "Data quality",
    Kind.CONFIG_CHANGE: "Configuration",
}
SEVERITIES: dict[Severity, str] = {severity: severity.value.capitalize() for severity in Severity}
STATES: dict[State, str] = {state: state.value.capitalize() for state in State}
CAUSES: dict[Cause, str] = {
    Cause.GATEWAY: "The gateway",
    Cause.INTEGRATION: "The backend behind the gateway",
    Cause.CLIENT: "Clients",
    Cause.CONFIG_CHANGE: "A configuration change",
    Cause.UNKNOWN: "Cannot tell",
}


def missing(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def count(value: float | None) -> str:
    """1,234 up to a million, then 1.23 M, 1.23 G."""
    if value is None or missing(value):
        return NONE
    for size, unit in ((1e9, " G"), (1e6, " M")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.3g}"


def percent(share: float | None) -> str:
    """A share of 1 as percent; small shares keep two digits, and what is not all is never 100 %."""
    if share is None or missing(share):
        return NONE
    value = share * 100
    if 0 < value < 0.01:
        return "< 0.01 %"
    if 99.9 < value < 100:
        return "> 99.9 %"
    text = f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2g}"
    return f"{text.removesuffix('.0')} %"


def millis(value: float | None) -> str:
    if value is None or missing(value):
        return NONE
    if value >= 10_000:
        return f"{value / 1000:.1f} s"
    return f"{value:,.0f} ms" if value >= 10 else f"{value:.1f} ms"


def money(dollars: float | None) -> str:
    """$0.12; less than a cent keeps two digits, and almost nothing has none."""
    if dollars is None or missing(dollars):
        return NONE
    if 0 < dollars < 0.0001:
        return "< $0.0001"
    return f"${dollars:.2g}" if 0 < dollars < 0.01 else f"${dollars:,.2f}"


def change(now: float | None, before: float | None) -> str:
    """+12 % against before; '' where one of them is not known or there was nothing before."""
    if now is None or before is None or missing(now) or missing(before) or before == 0:
        return ""
    share = now / before - 1
    if abs(share) < 0.005:
        return "±0 %"
    sign = "+" if share > 0 else "−"
    return f"{share + 1:.0f}×" if share >= 9 else f"{sign}{abs(share) * 100:.0f} %"


def quantity(value: float | None, unit: str) -> str:
    """A number of evidence in its unit: `ms` and shares are written as everywhere else."""
    if unit == "ms":
        return millis(value)
    if unit.startswith("ms "):
        return f"{millis(value)} {unit.removeprefix('ms ')}"
    if unit in {"share", "ratio"}:
        return percent(value)
    return f"{count(value)} {of_one(unit) if value == 1 else unit}".strip() if not missing(value) else NONE


_MANY = re.compile(r"\b(request|login|setting|rejection|call|caller|line|minute|principal|address(?=es))(?:e?s)\b")


def of_one(unit: str) -> str:
    """A unit of one: `requests answered 429` is `request answered 429`."""
    return _MANY.sub(r"\1", unit)


_TIGHT = re.compile(r"(?<=\d)%(?![\w{])")


_LONE = re.compile(r"(?<![\w.,])1 (request|login|setting|caller|principal|key|address(?=es))(?:e?s)\b")


def spaced(text: str) -> str:
    """A sentence of a detector, its numbers written as everywhere: `51%` is `51 %`, `1 principals` is `1 principal`."""
    return _LONE.sub(r"1 \1", _TIGHT.sub(" %", text))


_CLOCK: ContextVar[tzinfo] = ContextVar("gatewatch_clock", default=UTC)
"""By which clock times are written: that of who looks, while a page is drawn for them."""


@contextmanager
def clock(name: str | None) -> Iterator[None]:
    """Times inside are written by the clock of this zone (`Europe/Berlin`); None: UTC."""
    token = _CLOCK.set(zone_of(name) or UTC)
    try:
        yield
    finally:
        _CLOCK.reset(token)


@lru_cache(maxsize=64)
def zone_of(name: str | None) -> tzinfo | None:
    """None for what is no zone that this machine knows."""
    if not name or not _ZONE_NAME.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


_ZONE_NAME = re.compile(r"[A-Za-z]{1,20}(?:[/_+-][A-Za-z0-9_+-]{1,30}){0,3}")


def zone() -> tzinfo:
    return _CLOCK.get()


def zone_name() -> str:
    """`UTC` or `Europe/Berlin`."""
    here = zone()
    return here.key if isinstance(here, ZoneInfo) else "UTC"


def local(value: datetime) -> datetime:
    return value.astimezone(zone())


def _short(value: datetime) -> str:
    """`UTC`, `CEST`; a zone without such a name as its distance from UTC."""
    name = value.tzname() or "UTC"
    return f"UTC{name}" if name[:1] in "+-" else name


def axis(value: datetime) -> str:
    """For the time axis of a chart, which knows no zones."""
    return local(value).replace(tzinfo=None).isoformat()


def zoned(text: str) -> str:
    """A head or title that names the zone: `Time (UTC)`."""
    return text.replace("UTC", zone_name())


def bare(value: datetime | None) -> str:
    """2026-06-09 12:34, under a head that names the zone."""
    return NONE if value is None else local(value).strftime("%Y-%m-%d %H:%M")


def at(value: datetime | None) -> str:
    """2026-06-09 12:34 UTC."""
    return NONE if value is None else f"{bare(value)} {_short(local(value))}"


def bare_second(value: datetime | None) -> str:
    """2026-06-09 12:34:56.789."""
    if value is None:
        return NONE
    value = local(value)
    return value.strftime("%Y-%m-%d %H:%M:%S") + f".{value.microsecond // 1000:03d}"


def second(value: datetime | None) -> str:
    """2026-06-09 12:34:56.789 UTC."""
    return NONE if value is None else f"{bare_second(value)} {_short(local(value))}"


def duration(value: timedelta) -> str:
    """The two largest units: 2 d 3 h, 1 h 5 min, 12 min, 40 s."""
    seconds = int(value.total_seconds())
    if seconds < 60:
        return f"{max(seconds, 0)} s"
    parts = [(seconds // 86400, "d"), (seconds % 86400 // 3600, "h"), (seconds % 3600 // 60, "min")]
    while parts[0][0] == 0:
        parts.pop(0)
    return " ".join(f"{n} {unit}" for n, unit in parts[:2] if n)


def plural(n: int, one: str, many: str | None = None) -> str:
    return f"{count(n)} {one if n == 1 else many or one + 's'}"


def layer(name: str) -> str:
    """A layer of a request: `waf` is WAF, `cold_start` a cold start."""
    return layer_words(name)


def stage_name(api: str, stage: str | None) -> str:
    return api if stage is None else f"{api} / {stage}"


def label(name: str, level: str | None) -> str:
    """A scenario of the simulator in words: `credential stuffing, moderate`."""
    said = name.replace("_", " ")
    return f"{said}, {level}" if level else said
