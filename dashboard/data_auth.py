"""Refused credentials: why, when, by which authorizer, whose, from where; and which findings say what it was."""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from dashboard.data import Reader
from dashboard.data_apis import known_inventory
from dashboard.inventoried import ApiDoc, AuthorizerDoc, Inventory
from dashboard.names import Names
from dashboard.refusals import AUTH
from dashboard.scoping import beside, inside
from dashboard.standing import once
from dashboard.summing import Grid, grid_of, needs, scope_of
from dashboard.view import View, Window
from gatewatch.frames import bucket_value_ms, cause_column
from gatewatch.records import AUTH_CAUSES, Blind, Kind
from gatewatch.store.findings import FindingFilter, StoredFinding, list_blind, list_findings
from gatewatch.store.groups import Scope, minute_histograms, minute_sums, refused_of, refused_rows
from gatewatch.store.state import State

MOST_CALLERS = 100
MOST_NETWORKS = 25
MOST_PLACES = 40
MOST_FINDINGS = 200
_GROUPS = 5_000
_ERRORS = ("authorizer_error", "authorizer_timeout")


@dataclass(frozen=True, slots=True)
class CauseLine:
    cause: str
    n: int
    share: float
    callers: int
    addresses: int
    routes: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class CallerLine:
    """client_id as the store has it: it is masked when it is shown. causes: cause -> how many."""

    client_id: str | None
    n: int
    causes: dict[str, int]
    routes: int
    addresses: int
    agents: int
    agent: str | None
    first_at: datetime
    last_at: datetime

    @property
    def top(self) -> str | None:
        return max(self.causes, key=lambda cause: (self.causes[cause], cause), default=None)


@dataclass(frozen=True, slots=True)
class AuthorizerLine:
    """Of the calls on the routes that it guards. ran_share: for which it was asked; NaN: its time is not logged."""

    doc: AuthorizerDoc
    api: ApiDoc
    routes: int
    n: int
    denied: int
    failed: int
    ran_share: float
    p95_ms: float

    @property
    def denied_share(self) -> float:
        return self.denied / self.n if self.n else float("nan")

    @property
    def failed_share(self) -> float:
        return self.failed / self.n if self.n else float("nan")


@dataclass(frozen=True, slots=True)
class PlaceLine:
    api: str | None
    stage: str | None
    route: str | None
    n: int
    callers: int


@dataclass(frozen=True, slots=True)
class Auth:
    """series: cause -> line. total: all requests. untold: refusals whose cause the logs do not give.

    every_network, every_place: how many there are, of which the most refused are here.
    """

    window: Window
    grid: Grid
    series: Mapping[str, list[float]]
    causes: list[CauseLine]
    total: int
    refused: int
    callers: int
    untold: int
    backend_refused: int
    who: list[CallerLine]
    networks: list[tuple[str, int, int]]
    every_network: int
    places: list[PlaceLine]
    every_place: int
    authorizers: list[AuthorizerLine]
    findings: list[StoredFinding]
    blind: list[Blind]
    inventory: Inventory
    names: Names
    visible: int
    unknown_who: str | None
    unknown_why: str | None


def auth(reader: Reader, view: View) -> Auth | None:
    """None: nothing was ever ingested."""
    window = reader.window(view)
    if window is None:
        return None
    state, scope = reader.store(), scope_of(window, view)
    grid = grid_of(state, window)
    columns = [cause_column(cause) for cause in AUTH]
    more = ("n", "s4xx", cause_column("unknown"), cause_column("backend_refused"))
    buckets = minute_sums(state, scope, (), (*columns, *more), step=grid.size)
    totals = {name: int(np.nansum(grid.line(buckets, name))) for name in (*columns, *more)}
    visible = 0
    for mask in buckets.column("visible").to_pylist():
        visible |= mask or 0
    rows = refused_rows(state, scope, causes=AUTH)
    whole = refused_of(rows, (), distinct=("callers",)).to_pylist()
    refused = sum(totals[name] for name in columns)
    known = known_inventory(state)
    who, where_from, where_to = _who(rows), _networks(rows, most=_GROUPS), _places(rows)
    return Auth(
        window=window,
        grid=grid,
        series=grid.lines(buckets, dict(zip(columns, AUTH, strict=True))),
        causes=_causes(rows),
        total=totals["n"],
        refused=refused,
        callers=int(whole[0]["callers"] or 0) if whole else 0,
        untold=totals[cause_column("unknown")],
        backend_refused=totals[cause_column("backend_refused")],
        who=who,
        networks=where_from[:MOST_NETWORKS],
        every_network=len(where_from),
        places=where_to,
        every_place=refused_of(rows, ("api", "stage", "route"), distinct=()).num_rows
        if len(where_to) == MOST_PLACES
        else len(where_to),
        authorizers=_authorizers(state, scope, known, view),
        findings=reader.all_shown(_findings(state, window, view)),
        blind=_blind(state, view),
        inventory=known,
        names=reader.names(),
        visible=visible,
        unknown_who=needs(visible, "client_ip", "principal", "api_key_id") if refused and not _named(who) else None,
        unknown_why=needs(visible, "error_type", "authorizer_error", "error_message") if totals["n"] else None,
    )


