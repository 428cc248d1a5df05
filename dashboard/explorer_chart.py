"""The Explorer's picture: requests by time and latency, or by a field, across which a selection can be drawn."""

from __future__ import annotations

import json
import math
from typing import Any
from urllib.parse import urlencode

from dash import html
from dash.development.base_component import Component

from alerts.render.plotly import plotly_text
from alerts.render.text import plain
from dashboard import words
from dashboard.charting import chart, copies, laid_out
from dashboard.components import card, empty
from dashboard.exploring import Exploration
from dashboard.figure import Figure
from dashboard.figures import ORANGE, SKY, VERMILLION
from dashboard.stacks import COLOURS
from gatewatch.records import iso

HEIGHT = 320
GREY = "#8b949e"


def picture(found: Exploration, below: Component) -> Component:
    """below: what stands under the chart."""
    if found.heat is not None:
        drawn = _heat(found)
        title = "Latency"
    elif found.lines is not None:
        drawn = _counts(found)
        title = f"Requests by {found.by.replace('_', ' ')}"
    else:
        return card("Requests", empty("Nothing to draw", "See the message above."))
    if drawn is None:
        return card(title, empty("No request fits", "Take a condition away, or another time."))
    return card(title, drawn, below, copies(api=_api(found)), note=_source(found), name="explorer-picture")


def _source(found: Exploration) -> str:
    which = found.heat or found.lines
    return "from rollups" if which is not None and which.source == "minutes" else "from raw requests"


def _api(found: Exploration) -> str:
    query: list[tuple[str, str]] = [("since", iso(found.window.since)), ("until", iso(found.window.until))]
    query += [("where", text) for text in found.where]
    if found.heat is not None:
        return f"/api/v1/heatmap?{urlencode(query)}"
    return f"/api/v1/series?{urlencode([('measure', 'requests'), ('by', found.by), *query])}"


