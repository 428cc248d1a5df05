"""The Overview's tiles with their lines, and its budgets."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from dash import html
from dash.development.base_component import Component

from dashboard import words
from dashboard.annotations import KINDS, place
from dashboard.components import card, delta_mark, tile, twin
from dashboard.data import Buckets, Overview, Totals
from dashboard.figures import BLUE, ORANGE, PURPLE, SKY, VERMILLION, spark_sentence, sparkline, strip
from dashboard.leads import requests_href
from dashboard.links import page_href
from dashboard.ribbon import ribbon
from dashboard.standing import Standing
from dashboard.view import View, against
from gatewatch.records import AUTH_CAUSES
from gatewatch.store.noise import Noise

_COMPARABLE = 0.9
"""The time before is only compared with when so much of it was delivered, of what was of the time shown."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One of the golden signals, as a tile shows it. key: its series in the ribbon. page: where its name leads."""

    name: str
    key: str
    colour: str
    value: Callable[[Totals], float]
    series: Callable[[Buckets], list[float]]
    written: Callable[[float], str]
    note: Callable[[Totals], str]
    page: tuple[str, dict[str, str]]
    worse: int = 1


def _failed_note(totals: Totals) -> str:
    return f"{words.count(totals.failed)} answers with 5xx"


SIGNALS = (
    Signal(
        "Requests", "requests", BLUE, lambda one: one.n, lambda one: one.requests, words.count,
        lambda _: "in this range", ("apis", {}), 0,
    ),
    Signal(
        "Server errors", "failed", VERMILLION, lambda one: one.failed_share, lambda one: one.failed_share,
        words.percent, _failed_note, ("latency", {}),
    ),
    Signal(
        "Auth rejections", "auth", PURPLE, lambda one: one.auth, lambda one: one.auth, words.count,
        lambda one: auth_note(one), ("auth", {}),
    ),
    Signal(
        "Throttled", "throttled", ORANGE, lambda one: one.throttled, lambda one: one.throttled, words.count,
        lambda one: share_of(one.throttled, one.n), ("limits", {}),
    ),
    Signal(
        "Latency p95", "p95", SKY, lambda one: one.p95_ms, lambda one: one.p95_ms, words.millis,
        lambda _: "of all requests", ("latency", {}),
    ),
)  # fmt: skip


ROWS: dict[str, tuple[str, ...]] = {
    "requests": (),
    "failed": ("status >= 500",),
    "auth": (f"reject_cause in {','.join(sorted(AUTH_CAUSES))}",),
    "throttled": ("reject_cause in throttle,quota",),
}
"""The requests that a number counts."""