def every_refused(reader: Reader, view: View, *, most: int) -> list[CallerLine] | None:
    """Whose requests were refused, all of them; None: nothing was ever ingested."""
    window = reader.window(view)
    if window is None:
        return None
    return _who(refused_rows(reader.store(), scope_of(window, view), causes=AUTH), most=most)


def every_network(reader: Reader, view: View, *, most: int) -> list[tuple[str, int, int]] | None:
    """Where all refused requests came from; None: nothing was ever ingested."""
    window = reader.window(view)
    if window is None:
        return None
    return _networks(refused_rows(reader.store(), scope_of(window, view), causes=AUTH), most=most)


def every_place(reader: Reader, view: View, *, most: int) -> list[PlaceLine] | None:
    """Where all refused requests went to; None: nothing was ever ingested."""
    window = reader.window(view)
    if window is None:
        return None
    return _places(refused_rows(reader.store(), scope_of(window, view), causes=AUTH), most=most)


def _named(who: Iterable[CallerLine]) -> bool:
    return any(one.client_id for one in who)


def _causes(refused: pa.Table) -> list[CauseLine]:
    rows = refused_of(refused, ("reject_cause",), distinct=("callers", "addresses", "routes")).to_pylist()
    total = sum(row["n"] for row in rows) or 1
    return [
        CauseLine(
            row["reject_cause"],
            row["n"],
            row["n"] / total,
            row["callers"],
            row["addresses"],
            row["routes"],
            row["last"],
        )
        for row in rows
    ]


def _who(refused: pa.Table, *, most: int = MOST_CALLERS) -> list[CallerLine]:
    """Whose requests are refused most, with what for."""
    lines = {
        row["client_id"]: CallerLine(
            client_id=row["client_id"],
            n=row["n"],
            causes={},
            routes=row["routes"],
            addresses=row["addresses"],
            agents=row["agents"],
            agent=row["agent"],
            first_at=row["first"],
            last_at=row["last"],
        )
        for row in refused_of(
            refused, ("client_id",), limit=most, distinct=("routes", "addresses", "agents")
        ).to_pylist()
    }
    causes = refused_of(refused, ("client_id", "reject_cause"), limit=max(_GROUPS, 4 * most), distinct=())
    for row in causes.select(["client_id", "reject_cause", "n"]).to_pylist():
        if row["client_id"] in lines:
            lines[row["client_id"]].causes[row["reject_cause"]] = row["n"]
    return list(lines.values())


