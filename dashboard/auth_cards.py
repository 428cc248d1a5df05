"""What is told of refused credentials, card by card: on the page of all APIs, and on that of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from alerts.render.plotly import plotly_text
from alerts.render.text import plain
from dashboard import words
from dashboard.charting import chart
from dashboard.components import card, empty, finding_link, severity_mark, table, tile, where
from dashboard.data import Reader
from dashboard.data_auth import Auth, AuthorizerLine, PlaceLine, every_network, every_place, every_refused
from dashboard.exported import REFUSED, Refused, as_shown
from dashboard.exported_rows import NETWORKS, PLACES, Network, as_networks
from dashboard.exports import export_button
from dashboard.figure import Figure
from dashboard.figures import BLUE, GREEN, ORANGE, PURPLE, TIME_TICKS, VERMILLION, spark_sentence, sparkline
from dashboard.grids import Column, sheet_grid
from dashboard.leads import (
    api_href,
    caller_href,
    caller_page,
    findings_href,
    requests_copies,
    requests_href,
    requests_link,
)
from dashboard.parts import folded, no_requests, route_name, size, unknown
from dashboard.refusals import ATTACK, AUTH, LANE_ORDER, OUTAGE, SCAN, STORM, lane
from dashboard.sheets import MOST_ROWS, Shown, sheet_table
from dashboard.summing import route_term
from dashboard.tables import Table
from dashboard.timelines import Lines, busiest, stack_figure, stack_sentence
from dashboard.view import View
from detect.saying import CAUSES
from gatewatch.records import AUTH_CAUSES, Kind

_LANE_COLOURS = {ATTACK: VERMILLION, SCAN: PURPLE, STORM: ORANGE, OUTAGE: BLUE}


def content(reader: Reader, found: Auth, view: View) -> Component:
    """All cards."""
    if not found.total:
        return card("Refused credentials", no_requests())
    return html.Div(
        [
            tiles(found, view),
            over_time(found, view),
            lanes(found, view),
            html.Div([causes(found, view), networks(reader, found, view)], className="columns"),
            who(reader, found, view),
            authorizers(found, view),
            places(reader, found, view),
            cannot_see(found),
        ]
    )


def tiles(found: Auth, view: View) -> Component:
    sums = {name: sum(one for one in values if one == one) for name, values in found.series.items()}
    failed = sums["authorizer_error"] + sums["authorizer_timeout"]
    refused = found.refused - failed - sums["waf_block"] - sums["path_probing"]
    line = [sum(column) for column in zip(*found.series.values(), strict=True)]
    rows: list[tuple[str, str, str, Sequence[float] | None, str, bool]] = [
        ("Credentials refused", words.count(refused), share(refused, found.total), line, PURPLE, False),
        ("Callers refused", words.count(found.callers), "different keys, principals or addresses", None, BLUE, False),
        ("Authorizer failed", words.count(failed), "errors and timeouts", None, ORANGE, failed > 0),
        ("Blocked by WAF", words.count(sums["waf_block"]), "before any authorizer", None, BLUE, False),
        ("Paths probed", words.count(sums["path_probing"]), "nothing answers there", None, BLUE, False),
        (
            "Cause not told",
            words.count(found.untold),
            found.unknown_why or "refusals whose log says no reason",
            None,
            BLUE,
            False,
        ),
    ]
    behind = {
        "Credentials refused": (refused, sorted(AUTH_CAUSES)),
        "Authorizer failed": (failed, ["authorizer_error", "authorizer_timeout"]),
        "Blocked by WAF": (sums["waf_block"], ["waf_block"]),
        "Paths probed": (sums["path_probing"], ["path_probing"]),
        "Cause not told": (found.untold, ["unknown"]),
    }

    def rows_of(name: str) -> str | None:
        n, named = behind.get(name, (0, []))
        return requests_href(view, f"reject_cause {'in' if len(named) > 1 else '='} {','.join(named)}") if n else None

    shown = [
        tile(
            name,
            value,
            note,
            sparkline(series, colour) if series else None,
            spark_sentence("Refusals", series, [words.count(one) for one in series]) if series else note,
            href=findings_href(view, kind=Kind.AUTH_FAILURE_SPIKE.value) if name == "Credentials refused" else None,
            bad=bad,
            rows=rows_of(name),
        )
        for name, value, note, series, colour, bad in rows
    ]
    return html.Div(shown, className="tiles alone")


def share(part: float, whole: int) -> str:
    return f"{words.percent(part / whole)} of requests" if whole else "no requests"


def over_time(found: Auth, view: View) -> Component:
    series = busiest({CAUSES[name]: values for name, values in found.series.items()})
    note = f"per {size(found.grid.minutes)}, by cause"
    if not series:
        extra = (
            html.P(f"{words.count(found.backend_refused)} refusals of the back end are not in here.")
            if found.backend_refused
            else None
        )
        return card("Refusals", empty("Nobody was refused in this range", extra or "No credential was turned away."))
    at = found.grid.at
    beside = html.P(
        f"Not in here: {words.count(found.backend_refused)} refusals that back ends chose themselves, among them "
        "logins that failed there.",
        className="small",
    )
    return card(
        "Refusals",
        Lines(at, series, words.count).drawn(
            "causes",
            stack_figure(at, series, "refusals", minutes=found.grid.minutes),
            stack_sentence(at, series, "refusals"),
            "auth",
        ),
        beside if found.backend_refused else None,
        requests_copies(found.window, view, f"reject_cause in {','.join(AUTH)}"),
        note=note,
    )


def lanes(found: Auth, view: View) -> Component:
    """Findings in time: attacks apart from storms, scans and outages."""
    if not found.findings:
        return card(
            "Attack or storm",
            empty("No finding about credentials in this range", "Refusals above are within what is usual."),
        )
    order = sorted(found.findings, key=lambda one: (LANE_ORDER.index(lane(one.finding.subtype)), one.finding.start))
    rows: list[list[Any]] = [
        [
            lane(one.finding.subtype),
            severity_mark(one.finding.severity),
            finding_link(one, view),
            where(one, found.names),
            words.at(one.finding.start),
            words.duration(one.finding.end - one.finding.start) if one.finding.end else "goes on",
        ]
        for one in order[:40]
    ]
    counted = {name: sum(lane(one.finding.subtype) == name for one in found.findings) for name in LANE_ORDER}
    said = ", ".join(f"{words.count(n)} × {name.lower()}" for name, n in counted.items() if n)
    sentence = f"Findings in this range: {said}."
    heads = ("Lane", "Severity", "Finding", "API / stage", "Began", "Lasted")
    figure = lane_figure(found)
    spans = [
        (lane(one.subtype), plain(one.title, 120), words.at(one.start), words.at(one.end) if one.end else "goes on")
        for one in (stored.finding for stored in order)
    ]
    return card(
        "Attack or storm",
        chart("lanes", figure, sentence, ("Lane", "Finding", "From", "To"), spans, height=figure.height),
        folded(heads, rows, caption="Findings about credentials, by lane", first=8, name="stack one"),
        note="a storm is a mistake that looks like an attack",
    )


def lane_figure(found: Auth) -> Figure:
    since, until = found.window.since, found.window.until
    figure = Figure()
    used = [name for name in LANE_ORDER if any(lane(one.finding.subtype) == name for one in found.findings)]
    for name in used:
        mine = [one.finding for one in found.findings if lane(one.finding.subtype) == name]
        spans = [(max(one.start, since), min(one.end or until, until)) for one in mine]
        figure.add_bar(
            y=[name] * len(mine),
            base=[words.axis(start) for start, _ in spans],
            x=[max((end - start) / timedelta(milliseconds=1), least(since, until)) for start, end in spans],
            orientation="h",
            width=0.55,
            marker={"color": _LANE_COLOURS.get(name, GREEN), "line": {"width": 0}},
            text=[plotly_text(one.title, 80) for one in mine],
            textposition="none",
            hovertemplate="%{text}<extra></extra>",
            showlegend=False,
        )
    figure.update_layout(
        barmode="overlay",
        height=90 + 34 * len(used),
        uirevision="keep",
        margin={"l": 8, "r": 12, "t": 12, "b": 8},
        xaxis={
            "type": "date",
            "range": [words.axis(since), words.axis(until)],
            "title": {"text": words.zoned("time (UTC)"), "standoff": 12},
            "automargin": True,
            **TIME_TICKS,
        },
        yaxis={"autorange": "reversed", "type": "category", "automargin": True, "title": {"text": ""}},
    )
    return figure


def least(since: datetime, until: datetime) -> float:
    """What is too short to be seen is drawn this long, in ms."""
    return (until - since) / timedelta(milliseconds=1) / 250


def causes(found: Auth, view: View) -> Component:
    rows: list[list[Any]] = [
        [
            CAUSES.get(one.cause, one.cause),
            requests_link(words.count(one.n), view, f"reject_cause = {one.cause}"),
            words.percent(one.share),
            words.count(one.callers),
            words.count(one.routes),
            words.at(one.last_at),
        ]
        for one in found.causes
    ]
    if not rows:
        return card("Causes", empty("No refusal", "Nobody was refused in this range."))
    heads = ("Cause", "Refused", "Share", "Callers", "Routes", "Last")
    return card(
        "Causes",
        table(heads, rows, caption="Why requests were refused", numbers=(1, 2, 3, 4), name="stack"),
        note=words.plural(found.refused, "refusal"),
    )


def networks(reader: Reader, found: Auth, view: View) -> Component:
    """Where refused requests came from. Networks' owners and countries are not in logs."""
    if not found.networks:
        why = found.unknown_who or "Nobody was refused in this range."
        return card("Where from", unknown("Not known", why) if found.unknown_who else empty("No refusal", why))
    first = found.networks[0]
    sentence = f"{words.percent(first[1] / max(found.refused, 1))} of refusals come from the first of these networks."
    return card(
        "Where from",
        NETWORK_TABLE.placed(
            reader,
            view,
            as_networks(reader, found.networks),
            found.every_network,
            lambda: as_networks(reader, every_network(reader, view, most=MOST_ROWS) or ()),
        ),
        html.P(sentence, className="small"),
        html.Div(export_button("networks"), className="rule"),
        note="by /24 and /48",
    )


