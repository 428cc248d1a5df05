"""What can be done to several findings at once: those that are selected, or all that fit (assets/findings.js)."""

from __future__ import annotations

import json
import shlex
from typing import Any
from urllib.parse import urlencode

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.acts import SNOOZE_MEANS, look_ahead, popover, snooze_inputs, suppress_inputs
from dashboard.changing import action, form
from dashboard.components import icon
from dashboard.glance import copying
from dashboard.listing import Listing, acted_on, conditions, order, query
from dashboard.view import View
from gatewatch.lifecycle import OPEN
from gatewatch.records import JSON, iso
from gatewatch.roles import Role, Who

PATH = "/api/v1/findings/actions"


def bulk(found: Listing, who: Who | None) -> Component | None:
    """The bar above the list; it shows when something is selected. None for who may only look."""
    if who is None or not who.may(Role.OPERATOR) or not found.total:
        return None

    def at_once(label: str, verb: str, key: str, done: str) -> Component:
        body: dict[str, JSON] = {"action": verb}
        return action(label, "POST", PATH, body, done=done, key=key)

    named: Any = {
        "role": "toolbar",
        "aria-label": "What you can do to the selected",
        "data-all": json.dumps(acted_on(found.wish)),
    }
    everything: Any = {"aria-pressed": "false"}
    assign = form(
        "POST",
        PATH,
        [dmc.TextInput(name="assignee", label="To")],
        "Assign",
        fixed={"action": "assign", "assignee": ""},
        done="Assigned.",
    )
    comment = form(
        "POST",
        PATH,
        [dmc.Textarea(name="note", label="Comment", minRows=2, autosize=True)],
        "Comment",
        fixed={"action": "comment"},
        done="It stands in their histories.",
    )
    snooze = form(
        "POST",
        PATH,
        snooze_inputs(),
        "Snooze",
        fixed={"action": "snooze"},
        hours="until",
        means=SNOOZE_MEANS,
        done="Snoozed.",
    )
    many = words.count(found.total)
    return html.Div(
        [
            html.Span("0 selected", className="bulk-count", role="status"),
            html.Button(f"All {many} that fit", type="button", className="plain-button bulk-all", **everything),
            at_once("Acknowledge", "acknowledge", "a", "Acknowledged."),
            popover("Snooze", snooze, key="s"),
            _suppress(found),
            at_once("Resolve", "resolve", "r", "Resolved."),
            popover("Assign", assign),
            popover("Comment", comment),
            html.Button("Clear selection", type="button", className="plain-button bulk-none"),
        ],
        className="bulk",
        hidden=True,
        **named,
    )


def _suppress(found: Listing) -> Component:
    """Of the selected each problem by itself; of all that fit, by the filter, which later findings must fit, too."""
    lasting = conditions(found.wish)
    asked = form(
        "POST", PATH, suppress_inputs(), "Suppress", fixed={"action": "suppress"}, hours="until", done="Suppressed."
    )
    each = html.P("Hides the selected problems, their later episodes too.", className="small bulk-each")
    if lasting:
        said = f"Hides every finding, now and later, with: {'; '.join(lasting)}"
        whole: list[Component] = [html.P(plain(said, 400), className="small"), look_ahead(lasting)]
    else:
        said = "To hide all that fit, filter by something that later findings have too: a detector, an API, a stage …"
        whole = [html.P(said, className="small")]
    named: Any = {"data-lasting": json.dumps(lasting)}
    return popover("Suppress", each, html.Div(whole, className="bulk-whole", hidden=True, **named), asked, key="m")


def exports(found: Listing, view: View) -> Component:
    """All findings that fit, as files."""
    pairs = query(found.wish, order(view))

    def link(label: str, form_: str) -> Component:
        href = f"/api/v1/export/findings?{urlencode([*pairs, ('format', form_)])}"
        return html.A([icon("drop"), label], href=href, download=f"findings.{form_}", className="plain-button")

    return popover(
        "Export",
        html.P(f"All {words.plural(found.total, 'finding')} that fit:", className="small"),
        link("CSV", "csv"),
        link("JSON lines", "jsonl"),
        link("Parquet", "parquet"),
        html.P("The same outside of this page:", className="small"),
        copying(
            "Copy as API call", f"curl -H 'Authorization: Bearer TOKEN' '{{origin}}/api/v1/findings?{urlencode(pairs)}'"
        ),
        copying("Copy as command", listed(found)),
        name="end",
    )


def listed(found: Listing) -> str:
    """The command that lists what is shown."""
    wish = found.wish
    given = [("since", iso(wish.since) if wish.since else None), ("until", iso(wish.until) if wish.until else None)]
    given += [("detector", wish.kind), ("api", wish.api), ("stage", wish.stage)]
    states = sorted(one.value for one in OPEN) if wish.state == "open" else [wish.state]
    given += [("state", one) for one in states if one != "all"]
    options = [f"--{name} {shlex.quote(value)}" for name, value in given if value]
    if wish.severity_min is not None:
        options.append(f"--where 'severity >= {wish.severity_min.value}'")
    options += [f"--where {shlex.quote(str(term))}" for term in wish.where]
    return " ".join(["gatewatch findings list", *options])


def views(who: Who | None) -> Component:
    """Questions that are asked often. What is new since the last visit only the browser knows."""
    me = who.name if who is not None else ""
    mine: Any = {"data-set": json.dumps({"f": [f"assignee = {me}"], "state": "open"})}
    new: Any = {"data-visit": "yes"}
    needs: Any = {"data-set": json.dumps({"f": [], "state": "open", "severity": "high"})}
    parts: list[Component] = [
        html.Button("Open and severe", type="button", className="plain-button", **needs),
        html.Button("New since last visit", type="button", className="plain-button", **new),
    ]
    if me:
        parts.insert(0, html.Button("Mine", type="button", className="plain-button", **mine))
    return html.Div(parts, className="views")
