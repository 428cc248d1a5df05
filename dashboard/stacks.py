"""Stacked bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alerts.render.plotly import plotly_text
from dashboard.charting import laid_out
from dashboard.figure import Figure
from dashboard.figures import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION

COLOURS = (SKY, ORANGE, GREEN, PURPLE, VERMILLION, BLUE)

TICKS = 10


def stacked(
    places: Sequence[str],
    parts: Mapping[str, Sequence[float]],
    *,
    height: int,
    unit: str,
    hover: str,
    across: bool = False,
    colours: Sequence[str] = COLOURS,
) -> Figure:
    """Bars upon each other: for each part one value a place. across: bars lie. hover: format of a value."""
    figure = Figure()
    names = [plotly_text(place, 60) for place in places]
    axis = "x" if across else "y"
    for number, (part, values) in enumerate(parts.items()):
        told = {"x": list(values), "y": names} if across else {"x": names, "y": list(values)}
        figure.add_bar(
            **told,
            name=plotly_text(part, 40),
            orientation="h" if across else "v",
            marker={"color": colours[number % len(colours)], "line": {"width": 0}},
            hovertemplate=f"%{{{axis}:{hover}}}",
        )
    laid_out(figure, height=height, y="" if across else unit, x=unit if across else "", hover=f"{axis} unified")
    figure.update_layout(barmode="stack", bargap=0.25, hovermode="y unified" if across else "x unified")
    if across:
        # Each name stands above its bar: beside it, it would take two thirds of a small screen.
        figure.update_layout(bargap=0.62)
        figure.update_yaxes(autorange="reversed", type="category", rangemode=None, showticklabels=False)
        figure.update_xaxes(rangemode="tozero")
        for name in names:
            figure.add_annotation(
                x=0, xref="paper", y=name, yshift=7, text=name, showarrow=False, xanchor="left", yanchor="bottom"
            )
    else:
        figure.update_xaxes(type="category", nticks=TICKS)  # else each has one, and a month's lie upon each other
        figure.update_yaxes(exponentformat="none")
    return figure
