"""One API: its traffic, routes, callers, latency by layer, and what was changed on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from dashboard.data import Reader
from dashboard.data_apis import known_inventory, shown_client
from dashboard.inventoried import ApiDoc, Inventory, RouteDoc
from dashboard.names import Names
from dashboard.standing import once
from dashboard.summing import Grid, by_key, grid_of, needs, quantiles_by, route_of, scope_of
from dashboard.view import View, Window
from detect.resources import links
from gatewatch.frames import cause_column
from gatewatch.records import AUTH_CAUSES, Blind, ChangeEvent
from gatewatch.store.changes import changes
from gatewatch.store.coarse import api_list
from gatewatch.store.findings import FindingFilter, StoredFinding, list_blind, list_findings
from gatewatch.store.groups import caller_sums, minute_histograms, minute_sums
from gatewatch.store.inventories import current_inventory
from gatewatch.store.state import State

MOST_ROUTES = 200
MOST_CALLERS = 200
MOST_CHANGES = 200
_BEFORE = timedelta(days=90)
_LAYERS = ("authorizer", "integration", "gateway")
_CLASSES = {"s2xx": "2xx answered", "s3xx": "3xx", "s4xx": "4xx refused", "s5xx": "5xx failed", "s1xx": "1xx"}
_AUTH = tuple(cause_column(cause) for cause in sorted(AUTH_CAUSES))
_THROTTLED = (cause_column("throttle"), cause_column("quota"))


WORST, MOST_OPEN = 100, 1000
"""Open findings that are read: of an API, and of one from which those of a route are taken."""


@dataclass(frozen=True, slots=True)
class Head:
    """What every tab of the page knows. stages: seen or declared. doc None: not in any inventory that we know.

    findings: open ones, of many the worst.
    """

    api: str
    window: Window
    doc: ApiDoc | None
    inventory: Inventory
    stages: list[str]
    seen_types: list[str]
    last_at: datetime | None
    first_known: bool
    findings: list[StoredFinding]
    names: Names
    visible: int

    @property
    def known(self) -> bool:
        return self.doc is not None or self.last_at is not None or bool(self.findings)


@dataclass(frozen=True, slots=True)
class Traffic:
    grid: Grid
    classes: dict[str, list[float]]
    throttled: list[float]
    p95: list[float]
    p50: list[float]
    covered: float
    totals: Mapping[str, int]
    p95_ms: float
    ended: list[StoredFinding]
    latency_unknown: str | None


@dataclass(frozen=True, slots=True)
class RouteLine:
    """declared None: by what is known, nobody can say."""

    route: str | None
    n: int
    refused: int
    failed: int
    auth: int
    throttled: int
    p95_ms: float
    requests: tuple[float, ...]
    declared: RouteDoc | None
    last_at: datetime | None

    @property
    def failed_share(self) -> float:
        return self.failed / self.n if self.n else float("nan")

    @property
    def refused_share(self) -> float:
        return self.refused / self.n if self.n else float("nan")


@dataclass(frozen=True, slots=True)
class Routes:
    """uncalled: declared, and not called in this range. more: routes that did not fit."""

    lines: list[RouteLine]
    uncalled: list[RouteDoc]
    more: int
    known: bool


@dataclass(frozen=True, slots=True)
class Callers:
    """rows: the busiest, masked as the privacy setting asks. clients: how many there are in all."""

    rows: list[dict[str, Any]]
    clients: int
    total: int
    unknown: str | None


@dataclass(frozen=True, slots=True)
class SlowRoute:
    """behind_ms: p95 of the back end's part; NaN where it is not logged."""

    route: str | None
    n: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    behind_ms: float


@dataclass(frozen=True, slots=True)
class Latency:
    """layers: mean ms a request by layer. quantiles: name -> line. routes: slowest first."""

    grid: Grid
    layers: dict[str, list[float]]
    quantiles: dict[str, list[float]]
    routes: list[SlowRoute]
    over_28s: int
    unknown: str | None
    layers_unknown: str | None


