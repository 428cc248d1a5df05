"""Explorer: all requests by time and latency or by a field; what a selection differs in; raw requests; live tail."""

from __future__ import annotations

import json
from datetime import datetime
from shlex import quote
from typing import Any
from urllib.parse import urlencode

from dash import Dash, dcc, html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.charting import copies
from dashboard.choices import button
from dashboard.components import banner, card, command, empty, icon, range_line, stale_note, table
from dashboard.data import Reader
from dashboard.explorer_chart import picture
from dashboard.explorer_difference import differences
from dashboard.exploring import COUNTS, HEAT, LIVE, OLDEST, Exploration, Selected, explore
from dashboard.firstrun import begin_here
from dashboard.frame import Nav, add_page
from dashboard.view import View
from gatewatch.records import iso
from gatewatch.store.request_fields import GROUPED, REQUEST_FIELDS
from gatewatch.where import Type

NAV = Nav(order=40, key="e", icon="explorer")


def register(dash: Dash, reader: Reader) -> None:
    add_page(
        dash,
        reader,
        "explorer",
        title="Explorer",
        render=render,
        partial=True,
        path="/explorer",
        heights=(48, 360, 320),
        nav=NAV,
        every_minute=False,
    )


def render(reader: Reader, rest: str, view: View) -> Component:  # noqa: ARG001
    found = explore(reader, view)
    if found is None:
        why = html.Span(["Bring some: ", command("gatewatch ingest PATH")])
        return html.Div(
            [
                html.Div(html.H1("Explorer"), className="page-head"),
                card(None, empty("No requests yet", why, begin_here())),
            ]
        )
    head = html.Div([html.H1("Explorer"), range_line(found.window)], className="page-head")
    top: list[Any] = [head, stale_note(view, found.window), query_bar(view), tabs(view, found)]
    top += [banner(text) for text in found.problems[:5]]
    if found.tab == LIVE:
        return html.Div([*top, live(found)])
    return html.Div(
        [
            *top,
            html.Div([picture(found, selection(found)), differences(view, found)], className="explorer-split"),
            raw(view, found),
            drawer(),
        ]
    )


def query_bar(view: View) -> Component:
    """Conditions as chips, and a field for the next one."""
    chips = [
        html.Span(
            [
                html.Code(plain(text, 160)),
                button(
                    icon("close"),
                    name="chip-close",
                    label=f"Remove {plain(text, 80)}",
                    f=[other for other in view.f if other != text],
                ),
            ],
            className="chip condition",
        )
        for text in view.f
    ]
    starts = [
        f"{name} {'>=' if kind is Type.NUMBER else '='} "
        for name, kind in REQUEST_FIELDS.fields.items()
        if name != "at"
    ]
    known = [f"{name} = {word}" for name, all_words in REQUEST_FIELDS.words.items() for word in all_words]
    told: Any = {"data-form": "condition"}
    entry = html.Form(
        [
            html.Label(
                [
                    html.Span("Condition: field op value", className="hidden"),
                    dcc.Input(
                        id="explorer-condition",
                        type="text",
                        placeholder="field op value, such as status >= 500 (key /)",
                        list="explorer-fields",
                        maxLength=500,
                        autoComplete="off",
                    ),
                ],
                className="filter-text",
            ),
            html.Datalist([html.Option(value=text) for text in (*starts, *known)], id="explorer-fields"),
            html.Button("Add", type="submit", className="plain-button"),
        ],
        className="condition-form",
        **told,
    )
    clear = button("Clear all", f=[]) if view.f else None
    return html.Div([entry, *chips, clear], className="query-bar", role="search")


def tabs(view: View, found: Exploration) -> Component:
    buttons = [
        button(text, chosen=found.tab == name, name="choice", tab=None if name == HEAT else name, cursor=None)
        for name, text in ((HEAT, "Latency"), (COUNTS, "Counts by field"), (LIVE, "Live tail"))
    ]
    pick = None
    if found.tab == COUNTS:
        named: Any = {"aria-label": "Field", "data-pick": "cols"}
        pick = html.Div(
            [
                html.Label(
                    ["by ", html.Span(found.by.replace("_", " "), className="hidden")],
                    htmlFor="explorer-field",
                    className="small",
                ),
                html.Details(
                    [
                        html.Summary(found.by.replace("_", " "), className="plain-button", id="explorer-field"),
                        html.Div(
                            [
                                button(name.replace("_", " "), chosen=name == found.by, name="choice", cols=name)
                                for name in GROUPED
                            ],
                            className="drop-panel explorer-fields",
                        ),
                    ],
                    className="drop",
                    **named,
                ),
            ],
            className="explorer-by",
        )
    del view
    return html.Div([html.Div(buttons, className="choices", role="group"), pick], className="explorer-tabs")


def selection(found: Exploration) -> Component:
    """The same selection by two times and two latencies."""
    chosen = found.chosen or Selected()

    def entry(name: str, label: str, value: str, hint: str) -> Component:
        made: Component = html.Label(
            [
                html.Span(label, className="small"),
                dcc.Input(id=f"explorer-{name}", type="text", value=value, placeholder=hint, maxLength=40),
            ],
            className="entry",
        )
        return made

    entries = [
        entry("since", words.zoned("From (UTC)"), _written(chosen.since), "2026-06-09 12:00"),
        entry("until", words.zoned("To (UTC)"), _written(chosen.until), "2026-06-09 12:30"),
        entry("low", "From ms", "" if chosen.low_ms is None else f"{chosen.low_ms:g}", "300"),
        entry("high", "Below ms", "" if chosen.high_ms is None else f"{chosen.high_ms:g}", "29000"),
    ]
    clear = button("Clear selection", sel=None) if found.chosen else None
    told: Any = {"data-form": "selection", "data-term": chosen.term or ""}
    return html.Form(
        [*entries, html.Button("Select", type="submit", className="plain-button"), clear],
        className="selection-form",
        **told,
    )


