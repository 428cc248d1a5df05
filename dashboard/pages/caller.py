"""A caller: everything that one key, principal or address asked for, what was refused, and which findings name it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from dash import Dash, dcc, html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.components import card, empty, range_line, stale_note, tile
from dashboard.data import Reader
from dashboard.data_apis import known_inventory, shown_client
from dashboard.exported_rows import SIDES, Side, sides
from dashboard.exports import export_button
from dashboard.frame import add_page
from dashboard.leads import api_href, requests_copies, requests_href
from dashboard.names import Names
from dashboard.parts import route_name, short_list
from dashboard.scoping import beside
from dashboard.sheets import Shown, sheet_table
from dashboard.summing import grid_of, route_term, scope_of
from dashboard.tables import Table
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
        dash,
        reader,
        "caller",
        title="Caller",
        render=render,
        partial=True,
        path="/caller",
        heights=(48, 96, 300, 240),
        tables=tuple(TABLES.values()),
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
            html.Div(
                [side(reader, found, view, "place"), side(reader, found, view, "cause")], className="columns halves"
            ),
            side(reader, found, view, "route"),
            html.Div(
                [side(reader, found, view, "address"), side(reader, found, view, "agent")], className="columns halves"
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


_TITLES = {
    "place": ("APIs that it calls", ""),
    "cause": ("Why it was refused", "It was refused nothing in this range."),
    "route": ("Routes that it calls", ""),
    "address": ("Addresses", "Not in the logs."),
    "agent": ("User agents", "Not in the logs."),
}
"""Of each side of a caller: its title, and what is said where there is nothing."""


def side(reader: Reader, found: Caller, view: View, part: str) -> Component:
    title, none = _TITLES[part]
    rows = found.parts.get(part, [])
    if not rows:
        return card(title, html.P(none, className="small"))
    table = TABLES[part]
    made = table.placed(
        reader,
        view,
        sides(part, rows, found.names),
        rows[0]["many"],
        lambda: table.sheet.read(reader, "/caller", view),
    )
    return card(title, made, html.Div(export_button(table.name), className="rule"))


def side_table(part: str, reader: Reader, view: View, listed: Shown[Side]) -> Component:
    kind, _, name = (view.sel or "").partition(":")
    mine = str(Term(IDENTITIES[kind], "=", (name,)))
    first = {"place": "API / stage", "cause": "Cause", "route": "Route", "address": "Address", "agent": "User agent"}
    counts = (("Requests", "requests"), ("4xx", "refused_4xx"), ("429", "throttled_429"), ("5xx", "failed_5xx"))
    heads: tuple[tuple[str, str], ...] = ((first[part], "name"),)
    if part == "route":
        heads += (("API", "api"),)
    if part in ("place", "route"):
        heads += counts
    else:
        heads += (counts[0], *((("First", "first"),) if part == "cause" else ()), ("Last", "last"))
    lines: dict[str, Callable[[Side, Names, View, str], list[Any]]] = {
        "place": _place,
        "route": _route,
        "cause": _cause,
        "address": _address,
        "agent": _agent,
    }
    names = reader.names()
    return sheet_table(
        listed,
        view,
        heads,
        lambda one: lines[part](one, names, view, mine),
        caption=_TITLES[part][0],
        numbers=[place for place, (head, _) in enumerate(heads) if (head, _) in counts],
        first=6 if part in ("address", "agent") else 10,
        one=first[part].partition(" ")[0].lower() if part != "place" else "stage",
    )


TABLES: dict[str, Table[Side]] = {part: Table(sheet, partial(side_table, part)) for part, sheet in SIDES.items()}


def _place(one: Side, names: Names, view: View, mine: str) -> list[Any]:  # noqa: ARG001
    api, stage = one.row["one"] or "", one.row["two"]
    terms = [mine, *_equal("api", one.row["one"]), *_equal("stage", stage)]
    way = dcc.Link(one.name, href=api_href(api, view, stage=stage)) if api else one.name
    return [way, *_counts(one.row, view, *terms)]


def _cause(one: Side, names: Names, view: View, mine: str) -> list[Any]:  # noqa: ARG001
    row = one.row
    return [
        one.name,
        _number(row["n"], view, mine, *_equal("reject_cause", row["one"])),
        words.at(row["first"]),
        words.at(row["last"]),
    ]


def _route(one: Side, names: Names, view: View, mine: str) -> list[Any]:
    row = one.row
    terms = [mine, *_equal("api", row["one"])]
    terms.append("route is empty" if row["two"] is None else route_term(row["two"]))
    return [route_name(row["two"]), names.place(row["one"] or "", None), *_counts(row, view, *terms)]


def _listed(field: str, one: Side, names: Names, view: View, mine: str) -> list[Any]:  # noqa: ARG001
    row = one.row
    return [plain(row["one"], 120), _number(row["n"], view, mine, *_equal(field, row["one"])), words.at(row["last"])]


_address, _agent = partial(_listed, "client_ip"), partial(_listed, "user_agent")


def _equal(field: str, text: str | None) -> Sequence[str]:
    return [f"{field} is empty" if text is None else str(Term(field, "=", (text,)))]
