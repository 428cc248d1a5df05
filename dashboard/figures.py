"""Charts as pure functions of what they show, and the sentence that says the same in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from urllib.parse import quote

from alerts.render.plotly import plotly_text
from alerts.render.text import plain
from dashboard import words
from dashboard.figure import Figure
from dashboard.labels import Label
from gatewatch.records import Finding, Kind, Point

# Okabe & Ito (2008): told apart with any colour vision.
BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7"

TIME_TICKS: dict[str, object] = {
    "tickangle": 0,
    "tickformatstops": [
        {"dtickrange": [None, 86_399_999], "value": "%H:%M\n%b %-d"},
        {"dtickrange": [86_400_000, None], "value": "%b %-d\n%Y"},
    ],
}
"""Of an axis of time: with the year behind each day, labels do not fit a small screen and are turned."""

NEAR = 0.12
"""Marks that stand nearer, as a share of the width, have their words in two lines."""

_SPARK = (120, 28)


def template(*, dark: bool) -> dict[str, object]:
    """Our Plotly template; it sits on the page's own background."""
    text, grid = ("#c9d1d9", "#30363d") if dark else ("#30363d", "#e3e7ec")
    hover = "#161b22" if dark else "#ffffff"
    axis = {"gridcolor": grid, "linecolor": grid, "zerolinecolor": grid, "tickcolor": grid, "automargin": True}
    return {
        "layout": {
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": text, "family": "system-ui, sans-serif", "size": 12},
            "colorway": [SKY if dark else BLUE, ORANGE, GREEN, VERMILLION, PURPLE],
            "xaxis": {**axis, "showgrid": False},
            "yaxis": axis,
            "hoverlabel": {"bgcolor": hover, "bordercolor": grid, "font": {"color": text}},
            "legend": {"orientation": "h", "y": 1.1, "yanchor": "bottom", "x": 0, "xanchor": "left"},
            "margin": {"l": 8, "r": 12, "t": 56, "b": 8},
        }
    }


def sparkline(
    values: Sequence[float],
    colour: str = BLUE,
    marks: Sequence[tuple[float, float, bool]] = (),
    *,
    before: Sequence[float] = (),
    ticks: Sequence[tuple[float, str]] = (),
) -> str:
    """A small line as a data: image. Gaps (NaN) stay gaps; the scale begins at 0.

    marks: times to shade, as shares of the width, and whether they are harmless (see dashboard.labels). before: what it
    is compared with, dashed. ticks: moments to mark, as shares of the width, and their colours.
    """
    width, height = _SPARK
    known = [value for value in (*values, *before) if math.isfinite(value)]
    top = max(known, default=0.0) or 1.0
    shades = "".join(
        f'<rect x="{start * width:.2f}" y="0" width="{max((end - start) * width, 0.8):.2f}" height="{height}" '
        f'fill="{GREEN if harmless else VERMILLION}" fill-opacity="0.35"/>'
        for start, end, harmless in marks
    )
    lines = "".join(
        f'<path d="M{at * width:.1f} 0V{height}" stroke="{tint}" stroke-width="1" stroke-opacity="0.7" '
        'stroke-dasharray="2 2" vector-effect="non-scaling-stroke"/>'
        for at, tint in ticks
    )
    dashed = (
        f'<path d="{_line(before, top)}" fill="none" stroke="#8b949e" stroke-width="1.2" stroke-dasharray="3 2" '
        'vector-effect="non-scaling-stroke"/>'
        if before
        else ""
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" preserveAspectRatio="none">'
        f"{shades}{lines}{dashed}"
        f'<path d="{_line(values, top)}" fill="none" stroke="{colour}" stroke-width="1.5" stroke-linejoin="round" '
        'vector-effect="non-scaling-stroke"/></svg>'
    )
    return "data:image/svg+xml," + quote(svg)


def _line(values: Sequence[float], top: float) -> str:
    """The path of a sparkline; a gap lifts the pen."""
    width, height = _SPARK
    step = width / max(len(values) - 1, 1)
    paths: list[str] = []
    pen_up = True
    for place, value in enumerate(values):
        if not math.isfinite(value):
            pen_up = True
            continue
        y = height - 2 - (height - 4) * min(max(value / top, 0.0), 1.0)
        paths.append(f"{'M' if pen_up else 'L'}{place * step:.1f} {y:.1f}")
        if pen_up and (place + 1 == len(values) or not math.isfinite(values[place + 1])):
            paths.append("h1")  # a lone point
        pen_up = False
    return "".join(paths)


LEAST_POINTS = 30
SPIKE = 2.0
"""Times what 95 % of the minutes stay below: the axis of a latency ends there, if a spike is twice as high again."""

_KNOWN = {True: GREEN, False: ORANGE, None: "#9AA5B1"}