def network_table(reader: Reader, view: View, listed: Shown[Network]) -> Component:  # noqa: ARG001
    most = max((one.n for one in listed.items), default=1)

    def line(one: Network) -> list[Any]:
        return [
            plain(one.name, 60),
            html.Span(html.Span(style={"width": f"{100 * one.n / most:.1f}%"}), className="meter"),
            words.count(one.n),
            words.count(one.addresses),
        ]

    heads = (("Network", "network"), ("", ""), ("Refused", "refused"), ("Addresses", "addresses"))
    caption = "Refusals by network"
    return sheet_table(listed, view, heads, line, caption=caption, first=8, numbers=(2, 3), one="network")


NETWORK_TABLE = Table(NETWORKS, network_table)


_WHO = (
    Column("who", "Caller", "way", width=180, flex=3, part="caller"),
    Column("kind", "Known by", width=100, part="known_by"),
    Column("n", "Refused", "linked", 96, part="refused"),
    Column("cause", "Mostly for", width=150, flex=2, part="mostly_for"),
    Column("routes", "Routes", "number", 80, part="routes"),
    Column("addresses", "Addresses", "number", 112, part="addresses"),
    Column("agent", "User agent", width=150, flex=2, part="agent"),
    Column("first", "First (UTC)", width=150, part="first"),
    Column("last", "Last (UTC)", width=150, part="last"),
)


