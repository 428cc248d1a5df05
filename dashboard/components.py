"""The parts that pages are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.names import Names
from dashboard.view import View, Window
from dashboard.when import canonical
from gatewatch.records import Severity, State
from gatewatch.store.findings import StoredFinding

_HIDDEN: Any = {"aria-hidden": "true"}

Children = Component | str | list[Any] | None


def icon(name: str) -> Component:
    """An icon of our own sheet; it repeats the word beside it, so screen readers skip it."""
    return html.Span(className=f"icon icon-{name}", **_HIDDEN)


def kbd(key: str, name: str = "") -> Component:
    """A key of the keyboard, as it is written on it."""
    return html.Kbd(key, className=f"key {name}".strip())


def severity_mark(severity: Severity) -> Component:
    """Colour, shape and word."""
    return html.Span(
        [icon(severity.value), words.SEVERITIES[severity]], className=f"severity severity-{severity.value}"
    )


def state_mark(state: State) -> Component:
    return html.Span(words.STATES[state], className=f"state state-{state.value}")


def card(title: str | None, *children: Children, note: Children = None, name: str = "", place: str = "") -> Component:
    """place: a word that an address names it by, after `#`."""
    head: list[Any] = (
        [] if title is None else [html.Div([html.H2(title), html.Div(note, className="note")], className="card-head")]
    )
    inside: list[Any] = [*head, *children]
    anchor: Any = {"data-place": place} if place else {}
    return html.Section(inside, className=f"card {name}".strip(), **anchor)


def tile(
    name: str,
    value: str,
    note: str,
    spark: str | None,
    sentence: str,
    *,
    href: str | None = None,
    bad: bool = False,
    delta: Component | None = None,
    ribbon: Component | None = None,
    window: Window | None = None,
    rows: str | None = None,
) -> Component:
    """A number with its line; `sentence` says what the line shows. href: where its name leads, rows: the number.

    delta: what has changed. ribbon: the strip under the line. window: the time of the line; who draws across it with
    the mouse shows that part.
    """
    drawn: Any = {} if window is None else {"data-from": canonical(window.since), "data-to": canonical(window.until)}
    if href:
        head: Component = dcc.Link([name, icon("forward")], href=href, className="tile-name")
    else:
        head = html.Div(name, className="tile-name")
    look = "tile-value bad" if bad else "tile-value"
    number: Component = html.Span(value, className=look)
    if rows:
        number = dcc.Link(value, href=rows, className=look, title="The requests behind it")
    inside: list[Any] = [
        head,
        html.Div([number, delta], className="tile-line"),
        html.Div(note, className="tile-note"),
        html.Div(
            html.Img(src=spark, alt=sentence, title=sentence, className="spark") if spark else None,
            className="spark-frame" + (" brush" if drawn and spark else ""),
            **drawn,
        ),
        ribbon,
    ]
    return html.Div(inside, className="tile card")


def delta_mark(now: float, before: float | None, against: str, written: str, *, worse: int = 0) -> Component | None:
    """By how much a number has changed; None where that is not known.

    against: what it is compared with. written: its value then. worse: 1 when more is worse, -1 when less is.
    """
    said = words.change(now, before)
    if before is None or not said:
        return None
    rising = now > before
    moved = abs(now - before) > 0.1 * abs(before)
    mood = "" if not worse or not moved else " delta-worse" if rising == (worse > 0) else " delta-better"
    return html.Span(said, className=f"delta{mood}", title=f"{written} in the {against}")


def empty(title: str, *why: Children) -> Component:
    """Nothing to show: why, and what to do."""
    return html.Div([icon("empty"), html.H2(title), *(html.P(line) for line in why)], className="empty")


def command(text: str) -> Component:
    return html.Code(text, className="command")


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[Children]],
    *,
    caption: str,
    numbers: Sequence[int] = (),
    hidden_caption: bool = True,
    name: str = "",
    first: int | None = None,
    sheet: str | None = None,
    sorts: Sequence[str] = (),
    order: str = "",
) -> Component:
    """A plain table. numbers: columns that hold numbers, set to the right. On a small screen each row is a block.

    Its heads sort it, in the browser (assets/sheets.js). first: so many rows are seen at once. sheet: the server puts
    the rows of this one in order (dashboard.sheets), by the parts `sorts` of its columns, now by `order`.
    """
    told: Any = {"data-first": str(first)} if first and len(rows) > first else {}
    if sheet:
        told |= {"data-table": sheet, "data-order": order}

    def part(place: int) -> Any:
        return {"data-part": sorts[place]} if place < len(sorts) and sorts[place] else {}

    def cell(place: int, value: Children) -> Component:
        named: Any = {"data-head": heads[place]}  # the style sheet names the value with it on a small screen
        return html.Td(value, className="number" if place in numbers else None, **named)

    return html.Div(
        html.Table(
            [
                html.Caption(caption, className="hidden" if hidden_caption else None),
                html.Thead(
                    html.Tr(
                        [
                            html.Th(head, scope="col", className="number" if place in numbers else None, **part(place))
                            for place, head in enumerate(heads)
                        ]
                    )
                ),
                html.Tbody([html.Tr([cell(place, value) for place, value in enumerate(row)]) for row in rows]),
            ],
            className=f"table {name}".strip(),
            **told,
        ),
        className="table-frame",
    )


def twin(heads: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str) -> Component:
    """The table twin of a chart, folded away. One component, however many rows: a component a cell takes seconds."""
    data = {"head": list(heads), "body": [list(row) for row in rows], "caption": caption}
    return html.Details(
        [
            html.Summary("Show as table"),
            html.Div(dmc.Table(data=data, captionSide="top", className="table"), className="table-frame"),
        ],
        className="twin",
    )


def finding_link(stored: StoredFinding, view: View) -> Component:
    title = plain(stored.finding.title, 200)
    return dcc.Link(title or "untitled finding", href=finding_href(stored.finding.id, view), className="finding-link")


def finding_href(finding_id: str, view: View) -> str:
    return f"/findings/{finding_id}{view.kept().search()}"


def where(stored: StoredFinding, names: Names) -> str:
    """API, stage and route, as text."""
    return names.place(stored.finding.api, stored.finding.stage, stored.finding.route)


def banner(text: str, *, kind: str = "warning", retry: bool = False) -> Component:
    """A line above a page. retry: with a button that draws the page anew."""
    press: Any = {"data-press": "refresh"}
    again = html.Button("Try again", type="button", className="plain-button", **press) if retry else None
    return html.Div([icon("warning"), html.Span(text), again], className=f"banner banner-{kind}", role="status")


def stale_note(view: View, window: Window | None) -> Component | None:
    """Says that the newest data are old, so that the range counts back from them and not from now."""
    if window is None or not window.stale:
        return None
    return banner(
        f"No newer data than {words.at(window.until)}; the {view.span_label} counts back from there.", kind="info"
    )


def range_line(window: Window | None) -> Component:
    """The time a page shows, for its head."""
    said = f"{words.at(window.since)} to {words.at(window.until)}" if window else "no data yet"
    return html.P(said, className="subtitle")


def was(group: str, **values: str | None) -> Component:
    """What the controls of a group are rendered with: only a control that differs from it was touched by a person.

    Without it, a control that the back button is about to replace would write its old value into the address again.
    """
    return dcc.Store(id={"type": "was", "group": group}, data=values)


def labels_switch(view: View) -> Component:
    """Shows or hides the labels of a simulated world in the charts; its state is the address."""
    value = view.labels or "on"
    return html.Div(
        [
            was("labels", labels=value),
            html.Span("Labels", className="small"),
            dmc.SegmentedControl(
                id={"type": "url", "key": "labels"},
                data=[{"value": "on", "label": "Shown"}, {"value": "off", "label": "Hidden"}],
                value=value,
                size="xs",
                **{"aria-label": "Labels of the simulated world"},
            ),
        ],
        className="labels-switch",
    )


def skeleton(*heights: int) -> Component:
    """What stands in a page's place until its data are there."""
    return html.Div([dmc.Skeleton(height=height, radius="md", mb="md") for height in heights], className="skeleton")