def strip(known: Sequence[bool | None]) -> str:
    """A bar of what is known (green), what is not (orange) and what was not to come (None, grey), as a data: image."""
    width, height = _SPARK
    step = width / max(len(known), 1)
    bars, place = "", 0
    for one, run in groupby(known):
        wide = len(list(run)) * step
        bars += f'<path d="M{place * step:.2f} 8h{wide:.2f}v12h-{wide:.2f}z" fill="{_KNOWN[one]}"/>'
        place += round(wide / step)
    box = f'viewBox="0 0 {width} {height}" preserveAspectRatio="none"'
    return "data:image/svg+xml," + quote(f'<svg xmlns="http://www.w3.org/2000/svg" {box}>{bars}</svg>')


def spark_sentence(name: str, values: Sequence[float], written: list[str]) -> str:
    """What a sparkline shows: its lowest and highest value, and how much of the range is unknown."""
    known = [place for place, value in enumerate(values) if math.isfinite(value)]
    if not known:
        return f"{name}: no data in this range."
    low = min(known, key=lambda place: values[place])
    high = max(known, key=lambda place: values[place])
    gaps = len(values) - len(known)
    said = f"{name}: between {written[low]} and {written[high]}"
    return f"{said}; unknown for {words.percent(gaps / len(values))} of the range." if gaps else f"{said}."


def band_figure(finding: Finding, labels: Sequence[Label] = ()) -> Figure:
    """Observed against expected with the alarm limit, and when it began, was detected and ended.

    labels: of a simulated world; each is a shaded span with its name. The template is put in by the page, so that the
    chart follows the theme.
    """
    series = finding.evidence.series
    at = [words.axis(point.at) for point in series]
    unit = plotly_text(finding.evidence.unit, 40)
    figure = Figure()
    hover = "%{y:,.4~g} " + unit
    if any(point.upper is not None for point in series):
        figure.add_scatter(
            x=at,
            y=[point.upper for point in series],
            name="alarm limit",
            line={"color": ORANGE, "width": 1, "dash": "dot"},
            hovertemplate=hover,
        )
    if any(point.expected is not None for point in series):
        figure.add_scatter(
            x=at,
            y=[point.expected for point in series],
            name="expected",
            line={"color": GREEN, "width": 1.5},
            # The band between what is expected and where the alarm begins.
            fill="tonexty" if figure.data else None,
            fillcolor="rgba(0,158,115,0.12)",
            hovertemplate=hover,
        )
    figure.add_scatter(
        x=at,
        y=[point.observed for point in series],
        name="observed",
        mode="lines+markers" if len(series) <= 40 else "lines",
        marker={"size": 5},
        line={"color": SKY, "width": 2},
        hovertemplate=hover,
    )
    marks = [("began", finding.start, VERMILLION), ("detected", finding.detected_at, PURPLE)]
    if finding.end is not None:
        marks.append(("ended", finding.end, GREEN))
    shown = _within(marks, series)
    wide = (series[-1].at - series[0].at) * NEAR if series else timedelta()
    for name, moment, colour in shown:
        crowded = name == "ended" and abs(moment - finding.detected_at) < wide
        where = words.axis(moment)
        figure.add_shape(
            type="line", x0=where, x1=where, y0=0, y1=1, yref="paper", line={"color": colour, "width": 1.5}
        )
        figure.add_annotation(
            x=where,
            y=1,
            yref="paper",
            text=name,
            showarrow=False,
            xanchor="right" if name == "began" else "left",
            yanchor="top" if crowded else "bottom",
            font={"color": colour},
        )
    for row, label in enumerate(_shown_labels(labels, series)):
        _shade(figure, label, series, row)
    figure.update_layout(
        hovermode="x unified",
        height=320,
        uirevision="keep",
        xaxis={
            "title": {"text": words.zoned("time (UTC)"), "standoff": 4},
            "hoverformat": words.zoned("%Y-%m-%d %H:%M UTC"),
            **TIME_TICKS,
        },
        yaxis={"title": {"text": axis(finding, unit), "standoff": 4}, "rangemode": "tozero"},
    )
    if (top := _top(finding)) is not None:
        figure.update_yaxes(range=[0, top])
    return figure


def _top(finding: Finding) -> float | None:
    """Where the axis of a latency ends, when a few minutes of few requests would flatten all others."""
    if not finding.evidence.unit.startswith("ms"):
        return None
    series = [point for point in finding.evidence.series if point.observed is not None]
    if len(series) < LEAST_POINTS:
        return None
    during = [one for one in series if one.at >= finding.start and (finding.end is None or one.at < finding.end)]
    # Its own minutes are shown but for their spikes, however few they are.
    top = max(SPIKE * _high(series, 0.95), 1.2 * _high(during, 0.9))
    return top if _high(series, 1.0) > 2 * top else None


def _high(points: Sequence[Point], share: float) -> float:
    """What this share of the points does not exceed."""
    known = sorted(point.observed or 0.0 for point in points)
    return known[math.ceil(share * len(known)) - 1] if known else 0.0