def who(reader: Reader, found: Auth, view: View) -> Component:
    if found.unknown_who:
        return card("Whose requests are refused", unknown("Who was refused is not known", found.unknown_who))
    if not found.who:
        return card("Whose requests are refused", empty("Nobody", "Nobody was refused in this range."))
    return card(
        "Whose requests are refused",
        WHO.placed(
            reader,
            view,
            as_shown(reader, found.inventory, found.who),
            found.callers,
            lambda: as_shown(reader, found.inventory, every_refused(reader, view, most=MOST_ROWS) or ()),
        ),
        html.P("Known by the API key where one was logged, else the principal, else the address.", className="small"),
        export_button("refused"),
        note=words.plural(found.callers, "caller"),
    )


def who_grid(reader: Reader, view: View, listed: Shown[Refused]) -> Component:
    rows = [who_cells(one, reader, view, place) for place, one in enumerate(listed.items)]
    return sheet_grid("refused-grid", listed, view, _WHO, rows, [who_entry(row) for row in rows], one="caller")


WHO = Table(REFUSED, who_grid)


def who_cells(whose: Refused, reader: Reader, view: View, place: int) -> dict[str, Any]:
    one = whose.line
    agent = plain(one.agent or "", 80)
    href = caller_href(reader, one.client_id, view, "status >= 400")
    return {
        "id": str(place),
        "who": plain(whose.name, 120),
        "kind": whose.kind or words.NONE,
        "n": one.n,
        "cause": CAUSES.get(one.top or "", words.NONE),
        "routes": one.routes,
        "addresses": one.addresses,
        "agent": (f"{agent} and {one.agents - 1} more" if one.agents > 1 else agent) or words.NONE,
        "first": words.bare(one.first_at),
        "last": words.bare(one.last_at),
        "text": {name: words.count(getattr(one, name)) for name in ("n", "routes", "addresses")},
        "href": caller_page(reader, one.client_id, view),
        "links": {"n": href or ""},
    }


