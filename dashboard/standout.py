"""What is different from before, as bars: the values of each dimension with their share now and then."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dash import html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import meaning, words
from gatewatch.records import JSON

MOST_DIMENSIONS = 8
SAME = 0.02
"""A share that moved by less is told as unchanged."""

COLUMNS: Mapping[str, str] = {
    "client_ip": "client_ip",
    "principal": "principal",
    "api_key_id": "api_key_id",
    "user_agent": "user_agent",
    "route": "route",
    "reject_cause": "reject_cause",
}
"""Dimensions by which the rows of requests can be filtered, and the column of the grid."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a dimension: how many requests had it, its share of them, and its share before."""

    dimension: str
    raw: str
    n: float | None
    share: float
    before: float

    @property
    def moved(self) -> float:
        return self.share - self.before


def dimensions(listed: JSON) -> list[tuple[str, list[Value]]]:
    """Dimension -> its values, the dimension that moved most first. listed: `top` of an evidence card."""
    found: dict[str, list[Value]] = {}
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict):
            name = str(one.get("dimension"))
            made = Value(
                name, str(one.get("value")), _number(one.get("n")), _share(one, "share"), _share(one, "share_before")
            )
            found.setdefault(name, []).append(made)
    ranked = sorted(found.items(), key=lambda pair: -max(abs(one.moved) for one in pair[1]))
    return [(name, sorted(values, key=lambda one: -one.share)) for name, values in ranked[:MOST_DIMENSIONS]]


def sentence(found: Sequence[tuple[str, list[Value]]]) -> str:
    """The largest difference in words; '' when nothing moved."""
    moved = [one for _, values in found for one in values if abs(one.moved) >= SAME]
    if not moved:
        return "No value has a share that differs from before."
    top = max(moved, key=lambda one: abs(one.moved))
    name = meaning.DIMENSIONS.get(top.dimension, plain(top.dimension, 40).replace("_", " ")).lower()
    said = meaning.value(top.dimension, top.raw, 80)
    return (
        f"The largest difference: {name} {said}, {words.percent(top.share)} now and {words.percent(top.before)} before."
    )


def bars(found: Sequence[tuple[str, list[Value]]]) -> Component:
    """A list of bars for each dimension; the thin line in a bar is the share before."""
    groups = [
        html.Section(
            [
                html.H3(meaning.DIMENSIONS.get(name, plain(name, 40).replace("_", " ").capitalize())),
                html.Ul([_bar(one) for one in values]),
            ],
            className="dimension",
        )
        for name, values in found
    ]
    return html.Div(groups, className="dimensions")


def rows(found: Sequence[tuple[str, list[Value]]]) -> list[list[str]]:
    """The same as a table."""
    return [
        [
            meaning.DIMENSIONS.get(one.dimension, plain(one.dimension, 40)),
            meaning.value(one.dimension, one.raw),
            words.count(one.n),
            words.percent(one.share),
            words.percent(one.before),
        ]
        for _, values in found
        for one in values
    ]


def _bar(one: Value) -> Component:
    said = meaning.value(one.dimension, one.raw)
    shares = f"{words.percent(one.share)} now, {words.percent(one.before)} before"
    moved = "" if abs(one.moved) < SAME else " more" if one.moved > 0 else " less"
    wide, was = (f"{min(max(share, 0.0), 1.0) * 100:.1f}%" for share in (one.share, one.before))
    hidden: dict[str, Any] = {"aria-hidden": "true"}
    return html.Li(
        [
            html.Div([html.Span(said, className="bar-value", title=said), _buttons(one, said)], className="bar-head"),
            html.Div(
                [
                    html.Span(className=f"bar-now{moved}", style={"width": wide}),
                    html.Span(className="bar-before", style={"left": was}),
                ],
                className="bar-track",
                **hidden,
            ),
            html.Div(f"{words.plural(round(one.n or 0), 'request')} · {shares}", className="small"),
        ]
    )


def _buttons(one: Value, said: str) -> Component | None:
    """Only these of the requests below, or all but these."""
    column = COLUMNS.get(one.dimension)
    if column is None:
        return None
    shown = said if one.dimension == "reject_cause" else plain(one.raw, 300)
    wish = json.dumps({"column": column, "value": shown})
    name = plain(said, 60)

    def button(label: str, key: str, what: str) -> Component:
        named: dict[str, Any] = {key: wish, "aria-label": f"{what} {name}"}
        return html.Button(label, type="button", className="bar-button", **named)

    both = [button("only", "data-only", "Only requests with"), button("without", "data-without", "Requests without")]
    return html.Span(both, className="bar-buttons")


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _share(one: Mapping[str, JSON], name: str) -> float:
    return _number(one.get(name)) or 0.0
