"""The anomaly ribbon under a series: the darker, the more of the minutes lie in findings; a click opens those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np
from dash import dcc, html
from dash.development.base_component import Component

from dashboard import words
from dashboard.annotations import Beside, Run, annotate, place, sentence, span_href, underline
from dashboard.figure import Figure
from dashboard.traffic import Numbers
from dashboard.view import View, Window
from gatewatch.records import Kind
from gatewatch.store.episodes import Episode

MOST_RUNS = 24
STEPS = 4
"""Shades of darkness, 1 to STEPS."""

SERIES: dict[str, tuple[Kind, ...]] = {
    "requests": (Kind.DEAD_API, Kind.THROTTLING_ABUSE, Kind.AUTH_FAILURE_SPIKE),
    "failed": (Kind.LATENCY_OUTLIER, Kind.DEAD_API),
    "auth": (Kind.AUTH_FAILURE_SPIKE,),
    "throttled": (Kind.THROTTLING_ABUSE,),
    "p95": (Kind.LATENCY_OUTLIER,),
    "coverage": (Kind.DATA_QUALITY,),
}
"""Kinds of findings that say something about a series."""


def shares(found: Sequence[Episode], starts: Sequence[datetime], size: timedelta, until: datetime) -> Numbers:
    """For each bucket the share of its minutes that lie in at least one episode."""
    if not starts:
        return np.zeros(0)
    minutes = int(size / timedelta(minutes=1))
    hit = np.zeros(len(starts) * minutes, dtype=bool)
    for one in found:
        low = int((one.start - starts[0]) // timedelta(minutes=1))
        high = -int((starts[0] - (one.end or until)) // timedelta(minutes=1))
        hit[max(low, 0) : max(high, low + 1, 0)] = True
    out: Numbers = hit.reshape(len(starts), minutes).mean(axis=1)
    return out


def runs(found: Sequence[Episode], starts: Sequence[datetime], size: timedelta, until: datetime) -> list[Run]:
    """The dark parts; at most MOST_RUNS, and then with fewer shades."""
    dark = np.ceil(shares(found, starts, size, until) * STEPS).astype(int)
    made = _cut(dark.tolist(), found, starts, size, until)
    if len(made) > MOST_RUNS:
        made = _cut(np.where(dark > 0, max(int(dark.max()), 1), 0).tolist(), found, starts, size, until)
    return sorted(made, key=lambda run: run.until - run.since, reverse=True)[:MOST_RUNS]


def _cut(
    dark: Sequence[int], found: Sequence[Episode], starts: Sequence[datetime], size: timedelta, until: datetime
) -> list[Run]:
    out, at = [], 0
    for level, group in groupby(dark):
        n = len(list(group))
        if level:
            since, end = starts[at], min(starts[at] + size * n, until)
            touching = sum(one.start < end and (one.end is None or one.end >= since) for one in found)
            out.append(Run(since, end, level, touching))
        at += n
    return out


def ribbon(
    name: str,
    series: str,
    found: Sequence[Episode],
    starts: Sequence[datetime],
    size: timedelta,
    view: View,
    window: Window,
) -> Component:
    """The strip under a series, with a link a dark part. name: what the series is called."""
    kinds = SERIES[series]
    mine = [one for one in found if one.kind in kinds]

    def part(run: Run) -> Component:
        left = place(run.since, window)
        said = (
            f"{name}: {words.plural(run.findings, 'finding')} from {words.at(run.since)} "
            f"for {words.duration(run.until - run.since)}"
        )
        return dcc.Link(
            html.Span(said, className="hidden"),
            href=span_href(view, run.since, run.until, [kind.value for kind in kinds]),
            title=said,
            className=f"ribbon-run dark-{run.dark}",
            style={"left": f"{left:.2f}%", "width": f"{max(place(run.until, window) - left, 0.8):.2f}%"},
        )

    return html.Div(
        [part(run) for run in sorted(runs(mine, starts, size, window.until), key=lambda run: run.since)],
        className="ribbon",
    )


def marked(figure: Figure, known: Beside, at: Sequence[datetime], kinds: Sequence[Kind] = ()) -> str:
    """Puts what happened, and the ribbon of findings, into a figure whose buckets begin at these times.

    kinds: only of these; none: of all.

    Returns the sentence that says so; '' when there is nothing.
    """
    if len(at) < 2:
        return ""
    size = at[1] - at[0]
    # Two wide marks of the ribbon alone would make room for half of the time between them on either side.
    if "range" not in figure.layout.get("xaxis", {}):
        figure.update_xaxes(range=[words.axis(at[0] - size / 2), words.axis(at[-1] + size / 2)])
    inside = [note for note in known.notes if note.at < at[-1] + size and (note.until or note.at) >= at[0]]
    if size >= timedelta(minutes=1) and size % timedelta(minutes=1) == timedelta():
        mine = [one for one in known.episodes if not kinds or one.kind in kinds]
        names = [kind.value for kind in kinds]
        dark = runs(mine, at, size, at[-1] + size)
        underline(figure, [replace(run, href=span_href(known.view, run.since, run.until, names)) for run in dark])
    annotate(figure, inside)
    return sentence(inside)
