"""One API, tab by tab: what it gets, from whom, what is refused and why, and what was changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from dash import Dash, dcc, html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.annotations import drawing
from dashboard.api_latency import SLOW_TABLE, latency
from dashboard.api_lists import CALLER_TABLE, ROUTE_TABLE, callers, routes
from dashboard.api_tabs import auth, changed, limits, settings, traffic
from dashboard.auth_cards import TABLES as AUTH_TABLES
from dashboard.components import banner, card, empty, range_line, stale_note
from dashboard.data import Reader
from dashboard.data_api import Head, head
from dashboard.frame import add_page
from dashboard.leads import api_href
from dashboard.limit_cards import TABLES as LIMIT_TABLES
from dashboard.summing import route_of
from dashboard.view import View

Tab = Callable[[Reader, Head, View], Component]

TABS: dict[str, tuple[str, Tab]] = {
    "traffic": ("Traffic", traffic),
    "routes": ("Routes", routes),
    "consumers": ("Consumers", callers),
    "auth": ("Auth", auth),
    "limits": ("Limits", limits),
    "latency": ("Latency", latency),
    "changes": ("Changes", changed),
    "settings": ("Settings", settings),
}


def register(dash: Dash, reader: Reader) -> None:
    add_page(
        dash,
        reader,
        "api",
        title="API",
        render=render,
        partial=True,
        path_template="/apis/<api_id>",
        heights=(48, 96, 320, 240),
        tables=(ROUTE_TABLE, CALLER_TABLE, *AUTH_TABLES, *LIMIT_TABLES, SLOW_TABLE),
    )


def render(reader: Reader, rest: str, view: View) -> Component:
    api = unquote(rest)[:200]
    back = dcc.Link("← APIs", href=f"/apis{view.kept().search(api=None, stage=None)}", className="back")
    found = head(reader, api, replace(view, api=None))
    if found is None or not found.known:
        why = "It is not declared in any inventory that we know, and no request for it was ever read."
        return html.Div([back, card(None, empty("There is no such API", why))])
    tab = view.tab if view.tab in TABS else "traffic"
    mine = replace(view, api=api)
    with drawing(lambda: reader.beside(mine)):  # what happened to this API, not to all
        part = TABS[tab][1](reader, found, mine)
    return html.Div(
        [
            back,
            title(found, view),
            stale_note(view, found.window),
            other_scope(found, view),
            tabs(found, view, tab),
            part,
        ]
    )


def title(of: Head, view: View) -> Component:
    doc = of.doc
    kinds = of.seen_types or ([doc.api_type] if doc else [])
    chips = [html.Span(plain(one, 20), className="chip") for one in kinds]
    if doc and doc.deprecated:
        chips.append(html.Span("deprecated", className="chip life life-zombie"))
    if doc is None and of.inventory.known:
        chips.append(html.Span("not in the inventory", className="chip life life-shadow"))
    owner = doc.owner(view.stage) if doc else None
    if owner:
        chips.append(html.Span(f"owner {plain(owner, 60)}", className="chip"))
    return html.Div(
        [
            html.Div([html.H1(of.names.api(of.api)), *chips], className="marks"),
            range_line(of.window),
            html.P(f"last call {words.at(of.last_at)}", className="subtitle"),
        ],
        className="page-head",
    )


def other_scope(of: Head, view: View) -> Component | None:
    """What is chosen above, when it is another API than this page's."""
    if view.api in (None, of.api):
        return None
    said = banner(f"This page is about {of.names.api(of.api)}; above, another API is chosen.", kind="info")
    there = dcc.Link(f"Open {of.names.api(view.api or '')}", href=api_href(view.api or "", view), className="clear")
    return html.Div([said, html.P(there)])


def tabs(of: Head, view: View, tab: str) -> Component:
    route = route_of(view)

    def way(label: str, href: str, *, here: bool) -> Component:
        now: Any = {"aria-current": "page"}  # dcc.Link cannot say it
        return html.Span(label, **now) if here else dcc.Link(label, href=href)

    links = [
        way(
            label,
            api_href(of.api, view, "" if name == "traffic" else name, stage=view.stage, route=route),
            here=name == tab,
        )
        for name, (label, _) in TABS.items()
    ]
    named: Any = {"aria-label": "Parts of this API"}
    parts: list[Component] = [html.Nav(links, className="tabs", **named)]
    if route is not None:
        whole = dcc.Link("All routes", href=api_href(of.api, view, "" if tab == "traffic" else tab, stage=view.stage))
        parts.append(html.P(["Only the route ", html.Strong(plain(route, 160)), whole], className="stages"))
    if len(of.stages) > 1:
        kept = "" if tab == "traffic" else tab
        choices = [
            way(
                plain(stage, 60) if stage else "All stages",
                api_href(of.api, view, kept, stage=stage, route=route),
                here=stage == view.stage,
            )
            for stage in (None, *of.stages)
        ]
        stages: Any = {"aria-label": "Stage"}
        parts.append(html.Nav(["Stage", *choices], className="stages", **stages))
    return html.Div(parts)