def _written(at: datetime | None) -> str:
    """By the clock of the page, and how far that is from UTC: so it says the same by another one."""
    if at is None:
        return ""
    here = words.local(at)
    return here.isoformat(sep=" ", timespec="seconds" if at.second else "minutes").replace("+00:00", "Z")


ORDERS: dict[str | None, str] = {
    None: "Newest first",
    OLDEST: "Oldest first",
    "latency": "Slowest first",
    "size": "Largest first",
    "status": "Highest status first",
}
"""Of all requests that fit, and not of the page."""

_HEADS = ("Time (UTC)", "API", "Route", "Status", "Latency", "Caller", "Agent", "Cause")


def raw(view: View, found: Exploration) -> Component:
    title = "Selected requests" if found.chosen else "Requests"
    order = view.sort if view.sort in ORDERS else None
    if not found.rows:
        where = f"It was searched back to {words.at(found.searched_to)}." if found.searched_to else "In this range."
        body: Component = empty("No request fits", where)
    else:
        rows = [_row(row, found) for row in found.rows]
        body = table(
            [words.zoned(head) for head in _HEADS],
            rows,
            caption=f"{title}, {ORDERS[order].lower()}",
            numbers=(3, 4),
            name="stack raw-requests served",
        )
    further = []
    if found.next_cursor is not None:
        further.append(button("Newer" if order == OLDEST else "Older", cursor=found.next_cursor))
    if view.cursor:
        further.append(button(ORDERS[order].split()[0], cursor=None))
    query = [("since", iso(found.since)), ("until", iso(found.until)), *(("where", text) for text in found.all_texts)]
    files = [
        html.A(form, href=f"/api/v1/export/requests?{urlencode([*query, ('format', name)])}", className="plain-button")
        for name, form in (("csv", "CSV"), ("jsonl", "JSON lines"), ("parquet", "Parquet"))
    ]
    files_line = html.Span([html.Span("All that fit:", className="small"), *files], className="choices")
    asked = copies(
        api=f"/api/v1/requests?{urlencode(query)}",
        cli=f"gatewatch export requests --since {iso(found.since)} --until {iso(found.until)}"
        + "".join(f" --where {quote(text)}" for text in found.all_texts)
        + " -o requests.csv",
    )
    orders = [
        button(said, chosen=name == order, name="choice", sort=name, cursor=None) for name, said in ORDERS.items()
    ]
    ordering = html.Div([html.Span("Order:", className="small"), *orders], className="choices", role="group")
    return card(
        title, ordering, body, html.Div([*further, files_line], className="choices"), asked, name="explorer-raw"
    )


def _row(row: dict[str, Any], found: Exploration) -> list[Any]:
    status = row["status"]
    said = words.bare_second(row["at"])
    open_: Any = {"data-request": json.dumps(_told(row))}
    caller = row.get("client_id") or ""
    return [
        html.Button(said, type="button", className="row-open", **open_),
        plain(found.names.place(row["api"] or "", row["stage"]), 80),
        plain(row["route"] or row["path"] or words.NONE, 80),
        html.Span(words.NONE if status is None else str(status), className=f"status-{(status or 0) // 100}xx"),
        words.millis(row["latency_ms"]),
        plain(caller.partition(":")[2] or words.NONE, 48),
        plain(row["user_agent"] or words.NONE, 40),
        plain((row["reject_cause"] or "").replace("_", " ") or words.NONE, 40),
    ]


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """A request for the drawer: every field that it has, as text of bounded length."""
    out: dict[str, Any] = {}
    for name, value in row.items():
        if value is None:
            continue
        if hasattr(value, "astimezone"):
            out[name] = iso(value)
        else:
            out[name] = plain(value, 500) if isinstance(value, str) else value
    return out


def drawer() -> Component:
    """A request with all its fields; explorer.js fills it."""
    named: Any = {"aria-label": "Request"}
    return html.Dialog(id="explorer-drawer", className="drawer", **named)


def live(found: Exploration) -> Component:
    query = urlencode([("where", text) for text in found.where])
    told: Any = {"data-stream": f"/api/v1/events/requests?{query}"}
    paused: Any = {"data-key": "p", "aria-pressed": "false"}
    still: Any = {"aria-live": "off"}
    tail = html.Div(
        [
            html.Div(
                [
                    html.Button("Pause (key p)", type="button", className="plain-button", id="tail-pause", **paused),
                    html.Button("Empty", type="button", className="plain-button", id="tail-empty"),
                    html.Span("connecting", id="tail-said", className="small", role="status"),
                ],
                className="choices",
            ),
            html.Div(id="tail-rows", className="tail-rows", tabIndex=0, role="log", **still),
        ],
        id="tail",
        className="tail",
        **told,
    )
    note = (
        "requests as they are stored, the newest first; it waits while the mouse is over it; times by the clock of "
        f"{words.zone_name()}"
    )
    return html.Div([card("Live tail", tail, copies(api=f"/api/v1/events/requests?{query}"), note=note), drawer()])