def who_entry(row: dict[str, Any]) -> Component:
    text = row["text"]
    return html.Li(
        [
            html.Div(row["who"], className="api-name"),
            html.Div(
                f"{text['n']} refused, mostly {row['cause']} · {words.plural(row['routes'], 'route')}",
                className="small",
            ),
            html.Div(f"{row['kind']} · {row['agent']} · last {row['last']}", className="small"),
        ]
    )


def authorizers(found: Auth, view: View) -> Component:
    if not found.inventory.known:
        why = "Hand one over with `gatewatch ingest --inventory FILE`, or connect the account."
        return card("Authorizers", empty("No inventory is known, so which authorizer guards what cannot be told", why))
    if not found.authorizers:
        return card("Authorizers", empty("No authorizer is declared here", "No API in scope has one."))

    def line(one: AuthorizerLine) -> list[Any]:
        ttl = "not told" if one.doc.ttl_s is None else "no cache" if one.doc.ttl_s == 0 else f"{one.doc.ttl_s} s"
        return [
            html.Span(
                [
                    html.Span(plain(one.doc.name or one.doc.id, 80), className="api-name"),
                    html.Span(plain(one.doc.kind, 30), className="chip"),
                ]
            ),
            dcc.Link(found.names.api(one.api.id), href=api_href(one.api.id, view, "auth")),
            words.count(one.n),
            words.percent(one.denied_share),
            words.percent(one.failed_share),
            words.millis(one.p95_ms),
            words.percent(one.ran_share),
            ttl,
            plain(one.doc.function, 80) or words.NONE,
        ]

    heads = ("Authorizer", "API", "Calls", "Denied", "Failed", "p95", "Asked", "Cache", "Function")
    rows = [line(one) for one in found.authorizers[:100]]
    lost = any(one.n and one.ran_share != one.ran_share for one in found.authorizers)
    why = f"{words.NONE}: not known, needs $context.authorizer.latency (JWT authorizers have none). " if lost else ""
    return card(
        "Authorizers",
        folded(heads, rows, caption="Authorizers and what they said", numbers=range(2, 7)),
        html.P(
            f"{why}Calls on the routes that it guards; denied: for a credential or its rights. Asked: the share of "
            "calls for which it took time; the others came from its cache, or were refused before.",
            className="small",
        ),
    )


def places(reader: Reader, found: Auth, view: View) -> Component | None:
    if not found.places:
        return None
    made = PLACE_TABLE.placed(
        reader,
        view,
        found.places,
        found.every_place,
        lambda: every_place(reader, view, most=MOST_ROWS),
        lambda listed: place_table(reader, view, listed, found.refused),
    )
    return card("Where to", made, html.Div(export_button("places"), className="rule"))


def place_table(reader: Reader, view: View, listed: Shown[PlaceLine], refused: int | None = None) -> Component:
    """refused: of all requests, if it was counted already."""
    names = reader.names()
    if refused is None:
        refused = sum(one.n for one in every_place(reader, view, most=MOST_ROWS) or ())

    def line(one: PlaceLine) -> list[Any]:
        return [
            dcc.Link(
                names.place(one.api or "", one.stage), href=api_href(one.api or "", view, "auth", stage=one.stage)
            ),
            route_name(one.route),
            requests_link(
                words.count(one.n),
                replace(view, api=one.api, stage=one.stage),
                *((route_term(one.route),) if one.route else ()),
                f"reject_cause in {','.join(AUTH)}",
            ),
            words.percent(one.n / max(refused, 1)),
            words.count(one.callers),
        ]

    heads = (
        ("API / stage", "api"),
        ("Route", "route"),
        ("Refused", "refused"),
        ("Share", "refused"),
        ("Callers", "callers"),
    )
    caption = "Refusals by route"
    return sheet_table(listed, view, heads, line, caption=caption, first=10, numbers=(2, 3, 4), one="place")


PLACE_TABLE = Table(PLACES, place_table)
TABLES: tuple[Table[Any], ...] = (WHO, NETWORK_TABLE, PLACE_TABLE)


def cannot_see(found: Auth) -> Component | None:
    if not found.blind:
        return None
    rows: list[list[Any]] = [
        [
            found.names.place(one.api, one.stage),
            plain(one.reason, 200),
            ", ".join(plain(name, 60) for name in one.missing) or words.NONE,
        ]
        for one in found.blind[:100]
    ]
    heads = ("API / stage", "Why", "Missing in the log")
    return card(
        "What cannot be judged",
        folded(heads, rows, caption="Stages whose refusals cannot be judged", name="stack one"),
        note="could not tell is not fine",
    )