def _heat(found: Exploration) -> Component | None:
    heat = found.heat
    assert heat is not None
    if not heat.counts:
        return None
    total = [sum(row) for row in heat.counts]
    edges = heat.edges_ms
    names = [_band(edges, place) for place in range(len(edges))]
    shown = [[round(math.log10(value), 2) if value else None for value in row] for row in heat.counts]
    top = max(max(row) for row in heat.counts)
    ticks = [tick for tick in (1, 10, 100, 1000, 10_000, 100_000, 1_000_000) if tick <= max(top, 1)]
    figure = Figure()
    figure.add_heatmap(
        x=[f"{one:%Y-%m-%dT%H:%MZ}" for one in heat.at],
        y=names,
        z=shown,
        customdata=heat.counts,
        colorscale=[[0, "#cfe8f7"], [0.5, "#3a93c9"], [1, "#0b3c5d"]],
        hovertemplate=words.zoned("%{x|%Y-%m-%d %H:%M} UTC<br>%{y}<br>%{customdata:,} requests<extra></extra>"),
        colorbar={
            "title": {"text": "requests"},
            "tickvals": [math.log10(tick) for tick in ticks],
            "ticktext": [f"{tick:,}" for tick in ticks],
            "thickness": 10,
        },
        xgap=0.5,
        ygap=0.5,
    )
    laid_out(figure, height=HEIGHT, y="latency", hover="closest")
    step = max(1, len(edges) // 8)
    figure.update_yaxes(
        type="category",
        tickvals=[names[place] for place in range(0, len(edges), step)],
        ticktext=[words.millis(edges[place]) for place in range(0, len(edges), step)],
        rangemode=None,
        range=[-0.5, len(edges) - 0.5],
        fixedrange=True,
    )
    _axes(figure, found)
    middle = _rank(total, 0.5)
    sentence = (
        f"{words.plural(sum(total), 'request')} with a latency; half of them took less than "
        f"{_upper(edges, middle)}; {words.plural(heat.over, 'request')} took 28 s or more."
    )
    rows = [[name, words.count(n)] for name, n in zip(reversed(names), reversed(total), strict=True)]
    drawn = chart("explorer", figure, sentence, ("Latency", "Requests"), rows, height=HEIGHT)
    return _brushed(drawn, found, edges)


def _rank(total: list[int], share: float) -> int:
    wanted, running = share * sum(total), 0
    for place, count in enumerate(total):
        running += count
        if running >= wanted:
            return place
    return len(total) - 1


def _upper(edges: list[float], place: int) -> str:
    return words.millis(edges[place + 1]) if place + 1 < len(edges) else "the highest that was seen"


def _band(edges: list[float], place: int) -> str:
    if place + 1 == len(edges):
        return f"{words.millis(edges[place])} or more"
    return f"{words.millis(edges[place])} to {words.millis(edges[place + 1])}"


_CLASSES = {"2xx": SKY, "3xx": GREY, "4xx": ORANGE, "5xx": VERMILLION}
"""A failure has the same colour as everywhere, whatever its place in the list."""


def _colour(field: str, value: str | None, number: int, *, other: bool) -> str:
    if other:
        return GREY
    known = _CLASSES.get(value or "") if field == "status_class" else None
    return known or COLOURS[number % len(COLOURS)]


def _counts(found: Exploration) -> Component | None:
    lines = found.lines
    assert lines is not None
    sums = [sum(value for value in one.points if not math.isnan(value)) for one in lines.lines]
    if not sum(sums):
        return None
    figure = Figure()
    names = [
        "all others" if one.other else "none" if one.value is None else plain(one.value, 80) for one in lines.lines
    ]
    for number, (one, name) in enumerate(zip(lines.lines, names, strict=True)):
        figure.add_bar(
            x=[words.axis(at) for at in lines.at],
            y=[None if math.isnan(value) else value for value in one.points],
            name=plotly_text(name, 40),
            marker={"color": _colour(found.by, one.value, number, other=one.other), "line": {"width": 0}},
            hovertemplate="%{y:,}",
        )
    laid_out(figure, height=HEIGHT, y="requests")
    figure.update_layout(barmode="stack", bargap=0.05)
    figure.update_yaxes(fixedrange=True)
    _axes(figure, found)
    whole = sum(sums)
    sentence = (
        f"{words.plural(int(whole), 'request')} in {words.plural(lines.groups, 'group')}; most of them, "
        f"{words.percent(sums[0] / whole)}, with {found.by.replace('_', ' ')} {names[0]}."
    )
    rows = [[name, words.count(n), words.percent(n / whole)] for name, n in zip(names, sums, strict=True)]
    heads = (found.by.replace("_", " "), "Requests", "Share")
    drawn = chart("explorer", figure, plain(sentence, 400), heads, rows, height=HEIGHT)
    return _brushed(drawn, found, [])


def _axes(figure: Figure, found: Exploration) -> None:
    """Time as the page shows it, and the selection in it."""
    figure.update_xaxes(
        range=[words.axis(found.window.since), words.axis(found.window.until)],
        fixedrange=True,
        hoverformat=words.zoned("%Y-%m-%d %H:%M UTC"),
    )
    figure.update_layout(dragmode=False)
    chosen = found.chosen
    if chosen is None or (chosen.since is None and chosen.until is None and chosen.low_ms is None):
        return
    low, high = 0.0, 1.0
    across = "paper"
    if found.heat is not None and (chosen.low_ms is not None or chosen.high_ms is not None):
        edges = found.heat.edges_ms
        low, high = _place(edges, chosen.low_ms or 0.0), _place(edges, chosen.high_ms)
        across = "y"
    figure.add_shape(
        type="rect",
        x0=words.axis(chosen.since or found.window.since),
        x1=words.axis(chosen.until or found.window.until),
        y0=low,
        y1=high,
        yref=across,
        line={"color": "#D55E00", "width": 2},
        fillcolor="rgba(213,94,0,0.10)",
    )


def _place(edges: list[float], value: float | None) -> float:
    """Where a latency stands on the axis of bands."""
    if value is None:
        return len(edges) - 0.5
    return sum(1 for edge in edges if edge <= value) - 0.5 if value > 0 else -0.5


def _brushed(drawn: Component, found: Exploration, edges: list[float]) -> Component:
    """A chart across which a selection can be drawn: explorer.js."""
    told: Any = {
        "data-from": iso(found.window.since),
        "data-to": iso(found.window.until),
        "data-edges": json.dumps([round(edge, 3) for edge in edges]),
        "data-term": (found.chosen.term or "") if found.chosen else "",
    }
    modes = [("box", "Box"), ("time", "Time"), ("latency", "Latency")] if edges else [("time", "Time")]

    def one(place: int, name: str, text: str) -> Component:
        asked: Any = {"data-mode": name, "aria-pressed": "true" if place == 0 else "false"}
        return html.Button(text, type="button", className="choice", **asked)

    choice = html.Div(
        [
            html.Span("Draw to select:", className="small"),
            *(one(place, name, text) for place, (name, text) in enumerate(modes)),
        ],
        className="choices explorer-modes",
        role="group",
    )
    return html.Div([choice, html.Div(drawn, className="explorer-brush", **told)])
