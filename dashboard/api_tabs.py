"""The tabs of an API's page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.auth_cards import content as auth_content
from dashboard.components import card, empty, table, tile
from dashboard.data import Reader
from dashboard.data_api import Head, Traffic, blind
from dashboard.data_api import changed as read_changes
from dashboard.data_api import traffic as read_traffic
from dashboard.data_auth import auth as read_auth
from dashboard.data_limits import limits as read_limits
from dashboard.figures import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, spark_sentence, sparkline, strip
from dashboard.inventoried import Limit, StageDoc
from dashboard.leads import findings_href, requests_copies, requests_href
from dashboard.limit_cards import content as limit_content
from dashboard.parts import no_requests, short_list, size, unknown
from dashboard.timelines import Lines, busiest, line_figure, line_sentence, stack_figure, stack_sentence
from dashboard.view import View
from detect.sight import VARIABLES
from gatewatch.frames import visible_columns

UNKNOWN = "not known"
_COLOURS = {
    "2xx answered": SKY,
    "3xx": GREEN,
    "4xx refused": ORANGE,
    "5xx failed": VERMILLION,
    "1xx": PURPLE,
}


def traffic(reader: Reader, of: Head, view: View) -> Component:
    found = read_traffic(reader, of, view)
    parts: list[Component | None] = [needs_you(of, view)]
    if not found.totals["n"]:
        return html.Div([*parts, card("Requests", no_requests())])
    shown = busiest(found.classes)
    per = size(found.grid.minutes)
    at = found.grid.at
    parts += [
        tiles(found, view),
        card(
            "Requests by answer",
            Lines(at, shown, words.count).drawn(
                "classes",
                stack_figure(at, shown, "requests", minutes=found.grid.minutes, colours=_COLOURS),
                stack_sentence(at, shown, "requests"),
            ),
            requests_copies(of.window, view),
            note=f"per {per}",
        ),
        card("Latency", *slow(found), note="of whole answers, all routes together, logarithmic"),
    ]
    if found.ended:
        parts.append(card("Ended in this range", short_list(found.ended, view, ended=True)))
    return html.Div(parts)


def tiles(found: Traffic, view: View) -> Component:
    n = found.totals["n"]
    lines = found.classes
    whole = [math.fsum(one for one in column if math.isfinite(one)) for column in zip(*lines.values(), strict=True)]
    failed = lines["5xx failed"]
    refused = found.totals["auth"]
    rows: list[tuple[str, str, str, Sequence[float], str, str | None]] = [
        ("Requests", words.count(n), "in this range", whole, BLUE, None),
        (
            "Server errors",
            words.percent(found.totals["s5xx"] / n),
            f"{words.count(found.totals['s5xx'])} answers with 5xx",
            failed,
            VERMILLION,
            None,
        ),
        (
            "Refused",
            words.count(found.totals["s4xx"]),
            f"{words.percent(found.totals['s4xx'] / n)}, {words.count(refused)} for credentials",
            lines["4xx refused"],
            PURPLE,
            findings_href(view, kind="auth_failure_spike"),
        ),
        (
            "Throttled",
            words.count(found.totals["throttled"]),
            f"{words.percent(found.totals['throttled'] / n)} of requests",
            found.throttled,
            ORANGE,
            findings_href(view, kind="throttling_abuse"),
        ),
        (
            "Latency p95",
            words.millis(found.p95_ms),
            found.latency_unknown or "of all requests",
            found.p95,
            SKY,
            findings_href(view, kind="latency_outlier"),
        ),
    ]
    behind: dict[str, tuple[str, ...]] = {
        "Requests": (),
        "Server errors": ("status >= 500",),
        "Refused": ("status_class = 4xx",),
        "Throttled": ("reject_cause in throttle,quota",),
    }
    shown = [
        tile(
            name,
            value,
            note,
            sparkline(series, colour) if series else None,
            spark_sentence(name, series, [words.count(one) for one in series]) if series else name,
            href=href,
            rows=requests_href(view, *behind[name]) if name in behind else None,
        )
        for name, value, note, series, colour, href in rows
    ]
    shown.append(
        tile(
            "Coverage",
            words.percent(found.covered),
            "of the range was delivered",
            strip(found.grid.delivered.tolist()),
            f"Sources delivered in {words.percent(found.covered)} of the range; the rest is not known.",
            bad=found.covered < 0.9,
        )
    )
    return html.Div(shown, className="tiles alone")


def slow(found: Traffic) -> list[Component]:
    if found.latency_unknown:
        return [unknown("Latency is not known", found.latency_unknown)]
    series = {"p50": found.p50, "p95": found.p95}
    at = found.grid.at
    sentence = line_sentence(at, series, words.millis)
    figure = line_figure(at, series, "ms", logarithmic=True)
    return [Lines(at, series, words.millis).drawn("slow", figure, sentence, "p95")]


def needs_you(of: Head, view: View) -> Component | None:
    if not of.findings:
        return None
    there = dcc.Link("All of this API", href=findings_href(replace(view, api=of.api, stage=None)))
    worst = sorted(of.findings, key=lambda one: (-one.finding.severity.rank, -one.finding.start.timestamp()))
    return card("Open findings", short_list(worst[:8], view), note=there)


def auth(reader: Reader, of: Head, view: View) -> Component:  # noqa: ARG001  # a tab is called so
    found = read_auth(reader, view)
    return no_requests() if found is None else auth_content(reader, found, view)


def limits(reader: Reader, of: Head, view: View) -> Component:  # noqa: ARG001  # a tab is called so
    found = read_limits(reader, view)
    return no_requests() if found is None else limit_content(reader, found, view)


def changed(reader: Reader, of: Head, view: View) -> Component:  # noqa: ARG001  # a tab is called so
    events = read_changes(reader, of)
    if not events:
        return card(
            "Changes",
            empty(
                "No change is known",
                "Changes come from CloudTrail: `gatewatch accounts`, or `gatewatch ingest --changes FILE`.",
            ),
        )
    inside = sum(of.window.since <= event.change.at < of.window.until for event in events)
    rows: list[list[Any]] = [
        [
            words.at(event.change.at),
            plain(event.change.what, 160),
            plain(reader.privacy.text(event.change.actor), 80),
            plain(event.change.resource, 160),
            plain(event.service, 40),
        ]
        for event in events
    ]
    heads = ("When", "What", "Who", "On", "Service")
    caption = "Changes to this API and what it uses"
    return card(
        "Changes",
        table(heads, rows, caption=caption, name="stack one"),
        note=f"{words.count(inside)} in this range, {words.count(len(events) - inside)} in the 90 days before",
    )


def settings(reader: Reader, of: Head, view: View) -> Component:
    parts: list[Component] = []
    if of.doc is None:
        parts.append(
            card(
                "Declared settings",
                empty(
                    "Not in any inventory that we know",
                    "Hand one over with `gatewatch ingest --inventory FILE`, or connect the account.",
                ),
            )
        )
    else:
        parts += [declared(of), stages(of, view)]
    parts.append(seen(reader, of))
    return html.Div(parts)


def declared(of: Head) -> Component:
    doc = of.doc
    assert doc is not None
    pairs: list[tuple[str, str]] = [
        ("Name", plain(doc.name, 120)),
        ("Type", doc.api_type),
        ("Account, region", f"{plain(doc.account, 20) or UNKNOWN}, {plain(doc.region, 30) or UNKNOWN}"),
        ("Made", plain(doc.created, 40) or UNKNOWN),
        ("Endpoint", plain(doc.endpoint, 120) or UNKNOWN),
        ("Default endpoint", "open" if doc.default_endpoint else "disabled"),
        ("Owner", plain(doc.owner(), 80) or "no tag `owner` or `team`"),
        ("Tags", plain(", ".join(f"{name}={value}" for name, value in doc.tags.items()), 300) or "none"),
        ("Description", plain(doc.description, 300) or "none"),
        ("Usage plans", plain(", ".join(one.name or one.id for one in of.inventory.plans_of(of.api)), 300) or "none"),
        ("Authorizers", plain(", ".join(f"{one.name} ({one.kind})" for one in doc.authorizers), 300) or "none"),
    ]
    if doc.unread:
        pairs.append(("Not readable", plain(", ".join(sorted(doc.unread)), 200)))
    return card(
        "Declared settings",
        html.Dl([html.Div([html.Dt(name), html.Dd(value)]) for name, value in pairs], className="pairs"),
    )


def limit(one: Limit) -> str:
    if not one.set:
        return "not set: the account's"
    burst = words.NONE if one.burst is None else words.count(one.burst)
    return f"{words.count(one.rate)}/s, burst {burst}"


def stages(of: Head, view: View) -> Component:
    assert of.doc is not None

    def line(one: StageDoc) -> list[Any]:
        yes = {True: "yes", False: "no"}
        return [
            plain(one.name, 60),
            limit(one.limit),
            words.count(len(one.limits)),
            yes[one.logged],
            yes[one.waf] if of.doc and of.doc.api_type == "rest" else "not possible",
            yes[one.tracing],
            plain(", ".join(f"{name}={value}" for name, value in one.tags.items()), 160) or "none",
        ]

    rows = [line(one) for one in of.doc.stages if view.stage in (None, one.name)]
    heads = ("Stage", "Throttle", "Route limits", "Access log", "WAF", "Tracing", "Tags")
    return card("Stages", table(heads, rows, caption="Stages as declared", name="stack one"))


def seen(reader: Reader, of: Head) -> Component:
    """What the logs of this API give, and what no detector can judge for want of it."""
    have = visible_columns(of.visible)
    missing = [name for column, name in VARIABLES.items() if column not in have]
    if not of.visible:
        said = "No request in this range, so what its logs give cannot be told."
    elif missing:
        said = f"Not in its logs: {', '.join(missing)}."
    else:
        said = "Its logs give everything that detectors ask for."
    inside: list[Component] = [html.P(said)]
    blinds = blind(reader, of.api)
    if blinds:
        rows: list[list[Any]] = [
            [plain(one.stage, 60) or "all", words.KINDS[one.kind], plain(one.reason, 200)] for one in blinds
        ]
        heads = ("Stage", "Detector", "Why")
        inside.append(table(heads, rows, caption="Detectors that cannot judge this API", name="stack one"))
    return card("What gatewatch can see", *inside, note="could not tell is not fine")
