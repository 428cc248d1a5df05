"""Findings: all of them, filtered, ordered and grouped by what the address says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import dash_ag_grid as dag
from dash import Dash, dcc, html
from dash.development.base_component import Component

from dashboard import words
from dashboard.bulk import bulk, exports, views
from dashboard.components import banner, card, empty, icon, kbd, range_line, severity_mark, stale_note, table
from dashboard.data import Reader
from dashboard.facets import NAMES, chips, filters, said, setting, unfiltered
from dashboard.firstrun import begin_here
from dashboard.frame import Nav, add_page
from dashboard.grids import HEAD_PX, reserved
from dashboard.later import narrow
from dashboard.listing import GROUPED, PAGE_ROWS, Listing, listing, toggled
from dashboard.names import Names
from dashboard.rows import entry, row
from dashboard.view import View
from gatewatch.access.current import current
from gatewatch.roles import Role, Who
from gatewatch.store.findings import StoredFinding

GRID_THEME = {"function": "gatewatchGridTheme(themeQuartz)"}
FEW = 12
"""So many rows make a grid as high as they are."""

ROW_PX = 66
"""Two lines of a title and one of its place, however much they say: rows that grow when they are measured would push
away what stands below."""

NAV = Nav(order=20, key="f", icon="findings")


def register(dash: Dash, reader: Reader) -> None:
    add_page(dash, reader, "findings", title="Findings", render=render, path="/findings", heights=(48, 480), nav=NAV)


def render(reader: Reader, rest: str, view: View) -> Component:  # noqa: ARG001
    try:
        found = listing(reader, view)
    except ValueError:  # a cursor that somebody typed
        view = replace(view, cursor=None)
        found = listing(reader, view)
    names, who = reader.names(), current()
    head = html.Div(
        [
            html.H1("Findings"),
            range_line(found.window),
            html.Div([views(who), exports(found, view) if found.total else None], className="head-buttons"),
        ],
        className="page-head",
    )
    wrong = [banner(f"A filter of the address was not understood and is left out: {one}") for one in found.wrong]
    return html.Div(
        [
            head,
            stale_note(view, found.window),
            *wrong,
            filters(found, view, names),
            chips(found, view, names),
            bulk(found, who),
            card(None, body(found, view, names, who), name="flush"),
        ]
    )


def body(found: Listing, view: View, names: Names, who: Who | None = None) -> Component:
    if not found.total:
        return nothing(view, known=found.window is not None)
    if view.tab in GROUPED:
        return grouped(found, view, names)
    may = who is not None and who.may(Role.OPERATOR)
    items = found.page.items
    return html.Div(
        [
            html.Div([grid(items, view, names, choose=may), steps(choose=may)], className="wide-only"),
            narrow(html.Ul([entry(stored, view, names) for stored in items], className="cards")),
            pager(found, view),
        ]
    )


def nothing(view: View, *, known: bool) -> Component:
    if not known:
        return empty("No findings yet", "Nothing was ingested, so there is nothing to judge.", begin_here())
    if view.filtered:
        clear = dcc.Link("Clear the filters", href=f"/findings{unfiltered(view).search()}")
        return empty("No finding fits these filters", html.Span([clear, " or choose a longer range."]))
    longer = dcc.Link("Look at 30 days", href=f"/findings{view.search(range='30d')}")
    return empty(
        f"No finding in the {view.span_label}",
        "Either all is well, or gatewatch cannot see enough: the Overview lists what it cannot judge.",
        longer,
    )


def grid(items: list[StoredFinding], view: View, names: Names, *, choose: bool) -> Component:
    """A page of findings. choose: rows can be selected."""
    clamped: dict[str, Any] = {"cellClass": "clamped", "cellRenderer": "Clamped"}
    columns: list[dict[str, Any]] = [
        {"field": "severity", "headerName": "Severity", "width": 108, "cellRenderer": "Severity"},
        {"field": "title", "headerName": "Finding", "flex": 3, "minWidth": 260, "cellRenderer": "FindingCell"}
        | {"tooltipField": "title"},
        {"field": "state", "headerName": "State", "width": 112, "cellRenderer": "State"},
        {"field": "trend", "headerName": "Trend", "width": 104, "cellRenderer": "Trend"},
        {"field": "count", "headerName": "Observed", "width": 118, "tooltipField": "count", **clamped},
        {"field": "affected", "headerName": "Who", "width": 126, "tooltipField": "affected", **clamped},
        {"field": "sure", "headerName": "Sure", "width": 68},
        {"field": "owner", "headerName": "Owner", "width": 80},
        {"field": "start", "headerName": words.zoned("Start (UTC)"), "width": 140, "cellRenderer": "Since"},
    ]
    few = len(items) <= FEW
    selecting: dict[str, Any] = {}
    if choose:
        selecting = {"rowSelection": {"mode": "multiRow", "checkboxes": True, "headerCheckbox": True}}
    made: Component = dag.AgGrid(
        id="findings-grid",
        columnDefs=columns,
        rowData=[row(stored, view, names) for stored in items],
        getRowId="params.data.id",
        # Rows come in the order of the server: one page of them cannot be put into another.
        defaultColDef={"sortable": False, "resizable": True, "suppressMovable": True},
        dashGridOptions={
            "theme": GRID_THEME,
            "domLayout": "autoHeight" if few else "normal",
            "suppressCellFocus": False,
            "enableCellTextSelection": True,
            "headerHeight": HEAD_PX,
            "rowHeight": ROW_PX,
            "animateRows": False,
            "rowBuffer": 2,
            "suppressColumnMoveAnimation": True,
            "tabToNextCell": {"function": "leaveGrid(params)"},
            **selecting,
        },
        className="grid grid-findings" + ("" if few else " grid-tall"),
        style={"height": None} if few else {"height": "calc(100vh - 300px)", "minHeight": "360px"},
    )
    return reserved(made, f"{HEAD_PX + ROW_PX * len(items)}px" if few else "max(360px, calc(100vh - 300px))")


def steps(*, choose: bool) -> Component:
    """What the keys do in the list, to be clicked."""

    def step(label: str, key: str, name: str) -> Component:
        named: Any = {"data-key": key, "data-step": name}
        return html.Button([label, kbd(key)], type="button", className="plain-button step", **named)

    parts = [step("Next", "j", "next"), step("Previous", "k", "previous")]
    if choose:
        parts.append(step("Select", "x", "select"))
    return html.Div([*parts, html.Span(["Open ", kbd("Enter")], className="small")], className="steps")


def grouped(found: Listing, view: View, names: Names) -> Component:
    """One line for each value; it leads to its findings."""
    by = view.tab or ""
    rows: list[list[Any]] = []
    for one in found.grouped:
        keys = {"f": [*toggled(found.terms, by, one.value)], "tab": None}
        rows.append(
            [
                setting(said(by, one.value, names), keys, name="link-button"),
                words.count(one.count),
                words.count(one.open),
                severity_mark(one.worst),
                words.at(one.newest),
            ]
        )
    heads = (NAMES[by], "Findings", "Open", "Worst", "Newest start")
    caption = f"Findings by {GROUPED[by]}, the worst first"
    return html.Div(table(heads, rows, caption=caption, numbers=(1, 2), name="stack grouped"), className="padded")


def pager(found: Listing, view: View) -> Component:
    here = len(found.page.items)
    shown = words.plural(found.total, "finding")
    more = found.page.next_cursor is not None or view.cursor is not None
    parts: list[Any] = [html.Span(f"{here} of {shown}, {PAGE_ROWS} a page" if more else shown)]
    if view.cursor:
        parts.append(dcc.Link([icon("back"), "First page"], href=f"/findings{view.search(cursor=None)}"))
    if found.page.next_cursor:
        parts.append(dcc.Link(["Next page"], href=f"/findings{view.search(cursor=found.page.next_cursor)}"))
    return html.Div(parts, className="pager")
