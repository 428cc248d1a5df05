"""APIs: every API that is declared or called, whether it lives, and how it does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, dcc, html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.components import banner, card, command, empty, icon, range_line, stale_note, was
from dashboard.data import Reader
from dashboard.data_apis import LIVES, ApiLine, Apis, Life, apis
from dashboard.exported import APIS, SHEETS, every_api
from dashboard.exports import add_exports, export_button
from dashboard.figures import SKY, spark_sentence, sparkline
from dashboard.firstrun import begin_here
from dashboard.frame import Nav, add_page
from dashboard.grids import Column, number, sheet_grid
from dashboard.leads import api_href, findings_href, requests_copies
from dashboard.names import Names
from dashboard.sheets import Shown
from dashboard.tables import Table
from dashboard.view import View

_COLUMNS = (
    Column("name", "API / stage", "link", 160, flex=3, part="name"),
    Column("life", "Status", "chip", 84, part="status"),
    Column("requests", "Requests", "linked", 92, part="requests"),
    Column("line", "", "line", 82),
    Column("errors", "5xx", "number", 90, part="failed_share"),
    Column("p95", "p95", "number", 96, part="p95_ms"),
    Column("findings", "Open", "linked", 66, part="open_findings"),
    Column("callers", "Callers", "number", 82, part="callers"),
    Column("routes", "Routes", "number", 76, part="routes_called"),
    Column("type", "Type, auth", width=104, flex=2, part="type"),
    Column("owner", "Owner", width=84, flex=1, part="owner"),
    Column("last", "Last call", width=148, part="last_call"),
)


NAV = Nav(order=30, key="a", icon="api")


def register(dash: Dash, reader: Reader) -> None:
    add_page(
        dash,
        reader,
        "apis",
        title="APIs",
        render=render,
        partial=True,
        path="/apis",
        heights=(48, 480),
        nav=NAV,
        tables=(TABLE,),
    )
    add_exports(dash, reader, SHEETS)


def render(reader: Reader, rest: str, view: View) -> Component:  # noqa: ARG001
    found = apis(reader, view)
    if found is None:
        return nothing()
    return content(
        found, view, TABLE.placed(reader, view, found.rows, found.total, lambda: every_api(reader, "", view))
    )


def nothing() -> Component:
    said = empty(
        "No APIs yet",
        "Nothing was ingested, and no inventory is known.",
        html.Span(["Read access logs with ", command("gatewatch ingest PATH… --inventory FILE"), "."]),
        begin_here(),
    )
    return html.Div([html.Div(html.H1("APIs"), className="page-head"), card(None, said)])


def content(found: Apis, view: View, made: Component) -> Component:
    window = found.window
    head = html.Div(
        [
            html.H1("APIs"),
            range_line(window),
        ],
        className="page-head",
    )
    note = None
    if not found.inventory:
        note = banner(
            "No inventory is known, so what is declared and never called, and who owns what, cannot be told. "
            "Hand one over with `gatewatch ingest --inventory FILE`.",
            kind="info",
        )
    rows = card(None, body(found, view, made), name="flush")
    return html.Div([head, stale_note(view, window), note, search(view), rows, legend(found, view)])


def search(view: View) -> Component:
    return html.Div(
        [
            was("apis", q=view.q),
            dmc.TextInput(
                id={"type": "url", "key": "q"},
                value=view.q or "",
                placeholder="Search name, id, owner, status (key /)",
                debounce=400,
                leftSection=icon("search"),
                className="filter filter-text",
                **{"aria-label": "Search APIs"},
            ),
            dcc.Link("Clear", href=f"/apis{view.search(q=None)}", className="clear") if view.q else None,
        ],
        className="filters",
        role="search",
    )


def body(found: Apis, view: View, made: Component) -> Component:
    if not found.rows:
        clear = dcc.Link("Show all APIs", href=f"/apis{view.search(q=None, api=None, stage=None)}")
        return empty("No API fits", "Nothing of that name is declared or was ever called.", clear)
    return html.Div([made, html.Div(export_button("apis"), className="pager")])


def api_grid(reader: Reader, view: View, listed: Shown[ApiLine]) -> Component:
    names = reader.names()
    rows = [cells(one, names, view) for one in listed.items]
    entries = [entry(one, names, view) for one in listed.items]
    return sheet_grid("apis-grid", listed, view, _COLUMNS, rows, entries, opens=True, one="stage")


TABLE = Table(APIS, api_grid)


def cells(one: ApiLine, names: Names, view: View) -> dict[str, Any]:
    """A line of the grid: text only, shown as text."""
    place = replace(view, api=one.api, stage=one.stage)
    name = names.place(one.api, one.stage)
    said = spark_sentence(f"Requests of {name}", one.requests, [words.count(value) for value in one.requests])
    return {
        "id": f"{one.api} {one.stage or ''}",
        "href": api_href(one.api, view, stage=one.stage),
        "name": name,
        "life": one.life.value,
        "why": LIVES[one.life],
        "type": " · ".join(filter(None, (one.api_type, *auth(one)))) or words.NONE,
        "requests": one.n,
        "line": sparkline(one.requests, SKY) if one.requests else "",
        "said": said,
        "errors": number(one.error_share),
        "p95": number(one.p95_ms),
        "findings": one.open_findings,
        "worst": one.worst.value if one.worst else "",
        "callers": number(one.callers),
        "routes": one.routes_called,
        "owner": plain(one.owner, 60) or words.NONE,
        "last": words.bare(one.last_at),
        "text": {
            "requests": words.count(one.n),
            "errors": words.percent(one.error_share),
            "p95": words.millis(one.p95_ms),
            "findings": words.count(one.open_findings),
            "callers": about(one.callers),
            "routes": routes(one),
        },
        "links": {
            "requests": api_href(one.api, view, "traffic", stage=one.stage) if one.n else "",
            "findings": findings_href(place, state="open") if one.open_findings else "",
        },
    }


def about(value: float) -> str:
    """Distinct callers: exact below 64, above it estimated."""
    return f"≈ {words.count(round(value, -1))}" if value >= 64 else words.count(value)


def routes(one: ApiLine) -> str:
    if one.routes_declared is None:
        return f"{words.count(one.routes_called)} called"
    return f"{words.count(one.routes_called)} of {words.count(one.routes_declared)}"


def auth(one: ApiLine) -> list[str]:
    """How callers are authorized; a route without is open to everybody."""
    return ["open routes" if way == "none" else way for way in sorted(one.auth or (), key=lambda way: way == "none")]


def entry(one: ApiLine, names: Names, view: View) -> Component:
    """The same on a small screen."""
    findings = None
    if one.open_findings and one.worst:
        findings = dcc.Link(
            [icon(one.worst.value), words.plural(one.open_findings, "finding")],
            href=findings_href(replace(view, api=one.api, stage=one.stage), state="open"),
            className=f"severity-{one.worst.value}",
        )
    return html.Li(
        [
            html.Div([html.Span(one.life.value, className=chip(one.life)), findings], className="entry-head"),
            dcc.Link(
                names.place(one.api, one.stage),
                href=api_href(one.api, view, stage=one.stage),
                className="finding-link",
            ),
            html.Div(
                f"{words.plural(one.n, 'request')} · {words.percent(one.error_share)} 5xx · p95 "
                f"{words.millis(one.p95_ms)} · {about(one.callers)} callers",
                className="small",
            ),
            html.Div(f"{one.api_type or 'type not known'} · {routes(one)} routes", className="small"),
        ]
    )


def chip(one: Life) -> str:
    return f"chip life life-{one.value.replace(' ', '-')}"


def legend(found: Apis, view: View) -> Component:
    """What the words of the status mean, and what is not known."""
    used = [one for one in Life if any(row.life is one for row in found.rows)]
    pairs = [html.Div([html.Dt(html.Span(one.value, className=chip(one))), html.Dd(LIVES[one])]) for one in used]
    why = sorted({f"{name}: {reason}" for row in found.rows for name, reason in row.unknown.items()})
    return card(
        "What the words mean",
        html.Dl(pairs, className="pairs"),
        html.P("Routes: those that answered somebody, of those that are declared.", className="small"),
        html.P(f"{words.NONE} is not known. " + "; ".join(why) + "." if why else "", className="small"),
        requests_copies(found.window, view),
    )
