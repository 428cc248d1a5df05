"""What an empty installation shows: drop a log file, connect a source, or look at a made-up world."""

from __future__ import annotations

from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.components import card, command, icon
from gatewatch.roles import Role, Who

MOST_MIB = 64
DEMO = "demo world"
"""The source whose lines the button brings (gatewatch.demoworld)."""


def begin_here() -> Component:
    """From a page that has nothing to show to the one where data are brought."""
    more = ": drop a log file, connect a source, or load the demo world."
    return html.Span([dcc.Link("Begin here", href="/"), more])


def first_run(who: Who | None) -> Component:
    """Three ways to begin. A viewer cannot bring data."""
    may = who is None or who.may(Role.OPERATOR)
    admin = who is None or who.may(Role.ADMIN)
    return html.Div(
        [
            html.Div(html.H1("Welcome to gatewatch"), className="page-head"),
            html.H2("No requests yet"),
            html.P(
                "Nothing was read into this data directory, so there is nothing to judge. Begin in one of three ways:",
                className="sentence",
            ),
            html.Div([drop() if may else None, connect(), look(may=admin)], className="first-run"),
        ]
    )


def drop() -> Component:
    """The place where a file is dropped or chosen; assets/firstrun.js sends it."""
    named: Any = {"data-most": str(MOST_MIB << 20), "role": "group", "aria-label": "Drop an access log here"}
    zone = html.Div(
        [
            icon("drop"),
            html.P("Drop an access log here"),
            html.P(f"any format, plain or gzip, up to {MOST_MIB} MiB", className="small"),
            html.Button("Choose a file", type="button", className="plain-button main-button drop-choose"),
            html.P("", className="drop-said", role="status"),
        ],
        className="drop-zone",
        **named,
    )
    return card("Try one file", zone, note="read in seconds")


def connect() -> Component:
    """The sources that stay."""
    lines: list[tuple[str, str]] = [
        ("A folder that grows", "gatewatch ingest logs/ --follow"),
        ("S3, CloudWatch Logs and what else AWS knows", "gatewatch sources add --help"),
        ("Firehose pushes to", "/ingest/firehose"),
        ("The rights that this needs", "gatewatch iam-policy"),
    ]
    rows = [html.Li([html.Span(what), command(how)]) for what, how in lines]
    return card("Connect your logs", html.Ul(rows, className="ways"), note="they keep coming")


def look(*, may: bool) -> Component:
    """The demo's world: here, for admins, or in a folder of its own. assets/firstrun.js loads it."""
    said = "A week of nine made-up APIs with incidents of each kind. Nothing leaves this machine."
    status: Any = {"role": "status"}
    here = [
        html.Button("Load the demo world", type="button", className="plain-button main-button demo-load"),
        html.P("Into this installation; it can be taken out again until you read logs of your own.", className="small"),
        html.Div(className="demo-said", **status),
    ]
    other = html.P(["In a folder of its own: ", command("gatewatch demo")], className="small")
    return card("Look around first", html.P(said), *(here if may else []), other, note="about a minute")


def demo_note(who: Who | None) -> Component:
    """Above the Overview of an installation that holds the demo world and nothing else."""
    admin = who is None or who.may(Role.ADMIN)
    take = html.Button("Take it out", type="button", className="plain-button demo-remove") if admin else None
    said = "This is the demo world: made-up requests of nine APIs, with incidents of each kind."
    return html.Div([icon("info"), html.Span(said), take], className="banner banner-info demo-note", role="note")
