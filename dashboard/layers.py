"""Where time goes, as the Latency page shows it: routes by layer, a heat map, verdicts, traced requests, timeouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from dashboard.scoping import beside, whole
from dashboard.summing import quantiles_by, scope_of
from dashboard.view import View, Window
from gatewatch.privacy import Privacy
from gatewatch.records import Kind
from gatewatch.store.findings import FindingFilter, StoredFinding, list_findings
from gatewatch.store.groups import Scope, minute_histograms, minute_sums
from gatewatch.store.reading import among
from gatewatch.store.request_search import every_request, find_requests
from gatewatch.store.series import Asked, HeatMap, heat_map, step_for
from gatewatch.store.spans import read_spans
from gatewatch.store.state import State
from gatewatch.where import Term

MOST_ROUTES = 200
MOST_VERDICTS = 200
MOST_DOWNSTREAMS = 30
MOST_TRACES = 20
MOST_TIMEOUTS = 30
HEAT_STEPS, HEAT_BANDS = 90, 32
LIMIT_MS = 28_000.0
LAYERS = ("gateway", "authorizer", "integration", "not told apart")
_PLACE = ("api", "stage", "route")
_SUMS = ("n", "over_28s", "latency_us", "integration_us", "authorizer_us", "gateway_us")

Key = tuple[str, str | None, str | None]


@dataclass(frozen=True, slots=True)
class RouteTime:
    """timed: requests whose latency is known; told: whose layers are. ms: mean by layer; its sum is the mean."""

    key: Key
    n: int
    timed: int
    told: int
    timeouts: int
    ms: Mapping[str, float]
    p50: float
    p95: float
    p99: float

    @property
    def mean(self) -> float:
        return sum(self.ms.values()) if self.timed else float("nan")

    @property
    def slowest(self) -> str | None:
        """The layer that takes most; None where no layer is known."""
        if not self.timed or not self.told:
            return None
        return max(self.ms, key=lambda name: self.ms[name])


@dataclass(frozen=True, slots=True)
class Downstream:
    """What functions call. calls: traced ones; ms: all their time; share: of the time of all traced requests."""

    name: str
    calls: int
    mean_ms: float
    p95_ms: float
    share: float
    trace_id: str


@dataclass(frozen=True, slots=True)
class Traced:
    """A traced request. parts: (part, name, ms), the longest first."""

    trace_id: str
    at: Any
    key: Key
    total_ms: float
    status: int | None
    parts: tuple[tuple[str, str | None, float], ...]


@dataclass(frozen=True, slots=True)
class ColdStarts:
    """Of traced requests that ran a function: by route, how many started one. all: (cold, run)."""

    all: tuple[int, int]
    routes: list[tuple[Key, int, int, float]]


@dataclass(frozen=True, slots=True)
class Latency:
    """routes: by the time they take in all, the most first. traced: how many traced requests there are."""

    window: Window
    routes: list[RouteTime]
    more: int
    heat: HeatMap | None
    verdicts: dict[Key, list[StoredFinding]]
    traced: int
    downstreams: list[Downstream]
    slowest: list[Traced]
    cold: ColdStarts
    timeouts: list[dict[str, Any]]
    n_timeouts: int
    chosen: Traced | None = None
    busiest: list[RouteTime] = field(default_factory=list)


def latency(state: State, view: View, window: Window, privacy: Privacy) -> Latency:
    """Everything of the view's API, stage and route (`q`). sel: a trace."""
    routes = timed_routes(state, view, window)
    terms = _terms(view)
    step = step_for(window.since, window.until, HEAT_STEPS)
    heat = heat_map(state, Asked(window.since, window.until, step, terms), rows=HEAT_BANDS)
    spans = _of_view(read_spans(state, window.since, window.until), view)
    traced, total = _totals(spans)
    n_timeouts = sum(one.timeouts for one in routes)
    late: list[dict[str, Any]] = []
    if n_timeouts:
        wish = (*terms, Term("latency_ms", ">=", (LIMIT_MS,)))
        found = find_requests(state, since=window.since, until=window.until, terms=wish, limit=MOST_TIMEOUTS)
        late = [privacy.row(row) for row in found.rows.to_pylist()]
    return Latency(
        window=window,
        routes=routes[:MOST_ROUTES],
        more=max(len(routes) - MOST_ROUTES, 0),
        heat=heat if heat.edges_ms else None,
        verdicts=verdicts(state, view, window),
        traced=traced,
        downstreams=_downstreams(spans, total),
        slowest=_slowest(spans, MOST_TRACES),
        cold=_cold(spans),
        timeouts=late,
        n_timeouts=n_timeouts,
        chosen=_chosen(spans, view.sel) if view.sel else None,
    )


