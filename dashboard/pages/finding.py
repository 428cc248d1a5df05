"""Finding detail: what is wrong, since when, for whom, whose fault it probably is, and what to do."""

from __future__ import annotations

from typing import Any

import dash_ag_grid as dag
import plotly.graph_objects as go
from dash import Dash, dcc, html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.acts import acts
from dashboard.changing import action
from dashboard.components import card, empty, labels_switch, severity_mark, state_mark, table, twin, where
from dashboard.data import BEHIND_ROWS, Detail, Reader
from dashboard.figures import band_figure, band_sentence, label_sentence
from dashboard.frame import add_page
from dashboard.pages.findings import GRID_THEME
from dashboard.view import View
from gatewatch.access.current import current
from gatewatch.records import Entities, Finding
from gatewatch.roles import Role
from gatewatch.store.finding_events import FindingEvent

_REQUEST_COLUMNS: tuple[tuple[str, str, int], ...] = (
    ("at", "Time (UTC)", 200),
    ("method", "Method", 90),
    ("path", "Path", 220),
    ("status", "Status", 86),
    ("reject_cause", "Refused for", 150),
    ("latency", "Latency", 96),
    ("client_ip", "Client IP", 140),
    ("client", "Client", 160),
    ("user_agent", "User agent", 220),
    ("error", "Error", 180),
    ("request_id", "Request id", 200),
)


def register(dash: Dash, reader: Reader) -> None:
    add_page(
        dash,
        reader,
        "finding",
        title="Finding",
        render=render,
        path_template="/findings/<finding_id>",
        heights=(120, 340, 240),
    )


def render(reader: Reader, rest: str, view: View) -> Component:
    found = reader.finding(rest.split("/")[0][:64], view)
    back: Component = dcc.Link("← Findings", href=f"/findings{view.search(cursor=None)}", className="back")
    if found is None:
        why = "The address may be cut off, or the finding belongs to another data directory."
        return html.Div([back, card(None, empty("There is no such finding", why))])
    if masked(reader):
        back = html.Div([back, whole(found.stored.finding.id)], className="page-head")
    return content(found, back, view)


def masked(reader: Reader) -> bool:
    """Whether something of people is hidden here that who asks may have shown."""
    who = current()
    return reader.privacy.on and who is not None and who.may(Role.OPERATOR)


def whole(finding_id: str) -> Component:
    path = f"/api/v1/findings/{finding_id}/reveal"
    return action("Show who", "POST", path, done="", sure="This is written in the audit log")


def content(found: Detail, back: Component, view: View) -> Component:
    one = found.stored.finding
    return html.Div(
        [
            back,
            head(found),
            html.Div(
                [
                    html.Div([chart(found, view), different(one), requests(found)], className="main-column"),
                    html.Div(
                        [
                            remedy(one),
                            acts(found.stored, current()),
                            reasons(one),
                            facts(one),
                            who(one.entities),
                            changes(one),
                            again(one),
                            history(found),
                        ],
                        className="side",
                    ),
                ],
                className="detail",
            ),
        ]
    )


def head(found: Detail) -> Component:
    stored = found.stored
    one = stored.finding
    lasted = f"to {words.at(one.end)} ({words.duration(one.end - one.start)})" if one.end else "and goes on"
    pairs: list[tuple[str, Any]] = [
        ("Where", where(stored, found.names)),
        ("When", f"{words.at(one.start)} {lasted}"),
        ("Detected", f"{words.at(one.detected_at)}, {words.duration(one.detected_at - one.start)} after it began"),
        ("Probable cause", words.CAUSES[one.cause] + (f", layer {plain(one.layer, 60)}" if one.layer else "")),
        ("Confidence", f"{words.percent(one.confidence)}, score {one.score:.1f}"),
    ]
    if stored.occurrences > 1:
        pairs.append(("Seen before", f"{stored.occurrences - 1} times"))
    return html.Section(
        [
            html.Div(
                [
                    severity_mark(one.severity),
                    state_mark(stored.state),
                    html.Span(words.KINDS[one.kind], className="chip"),
                    html.Span(plain(one.subtype, 60).replace("_", " "), className="chip"),
                    html.A(
                        "JSON",
                        href=f"/api/v1/findings/{one.id}",
                        target="_blank",
                        rel="noopener",
                        className="json-link",
                    ),
                ],
                className="marks",
            ),
            html.H1(plain(one.title, 300)),
            html.P(plain(one.evidence.sentence, 600), className="sentence"),
            html.P(["Caveat: ", plain(one.caveat, 400)], className="caveat") if one.caveat else None,
            html.Dl([html.Div([html.Dt(name), html.Dd(value)]) for name, value in pairs], className="pairs"),
        ],
        className="card finding-head",
    )


