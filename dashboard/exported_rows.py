"""More tables with all of their rows: requests of a finding and of time-outs, refusals by network and place, what a
caller did, silences, and the audit log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from dashboard import meaning
from dashboard.data import Reader
from dashboard.data_api import SlowRoute, head, slow_routes
from dashboard.data_auth import PlaceLine, every_network, every_place
from dashboard.grids import number
from dashboard.layers import every_timeout
from dashboard.names import Names
from dashboard.sheets import MOST_ROWS, Part, Sheet
from dashboard.summing import grid_of, scope_of
from dashboard.view import View, of_page
from gatewatch.access.current import current
from gatewatch.roles import Role
from gatewatch.store.audit import AuditEvent, every_event
from gatewatch.store.behind import requests_behind
from gatewatch.store.findings import get_finding
from gatewatch.store.groups import IDENTITIES, caller_parts
from gatewatch.store.silences import StoredSilence, silences

Row = dict[str, Any]


def _field(name: str) -> Callable[[Row], object]:
    return lambda row: row.get(name)


def _requests(name: str, read: Callable[[Reader, str, View], Sequence[Row] | None], rows: int) -> Sheet[Row]:
    grouped = ("method", "path", "route", "status", "client_ip", "reject_cause", "api_key_id", "principal")
    plain = ("latency_ms", "integration_latency_ms", "error_type", "error_message", "user_agent", "request_id")
    parts = [
        Part("at", _field("at"), "Time"),
        *(Part(one, _field(one), groups=True) for one in grouped),
        *(Part(one, _field(one), groups=one == "user_agent") for one in plain),
    ]
    return Sheet(name, tuple(parts), read, rows=rows)


def every_request_behind(reader: Reader, pathname: str, view: View) -> Sequence[Row] | None:  # noqa: ARG001
    ident = unquote(pathname.removeprefix("/findings/")).split("/")[0][:64]
    state = reader.store()
    with state.read() as session:
        stored = get_finding(session, ident)
    if stored is None:
        return None
    return [reader.privacy.row(row) for row in requests_behind(state, stored.finding, limit=MOST_ROWS).to_pylist()]


BEHIND: Sheet[Row] = _requests("requests", every_request_behind, 100)


def timeouts_of(reader: Reader, pathname: str, view: View) -> Sequence[Row] | None:  # noqa: ARG001
    window = reader.window(view)
    if window is None:
        return None
    return every_timeout(reader.store(), view, window, reader.privacy, most=MOST_ROWS)


TIMEOUTS: Sheet[Row] = _requests("timeouts", timeouts_of, 30)


@dataclass(frozen=True, slots=True)
class Network:
    """As it may be shown."""

    name: str
    n: int
    addresses: int


def as_networks(reader: Reader, found: Sequence[tuple[str, int, int]]) -> list[Network]:
    hidden = reader.privacy.on
    return [
        Network(reader.privacy.address(name.partition("/")[0]) if hidden else name, n, addresses)
        for name, n, addresses in found
    ]


def networks_of(reader: Reader, pathname: str, view: View) -> Sequence[Network] | None:
    found = every_network(reader, of_page(pathname, view), most=MOST_ROWS)
    return None if found is None else as_networks(reader, found)


NETWORKS: Sheet[Network] = Sheet(
    "networks",
    (
        Part("network", lambda one: one.name),
        Part("refused", lambda one: one.n, adds=True),
        Part("addresses", lambda one: one.addresses, adds=True),
    ),
    networks_of,
    rows=25,
)


def places_of(reader: Reader, pathname: str, view: View) -> Sequence[PlaceLine] | None:
    return every_place(reader, of_page(pathname, view), most=MOST_ROWS)


PLACES: Sheet[PlaceLine] = Sheet(
    "places",
    (
        Part("api", lambda one: one.api, "API", groups=True),
        Part("stage", lambda one: one.stage, groups=True),
        Part("route", lambda one: one.route),
        Part("refused", lambda one: one.n, adds=True),
        Part("callers", lambda one: one.callers),
    ),
    places_of,
    rows=40,
)


def slow_routes_of(reader: Reader, pathname: str, view: View) -> Sequence[SlowRoute] | None:
    mine = of_page(pathname, view)
    of = head(reader, mine.api or "", view)
    return None if of is None else slow_routes(reader, of, mine)[:MOST_ROWS]


SLOW_ROUTES: Sheet[SlowRoute] = Sheet(
    "slow-routes",
    (
        Part("route", lambda one: one.route),
        Part("requests", lambda one: one.n, adds=True),
        Part("p50_ms", lambda one: number(one.p50_ms), "p50"),
        Part("p95_ms", lambda one: number(one.p95_ms), "p95"),
        Part("p99_ms", lambda one: number(one.p99_ms), "p99"),
        Part("back_end_p95_ms", lambda one: number(one.behind_ms), "Back end p95"),
    ),
    slow_routes_of,
)


@dataclass(frozen=True, slots=True)
class Side:
    """A line of one side of a caller. name: as it is shown."""

    name: str
    row: Mapping[str, Any]


def sides(part: str, rows: Sequence[Mapping[str, Any]], names: Names) -> list[Side]:
    def name(row: Mapping[str, Any]) -> str:
        if part == "place":
            return names.place(row["one"] or "", row["two"])
        if part == "route":
            return row["two"] or ""
        return meaning.value("reject_cause", row["one"]) if part == "cause" else row["one"] or ""

    return [Side(name(row), row) for row in rows]


def _side(part: str, head: str) -> Sheet[Side]:
    def read(reader: Reader, pathname: str, view: View) -> Sequence[Side] | None:  # noqa: ARG001
        window = reader.window(view)
        kind, _, raw = (view.sel or "").partition(":")
        if window is None or kind not in IDENTITIES or not raw or reader.privacy.on:
            return None
        state = reader.store()
        step = grid_of(state, window).size
        rows = caller_parts(state, scope_of(window, view), kind, raw, step, most=MOST_ROWS).to_pylist()
        return sides(part, [row for row in rows if row["part"] == part], reader.names())

    def of(name: str) -> Callable[[Side], object]:
        return lambda one: one.row[name]

    api: tuple[Part[Side], ...] = (Part("api", of("one"), "API id", groups=True),) if part == "route" else ()
    return Sheet(
        f"caller-{part}",
        (
            Part("name", lambda one: one.name, head),
            *api,
            Part("requests", of("n"), adds=True),
            Part("refused_4xx", of("refused"), "4xx", adds=True),
            Part("throttled_429", of("throttled"), "429", adds=True),
            Part("failed_5xx", of("failed"), "5xx", adds=True),
            Part("first", of("first")),
            Part("last", of("last")),
        ),
        read,
        rows=30,
    )


SIDES: dict[str, Sheet[Side]] = {
    part: _side(part, head)
    for part, head in {
        "place": "API / stage",
        "route": "Route",
        "cause": "Cause",
        "address": "Address",
        "agent": "User agent",
    }.items()
}


def silenced(reader: Reader, *, over: bool) -> list[StoredSilence]:
    """Those that hold or will hold, or those that are over."""
    now = reader.now()
    with reader.store().read() as session:
        return [one for one in silences(session) if (one.ends_at <= now) == over]


def _silences(name: str, *, over: bool) -> Sheet[StoredSilence]:
    def read(reader: Reader, pathname: str, view: View) -> Sequence[StoredSilence]:  # noqa: ARG001
        return silenced(reader, over=over)

    return Sheet(
        name,
        (
            Part("what", lambda one: ", ".join(f"{key} {' or '.join(each)}" for key, each in one.matchers.items())),
            Part("from", lambda one: one.starts_at),
            Part("to", lambda one: one.ends_at),
            Part("why", lambda one: one.reason),
            Part("who", lambda one: one.author, groups=True),
        ),
        read,
        rows=50,
    )


SILENCES = _silences("silences", over=False)
SILENCES_OVER = _silences("silences-over", over=True)


def audited(reader: Reader, pathname: str, view: View) -> Sequence[AuditEvent] | None:  # noqa: ARG001
    """For admins only, as everywhere."""
    who = current()
    if who is None or not who.may(Role.ADMIN):
        return None
    with reader.store().read() as session:
        return every_event(session, MOST_ROWS)


AUDIT: Sheet[AuditEvent] = Sheet(
    "audit",
    (
        Part("at", lambda one: one.at, "When"),
        Part("actor", lambda one: one.actor, "Who", groups=True),
        Part("action", lambda one: one.action, "What", groups=True),
        Part("target", lambda one: one.target, groups=True),
        Part("outcome", lambda one: one.outcome, groups=True),
        Part("address", lambda one: one.address, groups=True),
        Part("via", lambda one: one.via, groups=True),
        Part("detail", lambda one: ", ".join(f"{name} {value}" for name, value in one.detail.items())),
    ),
    audited,
    rows=50,
)

ROW_SHEETS: tuple[Sheet[Any], ...] = (
    BEHIND,
    TIMEOUTS,
    NETWORKS,
    PLACES,
    SLOW_ROUTES,
    *SIDES.values(),
    SILENCES,
    SILENCES_OVER,
    AUDIT,
)
