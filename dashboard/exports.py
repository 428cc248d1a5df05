"""Tables of pages as files: all rows that fit, made on the server; what was asked for stands before the first."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from dash import MATCH, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from alerts.render.csv import csv_cell
from dashboard.components import icon
from dashboard.data import Reader
from dashboard.routing import LOCATION
from dashboard.sheets import Sheet, known, matching, wish_of
from dashboard.view import View, view_of
from gatewatch.cells import csv_line
from gatewatch.errors import GatewatchError
from gatewatch.records import iso

log = logging.getLogger(__name__)

FORMS = {"csv": ("CSV", "text/csv"), "jsonl": ("JSON lines", "application/jsonl"), "parquet": ("Parquet", "")}


def export_button(name: str) -> Component:
    """name: of a sheet."""

    def button(form: str) -> Component:
        said: list[Any] = [icon("download"), "CSV of all rows"] if form == "csv" else [FORMS[form][0]]
        return html.Button(
            said,
            id={"type": "export", "name": name, "form": form},
            n_clicks=0,
            className="plain-button",
            type="button",
        )

    made = [
        html.Span([button(form), dcc.Download(id={"type": "export-file", "name": name, "form": form})])
        for form in FORMS
    ]
    return html.Span(made, className="export")


def add_exports(dash: Dash, reader: Reader, sheets: Mapping[str, Sheet[Any]]) -> None:
    """The callback behind the buttons of these names."""

    def ident(kind: str) -> dict[str, Any]:
        return {"type": kind, "name": MATCH, "form": MATCH}

    @dash.callback(
        Output(ident("export-file"), "data"),
        Input(ident("export"), "n_clicks"),
        State(ident("export"), "id"),
        State(LOCATION, "pathname"),
        State(LOCATION, "search"),
        prevent_initial_call=True,
    )
    async def pressed(clicks: Any, given: Any, pathname: str | None, search: str | None) -> Any:
        name, form = (given.get("name"), given.get("form")) if isinstance(given, dict) else (None, None)
        sheet = sheets.get(name) if isinstance(name, str) else None
        if not clicks or sheet is None or form not in FORMS:
            return no_update
        write = {"csv": csv_text, "jsonl": json_lines, "parquet": parquet}[form]
        try:
            text = await asyncio.to_thread(write, reader, sheet, pathname or "", reader.resolved(view_of(search)))
        except GatewatchError as error:
            log.warning("a table could not be exported", extra={"export": name, "reason": str(error)})
            text, form = f"# {csv_cell(f'the data cannot be read: {error}')}\n", "csv"
        binary = isinstance(text, bytes)
        return {
            "content": b64encode(text).decode() if isinstance(text, bytes) else text,
            "filename": f"gatewatch-{name}.{form}",
            "type": FORMS[form][1] or "application/octet-stream",
            "base64": binary,
        }


def asked(reader: Reader, pathname: str, view: View) -> dict[str, str]:
    """What stands before the first row: what the file is of."""
    window = reader.window(view)
    about = {
        "since": iso(window.since) if window else "no data",
        "until": iso(window.until) if window else "no data",
        "page": pathname,
        "api": view.api,
        "stage": view.stage,
        "account": view.account,
        "region": view.region,
        "tag": view.tag,
        "selected": view.sel,
        "search": view.q,
        "conditions": " and ".join(view.f),
    }
    return {name: value for name, value in about.items() if value}


def _rows(
    reader: Reader, sheet: Sheet[Any], pathname: str, view: View
) -> tuple[dict[str, str], list[str], list[list[object]]] | None:
    """(what else was asked, heads, rows): groups where the table is grouped. None: nothing is stored."""
    items = sheet.read(reader, pathname, view)
    if items is None:
        return None
    wish = wish_of(view, sheet.name)
    order = f"{wish.sort}{' descending' if wish.down else ''}" if wish.sort else ""
    more = {"filter": wish.find, "order": order, "grouped by": wish.by or ""}
    found = matching(sheet, items, wish)
    by = sheet.part(wish.by)
    if found.groups is not None and by is not None:
        heads = [by.name, "rows", *(part.name for part in sheet.parts if part.adds)]
        rows: list[list[object]] = [[one.value, one.rows, *one.sums] for one in found.groups]
    else:
        heads = [part.name for part in sheet.parts]
        rows = [[part.of(one) for part in sheet.parts] for one in found.items]
    return {name: value for name, value in more.items() if value}, heads, [[_plain(one) for one in row] for row in rows]


def _plain(value: object) -> object:
    """A severity and the like by its word; what is not known is None."""
    if isinstance(value, Enum):
        return value.value
    return value if known(value) else None


def csv_text(reader: Reader, sheet: Sheet[Any], pathname: str, view: View) -> str:
    """The file: lines of `#` that say what was asked for, the heads, and the rows."""
    found = _rows(reader, sheet, pathname, view)
    out = io.StringIO()
    about = asked(reader, pathname, view) | (found[0] if found else {})
    out.writelines(f"# {name}: {csv_cell(value)}\n" for name, value in about.items())
    if found is not None:
        out.write(csv_line(found[1]))
        out.writelines(csv_line(row) for row in found[2])
    return out.getvalue()


def json_lines(reader: Reader, sheet: Sheet[Any], pathname: str, view: View) -> str:
    """The first line says what was asked for; each other is a row."""
    found = _rows(reader, sheet, pathname, view)
    about = asked(reader, pathname, view) | (found[0] if found else {})
    lines = [json.dumps({"asked": about}, ensure_ascii=False)]
    for row in found[2] if found else ():
        said = [iso(one) if isinstance(one, datetime) else one for one in row]
        lines.append(json.dumps(dict(zip(found[1] if found else (), said, strict=True)), ensure_ascii=False))
    return "\n".join(lines) + "\n"


def parquet(reader: Reader, sheet: Sheet[Any], pathname: str, view: View) -> bytes:
    """The same with types; what was asked for is in the file's own metadata."""
    found = _rows(reader, sheet, pathname, view)
    about = asked(reader, pathname, view) | (found[0] if found else {})
    heads, rows = (found[1], found[2]) if found else ([], [])
    columns = {head: _column([row[place] for row in rows]) for place, head in enumerate(heads)}
    made = pa.table(columns).replace_schema_metadata({"gatewatch": json.dumps(about)})
    out = io.BytesIO()
    pq.write_table(made, out, compression="zstd")
    return out.getvalue()


def _column(values: Sequence[object]) -> pa.Array:
    """Of numbers, times, or texts: a column has one kind."""
    kinds = {type(one) for one in values if one is not None}
    if kinds <= {int, float} and kinds:
        return pa.array(values, pa.int64() if kinds == {int} else pa.float64())
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds and all(issubclass(kind, datetime) for kind in kinds):
        return pa.array(values, pa.timestamp("us", "UTC"))
    return pa.array([None if one is None else str(one) for one in values], pa.string())
