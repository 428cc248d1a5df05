"""What needs somebody, with all that a first look has to tell; and what can be said when nothing does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from dash import dcc, html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.components import Children, finding_link, icon, severity_mark, state_mark, where
from dashboard.data import Overview
from dashboard.glance import callers, fault, first_step
from dashboard.links import page_href
from dashboard.names import Names
from dashboard.standing import LATE, Standing, ago
from dashboard.view import View
from gatewatch.records import Cause, Finding, Kind, State
from gatewatch.store.findings import StoredFinding

YOUNG = timedelta(days=1)
"""So long data must reach back before silence of the detectors means anything: most learn what is usual first."""


def needs_you(found: Overview, view: View) -> Component:
    if not found.needs_you:
        return nothing(found, view)

    def item(stored: StoredFinding) -> Component:
        one = stored.finding
        newest = found.standing.newest if found.standing else None
        long = f"for {words.duration(newest - one.start)}" if newest and newest > one.start and not one.end else ""
        over = f"over after {words.duration(one.end - one.start)}" if one.end else ""
        lasted: list[Component | str] = [", ", html.Span(long or over, className="unbroken")] if long or over else []
        since = html.Span(f"since {words.at(one.start)}", className="unbroken")
        line: list[Component | str] = [where(stored, found.names), " · ", since, *lasted]
        inside = [
            finding_link(stored, view),
            html.Div(line, className="small"),
            html.Div(
                [said(one), " ", html.Span("Do next: ", className="do-next"), first_step(one)], className="answer"
            ),
        ]
        return html.Li(
            [
                severity_mark(one.severity),
                html.Div(inside, className="what"),
                html.Div([rest_note(stored), state_mark(stored.state)], className="standing"),
            ]
        )

    return html.Ul([item(stored) for stored in found.needs_you], className="short-list")


def said(one: Finding) -> str:
    """Whose fault it probably is, and for whom: `Probably clients; 11 addresses.`"""
    cause = "The cause is not known" if one.cause is Cause.UNKNOWN else f"Probably {_lower(fault(one))}"
    who = "" if one.kind is Kind.CONFIG_CHANGE else callers(one)  # whoever changed it stands behind "by" already
    return f"{cause}; {who}." if who else f"{cause}."


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def short_list(findings: Sequence[StoredFinding], view: View, names: Names) -> Component:
    """Findings that ended, a line each."""

    def item(stored: StoredFinding) -> Component:
        one = stored.finding
        since = (
            f"{words.at(one.start)}, {words.duration(one.end - one.start)}"
            if one.end
            else f"since {words.at(one.start)}"
        )
        line = [where(stored, names), " · ", since]
        return html.Li(
            [
                severity_mark(one.severity),
                html.Div([finding_link(stored, view), html.Div(line, className="small")], className="what"),
            ]
        )

    return html.Ul([item(stored) for stored in findings], className="short-list")


def ended(found: Overview, view: View) -> Component:
    """Findings that ended in the range, and where the others are."""
    shown = short_list(found.ended, view, found.names)
    if not found.more_ended:
        return shown
    others = dcc.Link(f"{found.more_ended}, in Findings", href=f"/findings{view.search()}")
    return html.Div([shown, html.P(others, className="small")])


def rest_note(stored: StoredFinding) -> Component | None:
    """When its rest is over."""
    if stored.state is not State.SNOOZED or stored.snooze_until is None:
        return None
    return html.Span(f"until {words.at(stored.snooze_until)}", className="small")


def nothing(found: Overview, view: View) -> Component:
    """No finding needs anybody: whether that means that all is well, and why not."""
    title, why, well = verdict(found)
    ended = html.Span(["Findings that ended are in ", dcc.Link("Findings", href=f"/findings{view.search()}"), "."])
    hidden = blind_spots(found, view)
    lines: list[Children] = [" ".join(why), *([hidden] if hidden else []), ended]
    text = html.Div([html.H2(title), *(html.P(line) for line in lines)])
    return html.Div([icon("check" if well else "empty"), text], className="calm well" if well else "calm")


def verdict(found: Overview) -> tuple[str, list[str], bool]:
    """(what can be said, why, whether all is well): silence proves something only where somebody looked."""
    opened = sum(found.open_counts.values())
    none = f"{words.plural(opened, 'open finding')}, each taken by somebody." if opened else "No finding is open."
    if not found.apis:
        return "Nothing to judge", ["No API had a request here, and no finding is open."], False
    how = found.standing
    if how is not None and (doubt := _doubt(how)) is not None:
        return doubt[0], [none, doubt[1]], False
    many = words.plural(len(found.apis), "API stage")
    looked = f" Detectors looked {ago(how.now, how.evaluated[0])} at {many}." if how and how.evaluated else ""
    if found.blind:
        return "No open finding", [none + looked], False
    return "All is well", [f"{none}{looked} Every detector sees all that it needs."], True


def _doubt(how: Standing) -> tuple[str, str] | None:
    """What keeps silence from meaning that all is well: (a title, a sentence)."""
    if how.evaluated is None:
        return "Not judged yet", "No worker has looked for findings; `gatewatch serve` and `gatewatch worker` do."
    at, error = how.evaluated
    if error is not None:
        return "Not judged", f"The detectors failed {ago(how.now, at)}: {plain(error, 120)}"
    if how.now - at > how.patience:
        return "Not judged", f"The detectors have not looked for {words.duration(how.now - at)}."
    if how.newest is not None and how.now - how.newest > LATE:
        newest = words.at(how.newest)
        return f"No open finding up to {newest}", "Nothing newer was read, so how it is now is not known."
    if how.newest is not None and how.oldest is not None and how.newest - how.oldest < YOUNG:
        known = words.duration(how.newest - how.oldest)
        return "No finding so far", f"Requests of {known} were read; what is usual is learned from a day or more."
    return None


def blind_spots(found: Overview, view: View) -> Component | None:
    """How much gatewatch cannot see, and where that is told."""
    spots = len({(one.kind, one.api, one.stage) for one in found.blind})
    if not spots:
        return None
    text, href = words.plural(spots, "blind spot"), page_href("sources", view)
    named = dcc.Link(text, href=href) if href else text
    stages = words.plural(len({(one.api, one.stage) for one in found.blind}), "stage")
    return html.Span(["What gatewatch cannot see: ", named, f" on {stages}, listed at the end of this page."])
