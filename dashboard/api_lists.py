"""Tabs of an API's page: its routes, and who calls it."""

from __future__ import annotations

from typing import Any

from dash import html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.components import card, empty, table
from dashboard.data import Reader
from dashboard.data_api import Head, RouteLine, Routes
from dashboard.data_api import callers as read_callers
from dashboard.data_api import routes as read_routes
from dashboard.exported import CONSUMERS, ROUTES
from dashboard.exports import export_button
from dashboard.figures import SKY, spark_sentence, sparkline
from dashboard.grids import Column, number, sheet_grid
from dashboard.leads import api_href, caller_href, caller_page, findings_href, requests_copies, requests_href
from dashboard.parts import no_requests, route_name, unknown
from dashboard.sheets import MOST_ROWS, Shown
from dashboard.summing import route_term
from dashboard.tables import Table
from dashboard.view import View

_ROUTES = (
    Column("route", "Route", "way", 220, flex=3, part="route"),
    Column("requests", "Requests", "linked", 104, part="requests"),
    Column("line", "", "line", 110),
    Column("failed", "5xx", "number", 84, part="failed_share"),
    Column("refused", "4xx", "number", 84, part="refused_share"),
    Column("auth", "Auth rejections", "linked", 130, part="auth_rejections"),
    Column("throttled", "Throttled", "linked", 104, part="throttled"),
    Column("p95", "p95", "number", 96, part="p95_ms"),
    Column("declared", "Declared as", width=170, flex=1, part="declared"),
)


def routes(reader: Reader, of: Head, view: View) -> Component:
    found = read_routes(reader, of, view)
    if not found.lines:
        return html.Div([card("Routes", no_requests()), uncalled(found)])
    total = len(found.lines) + found.more
    return html.Div(
        [
            card(
                "Routes that were called",
                ROUTE_TABLE.placed(
                    reader, view, found.lines, total, lambda: read_routes(reader, of, view, most=MOST_ROWS).lines
                ),
                export_button("routes"),
                requests_copies(of.window, view),
                note=words.plural(total, "route"),
            ),
            uncalled(found),
        ]
    )


def route_grid(reader: Reader, view: View, listed: Shown[RouteLine]) -> Component:
    doc = reader.inventory().apis.get(view.api or "")
    known = doc is not None and not doc.unread & {"resources", "Routes"}
    rows = [route_cells(line, view, known=known) for line in listed.items]
    entries = [route_entry(line, known=known) for line in listed.items]
    return sheet_grid("routes-grid", listed, view, _ROUTES, rows, entries, one="route")


ROUTE_TABLE = Table(ROUTES, route_grid)


def declared_as(line: RouteLine, *, known: bool) -> str:
    if not known:
        return words.NONE
    if line.declared is None:
        return "not declared" if line.route else ""
    way = "open" if line.declared.auth == "none" else line.declared.auth
    return f"{way} + API key" if line.declared.key else way


def route_cells(line: RouteLine, view: View, *, known: bool) -> dict[str, Any]:
    name = route_name(line.route)
    return {
        "id": line.route or "",
        "route": name,
        "href": api_href(view.api or "", view, stage=view.stage, route=line.route) if line.route else "",
        "requests": line.n,
        "line": sparkline(line.requests, SKY),
        "said": spark_sentence(f"Requests of {name}", line.requests, [words.count(one) for one in line.requests]),
        "failed": number(line.failed_share),
        "refused": number(line.refused_share),
        "auth": line.auth,
        "throttled": line.throttled,
        "p95": number(line.p95_ms),
        "declared": plain(declared_as(line, known=known), 80),
        "text": {
            "requests": words.count(line.n),
            "failed": words.percent(line.failed_share),
            "refused": words.percent(line.refused_share),
            "auth": words.count(line.auth),
            "throttled": words.count(line.throttled),
            "p95": words.millis(line.p95_ms),
        },
        "links": {
            "requests": (requests_href(view, route_term(line.route)) if line.route else None) or "",
            "auth": findings_href(view, kind="auth_failure_spike", q=line.route) if line.auth else "",
            "throttled": findings_href(view, kind="throttling_abuse", q=line.route) if line.throttled else "",
        },
    }


