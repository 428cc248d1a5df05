"""What came before on a finding's page: similar findings, what became of this one, and the audit log of it."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import meaning, words
from dashboard.beside import AUDITED, Beside, Episode
from dashboard.components import card, finding_link, state_mark, table
from dashboard.names import Names
from dashboard.view import View
from gatewatch.store.finding_events import FindingEvent
from gatewatch.verdicts import Verdict

MOST_EVENTS = 30
_VERDICTS = {Verdict.TRUE_POSITIVE: "it was right", Verdict.FALSE_POSITIVE: "a false alarm"}


def similar(more: Beside, view: View, names: Names) -> Component | None:
    """Earlier episodes of the same problem, and others of its kind on the same API; with what was said of them."""
    if not more.earlier and not more.alike:
        return None
    parts: list[Component] = []
    for name, found in (("The same problem before", more.earlier), ("Others of this kind on this API", more.alike)):
        if found:
            parts += [html.H3(name), html.Ul([_episode(one, view, names) for one in found], className="episodes")]
    return card("Similar findings", html.Div(parts, className="who"))


def _episode(one: Episode, view: View, names: Names) -> Component:
    finding = one.stored.finding
    long = f"for {words.duration(finding.end - finding.start)}" if finding.end else "goes on"
    place = names.place(finding.api, finding.stage, finding.route)
    said = []
    if one.verdict is not None:
        said.append(_VERDICTS[one.verdict])
    if one.told is not None and one.told.note:
        said.append(f"{plain(one.told.actor, 40)}: {meaning.noted(one.told.note)}")
    return html.Li(
        [
            html.Div([finding_link(one.stored, view), " ", state_mark(one.stored.state)]),
            html.Div(f"{words.at(finding.start)} {long} · {place}", className="small"),
            html.Div(" · ".join(said), className="small told") if said else None,
        ]
    )


def activity(events: Sequence[FindingEvent]) -> Component | None:
    """What became of it, newest first."""
    if not events:
        return None
    lines = []
    for event in reversed(events[-MOST_EVENTS:]):
        by = f" by {plain(event.actor, 80)}" if event.actor and event.actor != "gatewatch" else ""
        note = f": {meaning.noted(event.note)}" if event.note else ""
        lines.append(
            html.Li(
                [html.Span(words.at(event.at), className="small"), f" {meaning.happened(event.transition)}{by}{note}"]
            )
        )
    return card("Activity", html.Ol(lines, className="history activity"), note="newest first")


def audited(more: Beside) -> Component | None:
    """The audit log's lines about it, for admins."""
    if not more.audit:
        return None
    rows = [
        [words.at(one.at), plain(one.actor, 80), plain(one.action, 60), plain(one.via, 20), plain(one.address, 60)]
        for one in more.audit
    ]
    heads = ("Time", "Who", "What", "By", "From")
    note = f"the newest {AUDITED}" if len(rows) >= AUDITED else None
    listed = html.Details(
        [
            html.Summary(words.plural(len(rows), "line")),
            table(heads, rows, caption="Audit log of this finding", name="narrow"),
        ]
    )
    return card("Audit log", listed, note=note)
