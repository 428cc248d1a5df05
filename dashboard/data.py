"""What the pages show, read from the store: pre-aggregated, a few hundred points at most."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import numpy as np
import pyarrow as pa
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard.annotations import Beside, Note, gaps, notes_of
from dashboard.components import banner
from dashboard.inventoried import Inventory, inventory_of
from dashboard.labels import Label
from dashboard.names import Names, names_of
from dashboard.partial import Missing, silent_since
from dashboard.people import People, people
from dashboard.scoping import beside, inside, tagged, tags
from dashboard.standing import Standing, once, standing
from dashboard.traffic import (
    Minutes,
    Numbers,
    Sums,
    add_up,
    bucket_starts,
    covered,
    covered_share,
    key_places,
    known_since,
    time_places,
)
from dashboard.view import View, Window, compared, window_of
from detect.changes import concerns
from detect.resources import links
from gatewatch.privacy import Privacy
from gatewatch.records import Blind, Kind, Severity
from gatewatch.records import State as FindingState
from gatewatch.roles import Who
from gatewatch.store.behind import Trace, count_behind, requests_behind, traces_behind
from gatewatch.store.changes import changes
from gatewatch.store.coarse import SUMS, ApiSeen, api_list, summed_minutes
from gatewatch.store.episodes import Episode, episodes
from gatewatch.store.finding_events import FindingEvent, finding_events
from gatewatch.store.findings import (
    FindingFilter,
    StoredFinding,
    count_findings,
    get_finding,
    list_blind,
    list_findings,
)
from gatewatch.store.groups import Scope
from gatewatch.store.inventories import current_digests, current_inventory
from gatewatch.store.noise import Noise, noise
from gatewatch.store.opened import Opened, opened
from gatewatch.store.reading import bounds, coverage
from gatewatch.store.sources import SourceAccount, accounting, sources
from gatewatch.store.state import State

BEHIND_ROWS = 100
_TRACED = frozenset({Kind.LATENCY_OUTLIER, Kind.DEAD_API})
"""About what happens behind the gateway, where traces tell more than logs."""

_NEEDS_YOU = 8
_LOOKED_THROUGH = 100
"""Findings of the range, newest first, among which those that ended are looked for."""
_STAGES_FOR_S = 60.0
_SPANS = 8
"""Questions whose episodes are kept."""
_WEEK = timedelta(weeks=1)
_SOON = timedelta(hours=24)
_FIRST = (FindingState.ESCALATING, FindingState.REGRESSED, FindingState.NEW)


@dataclass(frozen=True, slots=True)
class Totals:
    """Of one scope and time. p95_ms is NaN when no latency was logged.

    auth: refused by the gateway for a credential or its rights. backend_refused: 4xx that the back end chose, among
    them the failed logins that no gateway sees.
    """

    n: int
    failed: int
    auth: int
    throttled: int
    p95_ms: float
    backend_refused: int = 0

    @property
    def failed_share(self) -> float:
        return self.failed / self.n if self.n else float("nan")


@dataclass(frozen=True, slots=True)
class ApiRow:
    api: str
    stage: str | None
    api_type: str | None
    totals: Totals
    requests: tuple[float, ...]
    open_findings: int
    worst: Severity | None


@dataclass(frozen=True, slots=True)
class Buckets:
    """One value a bucket; NaN where nothing was delivered, so that a gap is not shown as calm."""

    at: list[datetime]
    requests: list[float]
    failed_share: list[float]
    auth: list[float]
    throttled: list[float]
    p95_ms: list[float]
    delivered: list[bool]


@dataclass(frozen=True, slots=True)
class Before:
    """The time that is compared with. buckets: as many as those of the window, each beside its counterpart."""

    window: Window
    totals: Totals
    buckets: Buckets
    covered_share: float


@dataclass(frozen=True, slots=True)
class Overview:
    """labels: those of a simulated world in this window; none when they are hidden. labelled: whether there are any.

    before: the time that is compared with, by default the period before. episodes: of findings in this window.
    began: from when on something can be missing in the window.
    """

    window: Window
    totals: Totals
    buckets: Buckets
    began: datetime
    covered_share: float
    blind: list[Blind]
    open_counts: dict[tuple[str, str], int]
    needs_you: list[StoredFinding]
    apis: list[ApiRow]
    ended: list[StoredFinding]
    more_ended: str
    """What else ended in the range: `12 more`, `92 or more`; empty for nothing."""
    sources: list[SourceAccount] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    labelled: bool = False
    names: Names = field(default_factory=Names)
    before: Before | None = None
    episodes: list[Episode] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    standing: Standing | None = None
    noise: Noise | None = None


@dataclass(frozen=True, slots=True)
class Detail:
    stored: StoredFinding
    events: list[FindingEvent]
    requests: list[dict[str, Any]]
    every_request: int
    labels: list[Label] = field(default_factory=list)
    labelled: bool = False
    names: Names = field(default_factory=Names)
    traces: list[Trace] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scopes:
    """What there is to choose from. anchor: what times count back from; None in an empty store."""

    window: Window | None = None
    anchor: datetime | None = None
    stages: Sequence[tuple[str, str | None]] = ()
    names: Names = field(default_factory=Names)
    accounts: Sequence[str] = ()
    regions: Sequence[str] = ()
    tags: Sequence[str] = ()
    inventory: bool = False


class Reader:
    """Asks the store. `clock` is what the ranges count back from; labels: of a simulated world, if it is one.

    privacy: what may be shown of people.
    """

    def __init__(
        self,
        opened: Callable[[], State],
        clock: Callable[[], datetime],
        labels: Callable[[], Sequence[Label]] = tuple,
        privacy: Privacy | None = None,
    ) -> None:
        self._opened = opened
        self._clock = clock
        self._labels = labels
        self.privacy = privacy or Privacy()
        self._spans: dict[FindingFilter, tuple[int, list[Episode]]] = {}
        self._named: tuple[list[str], Names] = ([], Names())
        self._inventory: tuple[list[str], Inventory] = ([], Inventory())
        self._seen: tuple[float, list[ApiSeen]] = (0.0, [])

    def store(self) -> State:
        """What a page's own module of data asks."""
        return self._opened()

    def resolved(self, view: View) -> View:
        """With the places that its tag means, by the newest inventory."""
        if not view.tag:
            return view
        return replace(view, places=tagged(self.inventory(), view.tag))

    def nowhere(self, view: View) -> list[Component]:
        """Why a scope holds nothing: nobody knows its account, region or tag."""
        said = []
        seen = self.seen() if view.account or view.region else []
        for name in ("account", "region"):
            value = getattr(view, name)
            if value and not any(getattr(one, name) == value for one in seen):
                said.append(f"No log line names the {name} {plain(value, 60)}.")
        if view.tag and not view.places:
            why = "" if self.inventory().known else ": none is known"
            said.append(f"No API or stage of the inventory has the tag {plain(view.tag, 80)}{why}.")
        return [banner(f"{one} The scope above holds nothing.", kind="info") for one in said]

    def inventory(self) -> Inventory:
        """The newest; read again when it has changed."""
        with self._opened().read() as session:
            digests = current_digests(session)
            if digests != self._inventory[0]:
                self._inventory = (digests, inventory_of(current_inventory(session)))
        return self._inventory[1]

    def now(self) -> datetime:
        """The moment that ranges count back from."""
        return self._clock()

    def window(self, view: View) -> Window | None:
        """The time the view shows; None in an empty store."""
        known = bounds(self._opened())
        return None if known is None else window_of(view, known[1], self._clock())

    def overview(self, view: View) -> Overview | None:
        """None: no request was ever stored."""
        state = self._opened()
        window = self.window(view)
        if window is None:
            return None
        minutes = _minutes(state, view, window)
        intervals = coverage(state, window.since, window.until)
        open_ones = FindingFilter(state="open", api=view.api, stage=view.stage, where=beside(view))
        names = self.names()
        seen = self._spans_of(replace(open_ones, state=None, since=window.since, until=window.until))
        with state.read() as session:
            counts = count_findings(session, open_ones)
            wrong = opened(session, open_ones)
            worst = list_findings(session, open_ones, limit=200, sort="-severity", series=False).items
            said = noise(session, window.until - _WEEK, window.until)
            listed = list_findings(
                session,
                replace(open_ones, state=None, since=window.since, until=window.until),
                limit=_LOOKED_THROUGH,
                series=False,
            )
            blind = once(
                [
                    one
                    for one in list_blind(session)
                    if inside(view, one.api, one.stage, account=one.account, region=one.region)
                ]
            )
        buckets, whole = _series(minutes, intervals, window)
        began = self._began(window, intervals)
        over = [one for one in listed.items if one.finding.end is not None]
        calls = sorted((one for one in worst if _calls(one, self._clock())), key=_urgency)
        return Overview(
            window=window,
            totals=whole,
            buckets=buckets,
            began=began,
            covered_share=covered_share(intervals, began, window.until),
            blind=blind,
            open_counts=counts,
            needs_you=[self.masked(one, names) for one in calls[:_NEEDS_YOU]],
            apis=_apis(minutes, window, wrong),
            ended=[self.masked(one, names) for one in over[:_NEEDS_YOU]],
            more_ended=_more(len(over) - _NEEDS_YOU, whole=listed.next_cursor is None),
            labels=self._shown(view, window.since, window.until, view.api),
            labelled=bool(self._labels()),
            names=names,
            before=self._before(view, window),
            episodes=seen,
            notes=self._notes(view, window, seen, intervals, names),
            standing=self.standing(),
            noise=said,
        )

    def _before(self, view: View, window: Window) -> Before | None:
        """None where nothing is known of that time."""
        state = self._opened()
        earlier = compared(view, window) or window.moved(-window.span)
        intervals = coverage(state, earlier.since, earlier.until)
        minutes = _minutes(state, view, earlier)
        if not intervals.num_rows and not minutes.sums.num_rows:
            return None
        buckets, whole = _series(minutes, intervals, earlier)
        return Before(earlier, whole, buckets, covered_share(intervals, earlier.since, earlier.until))

    def beside(self, view: View) -> Beside | None:
        """What happened in the view's window beside the numbers: see dashboard.annotations. None: an empty store."""
        state = self._opened()
        window = self.window(view)
        if window is None:
            return None
        wish = FindingFilter(api=view.api, stage=view.stage, since=window.since, until=window.until, where=beside(view))
        seen = self._spans_of(wish)
        intervals = coverage(state, window.since, window.until)
        return Beside(view, window, self._notes(view, window, seen, intervals, self.names()), seen)

    def _spans_of(self, wish: FindingFilter) -> list[Episode]:
        """Nearly every chart shows them, so they are kept until a finding changes: who goes on to another page of the
        same time waits for nothing.
        """
        state = self._opened()
        mark = state.version()
        known = self._spans.get(wish)
        if known is not None and known[0] == mark:
            return known[1]
        with state.read() as session:
            found = episodes(session, wish)
        if len(self._spans) >= _SPANS:
            self._spans.clear()
        self._spans[wish] = (mark, found)
        return found

    def _notes(
        self, view: View, window: Window, seen: Sequence[Episode], intervals: pa.Table, names: Names
    ) -> list[Note]:
        with self._opened().read() as session:
            events = changes(session, window.since, window.until)
            scoped = view.api or view.places is not None
            linked = links(current_inventory(session)) if scoped and events else None
        if view.api and linked:
            others = {api for api, _ in self.stages()} - {view.api}
            events = [
                one
                for one in events
                if one.change.resource.split("/")[0] not in others
                and concerns(one.change.resource, view.api, view.stage, linked)
            ]
        if linked is not None and view.places is not None:
            within = [one.partition("/")[::2] for one in view.places]
            events = [
                one
                for one in events
                if any(concerns(one.change.resource, api, stage or None, linked) for api, stage in within)
            ]
        if view.account or view.region:
            events = [
                one
                for one in events
                if (not view.account or one.account in (None, view.account))
                and (not view.region or one.region in (None, view.region))
            ]
        if self.privacy.on:
            events = [replace(one, change=self.privacy.change(one.change)) for one in events]
        return notes_of(view, window, events, seen, intervals, names, self._began(window, intervals))

    def _began(self, window: Window, intervals: pa.Table) -> datetime:
        """From when on something can be missing in a window."""
        known = bounds(self._opened())
        return window.since if known is None else min(known_since(intervals, window.since, known[0]), window.until)

    def missing(self, view: View) -> Missing | None:
        """What of the view's window did not come, and whose it would have been; None: an empty store."""
        window = self.window(view)
        if window is None:
            return None
        intervals = coverage(self._opened(), window.since, window.until)
        with self._opened().read() as session:
            followed = {one.name for one in sources(session)}
        ends: dict[str, datetime] = {}
        for row in intervals.to_pylist():
            ends[row["source"]] = max(row["end"], ends.get(row["source"], row["end"]))
        began = self._began(window, intervals)
        share = covered_share(intervals, began, window.until)
        silent = silent_since(ends, followed)
        return Missing(share, gaps(intervals, window, began), window, sorted(ends), silent)

    def standing(self) -> Standing:
        """How gatewatch itself stands."""
        return standing(self._opened(), self._clock())

    def _shown(self, view: View, since: datetime, until: datetime, api: str | None) -> list[Label]:
        """Labels of this time and API that the view shows."""
        if view.labels == "off":
            return []
        return [one for one in self._labels() if api in (None, one.api) and one.overlaps(since, until)]

    def finding(self, finding_id: str, view: View | None = None) -> Detail | None:
        state = self._opened()
        with state.read() as session:
            stored = get_finding(session, finding_id)
            if stored is None:
                return None
            events = finding_events(session, finding_id)
        one = stored.finding
        series = one.evidence.series
        shown = self._shown(view or View(), series[0].at, series[-1].at, one.api) if series else []
        names = self.names()
        behind = requests_behind(state, one, limit=BEHIND_ROWS).to_pylist()
        return Detail(
            self.masked(stored, names),
            [replace(event, note=self.privacy.text(event.note, one.entities.principals)) for event in events],
            [self.privacy.row(row) for row in behind],
            count_behind(state, one) if len(behind) == BEHIND_ROWS else len(behind),
            [label for label in shown if label.stage in (None, one.stage)],
            bool(self._labels()),
            names,
            traces_behind(state, one) if one.kind in _TRACED else [],
        )

    def masked(self, stored: StoredFinding, names: Names) -> StoredFinding:
        """As it is shown: its API by name, and of people what may be seen."""
        finding = names.titled(stored.finding)
        return replace(stored, finding=self.privacy.finding(finding) if self.privacy.on else finding)

    def shown(self, stored: StoredFinding) -> StoredFinding:
        """A finding as pages show it."""
        return self.masked(stored, self.names())

    def all_shown(self, stored: Iterable[StoredFinding]) -> list[StoredFinding]:
        """Findings as pages show them."""
        names = self.names()
        return [self.masked(one, names) for one in stored]

    def names(self) -> Names:
        """Of the APIs, by the newest inventory; read again when it has changed."""
        with self._opened().read() as session:
            digests = current_digests(session)
            if digests != self._named[0]:
                self._named = (digests, names_of(current_inventory(session)))
        return self._named[1]

    def people(self, who: Who) -> People:
        """Who may come in, as far as `who` may see it; by the real clock, which sessions and tokens go by."""
        return people(self._opened(), who, datetime.now(UTC))

    def stages(self) -> list[tuple[str, str | None]]:
        """Every stage that ever had a request, as (API, stage), busiest first; up to a minute old."""
        return list(dict.fromkeys((row.api, row.stage) for row in self.seen() if row.api))

    def seen(self) -> list[ApiSeen]:
        """Every stage that ever had a request, with its account and region, busiest first; up to a minute old."""
        read_at, known = self._seen
        if not known or monotonic() - read_at > _STAGES_FOR_S:
            known = api_list(self._opened())
            self._seen = (monotonic(), known)
        return known

    def anchor(self) -> datetime:
        """What times count back from: now, or the newest data when those are old."""
        window = self.window(View())
        return self._clock() if window is None else window.until

    def scopes(self, view: View) -> Scopes:
        """What the top bar offers."""
        window = self.window(view)
        if window is None:
            return Scopes()
        seen, known = self.seen(), self.inventory()
        accounts = sorted({row.account for row in seen if row.account})
        regions = sorted({row.region for row in seen if row.region})
        return Scopes(
            window, self.anchor(), self.stages(), self.names(), accounts, regions, tags(known), inventory=known.known
        )

    def sources(self) -> list[SourceAccount]:
        with self._opened().read() as session:
            return accounting(session)


