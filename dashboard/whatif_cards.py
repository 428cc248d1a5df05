"""The what-if panel: sliders for a limit, and what it would have done to the calls of the range."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.charting import copied
from dashboard.components import card, empty, was
from dashboard.data import Reader
from dashboard.data_apis import shown_client
from dashboard.data_limits import Limits, StageLine
from dashboard.data_whatif import DID, LEAST_WAF, WINDOWS_S, WOULD, Outcome, Per, Proposed, outcome, steps
from dashboard.figures import ORANGE, SKY
from dashboard.inventoried import Inventory, Limit, PlanDoc
from dashboard.limit_patch import patches
from dashboard.parts import folded
from dashboard.timelines import Lines, line_sentence, stack_figure
from dashboard.view import View

PERS: dict[Per, str] = {
    Per.STAGE: "Whole stage",
    Per.ROUTE: "Each route",
    Per.CALLER: "Each caller",
    Per.ADDRESS: "Each address (WAF)",
}


def per_of(view: View) -> Per:
    return Per(view.sel) if view.sel in set(Per) else Per.STAGE


def chosen(found: Limits, view: View) -> StageLine | None:
    """The stage that is asked about: in scope, the one with most throttled calls, else that with the highest peak."""
    mine = [one for one in found.stages if view.api in (None, one.api) and view.stage in (None, one.stage)]
    cut: dict[tuple[str, str], int] = {}
    for one in (*found.offenders, *found.victims):
        cut[one.api, one.stage] = cut.get((one.api, one.stage), 0) + one.refused
    return max(mine, key=lambda one: (cut.get((one.api, one.stage or ""), 0), one.peak), default=None)


def panel(reader: Reader, found: Limits, view: View) -> Component:
    of = chosen(found, view)
    if of is None:
        return card("What if", empty("No request to try a limit on", "Choose a longer range above."))
    per = per_of(view)
    proposed = first(of, per, found)
    store = {"api": proposed.api, "stage": proposed.stage, "per": per.value}
    live: Any = {"aria-live": "polite"}
    result = told(reader, outcome(reader, view, found.window, proposed), found.inventory)
    return card(
        "What if",
        html.Div(
            [
                html.Div(
                    [
                        html.P(f"A limit for {found.names.place(of.api, of.stage)}, shared by:", className="small"),
                        was("whatif", sel=per.value),
                        dmc.Select(
                            id={"type": "url", "key": "sel"},
                            data=[{"value": one.value, "label": said} for one, said in PERS.items()],
                            value=per.value,
                            allowDeselect=False,
                            **{"aria-label": "Who shares the limit"},
                        ),
                        *sliders(of, proposed),
                        html.P(standing(of, per, found), className="small"),
                        dcc.Store(id={"type": "whatif", "name": "limits", "part": "of"}, data=store),
                    ]
                ),
                html.Div(result, id={"type": "whatif", "name": "limits", "part": "result"}, **live),
            ],
            className="what-if",
        ),
        note="replayed on what was called; choose an API and stage above",
    )


def plan_of(of: StageLine, found: Limits) -> PlanDoc | None:
    plans = found.inventory.plans_of(of.api, of.stage)
    return plans[0] if plans else None


def first(of: StageLine, per: Per, found: Limits) -> Proposed:
    """What the sliders stand at: the limit that is declared, else one that few seconds go beyond."""
    if per is Per.ADDRESS:
        return Proposed(of.api, of.stage, per, max(of.p99 * 60, LEAST_WAF), 60)
    limit = of.limit
    if per is Per.CALLER:
        plan = plan_of(of, found)
        limit = plan.limit if plan else Limit()
    rate = limit.rate if limit.rate is not None else float(max(of.p99, 1))
    burst = limit.burst if limit.burst is not None else max(round(2 * rate), 1)
    return Proposed(of.api, of.stage, per, rate, burst)


def sliders(of: StageLine, proposed: Proposed) -> list[Component]:
    if proposed.per is Per.ADDRESS:
        top, step = steps(max(of.peak * 60.0, proposed.rate * 2))
        return [
            slider("rate", "Calls in the window", proposed.rate, LEAST_WAF, top, step),
            html.Label("Window", className="small"),
            dmc.SegmentedControl(
                id={"type": "whatif", "name": "limits", "part": "burst"},
                data=[{"value": str(one), "label": f"{one // 60} min"} for one in WINDOWS_S],
                value=str(proposed.burst),
                size="xs",
                **{"aria-label": "Window"},
            ),
        ]
    top, step = steps(max(of.peak * 1.25, proposed.rate * 2, 10.0))
    most, size = steps(max(of.peak * 2.0, proposed.burst * 2.0, 20.0))
    return [
        slider("rate", "Rate, calls a second", proposed.rate, min(step, proposed.rate), top, step),
        slider("burst", "Burst, calls at once", proposed.burst, 1, most, max(size, 1)),
    ]


def slider(part: str, label: str, value: float, least: float, most: float, step: float) -> Component:
    shown = round(value, 2)
    return html.Div(
        [
            html.Label(label, className="small"),
            dmc.Slider(
                id={"type": "whatif", "name": "limits", "part": part},
                value=shown,
                min=round(least, 2),
                max=round(most, 2),
                step=step,
                labelAlwaysOn=True,
                precision=2,
                updatemode="mouseup",
                marks=[{"value": round(one, 2), "label": f"{one:g}"} for one in (least, most)],
                thumbLabel=label,
            ),
        ],
        className="slider",
    )


def standing(of: StageLine, per: Per, found: Limits) -> str:
    """What is declared now, and how it stands to the calls."""
    peak = f"At the most {words.count(of.peak)} calls came in one second; 99 % of busy seconds had {of.p99} or fewer."
    if per is Per.CALLER:
        plans = found.inventory.plans_of(of.api, of.stage)
        said = "; ".join(f"{plain(one.name, 60)}: {limit_text(one.limit)}" for one in plans[:3])
        return f"Usage plans now: {said or 'none is known'}. {peak}"
    if per is Per.ADDRESS:
        return f"WAF counts blocked calls too, with some delay; this replay has none. {peak}"
    return f"Now: {limit_text(of.limit)}. {peak}"


def limit_text(limit: Limit) -> str:
    if not limit.set:
        return "no limit of its own"
    burst = "" if limit.burst is None else f", burst {words.count(limit.burst)}"
    return f"{words.count(limit.rate)} a second{burst}"


def told(reader: Reader, found: Outcome, known: Inventory) -> list[Component | None]:
    """The answer: how many, who, since when; and how it would be set."""
    one = found.proposed
    limit = (
        f"{words.count(one.rate)} calls in {one.burst // 60} min"
        if one.per is Per.ADDRESS
        else f"{words.count(one.rate)} a second, burst {words.count(one.burst)}"
    )
    shared = PERS[one.per].lower()
    if not found.calls:
        return [empty("No call in this range", "Choose a longer range above.")]
    said = (
        f"With {limit} ({shared}), {words.count(found.refused)} of {words.count(found.calls)} calls "
        f"({words.percent(found.share)}) would be refused, of {words.count(found.callers_hit)} of "
        f"{words.count(found.callers)} callers"
    )
    said += f", first at {words.at(found.first_at)}." if found.first_at else "."
    said += f" Then, {words.count(found.now)} were refused by a limit."
    notes = []
    if found.cut:
        notes.append(f"Replayed on the last {words.count(found.calls)} calls, from {words.at(found.since)} on.")
    if found.whole_seconds:
        notes.append("The logs tell whole seconds only, so calls of one second stand at its begin: too strict.")
    figure = stack_figure(
        found.grid.at,
        found.series,
        "calls",
        minutes=found.grid.minutes,
        height=200,
        colours={WOULD: ORANGE, DID: SKY},
        beside=True,
    )
    shape = line_sentence(found.grid.at, found.series, words.count)
    rows: list[list[Any]] = [
        [
            html.Span(
                [
                    html.Span(plain(name, 100), className="api-name"),
                    html.Span(kind, className="chip"),
                ]
            ),
            words.count(hit.asked),
            words.count(hit.refused),
            words.percent(hit.refused / hit.asked),
            words.at(hit.first_at),
        ]
        for hit, (kind, name) in ((hit, shown_client(reader, known, hit.client_id)) for hit in found.hit)
    ]
    heads = ("Caller", "Calls", "Refused", "Share", "First")
    doc = known.apis.get(one.api)
    plans = known.plans_of(one.api, one.stage)
    return [
        html.P(said, className="sentence"),
        Lines(found.grid.at, found.series, words.count).drawn("whatif", figure, shape, "throttled"),
        folded(heads, rows, caption="Who would be refused", first=8, numbers=(1, 2, 3)) if rows else None,
        html.P(" ".join(notes), className="small") if notes else None,
        how(patches(one, doc, plans[0] if plans else None)),
    ]


def how(found: list[tuple[str, str]] | str) -> Component:
    if isinstance(found, str):
        return html.P(found, className="small")
    return html.Details(
        [html.Summary("Copy as Terraform or command"), *(copied(name, text, block=True) for name, text in found)],
        className="copies",
    )
