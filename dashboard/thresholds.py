"""Would a different threshold…: which findings of the last month would still have been raised from another score on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import dash_mantine_components as dmc
from dash import MATCH, ClientsideFunction, Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from dashboard import words
from dashboard.charting import copies
from dashboard.components import card, twin
from detect.saying import odds
from gatewatch.records import Finding, Kind, iso

LOOK_BACK = timedelta(days=30)
STEPS = 30
LEAST = 0.1
"""Above a score by so much, the finding that had it is out."""


def add_threshold(dash: Dash) -> None:
    dash.clientside_callback(
        ClientsideFunction("gatewatch", "would"),
        Output({"type": "threshold-said", "name": MATCH}, "children"),
        Input({"type": "threshold", "name": MATCH}, "value"),
        State({"type": "threshold-told", "name": MATCH}, "data"),
    )


def steps(scores: Sequence[float]) -> list[float]:
    """The thresholds that make a difference, 0 (as it is) first: just above each score, at most STEPS of them."""
    each = sorted({round(score + LEAST, 1) for score in scores if score > 0})
    if len(each) > STEPS:
        each = [each[round(place * (len(each) - 1) / (STEPS - 1))] for place in range(STEPS)]
    return [0.0, *dict.fromkeys(each)]


def sentence(one: Finding, peers: Sequence[Finding], threshold: float) -> str:
    """peers: findings of the same kind of the last month, `one` among them or not."""
    same = [peer for peer in peers if peer.fingerprint == one.fingerprint]
    others = [peer for peer in peers if peer.fingerprint != one.fingerprint]
    if not threshold:
        return (
            f"As it is, {words.plural(len(same), 'episode')} of this problem and {words.plural(len(others), 'other')} "
            f"of this kind were raised in the last 30 days. This one scores {one.score:.1f}: {odds(one.score)}."
        )
    left = [sum(peer.score >= threshold for peer in listed) for listed in (same, others)]
    stays = "this one, too" if one.score >= threshold else "not this one"
    return (
        f"From a score of {threshold:.1f} on ({odds(threshold)}), {left[0]} of {words.plural(len(same), 'episode')} of "
        f"this problem would have been raised, {stays}, and {left[1]} of {words.plural(len(others), 'other')} of this "
        "kind."
    )


TIMES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Budgets that can be tried, as multiples of the one in force."""

BEFORE, LONGEST = timedelta(days=1), timedelta(days=5)
"""A replay begins so long before the finding, and takes at most so long."""


def budgets(now: float) -> list[float]:
    """False alarms an API and week to try: the one in force is in the middle; within what the API takes."""
    return [min(max(float(f"{now * times:.2g}"), 0.001), 1000.0) for times in TIMES]


def span(one: Finding, newest: datetime) -> tuple[datetime, datetime]:
    """The time that is replayed: around the finding, and bounded."""
    begin = one.start - BEFORE
    return begin, min((one.end or newest) + BEFORE, begin + LONGEST, max(newest, one.start + timedelta(minutes=1)))


def replay(one: Finding, budget: float, newest: datetime) -> Component:
    """A second slider, for the budget of false alarms, and a button that replays with it; assets/finding.js runs it."""
    tried = budgets(budget)
    since, until = span(one, newest)
    middle = TIMES.index(1.0)
    told = [
        f"{words.count(value)} false alarms an API and week" + (": as it is." if place == middle else ".")
        for place, value in enumerate(tried)
    ]
    body = {"since": iso(since), "until": iso(until), "detectors": [one.kind.value]}
    asked: Any = {
        "data-replay": json.dumps({"body": body, "budgets": tried, "id": one.id, "link": "/findings/"}),
        "data-now": str(middle),
    }
    status: Any = {"role": "status"}
    return html.Div(
        [
            html.H3("Replay with another budget"),
            dcc.Store(id={"type": "threshold-told", "name": "budget"}, data=told),
            html.Div(
                dmc.Slider(
                    id={"type": "threshold", "name": "budget"},
                    value=middle,
                    min=0,
                    max=len(tried) - 1,
                    step=1,
                    label=None,
                    updatemode="drag",
                    marks=[
                        {"value": 0, "label": f"{tried[0]:g}"},
                        {"value": middle, "label": "as it is"},
                        {"value": len(tried) - 1, "label": f"{tried[-1]:g}"},
                    ],
                    thumbLabel="False alarms an API and week",
                ),
                className="threshold-budget",
            ),
            html.P(told[middle], id={"type": "threshold-said", "name": "budget"}, className="small"),
            html.Div(
                [
                    html.Button("Replay", type="button", className="plain-button replay-go"),
                    html.Span(f"{words.at(since)} to {words.at(until)}, {words.KINDS[one.kind]}", className="small"),
                ],
                className="choices",
            ),
            html.Div(className="replay-said", **status),
        ],
        className="replay",
        **asked,
    )


def threshold_card(one: Finding, peers: Sequence[Finding], more: Component | None = None) -> Component | None:
    """None where no score decides, or there is nothing to compare with. more: below the slider."""
    if one.kind in (Kind.CONFIG_CHANGE, Kind.DATA_QUALITY) or not peers:
        return None
    choices = steps([peer.score for peer in peers])
    if len(choices) < 2:
        return None
    told = [sentence(one, peers, threshold) for threshold in choices]
    hidden: Any = {"role": "status"}
    rows = [
        [f"{threshold:.1f}" if threshold else "as it is", str(sum(peer.score >= threshold for peer in peers))]
        for threshold in choices
    ]
    return card(
        "Would a different threshold…",
        dcc.Store(id={"type": "threshold-told", "name": "finding"}, data=told),
        html.Div(
            dmc.Slider(
                id={"type": "threshold", "name": "finding"},
                value=0,
                min=0,
                max=len(choices) - 1,
                step=1,
                label=None,
                updatemode="drag",
                marks=[{"value": 0, "label": "as it is"}, {"value": len(choices) - 1, "label": f"{choices[-1]:.0f}"}],
                thumbLabel="Score that a finding needs",
            ),
            className="threshold",
        ),
        html.P(told[0], id={"type": "threshold-said", "name": "finding"}, className="small", **hidden),
        twin(("Score needed", "Raised"), rows, caption="Findings of this kind that would have been raised in 30 days"),
        more,
        copies(cli=f"gatewatch backtest --since 30d --detector {one.kind.value} --set false_alarms_per_week=0.05"),
        note="findings of the last 30 days",
    )
