"""What people may do to a finding, as buttons: those that its state allows, and only for who may press them."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.changing import action, choice, form
from dashboard.components import card
from gatewatch.lifecycle import Event, Suppression, allowed
from gatewatch.roles import Role, Who
from gatewatch.store.findings import StoredFinding

_AT_ONCE: dict[Event, tuple[str, str]] = {
    Event.ACKNOWLEDGE: ("Acknowledge", "Acknowledged: nothing is repeated unless it gets worse."),
    Event.UNACKNOWLEDGE: ("Take back", "It counts as unseen again."),
    Event.UNSNOOZE: ("End snooze", "It is told again."),
    Event.UNSUPPRESS: ("Show again", "It counts again."),
    Event.RESOLVE: ("Resolve", "Resolved."),
    Event.REOPEN: ("Reopen", "It is open again."),
}
"""What needs no further words: the button's, and what is said when it is done."""

_KEYS = {Event.ACKNOWLEDGE: "a", Event.RESOLVE: "r"}
"""Keys that press them; see dashboard.palette."""

_SNOOZES = {"1": "1 hour", "4": "4 hours", "24": "1 day", "168": "7 days"}
_WHYS = {
    Suppression.ACCEPTED_RISK: "Accepted risk",
    Suppression.FALSE_POSITIVE: "False positive",
    Suppression.IRRELEVANT: "Irrelevant",
    Suppression.PLANNED: "Planned",
}
_ENDS = {"24": "in 1 day", "168": "in 7 days", "720": "in 30 days", "": "never"}


def acts(stored: StoredFinding, who: Who | None) -> Component | None:
    """The card with the buttons; None for who may only look."""
    if who is None or not who.may(Role.OPERATOR):
        return None
    may = allowed(stored.state, over=stored.finding.end is not None)
    path = f"/api/v1/findings/{stored.finding.id}/actions"
    buttons = [
        action(_AT_ONCE[one][0], "POST", path, {"action": one.value}, done=_AT_ONCE[one][1], key=_KEYS.get(one, ""))
        for one in may
        if one in _AT_ONCE
    ]
    folded = [
        _snooze(path) if Event.SNOOZE in may else None,
        _suppress(stored, path) if Event.SUPPRESS in may else None,
        _assign(stored, path),
        _comment(path),
    ]
    inside: list[Any] = [_standing(stored), html.Div(buttons, className="actions"), *folded]
    return card("Act", *inside, note=words.STATES[stored.state].lower(), name="acts first")


def _standing(stored: StoredFinding) -> Component | None:
    """Who has it, and until when it is quiet."""
    lines = []
    if stored.assignee:
        lines.append(f"Assigned to {plain(stored.assignee, 100)}.")
    if stored.snooze_until is not None:
        lines.append(f"Quiet until {words.at(stored.snooze_until)}, or until it gets worse.")
    elif stored.snooze_count is not None:
        lines.append(f"Quiet for {words.plural(stored.snooze_count, 'further episode')}, or until it gets worse.")
    return html.P(" ".join(lines), className="small") if lines else None


def _folded(title: str, *inside: Component, key: str = "") -> Component:
    pressed: Any = {"data-key": key} if key else {}
    return html.Details([html.Summary(title, **pressed), *inside], className="change")


def _snooze(path: str) -> Component:
    asked = form(
        "POST",
        path,
        [choice("until", "For", _SNOOZES, "4"), dmc.TextInput(name="note", label="Note")],
        "Snooze",
        fixed={"action": "snooze"},
        hours="until",
        done="Snoozed: it is told again when the time is over or it gets worse.",
    )
    return _folded("Snooze", asked, key="s")


def _suppress(stored: StoredFinding, path: str) -> Component:
    asked = form(
        "POST",
        path,
        [
            choice("why", "Reason", {one.value: word for one, word in _WHYS.items()}, Suppression.ACCEPTED_RISK.value),
            choice("until", "Ends", _ENDS, "720"),
            dmc.TextInput(name="note", label="Why (needed)", required=True),
        ],
        "Suppress",
        fixed={"action": "suppress"},
        hours="until",
        done="Suppressed, with its later episodes. To see what is suppressed, choose that state among the findings.",
    )
    where: dict[str, Any] = {"where": [f"fingerprint = {stored.finding.fingerprint}"]}
    look = action("What would it hide?", "POST", "/api/v1/suppressions/preview", where, done="")
    return _folded(
        "Suppress", html.P("Hides this problem, later episodes too.", className="small"), look, asked, key="m"
    )


def _assign(stored: StoredFinding, path: str) -> Component:
    name = dmc.TextInput(name="assignee", label="To", value=plain(stored.assignee, 100), autoComplete="off")
    asked = form("POST", path, [name], "Assign", fixed={"action": "assign", "assignee": ""}, done="Assigned.")
    return _folded("Assign", asked)


def _comment(path: str) -> Component:
    words_ = dmc.Textarea(name="note", label="Comment", autosize=True, minRows=2)
    asked = form("POST", path, [words_], "Comment", fixed={"action": "comment"}, done="It stands in the history.")
    return _folded("Comment", asked)
