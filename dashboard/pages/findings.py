"""Findings: all of them, filtered by what the address says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import Dash, dcc, html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.components import (
    card,
    empty,
    finding_href,
    finding_link,
    icon,
    range_line,
    severity_mark,
    stale_note,
    state_mark,
    was,
    where,
)
from dashboard.data import PAGE_ROWS, Reader
from dashboard.frame import Nav, add_page
from dashboard.names import Names
from dashboard.view import View
from gatewatch.records import Kind, Severity, State
from gatewatch.store.findings import Page, StoredFinding

CARDS = 100
_WRAPPED: dict[str, Any] = {"wrapText": True, "autoHeight": True}
_BY_SEVERITY = {"comparator": {"function": "bySeverity"}}
GRID_THEME = {"function": "gatewatchGridTheme(themeQuartz)"}

NAV = Nav(order=20, key="f", icon="findings")


def register(dash: Dash, reader: Reader) -> None:
    add_page(dash, reader, "findings", title="Findings", render=render, path="/findings", heights=(48, 480), nav=NAV)


def render(reader: Reader, rest: str, view: View) -> Component:  # noqa: ARG001
    try:
        window, page = reader.findings(view)
    except ValueError:  # a cursor that somebody typed
        view = replace(view, cursor=None)
        window, page = reader.findings(view)
    head = html.Div(
        [
            html.H1("Findings"),
            range_line(window),
        ],
        className="page-head",
    )
    return html.Div(
        [
            head,
            stale_note(view, window),
            filters(view),
            card(None, body(page, view, reader.names(), known=window is not None), name="flush"),
        ]
    )


def filters(view: View) -> Component:
    """Each control writes one key of the address."""

    def select(key: str, label: str, options: list[tuple[str, str]], value: str | None) -> Component:
        made: Component = dmc.Select(
            id={"type": "url", "key": key},
            data=[{"value": name, "label": text} for name, text in options],
            value=value,
            placeholder=label,
            clearable=True,
            className="filter",
            **{"aria-label": label},
        )
        return made

    worst_first = list(reversed(Severity))
    return html.Div(
        [
            was("filters", q=view.q, kind=view.kind, severity=view.severity, state=view.state),
            dmc.TextInput(
                id={"type": "url", "key": "q"},
                value=view.q or "",
                placeholder="Search title, API, route (key /)",
                debounce=400,
                leftSection=icon("search"),
                className="filter filter-text",
                **{"aria-label": "Search findings"},
            ),
            select("kind", "Any kind", [(kind.value, words.KINDS[kind]) for kind in Kind], view.kind),
            select(
                "severity",
                "Any severity",
                [
                    (one.value, words.SEVERITIES[one] + (" or worse" if one is not Severity.CRITICAL else ""))
                    for one in worst_first
                ],
                view.severity,
            ),
            select(
                "state",
                "Any state",
                [("open", "Open"), *((state.value, words.STATES[state]) for state in State)],
                view.state,
            ),
            dcc.Link("Clear", href=f"/findings{unfiltered(view).search()}", className="clear")
            if view.filtered
            else None,
        ],
        className="filters",
        role="search",
    )


def body(page: Page, view: View, names: Names, *, known: bool) -> Component:
    if not page.items:
        return nothing(view, known=known)
    return html.Div(
        [
            html.Div(grid(page.items, view, names), className="wide-only"),
            html.Ul([entry(stored, view, names) for stored in page.items[:CARDS]], className="cards narrow-only"),
            pager(page, view),
        ]
    )


def unfiltered(view: View) -> View:
    """The same time, and nothing left out."""
    return replace(view.kept(), api=None, stage=None)


def nothing(view: View, *, known: bool) -> Component:
    if not known:
        return empty("No findings yet", "Nothing was ingested. Read access logs with `gatewatch ingest PATH…`.")
    if view.filtered:
        clear = dcc.Link("Clear the filters", href=f"/findings{unfiltered(view).search()}")
        return empty("No finding fits these filters", html.Span([clear, " or choose a longer range."]))
    longer = dcc.Link("Look at 30 days", href=f"/findings{view.search(range='30d')}")
    return empty(
        f"No finding in the {view.span_label}",
        "Either all is well, or gatewatch cannot see enough: the Overview lists what it cannot judge.",
        longer,
    )


def grid(items: list[StoredFinding], view: View, names: Names) -> Component:
    columns: list[dict[str, Any]] = [
        {
            "field": "severity",
            "headerName": "Severity",
            "width": 118,
            "cellRenderer": "Severity",
            "comparator": {"function": "bySeverity"},
        },
        {"field": "title", "headerName": "Finding", "flex": 3, "minWidth": 260, "cellRenderer": "FindingLink"}
        | _WRAPPED,
        {"field": "kind", "headerName": "Kind", "width": 136},
        {"field": "where", "headerName": "API / stage · route", "flex": 2, "minWidth": 160} | _WRAPPED,
        {"field": "start", "headerName": "Start (UTC)", "width": 150, "sort": "desc"},
        {"field": "lasted", "headerName": "Lasted", "width": 96, "sortable": False},
        {"field": "state", "headerName": "State", "width": 110, "cellRenderer": "State"},
    ]
    made: Component = dag.AgGrid(
        id="findings-grid",
        columnDefs=columns,
        rowData=[row(stored, view, names) for stored in items],
        getRowId="params.data.id",
        defaultColDef={"sortable": True, "resizable": True, "suppressMovable": True},
        dashGridOptions={
            "theme": GRID_THEME,
            "domLayout": "autoHeight" if len(items) <= 15 else "normal",
            "suppressCellFocus": False,
            "enableCellTextSelection": True,
            "rowHeight": 40,
            "animateRows": False,
        },
        className="grid grid-findings" + ("" if len(items) <= 15 else " grid-tall"),
        style={"height": None} if len(items) <= 15 else {"height": "calc(100vh - 280px)", "minHeight": "360px"},
    )
    return made


def row(stored: StoredFinding, view: View, names: Names) -> dict[str, str]:
    """A line of the grid: text only, shown as text."""
    one = stored.finding
    return {
        "id": one.id,
        "href": finding_href(one.id, view),
        "severity": one.severity.value,
        "title": plain(one.title, 200),
        "kind": words.KINDS[one.kind],
        "where": where(stored, names),
        "start": words.at(one.start).removesuffix(" UTC"),
        "lasted": words.duration(one.end - one.start) if one.end else "goes on",
        "state": stored.state.value,
    }


def entry(stored: StoredFinding, view: View, names: Names) -> Component:
    """The same on a small screen."""
    one = stored.finding
    lasted = words.duration(one.end - one.start) if one.end else "goes on"
    return html.Li(
        [
            html.Div([severity_mark(one.severity), state_mark(stored.state)], className="entry-head"),
            finding_link(stored, view),
            html.Div(f"{words.KINDS[one.kind]} · {where(stored, names)}", className="small"),
            html.Div(f"{words.at(one.start)} · {lasted}", className="small"),
        ]
    )


def pager(page: Page, view: View) -> Component:
    shown = words.plural(len(page.items), "finding")
    parts: list[Any] = [html.Span(shown if not page.next_cursor else f"{shown} shown, at most {PAGE_ROWS} a page")]
    if view.cursor:
        parts.append(dcc.Link("Newest", href=f"/findings{view.search(cursor=None)}"))
    if page.next_cursor:
        parts.append(dcc.Link("Older", href=f"/findings{view.search(cursor=page.next_cursor)}"))
    return html.Div(parts, className="pager")
