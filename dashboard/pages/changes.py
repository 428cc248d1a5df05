"""Changes: who changed what with which tool, when, how risky it is, and what was before."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import dash_mantine_components as dmc
from dash import Dash, dcc, html
from dash.development.base_component import Component

from alerts.render.plotly import plotly_text
from alerts.render.text import plain
from dashboard import words
from dashboard.altered import NO_RISK, Altered, Changes, Drift, Setting, altered, unknown
from dashboard.charting import chart, copies, laid_out
from dashboard.components import (
    banner,
    card,
    command,
    empty,
    finding_href,
    icon,
    range_line,
    severity_mark,
    stale_note,
    table,
    was,
)
from dashboard.data import Reader
from dashboard.exported_ops import CHANGES, every_change
from dashboard.exports import export_button
from dashboard.figure import Figure
from dashboard.figures import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION
from dashboard.firstrun import begin_here
from dashboard.frame import Nav, add_page
from dashboard.names import Names
from dashboard.sheets import Shown, sheet_table
from dashboard.tables import Table
from dashboard.view import View
from detect import risks
from detect.configuration import EVERY_METHOD
from gatewatch.records import iso

NAV = Nav(order=100, key="c", icon="changes")

FIRST = 15
"""Rows that are not folded away."""

TYPES = 5
"""Types with a colour of their own; the rest is one."""

RESOURCES = 14
POINTS = 500
TWIN_ROWS = 150
LONGEST_TERM = 300
DETAIL_CHARS = 6000
_FACETS = {"risk": "Risk", "type": "Type", "tool": "Tool", "actor": "Who", "resource": "What was changed"}
_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, "#9aa4af")


def register(dash: Dash, reader: Reader) -> None:
    add_page(
        dash,
        reader,
        "changes",
        title="Changes",
        render=render,
        path="/changes",
        heights=(48, 320, 320),
        nav=NAV,
        tables=(TABLE,),
    )


def render(reader: Reader, rest: str, view: View) -> Component:  # noqa: ARG001
    window = reader.window(view)
    if window is None:
        why = html.Span(["Bring some with ", command("gatewatch ingest PATH… --changes FILE"), "."])
        head = html.Div(html.H1("Changes"), className="page-head")
        return html.Div(
            [head, card(None, empty("No requests yet", "There is no time to show changes of.", why, begin_here()))]
        )
    names = reader.names()
    found = altered(reader.store(), view, window, reader.privacy)
    asked = f"since={iso(window.since)}&until={iso(window.until)}"
    parts: list[Any] = [
        html.Div(
            [html.H1("Changes"), range_line(window), copies(api=f"GET /api/v1/changes?{asked}")], className="page-head"
        ),
        stale_note(view, window),
        *(banner(f"Not understood, so left out: {plain(text, 120)}") for text in found.wrong[:3]),
        filters(found, view, names),
        one_change(found, view, names),
        timeline(found, view, names),
        listed(reader, found, view),
        drift(found),
    ]
    return html.Div(parts, className="ops changes")


def short_actor(actor: str) -> str:
    """The last part of an ARN; the whole stands in the title."""
    return plain(actor.rsplit("/", 1)[-1] or actor, 60) or "not known"


def term(name: str, value: str) -> str:
    return f"{name} = {value}" if value else f"{name} is empty"


def filters(found: Changes, view: View, names: Names) -> Component:
    """What there is to choose from; each choice is a link, and a second click takes it back."""
    groups: list[Component] = []
    for name, title in _FACETS.items():
        items = []
        for value, n in found.facets.get(name, []):
            condition = term(name, value)
            if len(condition) > LONGEST_TERM:
                continue
            on = condition in view.f
            after = tuple(one for one in view.f if one != condition) if on else (*view.f, condition)
            said = short_actor(value) if name == "actor" else place(value, names)
            items.append(
                dcc.Link(
                    [said, html.Span(words.count(n), className="facet-n")],
                    href="/changes" + view.search(f=after, sel=None),
                    className="facet facet-on" if on else "facet",
                    title=f"{'No longer only' if on else 'Only'} {plain(value, 200) or 'not known'}",
                )
            )
        if items:
            groups.append(html.Div([html.Span(f"{title}:", className="small"), *items], className="facet-row"))
    clear = (
        dcc.Link("Clear", href="/changes" + view.search(f=(), q=None, sel=None), className="clear")
        if view.f or view.q
        else None
    )
    search = html.Div(
        [
            was("changes", q=view.q),
            dmc.TextInput(
                id={"type": "url", "key": "q"},
                value=view.q or "",
                placeholder="Search call, actor, resource (key /)",
                debounce=400,
                leftSection=icon("search"),
                className="filter filter-text",
                **{"aria-label": "Search changes"},
            ),
            clear,
        ],
        className="filters",
        role="search",
    )
    return html.Div([search, html.Details([html.Summary("Narrow by"), *groups], open=True, className="facets")])


def timeline(found: Changes, view: View, names: Names) -> Component:
    if not found.changes:
        filtered = bool(view.f or view.q or view.api)
        why = (
            "Take a condition away, or choose a longer range."
            if filtered
            else "Nobody changed anything, or nobody told."
        )
        how = html.Span(["They come from CloudTrail: ", command("gatewatch accounts connect"), " or --changes FILE."])
        return card("When", empty("No change in this range", why, how))
    by_resource = Counter(one.event.change.resource for one in found.changes)
    top = [resource for resource, _ in by_resource.most_common(RESOURCES)]
    shown = [one for one in found.changes[:POINTS] if one.event.change.resource in top]
    types = [name for name, _ in Counter(one.type for one in shown).most_common(TYPES)]
    figure = Figure()
    places = {resource: plotly_text(place(resource, names), 40) for resource in top}
    for number, name in enumerate([*types, "other"]):
        mine = [one for one in shown if (one.type if one.type in types else "other") == name]
        if not mine:
            continue
        figure.add_scatter(
            x=[words.axis(one.event.change.at) for one in mine],
            y=[places[one.event.change.resource] for one in mine],
            name=name,
            mode="markers",
            marker={
                "size": [13 if one.risk else 9 for one in mine],
                "opacity": 1,  # with sizes of their own Plotly lets the background through: too faint on a dark one
                "symbol": ["diamond" if one.risk else "circle" for one in mine],
                "color": _COLOURS[min(number, len(_COLOURS) - 1)],
                "line": {"width": [2 if one.risk else 0 for one in mine], "color": VERMILLION},
            },
            text=[
                plotly_text(f"{one.event.change.what} by {short_actor(one.event.change.actor)}", 120) for one in mine
            ],
            hovertemplate=words.zoned("%{x|%Y-%m-%d %H:%M:%S} UTC<br>%{text}<extra></extra>"),
        )
    height = 120 + 24 * len(top)
    laid_out(figure, height=height, y="", x=words.zoned("time (UTC)"), hover="closest")
    figure.update_yaxes(
        type="category", dtick=1, categoryorder="array", categoryarray=[places[one] for one in reversed(top)]
    )
    figure.update_yaxes(rangemode=None, showgrid=True)
    figure.update_xaxes(range=[words.axis(found.window.since), words.axis(found.window.until)])
    heads = (words.zoned("Time (UTC)"), "Resource", "Type", "Call", "Risk")
    rows = [
        [
            words.bare_second(one.event.change.at)[:19],
            place(one.event.change.resource, names),
            one.type,
            plain(one.event.change.what, 100),
            one.risk.value if one.risk else NO_RISK,
        ]
        for one in shown[:TWIN_ROWS]
    ]
    drawn = chart("changes", figure, sentence(found, names), heads, rows, height=height)
    more = len(by_resource) - len(top)
    note = f"the {len(top)} that changed most; {more} more below" if more > 0 else "a diamond is a risk"
    return card("When, by what was changed", drawn, note=note)


def place(resource: str, names: Names) -> str:
    """A resource, with the API's name where it begins with its id."""
    head, slash, rest = resource.partition("/")
    name = names.of.get(head)
    return plain(f"{name}{slash}{rest}" if name else resource, 80) or "not known"


