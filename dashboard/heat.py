"""How many requests took how long, when: a heat map on a logarithmic axis, and its words."""

from __future__ import annotations

import math

import numpy as np

from dashboard import words
from dashboard.charting import laid_out
from dashboard.figure import Figure
from dashboard.figures import VERMILLION
from gatewatch.store.series import HeatMap

SCALE = [[0.0, "#8ec9f0"], [0.35, "#2f8fd0"], [0.7, "#7b4fb3"], [1.0, "#d5366a"]]
LIMIT_MS = 29_000.0
"""What an integration may take at most, unless somebody asked AWS for more."""


def heat_figure(found: HeatMap, *, height: int) -> Figure:
    counts = np.array(found.counts, dtype=np.float64)
    with np.errstate(divide="ignore"):
        shade = np.where(counts > 0, np.log10(np.maximum(counts, 1)), np.nan)
    figure = Figure()
    ends = [*(max(edge, 0.5) for edge in found.edges_ms), found.edges_ms[-1] * 1.3 if found.edges_ms[-1] else 1.0]
    top = max(float(np.nanmax(shade)), 0.1)
    decades = list(range(math.ceil(top) + 1))
    figure.add_heatmap(
        x=[words.axis(at) for at in found.at],
        y=ends,
        z=[[None if math.isnan(value) else round(value, 2) for value in row] for row in shade.tolist()],
        customdata=[[n or None for n in row] for row in found.counts],
        hovertemplate=words.zoned(
            "%{x|%Y-%m-%d %H:%M} UTC<br>%{customdata:,} requests of about %{y:,.3~g} ms<extra></extra>"
        ),
        hoverongaps=False,
        colorscale=SCALE,
        zmin=0,
        zmax=top,
        colorbar={
            "title": {"text": "requests"},
            "tickvals": decades,
            "ticktext": [words.count(10**decade) for decade in decades],
            "thickness": 10,
            "outlinewidth": 0,
        },
    )
    if ends[-1] >= LIMIT_MS:
        line = {"color": VERMILLION, "width": 1, "dash": "dot"}
        figure.add_shape(type="line", x0=0, x1=1, xref="x domain", y0=LIMIT_MS, y1=LIMIT_MS, line=line)
    laid_out(figure, height=height, y="latency (ms)", x=words.zoned("time (UTC)"), hover="closest")
    ticks = [value for decade in range(7) for value in (10**decade,)]
    figure.update_yaxes(type="log", rangemode=None, tickvals=ticks, ticktext=[words.millis(value) for value in ticks])
    return figure


def band_name(edges: list[float], row: int) -> str:
    """`40 to 52 ms`; the last band has no end."""
    begin = words.millis(edges[row])
    return f"{begin} or more" if row + 1 == len(edges) else f"{begin} to {words.millis(edges[row + 1])}"


def heat_sentence(found: HeatMap) -> str:
    """Where most requests are, and how many were cut off or nearly so."""
    sums = [sum(row) for row in found.counts]
    total = sum(sums)
    most = max(range(len(sums)), key=lambda row: sums[row])
    said = f"Of {words.count(total)} requests with a known latency most took {band_name(found.edges_ms, most)}"
    said += f" ({words.percent(sums[most] / total)})"
    return f"{said}; {words.count(found.over)} took 28 s or more." if found.over else f"{said}; none took 28 s or more."


def heat_rows(found: HeatMap) -> tuple[list[str], list[list[str]]]:
    """The table twin: a row a time, a column a band that has anything."""
    used = [row for row, counts in enumerate(found.counts) if any(counts)]
    heads = [words.zoned("Time (UTC)"), *(band_name(found.edges_ms, row) for row in used)]
    rows = [
        [f"{at:%Y-%m-%d %H:%M}", *(words.count(found.counts[row][step]) for row in used)]
        for step, at in enumerate(found.at)
    ]
    return heads, rows
