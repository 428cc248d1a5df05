"""A finding as a line of a list: text, a small line of how it went, and where it leads."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.components import finding_href, finding_link, severity_mark, state_mark, where
from dashboard.figures import VERMILLION, sparkline
from dashboard.glance import callers
from dashboard.names import Names
from dashboard.view import View
from gatewatch.records import Evidence
from gatewatch.store.findings import StoredFinding

POINTS = 30


def trend(evidence: Evidence) -> str:
    """Its series as a small line, peaks kept; '' where it is about no rate."""
    values = [math.nan if point.observed is None else point.observed for point in evidence.series]
    return sparkline(peaks(values, POINTS), VERMILLION) if any(math.isfinite(one) for one in values) else ""


def peaks(values: Sequence[float], most: int) -> list[float]:
    """At most so many values, each the highest of its part; NaN where a part has none."""
    size = -(-len(values) // most) if values else 1
    parts = (values[start : start + size] for start in range(0, len(values), size))
    return [max((one for one in part if math.isfinite(one)), default=math.nan) for part in parts]


def row(stored: StoredFinding, view: View, names: Names) -> dict[str, str]:
    """A line of the grid: text only, shown as text; `trend` is a picture of ours."""
    one = stored.finding
    known = one.evidence
    return {
        "id": one.id,
        "href": finding_href(one.id, view),
        "severity": one.severity.value,
        "title": plain(one.title, 200),
        "where": f"{words.KINDS[one.kind]} · {where(stored, names)}",
        "state": stored.state.value,
        "trend": trend(known),
        "count": words.quantity(known.observed, plain(known.unit, 30)),
        "affected": callers(one) or words.NONE,
        "sure": words.percent(one.confidence),
        "owner": plain(stored.assignee, 40) or words.NONE,
        "start": words.bare(one.start),
        "lasted": words.duration(one.end - one.start) if one.end else "goes on",
    }


def entry(stored: StoredFinding, view: View, names: Names) -> Component:
    """The same on a small screen."""
    one = stored.finding
    lasted = words.duration(one.end - one.start) if one.end else "goes on"
    picture = trend(one.evidence)
    said = [words.quantity(one.evidence.observed, plain(one.evidence.unit, 30)), callers(one)]
    if stored.assignee:
        said.append(plain(stored.assignee, 40))
    return html.Li(
        [
            html.Div([severity_mark(one.severity), state_mark(stored.state)], className="entry-head"),
            finding_link(stored, view),
            html.Div(f"{words.KINDS[one.kind]} · {where(stored, names)}", className="small"),
            html.Div(" · ".join(part for part in said if part), className="small"),
            html.Div(
                [
                    html.Span(f"{words.at(one.start)} · {lasted}"),
                    html.Img(src=picture, alt="", className="small-spark") if picture else None,
                ],
                className="small entry-foot",
            ),
        ]
    )
