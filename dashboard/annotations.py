"""What happened beside the numbers: deployments, configuration changes, incidents and gaps in the data, on every chart.

`Reader.notes` reads them, `lane` draws them as a strip of links, `annotate` puts them into a Plotly figure, `toggles`
switches their kinds off and on; which are off stands in the address (`notes`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any

import pyarrow as pa
from dash import dcc, html
from dash.development.base_component import Component

from alerts.render.plotly import plotly_text
from alerts.render.text import plain
from dashboard import words
from dashboard.components import twin
from dashboard.figure import Figure
from dashboard.names import Names
from dashboard.view import View, Window
from detect.changes import class_of
from gatewatch.records import ChangeEvent
from gatewatch.store.episodes import Episode

KINDS: dict[str, tuple[str, str]] = {
    "deployment": ("Deployments", "#0072B2"),
    "config": ("Changes", "#CC79A7"),
    "incident": ("Findings", "#D55E00"),
    "gap": ("Gaps", "#8b949e"),
}
"""Kind -> what people call it, and its colour."""

MOST = 60
MOST_TOLD = 200
"""Lines of the table twin of the lane."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened at a time, or from then until. more: how many others it stands for."""

    kind: str
    at: datetime
    until: datetime | None
    said: str
    href: str
    more: int = 0


def off(view: View) -> set[str]:
    """The kinds that are not shown."""
    return set((view.notes or "").split(",")) & set(KINDS)


def notes_of(
    view: View,
    window: Window,
    events: Sequence[ChangeEvent],
    found: Sequence[Episode],
    intervals: pa.Table,
    names: Names,
    since: datetime | None = None,
) -> list[Note]:
    """What is shown in a window, by time; of each kind at most MOST, near ones together. since: see `gaps`."""
    hidden = off(view)
    kept = view.kept()
    by_kind: dict[str, list[_Mark]] = {kind: [] for kind in KINDS}

    def change(event: ChangeEvent) -> tuple[str, str]:
        who = f" by {plain(event.change.actor, 60)}" if event.change.actor else ""
        return f"{plain(event.change.what, 120)}{who}", _around(kept, event.change.at)

    def finding(one: Episode) -> tuple[str, str]:
        said = f"{words.SEVERITIES[one.severity]}, {words.KINDS[one.kind]}: {names.place(one.api, one.stage)}"
        return said, f"/findings/{one.id}{kept.search()}"

    def gap(start: datetime, end: datetime) -> tuple[str, str]:
        return "No source delivered", kept.between(start, end).search()

    for event in events:
        kind = "deployment" if _deploys(event.change.what) else "config"
        by_kind[kind].append((event.change.at, None, partial(change, event)))
    for one in found:
        by_kind["incident"].append((one.start, one.end or window.until, partial(finding, one)))
    for start, end in gaps(intervals, window, since):
        by_kind["gap"].append((start, end, partial(gap, start, end)))
    shown = [note for kind, marks in by_kind.items() if kind not in hidden for note in _thinned(kind, marks, window)]
    return sorted(shown, key=lambda note: (note.at, note.kind))


_Mark = tuple[datetime, datetime | None, Callable[[], tuple[str, str]]]
"""At, until, and what gives its words and where it leads: of thousands only some are ever said."""


def _deploys(what: str) -> bool:
    """New code or a deployment of a stage went live; all else is configuration."""
    return class_of(what) == "code" or "deployment" in what.lower()


def _around(kept: View, at: datetime) -> str:
    """The changes of the half hour around this one."""
    half = timedelta(minutes=30)
    return "/changes" + kept.between(at - half, at + half).search()


def gaps(intervals: pa.Table, window: Window, since: datetime | None = None) -> list[tuple[datetime, datetime]]:
    """Times of the window in which no source delivered, of at least a minute. since: data begin in it, not before."""
    out = []
    last = window.since if since is None else since
    for start, end in sorted((row["start"], row["end"]) for row in intervals.to_pylist()):
        if start - last >= timedelta(minutes=1):
            out.append((last, min(start, window.until)))
        last = max(last, end)
    if window.until - last >= timedelta(minutes=2):  # the minute that is going on is no gap
        out.append((last, window.until))
    return out