def _networks(refused: pa.Table, *, most: int = MOST_NETWORKS) -> list[tuple[str, int, int]]:
    """(network, refused, addresses): /24 and /48, the most refused first. An address that is none stands for itself."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    found = refused_of(refused, ("client_ip",), limit=max(_GROUPS, most), distinct=())
    for row in found.select(["client_ip", "n"]).to_pylist():
        if row["client_ip"]:
            network = sums[network_of(row["client_ip"])]
            network[0] += row["n"]
            network[1] += 1
    networks = [(name, n, addresses) for name, (n, addresses) in sums.items()]
    return sorted(networks, key=lambda one: (-one[1], one[0]))[:most]


_PART = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_DOTTED = re.compile(rf"({_PART}\.{_PART}\.{_PART})\.{_PART}")
"""Nearly all addresses, of thousands on a page."""


def network_of(address: str) -> str:
    """
    >>> network_of("203.0.113.9"), network_of("2001:db8:7::1"), network_of("?")
    ('203.0.113.0/24', '2001:db8:7::/48', '?')
    """
    if plain := _DOTTED.fullmatch(address):
        return f"{plain[1]}.0/24"
    try:
        one = ipaddress.ip_address(address)
    except ValueError:
        return address
    one = getattr(one, "ipv4_mapped", None) or one
    return str(ipaddress.ip_network((one, 24 if one.version == 4 else 48), strict=False))


def _places(refused: pa.Table, *, most: int = MOST_PLACES) -> list[PlaceLine]:
    rows = refused_of(refused, ("api", "stage", "route"), limit=most, distinct=("callers",)).to_pylist()
    return [PlaceLine(row["api"], row["stage"], row["route"], row["n"], row["callers"]) for row in rows]


def _authorizers(state: State, scope: Scope, known: Inventory, view: View) -> list[AuthorizerLine]:
    """By the inventory: what happened on the routes that each one guards."""
    guarded: dict[tuple[str, str], tuple[str, str]] = {}
    docs: dict[tuple[str, str], tuple[ApiDoc, AuthorizerDoc]] = {}
    for api in known.apis.values():
        if not inside(view, api.id, account=api.account, region=api.region):
            continue
        docs |= {(api.id, one.id): (api, one) for one in api.authorizers}
        guarded |= {(api.id, one.route): (api.id, one.authorizer) for one in api.routes if one.authorizer}
    if not docs:
        return []
    names = ("api", "route")
    columns = [cause_column(cause) for cause in (*sorted(AUTH_CAUSES), *_ERRORS)]
    sums: dict[tuple[str, str], dict[str, int]] = {key: defaultdict(int) for key in docs}
    for row in minute_sums(state, scope, names, ("n", *columns)).to_pylist():
        into = sums.get(_guard(row, guarded))
        if into is not None:
            for name in ("n", *columns):
                into[name] += row[name] or 0
            into["routes"] += 1
            into["visible"] |= row["visible"] or 0
    slow = _slow(minute_histograms(state, scope, names, "authorizer"), guarded)
    out = []
    for key, (api, doc) in docs.items():
        told, (ran, p95) = sums[key], slow.get(key, (0, float("nan")))
        seen = needs(told["visible"], "authorizer_latency_ms") is None
        out.append(
            AuthorizerLine(
                doc=doc,
                api=api,
                routes=sum(one.authorizer == doc.id for one in api.routes),
                n=told["n"],
                denied=sum(told[cause_column(cause)] for cause in AUTH_CAUSES),
                failed=sum(told[cause_column(cause)] for cause in _ERRORS),
                ran_share=ran / told["n"] if seen and told["n"] else float("nan"),
                p95_ms=p95,
            )
        )
    return sorted(out, key=lambda one: (-one.failed, -one.denied, -one.n, one.api.name, one.doc.name))


def _guard(row: Mapping[str, Any], guarded: Mapping[tuple[str, str], tuple[str, str]]) -> tuple[str, str]:
    """The authorizer of a row's route; of a route that is declared for ANY method, too."""
    api, route = row["api"] or "", row["route"] or ""
    return guarded.get((api, route)) or guarded.get((api, f"ANY {route.partition(' ')[2]}"), ("", ""))


def _slow(
    table: pa.Table, guarded: Mapping[tuple[str, str], tuple[str, str]]
) -> dict[tuple[str, str], tuple[int, float]]:
    """(how often it ran, p95 in ms). An answer from its cache takes 0 ms (aws-facts.md 1.3), so that is no run."""
    merged: dict[tuple[str, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in table.to_pylist():
        for bucket, n in zip(row["b"], row["c"], strict=True):
            if bucket >= 0:
                merged[_guard(row, guarded)][bucket] += n
    out = {}
    for key, counts in merged.items():
        order = sorted(counts)
        running = np.cumsum([counts[bucket] for bucket in order])
        place = int(np.searchsorted(running, max(np.ceil(0.95 * running[-1]), 1)))
        out[key] = (int(running[-1]), float(bucket_value_ms(order[place])))
    return out


def _findings(state: State, window: Window, view: View) -> Sequence[StoredFinding]:
    wish = FindingFilter(
        kind=Kind.AUTH_FAILURE_SPIKE.value,
        api=view.api,
        stage=view.stage,
        since=window.since,
        until=window.until,
        where=beside(view),
    )
    with state.read() as session:
        return list_findings(session, wish, limit=MOST_FINDINGS, series=False).items


def _blind(state: State, view: View) -> list[Blind]:
    with state.read() as session:
        return once(
            [
                one
                for one in list_blind(session)
                if one.kind is Kind.AUTH_FAILURE_SPIKE
                and inside(view, one.api, one.stage, account=one.account, region=one.region)
            ]
        )
