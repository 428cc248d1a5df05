"""Finding detail: what is wrong, since when, for whom, whose fault it probably is, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from dash import Dash, dcc, html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import meaning, standout, words
from dashboard.acts import acts, standing
from dashboard.behind import TABLE, requests_card
from dashboard.beside import Beside, beside
from dashboard.changing import action
from dashboard.charting import picture
from dashboard.components import card, empty, labels_switch, severity_mark, state_mark, table, twin, where
from dashboard.data import Detail, Reader
from dashboard.figures import above, band_figure, band_sentence, counted, label_sentence
from dashboard.frame import add_page
from dashboard.glance import around, copying, downloads, first_step, glance, share
from dashboard.leads import caller_page
from dashboard.past import activity, audited, similar
from dashboard.thresholds import add_threshold, replay, threshold_card
from dashboard.traced import traced_card
from dashboard.view import View
from gatewatch.access.current import current
from gatewatch.records import JSON, Change, Finding, Kind
from gatewatch.roles import Role
from gatewatch.store.behind import key_of
from gatewatch.where import Term

HEIGHTS = (230, 340, 240)
SURE = 0.95


def register(dash: Dash, reader: Reader) -> None:
    add_page(
        dash,
        reader,
        "finding",
        title="Finding",
        render=render,
        path_template="/findings/<finding_id>",
        heights=HEIGHTS,
        tables=(TABLE,),
    )

    add_threshold(dash)


def render(reader: Reader, rest: str, view: View) -> Component:
    found = reader.finding(rest.split("/")[0][:64], view)
    back: Component = dcc.Link("← Findings", href=f"/findings{view.search(cursor=None)}", className="back")
    if found is None:
        why = "The address may be cut off, or the finding belongs to another data directory."
        return html.Div([back, card(None, empty("There is no such finding", why))])
    if masked(reader):
        back = html.Div([back, whole(found.stored.finding.id)], className="page-head")
    more = beside(reader, found.stored, current())
    budget = reader.store().settings.false_alarms_per_week
    raw = requests_card(reader, found, view, before(found.stored.finding, more, view))
    return content(
        found, more, back, view, reader.now(), budget, raw=raw, lead=lambda caller: caller_page(reader, caller, view)
    )


def again_with(one: Finding, more: Beside, budget: float | None) -> Component | None:
    """The replay, for those who may ask for one."""
    who = current()
    if budget is None or more.newest is None or (who is not None and not who.may(Role.OPERATOR)):
        return None
    return replay(one, budget, more.newest)


def masked(reader: Reader) -> bool:
    """Whether something of people is hidden here that who asks may have shown."""
    who = current()
    return reader.privacy.on and who is not None and who.may(Role.OPERATOR)


def whole(finding_id: str) -> Component:
    path = f"/api/v1/findings/{finding_id}/reveal"
    return action("Show who", "POST", path, done="", sure="This is written in the audit log")


def content(
    found: Detail,
    more: Beside,
    back: Component,
    view: View,
    now: datetime,
    budget: float | None = None,
    *,
    raw: Component | None = None,
    lead: Callable[[str], str] = lambda _: "",
) -> Component:
    """budget: false alarms an API and week. raw: the requests behind it.

    lead: where the page of a caller, `kind:value`, is; '' where none is shown by name.
    """
    one = found.stored.finding
    return html.Div(
        [
            back,
            head(found, more, view, now),
            html.Div(
                [
                    html.Div(
                        [
                            settings(one),
                            chart(found, view),
                            different(one),
                            traced_card(one, found.traces, around(one, more.newest, view)),
                            raw,
                            again(one),
                        ],
                        className="main-column",
                    ),
                    html.Div(
                        [
                            remedy(one, more, view),
                            reasons(one),
                            changes(one, view),
                            who(one, lead),
                            facts(one),
                            joined(one),
                            similar(more, view, found.names),
                            threshold_card(one, more.peers, again_with(one, more, budget)),
                            quality(one, more),
                            activity(found.events),
                            audited(more),
                        ],
                        className="side",
                    ),
                ],
                className="detail",
            ),
        ]
    )


def head(found: Detail, more: Beside, view: View, now: datetime) -> Component:
    stored = found.stored
    one = stored.finding
    seen = f"seen {words.plural(stored.occurrences - 1, 'time')} before" if stored.occurrences > 1 else "first time"
    marks = [
        severity_mark(one.severity),
        state_mark(stored.state),
        html.Span(words.KINDS[one.kind], className="chip"),
        html.Span(plain(one.subtype, 60).replace("_", " "), className="chip"),
        html.Span(f"{words.percent(one.confidence)} sure", className="chip"),
        html.Span(seen, className="chip"),
    ]
    late = words.duration(one.detected_at - one.start)
    return html.Section(
        [
            html.Div(
                [
                    html.Div(marks, className="marks"),
                    html.Div([share(stored, more.newest, view), downloads(one.id)], className="head-buttons"),
                ],
                className="head-line",
            ),
            html.H1(plain(one.title, 300)),
            html.P(words.spaced(plain(one.evidence.sentence, 600)), className="sentence"),
            html.P(["Caveat: ", plain(one.caveat, 400)], className="caveat") if one.caveat else None,
            glance(one, more.newest, silent=one.kind is Kind.DEAD_API and not found.requests),
            acts(stored, current(), more.verdict, now),
            html.P(
                [standing(stored), f" {where(stored, found.names)} · detected {words.at(one.detected_at)}, {late} in."],
                className="small standing",
            ),
        ],
        className="card finding-head",
    )


def chart(found: Detail, view: View) -> Component | None:
    one = found.stored.finding
    if not one.evidence.series and one.evidence.facts.get("settings"):
        return None  # what was changed stands above
    if not one.evidence.series:
        return card("What was seen", empty("No series", "This finding is not about a rate over time; see the facts."))
    sentence = band_sentence(one) + above(one) + label_sentence(found.labels, one.evidence.series)
    unit = one.evidence.unit
    rows = [
        [
            words.at(point.at),
            *(words.quantity(value, unit) for value in (point.observed, point.expected, point.upper)),
        ]
        for point in one.evidence.series
    ]
    figure = band_figure(one, found.labels)
    observed, expected = words.quantity(one.evidence.observed, unit), short(one.evidence.expected, unit)
    return card(
        "What was seen",
        picture("band", figure, sentence, height=320),
        html.P(sentence, className="small"),
        twin(("Time", "Observed", "Expected", "Alarm limit"), rows, caption=sentence),
        labels_switch(view) if found.labelled else None,
        note=f"{observed}{' in all' if counted(one) else ''}, expected {expected}",
    )


def short(value: float, unit: str) -> str:
    """A number whose unit the reader has just read; short units stay."""
    if unit in {"ms", "share", "ratio"}:
        return words.quantity(value, unit)
    return "hardly any" if 0 < value < 0.1 else words.count(value)


def remedy(one: Finding, more: Beside, view: View) -> Component:
    there = around(one, more.newest, view).search(api=one.api, stage=one.stage)
    link = dcc.Link("Look at its traffic in the Explorer", href=f"/explorer{there}")
    text = plain(one.remedy, 1200)
    more_of_it = html.P(text, className="remedy") if text != first_step(one) else None  # else it stands above already
    return card("What to do" if more_of_it else "Look further", more_of_it, html.P(link), name="first")


def before(one: Finding, more: Beside, view: View) -> Component | None:
    """Where no request is: the last ones before it fell silent."""
    if one.kind is not Kind.DEAD_API:
        return None
    last = min(one.start, more.newest or one.start)
    places = {"api": one.api, "stage": one.stage, "route": one.route, "api_key_id": key_of(one)}
    terms = tuple(str(Term(name, "=", (value,))) for name, value in places.items() if value)
    then = view.kept().between(last - timedelta(hours=24), last + timedelta(minutes=1))
    href = "/explorer" + then.search(api=None, stage=None, f=terms)
    return dcc.Link("The last requests before it", href=href)


def reasons(one: Finding) -> Component | None:
    """What speaks for the finding, and what against it."""
    told = [factor for factor in _listed(one, "factors") if isinstance(factor, dict)]
    if not told:
        return None

    def lines(sign: str) -> list[Component]:
        return [html.Li(meaning.factor(str(factor["what"]))) for factor in told if factor.get("sign") == sign]

    parts: list[Component] = []
    for sign, name in (("+", "Speaks for it"), ("-", "Speaks against it")):
        if lines(sign):
            look = "reasons-for" if sign == "+" else "reasons-against"
            parts += [html.H3(name), html.Ul(lines(sign), className=f"reasons {look}")]
    return card("Why gatewatch says so", html.Div(parts, className="who"))


def _listed(one: Finding, name: str) -> list[JSON]:
    found = one.evidence.card.get(name)
    return found if isinstance(found, list) else []


def different(one: Finding) -> Component | None:
    """The values that stand out, beside their share before."""
    found = standout.dimensions(_listed(one, "top"))
    if not found:
        return None
    said = standout.sentence(found)
    heads = ("What", "Value", "Requests", "Share", "Share before")
    return card(
        "What is different",
        html.P(said, className="small"),
        standout.bars(found),
        twin(heads, standout.rows(found), caption="Most frequent values, now and before"),
        note="bar: share now; line: share before",
    )


def again(one: Finding) -> Component | None:
    """How to count again what was observed."""
    found = one.evidence.card.get("reproduce")
    if not isinstance(found, dict):
        return None
    parts: list[Component] = []
    for name, label in (("gatewatch", "Export the requests"), ("sql", "Count them")):
        said = plain(str(found[name]), 2000)
        parts.append(html.Div([html.H3(label), copying("Copy", said)], className="again-head"))
        parts.append(html.Pre(said, className="command"))
    return card("Count it again", *parts, note="gives the observed number")


def facts(one: Finding) -> Component | None:
    rows = meaning.facts(one.evidence.facts)
    if not rows:
        return None
    return card("Facts", html.Dl([html.Div([html.Dt(name), html.Dd(text)]) for name, text in rows], className="pairs"))


def settings(one: Finding) -> Component | None:
    """What was set otherwise, of a finding about the configuration."""
    listed = one.evidence.facts.get("settings")
    rows: list[list[Any]] = [
        [
            plain(str(part.get("what") or ""), 200),
            plain(part.get("before"), 80) or "not known",
            plain(part.get("after"), 80) or words.NONE,
            meaning.moment(part.get("at")),
            "put back since" if part.get("put_back") else "still so",
        ]
        for part in (listed if isinstance(listed, list) else [])[:50]
        if isinstance(part, dict)
    ]
    if not rows:
        return None
    heads = ("What", "Before", "After", "When", "Now")
    return card("What was changed", table(heads, rows, caption="Settings that were changed", name="stack one"))


def joined(one: Finding) -> Component | None:
    """Findings that were folded into this one: symptoms of the same cause."""
    listed = one.evidence.facts.get("joined")
    told = [part for part in listed if isinstance(part, dict)] if isinstance(listed, list) else []
    if not told:
        return None
    lines = [
        html.Li(
            [
                html.Span(plain(str(part.get("subtype") or ""), 60).replace("_", " "), className="chip"),
                " ",
                words.spaced(plain(str(part.get("sentence") or ""), 300)),
            ]
        )
        for part in told[:10]
    ]
    return card("Also part of it", html.Ul(lines, className="history"), note="one cause, one finding")


def who(one: Finding, lead: Callable[[str], str]) -> Component | None:
    """The callers that are involved most, each with its page, each group with a button that copies it for a rule."""
    entities, facts = one.entities, one.evidence.facts
    groups = (
        ("IP addresses", entities.ips, "distinct_ips", "ip"),
        ("API keys", entities.api_key_ids, "distinct_api_keys", "key"),
        ("Principals", entities.principals, "distinct_principals", "principal"),
        ("User agents", entities.user_agents, "distinct_user_agents", ""),
        ("Networks", entities.asns, "", ""),
    )

    def entry(kind: str, value: str) -> Component:
        href = lead(f"{kind}:{value}") if kind and one.kind is not Kind.CONFIG_CHANGE else ""
        return html.Li(dcc.Link(plain(value, 160), href=href) if href else plain(value, 160))

    parts: list[Component] = []
    for name, values, fact, kind in groups:
        if not values:
            continue
        known = facts.get(fact)
        whole = int(known) if isinstance(known, int | float) else 0
        said = f"{len(values)} of {words.count(whole)}" if whole > len(values) else words.count(len(values))
        listed = html.Ul([entry(kind, value) for value in values[:5]])
        rest = html.Ul([entry(kind, value) for value in values[5:]])
        more = html.Details([html.Summary(f"{len(values) - 5} more"), rest]) if len(values) > 5 else None
        copy = copying("Copy", "\n".join(plain(value, 160) for value in values))
        parts.append(html.Div([html.Div([html.H3(f"{name} ({said})"), copy], className="again-head"), listed, more]))
    if not parts:
        return None
    return card("Who", html.Div(parts, className="who mono"), note="most involved first")


def changes(one: Finding, view: View) -> Component | None:
    """Each leads to the page Changes of the hour around it."""
    if not one.changes:
        return None
    half = timedelta(minutes=30)

    def line(change: Change) -> list[Any]:
        href = "/changes" + view.kept().between(change.at - half, change.at + half).search(api=None, stage=None)
        what = dcc.Link(plain(change.what, 120) or "a change", href=href, title="Changes of the hour around it")
        return [words.at(change.at), what, plain(change.actor, 120), plain(change.resource, 120)]

    rows = [line(change) for change in one.changes[:10]]
    return card(
        "Changes that may have caused it",
        table(
            ("Time", "What", "Who", "Resource"),
            rows,
            caption="Candidate changes, most likely first",
            name="narrow",
        ),
    )


def quality(one: Finding, more: Beside) -> Component:
    """How far its data can be trusted: could not tell is not fine."""
    lines: list[str] = []
    if words.missing(more.covered):
        lines.append("Whether sources delivered in its time is not known.")
    elif more.covered >= 1 - 1e-9:
        lines.append("Sources delivered for all of its time.")
    else:
        lines.append(f"Sources delivered for {words.percent(more.covered)} of its time; the rest is not known.")
    touched = one.evidence.facts.get("data_quality")
    if isinstance(touched, list) and touched:
        lines.append(f"Meanwhile the logs were not whole: {meaning.text(touched)}.")
    if one.confidence < SURE:
        lines.append(f"gatewatch is {words.percent(one.confidence)} sure of it.")
    told: set[tuple[Kind, str]] = set()
    for spot in more.blind:
        if (spot.kind, spot.reason) in told:
            continue  # of the stage, and of the whole API
        told.add((spot.kind, spot.reason))
        missing = ", ".join(plain(name, 60) for name in spot.missing)
        lines.append(
            f"{words.KINDS[spot.kind]} cannot be judged here: {plain(spot.reason, 200)}"
            + (f" (missing: {missing})." if missing else ".")
        )
    return card("Quality of the data", html.Ul([html.Li(line) for line in lines], className="history"))
