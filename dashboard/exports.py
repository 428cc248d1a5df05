"""Tables of pages as CSV files: all rows that fit, made on the server; what was asked for stands before the first."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dash import MATCH, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from alerts.render.csv import csv_cell
from dashboard.components import icon
from dashboard.data import Reader
from dashboard.frame import LOCATION
from dashboard.view import View, view_of
from gatewatch.cells import csv_line
from gatewatch.errors import GatewatchError
from gatewatch.records import iso

log = logging.getLogger(__name__)

MOST_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Rows:
    """heads, and a cell for each in every row; people are masked already."""

    heads: Sequence[str]
    rows: Iterable[Sequence[object]]


Export = Callable[[Reader, str, View], Rows | None]
"""(reader, pathname, view) -> what there is to write; None: nothing."""


def export_button(name: str) -> Component:
    """name: what `add_export` was given."""
    return html.Span(
        [
            html.Button(
                [icon("download"), "CSV of all rows"],
                id={"type": "export", "name": name},
                n_clicks=0,
                className="plain-button",
                type="button",
            ),
            dcc.Download(id={"type": "export-file", "name": name}),
        ],
        className="export",
    )


def add_exports(dash: Dash, reader: Reader, exports: dict[str, Export]) -> None:
    """The callback behind the buttons of these names."""

    @dash.callback(
        Output({"type": "export-file", "name": MATCH}, "data"),
        Input({"type": "export", "name": MATCH}, "n_clicks"),
        State({"type": "export", "name": MATCH}, "id"),
        State(LOCATION, "pathname"),
        State(LOCATION, "search"),
        prevent_initial_call=True,
    )
    async def pressed(clicks: Any, ident: Any, pathname: str | None, search: str | None) -> Any:
        name = ident.get("name") if isinstance(ident, dict) else None
        made = exports.get(name) if isinstance(name, str) else None
        if not clicks or made is None:
            return no_update
        try:
            text = await asyncio.to_thread(csv_text, reader, made, pathname or "", view_of(search))
        except GatewatchError as error:
            log.warning("a table could not be exported", extra={"export": name, "reason": str(error)})
            text = f"# {csv_cell(f'the data cannot be read: {error}')}\n"
        return {"content": text, "filename": f"gatewatch-{name}.csv", "type": "text/csv", "base64": False}


def csv_text(reader: Reader, export: Export, pathname: str, view: View) -> str:
    """The file: lines of `#` that say what was asked for, the heads, and the rows."""
    found = export(reader, pathname, view)
    out = io.StringIO()
    window = reader.window(view)
    about = {
        "since": iso(window.since) if window else "no data",
        "until": iso(window.until) if window else "no data",
        "page": pathname,
        "api": view.api,
        "stage": view.stage,
        "search": view.q,
        "conditions": " and ".join(view.f),
    }
    out.writelines(f"# {name}: {csv_cell(value)}\n" for name, value in about.items() if value)
    if found is not None:
        out.write(csv_line(found.heads))
        out.writelines(csv_line(row) for row in found.rows)
    return out.getvalue()
