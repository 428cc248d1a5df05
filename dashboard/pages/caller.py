"""A caller: everything that one key, principal or address asked for, what was refused, and which findings name it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dash import Dash, dcc, html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.components import card, empty, range_line, stale_note, tile
from dashboard.data import Reader
from dashboard.data_apis import known_inventory, shown_client
from dashboard.frame import add_page
from dashboard.leads import api_href, requests_copies, requests_href
from dashboard.meaning import value
from dashboard.names import Names
from dashboard.parts import folded, route_name, short_list
from dashboard.scoping import beside
from dashboard.summing import grid_of, route_term, scope_of
from dashboard.timelines import Lines, stack_figure, stack_sentence
from dashboard.view import View, Window
from gatewatch.store.findings import FindingFilter, StoredFinding, list_findings
from gatewatch.store.groups import IDENTITIES, caller_parts
from gatewatch.where import Term

MOST_FINDINGS = 200
SHOWN_FINDINGS = 10
_COLOURS = {"2xx": "#56b4e9", "3xx": "#9aa4af", "4xx": "#e69f00", "5xx": "#d55e00"}

Parts = Mapping[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Caller:
    """kind, name: as they are shown. parts: as caller_parts tells them."""

    kind: str
    name: str
    window: Window
    names: Names
    parts: Parts
    timeline: Lines
    minutes: int
    findings: list[StoredFinding]


def register(dash: Dash, reader: Reader) -> None:
    add_page(
        dash, reader, "caller", title="Caller", render=render, partial=True, path="/caller", heights=(48, 96, 300, 240)
    )


def render(reader: Reader, rest: str, view: View) -> Component:  # noqa: ARG001
    back: Component = dcc.Link("← Auth", href=f"/auth{view.search(sel=None)}", className="back")
    window = reader.window(view)
    kind, _, name = (view.sel or "").partition(":")
    if kind not in IDENTITIES or not name:
        why = "An address names it: ?sel=ip:192.0.2.1, key:ID or principal:NAME. Pages that list callers lead here."
        return html.Div([back, card(None, empty("Which caller?", why))])
    if reader.privacy.on:
        why = "Callers are masked here (the setting `privacy`), so none is shown by name."
        return html.Div([back, card(None, empty("Not shown", why))])
    if window is None:
        return html.Div([back, card(None, empty("No requests yet", "Nothing was read into this data directory."))])
    found = look(reader, view, window, kind, name)
    head = html.Div(
        [
            html.Div(
                [html.H1(plain(found.name, 160)), html.Span(found.kind or "caller", className="chip")],
                className="marks",
            ),
            range_line(window),
        ],
        className="page-head",
    )
    top = [back, head, stale_note(view, window)]
    if not found.parts.get("whole"):
        longer = dcc.Link("Look at 30 days", href=f"/caller{view.search(range='30d')}")
        return html.Div(
            [
                *top,
                card(None, empty("No request of it in this range", "Raw requests are kept for a time only.", longer)),
            ]
        )
    mine = str(Term(IDENTITIES[kind], "=", (name,)))
    return html.Div(
        [
            *top,
            tiles(found, view, mine),
            over_time(found, view, mine),
            named(found, view),
            html.Div([places(found, view, mine), causes(found, view, mine)], className="columns halves"),
            routes(found, view, mine),
            html.Div(
                [listed(found, view, mine, "address"), listed(found, view, mine, "agent")], className="columns halves"
            ),
        ]
    )


def look(reader: Reader, view: View, window: Window, kind: str, raw: str) -> Caller:
    state = reader.store()
    said, name = shown_client(reader, known_inventory(state), f"{kind}:{raw}")
    grid = grid_of(state, window)
    table = caller_parts(state, scope_of(window, view), kind, raw, grid.size)
    parts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in table.to_pylist():
        parts[row["part"]].append(row)
    at = {start: place for place, start in enumerate(grid.at)}
    series: dict[str, list[float]] = {}
    for row in parts.get("time", []):
        line = series.setdefault(row["one"] or "no status", [0.0] * len(grid.at))
        if row["bucket"] in at:
            line[at[row["bucket"]]] += row["n"]
    ordered = {name: series[name] for name in sorted(series)}
    with state.read() as session:
        wish = FindingFilter(
            since=window.since,
            until=window.until,
            state="all",
            api=view.api,
            stage=view.stage,
            where=beside(view),
        )
        near = list_findings(session, wish, limit=MOST_FINDINGS).items
    naming = [
        reader.shown(one)
        for one in near
        if raw in {*one.finding.entities.ips, *one.finding.entities.api_key_ids, *one.finding.entities.principals}
    ]
    return Caller(said, name, window, reader.names(), parts, Lines(grid.at, ordered, words.count), grid.minutes, naming)


def tiles(found: Caller, view: View, mine: str) -> Component:
    (whole,) = found.parts["whole"]
    n = whole["n"]

    def one(name: str, key: str, note: str, *terms: str, bad: bool = False) -> Component:
        return tile(
            name,
            words.count(whole[key]),
            note,
            None,
            "",
            href=requests_href(view, mine, *terms) if whole[key] else None,
            bad=bad,
        )

    def share(key: str) -> str:
        return f"{words.percent(whole[key] / n)} of its requests"

    last = tile("Last seen", f"{whole['last']:%H:%M}", words.at(whole["last"]), None, "")
    first = tile("First seen", f"{whole['first']:%H:%M}", f"{words.at(whole['first'])}, in this range", None, "")
    return html.Div(
        [
            one("Requests", "n", "in this range"),
            one("Refused", "refused", share("refused"), "status_class = 4xx"),
            one("Throttled", "throttled", share("throttled"), "status = 429"),
            one("Server errors", "failed", share("failed"), "status >= 500"),
            first,
            last,
        ],
        className="tiles alone",
    )


def over_time(found: Caller, view: View, mine: str) -> Component:
    lines = found.timeline
    figure = stack_figure(lines.at, lines.series, "requests", minutes=found.minutes, height=240, colours=_COLOURS)
    drawn = lines.drawn("caller", figure, stack_sentence(lines.at, lines.series, "requests"))
    return card("Its requests by answer", drawn, requests_copies(found.window, view, mine))


def named(found: Caller, view: View) -> Component:
    if not found.findings:
        return card("Findings that name it", html.P("None in this range.", className="small"))
    more = f"{SHOWN_FINDINGS} of {len(found.findings)}" if len(found.findings) > SHOWN_FINDINGS else None
    return card("Findings that name it", short_list(found.findings[:SHOWN_FINDINGS], view), note=more)


def _number(n: int, view: View, *terms: str) -> Component | str:
    href = requests_href(view, *terms) if n else None
    return dcc.Link(words.count(n), href=href) if href else words.count(n)


def _counts(row: Mapping[str, Any], view: View, *terms: str) -> list[Any]:
    return [
        _number(row["n"], view, *terms),
        _number(row["refused"], view, *terms, "status_class = 4xx"),
        _number(row["throttled"], view, *terms, "status = 429"),
        _number(row["failed"], view, *terms, "status >= 500"),
    ]


def places(found: Caller, view: View, mine: str) -> Component:
    rows: list[list[Any]] = []
    for row in found.parts["place"]:
        api, stage = row["one"] or "", row["two"]
        terms = [mine, *_equal("api", row["one"]), *_equal("stage", stage)]
        name = found.names.place(api, stage)
        way = dcc.Link(name, href=api_href(api, view, stage=stage)) if api else name
        rows.append([way, *_counts(row, view, *terms)])
    heads = ("API / stage", "Requests", "4xx", "429", "5xx")
    return card("APIs that it calls", folded(heads, rows, caption="APIs that it calls", numbers=range(1, 5)))


def causes(found: Caller, view: View, mine: str) -> Component:
    rows = [
        [
            value("reject_cause", row["one"]),
            _number(row["n"], view, mine, *_equal("reject_cause", row["one"])),
            words.at(row["first"]),
            words.at(row["last"]),
        ]
        for row in found.parts.get("cause", [])
    ]
    if not rows:
        return card("Why it was refused", html.P("It was refused nothing in this range.", className="small"))
    heads = ("Cause", "Requests", "First", "Last")
    return card("Why it was refused", folded(heads, rows, caption="Causes of refusals", numbers=(1,)))


def routes(found: Caller, view: View, mine: str) -> Component:
    rows: list[list[Any]] = []
    for row in found.parts["route"]:
        terms = [mine, *_equal("api", row["one"])]
        terms.append("route is empty" if row["two"] is None else route_term(row["two"]))
        rows.append([route_name(row["two"]), found.names.place(row["one"] or "", None), *_counts(row, view, *terms)])
    heads = ("Route", "API", "Requests", "4xx", "429", "5xx")
    return card("Routes that it calls", folded(heads, rows, caption="Routes that it calls", numbers=range(2, 6)))


def listed(found: Caller, view: View, mine: str, part: str) -> Component:
    title, field = {"address": ("Addresses", "client_ip"), "agent": ("User agents", "user_agent")}[part]
    rows = [
        [plain(row["one"], 120), _number(row["n"], view, mine, *_equal(field, row["one"])), words.at(row["last"])]
        for row in found.parts.get(part, [])
    ]
    if not rows:
        return card(title, html.P("Not in the logs.", className="small"))
    return card(title, folded((title, "Requests", "Last"), rows, caption=title, first=6, numbers=(1,)))


def _equal(field: str, text: str | None) -> Sequence[str]:
    return [f"{field} is empty" if text is None else str(Term(field, "=", (text,)))]
