"""Grids of numbers: columns that sort as numbers and are written as everywhere, with links where a number leads on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dash_ag_grid as dag
from dash import html
from dash.development.base_component import Component

from dashboard import words
from dashboard.later import Later, narrow
from dashboard.sheets import Shown, bar, grouped_table
from dashboard.view import View

THEME = {"function": "gatewatchGridTheme(themeQuartz)"}
_SHORT = 15
_ENTRIES = 100
HEAD_PX, ROW_PX = 42, 44
"""How high heads and rows are, whatever stands in them."""


@dataclass(frozen=True, slots=True)
class Column:
    """width in px. kind: text, number, linked (a number that leads on), link, way (maybe a link), line, chip.

    part: of the sheet, by which the server sorts it.
    """

    field: str
    head: str
    kind: str = "text"
    width: int = 110
    flex: int = 0
    part: str = ""

    def definition(self) -> dict[str, Any]:
        out: dict[str, Any] = {
            "field": self.field,
            "headerName": words.zoned(self.head),
            "minWidth": min(self.width, 90),
        }
        out |= {"flex": self.flex, "minWidth": self.width, "width": self.width} if self.flex else {"width": self.width}
        if self.kind in ("number", "linked"):
            out |= {
                "type": "rightAligned",
                "valueFormatter": {"function": "written(params)"},
                "comparator": {"function": "unknownLast"},
                "sortingOrder": ["desc", "asc", None],
            }
        renderer = {"linked": "Linked", "link": "FindingLink", "way": "Way", "line": "Line", "chip": "Chip"}.get(
            self.kind
        )
        if renderer:
            out["cellRenderer"] = renderer
        if self.kind == "line":
            out["sortable"] = False
        if self.kind in ("text", "link", "way"):
            out["tooltipField"] = self.field
        if self.kind in ("link", "way"):
            out["cellClass"] = "clamped"
        return out


def served(column: Column, order: str | None) -> dict[str, Any]:
    """What a column says besides when the server has put its rows in order: the mark, and no order of its own."""
    if order is None:
        return {}
    mine = column.part and column.part == order.removeprefix("-")
    sort = ("desc" if order.startswith("-") else "asc") if mine else None
    return {"comparator": {"function": "asItComes"}, "sort": sort, "sortable": bool(column.part)}


def number(value: float | None) -> float | None:
    """For a cell: what is not known is empty."""
    return None if value is None or not math.isfinite(value) else value


def sheet_grid(
    name: str,
    found: Shown[Any],
    view: View,
    columns: Sequence[Column],
    rows: Sequence[dict[str, Any]],
    entries: Sequence[Component],
    *,
    opens: bool = False,
    one: str = "row",
) -> Component:
    """A grid of a sheet with its bar; entries: the same rows on a small screen.

    Heads sort in the browser as long as all rows are there, and on the server else (assets/sheets.js).
    """
    order = ("-" if found.wish.down else "") + (found.wish.sort or "")
    parts = {column.field: column.part for column in columns if column.part}
    tools = bar(found, one=one, grid={"name": found.sheet.name, "order": order, "columns": parts})
    if found.groups is not None:
        return html.Div([tools, html.Div(grouped_table(found, view), className="padded")], className="sheet")
    if not rows:
        return html.Div([tools, html.P("No row fits this filter.", className="small padded")], className="sheet")
    made = grid(name, columns, rows, opens=opens, order=order if found.cut else None)
    listed = narrow(html.Ul(entries[:_ENTRIES], className="cards"))
    return html.Div([tools, html.Div(made, className="wide-only"), listed], className="sheet")


def grid(
    name: str,
    columns: Sequence[Column],
    rows: Sequence[dict[str, Any]],
    *,
    opens: bool = False,
    order: str | None = None,
) -> Component:
    """rows: text and numbers by field, `id`, and where needed `text` (how numbers are written), `links`, `href`.

    opens: a click anywhere on a row goes to its `href`. order: the rows come in this order of the server's.
    Every row is as high as two lines of text: what is longer is shown when the mouse is on it. Rows that grow once they
    are measured would push away what stands below.
    """
    short = len(rows) <= _SHORT
    looks = [("grid-findings", opens), ("grid-server", order is not None), ("grid-tall", not short)]
    made: Component = dag.AgGrid(
        id=name,
        columnDefs=[column.definition() | served(column, order) for column in columns],
        rowData=list(rows),
        getRowId="params.data.id",
        defaultColDef={"sortable": True, "resizable": True, "suppressMovable": True},
        dashGridOptions={
            "theme": THEME,
            "domLayout": "autoHeight" if short else "normal",
            "enableCellTextSelection": True,
            "headerHeight": HEAD_PX,
            "rowHeight": ROW_PX,
            "animateRows": False,
            "rowBuffer": 2,
            "suppressColumnMoveAnimation": True,
            "tabToNextCell": {"function": "leaveGrid(params)"},
        },
        className=" ".join(["grid", *(look for look, on in looks if on)]),
        style={"height": None} if short else {"height": "min(720px, calc(100vh - 240px))", "minHeight": "360px"},
    )
    return reserved(
        made, f"{HEAD_PX + ROW_PX * len(rows)}px" if short else "max(360px, min(720px, calc(100vh - 240px)))"
    )


def reserved(made: Component, height: str) -> Component:
    """A grid in the room that it will take at least: nothing moves when it comes, which is after its page."""
    return Later(made, height)
