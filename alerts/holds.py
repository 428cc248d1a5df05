"""Why an alert is held back: a silence, maintenance, quiet hours, its cause is told already, or a person said so.

What is held is not lost: when the reason ends and the finding is still open, it is told then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from alerts.config import AlertConfig
from alerts.matching import Labels, Match
from alerts.routes import Way
from alerts.times import Window


@dataclass(frozen=True, slots=True)
class Silence:
    """What fits is not told in [starts_at, ends_at)."""

    id: str
    match: Match
    reason: str
    author: str
    starts_at: datetime
    ends_at: datetime

    def state(self, now: datetime) -> str:
        """pending, active or expired."""
        return "pending" if now < self.starts_at else "active" if now < self.ends_at else "expired"


@dataclass(frozen=True, slots=True)
class Hold:
    """until: when to look again; None: at the next change."""

    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """A finding as steps see it. state: of its life; still_open: it is not over."""

    id: str
    labels: Labels
    state: str
    still_open: bool


class Inhibitions:
    """What open findings hold back; looked up by label values, so that thousands of findings cost no more each."""

    def __init__(self, config: AlertConfig, subjects: Iterable[Subject]) -> None:
        self._rules = config.inhibit
        self._sources: list[dict[tuple[tuple[str, ...], ...], list[str]]] = []
        open_ones = [one for one in subjects if one.still_open and one.state not in ("suppressed", "snoozed")]
        for rule in self._rules:
            found: dict[tuple[tuple[str, ...], ...], list[str]] = {}
            for one in open_ones:
                if rule.source.fits(one.labels):
                    found.setdefault(_values(one.labels, rule.equal), []).append(one.id)
            self._sources.append(found)

    def by(self, subject: Subject) -> str | None:
        """Id of the open finding that holds this one back. None holds itself back."""
        for rule, sources in zip(self._rules, self._sources, strict=True):
            if rule.target.fits(subject.labels):
                for other in sources.get(_values(subject.labels, rule.equal), ()):
                    if other != subject.id:
                        return other
        return None


def _values(labels: Labels, names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(labels.get(name, ()) for name in names)


def hold(
    subject: Subject,
    way: Way,
    now: datetime,
    *,
    config: AlertConfig,
    silences: Iterable[Silence],
    inhibitions: Inhibitions,
) -> Hold | None:
    """Why an alert is held back now; None: it may go."""
    labels = subject.labels
    if subject.state in ("suppressed", "snoozed"):
        return Hold(f"the finding is {subject.state}")
    for silence in silences:
        if silence.state(now) == "active" and silence.match.fits(labels):
            return Hold(f"silence {silence.id} by {silence.author}: {silence.reason}", silence.ends_at)
    for one in config.maintenance:
        until = _maintained_until(config, one.starts, one.ends, one.windows, now)
        if until is not None and one.match.fits(labels):
            return Hold(f"maintenance: {one.reason}", until)
    other = inhibitions.by(subject)
    if other is not None:
        return Hold(f"finding {other} is its cause")
    if "critical" not in labels.get("severity", ()):
        for name in way.quiet:
            until = window_end(config.times, name, now)
            if until is not None:
                return Hold(f"quiet hours: {name}", until)
    return None


def _maintained_until(
    config: AlertConfig, starts: datetime | None, ends: datetime | None, windows: Sequence[str], now: datetime
) -> datetime | None:
    if (starts is not None and now < starts) or (ends is not None and now >= ends):
        return None
    if not windows:
        return ends
    closing = [end for name in windows if (end := window_end(config.times, name, now)) is not None]
    return max(closing) if closing else None


def window_end(times: Mapping[str, Sequence[Window]], name: str, now: datetime) -> datetime | None:
    """When the window that `now` is in closes; None when it is in none of this name."""
    ends = [end for window in times[name] if (end := window.closes_after(now)) is not None]
    return max(ends) if ends else None
