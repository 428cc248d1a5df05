"""The Explorer's ranking: what a selection differs in, with buttons that take a value in or leave it out."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from dash import html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.charting import copies
from dashboard.choices import button
from dashboard.components import card, empty, table
from dashboard.exploring import Exploration, Selected
from dashboard.view import View
from gatewatch.records import iso
from gatewatch.store.difference import Difference, Dimension, Value
from gatewatch.store.request_fields import REQUEST_FIELDS
from gatewatch.where import Type

SHOWN_DIMENSIONS = 8
SHOWN_VALUES = 4
_PRESETS = (
    ("Failed (5xx)", Selected(term="status >= 500")),
    ("Refused (4xx)", Selected(term="status_class = 4xx")),
    ("Slow (1 s or more)", Selected(low_ms=1000.0)),
    ("Throttled", Selected(term="reject_cause = throttle")),
)


def differences(view: View, found: Exploration) -> Component:
    presets = html.Div(
        [
            html.Span("Select:", className="small"),
            *(
                button(text, chosen=found.chosen == one, name="choice", sel=str(one), cursor=None)
                for text, one in _PRESETS
            ),
            *_halves(found),
        ],
        className="choices",
        role="group",
    )
    differs = found.differs
    if differs is None:
        why = "Draw across the chart, write two times below it, or take one of these:"
        return card("What is different", empty("Nothing is selected", why), presets, name="explorer-differences")
    if not differs.selected or not differs.rest:
        text = "No request is selected." if not differs.selected else "All requests are selected: there is no rest."
        return card("What is different", presets, html.P(text, className="lead"), name="explorer-differences")
    telling = [one for one in differs.dimensions if one.score > 0]
    said = (
        f"{words.plural(differs.selected, 'request')} selected, compared with the other {words.count(differs.rest)}. "
        + ("Each bar pair: share of the selected, share of the rest." if telling else "No field surely differs.")
    )
    sampled = _sampled(differs)
    listed = [_dimension(one, view) for one in telling[:SHOWN_DIMENSIONS]]
    equal = [one.name.replace("_", " ") for one in differs.dimensions if one.score == 0]
    same = html.P(f"Not surely different: {', '.join(equal)}.", className="small") if equal else None
    return card(
        "What is different",
        presets,
        html.P(said, className="lead"),
        sampled,
        html.Div(listed, className="dimensions"),
        _numbers(differs),
        same,
        copies(api=_difference_api(found)),
        name="explorer-differences",
    )


def _halves(found: Exploration) -> list[Component]:
    middle = found.window.since + (found.window.until - found.window.since) / 2
    later = Selected(since=middle.replace(second=0, microsecond=0))
    return [button("Second half", chosen=found.chosen == later, name="choice", sel=str(later), cursor=None)]


def _sampled(differs: Difference) -> Component | None:
    every = [
        f"1 of {step} {which}"
        for step, which in ((differs.selected_every, "selected"), (differs.rest_every, "of the rest"))
        if step > 1
    ]
    if not every:
        return None
    return html.P(f"Values were compared in a sample: {' and '.join(every)}.", className="small")


def _difference_api(found: Exploration) -> str:
    query = [("since", iso(found.window.since)), ("until", iso(found.window.until))]
    query += [("where", text) for text in found.where]
    chosen = found.chosen
    assert chosen is not None
    query += [("select", text) for text in chosen.texts]
    query += [("select_since", iso(chosen.since))] if chosen.since else []
    query += [("select_until", iso(chosen.until))] if chosen.until else []
    return f"/api/v1/difference?{urlencode(query)}"


def _dimension(one: Dimension, view: View) -> Component:
    chosen = html.Span("selected by this", className="chip") if one.chosen else None
    values = [value for value in one.values if value.sure][:SHOWN_VALUES]
    return html.Section(
        [html.H3([one.name.replace("_", " "), chosen]), *(_value(one.name, value, view) for value in values)],
        className="dimension",
    )


def _value(name: str, value: Value, view: View) -> Component:
    text = "none" if value.value is None else plain(value.value, 90)
    said = (
        f"{text}: {words.percent(value.selected_share)} of the selected, {words.percent(value.rest_share)} of the "
        f"rest, surely {words.percent(abs(value.sure))} {'more' if value.sure > 0 else 'less'}; "
        f"{words.plural(value.selected, 'selected request')} from about {words.plural(value.callers, 'caller')}"
    )
    acts: list[Component] = []
    if name in REQUEST_FIELDS.fields:
        is_word = REQUEST_FIELDS.fields[name] is Type.WORD
        yes = f"{name} is empty" if value.value is None else f"{name} = {value.value}"
        no = f"{name} is set" if value.value is None else f"{name} != {value.value}"
        if value.value is not None or not is_word or name in REQUEST_FIELDS.optional:
            acts = [
                button("+", name="include", label=f"Only {plain(yes, 120)}", f=_with(view, yes), cursor=None),
                button("−", name="include", label=f"Without: {plain(no, 120)}", f=_with(view, no), cursor=None),
            ]
    unheard: Any = {"aria-hidden": "true"}
    bars = html.Span(
        [
            html.Span(className="share share-selected", style={"width": f"{100 * value.selected_share:.1f}%"}),
            html.Span(className="share share-rest", style={"width": f"{100 * value.rest_share:.1f}%"}),
        ],
        className="shares",
        **unheard,
    )
    shares = f"{words.percent(value.selected_share)} / {words.percent(value.rest_share)}"
    return html.Div(
        [
            html.Span(text, className="share-name", title=said),
            bars,
            html.Span(shares, className="share-figures", title=said),
            html.Span(said, className="hidden"),
            html.Span(acts, className="share-acts"),
        ],
        className="value",
    )


def _with(view: View, text: str) -> list[str]:
    return [*dict.fromkeys((*view.f, text))]


def _numbers(differs: Difference) -> Component | None:
    rows = [
        [
            one.name.replace("_", " "),
            *(words.count(value) for pair in (one.selected, one.rest) for value in pair),
        ]
        for one in differs.numbers
    ]
    if not rows:
        return None
    heads = ("Number", "Selected: half below", "95 % below", "Rest: half below", "95 % below")
    return table(heads, rows, caption="Numbers of the selected and of the rest", numbers=(1, 2, 3, 4), name="stack")
