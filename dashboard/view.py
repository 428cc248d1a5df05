"""What the address bar says: the page's state, read from the query and written back to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlencode

from gatewatch.records import Kind, Severity, State

RANGES: dict[str, tuple[str, timedelta]] = {
    "1h": ("hour", timedelta(hours=1)),
    "6h": ("6 h", timedelta(hours=6)),
    "24h": ("24 h", timedelta(hours=24)),
    "7d": ("7 days", timedelta(days=7)),
    "30d": ("30 days", timedelta(days=30)),
}
DEFAULT_RANGE = "24h"
STALE = timedelta(hours=1)
_LONGEST = 512


@dataclass(frozen=True, slots=True)
class View:
    """State of a page. None: not filtered. Values that make no sense are left out, so any address shows something.

    labels: `off` when the labels of a simulated world are not to be shown.
    """

    range: str = DEFAULT_RANGE
    api: str | None = None
    stage: str | None = None
    kind: str | None = None
    severity: str | None = None
    state: str | None = None
    q: str | None = None
    cursor: str | None = None
    labels: str | None = None

    @property
    def filtered(self) -> bool:
        return any((self.api, self.stage, self.kind, self.severity, self.state, self.q))

    def search(self, **changes: str | None) -> str:
        """The query string of this view with these changes, `?` included; '' when all is default."""
        values = {name: getattr(self, name) for name in self.__slots__} | changes
        if values["range"] == DEFAULT_RANGE:
            values["range"] = None
        pairs = [(name, value) for name, value in values.items() if value]
        return "?" + urlencode(pairs) if pairs else ""


def view_of(search: str | None) -> View:
    """The view that a query string asks for."""
    given = {name: values[0][:_LONGEST] for name, values in parse_qs((search or "").removeprefix("?")).items()}

    def one_of(name: str, allowed: Mapping[str, object] | set[str]) -> str | None:
        value = given.get(name)
        return value if value in allowed else None

    return View(
        range=one_of("range", RANGES) or DEFAULT_RANGE,
        api=given.get("api"),
        stage=given.get("stage"),
        kind=one_of("kind", {kind.value for kind in Kind}),
        severity=one_of("severity", {severity.value for severity in Severity}),
        state=one_of("state", {"open", *(state.value for state in State)}),
        q=given.get("q"),
        cursor=given.get("cursor"),
        labels=one_of("labels", {"off"}),
    )


@dataclass(frozen=True, slots=True)
class Window:
    """[since, until) of whole minutes. stale: the newest data are old, and the range counts back from them."""

    since: datetime
    until: datetime
    stale: bool

    @property
    def span(self) -> timedelta:
        return self.until - self.since

    @property
    def bucket_minutes(self) -> int:
        """A bucket that cuts the window into at most 120."""
        minutes = self.span / timedelta(minutes=1)
        return next(size for size in (1, 5, 10, 15, 30, 60, 120, 360, 720, 1440) if minutes / size <= 120)


def window_of(view: View, newest: datetime | None, now: datetime) -> Window:
    """The time a view shows: back from now, or from the newest data when those are older than an hour."""
    stale = newest is not None and now - newest > STALE
    end = newest if newest is not None and stale else now
    until = end.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    return Window(until - RANGES[view.range][1], until, stale)
