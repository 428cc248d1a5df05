"""Tab of an API's page: how long its answers take, and in which layer."""

from __future__ import annotations

import math
from typing import Any

from dash import html
from dash.development.base_component import Component

from dashboard import words
from dashboard.components import card, table
from dashboard.data import Reader
from dashboard.data_api import Head, Latency
from dashboard.data_api import latency as read_latency
from dashboard.parts import route_name, size, unknown
from dashboard.timelines import Lines, line_figure, line_sentence, stack_figure
from dashboard.view import View

_LAYER_NAMES = {"authorizer": "authorizer", "integration": "integration (back end)", "gateway": "gateway itself"}


def latency(reader: Reader, of: Head, view: View) -> Component:
    found = read_latency(reader, of, view)
    if found.unknown:
        return card("Latency", unknown("Latency is not known", found.unknown))
    at = found.grid.at
    per = size(found.grid.minutes)
    parts = [
        card(
            "How long answers take",
            Lines(at, found.quantiles, words.millis).drawn(
                "quantiles",
                line_figure(at, found.quantiles, "ms", logarithmic=True),
                line_sentence(at, found.quantiles, words.millis),
                "p95",
            ),
            note=f"per {per}, logarithmic",
        ),
        card("Where the time goes", *layer_chart(found), note="mean a request, by layer"),
        card("Routes, slowest first", slow_routes(found)),
    ]
    if found.over_28s:
        said = f"{words.plural(found.over_28s, 'request')} took 28 s or longer: at 29 s the gateway gives up."
        parts.insert(0, card("At the limit", html.P(said)))
    return html.Div(parts)


def layer_chart(found: Latency) -> list[Component]:
    if not found.layers:
        return [unknown("The layers are not known", found.layers_unknown or "")]
    series = {_LAYER_NAMES[name]: values for name, values in found.layers.items()}
    at = found.grid.at
    means = {
        name: sum(one for one in values if math.isfinite(one)) / max(sum(map(math.isfinite, values)), 1)
        for name, values in series.items()
    }
    whole = sum(means.values())
    most = max(means, key=lambda name: means[name])
    sentence = (
        f"Of {words.millis(whole)} in the mean, {words.millis(means[most])} "
        f"({words.percent(means[most] / whole)}) are the {most}."
        if whole
        else "No time was spent."
    )
    figure = stack_figure(at, series, "ms", minutes=found.grid.minutes)
    return [Lines(at, series, words.millis).drawn("layers", figure, sentence, "p95")]


def slow_routes(found: Latency) -> Component:
    rows: list[list[Any]] = [
        [
            route_name(one.route),
            words.count(one.n),
            *(words.millis(ms) for ms in (one.p50_ms, one.p95_ms, one.p99_ms, one.behind_ms)),
        ]
        for one in found.routes
    ]
    heads = ("Route", "Requests", "p50", "p95", "p99", "Back end p95")
    return table(heads, rows, caption="Latency by route", numbers=range(1, 6), name="stack")
