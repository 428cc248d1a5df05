"""The tables of Latency, Limits, Changes, Sources and Alerts: their columns, and how all of their rows are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dashboard import words
from dashboard.altered import Altered, altered
from dashboard.data import Reader
from dashboard.data_apis import known_inventory
from dashboard.data_limits import KeyLine, StageLine, keys_left, stages_left
from dashboard.grids import number
from dashboard.layers import LAYERS, RouteTime, timed_routes
from dashboard.origins import Origin, origins
from dashboard.sheets import MOST_ROWS, Part, Sheet
from dashboard.summing import scope_of
from dashboard.view import View
from gatewatch.diagnosing import Diagnosis
from gatewatch.records import Kind
from gatewatch.store.outbox import Delivery, deliveries


def every_timed_route(reader: Reader, pathname: str, view: View) -> Sequence[RouteTime] | None:  # noqa: ARG001
    window = reader.window(view)
    return None if window is None else timed_routes(reader.store(), view, window)[:MOST_ROWS]


def _layer(name: str) -> Callable[[RouteTime], object]:
    return lambda one: number(one.ms[name])


TIMED: Sheet[RouteTime] = Sheet(
    "timed-routes",
    (
        Part("api", lambda one: one.key[0], "API", groups=True),
        Part("stage", lambda one: one.key[1], groups=True),
        Part("route", lambda one: one.key[2]),
        Part("requests", lambda one: one.n, adds=True),
        Part("timed", lambda one: one.timed, adds=True),
        Part("p50_ms", lambda one: number(one.p50), "p50"),
        Part("p95_ms", lambda one: number(one.p95), "p95"),
        Part("p99_ms", lambda one: number(one.p99), "p99"),
        Part("mean_ms", lambda one: number(one.mean), "Mean"),
        *(Part(f"{layer.replace(' ', '_')}_ms", _layer(layer), layer.capitalize()) for layer in LAYERS),
        Part("slowest_layer", lambda one: one.slowest, groups=True),
        Part("over_28s", lambda one: one.timeouts, "28 s or more", adds=True),
    ),
    every_timed_route,
    rows=40,
)


def every_key(reader: Reader, pathname: str, view: View) -> Sequence[KeyLine] | None:  # noqa: ARG001
    window = reader.window(view)
    if window is None:
        return None
    return keys_left(reader, view, window, known_inventory(reader.store()), most=MOST_ROWS)[0]


KEYS: Sheet[KeyLine] = Sheet(
    "keys",
    (
        Part("key", lambda one: one.key),
        Part("name", lambda one: one.name),
        Part("plan", lambda one: one.plan.name, groups=True),
        Part("quota", lambda one: one.plan.quota),
        Part("period", lambda one: one.plan.period, groups=True),
        Part("served_since", lambda one: one.since),
        Part("served", lambda one: one.served, adds=True),
        Part("used_share", lambda one: number(one.used_share), "Quota used"),
        Part("left", lambda one: one.plan.quota - one.served if one.plan.quota else None),
        Part("over", lambda one: one.over, adds=True),
        Part("runs_out_from", lambda one: one.runs_out[0] if one.runs_out else None, "Runs out"),
        Part("runs_out_to", lambda one: one.runs_out[1] if one.runs_out else None),
        Part("resets", lambda one: one.resets),
        Part("peak_a_second", lambda one: one.peak, "Peak"),
        Part("rate", lambda one: one.plan.limit.rate),
        Part("throttled", lambda one: one.throttled, adds=True),
        Part("cut_by_quota", lambda one: one.cut_by_quota, adds=True),
    ),
    every_key,
)


def every_stage(reader: Reader, pathname: str, view: View) -> Sequence[StageLine] | None:  # noqa: ARG001
    window = reader.window(view)
    if window is None:
        return None
    state = reader.store()
    return stages_left(state, scope_of(window, view), known_inventory(state))


STAGES: Sheet[StageLine] = Sheet(
    "stages",
    (
        Part("api", lambda one: one.api, "API", groups=True),
        Part("stage", lambda one: one.stage, groups=True),
        Part("requests", lambda one: one.n, adds=True),
        Part("rate", lambda one: one.limit.rate, groups=True),
        Part("burst", lambda one: one.limit.burst),
        Part("peak_a_second", lambda one: one.peak, "Peak"),
        Part("of_rate", lambda one: one.peak / one.limit.rate if one.limit.rate else None, "Of its rate"),
        Part("peak_at", lambda one: one.peak_at, "When"),
        Part("p99_a_second", lambda one: one.p99, "p99"),
    ),
    every_stage,
)


def every_change(reader: Reader, pathname: str, view: View) -> Sequence[Altered] | None:  # noqa: ARG001
    window = reader.window(view)
    if window is None:
        return None
    return altered(reader.store(), view, window, reader.privacy, most=MOST_ROWS).changes


CHANGES: Sheet[Altered] = Sheet(
    "changes",
    (
        Part("at", lambda one: one.event.change.at, "When"),
        Part("call", lambda one: one.event.change.what, groups=True),
        Part("type", lambda one: one.type, groups=True),
        Part("tool", lambda one: one.tool, groups=True),
        Part("actor", lambda one: one.event.change.actor, "Who", groups=True),
        Part("resource", lambda one: one.event.change.resource, "What was changed", groups=True),
        Part("account", lambda one: one.event.account, groups=True),
        Part("region", lambda one: one.event.region, groups=True),
        Part("risk", lambda one: one.risk, groups=True),
        Part("suspected_by", lambda one: " ".join(finding.id for finding in one.suspects), "Suspected of"),
    ),
    every_change,
    rows=40,
)


def every_source(reader: Reader, pathname: str, view: View) -> Sequence[Origin] | None:  # noqa: ARG001
    return origins(reader.store(), reader.window(view), reader.now()).origins


SOURCES: Sheet[Origin] = Sheet(
    "sources",
    (
        Part("source", lambda one: one.name),
        Part("kind", lambda one: one.kind, groups=True),
        Part("location", lambda one: one.location),
        Part("state", lambda one: one.state, groups=True),
        Part("last_look", lambda one: one.looked[0] if one.looked else None),
        Part("error", lambda one: one.looked[1] if one.looked else None, groups=True),
        Part("newest_request", lambda one: one.account.last_at if one.account else None),
        Part("lag_s", lambda one: one.lag.total_seconds() if one.lag is not None else None, "Lag"),
        Part("kept", lambda one: int(one.taken), adds=True),
        Part("lines", lambda one: one.account.lines if one.account else None, adds=True),
        Part("rejected", lambda one: one.account.rejected if one.account else None, adds=True),
        Part("coverage", lambda one: number(one.covered_share)),
    ),
    every_source,
)


def every_diagnosis(reader: Reader, pathname: str, view: View) -> Sequence[Diagnosis] | None:  # noqa: ARG001
    return origins(reader.store(), reader.window(view), reader.now()).stages


def _sees(kind: Kind) -> Callable[[Diagnosis], object]:
    return lambda one: next((sight.level for sight in one.sights if sight.kind is kind), None)


DOCTOR: Sheet[Diagnosis] = Sheet(
    "doctor",
    (
        Part("stage", lambda one: f"{one.log.name} / {one.log.stage}"),
        Part("api", lambda one: one.log.api, "API id"),
        Part("type", lambda one: one.log.api_type.value, groups=True),
        *(
            Part(f"sees_{kind.value}", _sees(kind), words.KINDS[kind], groups=True)
            for kind in (
                Kind.AUTH_FAILURE_SPIKE,
                Kind.THROTTLING_ABUSE,
                Kind.DEAD_API,
                Kind.LATENCY_OUTLIER,
            )
        ),
        Part("logged", lambda one: one.log.template is not None, groups=True),
        Part("coverage", lambda one: one.coverage.percent if one.coverage else None, "In the logs"),
        Part("dollars", lambda one: one.cost(one.log.template), "Log cost a month", adds=True),
        Part("dollars_with_all", lambda one: one.cost(one.template), adds=True),
    ),
    every_diagnosis,
    rows=40,
)


def every_delivery(reader: Reader, pathname: str, view: View) -> Sequence[Delivery] | None:  # noqa: ARG001
    with reader.store().read() as session:
        return deliveries(session, MOST_ROWS, channel=view.q if view.tab == "log" else None)


DELIVERIES: Sheet[Delivery] = Sheet(
    "deliveries",
    (
        Part("at", lambda one: one.at, "When"),
        Part("channel", lambda one: one.channel, groups=True),
        Part("outcome", lambda one: one.outcome, groups=True),
        Part("finding", lambda one: one.finding_id, "About", groups=True),
        Part("transition", lambda one: one.transition, groups=True),
        Part("attempt", lambda one: one.attempt),
        Part("error", lambda one: one.error, groups=True),
    ),
    every_delivery,
    rows=50,
)

OPS_SHEETS: tuple[Sheet[Any], ...] = (TIMED, KEYS, STAGES, CHANGES, SOURCES, DOCTOR, DELIVERIES)
