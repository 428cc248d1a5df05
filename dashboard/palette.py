"""The command palette and the overlay with the keys. Both are <dialog>s: focus stays inside, and Escape closes them.

What the palette offers is put together in the browser: pages, APIs, and every control that can be seen and has a key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from dashboard.components import icon, kbd
from dashboard.names import Names
from dashboard.still import stilled

MOST_APIS = 500

KEYS: dict[str, tuple[tuple[str, str], ...]] = {
    "Time": (
        ("[", "Earlier"),
        ("]", "Later"),
        ("-", "Twice as long"),
        ("t a", "Freeze the time, or let it run"),
        ("c", "Compare with another time"),
        ("l", "Follow closely, or less so"),
    ),
    "Lists": (
        ("j", "Next row"),
        ("k", "Row before"),
        ("Enter", "Open the row"),
        ("x", "Select the row"),
        ("/", "Filter"),
    ),
    "A finding": (("a", "Acknowledge"), ("s", "Snooze"), ("m", "Suppress"), ("r", "Resolve or reopen"), ("u", "Undo")),
    "Everywhere": (
        ("Ctrl K", "Search pages, APIs and actions"),
        ("?", "These keys"),
        ("d", "Light or dark"),
        ("Esc", "Close what is open"),
    ),
}
"""What each key does. A key presses the control that can be seen and says so with data-key."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to go to. hint: what it is; key: the letter after `g`, if it has one."""

    label: str
    href: str
    hint: str
    icon: str
    key: str = ""

    def to_json(self) -> dict[str, str]:
        return {"label": self.label, "href": self.href, "hint": self.hint, "icon": self.icon, "key": self.key}


def openers() -> list[Component]:
    """The buttons of the top bar that open them."""
    return [
        html.Button(
            [icon("search"), html.Span("Search", className="menu-word"), kbd("Ctrl K")],
            type="button",
            title="Search pages, APIs and actions (Ctrl+K)",
            className="bar-button palette-button",
            **_asked(label="Search pages, APIs and actions", opens="palette"),
        ),
        html.Button(
            icon("help"),
            type="button",
            title="Keys (?)",
            className="bar-button help-button",
            **_asked(label="Keys", opens="help", key="?"),
        ),
    ]


def palette(pages: Sequence[Entry]) -> Component:
    """Search field and results; the script fills and filters them."""
    field = dmc.TextInput(
        id="palette-text",
        placeholder="Go to a page or an API, or do something …",
        leftSection=icon("search"),
        autoComplete="off",
        spellCheck="false",
        size="md",
        **_asked(label="Search pages, APIs and actions"),
    )
    results = html.Div(id="palette-results", className="palette-results", role="listbox", **_asked(label="Results"))
    return html.Dialog(
        [
            field,
            results,
            html.P(
                [
                    kbd("↑"),
                    kbd("↓"),
                    " to choose, ",
                    kbd("Enter"),
                    " to go",
                ],
                className="small palette-foot",
            ),
            html.Div(stilled(apis([], Names()), "bar-palette-apis"), id="palette-apis"),
        ],
        id="palette",
        className="dialog palette",
        **_asked(label="Search pages, APIs and actions"),
        **_entries([page.to_json() for page in pages]),
    )


def apis(known: Sequence[str], names: Names) -> list[Component]:
    """The APIs that the palette offers, for the script to read."""
    entries = [{"label": names.api(api), "set": {"api": api, "stage": None}} for api in known[:MOST_APIS]]
    return [html.Span(**_entries(entries))]


def overlay(pages: Sequence[Entry]) -> Component:
    """All keys, with what they do."""
    groups = {"Go to": tuple((f"g {page.key}", page.label) for page in pages if page.key), **KEYS}
    lists = [
        html.Section([html.H3(name), html.Dl([_line(key, what) for key, what in keys])])
        for name, keys in groups.items()
    ]
    close = html.Button(icon("close"), type="button", className="bar-button", **_asked(label="Close", closes="help"))
    return html.Dialog(
        [
            html.Div([html.H2("Keys"), close], className="card-head"),
            html.Div(lists, className="help-keys"),
            html.P(
                "Every key has a control that can be clicked; keys rest while something is typed.", className="small"
            ),
        ],
        id="help",
        className="dialog help",
        **_asked(label="Keys"),
    )


def _line(key: str, what: str) -> Component:
    return html.Div([html.Dt([kbd(one) for one in key.split()]), html.Dd(what)])


def _entries(entries: Sequence[Mapping[str, object]]) -> Any:
    return {"data-entries": json.dumps(entries)}


def _asked(*, label: str = "", opens: str = "", closes: str = "", key: str = "") -> Any:
    values = {"aria-label": label, "data-opens": opens, "data-closes": closes, "data-key": key}
    return {name: value for name, value in values.items() if value}
