"""A group: the findings that one way and channel tells together, and what was told so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from alerts.model import ALARMS
from alerts.routes import Way
from gatewatch.records import JSON, iso


@dataclass(frozen=True, slots=True)
class Pending:
    """A transition that is to be told. held: why it was not told when it was due; '' when it was not yet due."""

    finding: str
    transition: str
    at: datetime
    held: str = ""

    @property
    def what(self) -> str:
        """The transition without its severity."""
        return self.transition.partition(":")[0]

    @property
    def alarm(self) -> bool:
        return self.what in ALARMS


@dataclass(slots=True)
class Group:
    """members: findings that were told of. storm: only a summary told of them. due_at: when to look at it again."""

    id: str
    channel: str
    way: str
    labels: dict[str, str]
    pending: list[Pending] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    due_at: datetime | None = None
    first_sent_at: datetime | None = None
    last_sent_at: datetime | None = None
    repeats: int = 0
    escalated: int = 0
    storm: bool = False

    def add(self, finding: str, transition: str, at: datetime, way: Way, *, critical: bool) -> None:
        """Take a transition in, and say when the group is due because of it."""
        one = Pending(finding, transition, at)
        if any((old.finding, old.transition) == (finding, transition) for old in self.pending):
            return
        self.pending.append(one)
        if critical or one.what != "new":
            due = at
        elif self.first_sent_at is None:
            due = at + way.group_wait
        else:
            due = at if self.last_sent_at is None else max(at, self.last_sent_at + way.group_interval)
        self.due_at = due if self.due_at is None else min(self.due_at, due)

    def told(self, items: Iterable[Pending], now: datetime, *, storm: bool = False) -> None:
        """Note that a message with these went out."""
        gone = {(one.finding, one.transition) for one in items}
        for one in items:
            if one.alarm and one.finding not in self.members:
                self.members.append(one.finding)
        self.pending = [one for one in self.pending if (one.finding, one.transition) not in gone]
        self.storm = storm and (self.storm or self.first_sent_at is None)
        if self.first_sent_at is None:
            self.first_sent_at = now
        self.last_sent_at = now

    def to_json(self) -> dict[str, JSON]:
        labels: dict[str, JSON] = {**self.labels}
        return {
            "way": self.way,
            "labels": labels,
            "pending": [[one.finding, one.transition, iso(one.at), one.held] for one in self.pending],
            "members": [*self.members],
            "first_sent_at": iso(self.first_sent_at) if self.first_sent_at else None,
            "last_sent_at": iso(self.last_sent_at) if self.last_sent_at else None,
            "repeats": self.repeats,
            "escalated": self.escalated,
            "storm": self.storm,
        }

    @classmethod
    def from_json(cls, id_: str, channel: str, due_at: datetime | None, body: Mapping[str, Any]) -> Group:
        """What `to_json` gave."""

        def at(name: str) -> datetime | None:
            return None if body[name] is None else datetime.fromisoformat(body[name])

        return cls(
            id=id_,
            channel=channel,
            way=body["way"],
            labels=dict(body["labels"]),
            pending=[
                Pending(one, what, datetime.fromisoformat(when), held) for one, what, when, held in body["pending"]
            ],
            members=list(body["members"]),
            due_at=due_at,
            first_sent_at=at("first_sent_at"),
            last_sent_at=at("last_sent_at"),
            repeats=body["repeats"],
            escalated=body["escalated"],
            storm=body["storm"],
        )
