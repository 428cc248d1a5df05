"""What people may do to a finding, as buttons: those that its state allows, and only for who may press them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.changing import action, form, pick
from dashboard.components import icon, kbd
from dashboard.undoing import undo
from gatewatch.lifecycle import Event, Suppression, allowed
from gatewatch.records import JSON, State
from gatewatch.roles import Role, Who
from gatewatch.store.findings import StoredFinding
from gatewatch.verdicts import Verdict

_AT_ONCE: dict[Event, tuple[str, str, str]] = {
    Event.ACKNOWLEDGE: ("Acknowledge", "Acknowledged: nothing is repeated unless it gets worse.", "a"),
    Event.UNACKNOWLEDGE: ("Take back", "It counts as unseen again.", "a"),
    Event.UNSNOOZE: ("End snooze", "It is told again.", "s"),
    Event.UNSUPPRESS: ("Show again", "It counts again.", "m"),
    Event.RESOLVE: ("Resolve", "Resolved.", "r"),
    Event.REOPEN: ("Reopen", "It is open again.", "r"),
}
"""What needs no further words: the button's, what is said when it is done, and its key."""

SNOOZES: dict[str, str] = {
    "4": "for 4 hours",
    "1": "for 1 hour",
    "24": "for 1 day",
    "168": "for 7 days",
    "worse": "until it gets worse",
    "n1": "for 1 more episode",
    "n3": "for 3 more episodes",
    "n10": "for 10 more episodes",
}
SNOOZE_MEANS: dict[str, dict[str, dict[str, JSON]]] = {
    "until": {"worse": {}, "n1": {"count": 1}, "n3": {"count": 3}, "n10": {"count": 10}}
}
"""What a choice that is no number of hours stands for."""

WHYS = {
    Suppression.ACCEPTED_RISK: "Accepted risk",
    Suppression.FALSE_POSITIVE: "False positive",
    Suppression.IRRELEVANT: "Irrelevant",
    Suppression.PLANNED: "Planned",
}
ENDS = {"720": "in 30 days", "24": "in 1 day", "168": "in 7 days", "": "never"}
_VERDICTS = {Verdict.TRUE_POSITIVE: "It was right", Verdict.FALSE_POSITIVE: "A false alarm"}


def acts(stored: StoredFinding, who: Who | None, verdict: Verdict | None, now: datetime) -> Component | None:
    """The bar of buttons; None for who may only look."""
    if who is None or not who.may(Role.OPERATOR):
        return None
    may = [one for one in allowed(stored.state, over=stored.finding.end is not None) if not _idle(stored, one)]
    path = f"/api/v1/findings/{stored.finding.id}/actions"

    def back(event: Event) -> list[tuple[str, str, dict[str, JSON]]]:
        return [("POST", path, body) for body in undo(stored, event, now)]

    def at_once(event: Event, main: bool = False) -> Component | None:
        if event not in may:
            return None
        label, done, key = _AT_ONCE[event]
        body: dict[str, JSON] = {"action": event.value}
        return action(label, "POST", path, body, done=done, undo=back(event), key=key, main=main)

    named: Any = {"role": "toolbar", "aria-label": "What you can do"}
    return html.Div(
        [
            at_once(Event.ACKNOWLEDGE, main=True),
            at_once(Event.UNACKNOWLEDGE),
            _snooze(path, back(Event.SNOOZE)) if Event.SNOOZE in may else None,
            at_once(Event.UNSNOOZE),
            _suppress(stored, path, back(Event.SUPPRESS)) if Event.SUPPRESS in may else None,
            at_once(Event.UNSUPPRESS),
            at_once(Event.RESOLVE),
            at_once(Event.REOPEN),
            _assign(stored, path, who),
            _comment(path),
            _opinion(stored, verdict),
        ],
        className="acts",
        **named,
    )


def _idle(stored: StoredFinding, event: Event) -> bool:
    """What is acknowledged or suppressed already needs no button for it."""
    return (stored.state, event) in {
        (State.ACKNOWLEDGED, Event.ACKNOWLEDGE),
        (State.SUPPRESSED, Event.SUPPRESS),
    }


def standing(stored: StoredFinding) -> str:
    """Who has it, and until when it is quiet."""
    nobody = "Acknowledged, and assigned to nobody." if stored.state is State.ACKNOWLEDGED else "Nobody has it yet."
    lines = [f"Assigned to {plain(stored.assignee, 100)}." if stored.assignee else nobody]
    if stored.snooze_until is not None:
        lines.append(f"Quiet until {words.at(stored.snooze_until)}, or until it gets worse.")
    elif stored.snooze_count is not None:
        lines.append(f"Quiet for {words.plural(stored.snooze_count, 'further episode')}, or until it gets worse.")
    return " ".join(lines)


