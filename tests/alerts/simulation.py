"""Alerts on a simulated clock, in the manner of alertmanager's acceptance tests: what comes when, and what is due when.

Times are minutes after the start. Nothing but pure functions runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from alerts.config import parse
from alerts.groups import Group
from alerts.holds import Inhibitions, Silence, Subject
from alerts.matching import Match, labels_of
from alerts.model import ALARMS
from alerts.plan import CRITICAL, Outgoing, Recent, Wants, World, plan
from alerts.routes import Way, group_id, group_labels, named_ways, ways
from gatewatch.records import Finding, Severity
from tests.alerts.builders import a_finding

START = datetime(2026, 6, 10, 9, 0, tzinfo=UTC)  # a Wednesday
STEP = timedelta(seconds=10)


def minutes(value: float) -> datetime:
    return START + timedelta(minutes=value)


def finding(name: str, severity: str = "high", **changed: Any) -> Finding:
    return a_finding(id=name, fingerprint=f"print-{name}", severity=Severity(severity), **changed)


@dataclass(frozen=True, slots=True)
class Sent:
    """A message. at: minutes after the start."""

    at: float
    channel: str
    reason: str
    findings: frozenset[str]


class Simulation:
    """config: YAML of the alerts file, without its channels."""

    def __init__(self, config: str, channels: Iterable[str] = ("mail",), **wants: Wants) -> None:
        self.config = parse(yaml.safe_load(config), "test")
        self.channels = list(channels)
        self.wants = {name: wants.get(name, Wants()) for name in self.channels}
        self.silences: list[Silence] = []
        self.events: list[tuple[datetime, str, str, Finding | None]] = []

    def fire(self, at: float, *findings: Finding) -> None:
        self.events += [(minutes(at), "new", one.id, one) for one in findings]

    def worse(self, at: float, one: Finding) -> None:
        self.events.append((minutes(at), f"worse:{one.severity.value}", one.id, one))

    def end(self, at: float, *names: str) -> None:
        self.events += [(minutes(at), "resolved", name, None) for name in names]

    def acknowledge(self, at: float, *names: str) -> None:
        self.events += [(minutes(at), "acknowledged", name, None) for name in names]

    def silence(self, since: float, until: float, **match: str) -> None:
        made = Silence(
            f"s{len(self.silences)}", Match.model_validate(match), "why", "me", minutes(since), minutes(until)
        )
        self.silences.append(made)

    def run(self, until: float) -> list[Sent]:
        run = _Run(self)
        now = START
        while now <= minutes(until):
            run.step(now)
            now += STEP
        return run.sent


class _Run:
    def __init__(self, given: Simulation) -> None:
        self.given = given
        self.groups: dict[str, Group] = {}
        self.findings: dict[str, Finding] = {}
        self.states: dict[str, str] = {}
        self.said: dict[str, set[tuple[str, str]]] = {name: set() for name in given.channels}
        self.sent: list[Sent] = []
        self.ways: Mapping[str, Way] = named_ways(given.config, given.channels)
        self.todo = sorted(given.events, key=lambda event: event[0])

    def step(self, now: datetime) -> None:
        while self.todo and self.todo[0][0] <= now:
            _, what, name, found = self.todo.pop(0)
            self._event(what, name, found, now)
        due = [one for one in self.groups.values() if one.due_at is not None and one.due_at <= now]
        if not due:
            return
        subjects = {
            name: Subject(name, labels_of(one, self.given.config.owners), self.states[name], one.end is None)
            for name, one in self.findings.items()
        }
        world = World(
            now=now,
            config=self.given.config,
            ways=lambda name: self.ways[name],
            wants=self.given.wants,
            subjects=subjects,
            inhibitions=Inhibitions(self.given.config, subjects.values()),
            silences=self.given.silences,
            said={name: frozenset(said) for name, said in self.said.items()},
            recent={name: self._recent(name, now) for name in self.given.channels},
        )
        for message in plan(due, world):
            self._send(message, now)

    def _event(self, what: str, name: str, found: Finding | None, now: datetime) -> None:
        if found is not None:
            self.findings[name] = found
            self.states.setdefault(name, "new")
        elif what == "resolved":
            self.findings[name] = replace(self.findings[name], end=now)
        else:
            self.states[name] = what
        one = self.findings[name]
        labels = labels_of(one, self.given.config.owners)
        critical = one.severity is Severity.CRITICAL
        if what.partition(":")[0] not in ALARMS:
            for group in self.groups.values():
                if name in group.members or any(item.finding == name for item in group.pending):
                    group.add(name, what, now, self.ways[group.way], critical=critical)
            return
        for way in ways(self.given.config, labels, now, self.given.channels):
            for channel in way.channels:
                key = group_id(way, channel, labels)
                group = self.groups.setdefault(key, Group(key, channel, way.name, group_labels(way, labels)))
                group.add(name, what, now, way, critical=critical)

    def _recent(self, channel: str, now: datetime) -> Recent:
        since = (now - self.given.config.storm.window - START).total_seconds() / 60
        alarms = [
            one for one in self.sent if one.channel == channel and one.at > since and one.reason in ("new", "worse")
        ]
        urgent = sum(any(self.findings[name].severity.rank >= CRITICAL for name in one.findings) for one in alarms)
        storms = [one.at for one in self.sent if one.channel == channel and one.reason == "storm"]
        last = minutes(storms[-1]) if storms else None
        lately = last is not None and last >= now - 2 * self.given.config.storm.window
        return Recent(len(alarms) - urgent, urgent, last if lately else None)

    def _send(self, message: Outgoing, now: datetime) -> None:
        fresh = set(message.covers) - self.said.setdefault(message.channel, set())
        assert fresh == set(message.covers), "said twice"
        self.said[message.channel] |= fresh
        told = frozenset(name for name, _ in message.covers)
        self.sent.append(Sent(round((now - START).total_seconds() / 60, 2), message.channel, message.reason, told))