def chart(found: Detail, view: View) -> Component:
    one = found.stored.finding
    if not one.evidence.series:
        return card("What was seen", empty("No series", "This finding is not about a rate over time; see the facts."))
    sentence = band_sentence(one) + label_sentence(found.labels, one.evidence.series)
    unit = one.evidence.unit
    rows = [
        [
            words.at(point.at),
            *(words.quantity(value, unit) for value in (point.observed, point.expected, point.upper)),
        ]
        for point in one.evidence.series
    ]
    figure = band_figure(one, found.labels)
    named: Any = {"role": "img", "aria-label": sentence}
    observed, expected = words.quantity(one.evidence.observed, unit), short(one.evidence.expected, unit)
    return card(
        "What was seen",
        html.Div(
            [
                dcc.Store(id={"type": "figure", "name": "band"}, data=figure.to_plotly_json() | {"frames": []}),
                dcc.Graph(
                    id={"type": "chart", "name": "band"},
                    figure=go.Figure(layout={"height": 320}),
                    mathjax=False,
                    responsive=True,
                    config={"displaylogo": False, "displayModeBar": False, "plotGlPixelRatio": 1},
                    style={"height": "320px"},
                ),
            ],
            **named,
        ),
        html.P(sentence, className="small"),
        twin(("Time", "Observed", "Expected", "Alarm limit"), rows, caption=sentence),
        labels_switch(view) if found.labelled else None,
        note=f"{observed}, expected {expected}",
    )


def short(value: float, unit: str) -> str:
    """A number whose unit the reader has just read; short units stay."""
    return words.quantity(value, unit) if unit in {"ms", "share", "ratio"} else words.count(value)


def remedy(one: Finding) -> Component:
    return card("What to do", html.P(plain(one.remedy, 1200), className="remedy"), name="first")


def reasons(one: Finding) -> Component | None:
    """What speaks for the finding, and what against it."""
    listed = one.evidence.card.get("factors")
    told = [factor for factor in listed if isinstance(factor, dict)] if isinstance(listed, list) else []
    if not told:
        return None
    lines = [html.Li(f"{'+' if factor['sign'] == '+' else '−'} {plain(str(factor['what']), 300)}") for factor in told]
    return card("Why", html.Ul(lines, className="history"), note="+ speaks for it, − against")


