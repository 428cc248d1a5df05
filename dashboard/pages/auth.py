"""Auth: who is refused, why, since when, and whether it is an attack, a storm or an outage."""

from __future__ import annotations

from dataclasses import replace

from dash import Dash, html
from dash.development.base_component import Component

from dashboard.auth_cards import TABLES, content
from dashboard.components import card, command, empty, range_line, stale_note
from dashboard.data import Reader
from dashboard.data_auth import auth
from dashboard.firstrun import begin_here
from dashboard.frame import Nav, add_page
from dashboard.view import View

NAV = Nav(order=50, key="u", icon="auth")


def register(dash: Dash, reader: Reader) -> None:
    heights = (48, 96, 320, 240)
    add_page(
        dash,
        reader,
        "auth",
        title="Auth",
        render=render,
        partial=True,
        path="/auth",
        heights=heights,
        nav=NAV,
        tables=TABLES,
    )


def render(reader: Reader, rest: str, view: View) -> Component:  # noqa: ARG001
    view = replace(view, f=())  # conditions are a page's own, and this one has none
    found = auth(reader, view)
    head = html.Div([html.H1("Auth"), range_line(found.window if found else None)], className="page-head")
    if found is None:
        hint = html.Span(["Read access logs with ", command("gatewatch ingest PATH…"), "."])
        return html.Div([head, card(None, empty("No requests yet", "Nothing was ingested.", hint, begin_here()))])
    return html.Div([head, stale_note(view, found.window), content(reader, found, view)])