def sentence(found: Changes, names: Names) -> str:
    risky = [one for one in found.changes if one.risk]
    resource, n = Counter(one.event.change.resource for one in found.changes).most_common(1)[0]
    said = f"{words.plural(found.total, 'change')}, most of {place(resource, names)} ({n})"
    if not risky:
        return f"{said}; none is a risk that gatewatch knows."
    last = risky[0].event.change
    return f"{said}; {words.plural(len(risky), 'risk')}, the last {words.at(last.at)}: {plain(last.what, 100)}."


def listed(reader: Reader, found: Changes, view: View) -> Component | None:
    if not found.changes:
        return None
    return card(
        "Changes",
        TABLE.placed(reader, view, found.changes, found.total, lambda: every_change(reader, "", view)),
        html.Div(export_button("changes"), className="rule"),
        copies(**_calls(found, view)),
        note="newest first",
    )


def change_table(reader: Reader, view: View, shown: Shown[Altered]) -> Component:
    names = reader.names()

    def line(one: Altered) -> list[Any]:
        change = one.event.change
        href = "/changes" + view.search(sel=one.event.id) + "#change"
        suspects = [
            dcc.Link(
                [icon(finding.severity.value), words.KINDS[finding.kind]],
                href=finding_href(finding.id, view),
                title=plain(finding.title, 200),
                className=f"badge severity-{finding.severity.value}",
            )
            for finding in one.suspects[:3]
        ]
        return [
            words.second(change.at).replace(".000", ""),
            dcc.Link(plain(change.what, 140) or "not known", href=href),
            html.Span(one.type, className="chip"),
            html.Span(short_actor(change.actor), title=plain(change.actor, 200)),
            plain(one.tool, 40),
            html.Span(place(change.resource, names), title=plain(change.resource, 200)),
            severity_mark(one.risk) if one.risk else html.Span(NO_RISK, className="zero"),
            html.Span(suspects, className="chips") if suspects else html.Span("nothing", className="zero"),
        ]

    heads = (
        ("When", "at"),
        ("Call", "call"),
        ("Type", "type"),
        ("Who", "actor"),
        ("Tool", "tool"),
        ("What was changed", "resource"),
        ("Risk", "risk"),
        ("Suspected of", "suspected_by"),
    )
    caption = "Changes, newest first"
    return sheet_table(shown, view, heads, line, caption=caption, first=FIRST, name="stack one", one="change")


