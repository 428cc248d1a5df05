"""How gatewatch itself stands: are data coming, are they judged, what does AWS cost. What is not known is said so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dash import html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.traffic import covered_share
from dashboard.view import STALE
from gatewatch.records import Blind
from gatewatch.store.connections import connections
from gatewatch.store.findings import list_blind
from gatewatch.store.leases import last_run
from gatewatch.store.reading import bounds, coverage
from gatewatch.store.sources import accounting
from gatewatch.store.spending import total
from gatewatch.store.state import State

DAY = timedelta(days=1)
LATE = timedelta(minutes=15)
"""The newest request may be so old before it is worth a look."""

FULL = 0.98
"""Coverage below it is said everywhere."""


@dataclass(frozen=True, slots=True)
class Standing:
    """covered: the share of the last day of data that sources delivered; None in an empty store.

    spent: AWS calls and dollars of today; None when no account is connected and none was ever asked. evaluated: when a
    worker last looked for findings, and why it failed; None when none ever did. patience: it should look so often.
    false_alarms_per_week: an API may have so many. soft_dollars, hard_dollars: caps of a day.
    """

    now: datetime
    newest: datetime | None
    oldest: datetime | None
    lines: int
    rejected: int
    covered: float | None
    spent: tuple[int, float] | None
    evaluated: tuple[datetime, str | None] | None
    patience: timedelta
    blind: int
    false_alarms_per_week: float
    soft_dollars: float
    hard_dollars: float


def standing(state: State, now: datetime) -> Standing:
    known = bounds(state)
    oldest, newest = known or (None, None)
    covered = None if newest is None else _covered(state, _end(newest, now))
    with state.read() as session:
        accounts = accounting(session)
        calls, nanos = total(session, now.date())
        asked = bool(calls) or bool(connections(session))
        return Standing(
            now=now,
            newest=newest,
            oldest=oldest,
            lines=sum(account.lines for account in accounts),
            rejected=sum(account.rejected for account in accounts),
            covered=covered,
            spent=(calls, nanos / 1e9) if asked else None,
            evaluated=last_run(session, "tick"),
            patience=timedelta(seconds=max(state.settings.tick_seconds * 5, 300)),
            blind=len({(one.kind, one.api, one.stage) for one in once(list_blind(session))}),
            false_alarms_per_week=state.settings.false_alarms_per_week,
            soft_dollars=state.settings.aws_soft_dollars_per_day,
            hard_dollars=state.settings.aws_hard_dollars_per_day,
        )


def once(blind: Sequence[Blind]) -> list[Blind]:
    """Without what is said of a whole API when one of its stages has the same."""
    staged = {(one.api, one.kind, one.reason) for one in blind if one.stage is not None}
    return [one for one in blind if one.stage is not None or (one.api, one.kind, one.reason) not in staged]


def _end(newest: datetime, now: datetime) -> datetime:
    """The end of the last day: now, but the newest data where they are old, or what is newer is on its way."""
    return newest if now - newest < LATE or now - newest > STALE else now


def _covered(state: State, until: datetime) -> float:
    """Of the day before `until`, from the first data in it on: what is younger than a day has no hole before it."""
    intervals = coverage(state, until - DAY, until)
    since = min((start for start in intervals.column("start").to_pylist()), default=until - DAY)
    return covered_share(intervals, max(since, until - DAY), until) if since < until else 0.0


def footer(found: Standing) -> list[Component]:
    """One line: each part with a mark that says whether it is well."""
    newest = _lag(found)
    rejected = f", {words.percent(found.rejected / found.lines)} rejected" if found.lines else ""
    return [
        _part(*newest, f"The newest request that was read is of {words.at(found.newest)}"),
        *(_part(*part) for part in (_coverage(found), _detectors(found), _spend(found))),
        _part("", "Read", f"{words.count(found.lines)} lines{rejected}"),
        html.Span(f"All times are {words.zone_name()}", className="foot-zone"),
    ]


def _part(state: str, name: str, said: str, whole: str = "") -> Component:
    mark = html.Span(className=f"dot dot-{state}") if state else None
    inside = [mark, html.Span(f"{name}:", className="foot-name"), html.Span(said)]
    return html.Span(inside, className="foot-part", title=whole or None)


def ago(now: datetime, at: datetime) -> str:
    """`12 s ago`; what lies ahead by a clock that runs fast is now."""
    return f"{words.duration(now - at)} ago" if now > at else "now"


def _lag(found: Standing) -> tuple[str, str, str]:
    if found.newest is None:
        return "off", "Data", "none yet"
    late = found.now - found.newest
    return "late" if late > LATE else "on", "Newest request", ago(found.now, found.newest)


def _coverage(found: Standing) -> tuple[str, str, str]:
    if found.covered is None:
        return "off", "Coverage", "not known"
    return "late" if found.covered < FULL else "on", "Coverage 24 h", words.percent(found.covered)


def _detectors(found: Standing) -> tuple[str, str, str]:
    blind = f", {words.plural(found.blind, 'blind spot')}" if found.blind else ""
    if found.evaluated is None:
        return "off", "Detectors", f"no worker has run yet{blind}"
    at, error = found.evaluated
    if error is not None:
        return "bad", "Detectors", f"failed {ago(found.now, at)}: {plain(error, 120)}"
    if found.now - at > found.patience:
        return (
            "bad",
            "Detectors",
            f"have not looked for {words.duration(found.now - at)}; is `gatewatch worker` running?",
        )
    return "late" if blind else "on", "Detectors", f"looked {ago(found.now, at)}{blind}"


def _spend(found: Standing) -> tuple[str, str, str]:
    if found.spent is None:
        return "off", "AWS", "no account connected"
    calls, dollars = found.spent
    return "on", "AWS today", f"{words.money(dollars)}, {words.plural(calls, 'call')}"