def every_timeout(state: State, view: View, window: Window, privacy: Privacy, *, most: int) -> list[dict[str, Any]]:
    """All requests that took 28 s or more, newest first."""
    wish = (*_terms(view), Term("latency_ms", ">=", (LIMIT_MS,)))
    found = every_request(state, since=window.since, until=window.until, terms=wish, most=most)
    return [privacy.row(row) for row in found.to_pylist()]


def _terms(view: View) -> tuple[Term, ...]:
    return (*whole(view), *((Term("route", "=", (view.q,)),) if view.q else ()))


def timed_routes(state: State, view: View, window: Window) -> list[RouteTime]:
    """Sums by route, then the histograms of routes that are shown."""
    scope = scope_of(window, view, route=view.q or None)
    took = minute_histograms(state, scope, _PLACE)
    timed = _counts(took)
    told = _counts(minute_histograms(state, scope, _PLACE, "integration"))
    rows = [
        {name: row[name] or 0 for name in _SUMS}
        | {name: row[name] for name in _PLACE}
        | {"latency_n": timed.get(_key(row), 0), "integration_n": told.get(_key(row), 0)}
        for row in minute_sums(state, scope, _PLACE, _SUMS).to_pylist()
    ]
    rows.sort(key=lambda row: (-row["latency_us"], -row["n"], str(row["route"])))
    quantiles = {(key[0] or "", key[1], key[2]): found for key, found in quantiles_by(took, _PLACE, _RANKS).items()}
    return [_route(row, quantiles) for row in rows]


def _counts(took: pa.Table) -> dict[Key, int]:
    sums = among("SELECT api, stage, route, list_sum(c)::BIGINT AS n FROM took", took=took).to_pylist()
    return {_key(row): row["n"] or 0 for row in sums}


def _key(row: Mapping[str, Any]) -> Key:
    return (row["api"] or "", row["stage"], row["route"])


_RANKS = (0.5, 0.95, 0.99)
_NOTHING = (float("nan"),) * len(_RANKS)


def _route(row: Mapping[str, Any], quantiles: Mapping[Key, tuple[float, ...]]) -> RouteTime:
    key, timed = _key(row), row["latency_n"]
    per = 1000.0 * timed if timed else float("nan")
    ms = {name: row[f"{name}_us"] / per for name in LAYERS[:3]}
    ms[LAYERS[3]] = max(row["latency_us"] / per - sum(ms.values()), 0.0)
    p50, p95, p99 = quantiles.get(key, _NOTHING)
    return RouteTime(key, row["n"], timed, row["integration_n"], row["over_28s"], ms, p50, p95, p99)


