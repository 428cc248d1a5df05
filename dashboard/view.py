"""What the address bar says: the page's state, read from the query and written back to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlencode

from dashboard.when import canonical, instant, relative
from dashboard.words import zone_of
from gatewatch.records import Kind, Severity, State

RANGES: dict[str, tuple[str, timedelta]] = {
    "15m": ("15 min", timedelta(minutes=15)),
    "30m": ("30 min", timedelta(minutes=30)),
    "1h": ("hour", timedelta(hours=1)),
    "3h": ("3 h", timedelta(hours=3)),
    "6h": ("6 h", timedelta(hours=6)),
    "12h": ("12 h", timedelta(hours=12)),
    "24h": ("24 h", timedelta(hours=24)),
    "3d": ("3 days", timedelta(days=3)),
    "7d": ("7 days", timedelta(days=7)),
    "14d": ("14 days", timedelta(days=14)),
    "30d": ("30 days", timedelta(days=30)),
    "90d": ("90 days", timedelta(days=90)),
}
DEFAULT_RANGE = "24h"
STALE = timedelta(hours=1)
WIDEST = timedelta(days=400)
COMPARISONS = {"prev": "previous period", "week": "same time last week"}
REFRESHES: dict[str, tuple[str, int]] = {
    "off": ("off", 0),
    "10s": ("10 s", 10),
    "1m": ("1 min", 60),
    "5m": ("5 min", 300),
}
MOST_TERMS = 30
_LONGEST = 512
_NAMES = {"since": "from", "until": "to"}
"""Fields whose key in the address is another word."""


@dataclass(frozen=True, slots=True)
class View:
    """State of a page. None: not filtered. Values that make no sense are left out, so any address shows something.

    since, until (`from` and `to` in the address): a chosen time, as an instant (`2026-06-09T12:00:00Z`) or counted back
    (`now-90m`); they win over `range`. cmp: what is compared with, a word of COMPARISONS or the instant at which a time
    of the same length begins. refresh: how often it is drawn anew. f: conditions `field op value` (gatewatch.where).
    tag: `name=value` of the inventory; places: what it means there, no part of the address (dashboard.scoping).
    tz: the zone by whose clock times are shown; None: UTC. t: what is asked of tables (dashboard.sheets). tab,
    sort, cols, sel: a page's own. labels: `off` when those of a simulated world are not to be shown. notes: kinds of
    annotations that are hidden, by comma.
    """

    range: str = DEFAULT_RANGE
    since: str | None = None
    until: str | None = None
    cmp: str | None = None
    refresh: str | None = None
    api: str | None = None
    stage: str | None = None
    account: str | None = None
    region: str | None = None
    tag: str | None = None
    tz: str | None = None
    labels: str | None = None
    notes: str | None = None
    kind: str | None = None
    severity: str | None = None
    state: str | None = None
    q: str | None = None
    cursor: str | None = None
    tab: str | None = None
    sort: str | None = None
    cols: str | None = None
    sel: str | None = None
    f: tuple[str, ...] = ()
    t: tuple[str, ...] = ()
    places: tuple[str, ...] | None = None

    @property
    def filtered(self) -> bool:
        return any((self.api, self.stage, self.kind, self.severity, self.state, self.q, self.f))

    @property
    def chosen(self) -> bool:
        """The time is one that was chosen, and not one of the quick ranges."""
        return self.since is not None or self.until is not None

    @property
    def span_label(self) -> str:
        """`last 24 h`, or `chosen time`."""
        return "chosen time" if self.chosen else f"last {RANGES[self.range][0]}"

    @property
    def frozen(self) -> bool:
        """Its ends are instants: the same picture whenever it is opened."""
        return self.until is not None and not relative(self.until) and not (self.since and relative(self.since))

    def lasting(self, name: str) -> View:
        """The same over a quick range."""
        return replace(self, range=name, since=None, until=None)

    def between(self, since: datetime, until: datetime) -> View:
        """The same over a time that stays."""
        return replace(self, range=DEFAULT_RANGE, since=canonical(since), until=canonical(until))

    def kept(self) -> View:
        """What a link to another page takes along: time, scope and how it is shown, and no filter."""
        return View(
            range=self.range,
            since=self.since,
            until=self.until,
            cmp=self.cmp,
            refresh=self.refresh,
            api=self.api,
            stage=self.stage,
            account=self.account,
            region=self.region,
            tag=self.tag,
            tz=self.tz,
            labels=self.labels,
            notes=self.notes,
        )

    def search(self, **changes: str | tuple[str, ...] | None) -> str:
        """The query string of this view with these changes, `?` included; '' when all is default.

        A change of `range` takes a chosen time away.
        """
        if "range" in changes:
            changes = {"since": None, "until": None} | changes
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "places"} | changes
        if values["range"] == DEFAULT_RANGE:
            values["range"] = None
        pairs = [(_NAMES.get(name, name), value) for name, value in values.items() if value]
        return "?" + urlencode(pairs, doseq=True) if pairs else ""


KEPT_KEYS = tuple("range from to cmp refresh api stage account region tag tz labels notes".split())
"""Keys of the address that `View.kept` leaves."""


def view_of(search: str | None) -> View:
    """The view that a query string asks for."""
    asked = parse_qs((search or "").removeprefix("?"))
    given = {name: values[0][:_LONGEST] for name, values in asked.items()}

    def one_of(name: str, allowed: Mapping[str, object] | set[str]) -> str | None:
        value = given.get(name)
        return value if value in allowed else None

    span, since, until = _times(one_of("range", RANGES), given.get("from"), given.get("to"))
    return View(
        range=span,
        since=since,
        until=until,
        cmp=_compared_with(given.get("cmp")),
        refresh=one_of("refresh", REFRESHES),
        api=given.get("api"),
        stage=given.get("stage"),
        account=given.get("account"),
        region=given.get("region"),
        tag=given.get("tag"),
        tz=given.get("tz") if zone_of(given.get("tz")) else None,
        labels=one_of("labels", {"off"}),
        notes=given.get("notes"),
        kind=one_of("kind", {kind.value for kind in Kind}),
        severity=one_of("severity", {severity.value for severity in Severity}),
        state=one_of("state", {"open", *(state.value for state in State)}),
        q=given.get("q"),
        cursor=given.get("cursor"),
        tab=given.get("tab"),
        sort=given.get("sort"),
        cols=given.get("cols"),
        sel=given.get("sel"),
        f=tuple(term[:_LONGEST] for term in asked.get("f", ())[:MOST_TERMS]),
        t=tuple(text[:_LONGEST] for text in asked.get("t", ())[:MOST_TERMS]),
    )


def _compared_with(text: str | None) -> str | None:
    if text is None or text in COMPARISONS:
        return text
    at = canonical(text)
    return None if at is None or relative(at) else at


def against(view: View) -> str:
    """The time that the view compares with, in words."""
    if view.cmp is None or view.cmp in COMPARISONS:
        return COMPARISONS[view.cmp or "prev"]
    return f"time from {view.cmp.replace('T', ' ').removesuffix('Z')} UTC"


def _times(span: str | None, since: str | None, until: str | None) -> tuple[str, str | None, str | None]:
    """range, since and until as a view holds them: one way to say one thing."""
    first, last = canonical(since), canonical(until)
    if last == "now":
        last = None
    if first is not None and last is not None and not relative(first) and not relative(last) and first >= last:
        first = last = None  # nothing lies between them
    if first is not None and last is None and first.removeprefix("now-") in RANGES:
        return first.removeprefix("now-"), None, None
    if first == "now":
        first = None
    # Only the end was given: the range counts back from it. A start makes the range superfluous.
    return (span or DEFAULT_RANGE) if first is None else DEFAULT_RANGE, first, last


def of_page(pathname: str, view: View) -> View:
    """The view of an API's page: which one is in its path."""
    if not pathname.startswith("/apis/"):
        return view
    return replace(view, api=unquote(pathname.removeprefix("/apis/"))[:200])


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
        return next(size for size in (1, 5, 10, 15, 30, 60, 120, 360, 720, 1440, 7200) if minutes / size <= 120)

    def moved(self, by: timedelta) -> Window:
        return Window(self.since + by, self.until + by, self.stale)


