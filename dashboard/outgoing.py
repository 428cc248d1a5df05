"""Where alerts go, as the Alerts page shows it: the routing tree, a dry run, channels, what is held, what was sent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.channels import Configured, configured
from alerts.config import AlertConfig, Maintenance, Route, load_alert_config
from alerts.dryrun import Verdict, dry_run
from alerts.holds import Subject, window_end
from alerts.matching import Described, labels_of
from alerts.routes import Way, named_ways, ways
from dashboard import words
from dashboard.view import View
from dashboard.when import canonical, instant
from gatewatch.alerting import open_subjects, silence_of, subject_of
from gatewatch.errors import UsageError
from gatewatch.records import Finding, Severity
from gatewatch.store.breakers import Health, healths
from gatewatch.store.findings import FindingFilter, list_findings
from gatewatch.store.notices import findings_with
from gatewatch.store.outbox import Delivery, deliveries, oldest_pending_at, outbox_counts
from gatewatch.store.silences import StoredSilence, silences
from gatewatch.store.state import Session, State

LOOK_BACK = timedelta(days=7)
MOST_FINDINGS = 500
MOST_OFFERED = 100
LOG_ROWS = 50
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Node:
    """A route of the tree, with what it takes from its parents. told: findings of the last days that ended here."""

    depth: int
    way: Way
    takes: str
    when: tuple[str, ...]
    go_on: bool
    told: list[Finding]


@dataclass(frozen=True, slots=True)
class Trial:
    """A dry run. subject: what was asked about, in words. problem: why there is none."""

    at: datetime
    subject: str
    verdicts: list[Verdict]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A time of maintenance that the file names. until: when it ends that is now; None: it is not now."""

    one: Maintenance
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """problem: why the configuration cannot be used; what is in the store is shown all the same."""

    now: datetime
    nodes: list[Node]
    channels: dict[str, Configured]
    health: dict[str, Health]
    silences: list[StoredSilence]
    maintenance: list[Held]
    log: list[Delivery]
    counts: Mapping[str, int]
    waiting_since: datetime | None
    offered: list[Finding]
    trial: Trial | None
    least: Severity
    problem: str = ""
    looked_at: int = 0


def outgoing(state: State, view: View, now: datetime) -> Outgoing:
    """Everything about where alerts go. The view's sel, severity, kind, api and stage say what the dry run is about."""
    settings = state.settings
    least = Severity(settings.alert_min_severity)
    config, channels, problem = AlertConfig(), dict[str, Configured](), ""
    try:
        config = load_alert_config(settings)
        channels = configured(settings)
    except UsageError as error:
        problem = str(error)
    with state.read() as session:
        listed = list_findings(
            session, FindingFilter(since=now - LOOK_BACK, until=now), limit=MOST_FINDINGS, series=False
        ).items
        recent = [one.finding for one in listed]
        return Outgoing(
            now=now,
            nodes=_nodes(config, channels, recent),
            channels=channels,
            health=healths(session),
            silences=silences(session),
            maintenance=[Held(one, _held_until(config, one, now)) for one in config.maintenance],
            log=deliveries(session, LOG_ROWS + 1, channel=view.q if view.tab == "log" else None),
            counts=outbox_counts(session),
            waiting_since=oldest_pending_at(session),
            offered=recent[:MOST_OFFERED],
            trial=None
            if view.tab
            else _trial(session, config, channels, view, now, Severity(settings.alert_min_severity)),
            least=least,
            problem=problem,
            looked_at=len(recent),
        )


def _nodes(config: AlertConfig, channels: Mapping[str, Configured], recent: Sequence[Finding]) -> list[Node]:
    found = named_ways(config, channels)
    told: dict[str, list[Finding]] = {}
    for finding in recent:
        for way in ways(config, labels_of(finding, config.owners), finding.detected_at, channels):
            told.setdefault(way.name, []).append(finding)
    nodes: list[Node] = []

    def walk(route: Route, place: str, depth: int) -> None:
        name = route.name or place
        nodes.append(Node(depth, found[name], str(route.match), route.time, route.go_on, told.get(name, [])))
        for number, child in enumerate(route.routes):
            walk(child, f"{place}.{number}", depth + 1)

    walk(config.route, "route", 0)
    return nodes


def moment(text: str | None, now: datetime) -> datetime | None:
    """The instant that somebody typed: nothing for now, `22:30` of today, or a date and time, by the clock that is
    shown (dashboard.words). None: unreadable.

    >>> moment("22:30", datetime(2026, 6, 9, 3, tzinfo=UTC))
    datetime.datetime(2026, 6, 9, 22, 30, tzinfo=datetime.timezone.utc)
    """
    said = (text or "").strip()
    if not said:
        return now
    clock = _CLOCK.fullmatch(said)
    if clock is not None:
        return words.local(now).replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
    written = canonical(said)
    return None if written is None else instant(written, now)


def _trial(
    session: Session,
    config: AlertConfig,
    channels: Mapping[str, Configured],
    view: View,
    now: datetime,
    least: Severity,
) -> Trial:
    at = moment(view.q, now)
    if at is None:
        return Trial(now, "", [], "This is no time. Write 22:30 (today), 2026-06-10 03:00 or now-2h.")
    if view.sel:
        found = findings_with(session, [view.sel])
        if not found:
            return Trial(at, "", [], "There is no finding with this id.")
        subject = subject_of(*found[view.sel], config)
        said = found[view.sel][0].title
    else:
        severity = view.severity or Severity.HIGH.value
        labels = {"severity": severity, "kind": view.kind, "api": view.api, "stage": view.stage}
        subject = Subject("", labels_of(Described(labels), config.owners), "new", True)
        said = ", ".join(f"{name} {value}" for name, value in labels.items() if value)
    verdicts = dry_run(
        config,
        channels,
        subject,
        at,
        least=least,
        silences=[silence_of(one) for one in silences(session, at)],
        others=open_subjects(session, config),
    )
    return Trial(at, said, verdicts)


def _held_until(config: AlertConfig, one: Maintenance, now: datetime) -> datetime | None:
    if (one.starts is not None and now < one.starts) or (one.ends is not None and now >= one.ends):
        return None
    if not one.windows:
        return one.ends
    closing = [end for name in one.windows if (end := window_end(config.times, name, now)) is not None]
    return max(closing, default=None)