def verdicts(state: State, view: View, window: Window) -> dict[Key, list[StoredFinding]]:
    wish = FindingFilter(
        kind=Kind.LATENCY_OUTLIER.value,
        api=view.api,
        stage=view.stage,
        since=window.since,
        until=window.until,
        where=beside(view),
    )
    with state.read() as session:
        listed = list_findings(session, wish, limit=MOST_VERDICTS, series=False).items
    out: dict[Key, list[StoredFinding]] = {}
    for stored in listed:
        one = stored.finding
        if view.q in (None, "", one.route):
            out.setdefault((one.api, one.stage, one.route), []).append(stored)
    return out


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _of_view(spans: pa.Table, view: View) -> pa.Table:
    wanted = {name: value for name, value in (("api", view.api), ("stage", view.stage), ("route", view.q)) if value}
    plain = spans.cast(
        pa.schema(
            [(one.name, one.type.value_type if pa.types.is_dictionary(one.type) else one.type) for one in spans.schema]
        )
    )
    for name, value in wanted.items():
        plain = plain.filter(pa.compute.equal(plain.column(name), value))
    rest = Scope(_EPOCH, _EPOCH, account=view.account, region=view.region, places=view.places)
    return rest.only(plain)


def _totals(spans: pa.Table) -> tuple[int, float]:
    """(traced requests, their time in ms)."""
    if not spans.num_rows:
        return 0, 0.0
    query = "SELECT count(*) AS n, sum(t) AS ms FROM (SELECT trace_id, max(total_ms) AS t FROM spans GROUP BY trace_id)"
    [row] = among(query, spans=spans).to_pylist()
    return int(row["n"]), float(row["ms"] or 0.0)


def _downstreams(spans: pa.Table, total: float) -> list[Downstream]:
    query = (
        "SELECT name, count(*) AS calls, avg(ms) AS mean, quantile_disc(ms, 0.95) AS p95, sum(ms) AS sum, "
        "arg_max(trace_id, ms) AS trace_id FROM spans WHERE part = 'downstream' AND name IS NOT NULL "
        f"GROUP BY name ORDER BY sum DESC, name LIMIT {MOST_DOWNSTREAMS:d}"
    )
    return [
        Downstream(
            row["name"], row["calls"], row["mean"], row["p95"], row["sum"] / total if total else 0.0, row["trace_id"]
        )
        for row in among(query, spans=spans).to_pylist()
    ]


def _slowest(spans: pa.Table, most: int) -> list[Traced]:
    query = f"SELECT trace_id FROM spans GROUP BY trace_id ORDER BY max(total_ms) DESC, trace_id LIMIT {most:d}"
    return _traces(spans, among(query, spans=spans).column("trace_id").to_pylist())


def _traces(spans: pa.Table, ids: Sequence[str]) -> list[Traced]:
    rows = spans.filter(pa.compute.is_in(spans.column("trace_id"), pa.array(ids, pa.string()))).to_pylist()
    by_trace: dict[str, list[dict[str, Any]]] = {one: [] for one in ids}
    for row in rows:
        by_trace[row["trace_id"]].append(row)
    return [
        Traced(
            trace_id,
            parts[0]["at"],
            _key(parts[0]),
            float(parts[0]["total_ms"]),
            parts[0]["status"],
            tuple(sorted(((one["part"], one["name"], float(one["ms"])) for one in parts), key=lambda part: -part[2])),
        )
        for trace_id, parts in by_trace.items()
        if parts
    ]


def _chosen(spans: pa.Table, trace_id: str) -> Traced | None:
    return next(iter(_traces(spans, [trace_id])), None)


def _cold(spans: pa.Table) -> ColdStarts:
    """A request ran a function when its trace has the function itself (handler) or its start (init)."""
    query = (
        "SELECT api, stage, route, count(*) FILTER (cold) AS cold, count(*) AS run, avg(init) FILTER (cold) AS ms FROM "
        "(SELECT api, stage, route, trace_id, bool_or(part = 'init') AS cold, sum(ms) FILTER (part = 'init') AS init "
        "FROM spans WHERE part IN ('init', 'handler') GROUP BY ALL) GROUP BY ALL ORDER BY cold DESC, run DESC, route"
    )
    rows = among(query, spans=spans).to_pylist()
    routes = [(_key(row), int(row["cold"]), int(row["run"]), float(row["ms"] or 0.0)) for row in rows]
    return ColdStarts((sum(one[1] for one in routes), sum(one[2] for one in routes)), routes[:MOST_DOWNSTREAMS])
