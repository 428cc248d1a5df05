"""Filters of the list of findings: values with their counts, to be asked for or left out; and what is asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.acts import popover
from dashboard.components import icon, was
from dashboard.filterbar import suggestions, term_input
from dashboard.listing import FACETS, GROUPED, ORDERS, Listing, excluded, included, order, toggled
from dashboard.names import Names
from dashboard.view import View
from gatewatch.records import Cause, Kind, Severity, State
from gatewatch.where import Term

NAMES = {
    "state": "State",
    "severity": "Severity",
    "kind": "Detector",
    "cause": "Cause",
    "api": "API",
    "stage": "Stage",
    "assignee": "Owner",
}
SHOWN = 30
_SIGNS = {"=": "", "in": "", "!=": "not ", "not in": "not ", "~": "contains ", "!~": "without "}


def said(name: str, value: str | None, names: Names) -> str:
    """A value of a facet, in words."""
    if value is None:
        return "nobody" if name == "assignee" else "none"
    known: dict[str, dict[str, str]] = {
        "state": {one.value: words.STATES[one] for one in State},
        "severity": {one.value: words.SEVERITIES[one] for one in Severity},
        "kind": {one.value: words.KINDS[one] for one in Kind},
        "cause": {one.value: words.CAUSES[one] for one in Cause},
    }
    if name == "api":
        return names.api(value)
    return known.get(name, {}).get(value) or plain(value, 80)


def unfiltered(view: View) -> View:
    """The same time, and nothing left out."""
    return replace(view.kept(), api=None, stage=None)


def setting(
    label: Any, keys: dict[str, Any], *, name: str, title: str | None = None, pressed: bool = False
) -> Component:
    """A button that writes keys of the address (data-set)."""
    named: Any = {"data-set": json.dumps(keys), "aria-pressed": "true" if pressed else "false"}
    if title:
        named["aria-label"] = title
    return html.Button(label, type="button", className=name, **named)


def filters(found: Listing, view: View, names: Names) -> Component:
    shown = [_facet(found, view, names, name) for name in FACETS]
    search = dmc.TextInput(
        id={"type": "url", "key": "q"},
        value=view.q or "",
        placeholder="Search title, API, route (key /)",
        debounce=400,
        leftSection=icon("search"),
        className="filter filter-text",
        **{"aria-label": "Search findings"},
    )
    named: Any = {"role": "search"}
    return html.Div(
        [was("filters", q=view.q), search, term_input(suggestions(found.facets)), *shown, _arrange(view)],
        className="filters",
        **named,
    )


def _facet(found: Listing, view: View, names: Names, name: str) -> Component:
    values = found.facets.get(name, [])[:SHOWN]
    plain_key = {"severity": "severity", "state": "state", "kind": "kind", "api": "api", "stage": "stage"}.get(name)
    if name == "severity":
        ranks = {one.value: -one.rank for one in Severity}
        values = sorted(values, key=lambda pair: ranks.get(pair[0] or "", 0))
    active = [term for term in found.terms if term.field == name]
    rows = [_value(found, view, names, name, value, count, plain_key) for value, count in values]
    if not rows:
        rows = [html.Li("No finding has one.", className="small")]
    label = f"{NAMES[name]} · {len(active)}" if active else NAMES[name]
    return popover(label, html.Ul(rows, className="facet"), name="facet-pop" + (" active" if active else ""))


def _value(
    found: Listing, view: View, names: Names, name: str, value: str | None, count: int, plain_key: str | None
) -> Component:
    here, out = included(found.terms, name, value), excluded(found.terms, name, value)
    word = said(name, value, names)
    # A click on a value takes the place of what the address said of this field in its plain key.
    keys: dict[str, Any] = {plain_key: None} if plain_key and getattr(view, plain_key) else {}
    ask = {"f": [*toggled(found.terms, name, value)], **keys}
    leave = {"f": [*toggled(found.terms, name, value, exclude=True)], **keys}
    return html.Li(
        [
            setting(
                [html.Span(word, className="facet-word"), html.Span(words.count(count), className="facet-count")],
                ask,
                name="facet-value" + (" on" if here else " off" if out else ""),
                pressed=here,
            ),
            setting("not", leave, name="bar-button", title=f"Without {NAMES[name].lower()} {word}", pressed=out),
        ]
    )


def _arrange(view: View) -> Component:
    """Order, and what it is grouped by."""

    def option(label: str, key: str, value: str | None, *, here: bool) -> Component:
        return setting(label, {key: value}, name="facet-value" + (" on" if here else ""), pressed=here)

    now = order(view)
    orders = [
        option(label, "sort", None if value == "-start" else value, here=value == now)
        for value, label in ORDERS.items()
    ]
    ways = [option("Not grouped", "tab", None, here=view.tab not in GROUPED)]
    ways += [option(f"By {GROUPED[key]}", "tab", key, here=key == view.tab) for key in GROUPED]
    name = "facet-pop active" if view.tab in GROUPED else "facet-pop"
    return popover("Arrange", html.H3("Order"), *orders, html.H3("Group"), *ways, name=name)


def chips(found: Listing, view: View, names: Names) -> Component | None:
    """What is asked for; a click takes it away."""
    parts: list[Component] = []

    def chip(text: str, keys: dict[str, Any]) -> None:
        parts.append(setting([text, " ✕"], keys, name="plain-button filter-chip", title=f"Take away: {text}"))

    if view.kind:
        chip(f"Detector: {said('kind', view.kind, names)}", {"kind": None})
    if view.severity:
        worse = "" if view.severity == Severity.CRITICAL else " or worse"
        chip(f"{said('severity', view.severity, names)}{worse}", {"severity": None})
    if view.state:
        chip("Open" if view.state == "open" else said("state", view.state, names), {"state": None})
    if view.stage:
        chip(f"Stage: {plain(view.stage, 60)}", {"stage": None})
    for term in found.terms:
        rest = [str(one) for one in found.terms if one != term]
        chip(told(term, names), {"f": rest})
    if not parts and not view.filtered:
        return None
    parts.append(dcc.Link("Clear", href=f"/findings{unfiltered(view).search()}", className="clear"))
    return html.Div(parts, className="chips")


def told(term: Term, names: Names) -> str:
    """A condition in words."""
    name = NAMES.get(term.field, term.field.replace("_", " ").capitalize())
    if term.op == "is":
        none = "nobody" if term.field == "assignee" else "none"
        return f"{name}: {none if term.values[0] == 'empty' else 'any'}"
    values = ", ".join(said(term.field, one, names) for one in map(str, term.values[:5]))
    sign = _SIGNS.get(term.op, f"{term.op} ")
    return plain(f"{name}: {sign}{values}", 160)