def _thinned(kind: str, marks: Sequence[_Mark], window: Window) -> list[Note]:
    """What would lie upon each other is one."""
    near = window.span / MOST
    out: list[tuple[_Mark, int]] = []
    for at, until, say in sorted(marks, key=lambda one: one[0]):
        if out and at - out[-1][0][0] < near and kind != "gap":
            (first, last, said), more = out[-1]
            out[-1] = (first, max(filter(None, (last, until)), default=None), said), more + 1
        else:
            out.append(((at, until, say), 0))
    return [Note(kind, at, until, *say(), more) for (at, until, say), more in out]


def text_of(note: Note) -> str:
    """`2026-06-09 12:00 UTC: UpdateStage by ci (and 2 more)`."""
    lasted = f" for {words.duration(note.until - note.at)}" if note.until else ""
    more = f" (and {note.more} more)" if note.more else ""
    return f"{words.at(note.at)}{lasted}: {note.said}{more}"


def place(at: datetime, window: Window) -> float:
    """Where an instant lies in a window, in percent of its width."""
    return max(0.0, min(100.0, 100 * ((at - window.since) / window.span)))


def lane(window: Window, notes: Sequence[Note], view: View, *, changes_page: bool) -> Component:
    """A strip with a row for each kind that is shown; each mark leads to what it stands for.

    changes_page: there is a page that changes lead to; without one they say what they are, and lead nowhere.
    """
    rows = [
        html.Div(
            [
                html.Span(name, className="lane-name"),
                html.Div(
                    [
                        _mark(note, window, link=changes_page or kind in {"incident", "gap"})
                        for note in notes
                        if note.kind == kind
                    ],
                    className="lane-track",
                ),
            ],
            className=f"lane-row lane-{kind}",
        )
        for kind, (name, _) in KINDS.items()
        if kind not in off(view) and any(note.kind == kind for note in notes)
    ]
    if not rows:
        return html.Div("Nothing that is shown here happened in this range.", className="small lane")
    form = (
        "%H:%M" if window.span <= timedelta(days=1) else "%d %b %H:%M" if window.span <= timedelta(days=7) else "%d %b"
    )
    axis = [html.Span(words.local(window.since + window.span * step / 4).strftime(form)) for step in range(5)]
    shown = sorted((note for note in notes if note.kind not in off(view)), key=lambda note: note.at)
    told = [
        [
            KINDS[note.kind][0],
            words.at(note.at),
            words.at(note.until),
            note.said + (f" (+{note.more})" if note.more else ""),
        ]
        for note in shown[:MOST_TOLD]
    ]
    return html.Div(
        [
            html.Div([*rows, html.Div(axis, className="lane-axis")], className="lane"),
            html.P(lane_sentence(shown), className="small lane-said"),
            twin(("What", "From", "To", "Which"), told, caption="What happened in this range, in its order"),
        ]
    )


def lane_sentence(notes: Sequence[Note]) -> str:
    """How much happened, and what last."""
    many = [(KINDS[kind][0].lower(), sum(1 + note.more for note in notes if note.kind == kind)) for kind in KINDS]
    counted = ", ".join(f"{words.count(n)} {name if n > 1 else name.removesuffix('s')}" for name, n in many if n)
    last = max(notes, key=lambda note: note.at)
    return f"{counted}; the last begins {text_of(last)}."


def _mark(note: Note, window: Window, *, link: bool) -> Component:
    said = text_of(note)
    left = place(note.at, window)
    width = 0.0 if note.until is None else place(note.until, window) - left
    style = {"left": f"{left:.2f}%", **({"width": f"{max(width, 0.4):.2f}%"} if note.until else {})}
    shape = "lane-span" if note.until else "lane-point"
    if link:
        made: Component = dcc.Link(
            html.Span(said, className="hidden"), href=note.href, title=said, className=shape, style=style
        )
    else:
        made = html.Span(html.Span(said, className="hidden"), title=said, className=shape, style=style)
    return made


def toggles(view: View) -> Component:
    """A button a kind, pressed when it is shown."""
    hidden = off(view)

    def button(kind: str) -> Component:
        after = ",".join(sorted(hidden ^ {kind})) or None
        asked: Any = {
            "data-set": json.dumps({"notes": after}),
            "aria-pressed": "false" if kind in hidden else "true",
        }
        return html.Button(
            [html.Span(className=f"swatch swatch-{kind}"), KINDS[kind][0]], type="button", className="toggle", **asked
        )

    label: Any = {"aria-label": "What is marked in the charts"}
    return html.Div([button(kind) for kind in KINDS], className="toggles", role="group", **label)