def head(reader: Reader, api: str, view: View) -> Head | None:
    """None: nothing was ever ingested."""
    window = reader.window(view)
    if window is None:
        return None
    state = reader.store()
    known = known_inventory(state)
    doc = known.apis.get(api)
    seen = [one for one in api_list(state) if (one.api or "") == api]
    stages = dict.fromkeys(one.stage for one in seen if one.stage)
    stages |= dict.fromkeys(one.name for one in doc.stages) if doc else {}
    scope = scope_of(window, view, api=api)
    sums = minute_sums(state, scope, ()).to_pylist()
    return Head(
        api=api,
        window=window,
        doc=doc,
        inventory=known,
        stages=list(stages),
        seen_types=list(dict.fromkeys(one.api_type for one in seen if one.api_type)),
        last_at=max((one.last_at for one in seen), default=None),
        first_known=bool(seen),
        findings=reader.all_shown(_worst(state, api, view)),
        names=reader.names(),
        visible=int(sums[0]["visible"] or 0) if sums else 0,
    )


def _worst(state: State, api: str, view: View) -> list[StoredFinding]:
    """Open findings, the worst first, with those of the whole stage when one of its routes is asked for."""
    wish, route = FindingFilter(state="open", api=api, stage=view.stage), route_of(view)
    with state.read() as session:
        most = WORST if route is None else MOST_OPEN
        found = list_findings(session, wish, limit=most, sort="-severity", series=False).items
    return [one for one in found if route is None or one.finding.route in (None, route)]


def traffic(reader: Reader, of: Head, view: View) -> Traffic:
    state, scope = reader.store(), scope_of(of.window, view, api=of.api)
    grid = grid_of(state, of.window)
    counts = (*_CLASSES, *_AUTH, *_THROTTLED, "n", "over_28s", cause_column("backend_refused"))
    buckets = minute_sums(state, scope, (), counts, step=grid.size)
    p50, p95 = grid.quantiles(minute_histograms(state, scope, (), step=grid.size), (0.5, 0.95))
    whole = quantiles_by(minute_histograms(state, scope, ()), ())
    totals = {name: int(np.nansum(grid.line(buckets, name))) for name in counts}
    with state.read() as session:
        wish = FindingFilter(
            api=of.api, stage=view.stage, route=route_of(view), since=of.window.since, until=of.window.until
        )
        recent = list_findings(session, wish, limit=50, series=False).items
    return Traffic(
        grid=grid,
        classes=grid.lines(buckets, _CLASSES),
        throttled=np.sum([grid.line(buckets, name) for name in _THROTTLED], axis=0).tolist(),
        p50=p50,
        p95=p95,
        covered=grid.covered,
        totals=totals
        | {"auth": sum(totals[name] for name in _AUTH), "throttled": sum(totals[name] for name in _THROTTLED)},
        p95_ms=whole.get((), (float("nan"),))[0],
        ended=reader.all_shown(one for one in recent if one.finding.end is not None),
        latency_unknown=needs(of.visible, "latency_ms") if totals["n"] else None,
    )


def routes(reader: Reader, of: Head, view: View, *, most: int = MOST_ROUTES) -> Routes:
    state, scope = reader.store(), scope_of(of.window, view, api=of.api)
    counts = ("n", "s4xx", "s5xx", *_AUTH, *_THROTTLED)
    rows = minute_sums(state, scope, ("route",), counts).to_pylist()
    rows.sort(key=lambda row: (-row["n"], row["route"] or ""))
    slow = quantiles_by(minute_histograms(state, scope, ("route",)), ("route",))
    grid = grid_of(state, of.window, coarser=3)
    small = minute_sums(state, scope, ("route",), step=grid.size)
    groups: dict[str | None, list[int]] = defaultdict(list)
    for place, route in enumerate(small.column("route").to_pylist()):
        groups[route].append(place)
    readable = of.doc is not None and not of.doc.unread & {"resources", "Routes"}
    docs = {one.route: one for one in of.doc.routes} if of.doc and readable else {}
    lines = [
        RouteLine(
            route=row["route"],
            n=row["n"],
            refused=row["s4xx"],
            failed=row["s5xx"],
            auth=sum(row[name] for name in _AUTH),
            throttled=sum(row[name] for name in _THROTTLED),
            p95_ms=slow.get((row["route"],), (float("nan"),))[0],
            requests=tuple(grid.line(small.take(np.array(groups[row["route"]])), "n").tolist()),
            declared=declared_route(row["route"], docs),
            last_at=row["last"],
        )
        for row in rows[:most]
    ]
    called = {one.declared.route for one in lines if one.declared}
    whole = len(rows) <= most and route_of(view) is None
    uncalled = [one for one in docs.values() if one.route not in called] if whole else []
    return Routes(lines, uncalled, max(len(rows) - most, 0), readable)


