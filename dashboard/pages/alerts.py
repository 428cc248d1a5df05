"""Alerts: where they go and what would hold them back, how channels do, what is silenced, and what was sent."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

import dash_mantine_components as dmc
from dash import Dash, dcc, html
from dash.development.base_component import Component

from alerts.dryrun import Verdict
from alerts.matching import NAMES
from alerts.render.text import plain
from dashboard import words
from dashboard.changing import action, choice, form
from dashboard.charting import copies
from dashboard.components import banner, card, command, empty, finding_href, table, was
from dashboard.data import Reader
from dashboard.exported_ops import DELIVERIES, every_delivery
from dashboard.exported_rows import SILENCES, SILENCES_OVER
from dashboard.exports import export_button
from dashboard.frame import Nav, add_page
from dashboard.outgoing import LOG_ROWS, Held, Node, Outgoing, Trial, outgoing
from dashboard.pages.sources import ago, dated, mark
from dashboard.sheets import Shown, sheet_table
from dashboard.tables import Table
from dashboard.view import View
from gatewatch.access.current import current
from gatewatch.alerting import silence_of
from gatewatch.records import Finding, Kind, Severity, iso
from gatewatch.roles import Role
from gatewatch.store.notices import findings_with
from gatewatch.store.outbox import Delivery
from gatewatch.store.silences import StoredSilence

NAV = Nav(order=120, key="n", icon="alerts")

MOST_NODES = 200
MOST_TOLD = 10
WIRE_CHARS = 1500
TABS = {None: "Routes", "channels": "Channels", "silences": "Silences", "log": "Delivery log"}
_HOURS = {"1": "1 hour", "2": "2 hours", "4": "4 hours", "8": "8 hours", "24": "1 day", "72": "3 days", "168": "7 days"}
_OUTCOMES = {"sent": ("good", "sent"), "retry": ("warn", "failed, tried again"), "dead": ("bad", "given up")}


def register(dash: Dash, reader: Reader) -> None:
    add_page(
        dash,
        reader,
        "alerts",
        title="Alerts",
        render=render,
        path="/alerts",
        heights=(48, 160, 320),
        nav=NAV,
        tables=(DELIVERY_TABLE, SILENCE_TABLE, OVER_TABLE),
    )


def render(reader: Reader, rest: str, view: View) -> Component:  # noqa: ARG001
    if view.tab not in TABS:
        view = replace(view, tab=None)
    found = outgoing(reader.store(), view, reader.now())
    parts: list[Any] = [head(found, view), *warnings(found)]
    if view.tab == "channels":
        parts.append(channels(found))
    elif view.tab == "silences":
        parts += [silences(reader, found, view), maintenance(found)]
    elif view.tab == "log":
        parts.append(log(reader, found, view))
    else:
        parts += [dry(found, view), tree(found, view)]
    return html.Div(parts, className="ops alerts")


def may_change() -> bool:
    who = current()
    return who is not None and who.may(Role.OPERATOR)


def head(found: Outgoing, view: View) -> Component:
    counts = found.counts
    waiting = counts["pending"] + counts["sending"]
    since = f", the oldest for {words.duration(found.now - found.waiting_since)}" if found.waiting_since else ""
    said = f"{words.count(counts['sent'])} sent, {words.count(waiting)} waiting{since}, {counts['dead']} given up"
    here: Any = {"aria-current": "page"}
    tabs = [
        html.Span(name, className="part part-here", **here)
        if tab == view.tab
        else dcc.Link(name, href="/alerts" + view.kept().search(tab=tab), className="part")
        for tab, name in TABS.items()
    ]
    named: Any = {"aria-label": "Parts of Alerts"}
    top = html.Div([html.H1("Alerts"), html.P(said, className="subtitle")], className="page-head")
    return html.Div([top, html.Nav(tabs, className="parts", **named)])


def warnings(found: Outgoing) -> list[Component]:
    out = []
    if found.problem:
        said = plain(found.problem, 400)
        out.append(banner(f"The alerts file cannot be used, so nothing is known of routes: {said}", kind="error"))
    elif not found.channels:
        said = "Set smtp_url and email_to, slack_webhook_url, or alerts_file."
        out.append(banner(f"No channel is configured: nobody is told of anything. {said}"))
    for name, health in found.health.items():
        if health.open_until is not None and health.open_until > found.now:
            until, why = words.at(health.open_until), plain(health.error, 200)
            out.append(banner(f"The channel {plain(name, 60)} is left alone until {until}: {why}", kind="error"))
    if found.counts["dead"]:
        again = action(
            "Try all again", "POST", "/api/v1/deliveries/retry", done="They are sent again.", sure="Send all again?"
        )
        text = f"{words.plural(found.counts['dead'], 'alert')} could not be delivered and was given up."
        out.append(html.Div([banner(text), again if may_change() else None], className="banner-act"))
    return out


def length(value: timedelta) -> str:
    return words.duration(value) if value else "0 s"


def dry(found: Outgoing, view: View) -> Component:
    """Where would this go at that time?"""
    trial = found.trial
    assert trial is not None
    offered = [
        {"value": one.id, "label": f"{words.SEVERITIES[one.severity]}: {plain(one.title, 120)}"}
        for one in found.offered
    ]
    if view.sel and all(one["value"] != view.sel for one in offered):
        offered.insert(0, {"value": view.sel, "label": plain(view.sel, 64)})

    def select(key: str, label: str, options: list[dict[str, str]], value: str | None, kind: str = "") -> Component:
        made: Component = dmc.Select(
            id={"type": "url", "key": key},
            data=options,
            value=value,
            label=label,
            placeholder="any",
            clearable=True,
            searchable=len(options) > 8,
            className=f"filter {kind}".strip(),
        )
        return made

    severities = [{"value": one.value, "label": words.SEVERITIES[one]} for one in reversed(Severity)]
    kinds = [{"value": one.value, "label": words.KINDS[one]} for one in Kind]
    others = (
        []
        if view.sel
        else [
            select("severity", "or severity", severities, view.severity or Severity.HIGH.value),
            select("kind", "and kind", kinds, view.kind),
        ]
    )
    asked = html.Div(
        [
            was("dry", sel=view.sel, severity=view.severity or Severity.HIGH.value, kind=view.kind, q=view.q),
            select("sel", "Finding of the last 7 days", offered, view.sel, "filter-wide"),
            *others,
            dmc.TextInput(
                id={"type": "url", "key": "q"},
                value=view.q or "",
                label=words.zoned("At (UTC)"),
                placeholder="now, or 22:30",
                debounce=500,
                className="filter",
            ),
        ],
        className="filters dry",
    )
    inside: list[Any] = [asked]
    if trial.problem:
        inside.append(banner(trial.problem))
    else:
        inside += [html.P(sentence(trial), className="lead"), verdicts(trial.verdicts)]
        inside.append(copies(**_dry_calls(trial, view)))
    return card("Where would it go?", *inside, note="nothing is sent")


def _dry_calls(trial: Trial, view: View) -> dict[str, str]:
    labels = {"severity": view.severity or "high", "kind": view.kind, "api": view.api, "stage": view.stage}
    asked = {"finding": view.sel} if view.sel else labels
    given = {name: plain(value, 200) for name, value in asked.items() if value}
    given["at"] = iso(trial.at)
    query = "&".join(f"{name}={_quoted(value)}" for name, value in given.items())
    options = " ".join(f"--{name} {shlex.quote(value)}" for name, value in given.items())
    return {"api": f"GET /api/v1/alert-routes/test?{query}", "cli": f"gatewatch routes test {options}"}


def _quoted(text: str) -> str:
    return quote(text, safe="")


def sentence(trial: Trial) -> str:
    """The answer in one sentence."""
    goes = sorted({name for one in trial.verdicts if not one.held for name in one.way.channels})
    held = [one for one in trial.verdicts if one.held]
    subject = plain(trial.subject, 160)
    about = f"At {words.at(trial.at)}, {f'a finding of {subject}' if subject.startswith('severity') else subject}"
    if not goes and not held:
        return f"{about} would be told to nobody."
    told = plain(", ".join(goes), 200) if goes else "nobody then"
    said = f"{about} would be told to {told}"
    return said + (f"; {plain(held[0].held, 200)}." if held else ".")


def verdicts(found: list[Verdict]) -> Component:
    rows: list[list[Any]] = []
    for one in found:
        way = one.way
        if one.held:
            until = f", until {words.at(one.until)}" if one.until else ""
            then: Any = html.Span([mark("warn", "held"), f" {plain(one.held, 300)}{until}"])
        elif not way.channels:
            then = mark("plain", "nobody is told")
        else:
            then = mark("good", f"waits {length(way.group_wait)} for more" if way.group_wait else "goes at once")
        steps = "; ".join(f"after {length(one.after)}: {plain(', '.join(one.channels), 120)}" for one in way.escalate)
        grouped = ", ".join(
            "the problem" if name == "fingerprint" else f"{name} {plain(value, 60) or 'not given'}"
            for name, value in one.group.items()
        )
        rows.append(
            [
                plain(way.name, 60),
                plain(", ".join(way.channels), 200) or "nobody",
                then,
                grouped or words.NONE,
                f"every {length(way.repeat)}" if way.repeat else "never",
                steps or words.NONE,
            ]
        )
    heads = ("Route", "Channels", "Then", "Grouped by", "Repeats", "When nobody acknowledges")
    return table(heads, rows, caption="The ways that it would take", name="stack one")


def tree(found: Outgoing, view: View) -> Component:
    taken = {one.way.name for one in found.trial.verdicts} if found.trial else set()

    def line(node: Node) -> list[Any]:
        way = node.way
        name = html.Span(
            [
                html.Span(plain(way.name, 60), className="api-name"),
                html.Span("goes on" if node.go_on else "", className="chip"),
                html.Span("taken" if way.name in taken else "", className="chip state-new"),
            ],
            style={"paddingLeft": f"{node.depth * 18}px"},
            className="node",
        )
        waits = length(way.group_wait) if way.group_wait else "not"
        if way.group_interval:
            waits = f"{waits}, then {length(way.group_interval)}"
        return [
            name,
            plain(node.takes, 200) + (f"; in {plain(', '.join(node.when), 80)}" if node.when else ""),
            plain(", ".join(way.channels), 200) or "nobody",
            ", ".join("problem" if one == "fingerprint" else one for one in way.group_by),
            waits,
            f"every {length(way.repeat)}" if way.repeat else "never",
            plain(", ".join(way.quiet), 80) or "never",
            _told(node.told, view),
        ]

    heads = ("Route", "Takes", "Channels", "One message for each", "Waits", "Repeats", "Quiet", "Last 7 days")
    rows = [line(node) for node in found.nodes[:MOST_NODES]]
    note = f"alerts begin at severity {found.least.value}; {found.looked_at} findings in the last 7 days"
    caption = "Routes, parents before children, with the findings of the last 7 days that each would have taken"
    return card(
        "Routes",
        table(heads, rows, caption=caption, name="stack one"),
        copies(cli="gatewatch routes show"),
        note=note,
    )


def _told(findings: list[Finding], view: View) -> Component | str:
    if not findings:
        return html.Span("0", className="zero")
    items = [
        html.Li(dcc.Link(plain(one.title, 120) or "untitled", href=finding_href(one.id, view)))
        for one in findings[:MOST_TOLD]
    ]
    rest = html.Li(f"and {len(findings) - MOST_TOLD} more") if len(findings) > MOST_TOLD else None
    return html.Details([html.Summary(words.count(len(findings))), html.Ul([*items, rest])])


def channels(found: Outgoing) -> Component:
    if not found.channels:
        why = html.Span(["Write them into the file that ", command("GATEWATCH_ALERTS_FILE"), " names."])
        return card("Channels", empty("No channel", "Alerts have nowhere to go.", why))
    rows: list[list[Any]] = []
    for name, one in found.channels.items():
        health = found.health.get(name)
        refused = next((two for two in found.log if two.channel == name), None)
        if health is None and refused is not None and refused.error:
            said = html.P(plain(refused.error, 600), className="raw")
            state: Any = html.Details([html.Summary(mark("bad", "refused its last alert")), said])
        elif health is None:
            state = mark("plain", "never used")
        elif health.failures:
            said = html.P(plain(health.error, 600), className="raw")
            title = f"failed {words.plural(health.failures, 'time')} in a row"
            state = html.Details([html.Summary(mark("bad", title)), said])
        else:
            state = mark("good", "works")
        tests: list[Any] = []
        if may_change():
            path = f"/api/v1/channels/{_quoted(name)}/test"
            tests = [
                action("Send test", "POST", path, {"resolved": False}, done="", sure="Really send?"),
                action("Test the end", "POST", path, {"resolved": True}, done="", sure="Really send?"),
            ]
        rows.append(
            [
                html.Span([html.Span(plain(name, 60), className="api-name"), html.Span(one.kind, className="chip")]),
                state,
                dated(health.sent_at, found.now) if health else "never",
                "new, worse and over" if one.wants.resolved else "new and worse",
                f"{plain(one.fallback, 60)} after {words.duration(timedelta(seconds=one.fallback_after_s))}"
                if one.fallback
                else "nobody",
                dcc.Link("Log", href="/alerts" + View().search(tab="log", q=name), className="action-link"),
                html.Div(tests, className="actions") if tests else "for operators",
            ]
        )
    heads = ("Channel", "State", "Last sent", "Hears of", "Stands in for it", "Attempts", "Try it")
    return card(
        "Channels",
        table(heads, rows, caption="Channels, and how sending through them goes", name="stack one"),
        copies(api="GET /api/v1/channels", cli="gatewatch alerts channels --format json"),
        note="a test sends a made-up finding, and shows what went out and what came back",
    )


def silences(reader: Reader, found: Outgoing, view: View) -> Component:
    now = [one for one in found.silences if one.ends_at > found.now]
    over = [one for one in found.silences if one.ends_at <= found.now]
    inside: list[Any] = [html.P("Nothing is silenced.", className="lead")]
    if now:
        made = SILENCE_TABLE.placed(reader, view, now, len(now), lambda: now)
        inside = [made, html.Div(export_button("silences"), className="rule")]
    if may_change():
        inside.append(_new_silence())
    if over:
        made = OVER_TABLE.placed(reader, view, over, len(over), lambda: over)
        told = html.Div(export_button("silences-over"), className="rule")
        # In place, so that it stays open where a table is drawn without its page.
        inside.append(html.Details([html.Summary("Over"), made, told], className="twin"))
    inside.append(copies(api="GET /api/v1/silences?all=true", cli="gatewatch silences list"))
    return card("Silences and planned maintenance", *inside, note="what is still open at the end is told then")


def silence_table(reader: Reader, view: View, listed: Shown[StoredSilence]) -> Component:
    now = reader.now()
    looks = {"active": "warn", "pending": "plain", "expired": "good"}
    said = {"active": "holds", "pending": "planned", "expired": "over"}

    def line(one: StoredSilence) -> list[Any]:
        state = silence_of(one).state(now)
        match = ", ".join(f"{name} {' or '.join(patterns)}" for name, patterns in one.matchers.items())
        end: Any = ""
        if state != "expired" and may_change():
            end = action("End now", "DELETE", f"/api/v1/silences/{one.id}", done="The silence is over.", sure="Sure?")
        left = words.duration(one.ends_at - now) if state == "active" else ""
        return [
            plain(match, 300),
            mark(looks[state], said[state]),
            words.at(one.starts_at),
            html.Span([words.at(one.ends_at), html.Div(f"{left} left" if left else "", className="small")]),
            plain(one.reason, 200),
            plain(one.author, 80),
            end,
        ]

    heads = (
        ("What", "what"),
        ("State", ""),
        ("From", "from"),
        ("To", "to"),
        ("Why", "why"),
        ("Who", "who"),
        ("Action", ""),
    )
    over = listed.sheet.name == SILENCES_OVER.name
    caption = "Silences that are over" if over else "Silences that hold or will hold"
    return sheet_table(listed, view, heads, line, caption=caption, name="stack one", one="silence")


SILENCE_TABLE = Table(SILENCES, silence_table)
OVER_TABLE = Table(SILENCES_OVER, silence_table)


def _new_silence() -> Component:
    inputs = [
        choice("label", "What: label", {name: name for name in NAMES}, "api"),
        dmc.TextInput(name="pattern", label="fits", placeholder="orders*", required=True),
        dmc.TextInput(name="starts_at", label="From (UTC, empty: now)", placeholder="2026-06-10 22:00"),
        choice("ends_at", "For", _HOURS, "2"),
        dmc.TextInput(name="reason", label="Why (needed)", required=True),
    ]
    made = form(
        "POST",
        "/api/v1/silences",
        inputs,
        "Silence",
        hours="ends_at",
        times="starts_at",
        matcher=True,
        done="Alerts that fit are held meanwhile.",
    )
    return html.Details([html.Summary("New silence, at once or planned"), made], className="change", open=True)


def maintenance(found: Outgoing) -> Component:
    if not found.maintenance:
        why = html.Span(["Windows that come again stand under ", command("maintenance"), " in the alerts file."])
        return card("Maintenance in the alerts file", html.P(why))

    def line(held: Held) -> list[Any]:
        one = held.one
        when = ", ".join(one.windows) or f"{words.at(one.starts)} to {words.at(one.ends)}"
        state = mark("warn", f"holds until {words.at(held.until)}") if held.until else mark("plain", "not now")
        return [plain(one.reason, 200), plain(str(one.match), 300), plain(when, 200), state]

    rows = [line(one) for one in found.maintenance]
    heads = ("Why", "What", "When", "Now")
    listed = table(heads, rows, caption="Maintenance", name="stack one")
    return card("Maintenance in the alerts file", listed, note="changed in the file")


def log(reader: Reader, found: Outgoing, view: View) -> Component:
    options = sorted({*found.channels, *found.health, *([view.q] if view.q else [])})
    chosen = html.Div(
        [
            was("log", q=view.q),
            dmc.Select(
                id={"type": "url", "key": "q"},
                data=[{"value": name, "label": plain(name, 64)} for name in options],
                value=view.q,
                placeholder="Any channel",
                clearable=True,
                className="filter",
                **{"aria-label": "Channel"},
            ),
        ],
        className="filters",
    )
    if not found.log:
        said = "No attempt to deliver stands in the log."
        return card("Delivery log", chosen, empty("Nothing was sent yet", said))
    every = partial(every_delivery, reader, "", view)
    total = len(found.log) if len(found.log) <= LOG_ROWS else len(every() or ())
    channel = f"?channel={_quoted(view.q)}" if view.q else ""
    option = f" --channel {shlex.quote(plain(view.q, 64))}" if view.q else ""
    return card(
        "Delivery log",
        chosen,
        DELIVERY_TABLE.placed(reader, view, found.log, total, every),
        html.Div(export_button("deliveries"), className="rule"),
        copies(api=f"GET /api/v1/deliveries{channel}", cli=f"gatewatch alerts log --format json{option}"),
        note="newest first",
    )


def delivery_table(reader: Reader, view: View, listed: Shown[Delivery]) -> Component:
    with reader.store().read() as session:
        about = findings_with(session, {one.finding_id for one in listed.items})
    names, now = {ident: reader.names().titled(one) for ident, (one, _) in about.items()}, reader.now()
    heads = (
        ("When", "at"),
        ("Channel", "channel"),
        ("Outcome", "outcome"),
        ("About", "finding"),
        ("Attempt", "attempt"),
        ("What went out, and the reply", ""),
        ("", ""),
    )
    return sheet_table(
        listed,
        view,
        heads,
        lambda one: _delivery(one, now, view, names),
        caption="Attempts to deliver, newest first",
        name="stack one log-table",
        one="attempt",
    )


DELIVERY_TABLE = Table(DELIVERIES, delivery_table)


def _delivery(one: Delivery, now: datetime, view: View, names: Mapping[str, Finding]) -> list[Any]:
    known = names.get(one.finding_id)
    about: Any = plain(known.title, 120) if known else plain(one.finding_id, 64)
    if not one.finding_id.startswith("gatewatch:"):
        about = dcc.Link(about or "untitled", href=finding_href(one.finding_id, view))
    parts: list[Any] = []
    if one.error:
        parts.append(html.P(plain(one.error, 400), className="raw"))
    for number, exchange in enumerate(one.wire[:4], start=1):
        text = plain_lines(json.dumps(exchange, indent=1, ensure_ascii=True))
        parts.append(html.Details([html.Summary(f"Exchange {number}"), html.Pre(text, className="command wire")]))
    again: Any = ""
    if one.outcome == "dead" and may_change():
        again = action(
            "Try again", "POST", "/api/v1/deliveries/retry", {"alerts": [one.item_id]}, done="It is sent again."
        )
    return [
        html.Span([words.at(one.at), html.Div(ago(one.at, now), className="small")]),
        plain(one.channel, 60),
        mark(*_OUTCOMES[one.outcome]),
        html.Span([about, html.Div(plain(one.transition, 60), className="small")]),
        str(one.attempt),
        html.Div(parts) if parts else "not kept",
        again,
    ]


def plain_lines(text: str) -> str:
    """JSON with its lines, cut; it is ASCII, so nothing in it hides or turns letters around."""
    if len(text) <= WIRE_CHARS:
        return text
    return f"{text[:WIRE_CHARS]}\n… {len(text):,} characters; all: gatewatch alerts log --format json"
