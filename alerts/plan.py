"""What is to be sent now: a pure function of the groups that are due, the findings, the configuration and the time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alerts.config import ZERO, AlertConfig
from alerts.groups import Group, Pending
from alerts.holds import Inhibitions, Silence, Subject, hold
from alerts.model import TRANSITIONS
from alerts.routes import Way
from gatewatch.records import Severity

LOOK_AGAIN = timedelta(minutes=1)
"""How soon what is held without a known end is looked at again."""

CRITICAL = Severity.CRITICAL.rank


@dataclass(frozen=True, slots=True)
class Wants:
    """What a channel wants beside alarms. in_place: it changes its message, so small news disturb nobody."""

    resolved: bool = False
    in_place: bool = False


@dataclass(frozen=True, slots=True)
class Recent:
    """Alarms that a channel got in the storm's window. summary_at: of its last summary, if in the last two windows."""

    plain: int = 0
    critical: int = 0
    summary_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message. reason: a transition, repeat, escalated or storm. lead: the finding that it tells most about.

    covers: (finding, transition) of all that it tells of. members: findings of its group. rank: of the severity.
    """

    channel: str
    group_id: str
    labels: Mapping[str, str]
    reason: str
    transition: str
    lead: str
    covers: tuple[tuple[str, str], ...]
    members: tuple[str, ...]
    rank: int


@dataclass(frozen=True, slots=True)
class World:
    """What the plan is made from. said: (finding, transition) by channel. recent: by channel."""

    now: datetime
    config: AlertConfig
    ways: Callable[[str], Way]
    wants: Mapping[str, Wants]
    subjects: Mapping[str, Subject]
    inhibitions: Inhibitions
    silences: Sequence[Silence] = ()
    said: Mapping[str, frozenset[tuple[str, str]]] | None = None
    recent: Mapping[str, Recent] | None = None


@dataclass(frozen=True, slots=True)
class _Candidate:
    group: Group
    items: list[Pending]
    reason: str
    rank: int


def plan(groups: Iterable[Group], world: World) -> list[Outgoing]:
    """The messages to send, the most severe first. The groups are changed to what they are after it."""
    candidates: list[_Candidate] = []
    out: list[Outgoing] = []
    looked_at = list(groups)
    for group in looked_at:
        group.due_at = None
        items = _ready(group, world)
        reason = _reason(group, items, world)
        if reason is None:
            out += _reminders(group, world)
        else:
            candidates.append(_Candidate(group, items, reason, _rank(items, group, world)))
    candidates.sort(key=lambda one: (-one.rank, min((item.at for item in one.items), default=world.now), one.group.id))
    for channel in dict.fromkeys(one.group.channel for one in candidates):
        out += _within_budget(channel, [one for one in candidates if one.group.channel == channel], world)
    for group in looked_at:
        _schedule(group, world)
    return sorted(out, key=lambda one: -one.rank)


def _ready(group: Group, world: World) -> list[Pending]:
    """What may be told now; the rest stays pending with the reason, or is dropped when it is of no more interest."""
    way = world.ways(group.way)
    wants = world.wants.get(group.channel, Wants())
    said = (world.said or {}).get(group.channel, frozenset())
    known = {finding for finding, _ in said} | set(group.members)
    ready: list[Pending] = []
    kept: list[Pending] = []
    for one in group.pending:
        subject = world.subjects.get(one.finding)
        if subject is None or (one.finding, one.transition) in said:
            continue
        if not one.alarm:
            wanted = wants.in_place or (wants.resolved and one.what == "resolved")
            if wanted and one.finding in known and not group.storm:
                ready.append(one)
            elif one.what == "resolved" and any(old.finding == one.finding for old in kept):
                kept = [old for old in kept if old.finding != one.finding]  # it is over before it was told
            continue
        held = hold(
            subject,
            way,
            world.now,
            config=world.config,
            silences=world.silences,
            inhibitions=world.inhibitions,
        )
        if held is not None:
            kept.append(replace(one, held=held.reason))
            _due(group, held.until or world.now + LOOK_AGAIN)
        elif subject.still_open or not one.held:
            ready.append(one)
    kept_keys = {(one.finding, one.transition) for one in kept}
    group.pending = kept + [one for one in ready if (one.finding, one.transition) not in kept_keys]
    return ready


def _reason(group: Group, items: Sequence[Pending], world: World) -> str | None:
    """Why a message goes out; None when there is nothing to say yet."""
    alarms = [one.what for one in items if one.alarm]
    if alarms:
        return min(alarms, key=TRANSITIONS.index)
    if not items:
        return None
    over = not any(
        subject.still_open for member in group.members if (subject := world.subjects.get(member)) is not None
    )
    if over and any(one.what == "resolved" for one in items):
        return "resolved"
    return "changed" if world.wants.get(group.channel, Wants()).in_place else None


def _rank(items: Sequence[Pending], group: Group, world: World) -> int:
    ids = [one.finding for one in items if one.alarm] or group.members
    return max((_severity(world.subjects[one]) for one in ids if one in world.subjects), default=0)


def _severity(subject: Subject) -> int:
    return max((Severity(value).rank for value in subject.labels.get("severity", ())), default=0)


def _within_budget(channel: str, candidates: Sequence[_Candidate], world: World) -> list[Outgoing]:
    """A channel's messages; what goes beyond the storm's budget becomes one summary, or waits for the next one."""
    storm = world.config.storm
    recent = (world.recent or {}).get(channel, Recent())
    plain, critical = storm.most - recent.plain, storm.critical - recent.critical
    if recent.summary_at is not None:
        plain = 0  # what piled up since the last summary is no reason to begin anew with single messages
    out: list[Outgoing] = []
    surplus: list[_Candidate] = []
    for one in candidates:
        quiet = one.reason not in ("new", "worse")
        if not quiet and one.rank >= CRITICAL and critical > 0:
            critical -= 1
        elif not quiet and plain > 0:
            plain -= 1
        elif not quiet:
            surplus.append(one)
            continue
        out.append(_message(one, world))
    if not surplus:
        return out
    if recent.summary_at is not None and world.now < recent.summary_at + storm.window:
        for one in surplus:
            _due(one.group, recent.summary_at + storm.window)
        return out
    covers = tuple((item.finding, item.transition) for one in surplus for item in one.items)
    lead = _lead([item.finding for item in surplus[0].items if item.alarm], world)
    for one in surplus:
        one.group.told(one.items, world.now, storm=True)
    members = tuple(dict.fromkeys(finding for finding, _ in covers))
    transition = f"storm:{world.now:%Y-%m-%dT%H:%M:%S}"
    return [*out, Outgoing(channel, "", {}, "storm", transition, lead, covers, members, surplus[0].rank)]


def _message(one: _Candidate, world: World) -> Outgoing:
    group, items = one.group, one.items
    alarms = [item for item in items if item.alarm]
    lead = _lead([item.finding for item in alarms or items], world)
    own = [item.transition for item in items if item.finding == lead]
    group.told(items, world.now)
    return Outgoing(
        channel=group.channel,
        group_id=group.id,
        labels=group.labels,
        reason=one.reason,
        transition=own[-1],
        lead=lead,
        covers=tuple((item.finding, item.transition) for item in items),
        members=tuple(group.members),
        rank=one.rank,
    )


def _lead(findings: Sequence[str], world: World) -> str:
    """The most severe, of these the latest."""
    return max(enumerate(findings), key=lambda pair: (_severity(world.subjects[pair[1]]), pair[0]))[1]


def _reminders(group: Group, world: World) -> list[Outgoing]:
    """Repeats and escalations of what was told, is open and nobody acknowledged."""
    unanswered = _unanswered(group, world)
    if not unanswered or group.first_sent_at is None or group.last_sent_at is None:
        return []
    way = world.ways(group.way)
    lead = _lead(unanswered, world)
    rank = _severity(world.subjects[lead])
    out: list[Outgoing] = []
    for number, step in enumerate(way.escalate, start=1):
        if number > group.escalated and world.now >= group.first_sent_at + step.after:
            group.escalated = number
            what = f"escalated:{number}"
            out += [
                Outgoing(
                    channel,
                    f"{group.id}:{channel}",
                    group.labels,
                    "escalated",
                    what,
                    lead,
                    ((lead, what),),
                    tuple(group.members),
                    rank,
                )
                for channel in step.channels
            ]
    if way.repeat > ZERO and world.now >= group.last_sent_at + way.repeat:
        group.repeats += 1
        group.last_sent_at = world.now
        what = f"repeat:{group.repeats}"
        out.append(
            Outgoing(
                group.channel,
                group.id,
                group.labels,
                "repeat",
                what,
                lead,
                ((lead, what),),
                tuple(group.members),
                rank,
            )
        )
    return out


def _unanswered(group: Group, world: World) -> list[str]:
    found = []
    for member in group.members:
        subject = world.subjects.get(member)
        quiet = ("acknowledged", "snoozed", "suppressed")
        if subject is not None and subject.still_open and subject.state not in quiet:
            found.append(member)
    return found


def _schedule(group: Group, world: World) -> None:
    """When to look at the group again because of repeats and escalations."""
    if group.first_sent_at is None or group.last_sent_at is None or not _unanswered(group, world):
        return
    way = world.ways(group.way)
    if way.repeat > ZERO:
        _due(group, group.last_sent_at + way.repeat)
    for step in way.escalate[group.escalated :]:
        _due(group, group.first_sent_at + step.after)


def _due(group: Group, at: datetime) -> None:
    group.due_at = at if group.due_at is None else min(group.due_at, at)