def declared_route(route: str | None, docs: Mapping[str, RouteDoc]) -> RouteDoc | None:
    """The declared route that a logged one is: the same, or the ANY of its path."""
    if route is None:
        return None
    if route in docs:
        return docs[route]
    return docs.get(f"ANY {route.partition(' ')[2]}")


def callers(reader: Reader, of: Head, view: View, *, most: int = MOST_CALLERS) -> Callers:
    """Who called, busiest first. Raw requests are read, so it reaches back as far as those are kept."""
    found = caller_sums(reader.store(), scope_of(of.window, view, api=of.api), limit=most).to_pylist()
    total = int(found[0]["total"] or 0) if found else 0
    clients = int(found[0]["clients"] or 0) if found else 0
    unknown = None if clients or not found else needs(0, "api_key_id", "principal", "client_ip")
    rows = [
        row
        | {
            "shown": shown_client(reader, of.inventory, row["client_id"]),
            "agent": reader.privacy.text(row["user_agent"] or ""),
        }
        for row in found
    ]
    return Callers(rows, clients, total, unknown)


def latency(reader: Reader, of: Head, view: View) -> Latency:
    state, scope = reader.store(), scope_of(of.window, view, api=of.api)
    grid = grid_of(state, of.window)
    sums = minute_sums(state, scope, (), ("n", "over_28s", *(f"{name}_us" for name in _LAYERS)), step=grid.size)
    n = grid.line(sums, "n")
    with np.errstate(invalid="ignore", divide="ignore"):
        layers = {name: (grid.line(sums, f"{name}_us") / n / 1000).tolist() for name in _LAYERS}
    lines = grid.quantiles(minute_histograms(state, scope, (), step=grid.size), (0.5, 0.95, 0.99))
    rows = slow_routes(reader, of, view)
    seen = of.visible
    return Latency(
        grid=grid,
        layers={name: layers[name] for name in _LAYERS if not needs(seen, f"{name}_latency_ms") or name == "gateway"}
        if not needs(seen, "integration_latency_ms")
        else {},
        quantiles=dict(zip(("p50", "p95", "p99"), lines, strict=True)),
        routes=rows,
        over_28s=int(np.nansum(grid.line(sums, "over_28s"))),
        unknown=needs(seen, "latency_ms"),
        layers_unknown=needs(seen, "integration_latency_ms"),
    )


def slow_routes(reader: Reader, of: Head, view: View) -> list[SlowRoute]:
    """All routes, slowest first."""
    state, scope = reader.store(), scope_of(of.window, view, api=of.api)
    by_route = quantiles_by(minute_histograms(state, scope, ("route",)), ("route",), (0.5, 0.95, 0.99))
    behind = quantiles_by(minute_histograms(state, scope, ("route",), "integration"), ("route",))
    counts = by_key(minute_sums(state, scope, ("route",)), ("route",))
    rows = [
        SlowRoute(route[0], int(counts[route]["n"]), p50, p95, p99, behind.get(route, (float("nan"),))[0])
        for route, (p50, p95, p99) in by_route.items()
    ]
    return sorted(rows, key=lambda row: (-row.p95_ms, row.route or ""))


def changed(reader: Reader, of: Head) -> list[ChangeEvent]:
    """Changes of the window, and of the 90 days before when it has few, on what this API uses; newest first."""
    state = reader.store()
    with state.read() as session:
        document = current_inventory(session)
        events = changes(session, of.window.since - _BEFORE, of.window.until)
    using = links(document)

    def mine(event: ChangeEvent) -> bool:
        resource = event.change.resource
        return of.api in resource or any(api == of.api for api, _ in using.places(resource))

    return [event for event in reversed(events) if mine(event)][:MOST_CHANGES]


def blind(reader: Reader, api: str) -> list[Blind]:
    with reader.store().read() as session:
        return once([one for one in list_blind(session) if one.api == api])
