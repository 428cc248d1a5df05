"""A chart on a page: the picture, the sentence that says the same, its table twin, and how to ask for its data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.components import twin
from dashboard.figure import Figure
from dashboard.later import Later


def chart(
    name: str,
    figure: Figure,
    sentence: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    height: int,
    caption: str = "",
) -> Component:
    """name: unlike that of any other chart of the page. heads, rows: the twin; caption: its own, else the sentence."""
    drawn = picture(name, figure, sentence, height=height)
    return html.Div([drawn, html.P(sentence, className="small"), twin(heads, rows, caption=caption or sentence)])


def picture(name: str, figure: Figure, sentence: str, *, height: int) -> Component:
    """The chart alone."""
    named: Any = {"role": "img", "aria-label": sentence}
    drawn = dcc.Graph(
        id={"type": "chart", "name": name},
        figure={"layout": {"height": height}},
        mathjax=False,
        responsive=True,
        config={"displaylogo": False, "displayModeBar": False, "plotGlPixelRatio": 1},
        style={"height": f"{height}px"},
    )
    data = dcc.Store(id={"type": "figure", "name": name}, data=figure.plain() | {"frames": []})
    return html.Div([data, Later(drawn, f"{height}px")], **named)


def laid_out(figure: Figure, *, height: int, y: str, x: str = "", hover: str = "x unified") -> Figure:
    """What all charts of the page share; the template is put in by the page, so that it follows the theme."""
    figure.update_layout(
        hovermode=hover,
        height=height,
        uirevision="keep",
        xaxis={"title": {"text": x, "standoff": 4}, "tickangle": 0},
        yaxis={"title": {"text": y, "standoff": 4}, "rangemode": "tozero"},
    )
    return figure


def copies(*, api: str | None = None, cli: str | None = None) -> Component:
    """How to ask for the same outside of the page, each with a button that copies it."""
    one = {"API": "Copy as API call", "Command": "Copy as command"}
    told = [(name, text) for name, text in (("API", api), ("Command", cli)) if text]
    return html.Details(
        [
            html.Summary("Copy as API call or command" if len(told) > 1 else one[told[0][0]]),
            *(copied(name, text) for name, text in told),
        ],
        className="copies",
    )


def copied(name: str, text: str, *, block: bool = False) -> Component:
    """Text to copy. block: of many lines."""
    shown = html.Pre(text, className="command") if block else html.Code(text, className="command")
    asked: Any = {"aria-label": f"Copy {name}"}
    return html.Div(
        [
            html.Span(name, className="small"),
            shown,
            html.Button("Copy", className="plain-button copy", type="button", **asked),
        ],
        className="copied copied-block" if block else "copied",
    )