def route_entry(line: RouteLine, *, known: bool) -> Component:
    return html.Li(
        [
            html.Div(route_name(line.route), className="api-name"),
            html.Div(
                f"{words.plural(line.n, 'request')} · {words.percent(line.failed_share)} 5xx · "
                f"{words.percent(line.refused_share)} 4xx · p95 {words.millis(line.p95_ms)}",
                className="small",
            ),
            html.Div(plain(declared_as(line, known=known), 80), className="small"),
        ]
    )


def uncalled(found: Routes) -> Component | None:
    if not found.uncalled:
        return None
    rows: list[list[Any]] = [
        [plain(one.route, 160), ("open" if one.auth == "none" else one.auth) + (" + API key" if one.key else "")]
        for one in found.uncalled
    ]
    return card(
        "Declared, and not called in this range",
        table(("Route", "Authorization"), rows, caption="Declared routes without a call", name="stack one", first=20),
        note=words.plural(len(found.uncalled), "route"),
    )


_CALLERS = (
    Column("who", "Caller", "way", width=180, flex=3, part="caller"),
    Column("kind", "Known by", width=100, part="known_by"),
    Column("requests", "Requests", "linked", 92, part="requests"),
    Column("share", "Share", "number", 74, part="requests"),
    Column("refused", "4xx", "number", 76, part="refused_4xx"),
    Column("throttled", "429", "number", 74, part="throttled_429"),
    Column("failed", "5xx", "number", 80, part="failed_5xx"),
    Column("routes", "Routes", "number", 76, part="routes"),
    Column("addresses", "Addresses", "number", 112, part="addresses"),
    Column("agent", "User agent", width=150, flex=2, part="agent"),
    Column("last", "Last (UTC)", width=150, part="last"),
)


def callers(reader: Reader, of: Head, view: View) -> Component:
    found = read_callers(reader, of, view)
    if found.unknown and found.rows:
        return card("Consumers", unknown("Who calls is not known", found.unknown))
    if not found.rows:
        return card(
            "Consumers",
            empty("No request in this range", "Choose a longer range; raw requests are kept for a time only."),
        )
    return card(
        "Consumers",
        CALLER_TABLE.placed(
            reader, view, found.rows, found.clients, lambda: read_callers(reader, of, view, most=MOST_ROWS).rows
        ),
        html.P("Known by the API key where one was logged, else the principal, else the address.", className="small"),
        export_button("consumers"),
        requests_copies(of.window, view),
        note=words.plural(found.clients, "caller"),
    )


def caller_grid(reader: Reader, view: View, listed: Shown[dict[str, Any]]) -> Component:
    rows = [caller_cells(row, reader, view, place) for place, row in enumerate(listed.items)]
    entries = [caller_entry(row) for row in rows]
    return sheet_grid("callers-grid", listed, view, _CALLERS, rows, entries, one="caller")


CALLER_TABLE = Table(CONSUMERS, caller_grid)


def caller_cells(row: dict[str, Any], reader: Reader, view: View, place: int) -> dict[str, Any]:
    kind, who = row["shown"]
    n, total = row["n"], row["total"]
    agents = row["agents"]
    agent = plain(reader.privacy.text(row["user_agent"] or ""), 80)
    return {
        "id": str(place),
        "who": plain(who, 120),
        "href": caller_page(reader, row["client_id"], view),
        "kind": kind or words.NONE,
        "requests": n,
        "share": n / total if total else None,
        "refused": row["refused"] / n,
        "throttled": row["throttled"],
        "failed": row["failed"] / n,
        "routes": row["routes"],
        "addresses": row["addresses"],
        "links": {"requests": caller_href(reader, row["client_id"], view) or ""},
        "agent": (f"{agent} and {agents - 1} more" if agents > 1 else agent) or words.NONE,
        "last": words.bare(row["last"]),
        "text": {
            "requests": words.count(n),
            "share": words.percent(n / total if total else None),
            "refused": words.percent(row["refused"] / n),
            "throttled": words.count(row["throttled"]),
            "failed": words.percent(row["failed"] / n),
            "routes": words.count(row["routes"]),
            "addresses": words.count(row["addresses"]),
        },
    }


def caller_entry(row: dict[str, Any]) -> Component:
    text = row["text"]
    return html.Li(
        [
            html.Div(row["who"], className="api-name"),
            html.Div(
                f"{text['requests']} requests ({text['share']}) · {text['refused']} 4xx · {text['throttled']} "
                "throttled",
                className="small",
            ),
            html.Div(f"{row['kind']} · {row['agent']} · last {row['last']}", className="small"),
        ]
    )
