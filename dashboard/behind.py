"""The raw requests behind a finding: a grid, and every field of one in a drawer (assets/finding.js)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import dash_ag_grid as dag
from dash import html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import meaning, words
from dashboard.components import card, empty
from dashboard.data import Detail, Reader
from dashboard.exported_rows import BEHIND, every_request_behind
from dashboard.exports import export_button
from dashboard.grids import HEAD_PX, Column, reserved, served
from dashboard.sheets import Shown, bar, grouped_table
from dashboard.tables import Table
from dashboard.view import View

GRID_THEME = {"function": "gatewatchGridTheme(themeQuartz)"}

COLUMNS: tuple[tuple[str, str, int], ...] = (
    ("at", "Time (UTC)", 206),
    ("method", "Method", 84),
    ("path", "Path", 190),
    ("status", "Status", 76),
    ("latency", "Latency", 92),
    ("client_ip", "Client IP", 130),
    ("reject_cause", "Refused because", 170),
    ("api_key_id", "API key", 130),
    ("principal", "Principal", 140),
    ("user_agent", "User agent", 220),
    ("route", "Route", 180),
    ("error", "Error", 180),
    ("request_id", "Request id", 200),
)

_LABELS = {
    "at": "Time",
    "api": "API",
    "api_type": "Type of API",
    "reject_cause": "Refused because",
    "throttle_scope": "Limit of",
    "latency_ms": "Latency",
    "integration_latency_ms": "Latency of the integration",
    "authorizer_latency_ms": "Latency of the authorizer",
    "integration_status": "Status of the integration",
    "response_bytes": "Bytes of the answer",
    "client_ip": "Client IP",
    "api_key_id": "API key",
    "client_id": "Client",
    "waf_action": "WAF",
    "tls_version": "TLS version",
    "tls_cipher": "TLS cipher",
}


_PARTS = {"latency": "latency_ms", "error": "error_message"}
"""By which part of its sheet a column is put in order, where that has another name."""


def requests_card(reader: Reader, found: Detail, view: View, instead: Component | None = None) -> Component:
    """The requests of the finding's place and time. instead: where there are none, what to look at."""
    if not found.requests:
        why = "None is stored for its scope and time" + (": that is the finding itself." if instead else ".")
        return card("Requests behind it", empty("No request", why, instead))
    place = f"/findings/{found.stored.finding.id}"
    made = TABLE.placed(
        reader, view, found.requests, found.every_request, lambda: every_request_behind(reader, place, view)
    )
    # The bars above filter, by their buttons.
    filters = html.Div(className="requests-filter", role="status")
    note = f"{words.plural(found.every_request, 'request')}; a row opens all its fields"
    written = html.Div(export_button("requests"), className="pager")
    return card("Requests behind it", filters, made, written, note=note, name="flush")


def requests_table(reader: Reader, view: View, listed: Shown[dict[str, Any]]) -> Component:  # noqa: ARG001
    order = ("-" if listed.wish.down else "") + (listed.wish.sort or "")
    parts = {name: _PARTS.get(name, name) for name, _, _ in COLUMNS}
    tools = bar(listed, one="request", grid={"name": listed.sheet.name, "order": order, "columns": parts})
    if listed.groups is not None:
        return html.Div([tools, html.Div(grouped_table(listed, view), className="padded")], className="sheet")
    rows = [row(one) for one in listed.items]
    if not rows:
        return html.Div([tools, html.P("No row fits this filter.", className="small padded")], className="sheet")
    used = [column for column in COLUMNS if any(one[column[0]] for one in rows)]
    many = len(rows) > 10
    definitions = []
    for name, head, width in used:
        column = Column(name, head, width=width, part=parts[name])
        definitions.append(
            {"field": name, "headerName": words.zoned(head), "width": width, "filter": "agTextColumnFilter"}
            | served(column, order if listed.cut else None)
        )
    made = dag.AgGrid(
        id="requests-grid",
        columnDefs=definitions,
        rowData=rows,
        defaultColDef={
            "sortable": True,
            "resizable": True,
            "suppressMovable": True,
            "suppressHeaderFilterButton": True,
        },
        dashGridOptions={
            "theme": GRID_THEME,
            "domLayout": "normal" if many else "autoHeight",
            "enableCellTextSelection": True,
            "headerHeight": HEAD_PX,
            "rowHeight": 32,
            "animateRows": False,
            "suppressColumnMoveAnimation": True,
            "tabToNextCell": {"function": "leaveGrid(params)"},
        },
        className="grid grid-server" if listed.cut else "grid",
        style={"height": "400px"} if many else {"height": None},
    )
    held = reserved(made, "400px" if many else f"{HEAD_PX + 32 * len(rows)}px")
    return html.Div([tools, held], className="sheet")


TABLE = Table(BEHIND, requests_table)


def row(one: dict[str, Any]) -> dict[str, Any]:
    """A stored request as text; what is absent is ''. all: (label, text) of every field that it has."""
    own: dict[str, Any] = {name: plain(one.get(name), 300) for name, _, _ in COLUMNS}
    return own | {
        "at": words.bare_second(one["at"]),
        "path": plain(one.get("path") or one.get("route"), 300),
        "reject_cause": meaning.value("reject_cause", str(one["reject_cause"])) if one.get("reject_cause") else "",
        "latency": words.millis(one["latency_ms"]) if one.get("latency_ms") is not None else "",
        "error": plain(one.get("error_message") or one.get("error_type"), 300),
        "all": [[label(name), field(name, value)] for name, value in one.items() if value not in (None, "")],
    }


def label(name: str) -> str:
    return _LABELS.get(name) or plain(name, 40).replace("_", " ").capitalize()


def field(name: str, value: object) -> str:
    """A field's value as text."""
    if isinstance(value, datetime):
        return words.second(value)
    if name.endswith("_ms") and isinstance(value, int | float):
        return words.millis(value)
    if name in ("reject_cause", "throttle_scope"):
        return meaning.value(name, str(value))
    return plain(value, 1000)
