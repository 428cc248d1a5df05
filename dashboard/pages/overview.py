"""Overview: is all well, and if not, where to look first."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from dash import Dash, dcc, html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.annotations import lane, toggles
from dashboard.calling import ended, needs_you
from dashboard.charting import copies
from dashboard.components import (
    card,
    empty,
    icon,
    labels_switch,
    range_line,
    stale_note,
    table,
)
from dashboard.data import ApiRow, Overview, Reader
from dashboard.figures import SKY, spark_sentence, sparkline
from dashboard.firstrun import DEMO, demo_note, first_run
from dashboard.frame import Nav, add_page
from dashboard.labels import Label, marks
from dashboard.leads import Words, requests_link
from dashboard.links import api_href, page_href
from dashboard.scoping import options, texts
from dashboard.summary import ROWS, budgets, tiles
from dashboard.view import View
from gatewatch.access.current import current
from gatewatch.records import Kind, Severity, iso

API_ROWS = 15
LABEL_ROWS = 15
MOST_LABELS = 200
"""Labels that are shown at once, and those that are folded out at most."""

NAV = Nav(order=10, key="o", icon="overview")


def register(dash: Dash, reader: Reader) -> None:
    add_page(
        dash,
        reader,
        "overview",
        title="Overview",
        render=render,
        partial=True,
        path="/",
        heights=(28, 120, 156, 260, 260),
        nav=NAV,
    )


def render(reader: Reader, rest: str, view: View) -> Component:  # noqa: ARG001
    found = reader.overview(view)
    if found is None:
        return first_run(current())
    made = content(found, view)
    only_demo = {one.source for one in reader.sources() if one.lines} == {DEMO}
    return html.Div([demo_note(current()), made]) if only_demo else made


def content(found: Overview, view: View) -> Component:
    window = found.window
    parts: list[Component] = [
        html.Div(
            [
                html.H1("Overview"),
                range_line(window),
                asked_outside(found, view),
            ],
            className="page-head",
        )
    ]
    if note := stale_note(view, window):
        parts.append(note)
    n_open = sum(found.open_counts.values())
    happened = lane(window, found.notes, view, changes_page=page_href("changes", view) is not None)
    parts += [
        card("Needs you", needs_you(found, view), note=words.plural(n_open, "open finding"), name="needs-you"),
        tiles(found, view),
        html.Div(
            [
                card("What happened", happened, note=toggles(view), name="happened"),
                card("Open findings", matrix(found, view), note="by kind and severity"),
            ],
            className="columns",
        ),
        card("APIs", apis(found, view), note=f"{view.span_label}, worst first"),
    ]
    if found.noise is not None and found.standing is not None:
        parts.append(budgets(found.noise, found.standing, apis=len({row.api for row in found.apis})))
    if found.labelled:
        parts.append(card("What is really going on", truth(found, view), note=labels_switch(view)))
    if found.ended:
        parts.append(card("Ended in this range", ended(found, view)))
    if found.blind:
        parts.append(
            card("What gatewatch cannot see", blind(found, view), note="could not tell is not fine", name="blind")
        )
    return html.Div(parts)


def asked_outside(found: Overview, view: View) -> Component:
    """The numbers of the page as a call of the API and as a command."""
    since, until = iso(found.window.since), iso(found.window.until)
    asked = [
        ("measure", "requests"),
        ("by", "api"),
        ("since", since),
        ("until", until),
        *(("where", one) for one in texts(view)),
    ]
    return copies(
        api=f"GET /api/v1/series?{urlencode(asked)}",
        cli=f"gatewatch export minutes --since {since} --until {until}{options(view)} -o minutes.csv",
    )


def matrix(found: Overview, view: View) -> Component:
    """Open findings, kind by severity; each number leads to its findings."""
    severities = list(reversed(Severity))

    def cell(kind: Kind, severity: Severity) -> Component | str:
        n = found.open_counts.get((kind.value, severity.value), 0)
        if n == 0:
            return html.Span("0", className="zero")
        href = "/findings" + view.search(kind=kind.value, severity=severity.value, state="open", range="30d")
        said = f"{n} open, {words.KINDS[kind]}, {severity.value}"
        return dcc.Link(words.count(n), href=href, className=f"matrix-cell severity-{severity.value}", title=said)

    rows = [[words.KINDS[kind], *(cell(kind, severity) for severity in severities)] for kind in Kind]
    heads = ("Kind", *(words.SEVERITIES[severity] for severity in severities))
    return table(heads, rows, caption="Open findings by kind and severity", numbers=range(1, 6), name="matrix")


def truth(found: Overview, view: View) -> Component:
    """The labels of a simulated world that lie in the range, newest first."""
    if not found.labels:
        why = "They are hidden." if view.labels == "off" else "Nothing is planted in this range."
        return empty("No labels", why, "This world is simulated; its labels tell what a detector should find.")

    def line(one: Label) -> list[Component | str]:
        name = words.stage_name(plain(one.api, 80), plain(one.stage, 60) if one.stage else None)
        route = f" · {plain(one.route, 120)}" if one.route else ""
        kind = words.KINDS.get(Kind(one.kind)) if one.kind in {kind.value for kind in Kind} else None
        return [
            f"{words.at(one.start)} " + (f"for {words.duration(one.end - one.start)}" if one.end else "and goes on"),
            f"{plain(one.of, 80)} · {name}{route}" if one.of else f"{name}{route}",
            html.Span(plain(words.label(one.name, one.level), 80), className="label-name"),
            html.Span(kind or "harmless", className="chip" if one.harmless else "chip label-incident"),
            plain(one.said, 300),
        ]

    newest = sorted(found.labels, key=lambda one: (one.start, one.name), reverse=True)
    heads = ("When", "API / stage", "What", "To be found as", "How to tell")

    return table(
        heads,
        [line(one) for one in newest[:MOST_LABELS]],
        caption="Labels of the simulated world in this range, newest first",
        name="stack one labels",
        first=LABEL_ROWS,
    )


def apis(found: Overview, view: View) -> Component:
    rows = found.apis
    if not rows:
        return empty("No API had a request in this range", "Choose a longer range above, or another API.")
    slowest = max((row.totals.p95_ms for row in rows if math.isfinite(row.totals.p95_ms)), default=1.0) or 1.0
    heads = ("API / stage", "Requests", "", "5xx", "Auth rejections", "Throttled", "p95", "Open findings")

    def line(row: ApiRow) -> list[Any]:
        name = found.names.place(row.api, row.stage)
        series = row.requests
        said = spark_sentence(f"Requests of {name}", series, [words.count(one) for one in series])
        shaded = marks([one for one in found.labels if one.api == row.api], found.window)
        if shaded:
            said += f" {words.plural(len(shaded), 'label')} of the simulated world shaded."
        href = "/findings" + view.search(api=row.api, stage=row.stage, state="open", range="30d")
        findings = (
            dcc.Link(
                [icon(row.worst.value), words.count(row.open_findings)],
                href=href,
                className=f"severity-{row.worst.value}",
            )
            if row.worst
            else html.Span("0", className="zero")
        )
        href_api = api_href(row.api, row.stage, view)
        shown_name = (
            dcc.Link(name, href=href_api, className="api-name") if href_api else html.Span(name, className="api-name")
        )
        totals, place = row.totals, replace(view, api=row.api, stage=row.stage)

        def rows(said: str, n: int, key: str) -> Words:
            return requests_link(said, place, *ROWS[key]) if n else said

        return [
            html.Span([shown_name, html.Span(row.api_type or "", className="chip")]),
            rows(words.count(totals.n), totals.n, "requests"),
            html.Img(src=sparkline(series, SKY, shaded), alt=said, title=said, className="spark small-spark")
            if series
            else "",
            bar(
                rows(words.percent(totals.failed_share), totals.failed, "failed"), totals.failed_share / 0.05, "failed"
            ),
            bar(
                rows(words.count(totals.auth), totals.auth, "auth"),
                totals.auth / totals.n / 0.2 if totals.n else 0,
                "auth",
            ),
            bar(
                rows(words.count(totals.throttled), totals.throttled, "throttled"),
                totals.throttled / totals.n / 0.2 if totals.n else 0,
                "throttled",
            ),
            bar(words.millis(totals.p95_ms), totals.p95_ms / slowest, "p95"),
            findings,
        ]

    caption = "APIs and stages: requests, errors, refusals, latency and open findings"
    shown = table(
        heads,
        [line(row) for row in rows[:API_ROWS]],
        caption=caption,
        numbers=(1, 3, 4, 5, 6, 7),
        name=looks(len(rows)),
    )
    return html.Div([shown, *rest(len(rows), "apis", view)])


def looks(many: int) -> str:
    """A table that holds the first rows only is not to be put in order here: its page does that, for all of them."""
    return "stack" if many <= API_ROWS else "stack served"


def rest(many: int, page: str, view: View) -> list[Component]:
    """How many rows are not shown here, and where they are: a browser takes long over thousands of components."""
    if many <= API_ROWS:
        return []
    said = f"The first {API_ROWS} of {many:,}"
    href = page_href(page, view)
    more: list[Component | str] = [f"{said}. ", dcc.Link("Show all", href=href), "."] if href else [f"{said}."]
    return [html.P(more, className="note padded")]


def bar(said: Words, share: float, name: str) -> Component:
    """A number with a small bar; full at 5 % of failures, at 20 % of refusals, and at the slowest p95."""
    width = 100 * min(max(share, 0.0), 1.0) if math.isfinite(share) else 0.0
    fill = html.Span(className=f"bar-fill bar-{name}", style={"width": f"{width:.0f}%"})
    return html.Span([html.Span(said), html.Span(fill, className="bar-track")], className="bar-cell")


def blind(found: Overview, view: View) -> Component:
    rows: list[list[Component | str]] = [
        [
            found.names.place(one.api, one.stage),
            words.KINDS[one.kind],
            plain(one.reason, 200),
            ", ".join(plain(name, 60) for name in one.missing) or words.NONE,
        ]
        for one in found.blind[:API_ROWS]
    ]
    heads = ("API / stage", "Detector", "Why", "Missing in the log")
    shown = table(heads, rows, caption="Detectors that cannot judge a stage", name=f"one {looks(len(found.blind))}")
    return html.Div([shown, *rest(len(found.blind), "sources", view)])
