"""Latency: which routes take the time, in which layer, how it is spread, what traces say, and what ran out of time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from dash import Dash, dcc, html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.charting import chart, copies
from dashboard.components import card, command, empty, finding_href, icon, range_line, stale_note, table
from dashboard.data import Reader
from dashboard.exported_ops import TIMED, every_timed_route
from dashboard.exported_rows import TIMEOUTS, timeouts_of
from dashboard.exports import export_button
from dashboard.figures import ORANGE, PURPLE, SKY
from dashboard.firstrun import begin_here
from dashboard.frame import Nav, add_page
from dashboard.heat import heat_figure, heat_rows, heat_sentence
from dashboard.layers import LAYERS, Key, Latency, RouteTime, Traced, latency, verdicts
from dashboard.leads import requests_command, requests_link
from dashboard.names import Names
from dashboard.parts import folded
from dashboard.scoping import options, texts
from dashboard.sheets import Shown, sheet_table
from dashboard.stacks import stacked
from dashboard.tables import Table
from dashboard.traced import PARTS, part_name
from dashboard.view import View, Window
from gatewatch.records import iso
from gatewatch.store.findings import StoredFinding

NAV = Nav(order=70, key="l", icon="latency")

BARS = 12
FIRST = 10
"""Rows that are not folded away."""

LINKED = 400
"""Characters of a place that fit into an address."""

COLOURS = (PURPLE, ORANGE, SKY, "#9aa4af")


def register(dash: Dash, reader: Reader) -> None:
    add_page(
        dash,
        reader,
        "latency",
        title="Latency",
        render=render,
        partial=True,
        path="/latency",
        heights=(48, 360, 320, 240),
        nav=NAV,
        tables=(TIMED_TABLE, TIMEOUT_TABLE),
    )


def render(reader: Reader, rest: str, view: View) -> Component:  # noqa: ARG001
    window = reader.window(view)
    if window is None:
        why = html.Span(["Read access logs with ", command("gatewatch ingest PATH…"), "."])
        return html.Div(
            [
                html.Div(html.H1("Latency"), className="page-head"),
                card(None, empty("No requests yet", why, begin_here())),
            ]
        )
    names = reader.names()
    found = latency(reader.store(), view, window, reader.privacy)
    parts: list[Any] = [
        html.Div(
            [html.H1("Latency"), range_line(window), only(view), copies(**_calls("series", view, window))],
            className="page-head",
        ),
        stale_note(view, window),
        blind(found),
        layers(reader, found, view, names),
        spread(found, view),
        traces(found, view, names),
        timeouts(reader, found, view),
    ]
    return html.Div(parts, className="ops latency")


def only(view: View) -> Component | None:
    """The route that the page is narrowed to, with a way out."""
    if not view.q:
        return None
    return html.Span(
        [
            html.Span(f"route {plain(view.q, 120)}", className="chip state-new"),
            dcc.Link("All routes", href="/latency" + view.search(q=None, sel=None), className="action-link"),
        ],
        className="only",
    )


def _calls(what: str, view: View, window: Window, measure: str = "latency_p95") -> dict[str, str]:
    route = [f"route = {view.q}"] if view.q else []
    terms = [*texts(view), *route]
    span = f"since={iso(window.since)}&until={iso(window.until)}" + "".join(
        f"&where={quote(plain(term, 1000), safe='')}" for term in terms
    )
    if what == "series":
        return {
            "api": f"GET /api/v1/series?measure={measure}&by=route&{span}",
            "cli": f"gatewatch export minutes --since {iso(window.since)} --until {iso(window.until)}"
            + plain(options(view, *([f"route = {view.q}"] if view.q else [])), 600),
        }
    if what == "timeouts":
        return {
            "api": f"GET /api/v1/requests?{span}&where={quote('latency_ms >= 28000', safe='')}",
            "cli": requests_command(window, view, *route, "latency_ms >= 28000"),
        }
    return {"api": f"GET /api/v1/heatmap?{span}"}


def blind(found: Latency) -> Component | None:
    """What the logs do not say."""
    dark = [one for one in found.routes if one.n and not one.timed]
    half = [one for one in found.routes if one.timed and not one.told]
    if not dark and not half:
        return None
    said = []
    if dark:
        said.append(f"the latency of {words.plural(len(dark), 'route')} is not logged")
    if half:
        said.append(f"of {words.plural(len(half), 'route')} only the whole is logged, not its layers")
    text = "; ".join(said)
    return html.Div(
        [
            icon("warning"),
            html.Span([f"{text[0].upper()}{text[1:]}. ", dcc.Link("What each stage logs", href="/sources"), "."]),
        ],
        className="banner banner-info",
        role="status",
    )


def route_name(key: Key, names: Names, view: View) -> str:
    """The route, with what the scope does not say already."""
    api, stage, route = key
    said = plain(route, 80) or "no route"
    if view.api and view.stage:
        return said
    return (
        f"{said} · {plain(names.of.get(api) or api, 40)}{f' / {plain(stage, 30)}' if stage and not view.stage else ''}"
    )


def layers(reader: Reader, found: Latency, view: View, names: Names) -> Component:
    timed = [one for one in found.routes if one.timed]
    if not timed:
        why = "No request of this range has a latency: nothing came, or the logs do not have it."
        return card("Where the time goes", empty("No latency is known", why))
    shown = timed[:BARS]
    places = [route_name(one.key, names, view) for one in shown]
    whole = sum(one.mean * one.timed for one in timed) or 1.0
    parts = {layer: [round(100 * one.ms[layer] * one.timed / whole, 3) for one in shown] for layer in LAYERS}
    parts = {layer: values for layer, values in parts.items() if any(values)}
    height = 110 + 42 * len(shown)
    figure = stacked(
        places,
        parts,
        height=height,
        unit="% of all time",
        hover=".2f",
        across=True,
        colours=[COLOURS[LAYERS.index(layer)] for layer in parts],
    )
    heads = ("Route", "of all time", *(f"{layer}, mean" for layer in parts), "mean")
    rows = [
        [
            place,
            words.percent(one.mean * one.timed / whole),
            *(words.millis(one.ms[layer]) for layer in parts),
            words.millis(one.mean),
        ]
        for place, one in zip(places, shown, strict=True)
    ]
    drawn = chart("layers", figure, layer_sentence(found, names, view), heads, rows, height=height)
    return card(
        "Where the time goes",
        drawn,
        routes(reader, found, view),
        note=f"the {words.plural(len(shown), 'route')} that take the most time in all",
    )


def layer_sentence(found: Latency, names: Names, view: View) -> str:
    timed = [one for one in found.routes if one.timed]
    whole = sum(one.mean * one.timed for one in timed)
    by_layer = {layer: sum(one.ms[layer] * one.timed for one in timed) for layer in LAYERS}
    most = max(by_layer, key=lambda layer: by_layer[layer])
    first = timed[0]
    share = first.mean * first.timed / whole if whole else math.nan
    return (
        f"Of all time {words.percent(by_layer[most] / whole if whole else math.nan)} went to: {most}; "
        f"{route_name(first.key, names, view)} took {words.percent(share)} of it, {words.millis(first.mean)} a request."
    )


def routes(reader: Reader, found: Latency, view: View) -> Component:
    total = len(found.routes) + found.more
    made = TIMED_TABLE.placed(
        reader,
        view,
        found.routes,
        total,
        lambda: every_timed_route(reader, "", view),
        lambda listed: timed_table(reader, view, listed, found.verdicts),
    )
    return html.Div([made, html.Div(export_button("timed-routes"), className="rule")])


def timed_table(
    reader: Reader, view: View, listed: Shown[RouteTime], known: Mapping[Key, list[StoredFinding]] | None = None
) -> Component:
    """known: the latency findings of routes, if they were read already."""
    names, window = reader.names(), reader.window(view)
    if known is None:
        known = verdicts(reader.store(), view, window) if window else {}

    def line(one: RouteTime) -> list[Any]:
        api, stage, route = one.key
        scoped = replace(view, api=api, stage=stage)
        name: Any = route_name(one.key, names, view)
        n: Any = words.count(one.n)
        if route and len(api + (stage or "") + route) <= LINKED:
            name = dcc.Link(name, href="/latency" + scoped.search(q=route, sel=None), title="Only this route")
            n = requests_link(n, scoped, f"route = {route}")
        return [
            name,
            n,
            *(slower(ms, one, scoped) for ms in (one.p50, one.p95, one.p99)),
            one.slowest or "not known",
            words.percent(one.timeouts / one.n) if one.n and one.timed else words.NONE,
            verdict(known, one.key, view),
        ]

    heads = (
        ("Route", "route"),
        ("Requests", "requests"),
        ("p50", "p50_ms"),
        ("p95", "p95_ms"),
        ("p99", "p99_ms"),
        ("Slowest layer", "slowest_layer"),
        ("28 s or more", "over_28s"),
        ("Verdict", ""),
    )
    caption = "Routes by the time they take in all: latency, slowest layer, timeouts and verdicts"
    numbers = (1, 2, 3, 4, 6)
    return sheet_table(
        listed, view, heads, line, caption=caption, first=FIRST, numbers=numbers, name="stack one", one="route"
    )


TIMED_TABLE = Table(TIMED, timed_table)


def slower(ms: float, one: RouteTime, scoped: View) -> Any:
    """A quantile that leads to the requests that took as long or longer."""
    if not one.timed:
        return "not logged"
    route = one.key[2]
    if not route or len(route) > LINKED or not math.isfinite(ms):
        return words.millis(ms)
    return requests_link(words.millis(ms), scoped, f"route = {route}", f"latency_ms >= {ms:.3g}")


def verdict(known: Mapping[Key, list[StoredFinding]], key: Key, view: View) -> Component | str:
    """Badges of the latency findings of a route, and of its whole stage."""
    found = [*known.get(key, []), *(known.get((key[0], key[1], None), []) if key[2] else [])]
    if not found:
        return html.Span("no finding", className="zero")
    badges = []
    for stored in found[:3]:
        one = stored.finding
        layer = words.layer(plain(one.layer, 40)) if one.layer else "layer not known"
        ended = "" if one.end is None else ", ended"
        badges.append(
            dcc.Link(
                [icon(one.severity.value), f"{layer}{ended}"],
                href=finding_href(one.id, view),
                title=plain(one.title, 200),
                className=f"badge severity-{one.severity.value}",
            )
        )
    return html.Span([*badges, f" +{len(found) - 3}" if len(found) > 3 else ""], className="chips")


def spread(found: Latency, view: View) -> Component | None:
    if found.heat is None:
        return None
    heads, rows = heat_rows(found.heat)
    sentence = heat_sentence(found.heat)
    figure = heat_figure(found.heat, height=340)
    drawn = chart("heat", figure, sentence, heads, rows, height=340, caption="Requests by time and latency")
    return card(
        "How latency is spread",
        drawn,
        copies(**_calls("heatmap", view, found.window)),
        note="dotted: the limit of 29 s" if found.heat.over else "logarithmic",
    )


def traces(found: Latency, view: View, names: Names) -> Component:
    if not found.traced:
        why = html.Span(
            ["Bring them with ", command("gatewatch ingest --traces FILE"), ", or connect an account with traces."]
        )
        said = "Downstreams and cold starts are not known."
        return card("What traces say", empty("No traced request in this range", said, why))
    cold, ran = found.cold.all
    inside: list[Any] = []
    if view.sel:
        inside.append(one_trace(found.chosen, view, names))
    inside.append(html.Div([downstreams(found, view), cold_starts(found, view, names)], className="columns"))
    inside.append(html.H3("Slowest traced requests"))
    inside.append(slowest(found, view, names))
    share = f"{words.percent(cold / ran)} of {words.count(ran)} ran into a cold start" if ran else "no function ran"
    note = f"{words.plural(found.traced, 'traced request')}, a sample; {share}"
    return card("What traces say", *inside, note=note)


def downstreams(found: Latency, view: View) -> Component:
    if not found.downstreams:
        return html.Div([html.H3("Slowest downstreams"), html.P("No traced request called one.")])
    rows: list[list[Any]] = [
        [
            plain(one.name, 80),
            words.count(one.calls),
            words.millis(one.mean_ms),
            words.millis(one.p95_ms),
            words.percent(one.share),
            dcc.Link("Slowest", href="/latency" + view.search(sel=one.trace_id) + "#trace", className="action-link"),
        ]
        for one in found.downstreams
    ]
    heads = ("Downstream", "Calls", "Mean", "p95", "Of all time", "")
    listed = table(heads, rows, caption="What functions call, by its time in all", numbers=(1, 2, 3, 4), name="stack")
    return html.Div([html.H3("Slowest downstreams"), listed])


def cold_starts(found: Latency, view: View, names: Names) -> Component:
    rows: list[list[Any]] = [
        [
            route_name(key, names, view),
            words.percent(cold / ran),
            f"{cold} of {ran}",
            words.millis(ms) if cold else words.NONE,
        ]
        for key, cold, ran, ms in found.cold.routes[:12]
    ]
    if not rows:
        return html.Div([html.H3("Cold starts"), html.P("No traced request ran a function.")])
    heads = ("Route", "Share", "Traced", "Takes")
    listed = folded(heads, rows, caption="Cold starts by route", first=6, numbers=(1, 2, 3))
    return html.Div([html.H3("Cold starts"), listed])


def slowest(found: Latency, view: View, names: Names) -> Component:
    def line(one: Traced) -> list[Any]:
        part, name, ms = one.parts[0]
        return [
            dcc.Link(
                html.Span(plain(one.trace_id, 48), className="mono"),
                href="/latency" + view.search(sel=one.trace_id) + "#trace",
            ),
            words.at(one.at),
            route_name(one.key, names, view),
            str(one.status) if one.status is not None else words.NONE,
            words.millis(one.total_ms),
            f"{part_name(part, name)}: {words.millis(ms)}",
        ]

    heads = ("Trace", "When", "Route", "Status", "Took", "Most of it")
    rows = [line(one) for one in found.slowest]
    return folded(heads, rows, caption="Slowest traced requests", first=FIRST, numbers=(3, 4), name="stack one")


def one_trace(one: Traced | None, view: View, names: Names) -> Component:
    close = dcc.Link("Close", href="/latency" + view.search(sel=None), className="action-link")
    if one is None:
        return html.Div([html.P("This trace is not in this range."), close], id="trace")
    rows: list[list[Any]] = []
    for part, name, ms in one.parts:
        share = ms / one.total_ms if one.total_ms else 0.0
        bar: Any = {"aria-hidden": "true"}
        rows.append(
            [
                PARTS.get(part, plain(part, 30)),
                plain(name, 100) or words.NONE,
                words.millis(ms),
                html.Span(
                    [
                        html.Span(className="part-bar", style={"width": f"{min(share, 1) * 100:.1f}%"}, **bar),
                        html.Span(words.percent(share)),
                    ],
                    className="part-share",
                ),
            ]
        )
    title = f"{route_name(one.key, names, view)}, {words.at(one.at)}: {words.millis(one.total_ms)}"
    heads = ("Part", "Of", "Took", "Share")
    return html.Div(
        [
            html.Div(
                [html.H3([f"{title} ", html.Span(plain(one.trace_id, 48), className="mono")]), close],
                className="card-head",
            ),
            table(heads, rows, caption=title, numbers=(2,), name="stack"),
        ],
        id="trace",
        className="one-trace",
    )


def called(row: Mapping[str, Any]) -> str:
    """Method and path; the route has its method in it already."""
    path = plain(row.get("path"), 160)
    return f"{plain(row.get('method'), 10)} {path}".strip() if path else plain(row.get("route"), 160)


def timeouts(reader: Reader, found: Latency, view: View) -> Component:
    if not found.n_timeouts:
        timed = any(one.timed for one in found.routes)
        said = "No request took 28 s or more." if timed else "Not known: no latency is logged."
        return card("Timeouts", html.P(said))
    return card(
        "Timeouts",
        TIMEOUT_TABLE.placed(reader, view, found.timeouts, found.n_timeouts, lambda: timeouts_of(reader, "", view)),
        html.Div(export_button("timeouts"), className="rule"),
        copies(**_calls("timeouts", view, found.window)),
        note=f"{words.plural(found.n_timeouts, 'request')} of 28 s or more",
    )


def timeout_table(reader: Reader, view: View, listed: Shown[dict[str, Any]]) -> Component:  # noqa: ARG001
    def line(row: dict[str, Any]) -> list[Any]:
        waited = row.get("integration_latency_ms")
        return [
            words.second(row["at"]),
            called(row),
            str(row["status"]) if row.get("status") is not None else words.NONE,
            words.millis(row.get("latency_ms")),
            words.millis(waited) if waited is not None else "not logged",
            plain(row.get("error_message") or row.get("error_type"), 160) or words.NONE,
            plain(row.get("request_id"), 60) or words.NONE,
        ]

    heads = (
        ("When", "at"),
        ("Request", "path"),
        ("Status", "status"),
        ("Took", "latency_ms"),
        ("Integration", "integration_latency_ms"),
        ("Error", "error_message"),
        ("Request id", "request_id"),
    )
    return sheet_table(
        listed,
        view,
        heads,
        line,
        caption="Requests of 28 s or more",
        first=FIRST,
        numbers=(2, 3, 4),
        name="stack one",
        one="request",
    )


TIMEOUT_TABLE = Table(TIMEOUTS, timeout_table)