TABLE = Table(CHANGES, change_table)


def _calls(found: Changes, view: View) -> Mapping[str, str]:
    window = found.window
    asked = f"since={iso(window.since)}&until={iso(window.until)}"
    if view.api:
        asked += f"&resource={quote(plain(view.api, 120), safe='')}"
    return {"api": f"GET /api/v1/changes?{asked}"}


def one_change(found: Changes, view: View, names: Names) -> Component | None:
    """The change that the address names: before and after, what was asked, and what traffic did."""
    if not view.sel:
        return None
    close = dcc.Link("Close", href="/changes" + view.search(sel=None), className="action-link")
    one = found.chosen
    if one is None:
        return card("Change", empty("There is no such change", "Not in this range, or not of this API."), note=close)
    event, change = one.event, one.event.change
    hour = timedelta(hours=1)
    scope = view.api or (change.resource.partition("/")[0] if change.resource.partition("/")[0] in names.of else None)
    after = view.kept().between(change.at, change.at + hour).search(cmp="prev", api=scope)
    around = view.kept().between(change.at - hour, change.at + hour).search(api=scope)
    pairs: list[tuple[str, Any]] = [
        ("When", words.second(change.at)),
        ("Who", plain(change.actor, 300) or "not known"),
        ("Tool", plain(one.tool, 60) + (f" ({plain(event.user_agent, 160)})" if event.user_agent else "")),
        ("What", place(change.resource, names)),
        ("Where", ", ".join(filter(None, (plain(event.account, 20), plain(event.region, 30)))) or "not known"),
        ("Event", plain(event.id, 80)),
    ]
    inside: list[Any] = [
        html.Dl([html.Div([html.Dt(name), html.Dd(value)]) for name, value in pairs], className="pairs"),
        html.Div(
            [
                dcc.Link("Compare the hour after with the hour before", href=f"/{after}", className="action-link"),
                dcc.Link("Findings around it", href=f"/findings{around}", className="action-link"),
                dcc.Link("Latency around it", href=f"/latency{around}", className="action-link"),
            ],
            className="change-links",
        ),
        before_after(one.settings),
    ]
    if one.suspects:
        items = [
            html.Li(
                [
                    severity_mark(finding.severity),
                    " ",
                    dcc.Link(plain(finding.title, 160) or "untitled", href=finding_href(finding.id, view)),
                ]
            )
            for finding in one.suspects[:10]
        ]
        inside += [html.H3("Findings that name it as a possible cause"), html.Ul(items)]
    if event.detail is not None:
        text = json.dumps(event.detail, indent=1, ensure_ascii=True, sort_keys=True)
        if len(text) > DETAIL_CHARS:
            text = f"{text[:DETAIL_CHARS]}\n… {len(text):,} characters"
        inside.append(html.Details([html.Summary("What was asked for"), html.Pre(text, className="command wire")]))
    title = plain(change.what, 200) or "Change"
    return html.Div(card(title, *inside, note=close), id="change")


def before_after(settings: tuple[Setting, ...]) -> Component:
    """The settings that it changed, with what they were."""
    if not settings:
        said = "gatewatch reads no setting from such a call, so what was before is not known; what was asked is below."
        return html.P(said, className="small")
    rows: list[list[Any]] = []
    for one in settings[:40]:
        name = "" if one.name == EVERY_METHOD else f" of {plain(one.name, 80)}" if one.name else ""
        stage = f" on {plain(one.subject.stage, 40)}" if one.subject.stage else ""
        rows.append(
            [
                f"{plain(one.subject.what, 40).replace('_', ' ')}{name}{stage}",
                html.Span("not known", className="zero")
                if unknown(one.before)
                else html.Del(plain(risks.shown(one.before), 140)),
                html.Ins(plain(risks.shown(one.after), 140)),
                severity_mark(one.risk) if one.risk else html.Span(NO_RISK, className="zero"),
            ]
        )
    heads = ("Setting", "Before", "After", "Risk")
    return table(heads, rows, caption="Settings before and after", name="stack one before-after")


def drift(found: Changes) -> Component | None:
    """What the last two inventories of a place say otherwise, whoever changed it."""
    if not found.drift:
        return None
    return card(
        "Between the last two inventories",
        *(_drift(one) for one in found.drift[:8]),
        copies(cli="gatewatch inventory diff"),
        note="whoever changed it, and however",
    )


def _drift(one: Drift) -> Component:
    where = ", ".join(filter(None, (plain(one.new.account, 20), plain(one.new.region, 30)))) or "all"
    title = (
        f"{where}: {words.at(one.old.taken_at)} to {words.at(one.new.taken_at)}, {words.plural(len(one.lines), 'line')}"
    )
    text = "\n".join(plain(line, 300) for line in one.lines)
    return html.Details(
        [html.Summary(title), html.Pre(text or "nothing", className="command wire")], className="change"
    )
