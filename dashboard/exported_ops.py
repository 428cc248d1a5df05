"""What the files of Latency, Limits, Changes and Sources hold: all rows of their tables, those left out, too."""

from __future__ import annotations

from dashboard.altered import Altered, altered
from dashboard.data import Reader
from dashboard.data_apis import known_inventory
from dashboard.data_limits import keys_left, stages_left
from dashboard.exports import MOST_ROWS, Export, Rows
from dashboard.grids import number
from dashboard.layers import LAYERS, timed_routes
from dashboard.origins import origins
from dashboard.summing import scope_of
from dashboard.view import View


def every_timed_route(reader: Reader, pathname: str, view: View) -> Rows | None:  # noqa: ARG001
    window = reader.window(view)
    if window is None:
        return None
    heads = "api stage route requests timed p50_ms p95_ms p99_ms mean_ms gateway_ms authorizer_ms integration_ms "
    heads += "not_told_apart_ms slowest_layer over_28s"
    return Rows(
        heads.split(),
        (
            (
                *one.key,
                one.n,
                one.timed,
                number(one.p50),
                number(one.p95),
                number(one.p99),
                number(one.mean),
                *(number(one.ms[layer]) for layer in LAYERS),
                one.slowest,
                one.timeouts,
            )
            for one in timed_routes(reader.store(), view, window)[:MOST_ROWS]
        ),
    )


def every_key(reader: Reader, pathname: str, view: View) -> Rows | None:  # noqa: ARG001
    window = reader.window(view)
    if window is None:
        return None
    heads = "key name plan quota period served_since served used_share over runs_out_from runs_out_to resets "
    heads += "peak_a_second rate throttled cut_by_quota"
    found, _ = keys_left(reader, view, window, known_inventory(reader.store()), most=MOST_ROWS)
    return Rows(
        heads.split(),
        (
            (
                one.key,
                one.name,
                one.plan.name,
                one.plan.quota,
                one.plan.period,
                one.since,
                one.served,
                number(one.used_share),
                one.over,
                *(one.runs_out or (None, None)),
                one.resets,
                one.peak,
                one.plan.limit.rate,
                one.throttled,
                one.cut_by_quota,
            )
            for one in found
        ),
    )


def every_stage(reader: Reader, pathname: str, view: View) -> Rows | None:  # noqa: ARG001
    window = reader.window(view)
    if window is None:
        return None
    state = reader.store()
    found = stages_left(state, scope_of(window, view), known_inventory(state), most=MOST_ROWS)
    return Rows(
        "api stage requests rate burst peak_a_second peak_at p99_a_second".split(),
        ((one.api, one.stage, one.n, one.limit.rate, one.limit.burst, one.peak, one.peak_at, one.p99) for one in found),
    )


def every_change(reader: Reader, pathname: str, view: View) -> Rows | None:  # noqa: ARG001
    window = reader.window(view)
    if window is None:
        return None
    found = altered(reader.store(), view, window, reader.privacy, most=MOST_ROWS)
    heads = "at call type tool actor resource account region risk suspected_by".split()

    def row(one: Altered) -> tuple[object, ...]:
        event, change = one.event, one.event.change
        risk = one.risk.value if one.risk else None
        suspects = " ".join(finding.id for finding in one.suspects)
        place = (change.resource, event.account, event.region)
        return (change.at, change.what, one.type, one.tool, change.actor, *place, risk, suspects)

    return Rows(heads, map(row, found.changes))


def every_source(reader: Reader, pathname: str, view: View) -> Rows | None:  # noqa: ARG001
    found = origins(reader.store(), reader.window(view), reader.now())
    heads = "source kind location state last_look error newest_request lag_s kept lines rejected coverage".split()
    return Rows(
        heads,
        (
            (
                one.name,
                one.kind,
                one.location,
                one.state,
                *(one.looked or (None, None)),
                one.account.last_at if one.account else None,
                one.lag.total_seconds() if one.lag is not None else None,
                int(one.taken),
                one.account.lines if one.account else None,
                one.account.rejected if one.account else None,
                number(one.covered_share),
            )
            for one in found.origins
        ),
    )


OPS_EXPORTS: dict[str, Export] = {
    "timed-routes": every_timed_route,
    "keys": every_key,
    "stages": every_stage,
    "changes": every_change,
    "sources": every_source,
}
