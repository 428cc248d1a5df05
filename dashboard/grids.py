"""Grids of numbers: columns that sort as numbers and are written as everywhere, with links where a number leads on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dash_ag_grid as dag
from dash.development.base_component import Component

THEME = {"function": "gatewatchGridTheme(themeQuartz)"}
_SHORT = 15
_RENDERERS = {"linked": "Linked", "link": "FindingLink", "way": "Way", "line": "Line", "chip": "Chip"}


@dataclass(frozen=True, slots=True)
class Column:
    """width in px. kind: text, number, linked (a number that leads on), link, way (maybe a link), line, chip."""

    field: str
    head: str
    kind: str = "text"
    width: int = 110
    flex: int = 0

    def definition(self) -> dict[str, Any]:
        out: dict[str, Any] = {"field": self.field, "headerName": self.head, "minWidth": min(self.width, 90)}
        out |= {"flex": self.flex, "minWidth": self.width} if self.flex else {"width": self.width}
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
        if self.kind == "text":
            out["tooltipField"] = self.field
        if self.kind in ("link", "way"):
            out |= {"wrapText": True, "autoHeight": True}
        return out


def number(value: float | None) -> float | None:
    """For a cell: what is not known is empty."""
    return None if value is None or not math.isfinite(value) else value


def grid(name: str, columns: Sequence[Column], rows: Sequence[dict[str, Any]], *, opens: bool = False) -> Component:
    """rows: text and numbers by field, `id`, and where needed `text` (how numbers are written), `links`, `href`.

    opens: a click anywhere on a row goes to its `href`.
    """
    short = len(rows) <= _SHORT
    made: Component = dag.AgGrid(
        id=name,
        columnDefs=[column.definition() for column in columns],
        rowData=list(rows),
        getRowId="params.data.id",
        defaultColDef={"sortable": True, "resizable": True, "suppressMovable": True},
        dashGridOptions={
            "theme": THEME,
            "domLayout": "autoHeight" if short else "normal",
            "enableCellTextSelection": True,
            "rowHeight": 40,
            "animateRows": False,
            "tabToNextCell": {"function": "leaveGrid(params)"},
        },
        className="grid" + (" grid-findings" if opens else "") + ("" if short else " grid-tall"),
        style={"height": None} if short else {"height": "min(720px, calc(100vh - 240px))", "minHeight": "360px"},
    )
    return made