def annotate(figure: Figure, notes: Sequence[Note]) -> Figure:
    """Lines for what happened at a time, shades for what lasted; hover says what it was. The figure's x is time."""
    points = [note for note in notes if note.until is None]
    for note in notes:
        colour = KINDS[note.kind][1]
        x0 = words.axis(note.at)
        if note.until is None:
            line = {"color": colour, "width": 1, "dash": "dot"}
            figure.add_shape(type="line", x0=x0, x1=x0, y0=0, y1=1, yref="paper", line=line, layer="below")
        elif note.kind == "gap":  # incidents stand in the ribbon: their shades would hide each other
            x1 = words.axis(note.until)
            shade = {"fillcolor": colour, "opacity": 0.14, "line": {"width": 0}}
            figure.add_shape(type="rect", x0=x0, x1=x1, y0=0, y1=1, yref="paper", layer="below", **shade)
    if points:
        figure.add_scatter(
            x=[words.axis(note.at) for note in points],
            y=[0.98] * len(points),
            yaxis="y9",
            mode="markers",
            marker={"symbol": "diamond", "size": 8, "color": [KINDS[note.kind][1] for note in points]},
            text=[plotly_text(text_of(note), 200) for note in points],
            customdata=[note.href for note in points],
            hovertemplate="%{text}<extra></extra>",
            name="what happened",
            showlegend=False,
        )
        _beside_axis(figure)
    return figure


def _beside_axis(figure: Figure) -> None:
    """An axis of its own from 0 to 1, over that of the numbers."""
    axis = {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True}
    figure.update_layout(yaxis9=axis)


def underline(figure: Figure, found: Sequence[Run]) -> Figure:
    """The anomaly ribbon as a strip at the foot of a figure; a click opens the findings of a part."""
    if not found:
        return figure
    figure.add_bar(
        x=[words.axis(run.since + (run.until - run.since) / 2) for run in found],
        y=[0.035] * len(found),
        width=[(run.until - run.since) / timedelta(milliseconds=1) for run in found],
        yaxis="y9",
        marker={"color": [f"rgba(155,28,77,{0.2 + 0.2 * run.dark:.1f})" for run in found], "line": {"width": 0}},
        text=[f"{words.plural(run.findings, 'finding')}, {words.duration(run.until - run.since)}" for run in found],
        textposition="none",
        customdata=[run.href for run in found],
        hovertemplate="%{text}<extra></extra>",
        name="findings",
        showlegend=False,
    )
    _beside_axis(figure)
    return figure


@dataclass(frozen=True, slots=True)
class Run:
    """A dark part of a ribbon: buckets in a row of one darkness. href: the findings of that span."""

    since: datetime
    until: datetime
    dark: int
    findings: int
    href: str = ""


@dataclass(frozen=True, slots=True)
class Beside:
    """What is known beside the numbers of the page that is being drawn."""

    view: View
    window: Window
    notes: Sequence[Note]
    episodes: Sequence[Episode]


_beside: ContextVar[Callable[[], Beside | None] | None] = ContextVar("gatewatch_beside", default=None)


@contextmanager
def drawing(read: Callable[[], Beside | None]) -> Iterator[None]:
    """While a page is drawn, its charts may ask for what is beside them; it is read when the first one does."""
    token = _beside.set(cache(read))
    try:
        yield
    finally:
        _beside.reset(token)


def beside() -> Beside | None:
    """None outside of a page, and in an empty store."""
    read = _beside.get()
    return None if read is None else read()


def sentence(notes: Sequence[Note]) -> str:
    """What is marked, in words, for who cannot see it; '' when nothing is."""
    if not notes:
        return ""
    said = [
        words.plural(sum(1 + one.more for one in notes if one.kind == kind), name.lower().rstrip("s"))
        for kind, (name, _) in KINDS.items()
        if any(one.kind == kind for one in notes)
    ]
    return f"Marked: {', '.join(said)}."


def span_href(view: View, since: datetime, until: datetime, kinds: Sequence[str] = ()) -> str:
    """The findings of a span: where a mark of a ribbon leads."""
    kept = view.kept().between(since, until)
    if len(kinds) == 1:
        return "/findings" + kept.search(kind=kinds[0])
    if kinds:
        return "/findings" + kept.search(f=(f"kind in {','.join(kinds)}",))
    return "/findings" + kept.search()
