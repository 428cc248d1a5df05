"""Tab of an API's page: how long its answers take, and in which layer."""

from __future__ import annotations

import math
from typing import Any

from dash import html
from dash.development.base_component import Component

from dashboard import words
from dashboard.components import card
from dashboard.data import Reader
from dashboard.data_api import Head, Latency, SlowRoute
from dashboard.data_api import latency as read_latency
from dashboard.exported_rows import SLOW_ROUTES
from dashboard.exports import export_button
from dashboard.parts import route_name, size, unknown
from dashboard.sheets import Shown, sheet_table
from dashboard.tables import Table
from dashboard.timelines import Lines, line_figure, line_sentence, stack_figure
from dashboard.view import View

FIRST = 60
"""Routes of the page as it comes."""

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
        card(
            "Routes, slowest first",
            SLOW_TABLE.placed(reader, view, found.routes[:FIRST], len(found.routes), lambda: found.routes),
            html.Div(export_button("slow-routes"), className="rule"),
        ),
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


def slow_table(reader: Reader, view: View, listed: Shown[SlowRoute]) -> Component:  # noqa: ARG001
    def line(one: SlowRoute) -> list[Any]:
        times = (one.p50_ms, one.p95_ms, one.p99_ms, one.behind_ms)
        return [route_name(one.route), words.count(one.n), *map(words.millis, times)]

    heads = (
        ("Route", "route"),
        ("Requests", "requests"),
        ("p50", "p50_ms"),
        ("p95", "p95_ms"),
        ("p99", "p99_ms"),
        ("Back end p95", "back_end_p95_ms"),
    )
    caption = "Latency by route"
    return sheet_table(listed, view, heads, line, caption=caption, numbers=range(1, 6), one="route")


SLOW_TABLE = Table(SLOW_ROUTES, slow_table)