def window_of(view: View, newest: datetime | None, now: datetime) -> Window:
    """The time a view shows. It counts back from now, or from the newest data when those are older than an hour."""
    stale = newest is not None and now - newest > STALE
    end = _after(newest if newest is not None and stale else now)
    until = end if view.until is None else _up(instant(view.until, end))
    since = until - RANGES[view.range][1] if view.since is None else _down(instant(view.since, end))
    if since >= until and view.until is None:
        until, stale = _after(now), False  # it was asked for a time after the newest data
    since = max(min(since, until - timedelta(minutes=1)), until - WIDEST)
    return Window(since, until, stale and not view.frozen)


def compared(view: View, window: Window) -> Window | None:
    """The earlier time that a view compares its window with, of the same length; None when it compares with none."""
    if view.cmp is None:
        return None
    if view.cmp == "prev":
        return window.moved(-window.span)
    if view.cmp not in COMPARISONS:
        start = instant(view.cmp, window.until)
        return Window(start, start + window.span, window.stale)
    week = timedelta(weeks=1)
    return window.moved(-week * -(-window.span // week))  # what is longer than a week is not laid over itself


def _down(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)


def _up(at: datetime) -> datetime:
    whole = _down(at)
    return whole if whole == at else _after(at)


def _after(at: datetime) -> datetime:
    """The end of the minute that this instant lies in."""
    return _down(at) + timedelta(minutes=1)
