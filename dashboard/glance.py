"""A finding at a glance: since when, who, whose fault, what to do; and the link that shows the same to others."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from dash import html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.acts import popover
from dashboard.beside import lasted
from dashboard.components import Children, icon
from dashboard.view import View
from gatewatch.records import Finding
from gatewatch.store.findings import StoredFinding

AROUND = timedelta(hours=1)
"""So much before and after a finding a shared link shows."""

LIKELY = 0.3
"""A change that fits worse is no word at a glance."""

_COUNTED = (
    ("distinct_ips", "ips", "address", "addresses"),
    ("distinct_principals", "principals", "principal", "principals"),
    ("distinct_api_keys", "api_key_ids", "API key", "API keys"),
)


def callers(one: Finding) -> str:
    """How many are involved: `41 addresses, API key k-1`; '' when nobody stands out."""
    said = []
    for fact, entity, name, many in _COUNTED:
        known = one.evidence.facts.get(fact)
        named = getattr(one.entities, entity)
        n = int(known) if isinstance(known, int | float) else len(named)
        if n == 1 and len(named) == 1:
            said.append(f"{name} {plain(str(named[0]), 60)}")
        elif n:
            said.append(words.plural(n, name, many))
    return ", ".join(said)


def since(one: Finding, newest: datetime | None) -> str:
    """When it began, and how long it went or goes on."""
    long = words.duration(lasted(one, newest))
    return f"{words.at(one.start)}, over after {long}" if one.end else f"{words.at(one.start)}, going on for {long}"


def fault(one: Finding) -> str:
    """Whose fault it probably is, with the layer and the change that fits best."""
    said = words.CAUSES[one.cause]
    if one.layer and one.layer != one.cause.value:
        said += f", in the {words.layer(plain(one.layer, 60))}"
    change = one.changes[0] if one.changes else None
    if change is not None and change.score >= LIKELY:
        said += f", after {plain(change.what, 60)} by {actor(change.actor)}"
    return said


def actor(text: str) -> str:
    """Who made a change, without the path before a role's session."""
    return plain(text.rsplit("/", 1)[-1], 60) or "somebody"


def first_step(one: Finding) -> str:
    """The first sentence of the remedy."""
    text = plain(one.remedy, 300)
    head, dot, _ = text.partition(". ")
    return head + "." if dot else text


def glance(one: Finding, newest: datetime | None, *, silent: bool = False) -> Component:
    """silent: not one request of its place and time is stored."""
    nobody = "Nobody: no request comes in" if silent else "Everybody who calls it: nobody stands out"
    cells: list[tuple[str, str]] = [
        ("Since", since(one, newest)),
        ("Who", callers(one) or nobody),
        ("Probable cause", fault(one)),
        ("Do next", first_step(one)),
    ]
    return html.Dl([html.Div([html.Dt(name), html.Dd(text)]) for name, text in cells], className="glance")


def share(stored: StoredFinding, newest: datetime | None, view: View) -> Component:
    """A link that shows the same time whenever it is opened, and the same as calls of the API and the command line."""
    one = stored.finding
    path = f"/findings/{one.id}{around(one, newest, view).search()}"
    shown = html.P("The link keeps this time, whenever it is opened.", className="small")
    return popover(
        "Share",
        shown,
        copying("Copy link", f"{{origin}}{path}", main=True),
        copying("Copy as API call", f"curl -H 'Authorization: Bearer TOKEN' {{origin}}/api/v1/findings/{one.id}"),
        copying("Copy as command", f"gatewatch findings show {one.id}"),
        name="end",
    )


def around(one: Finding, newest: datetime | None, view: View) -> View:
    """The view of the finding's time, by instants; not beyond the newest data, where a page would be empty."""
    last = max(newest or one.start, one.start)
    until = last if one.end is None else max(min(one.end + AROUND, last), one.end)
    return view.kept().between(one.start - AROUND, until + timedelta(minutes=1))


def copying(label: str, text: str, *, main: bool = False) -> Component:
    name = "plain-button main-button" if main else "plain-button"
    named: Any = {"data-copy": text}
    return html.Button([icon("copy"), label], className=name, type="button", **named)


def downloads(finding_id: str) -> Component:
    """The finding, and all of its requests, as files."""
    own = f"/api/v1/export/findings/{finding_id}/requests"

    def link(label: Children, href: str, name: str) -> Component:
        return html.A(label, href=href, download=name, className="plain-button")

    return popover(
        "Export",
        html.P("The finding with its evidence:", className="small"),
        link("JSON", f"/api/v1/findings/{finding_id}", f"finding-{finding_id}.json"),
        html.P("All requests of its place and time:", className="small"),
        *(
            link(label, f"{own}?format={form}", f"requests-{finding_id}.{form}")
            for label, form in (("CSV", "csv"), ("JSON lines", "jsonl"), ("Parquet", "parquet"))
        ),
        name="end",
    )