def above(finding: Finding) -> str:
    """How many minutes the chart leaves out above its axis; '' for none."""
    top = _top(finding)
    if top is None:
        return ""
    many = sum(1 for point in finding.evidence.series if point.observed is not None and point.observed > top)
    return (
        f" {words.plural(many, 'minute')} lie above the chart; a double click on it shows them."
        if many != 1
        else (" One minute lies above the chart; a double click on it shows it.")
    )


def axis(finding: Finding, unit: str) -> str:
    """What the points of the series are: `refused requests in one minute`, `median of each minute, ms`."""
    charted = finding.evidence.facts.get("charted")
    if isinstance(charted, str) and charted:
        return f"{plotly_text(charted, 20)} of each minute, {unit}"
    return f"latency, {unit}" if finding.kind is Kind.LATENCY_OUTLIER and unit == "ms" else unit + each(finding)


def _within(marks: list[tuple[str, datetime, str]], series: Sequence[Point]) -> list[tuple[str, datetime, str]]:
    """Only marks inside the series, or the axis would stretch to them."""
    if not series:
        return []
    return [mark for mark in marks if series[0].at <= mark[1] <= series[-1].at]


def _shown_labels(labels: Sequence[Label], series: Sequence[Point]) -> list[Label]:
    return [one for one in labels if series and one.overlaps(series[0].at, series[-1].at)][:6]


def _shade(figure: Figure, label: Label, series: Sequence[Point], row: int) -> None:
    """The label's time behind the lines, with its name at the top; names of several stand below each other."""
    first, last = series[0].at, series[-1].at
    start, end = max(label.start, first), min(label.end or last, last)
    late = start > first + (last - first) / 2  # a name that begins there would leave a narrow chart
    colour = GREEN if label.harmless else VERMILLION
    figure.add_shape(
        type="rect",
        x0=words.axis(start),
        x1=words.axis(end),
        y0=0,
        y1=1,
        yref="paper",
        layer="below",
        fillcolor=colour,
        opacity=0.13,
        line={"width": 0},
    )
    figure.add_annotation(
        x=words.axis(end if late else start),
        y=0.99 - 0.07 * row,
        yref="paper",
        text=f"label: {plotly_text(words.label(label.name, label.level), 60)}",
        showarrow=False,
        xanchor="right" if late else "left",
        yanchor="top",
        font={"color": colour, "size": 11},
    )


def label_sentence(labels: Sequence[Label], series: Sequence[Point]) -> str:
    """Which labels the chart shades; '' when there is none."""
    named = [
        f"{plain(words.label(one.name, one.level), 80)} from {words.at(one.start)}"
        + (f" to {words.at(one.end)}" if one.end else " on")
        for one in _shown_labels(labels, series)
    ]
    return f" Labelled as simulated: {'; '.join(named)}." if named else ""


def counted(finding: Finding) -> bool:
    """Its series counts something in each of its steps, so that the whole is their sum and no value among them."""
    unit = finding.evidence.unit
    return unit not in {"ms", "share", "ratio"} and "/" not in unit and len(finding.evidence.series) > 1


def each(finding: Finding) -> str:
    """` in one minute`: what one point of the series counts; '' where that is no count."""
    if not counted(finding):
        return ""
    step = finding.evidence.series[1].at - finding.evidence.series[0].at
    return " in one minute" if step == timedelta(minutes=1) else f" in {words.duration(step)}"


def band_sentence(finding: Finding) -> str:
    """The chart in one sentence."""
    known = [point for point in finding.evidence.series if point.observed is not None]
    evidence, unit = finding.evidence, finding.evidence.unit
    if not known:
        return "No minute of this finding was observed: nothing arrived where something was expected."
    during = [point for point in known if point.at >= finding.start and (finding.end is None or point.at < finding.end)]
    if during and counted(finding) and evidence.observed < evidence.expected:
        top = max(during, key=lambda point: point.observed or 0.0)
        due = f"where {words.count(evidence.expected)} were expected"
        if not top.observed and not evidence.observed:
            return f"From {words.at(finding.start)} on there were no {unit} {due}."
        return (
            f"From {words.at(finding.start)} on there were at most {words.count(top.observed)}{each(finding)}, "
            f"and in all {words.quantity(evidence.observed, unit)} {due}."
        )
    top = max(during or known, key=lambda point: point.observed or 0.0)
    said = f"The highest value was {words.quantity(top.observed, unit)}{each(finding)} at {words.at(top.at)}"
    if top.expected is not None:
        said += f", where {words.quantity(top.expected, unit)} was expected"
    if top.upper is not None:
        said += f" and the alarm limit stood at {words.quantity(top.upper, unit)}"
        if during and counted(finding) and (top.observed or 0.0) <= top.upper:
            said += (
                ". No single one passes that limit; together they do: "
                f"{words.quantity(evidence.observed, unit)} where "
                f"{'hardly any' if evidence.expected < 0.1 else words.count(evidence.expected)} were expected"
            )
    return said + "."
