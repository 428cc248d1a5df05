"""Sources and cost: whether data come, what is not seen of them, and what asking AWS costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from dash import Dash, dcc, html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.charting import chart, copied, copies
from dashboard.components import banner, card, command, empty, icon, range_line, stale_note, table
from dashboard.data import Reader
from dashboard.exported_ops import DOCTOR, SOURCES
from dashboard.exports import export_button
from dashboard.figures import SKY, spark_sentence, sparkline, strip
from dashboard.frame import Nav, add_page
from dashboard.names import Names
from dashboard.origins import (
    BY_HAND,
    DENIED,
    FAILING,
    LEDGER_DAYS,
    NEVER,
    OVERDUE_STATE,
    SILENT,
    WAITING,
    WORKING,
    AwsReader,
    Origin,
    Origins,
    Spending,
    origins,
)
from dashboard.sheets import Shown, sheet_table
from dashboard.stacks import stacked
from dashboard.tables import Table
from dashboard.view import View, Window
from detect.logformat import line_bytes
from detect.signal import BLIND, DEGRADED, FULL
from gatewatch.diagnosing import Diagnosis
from gatewatch.patches import FORMS, patch
from gatewatch.polling import EVERY
from gatewatch.records import Kind

NAV = Nav(order=130, key="i", icon="sources")

MOST_READERS = 1000
MOST_BLIND = 1000
MOST_REASONS = 8

_LOOKS = {
    WORKING: "good",
    BY_HAND: "plain",
    WAITING: "warn",
    SILENT: "bad",
    FAILING: "bad",
    DENIED: "warn",
    OVERDUE_STATE: "warn",
    NEVER: "warn",
}
_BRINGS = {"changes": "changes", "traces": "traces", "causes": "why requests were refused"}
_LEVELS = {FULL: ("good", "full"), DEGRADED: ("warn", "degraded"), BLIND: ("bad", "blind")}
_FORMS = {"cli": "AWS CLI", "terraform": "Terraform", "cloudformation": "CloudFormation", "cdk": "CDK (TypeScript)"}


def register(dash: Dash, reader: Reader) -> None:
    add_page(
        dash,
        reader,
        "sources",
        title="Sources",
        render=render,
        path="/sources",
        heights=(48, 240, 240, 320),
        nav=NAV,
        tables=(SOURCE_TABLE, DOCTOR_TABLE),
    )


def render(reader: Reader, rest: str, view: View) -> Component:  # noqa: ARG001
    found = origins(reader.store(), reader.window(view), reader.now())
    names = reader.names()
    parts: list[Any] = [
        head(found),
        stale_note(view, found.window),
        *warnings(found),
        log_sources(reader, found, view),
        readers(found),
        spend(found.spending, known=bool(found.connections)),
        chosen(found, view, names),
        doctor(reader, found, view),
        blind(found, names),
    ]
    return html.Div(parts, className="ops")


def head(found: Origins) -> Component:
    return html.Div(
        [
            html.H1("Sources and cost"),
            range_line(found.window),
            copies(api="GET /api/v1/accounting", cli="gatewatch sources list --format json"),
        ],
        className="page-head",
    )


def mark(look: str, text: str) -> Component:
    """A word with a shape and a colour: good, warn, bad or plain."""
    shape = {"good": "good", "warn": "warning", "bad": "high", "plain": "info"}[look]
    return html.Span([icon(shape), text], className=f"mark mark-{look}")


def warnings(found: Origins) -> list[Component]:
    """What must be seen first."""
    out = []
    bad = [one for one in found.origins if one.state in {FAILING, SILENT}]
    if bad:
        told = ", ".join(f"{plain(one.name, 60)} ({one.state})" for one in bad[:5])
        out.append(banner(f"Data do not come as they should: {told}.", kind="error"))
    if found.ticked is None:
        out.append(banner("Nothing was evaluated yet by a worker; detectors see only what a command looked at."))
    elif found.ticked[1] is not None:
        out.append(banner(f"The last evaluation failed: {plain(found.ticked[1], 300)}", kind="error"))
    return out


def ago(then: datetime | None, now: datetime) -> str:
    """`3 min ago`; a time that is not known is said to be so."""
    if then is None:
        return "not known"
    return "just now" if now - then < timedelta(seconds=1) else f"{words.duration(now - then)} ago"


def dated(then: datetime | None, now: datetime) -> Component | str:
    return html.Span(ago(then, now), title=words.at(then)) if then is not None else "never"


def log_sources(reader: Reader, found: Origins, view: View) -> Component:
    if not found.origins:
        why = html.Span(["Register one with ", command("gatewatch sources add NAME LOCATION"), "."])
        return card("Log sources", empty("No source yet", "Nothing was ingested and nothing is followed.", why))
    by_state: dict[str, int] = defaultdict(int)
    for one in found.origins:
        by_state[one.state] += 1
    note = ", ".join(f"{n} {state}" for state, n in by_state.items())
    made = SOURCE_TABLE.placed(reader, view, found.origins, len(found.origins), lambda: found.origins)
    return card("Log sources", made, html.Div(export_button("sources"), className="rule"), note=note)


def source_table(reader: Reader, view: View, listed: Shown[Origin]) -> Component:
    heads = (
        ("Source", "source"),
        ("State", "state"),
        ("Last look", "last_look"),
        ("Newest request", "newest_request"),
        ("Lag", "lag_s"),
        ("Kept in this range", "kept"),
        ("", ""),
        ("Rejected", "rejected"),
        ("Coverage", "coverage"),
    )
    now, window = reader.now(), reader.window(view)
    caption = "Sources of log lines: whether they work, how far behind they are, and what became of their lines"
    return sheet_table(
        listed,
        view,
        heads,
        lambda one: _origin(one, now, window),
        caption=caption,
        numbers=(5, 7),
        name="stack one origins",
        first=20,
        one="source",
    )


SOURCE_TABLE = Table(SOURCES, source_table)


def _origin(one: Origin, now: datetime, window: Window | None) -> list[Any]:
    account = one.account
    name = html.Span(
        [
            html.Span(plain(one.name, 80), className="api-name"),
            html.Span(plain(one.kind, 30) if one.kind else "", className="chip"),
            html.Div(plain(one.location, 160), className="small") if one.location else None,
        ]
    )
    if one.looked is None:
        looked: Any = "nobody looks" if one.state == BY_HAND else "not known"
    elif one.looked[1] is None:
        looked = html.Span(f"{ago(one.looked[0], now)}, went well", title=words.at(one.looked[0]))
    else:
        said = plain(one.looked[1], 600)
        looked = html.Details([html.Summary(f"failed {ago(one.looked[0], now)}"), html.P(said, className="raw")])
    if one.brings is not None:
        said = _BRINGS[one.brings]
        none = html.Span(words.NONE, title="It brings no lines of access logs.")
        return [name, mark(_LOOKS[one.state], one.state), looked, html.Span(f"brings {said}"), *[none] * 5]
    minutes = window.span / timedelta(minutes=1) if window else 0
    kept: list[Any] = [words.count(one.taken)]
    if minutes and one.taken and one.state != BY_HAND:  # a file is read at once
        kept.append(html.Div(f"{words.count(one.taken / minutes)} a minute", className="small"))
    sentence = spark_sentence(f"Lines kept of {one.name}", one.lines, [words.count(value) for value in one.lines])
    return [
        name,
        mark(_LOOKS[one.state], one.state),
        looked,
        dated(account.last_at if account else None, now),
        _lag(one),
        html.Span(kept),
        html.Img(src=sparkline(one.lines, SKY), alt=plain(sentence, 200), className="spark small-spark"),
        _rejected(one),
        _coverage(one),
    ]


def _lag(one: Origin) -> Component | str:
    if one.lag is None:
        return html.Span("not known", title="It brought no request in this range, or its batches were joined since.")
    said = "Between the newest request of its last batch and the moment at which it could be read."
    return html.Span(words.duration(one.lag), title=said)


def _rejected(one: Origin) -> Component | str:
    account = one.account
    if account is None:
        return words.NONE
    share = account.rejected / account.lines if account.lines else 0.0
    said = f"{words.count(account.rejected)} ({words.percent(share)})"
    if not account.rejected:
        return "0"
    ranked = sorted(account.reasons.items(), key=lambda pair: -pair[1])[:MOST_REASONS]
    listed = html.Ul([html.Li(f"{words.count(n)} {plain(reason, 80).replace('_', ' ')}") for reason, n in ranked])
    see = html.P([command(f"gatewatch dlq list --source {plain(one.name, 80)}")])
    return html.Details([html.Summary(said), listed, see])


def _coverage(one: Origin) -> Component | str:
    if not one.delivered:
        return "not known"
    said = f"{plain(one.name, 60)} delivered in {words.percent(one.covered_share)} of the range."
    return html.Span(
        [
            html.Img(src=strip(one.delivered), alt=said, title=said, className="spark small-spark"),
            html.Span(words.percent(one.covered_share), className="small"),
        ],
        className="covered",
    )


def readers(found: Origins) -> Component:
    if not found.connections:
        why = html.Span(["Connect one with ", command("gatewatch accounts connect NAME --region REGION"), "."])
        said = "Without it inventory, changes, metrics and traces come only from files that somebody brings."
        return card("AWS accounts", empty("No account is connected", said, why))
    heads = ("Connection", "Region", "Asked for", "State", "Last good", "Every", "Rights and errors")
    rows = [_reader(one, found) for one in found.readers[:MOST_READERS]]
    note = html.Span(["rights: ", command("gatewatch iam-policy")])
    caption = "What is asked of AWS, whether it answers, and which rights are missing"
    return card("AWS accounts", table(heads, rows, caption=caption, name="stack one", first=20), note=note)


def _reader(one: AwsReader, found: Origins) -> list[Any]:
    poll = one.poll
    problems: list[Any] = []
    if poll is not None and poll.error:
        problems.append(html.Details([html.Summary("What AWS said"), html.P(plain(poll.error, 900), className="raw")]))
    if one.denied:
        listed = [html.Li([html.B(plain(call, 80)), f": {plain(said, 300)}"]) for call, said in one.denied.items()]
        title = f"{words.plural(len(listed), 'call')} denied"
        problems.append(html.Details([html.Summary(title), html.Ul(listed[:40], className="raw")]))
    if not problems:
        problems = ["all that was asked is allowed" if poll is not None and poll.ok_at else "not known"]
    return [
        plain(one.connection, 60),
        plain(one.region, 30) or "default",
        one.source,
        mark(_LOOKS[one.state], one.state),
        dated(poll.ok_at if poll else None, found.now),
        words.duration(EVERY[one.source]),
        html.Div(problems),
    ]


def dollars(value: float) -> str:
    """Small sums keep their digits."""
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.4f}"


def spend(found: Spending, *, known: bool) -> Component | None:
    if not found.days:
        if not known:
            return None  # the card above says that nothing is asked
        said = html.P("No call of AWS stands in the ledger yet.", className="lead")
        return card("What asking AWS costs", said, _caps(found), note="list prices")
    days = [found.today - timedelta(days=back) for back in reversed(range(LEDGER_DAYS))]
    parts = {name: [found.days.get(day, {}).get(name, 0.0) for day in days] for name in found.sources}
    figure = stacked([f"{day:%d %b}" for day in days], parts, height=240, unit="dollars a day", hover="$.4f")
    rows = [[day.isoformat(), *(dollars(values[place]) for values in parts.values())] for place, day in enumerate(days)]
    drawn = chart("spend", figure, _spend_sentence(found, days), ("Day", *parts), rows, height=240)
    forecast = (
        f"About {dollars(found.forecast)} this month, from the last {words.plural(found.from_days, 'whole day')}."
        if found.forecast is not None
        else "Forecast: not known before a whole day has passed."
    )
    operations = table(
        ("Asked by", "Service", "Call", "Calls", "List price"),
        [
            [plain(source, 40), plain(service, 40), plain(call, 60), words.count(calls), dollars(price)]
            for source, service, call, calls, price in found.operations[:20]
        ],
        caption="Calls since the beginning of the ledger's time, dearest first",
        numbers=(3, 4),
        name="stack",
    )
    return card(
        "What asking AWS costs",
        html.P(forecast, className="lead"),
        _caps(found),
        drawn,
        html.Details([html.Summary("Which calls"), operations], className="twin"),
        copies(cli="gatewatch accounts cost --days 30"),
        note="list prices",
    )


def _spend_sentence(found: Spending, days: Sequence[date]) -> str:
    sums = [(sum(found.days.get(day, {}).values()), day) for day in days]
    total = sum(value for value, _ in sums)
    most, when = max(sums)
    return (
        f"{dollars(total)} in the last {len(days)} days; the dearest day was {when.isoformat()} with {dollars(most)}, "
        f"today {dollars(found.dollars)} so far."
    )


def _caps(found: Spending) -> Component:
    budget = found.budget
    paused = ", ".join(found.paused)
    lines: list[tuple[str, float, float, str, str]] = [
        ("Soft cap", found.dollars, budget.soft_dollars, "aws_soft_dollars_per_day", "sources pause one by one"),
        ("Hard cap", found.dollars, budget.hard_dollars, "aws_hard_dollars_per_day", "nothing is asked any more"),
        ("Calls", found.calls, budget.hard_calls, "aws_hard_calls_per_day", "nothing is asked any more"),
    ]
    bars = []
    for name, used, cap, setting, then in lines:
        share = min(used / cap, 1.0) if cap else 1.0
        said = f"{words.count(used)} of {words.count(cap)}" if name == "Calls" else f"{dollars(used)} of {dollars(cap)}"
        named: Any = {"aria-label": f"{name}: {said} today"}
        look = "bad" if share >= 1 else "warn" if share >= 0.8 else "good"
        bars.append(
            html.Div(
                [
                    html.Span(name, className="cap-name"),
                    html.Progress(
                        value=str(round(share * 100, 1)),
                        max="100",
                        className=f"cap cap-{look}",
                        **named,
                    ),
                    html.Span(said, className="cap-said"),
                    html.Span([f"then {then}; setting ", html.Code(setting, className="command")], className="small"),
                ],
                className="cap-row",
            )
        )
    order = ", ".join(budget.order)
    said = f"Paused now: {paused}." if paused else "Nobody pauses now."
    return html.Div([*bars, html.P(f"{said} Who pauses first: {order}.", className="small")], className="caps")


def key_of(one: Diagnosis) -> str:
    return f"{one.log.api}/{one.log.stage}"


def doctor(reader: Reader, found: Origins, view: View) -> Component:
    """Every stage by every detector, the blindest first."""
    if not found.stages:
        said = "gatewatch does not know the stages, so it cannot say what their logs leave out."
        why = html.Span(
            ["Bring an inventory: ", command("gatewatch ingest --inventory FILE"), ", or connect an account."]
        )
        return card("What each stage lets detectors see", empty("No inventory", said, why))
    full = sum(one.full for one in found.stages)
    note = f"{full} of {words.plural(len(found.stages), 'stage')} let every detector see everything"
    return card(
        "What each stage lets detectors see",
        DOCTOR_TABLE.placed(reader, view, found.stages, len(found.stages), lambda: found.stages),
        html.Div(export_button("doctor"), className="rule"),
        copies(cli="gatewatch doctor --format json"),
        note=note,
    )


def doctor_table(reader: Reader, view: View, listed: Shown[Diagnosis]) -> Component:  # noqa: ARG001
    kinds = [sight.kind for sight in listed.items[0].sights] if listed.items else []
    sights = ((words.KINDS[kind], f"sees_{kind.value}") for kind in kinds)
    heads = (("Stage", "stage"), *sights, ("In the logs", "coverage"), ("Log cost a month", "dollars"), ("", ""))
    return sheet_table(
        listed,
        view,
        heads,
        lambda one: _stage(one, kinds, view),
        caption="Stages by what their log format lets each detector see",
        numbers=(len(heads) - 3, len(heads) - 2),
        name="stack one doctor",
        first=20,
        one="stage",
    )


DOCTOR_TABLE = Table(DOCTOR, doctor_table)


def _stage(one: Diagnosis, kinds: Sequence[Kind], view: View) -> list[Any]:
    log = one.log
    sights = {sight.kind: sight for sight in one.sights}
    name = html.Span(
        [
            html.Span(f"{plain(log.name, 60)} / {plain(log.stage, 40)}", className="api-name"),
            html.Span(log.api_type.value, className="chip"),
            html.Span("writes no access log", className="chip label-incident") if log.template is None else None,
        ]
    )
    marks: list[Any] = []
    for kind in kinds:
        sight = sights.get(kind)
        if sight is None:
            marks.append(words.NONE)
            continue
        missing = ", ".join(f"$context.{variable}" for variable, _ in sight.missing)
        look, text = _LEVELS[sight.level]
        marks.append(html.Span(mark(look, text), title=f"lacks {missing}" if missing else "lacks nothing"))
    seen = one.coverage
    now, then = one.cost(log.template), one.cost(one.template)
    cost = "not known" if now is None or then is None else dollars(now)
    if now is not None and then is not None and not one.full:
        cost = f"{dollars(now)}, {dollars(then)} with all"
    href = "/sources" + view.search(sel=key_of(one)) + "#stage"
    link = dcc.Link("Patch" if not one.full or one.secrets else "Look", href=href, className="action-link")
    return [name, *marks, "not known" if seen is None else f"{seen.percent:.1f} %", cost, link]


def chosen(found: Origins, view: View, names: Names) -> Component | None:
    """The stage that the address names: what is missing, and the change that mends it, in four forms."""
    if not view.sel:
        return None
    one = next((one for one in found.stages if key_of(one) == view.sel), None)
    close = dcc.Link("Close", href="/sources" + view.search(sel=None), className="action-link")
    if one is None:
        return card("Stage", empty("There is no such stage", "The inventory does not know it (any more)."), note=close)
    log = one.log
    lacking: dict[tuple[str, str], list[Any]] = {}
    for sight in one.sights:
        for needed in sight.missing:
            lacking.setdefault(needed, []).append(html.Span(words.KINDS[sight.kind], className="chip"))
    levels = [(f"{words.KINDS[sight.kind]} ", sight.level) for sight in one.sights]
    inside: list[Any] = []
    if log.template is None:
        inside.append(banner("This stage writes no access log: every detector is blind."))
    inside += [
        banner(f"Privacy: $context.{plain(variable, 80)} is {plain(advice, 200)}") for variable, advice in one.secrets
    ]
    if lacking:
        rows: list[list[Any]] = [
            [html.Code(f"$context.{variable}", className="command"), why, html.Span(kinds, className="chips")]
            for (variable, why), kinds in sorted(lacking.items(), key=lambda pair: -len(pair[1]))
        ]
        heads = ("Missing", "What it would tell", "Who misses it")
        missing = table(heads, rows, caption="Variables that the log format lacks", name="stack one")
        inside.append(html.P([html.Span([kind, mark(*_LEVELS[level])], className="sees") for kind, level in levels]))
        inside.append(missing)
    else:
        inside.append(html.P("Every detector sees everything of this stage.", className="lead"))
    now = "nothing" if log.template is None else f"about {line_bytes(log.template)} bytes"
    inside.append(html.P(f"A line has {now} now, about {line_bytes(one.template)} bytes with the recommended format."))
    for form in FORMS:
        inside.append(
            html.Details(
                [
                    html.Summary(f"Patch for {_FORMS[form]}"),
                    copied(_FORMS[form], patch(form, log, one.template), block=True),
                ],
                open=form == "cli",
                className="change",
            )
        )
    title = f"Log format of {names.place(log.api, log.stage)}"
    inside.append(copies(cli=f"gatewatch doctor --stage {plain(key_of(one), 120)} --patch cli"))
    return html.Div(card(title, *inside, note=close, name="patch"), id="stage")


def blind(found: Origins, names: Names) -> Component | None:
    if not found.blind:
        return None
    rows = [
        [
            names.place(one.api, one.stage),
            words.KINDS[one.kind],
            plain(one.reason, 200),
            ", ".join(plain(name, 60) for name in one.missing) or words.NONE,
        ]
        for one in found.blind[:MOST_BLIND]
    ]
    heads = ("API / stage", "Detector", "Why", "Missing in the log")
    note = f"at the last evaluation, {ago(found.ticked[0], found.now)}" if found.ticked else "at the last evaluation"
    return card(
        "Detectors that could not judge",
        table(heads, rows, caption="What detectors could not judge in the logs that came", name="stack one", first=20),
        copies(api="GET /api/v1/blind"),
        note=note,
    )