def popover(title: str, *inside: Component | None, key: str = "", name: str = "") -> Component:
    """A button that opens a small panel below it; assets/finding.js closes it again."""
    said: list[Any] = [title, icon("down")]
    if key:
        said.append(kbd(key))
    named: Any = {"data-key": key} if key else {}
    summary = html.Summary(said, className="plain-button", **named)
    panel = html.Div(list(inside), className="pop-panel")
    return html.Details([summary, panel], className=f"pop {name}".strip())


def snooze_inputs() -> list[Component]:
    return [pick("until", "Keep quiet", SNOOZES), dmc.TextInput(name="note", label="Note")]


def suppress_inputs() -> list[Component]:
    return [
        pick("why", "Reason", {one.value: word for one, word in WHYS.items()}),
        pick("until", "Ends", ENDS),
        dmc.TextInput(name="note", label="Why (needed)", required=True),
    ]


def _snooze(path: str, back: list[tuple[str, str, dict[str, JSON]]]) -> Component:
    asked = form(
        "POST",
        path,
        snooze_inputs(),
        "Snooze",
        fixed={"action": "snooze"},
        hours="until",
        means=SNOOZE_MEANS,
        done="Snoozed. It is told again when that is over, or when it gets worse.",
        undo=back,
    )
    return popover("Snooze", asked, key="s")


def _suppress(stored: StoredFinding, path: str, back: list[tuple[str, str, dict[str, JSON]]]) -> Component:
    asked = form(
        "POST",
        path,
        suppress_inputs(),
        "Suppress",
        fixed={"action": "suppress"},
        hours="until",
        done="Suppressed, with its later episodes. To see what is suppressed, choose that state among the findings.",
        undo=back,
    )
    ahead = look_ahead([f"fingerprint = {stored.finding.fingerprint}"])
    why = html.P("Hides this problem, its later episodes too.", className="small")
    return popover("Suppress", why, ahead, asked, key="m")


def look_ahead(where: list[str]) -> Component:
    """What a suppression with these conditions would have hidden: asked for when its panel opens."""
    named: Any = {"role": "status", "data-ahead": json.dumps({"where": where})}
    return html.Div("…", className="ahead small", **named)


def _assign(stored: StoredFinding, path: str, who: Who) -> Component:
    before: dict[str, JSON] = {"action": "assign", "assignee": stored.assignee or ""}
    back = [("POST", path, before)]
    name = dmc.TextInput(name="assignee", label="To", value=plain(stored.assignee, 100), autoComplete="off")
    asked = form(
        "POST", path, [name], "Assign", fixed={"action": "assign", "assignee": ""}, done="Assigned.", undo=back
    )
    mine: dict[str, JSON] = {"action": "assign", "assignee": who.name}
    take = action("To me", "POST", path, mine, done="It is yours.", undo=back)
    return popover("Assign", asked, None if stored.assignee == who.name else take)


def _comment(path: str) -> Component:
    said = dmc.Textarea(name="note", label="Comment", autosize=True, minRows=2)
    asked = form("POST", path, [said], "Comment", fixed={"action": "comment"}, done="It stands in the history.")
    return popover("Comment", asked)


def _opinion(stored: StoredFinding, verdict: Verdict | None) -> Component:
    """Whether it was right; what the answer would change is told before it is saved."""
    path = f"/api/v1/findings/{stored.finding.id}/feedback"
    named: Any = {"role": "status", "data-effect": f"{path}/effect"}
    before: dict[str, JSON] = {"verdict": verdict.value if verdict else None}
    back = [("PUT", path, before)]
    choices = [dmc.Radio(label=word, value=one.value) for one, word in _VERDICTS.items()]
    asked = form(
        "PUT",
        path,
        [
            dmc.RadioGroup(
                html.Div(choices, className="opinions"), name="verdict", label="Was this finding right?", value=None
            ),
            html.Div(className="effect small", **named),
            dmc.TextInput(name="note", label="Note"),
        ],
        "Save",
        done="Thank you: the threshold of this problem follows.",
        undo=back,
    )
    take = None
    if verdict is not None:
        take = action("Take back", "PUT", path, {"verdict": None}, done="Taken back.", undo=back)
    said = {None: "Right?", Verdict.TRUE_POSITIVE: "Right: yes", Verdict.FALSE_POSITIVE: "False alarm"}[verdict]
    return popover(said, asked, take)
