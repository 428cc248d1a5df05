"""Filters and exit codes: what is shown, and what the shell is told. Neither changes any count."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

from gatewatch.errors import UsageError
from gatewatch.records import JSON, JUDGED, Blind, Finding, Kind, Severity

F = TypeVar("F", bound=Callable[..., Any])

MAX_REJECTED_SHARE = 0.01
"""More rejected lines than this share, and the data count as partial (reliability.md G13)."""

_RELATIVE = re.compile(r"(\d{1,6})\s*(s|m|min|h|d|w)\Z")
_SPAN = re.compile(r"(\d{1,5})(m|h|d)\Z")
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}


WORLD_YEARS = (2000, 2100)
"""Simulated worlds lie between these: clocks before the epoch and calendars after year 9999 end in no good error."""


class Finite(click.FloatRange):
    """A number in a range; nan, which is in every range for click, and infinity are refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number that can be used", param, ctx)
        return number


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which findings to keep. Empty sets and None keep all; since/until keep what overlaps [since, until)."""

    severities: frozenset[Severity] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    min_confidence: float = 0.0
    apis: frozenset[str] = frozenset()
    stages: frozenset[str] = frozenset()
    routes: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None

    def keeps(self, finding: Finding) -> bool:
        return (
            (not self.severities or finding.severity in self.severities)
            and (not self.kinds or finding.kind in self.kinds)
            and finding.confidence >= self.min_confidence
            and (not self.apis or finding.api in self.apis)
            and (not self.stages or finding.stage in self.stages)
            and (not self.routes or finding.route in self.routes)
            and (self.since is None or finding.end is None or finding.end > self.since)
            and (self.until is None or finding.start < self.until)
        )


def instant(text: str | None, *, now: datetime | None = None, name: str = "--since") -> datetime | None:
    """`2026-06-09`, `2026-06-09T12:00Z`, or `90m`, `24h`, `7d` before now. No offset means UTC."""
    if text is None:
        return None
    relative = _RELATIVE.match(text.strip())
    if relative:
        try:
            return (now or datetime.now(UTC)) - timedelta(seconds=int(relative[1]) * _UNITS[relative[2]])
        except OverflowError:
            raise UsageError(f"{name} {text!r}: before the year 1") from None
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(f"{name} {text!r}: not a time; write 2026-06-09T12:00:00Z, 2026-06-09 or 24h") from None
    try:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError:
        raise UsageError(f"{name} {text!r}: before the year 1, or after 9999") from None


def world_end(text: str | None, days: float) -> datetime | None:
    """`--end` of a simulated world of so many days; UsageError when it has no minute or leaves WORLD_YEARS."""
    if round(days * 1440) < 1:
        raise UsageError(f"--days {days:g} is less than a minute")
    at = instant(text, name="--end")
    first, last = WORLD_YEARS
    if at is not None and not datetime(first, 1, 1, tzinfo=UTC) + timedelta(days=days) <= at < datetime(
        last, 1, 1, tzinfo=UTC
    ):
        raise UsageError(f"--end {text!r}: a world lies between the years {first} and {last}")
    return at


def span(text: str, *, name: str = "--for") -> timedelta:
    """`90m`, `2h` or `3d`; UsageError for anything else."""
    found = _SPAN.match(text)
    if found is None:
        raise UsageError(f"{name} {text!r}: write 90m, 2h or 3d")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def window(since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    """Both ends of --since and --until; UsageError when they leave nothing between them."""
    now = datetime.now(UTC)
    start, end = instant(since, now=now, name="--since"), instant(until, now=now, name="--until")
    if start is not None and end is not None and start >= end:
        raise UsageError(f"--since {since} is not before --until {until}")
    return start, end


def one_of(values: Iterable[str], allowed: Sequence[str], name: str) -> frozenset[str]:
    """Values of a repeatable, comma-separated option; UsageError lists what is allowed."""
    chosen = {part.strip().lower() for value in values for part in value.split(",") if part.strip()}
    for part in chosen:
        if part not in allowed:
            raise UsageError(f"{name} {part!r}: choose from {', '.join(allowed)}")
    return frozenset(chosen)


def severities(values: Iterable[str]) -> frozenset[Severity]:
    return frozenset(Severity(name) for name in one_of(values, [s.value for s in Severity], "--severity"))


def kinds(values: Iterable[str]) -> frozenset[Kind]:
    return frozenset(Kind(name) for name in one_of(values, [k.value for k in Kind], "--detector"))


def filter_options(function: F) -> F:
    """--severity, --detector, --api, --stage, --route, --since, --until."""
    options = (
        click.option("--severity", multiple=True, help="Only these, e.g. high,critical (repeatable)."),
        click.option("--detector", multiple=True, help="Only these kinds, e.g. dead_api (repeatable)."),
        click.option("--api", multiple=True, help="Only these API ids (repeatable)."),
        click.option("--stage", multiple=True, help="Only these stages (repeatable)."),
        click.option("--route", multiple=True, help="Only these routes, e.g. 'GET /pets/{id}' (repeatable)."),
        click.option("--since", help="Only what went on at or after: 2026-06-09T12:00Z, 2026-06-09 or 24h."),
        click.option("--until", help="Only what began before."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def wanted(options: Mapping[str, Any], min_confidence: float = 0.0) -> Wanted:
    """The filter that the options of `filter_options` ask for."""
    since, until = window(options["since"], options["until"])
    return Wanted(
        severities=severities(options["severity"]),
        kinds=kinds(options["detector"]),
        min_confidence=min_confidence,
        apis=frozenset(options["api"]),
        stages=frozenset(options["stage"]),
        routes=frozenset(options["route"]),
        since=since,
        until=until,
    )


def partial(accounting: Mapping[str, JSON], errors: Sequence[str]) -> str | None:
    """Why the data are not whole, or None. No accepted line at all is never a success."""
    lines, accepted, rejected, blank, duplicate = (
        value if isinstance(value := accounting.get(name), int) else 0
        for name in ("lines", "accepted", "rejected", "blank", "duplicate")
    )
    if errors:
        return f"{len(errors)} source{'s' if len(errors) > 1 else ''} could not be read whole"
    if accounting.get("files") == 0:
        return "no log files were found"
    if accepted + duplicate == 0:
        return "not one line could be read" if rejected else "there was not one line to read"
    if rejected > MAX_REJECTED_SHARE * (lines - blank):
        return f"{100 * rejected / (lines - blank):.1f} % of the lines were rejected"
    return None


def judged_percent(stages: int, blind: Sequence[Blind]) -> float:
    """Percent of (stage, detector) pairs that the logs allow to judge; 100 when there is nothing to judge.

    That a stage is young, or that refusals hide what others took, is no fault of its logs.
    """
    from detect.sight import HIDDEN, WARMING

    pairs = stages * len(JUDGED)
    told = [one for one in blind if one.kind in JUDGED and not one.reason.startswith((WARMING, HIDDEN))]
    lost = len({(b.kind, b.account, b.region, b.api, b.stage) for b in told})
    return 100.0 * max(pairs - lost, 0) / pairs if pairs else 100.0