def different(one: Finding) -> Component | None:
    """The values that stand out, beside their share before."""
    listed = one.evidence.card.get("top")
    rows: list[list[Any]] = [
        [
            plain(str(top["dimension"]), 40).replace("_", " "),
            plain(str(top["value"]), 120),
            words.count(_number(top["n"])),
            words.percent(_number(top["share"])),
            words.percent(_number(top["share_before"])),
        ]
        for top in (listed if isinstance(listed, list) else [])[:20]
        if isinstance(top, dict)
    ]
    if not rows:
        return None
    heads = ("What", "Value", "Requests", "Share", "Share before")
    return card(
        "What is different",
        table(heads, rows, caption="Most frequent values, now and before", numbers=(2, 3, 4), name="stack different"),
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def again(one: Finding) -> Component | None:
    """How to count again what was observed."""
    found = one.evidence.card.get("reproduce")
    if not isinstance(found, dict):
        return None
    texts = [html.Pre(plain(str(found[name]), 2000), className="command") for name in ("gatewatch", "sql")]
    return card("Count it again", *texts, note="gives the observed number")


def facts(one: Finding) -> Component | None:
    rows = [(plain(name, 60).replace("_", " "), fact(value)) for name, value in one.evidence.facts.items()]
    if not rows:
        return None
    return card("Facts", html.Dl([html.Div([html.Dt(name), html.Dd(text)]) for name, text in rows], className="pairs"))


def fact(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return words.count(value)
    if isinstance(value, list):
        shown = ", ".join(fact(one) for one in value[:10])
        return f"{shown} and {len(value) - 10} more" if len(value) > 10 else shown or words.NONE
    if isinstance(value, dict):
        return ", ".join(f"{plain(name, 60)}: {fact(one)}" for name, one in list(value.items())[:10]) or words.NONE
    return plain(value, 200) or words.NONE


def who(entities: Entities) -> Component | None:
    groups = (
        ("IP addresses", entities.ips),
        ("API keys", entities.api_key_ids),
        ("Principals", entities.principals),
        ("User agents", entities.user_agents),
        ("Networks", entities.asns),
    )
    shown = [(name, values) for name, values in groups if values]
    if not shown:
        return None
    parts: list[Component] = []
    for name, values in shown:
        listed = html.Ul([html.Li(plain(value, 160)) for value in values[:5]])
        rest = html.Ul([html.Li(plain(value, 160)) for value in values[5:]])
        more = html.Details([html.Summary(f"{len(values) - 5} more"), rest]) if len(values) > 5 else None
        parts.append(html.Div([html.H3(f"{name} ({len(values)})"), listed, more]))
    return card("Who", html.Div(parts, className="who"), note="most involved first")


def changes(one: Finding) -> Component | None:
    if not one.changes:
        return None
    rows: list[list[Any]] = [
        [words.at(change.at), plain(change.what, 120), plain(change.actor, 120), plain(change.resource, 120)]
        for change in one.changes[:10]
    ]
    return card(
        "Changes that may have caused it",
        table(
            ("Time", "What", "Who", "Resource"),
            rows,
            caption="Candidate changes, most likely first",
            name="narrow",
        ),
    )


def by(event: FindingEvent) -> str:
    return f" by {plain(event.actor, 80)}" if event.actor else ""


def noted(event: FindingEvent) -> str:
    return f": {plain(event.note, 200)}" if event.note else ""


def history(found: Detail) -> Component | None:
    if not found.events:
        return None
    lines = [
        html.Li(
            [
                html.Span(words.at(event.at), className="small"),
                f" {plain(event.transition, 20)}{by(event)}{noted(event)}",
            ]
        )
        for event in found.events[-20:]
    ]
    return card("History", html.Ol(lines, className="history"))


def requests(found: Detail) -> Component:
    rows = [request_row(row) for row in found.requests]
    if not rows:
        why = "None is stored for its scope and time: for a dead API that is the finding itself."
        return card("Requests behind it", empty("No request", why))
    used = [column for column in _REQUEST_COLUMNS if any(row[column[0]] for row in rows)]
    many = len(rows) > 10
    note = f"newest {BEHIND_ROWS}" if len(rows) >= BEHIND_ROWS else words.plural(len(rows), "request")
    return card(
        "Requests behind it",
        dag.AgGrid(
            id="requests-grid",
            columnDefs=[{"field": name, "headerName": head, "width": width} for name, head, width in used],
            rowData=rows,
            defaultColDef={"sortable": True, "resizable": True, "suppressMovable": True},
            dashGridOptions={
                "theme": GRID_THEME,
                "domLayout": "normal" if many else "autoHeight",
                "enableCellTextSelection": True,
                "rowHeight": 32,
                "animateRows": False,
            },
            className="grid",
            style={"height": "400px"} if many else {"height": None},
        ),
        note=note,
        name="flush",
    )


def request_row(row: dict[str, Any]) -> dict[str, str]:
    """A stored request as text; what is absent is ''."""
    own = {name: plain(row.get(name), 300) for name, _, _ in _REQUEST_COLUMNS}
    client = row.get("client_id") or row.get("api_key_id") or row.get("principal")
    return own | {
        "at": words.second(row["at"]).removesuffix(" UTC"),
        "path": plain(row.get("path") or row.get("route"), 300),
        "latency": words.millis(row["latency_ms"]) if row.get("latency_ms") is not None else "",
        "client": plain(client, 160),
        "error": plain(row.get("error_message") or row.get("error_type"), 300),
    }