def _calls(stored: StoredFinding, now: datetime) -> bool:
    """It waits for somebody: nobody has taken it, or its rest is soon over."""
    if stored.state is FindingState.SNOOZED:
        return stored.snooze_until is not None and stored.snooze_until - now < _SOON
    return stored.state is not FindingState.ACKNOWLEDGED


def _urgency(stored: StoredFinding) -> tuple[int, int, float]:
    one = stored.finding
    return (
        -one.severity.rank,
        _FIRST.index(stored.state) if stored.state in _FIRST else len(_FIRST),
        -one.start.timestamp(),
    )


def _minutes(state: State, view: View, window: Window) -> Minutes:
    step = timedelta(minutes=window.bucket_minutes)
    scope = Scope(
        window.since,
        window.until,
        view.api,
        view.stage,
        account=view.account,
        region=view.region,
        places=view.places,
    )
    sums, took = (
        scope.only(summed_minutes(state, what, window.since, window.until, step)) for what in (SUMS, "latency")
    )
    return Minutes(sums, took)


def _series(minutes: Minutes, intervals: pa.Table, window: Window) -> tuple[Buckets, Totals]:
    size = timedelta(minutes=window.bucket_minutes)
    starts = bucket_starts(window.since, window.until, size)
    group, took = (time_places(one, starts[0], size) for one in (minutes.sums, minutes.took))
    sums = add_up(minutes, group, took, len(starts))
    delivered = covered(intervals, starts, size) | (sums.n > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(sums.n > 0, sums.failed / sums.n, np.nan)

    def known(values: Numbers) -> list[float]:
        out: list[float] = np.where(delivered, values, np.nan).tolist()
        return out

    buckets = Buckets(
        at=starts,
        requests=known(sums.n),
        failed_share=share.tolist(),
        auth=known(sums.auth),
        throttled=known(sums.throttled),
        p95_ms=sums.p95_ms.tolist(),
        delivered=delivered.tolist(),
    )
    group, took = (np.zeros(one.num_rows, dtype=np.int64) for one in (minutes.sums, minutes.took))
    whole = add_up(minutes, group, took, 1)
    return buckets, _totals(whole, 0)


def _more(many: int, *, whole: bool) -> str:
    if many <= 0:
        return "" if whole else "older ones"
    return f"{many} more" if whole else f"{many} or more"


def _apis(minutes: Minutes, window: Window, wrong: Sequence[Opened]) -> list[ApiRow]:
    names = ("api", "stage", "api_type")
    keys, both = key_places(pa.concat_tables([minutes.sums.select(names), minutes.took.select(names)]), names)
    group, took = both[: minutes.sums.num_rows], both[minutes.sums.num_rows :]
    whole = add_up(minutes, group, took, len(keys))
    size = timedelta(minutes=window.bucket_minutes * 3)  # a small line needs no more than 40 points
    starts = bucket_starts(window.since, window.until, size)
    cells = group * len(starts) + time_places(minutes.sums, starts[0], size)
    n = minutes.sums.column("n").to_numpy().astype(np.float64)
    lines = np.bincount(cells, weights=n, minlength=len(keys) * len(starts)).reshape(len(keys), len(starts))
    found: dict[tuple[str, str | None], list[Opened]] = {}
    for one in wrong:
        found.setdefault((one.api, one.stage), []).append(one)
    rows = []
    for place, (api, stage, api_type) in enumerate(keys):
        worst = found.pop((api or "", stage), []) + (found.get((api or "", None), []) if stage else [])
        rows.append(_api_row((api or "", stage), api_type, _totals(whole, place), tuple(lines[place].tolist()), worst))
    seen = {row.api for row in rows}
    nothing = Totals(0, 0, 0, 0, float("nan"))
    for key, worst in found.items():  # what had no request is still in the list when something is wrong with it
        if key[1] is not None or key[0] not in seen:
            rows.append(_api_row(key, None, nothing, (), worst))
    return sorted(rows, key=_worst_then_busiest)


def _api_row(
    key: tuple[str, str | None],
    api_type: str | None,
    totals: Totals,
    line: tuple[float, ...],
    wrong: Sequence[Opened],
) -> ApiRow:
    worst = max((one.severity for one in wrong), key=lambda severity: severity.rank, default=None)
    return ApiRow(*key, api_type, totals, line, sum(one.n for one in wrong), worst)


def _worst_then_busiest(row: ApiRow) -> tuple[int, int, str, str]:
    return (-(row.worst.rank if row.worst else -1), -row.totals.n, row.api, row.stage or "")


def _totals(sums: Sums, place: int) -> Totals:
    return Totals(
        int(sums.n[place]),
        int(sums.failed[place]),
        int(sums.auth[place]),
        int(sums.throttled[place]),
        float(sums.p95_ms[place]),
        int(sums.backend_refused[place]),
    )
