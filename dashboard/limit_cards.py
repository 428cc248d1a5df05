"""What is told of limits, card by card: on the page of all APIs, and on that of one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.components import card, empty, table, tile
from dashboard.data import Reader
from dashboard.data_limits import (
    AccountLine,
    KeyLine,
    Limits,
    Role,
    StageLine,
    Throttled,
    keys_left,
    period_name,
    stages_left,
    throttled_of,
)
from dashboard.exported import OFFENDERS, VICTIMS, Cut, as_cut
from dashboard.exported_ops import KEYS, STAGES
from dashboard.exports import export_button
from dashboard.figures import ORANGE, spark_sentence, sparkline
from dashboard.leads import (
    LINKED,
    api_href,
    caller_href,
    caller_page,
    findings_href,
    requests_copies,
    requests_href,
    requests_link,
)
from dashboard.parts import no_requests, short_list, size, unknown
from dashboard.sheets import MOST_ROWS, Sheet, Shown, sheet_table
from dashboard.summing import scope_of
from dashboard.tables import Table
from dashboard.timelines import Lines, busiest, stack_figure, stack_sentence
from dashboard.view import View
from dashboard.whatif_cards import limit_text, panel
from gatewatch.records import Kind

_CUT = ("reject_cause in throttle,quota",)


def content(reader: Reader, found: Limits, view: View) -> Component:
    """All cards."""
    if not found.total:
        return card("Limits", no_requests())
    return html.Div(
        [
            tiles(reader, found, view),
            over_time(found, view),
            sides(reader, found, view),
            findings(found, view),
            plans(reader, found, view),
            stages(reader, found, view),
            account(found),
            panel(reader, found, view),
        ]
    )


def tiles(reader: Reader, found: Limits, view: View) -> Component:
    line = [math.fsum(one for one in column if one == one) for column in zip(*found.series.values(), strict=True)]
    worst = max(found.keys, key=lambda one: one.used_share if one.plan.quota else -1, default=None)
    top = max(found.accounts, key=lambda one: one.peak, default=None)
    rows: list[tuple[str, str, str, Sequence[float] | None, str | None]] = [
        (
            "Throttled",
            words.count(found.throttled + found.quota),
            f"{words.percent((found.throttled + found.quota) / found.total)} of requests",
            line,
            findings_href(view, kind=Kind.THROTTLING_ABUSE.value),
        ),
        ("Quota used up", words.count(found.quota), "of these, for a usage plan's quota", None, None),
        ("Offenders", words.count(len(found.offenders)), "fill a limit, their own or a shared one", None, None),
        ("Victims", words.count(len(found.victims)), "refused by a limit that others fill", None, None),
        (
            "Nearest to its quota",
            words.percent(worst.used_share) if worst and worst.plan.quota else words.NONE,
            plain(worst.name or worst.key, 60) if worst and worst.plan.quota else "no plan with a quota is known",
            None,
            None,
        ),
        (
            "Account's peak",
            f"{words.count(top.peak)}/s" if top else words.NONE,
            f"{words.percent(top.peak / top.limit.rate)} of its rate" if top and top.limit.rate else "not known",
            None,
            None,
        ),
    ]
    shown = [
        tile(
            name,
            value,
            note,
            sparkline(series, ORANGE) if series else None,
            spark_sentence("Refused by a limit", series, [words.count(one) for one in series]) if series else note,
            href=href,
            rows={
                "Throttled": requests_href(view, "reject_cause in throttle,quota")
                if found.throttled + found.quota
                else None,
                "Quota used up": requests_href(view, "reject_cause = quota") if found.quota else None,
                "Offenders": callers_href(reader, found.offenders, view, "offenders"),
                "Victims": callers_href(reader, found.victims, view, "victims"),
                "Nearest to its quota": "#plans" if worst and worst.plan.quota else None,
                "Account's peak": requests_href(minute_of(view, top.peak_at)) if top else None,
            }.get(name),
        )
        for name, value, note, series, href in rows
    ]
    return html.Div(shown, className="tiles alone")


def callers_href(reader: Reader, callers: Sequence[Throttled], view: View, name: str) -> str | None:
    """The refused requests of these callers; the list of them where an address cannot name them all."""
    ids = list(dict.fromkeys(one.client_id for one in callers if one.client_id))
    if not callers:
        return None
    listed = ",".join(ids)
    if reader.privacy.on or len(ids) < len({one.client_id for one in callers}) or len(listed) > LINKED:
        return f"#{name}"
    if any("," in one or one != one.strip() for one in ids):
        return f"#{name}"
    return requests_href(view, *_CUT, f"client_id in {listed}") or f"#{name}"


def minute_of(view: View, at: datetime) -> View:
    """The same view of the minute around a moment."""
    minute = at.replace(second=0, microsecond=0)
    return view.between(minute, minute + timedelta(minutes=1))


def over_time(found: Limits, view: View) -> Component:
    series = busiest(found.series)
    if not series:
        return card("Refused by a limit", empty("Nobody was throttled in this range", "No 429, and no quota used up."))
    at = found.grid.at
    note = None
    if not found.told and found.throttled:
        note = html.P(
            "Access logs do not say which limit it was: the gateway writes that into its execution logs. Below, demand "
            "and usage plans tell whose limit it probably was.",
            className="small",
        )
    return card(
        "Refused by a limit",
        Lines(at, series, words.count).drawn(
            "throttled",
            stack_figure(at, series, "refusals", minutes=found.grid.minutes),
            stack_sentence(at, series, "refusals"),
            "throttled",
        ),
        note,
        requests_copies(found.window, view, "reject_cause in throttle,quota"),
        note=f"per {size(found.grid.minutes)}, by limit",
    )


def sides(reader: Reader, found: Limits, view: View) -> Component | None:
    """Who fills limits, beside those who pay for it."""
    if found.unknown_who:
        return card("Offenders and victims", unknown("Who was throttled is not known", found.unknown_who))
    if not found.offenders and not found.victims:
        return None
    rule = (
        "Counted in the minutes in which the stage refused somebody. Beyond its own limit: a quota, a second with more "
        "calls than its plan's rate, or nobody else called. Fills a shared limit: a quarter of all calls or more, and "
        "far above an equal share. Victims: all others that were refused."
    )
    return html.Div(
        [
            html.Div(
                [
                    card(
                        "Offenders",
                        side(reader, found, found.offenders, view, OFFENDERS),
                        note=words.plural(len(found.offenders), "caller"),
                        place="offenders",
                    ),
                    card(
                        "Victims",
                        side(reader, found, found.victims, view, VICTIMS),
                        note=words.plural(len(found.victims), "caller"),
                        place="victims",
                    ),
                ],
                className="columns halves",
            ),
            html.P(rule, className="small rule"),
        ]
    )


def side(reader: Reader, found: Limits, callers: Sequence[Throttled], view: View, sheet: Sheet[Cut]) -> Component:
    if not callers:
        return empty("Nobody", "No such caller in this range.")

    victims = sheet.name == VICTIMS.name

    def every() -> list[Cut]:
        cut = throttled_of(reader.store(), scope_of(found.window, view), found.inventory, most=MOST_ROWS)
        return as_cut(reader, found.inventory, [one for one in cut if (one.role is Role.VICTIM) == victims])

    made = _SIDES[sheet.name].placed(reader, view, as_cut(reader, found.inventory, callers), len(callers), every)
    return html.Div([made, export_button(sheet.name)])


def side_table(reader: Reader, view: View, listed: Shown[Cut]) -> Component:
    names = reader.names()

    def line(whose: Cut) -> list[Any]:
        one = whose.line
        place = names.place(one.api, one.stage or None)
        plan = f" · plan {plain(one.plan.name, 40)}" if one.plan else ""
        there = replace(view, api=one.api, stage=one.stage or None)
        return [
            html.Div(
                [
                    html.Span(
                        linked(plain(whose.name, 100), caller_page(reader, one.client_id, view)), className="api-name"
                    ),
                    html.Span(whose.kind, className="chip"),
                    html.Div(
                        [
                            dcc.Link(place, href=api_href(one.api, view, "limits", stage=one.stage or None)),
                            f"{plan} · {one.role.value}",
                        ],
                        className="small",
                    ),
                ]
            ),
            linked(words.count(one.refused), caller_href(reader, one.client_id, there, *_CUT)),
            linked(words.count(one.asked), caller_href(reader, one.client_id, there)),
            words.percent(one.share),
            f"{words.count(one.peak)}/s",
        ]

    heads = (("Caller", "caller"), ("Refused", "refused"), ("Calls then", "asked"), ("Share", "share"))
    caption = "Who is refused because of others" if listed.sheet.name == VICTIMS.name else "Who fills limits"
    return sheet_table(
        listed,
        view,
        (*heads, ("Peak", "peak_a_second")),
        line,
        caption=caption,
        first=6,
        numbers=(1, 2, 3, 4),
        one="caller",
    )


_SIDES = {sheet.name: Table(sheet, side_table) for sheet in (OFFENDERS, VICTIMS)}


def linked(said: str, href: str | None) -> Component | str:
    return dcc.Link(said, href=href) if href else said


def findings(found: Limits, view: View) -> Component | None:
    if not found.findings:
        return None
    there = dcc.Link("All of them", href=findings_href(view, kind=Kind.THROTTLING_ABUSE.value))
    return card("Findings about limits", short_list(found.findings[:8], view), note=there)


def plans(reader: Reader, found: Limits, view: View) -> Component:
    if not found.inventory.known:
        why = "Hand one over with `gatewatch ingest --inventory FILE`, or connect the account."
        return card("Usage plans", empty("No inventory is known, so plans and their limits cannot be told", why))
    if "usagePlans" in found.inventory.unread:
        why = "The role may not read them: `gatewatch iam-policy` prints what is needed."
        return card("Usage plans", empty("Usage plans could not be read", why))
    if not found.keys:
        return card("Usage plans", empty("No usage plan in scope", "No declared plan has these stages, or no key yet."))
    total = len(found.keys) + found.more_keys
    return card(
        "Usage plans",
        KEY_TABLE.placed(
            reader,
            view,
            found.keys,
            total,
            lambda: keys_left(reader, view, found.window, found.inventory, most=MOST_ROWS)[0],
        ),
        html.P(
            "Quotas count what was served since the period began (UTC); AWS holds them as best it can, so more may be "
            "served. Runs out: if the next hours are like the last 24, give or take two standard errors.",
            className="small",
        ),
        html.Div(export_button("keys"), className="rule"),
        note=words.plural(total, "key"),
        place="plans",
    )


def key_table(reader: Reader, view: View, listed: Shown[KeyLine]) -> Component:  # noqa: ARG001
    heads = (
        ("Key", "name"),
        ("Plan", "plan"),
        ("Quota used", "used_share"),
        ("", ""),
        ("Left", "left"),
        ("Runs out", "runs_out_from"),
        ("Peak / rate", "peak_a_second"),
        ("Throttled", "throttled"),
    )
    caption = "Keys and what is left of their plans"
    return sheet_table(listed, view, heads, key_line, caption=caption, first=6, numbers=(2, 4, 6, 7), one="key")


KEY_TABLE = Table(KEYS, key_table)


def key_line(one: KeyLine) -> list[Any]:
    plan = one.plan
    name = f"{plain(one.name, 60)} · {plain(one.key, 40)}" if one.name else plain(one.key, 60)
    rate = plan.limit.rate
    ratio = one.peak / rate if rate else float("nan")
    quota = f"{words.count(plan.quota)} {period_name(plan)}" if plan.quota else "no quota"
    return [
        html.Span(name, className="api-name"),
        f"{plain(plan.name, 60)} ({quota}, {limit_text(plan.limit)})",
        words.percent(one.used_share) if plan.quota else words.NONE,
        meter(one.used_share) if plan.quota else "",
        left(one),
        runs_out(one),
        html.Span(
            f"{words.count(one.peak)}/s of {words.count(rate)}/s" if rate is not None else f"{words.count(one.peak)}/s",
            className="severity-high" if ratio > 1 else None,
        ),
        words.count(one.throttled + one.cut_by_quota),
    ]


def meter(share: float) -> Component:
    """A bar of how much is used; the number beside it says the same."""
    wide = min(max(share, 0.0), 1.0) * 100
    level = "high" if share >= 0.9 else "medium" if share >= 0.7 else "low"
    return html.Span(html.Span(style={"width": f"{wide:.1f}%"}), className=f"meter meter-{level}")


def left(one: KeyLine) -> str:
    if not one.plan.quota:
        return words.NONE
    if one.over:
        return f"{words.count(one.over)} served beyond it"
    return words.count(one.plan.quota - one.served)


def runs_out(one: KeyLine) -> str:
    if not one.plan.quota:
        return words.NONE
    if one.runs_out is None:
        return f"not before {words.at(one.resets)}"
    early, late = one.runs_out
    if one.served >= one.plan.quota:
        return f"used up; new at {words.at(one.resets)}"
    if late is None:
        return f"{words.at(early)} at the earliest"
    return f"{words.at(early)} to {words.at(late)}"


def stage_table(reader: Reader, view: View, listed: Shown[StageLine]) -> Component:
    names = reader.names()

    def line(one: StageLine) -> list[Any]:
        rate = one.limit.rate
        share = one.peak / rate if rate else float("nan")
        return [
            dcc.Link(names.place(one.api, one.stage), href=api_href(one.api, view, "limits", stage=one.stage)),
            limit_text(one.limit),
            requests_link(f"{words.count(one.peak)}/s", replace(view, api=one.api, stage=one.stage)),
            words.percent(share),
            meter(share) if rate else "",
            f"{words.count(one.p99)}/s",
            words.at(one.peak_at),
        ]

    heads = (
        ("API / stage", "api"),
        ("Throttle", "rate"),
        ("Peak", "peak_a_second"),
        ("Of its rate", "of_rate"),
        ("", ""),
        ("p99", "p99_a_second"),
        ("When", "peak_at"),
    )
    caption = "Stages and their limits"
    return sheet_table(listed, view, heads, line, caption=caption, first=10, numbers=(2, 3, 5), one="stage")


STAGE_TABLE = Table(STAGES, stage_table)
TABLES: tuple[Table[Any], ...] = (*_SIDES.values(), KEY_TABLE, STAGE_TABLE)


def stages(reader: Reader, found: Limits, view: View) -> Component:
    scope = scope_of(found.window, view)
    made = STAGE_TABLE.placed(
        reader, view, found.stages, found.every_stage, lambda: stages_left(reader.store(), scope, found.inventory)
    )
    return card(
        "Stages",
        made,
        html.Div(
            [
                html.P("Peak: most calls in one second. p99: of the seconds with a call.", className="small"),
                export_button("stages"),
            ],
            className="rule",
        ),
        note="nearest to their limit first",
    )


def account(found: Limits) -> Component:
    """What all APIs of an account and region share."""

    def line(one: AccountLine) -> list[Any]:
        rate, burst = one.limit.rate or math.nan, one.limit.burst or math.nan
        return [
            f"{plain(one.account, 20) or 'account not in the logs'}, {plain(one.region, 30) or 'region not known'}",
            f"{words.count(one.peak)}/s",
            words.percent(one.peak / rate),
            meter(one.peak / rate),
            words.count(max(burst - one.peak, 0)),
            words.at(one.peak_at),
        ]

    read = all(one.read for one in found.accounts)
    said = (
        "The limits are those that AWS told."
        if read
        else "The account's own limits are not known: needs GetAccount in the inventory. Taken are AWS's defaults, "
        "10,000 a second and 5,000 at once."
    )
    heads = ("Account, region", "Peak", "Of its rate", "", "Burst left", "When")
    rows = [line(one) for one in found.accounts]
    return card(
        "Account",
        table(heads, rows, caption="Accounts and their limits", numbers=(1, 2, 4), name="stack"),
        html.P(said, className="small"),
        note="shared by all its APIs, seen by their logs",
    )
