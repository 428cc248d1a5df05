"""From notices to messages in the outbox: one transaction that reads what is due, plans, and writes the messages.

Two workers never route at once (`notices.alone`), and a finding's transition stands once in the table of what a
channel was told, so no crash and no second worker makes a second message of it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from alerts.channels import Configured, configured
from alerts.config import AlertConfig, load_alert_config
from alerts.groups import Group
from alerts.holds import Inhibitions, Silence, Subject
from alerts.matching import Match, labels_of
from alerts.model import ALARMS
from alerts.plan import CRITICAL, Outgoing, Recent, World, plan
from alerts.routes import Way, group_id, group_labels, named_ways, ways
from alerts.told import notice_payload, told
from detect.inventory import named
from gatewatch.records import Finding, Severity, State, iso
from gatewatch.settings import Settings
from gatewatch.store import notices, outbox
from gatewatch.store.inventories import current_inventory
from gatewatch.store.leases import last_run
from gatewatch.store.silences import StoredSilence, ending_soon, silences
from gatewatch.store.sources import last_commits, sources
from gatewatch.store.state import Session

log = logging.getLogger(__name__)

Findings = dict[str, tuple[Finding, str]]


def dispatch(session: Session, settings: Settings, now: datetime) -> int:
    """Route what is to be told, and write the messages that are due; how many were written."""
    notices.alone(session)
    config, channels = load_alert_config(settings), configured(settings)
    known_ways = named_ways(config, channels)
    taken = notices.take_notices(session)
    findings = notices.findings_with(session, (one.finding_id for one in taken))
    groups = {one.id: _group(one) for one in notices.due_groups(session, now)}
    groups |= _routed(session, taken, findings, groups, config, channels, settings, now)
    missing = {one for group in groups.values() for one in (*group.members, *(item.finding for item in group.pending))}
    findings |= notices.findings_with(session, missing - set(findings))
    world = _world(session, config, channels, known_ways, groups.values(), findings, now)
    messages = plan(groups.values(), world)
    names = named(current_inventory(session)) if messages else {}
    written = 0
    for message in messages:
        payload = told(message, findings, world.subjects[message.lead].labels, settings, now, names)
        storm = message.reason == "storm"
        item = outbox.enqueue(
            session,
            finding_id=_storm_id(message) if storm else message.lead,
            transition=message.transition,
            channel=message.channel,
            payload=payload,
            rank=message.rank,
            group_id=message.group_id,
            covers=message.covers,
        )
        written += item is not None
        if message.reason == "escalated" and message.group_id not in groups:
            groups[message.group_id] = _escalated(message, now)
    _save(session, groups.values(), now)
    return written


def _group(stored: notices.StoredGroup) -> Group:
    return Group.from_json(stored.id, stored.channel, stored.due_at, stored.body)


def _save(session: Session, groups: Iterable[Group], now: datetime) -> None:
    kept = [notices.StoredGroup(one.id, one.channel, one.due_at, one.to_json()) for one in groups]
    notices.save_groups(session, kept, now)


def subject_of(finding: Finding, state: str, config: AlertConfig) -> Subject:
    """A finding as steps see it."""
    still_open = finding.end is None and state != State.RESOLVED
    return Subject(finding.id, labels_of(finding, config.owners), state, still_open)


def open_subjects(session: Session, config: AlertConfig) -> list[Subject]:
    """All findings that are not over."""
    rows = notices.open_labelled(session)
    return [Subject(row.id, labels_of(row, config.owners), row.state, True) for row in rows]


def silence_of(stored: StoredSilence) -> Silence:
    """A stored silence as steps see it."""
    match = Match.model_validate(stored.matchers)
    return Silence(stored.id, match, stored.reason, stored.author, stored.starts_at, stored.ends_at)


def _storm_id(message: Outgoing) -> str:
    """A summary is about no single finding."""
    return f"storm:{message.lead}"


def _escalated(message: Outgoing, now: datetime) -> Group:
    """The group as the channel knows it that was told in the second step, so that it hears of the end, too."""
    return Group(
        id=message.group_id,
        channel=message.channel,
        way="",
        labels=dict(message.labels),
        members=list(message.members),
        first_sent_at=now,
        last_sent_at=now,
    )


def _routed(
    session: Session,
    taken: Iterable[notices.Notice],
    findings: Findings,
    due: Mapping[str, Group],
    config: AlertConfig,
    channels: Mapping[str, Configured],
    settings: Settings,
    now: datetime,
) -> dict[str, Group]:
    """The groups that the notices fall into, with them."""
    floor = Severity(settings.alert_min_severity).rank
    plans: list[tuple[notices.Notice, list[tuple[str, str, Way | None, dict[str, str]]]]] = []
    later = [one.finding_id for one in taken if one.transition.partition(":")[0] not in ALARMS]
    telling = notices.groups_telling(session, later)
    for one in taken:
        if one.finding_id not in findings:
            continue
        finding = findings[one.finding_id][0]
        if one.transition.partition(":")[0] not in ALARMS:
            plans.append((one, [(group, "", None, {}) for group in sorted(telling.get(one.finding_id, ()))]))
        elif finding.severity.rank >= floor:
            labels = labels_of(finding, config.owners)
            targets: list[tuple[str, str, Way | None, dict[str, str]]] = [
                (group_id(way, channel, labels), channel, way, group_labels(way, labels))
                for way in ways(config, labels, now, channels)
                for channel in way.channels
                if channel in channels
            ]
            plans.append((one, targets))
    found = notices.groups_with(session, {group for _, targets in plans for group, *_ in targets} - set(due))
    groups = {**due, **{key: _group(one) for key, one in found.items()}}
    used: dict[str, Group] = {}
    for one, targets in plans:
        critical = findings[one.finding_id][0].severity is Severity.CRITICAL
        for key, channel, way, labels_ in targets:
            if way is not None:
                group = groups.setdefault(key, Group(key, channel, way.name, labels_))
                group.way = way.name
                group.add(one.finding_id, one.transition, now, way, critical=critical)
                used[key] = group
            elif key in groups:
                groups[key].add(one.finding_id, one.transition, now, _NOWHERE, critical=critical)
                used[key] = groups[key]
    ready = {key: group for key, group in used.items() if group.due_at is not None and group.due_at <= now}
    _save(session, [group for key, group in used.items() if key not in ready], now)
    return ready


_NOWHERE = Way("", (), (), timedelta(), timedelta(), timedelta(), (), ())


def _world(
    session: Session,
    config: AlertConfig,
    channels: Mapping[str, Configured],
    known_ways: Mapping[str, Way],
    groups: Iterable[Group],
    findings: Findings,
    now: datetime,
) -> World:
    listed = list(groups)
    waiting = {item.finding for group in listed for item in group.pending}
    used = sorted({group.channel for group in listed})
    subjects = {name: subject_of(finding, state, config) for name, (finding, state) in findings.items()}
    recent = {}
    for name in used:
        plain, critical, summary_at = notices.recent_alarms(session, name, config.storm.window, CRITICAL)
        recent[name] = Recent(plain, critical, summary_at)
    return World(
        now=now,
        config=config,
        ways=lambda name: known_ways.get(name, _NOWHERE),
        wants={name: one.wants for name, one in channels.items()},
        subjects=subjects,
        inhibitions=Inhibitions(config, open_subjects(session, config) if waiting else []),
        silences=[silence_of(one) for one in silences(session, now)] if waiting else [],
        said={name: frozenset(outbox.said(session, name, waiting)) for name in used},
        recent=recent,
    )


def stand_in(session: Session, settings: Settings, now: datetime) -> int:
    """Let fallback channels take what others could not deliver, and tell all that a channel is down; messages made."""
    made = 0
    channels = configured(settings)
    for name, one in channels.items():
        after = one.fallback_after_s if one.fallback else outbox.GIVE_UP_AFTER.total_seconds() * 2
        items = outbox.unlucky(session, name, older_than_s=after)
        if not items:
            continue
        if one.fallback is not None and one.fallback in channels:
            for item in items:
                made += (
                    outbox.enqueue(
                        session,
                        finding_id=item.finding_id,
                        transition=item.transition,
                        channel=one.fallback,
                        payload={**item.payload, "stands_in_for": name},
                        rank=Severity.HIGH.rank,
                    )
                    is not None
                )
        made += _tell(
            session,
            settings,
            [other for other in channels if other != name],
            what=f"channel-{name}",
            again=f"{now:%Y-%m-%d}",
            title=f"The channel {name} does not take alerts",
            sentence=f"{len(items):,} alerts could not be delivered through {name}.",
            remedy="`gatewatch alerts log` shows the replies; `gatewatch alerts retry` sends what was given up again.",
            severity=Severity.HIGH,
            now=now,
        )
    return made


def watch(session: Session, settings: Settings, now: datetime) -> int:
    """Notice silence: no evaluation for long, a followed source without data, a silence that ends; messages made."""
    config, channels = load_alert_config(settings), list(configured(settings))
    if not channels:
        return 0
    made = 0
    last = last_run(session, "tick")
    if last is not None and now - last[0] > config.stalled_after:
        made += _tell(
            session,
            settings,
            channels,
            what="stalled",
            again=iso(last[0]),
            title="gatewatch has stopped evaluating",
            sentence=f"The last evaluation ended at {iso(last[0])}; nothing new is found since.",
            remedy="Look at the worker's log, at the disk and at the database; `gatewatch tick` evaluates once.",
            severity=Severity.HIGH,
            now=now,
        )
    followed = {one.name for one in sources(session) if one.follow}
    for source, last_at in sorted(last_commits(session).items()) if followed else ():
        if source in followed and now - last_at > config.silent_after:
            made += _tell(
                session,
                settings,
                channels,
                what=f"silent-{source}",
                again=iso(last_at),
                title=f"The source {source} is silent",
                sentence=f"Nothing new has come from {source} since {iso(last_at)}.",
                remedy="Check that logs are still delivered there, and that gatewatch may read them.",
                severity=Severity.HIGH,
                now=now,
            )
    for silence in ending_soon(session, now):
        made += _tell(
            session,
            settings,
            channels,
            what=f"silence-{silence.id}",
            again=iso(silence.ends_at),
            title=f"A silence ends at {iso(silence.ends_at)}",
            sentence=f"{silence.author} silenced {silence_of(silence).match} ({silence.reason}).",
            remedy="Nothing needs to be done when that is meant; `gatewatch silences add` makes another.",
            severity=Severity.INFO,
            now=now,
        )
    return made


def _tell(
    session: Session,
    settings: Settings,
    channels: Iterable[str],
    *,
    what: str,
    again: str,
    title: str,
    sentence: str,
    remedy: str,
    severity: Severity,
    now: datetime,
) -> int:
    """A message about gatewatch itself to these channels, once for each `again`."""
    made = 0
    for channel in channels:
        payload = notice_payload(
            what=what, title=title, sentence=sentence, remedy=remedy, severity=severity, settings=settings, now=now
        )
        item = outbox.enqueue(
            session,
            finding_id=f"gatewatch:{what}",
            transition=f"new:{again}",
            channel=channel,
            payload=payload,
            rank=severity.rank,
        )
        made += item is not None
    return made
