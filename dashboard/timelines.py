"""Stacked bars and bands over time: the figure, its sentence, its table twin, and the card that holds them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dash.development.base_component import Component

from alerts.render.plotly import plotly_text
from dashboard import words
from dashboard.annotations import beside
from dashboard.charting import chart
from dashboard.figure import Figure
from dashboard.figures import BLUE, GREEN, ORANGE, PURPLE, SKY, TIME_TICKS, VERMILLION
from dashboard.ribbon import SERIES, marked

GREY, YELLOW = "#8c959f", "#b8a400"
COLOURS = (VERMILLION, BLUE, ORANGE, PURPLE, GREEN, SKY, YELLOW)
OTHER = "other"
MOST = len(COLOURS)

Series = Mapping[str, Sequence[float]]
Written = Callable[[float | None], str]


def busiest(series: Series, most: int = MOST) -> dict[str, list[float]]:
    """The `most` largest by their sum, the rest as one; what is nothing but zero is left out."""
    sums = {name: math.fsum(one for one in values if math.isfinite(one)) for name, values in series.items()}
    order = sorted((name for name in series if sums[name] > 0), key=lambda name: (-sums[name], name))
    if len(order) > most:
        order, rest = order[: most - 1], order[most - 1 :]
        lines = [series[name] for name in rest]
        return {name: list(series[name]) for name in order} | {
            f"{OTHER} ({len(rest)})": [math.fsum(column) for column in zip(*lines, strict=True)]
        }
    return {name: list(series[name]) for name in order}


def stack_figure(
    at: Sequence[datetime],
    series: Series,
    unit: str,
    *,
    minutes: int,
    height: int = 280,
    colours: Mapping[str, str] | None = None,
    beside: bool = False,
) -> Figure:
    """Bars of `minutes`, a colour a name, upon each other or beside. NaN is no bar; the page puts in the template."""
    own = colours or {}
    wide = minutes * 60_000 * 0.92 / (max(len(series), 1) if beside else 1)
    figure = Figure()
    times = [words.axis(one) for one in at]
    for place, (name, values) in enumerate(series.items()):
        figure.add_bar(
            x=times,
            y=list(values),
            name=plotly_text(name, 60),
            marker={
                "color": own.get(name) or (GREY if name.startswith(OTHER) else COLOURS[place % MOST]),
                "line": {"width": 0},
            },
            width=wide,
            offset=wide * place if beside else 0,
            hovertemplate="%{y:,.4~g} " + plotly_text(unit, 40),
        )
    return _finished(figure, unit, height, barmode="overlay" if beside else "stack")


def line_figure(
    at: Sequence[datetime],
    series: Series,
    unit: str,
    *,
    height: int = 280,
    dashed: Sequence[str] = (),
    logarithmic: bool = False,
) -> Figure:
    """A line a name; gaps stay gaps. logarithmic: so that an outage does not flatten the days around it."""
    figure = Figure()
    times = [words.axis(one) for one in at]
    for place, (name, values) in enumerate(series.items()):
        figure.add_scatter(
            x=times,
            y=[one if math.isfinite(one) else None for one in values],
            name=plotly_text(name, 60),
            mode="lines",
            line={
                "color": COLOURS[(place + 1) % MOST],
                "width": 1.8,
                "dash": "dot" if name in dashed else "solid",
            },
            hovertemplate="%{y:,.4~g} " + plotly_text(unit, 40),
        )
    _finished(figure, unit, height)
    if logarithmic:
        ticks = [step * 10.0**decade for decade in range(-3, 9) for step in ((1, 2, 5) if _narrow(series) else (1,))]
        # Plotly's own marks between the powers of ten are single digits, which read as values.
        figure.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{one:,g}" for one in ticks], rangemode="normal")
    return figure


def _narrow(series: Series) -> bool:
    """Whether all values lie within two powers of ten."""
    known = [one for values in series.values() for one in values if math.isfinite(one) and one > 0]
    return bool(known) and max(known) < 100 * min(known)


def _finished(figure: Figure, unit: str, height: int, **layout: Any) -> Figure:
    figure.update_layout(
        hovermode="x unified",
        height=height,
        uirevision="keep",
        showlegend=len(figure.data) > 1,
        margin={"l": 8, "r": 12, "t": 40 if len(figure.data) > 1 else 12, "b": 8},
        xaxis={
            "title": {"text": words.zoned("time (UTC)"), "standoff": 4},
            "hoverformat": words.zoned("%Y-%m-%d %H:%M UTC"),
            "type": "date",
            **TIME_TICKS,
        },
        yaxis={"title": {"text": plotly_text(unit, 40), "standoff": 4}, "rangemode": "tozero"},
        **layout,
    )
    return figure


def stack_sentence(at: Sequence[datetime], series: Series, unit: str) -> str:
    """What a stack shows: how much in all, of what most, and when it was highest."""
    sums = {name: math.fsum(one for one in values if math.isfinite(one)) for name, values in series.items()}
    total = math.fsum(sums.values())
    if not total:
        return f"No {unit} in this range."
    most = max(sums, key=lambda name: sums[name])
    columns = [math.fsum(one for one in column if math.isfinite(one)) for column in zip(*series.values(), strict=True)]
    high = max(range(len(columns)), key=columns.__getitem__)
    said = f"{words.count(total)} {unit}"
    if len(sums) > 1:
        said += f", {words.percent(sums[most] / total)} of them {most}"
    return f"{said}; the most at {words.at(at[high])} ({words.count(columns[high])})."


def line_sentence(at: Sequence[datetime], series: Series, written: Written) -> str:
    """The highest value of each line, and when."""
    parts = []
    for name, values in series.items():
        known = [place for place, value in enumerate(values) if math.isfinite(value)]
        if known:
            high = max(known, key=lambda place: values[place])
            parts.append(f"{name} up to {written(values[high])} at {words.at(at[high])}")
    return "; ".join(parts) + "." if parts else "Nothing is known for this range."


@dataclass(frozen=True, slots=True)
class Lines:
    """What a chart over time shows, and how its numbers are written."""

    at: Sequence[datetime]
    series: Series
    written: Written

    def drawn(self, name: str, figure: Figure, sentence: str, of: str | None = None) -> Component:
        """The chart with its sentence, its table and what happened beside it.

        name: unlike any other chart's on the page. of: the series (ribbon.SERIES) whose findings underline it; None:
        all findings do.
        """
        if known := beside():
            sentence = f"{sentence} {marked(figure, known, self.at, SERIES[of] if of else ())}".strip()
        rows = [
            [words.bare(one), *(self.written(values[place]) for values in self.series.values())]
            for place, one in enumerate(self.at)
        ]
        return chart(name, figure, sentence, (words.zoned("Time (UTC)"), *self.series), rows, height=figure.height)
