"""The tables of the pages about APIs, refusals and limits: their columns, and how all of their rows are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from dashboard.data import Reader
from dashboard.data_api import RouteLine, callers, head, routes
from dashboard.data_apis import ApiLine, apis, known_inventory, shown_client
from dashboard.data_auth import CallerLine, every_refused
from dashboard.data_limits import Role, Throttled, throttled_of
from dashboard.exported_ops import OPS_SHEETS
from dashboard.exported_rows import ROW_SHEETS
from dashboard.grids import number
from dashboard.inventoried import Inventory
from dashboard.sheets import MOST_ROWS, Part, Sheet
from dashboard.summing import scope_of
from dashboard.view import View, of_page


def every_api(reader: Reader, pathname: str, view: View) -> Sequence[ApiLine] | None:  # noqa: ARG001
    found = apis(reader, view, most=MOST_ROWS)
    return None if found is None else found.rows


APIS: Sheet[ApiLine] = Sheet(
    "apis",
    (
        Part("api", lambda one: one.api, "API id"),
        Part("stage", lambda one: one.stage, groups=True),
        Part("name", lambda one: one.name, "API"),
        Part("type", lambda one: one.api_type, groups=True),
        Part("status", lambda one: one.life.value, groups=True),
        Part("owner", lambda one: one.owner, groups=True),
        Part("authorization", lambda one: ", ".join(one.auth or ()), groups=True),
        Part("requests", lambda one: one.n, adds=True),
        Part("refused_4xx", lambda one: one.refused, "4xx", adds=True),
        Part("failed_5xx", lambda one: one.failed, "5xx", adds=True),
        Part("failed_share", lambda one: number(one.error_share), "5xx share"),
        Part("p95_ms", lambda one: number(one.p95_ms), "p95"),
        Part("callers", lambda one: number(one.callers)),
        Part("routes_called", lambda one: one.routes_called),
        Part("routes_declared", lambda one: one.routes_declared),
        Part("open_findings", lambda one: one.open_findings, adds=True),
        Part("worst", lambda one: one.worst, "Worst finding", groups=True),
        Part("last_call", lambda one: one.last_at),
    ),
    every_api,
    rows=200,
)


def every_route(reader: Reader, pathname: str, view: View) -> Sequence[RouteLine] | None:
    mine = of_page(pathname, view)
    of = head(reader, mine.api or "", replace(view, api=None))
    return None if of is None else routes(reader, of, mine, most=MOST_ROWS).lines


ROUTES: Sheet[RouteLine] = Sheet(
    "routes",
    (
        Part("route", lambda one: one.route),
        Part("requests", lambda one: one.n, adds=True),
        Part("refused_4xx", lambda one: one.refused, "4xx", adds=True),
        Part("failed_5xx", lambda one: one.failed, "5xx", adds=True),
        Part("auth_rejections", lambda one: one.auth, adds=True),
        Part("throttled", lambda one: one.throttled, adds=True),
        Part("p95_ms", lambda one: number(one.p95_ms), "p95"),
        Part("declared", lambda one: one.declared.auth if one.declared else None, groups=True),
        Part("api_key_needed", lambda one: one.declared.key if one.declared else None, groups=True),
        Part("failed_share", lambda one: number(one.failed_share), "5xx share"),
        Part("refused_share", lambda one: number(one.refused_share), "4xx share"),
        Part("last", lambda one: one.last_at),
    ),
    every_route,
    rows=200,
)


def every_caller(reader: Reader, pathname: str, view: View) -> Sequence[dict[str, Any]] | None:
    mine = of_page(pathname, view)
    of = head(reader, mine.api or "", replace(view, api=None))
    return None if of is None else callers(reader, of, mine, most=MOST_ROWS).rows


CONSUMERS: Sheet[dict[str, Any]] = Sheet(
    "consumers",
    (
        Part("known_by", lambda row: row["shown"][0], groups=True),
        Part("caller", lambda row: row["shown"][1]),
        Part("requests", lambda row: row["n"], adds=True),
        Part("refused_4xx", lambda row: row["refused"], "4xx", adds=True),
        Part("throttled_429", lambda row: row["throttled"], "429", adds=True),
        Part("failed_5xx", lambda row: row["failed"], "5xx", adds=True),
        Part("routes", lambda row: row["routes"]),
        Part("addresses", lambda row: row["addresses"]),
        Part("agents", lambda row: row["agents"], "User agents"),
        Part("agent", lambda row: row["agent"], "User agent", groups=True),
        Part("first", lambda row: row["first"]),
        Part("last", lambda row: row["last"]),
    ),
    every_caller,
    rows=200,
)


@dataclass(frozen=True, slots=True)
class Refused:
    """Whose requests were refused, as it may be shown."""

    line: CallerLine
    kind: str
    name: str


def as_shown(reader: Reader, known: Inventory, lines: Sequence[CallerLine]) -> list[Refused]:
    return [
        Refused(replace(one, agent=reader.privacy.text(one.agent or "")), *shown_client(reader, known, one.client_id))
        for one in lines
    ]


def every_refused_caller(reader: Reader, pathname: str, view: View) -> Sequence[Refused] | None:
    found = every_refused(reader, of_page(pathname, view), most=MOST_ROWS)
    return None if found is None else as_shown(reader, known_inventory(reader.store()), found)


REFUSED: Sheet[Refused] = Sheet(
    "refused",
    (
        Part("known_by", lambda one: one.kind, groups=True),
        Part("caller", lambda one: one.name),
        Part("refused", lambda one: one.line.n, adds=True),
        Part("mostly_for", lambda one: one.line.top, groups=True),
        Part("causes", lambda one: ", ".join(f"{cause} {n}" for cause, n in sorted(one.line.causes.items()))),
        Part("routes", lambda one: one.line.routes),
        Part("addresses", lambda one: one.line.addresses),
        Part("agents", lambda one: one.line.agents, "User agents"),
        Part("agent", lambda one: one.line.agent, "User agent", groups=True),
        Part("first", lambda one: one.line.first_at),
        Part("last", lambda one: one.line.last_at),
    ),
    every_refused_caller,
    rows=200,
)


@dataclass(frozen=True, slots=True)
class Cut:
    """Who was refused by a limit, as it may be shown."""

    line: Throttled
    kind: str
    name: str


def as_cut(reader: Reader, known: Inventory, lines: Sequence[Throttled]) -> list[Cut]:
    return [Cut(one, *shown_client(reader, known, one.client_id)) for one in lines]


def every_throttled(reader: Reader, pathname: str, view: View) -> Sequence[Cut] | None:
    mine = of_page(pathname, view)
    window = reader.window(mine)
    if window is None:
        return None
    known = known_inventory(reader.store())
    return as_cut(reader, known, throttled_of(reader.store(), scope_of(window, mine), known, most=MOST_ROWS))


def every_offender(reader: Reader, pathname: str, view: View) -> Sequence[Cut] | None:
    found = every_throttled(reader, pathname, view)
    return None if found is None else [one for one in found if one.line.role is not Role.VICTIM]


def every_victim(reader: Reader, pathname: str, view: View) -> Sequence[Cut] | None:
    found = every_throttled(reader, pathname, view)
    return None if found is None else [one for one in found if one.line.role is Role.VICTIM]


_THROTTLED: tuple[Part[Cut], ...] = (
    Part("api", lambda one: one.line.api, "API", groups=True),
    Part("stage", lambda one: one.line.stage, groups=True),
    Part("known_by", lambda one: one.kind, groups=True),
    Part("caller", lambda one: one.name),
    Part("role", lambda one: one.line.role.value, groups=True),
    Part("refused", lambda one: one.line.refused, adds=True),
    Part("of_quota", lambda one: one.line.quota, adds=True),
    Part("asked", lambda one: one.line.asked, "Calls then", adds=True),
    Part("share", lambda one: one.line.share),
    Part("peak_a_second", lambda one: one.line.peak),
    Part("plan", lambda one: one.line.plan.name if one.line.plan else None, groups=True),
    Part("first", lambda one: one.line.first_at),
    Part("last", lambda one: one.line.last_at),
)

OFFENDERS: Sheet[Cut] = Sheet("offenders", _THROTTLED, every_offender)
VICTIMS: Sheet[Cut] = Sheet("victims", _THROTTLED, every_victim)

_OURS: tuple[Sheet[Any], ...] = (APIS, ROUTES, CONSUMERS, REFUSED, OFFENDERS, VICTIMS)

SHEETS: dict[str, Sheet[Any]] = {one.name: one for one in (*_OURS, *OPS_SHEETS, *ROW_SHEETS)}
"""Every table that the server sorts, filters, groups and writes to files."""