def tiles(found: Overview, view: View) -> Component:
    totals, buckets, window = found.totals, found.buckets, found.window
    size = timedelta(minutes=window.bucket_minutes)
    before = found.before
    if before and before.covered_share < _COMPARABLE * found.covered_share:
        before = None  # half a week beside a whole one would look like twice the traffic
    beside = against(view)
    ticks = [
        (place(note.at, window) / 100, KINDS[note.kind][1])
        for note in found.notes
        if note.kind in {"deployment", "config"}
    ]
    shown: list[Component] = []
    for one in SIGNALS:
        series = one.series(buckets)
        sentence = spark_sentence(f"{one.name} per {size_of(found)}", series, [one.written(value) for value in series])
        note = one.note(totals)
        if all(not math.isfinite(value) for value in series):
            note = "not in these logs" if totals.n else "no requests"
        earlier = one.value(before.totals) if before else None
        dashed = one.series(before.buckets)[: len(series)] if before and view.cmp else ()
        shown.append(
            tile(
                one.name,
                one.written(one.value(totals)),
                note,
                sparkline(series, one.colour, before=dashed, ticks=ticks),
                sentence,
                href=page_href(one.page[0], view, **one.page[1]),
                delta=delta_mark(
                    one.value(totals),
                    earlier,
                    beside,
                    one.written(earlier) if earlier is not None else "",
                    worse=one.worse,
                ),
                ribbon=ribbon(one.name, one.key, found.episodes, buckets.at, size, view, window),
                window=window,
                rows=requests_href(view, *ROWS[one.key]) if one.key in ROWS and one.value(totals) else None,
            )
        )
    spots = len({(one.kind, one.api, one.stage) for one in found.blind})
    came = zip(buckets.at, buckets.delivered, strict=True)
    shown.append(
        tile(
            "Coverage",
            words.percent(found.covered_share),
            "nothing is hidden from detectors" if not spots else words.plural(spots, "blind spot"),
            strip([one if at + size > found.began else None for at, one in came]),
            f"Sources delivered in {words.percent(found.covered_share)} of the range; the rest is not known.",
            href=page_href("sources", view),
            bad=found.covered_share < 0.9,
            ribbon=ribbon("Coverage", "coverage", found.episodes, buckets.at, size, view, window),
            window=window,
        )
    )
    heads = (words.zoned("Time (UTC)"), *(one.name for one in SIGNALS))
    lines = [
        [words.bare(at), *(one.written(one.series(buckets)[row]) for one in SIGNALS)]
        for row, at in enumerate(buckets.at)
    ]
    caption = f"The lines above, per {size_of(found)}"
    return html.Div([html.Div(shown, className="tiles"), twin(heads, lines, caption=caption)])


def budgets(noise: Noise, standing: Standing, *, apis: int) -> Component:
    """What may be spent, and what was: false alarms in a week, and AWS calls today."""
    allowed = standing.false_alarms_per_week * max(apis, 1)
    judged = noise.right + noise.wrong
    said = f"{words.plural(noise.raised, 'finding')} in 7 days, {words.plural(noise.told, 'message')} sent. " + (
        f"People called {noise.right} right and {noise.wrong} wrong." if judged else "Nobody has judged one yet."
    )
    rows = [_meter("False alarms, 7 days", float(noise.wrong), allowed, words.count, said, known=judged > 0)]
    if standing.spent is None:
        rows.append(
            _meter("AWS spend today", 0.0, standing.hard_dollars, words.money, "No account is connected.", known=False)
        )
    else:
        calls, dollars = standing.spent
        text = (
            f"{words.plural(calls, 'call')} at list price. From {words.money(standing.soft_dollars)} on sources pause, "
            f"at {words.money(standing.hard_dollars)} nothing is asked any more."
        )
        rows.append(_meter("AWS spend today", dollars, standing.hard_dollars, words.money, text, known=True))
    return card("Budget", html.Div(rows, className="budgets"), note="spent, and left")


def _meter(
    name: str, spent: float, allowed: float, written: Callable[[float], str], said: str, *, known: bool
) -> Component:
    share = min(spent / allowed, 1.0) if allowed else float(spent > 0)
    level = " over" if spent > allowed else " near" if share > 0.8 else ""
    numbers = f"{written(spent)} of {written(allowed)}" if known else f"not known, of {written(allowed)}"
    return html.Div(
        [
            html.Div([html.Span(name, className="budget-name"), html.Span(numbers, className="budget-numbers")]),
            html.Div(
                html.Div(className=f"budget-fill{level}", style={"width": f"{share * 100:.1f}%"}),
                className="budget-track",
            ),
            html.P(said, className="small"),
        ],
        className="budget",
    )


def size_of(found: Overview) -> str:
    minutes = found.window.bucket_minutes
    return "minute" if minutes == 1 else f"{minutes} minutes" if minutes < 60 else f"{minutes // 60} h"


def auth_note(totals: Totals) -> str:
    if totals.backend_refused:
        return f"+ {words.count(totals.backend_refused)} by back ends"
    return share_of(totals.auth, totals.n)


def share_of(part: int, whole: int) -> str:
    return f"{words.percent(part / whole)} of requests" if whole else "no requests"
