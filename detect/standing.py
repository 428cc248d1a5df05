"""Risky settings as they stand: raised by an event or by a newer inventory, over when they are put back.

Whatever stands for HOLD minutes is told; what is put back before (a tool that replaces one thing by another) is not.
Settings are known by events and by versions of the inventory, whichever is newer. All risks of one sort at a stage, or
at an API as a whole, are one episode. The core of config_change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

from detect.asked import Asked, effect_of
from detect.configuration import EVERY_METHOD, UNKNOWN, Subject, Unknown, Value, Version, before
from detect.grid import CLOSE_US, MINUTE_US
from detect.model import Block, Context, epoch_minute, minute_at
from detect.risks import Before, risk_of
from detect.tools import tool_of
from gatewatch.records import JSON, ChangeEvent, Severity

HOLD = 2
UNDEPLOYED_MINUTES = 60
"""Changes of a REST API that no deployment has made live for so long are forgotten, or wait for somebody."""

GONE_MINUTES = 1440
"""What was deleted is never put back; so long it is worth a look."""

REPLACED_MINUTES = 60
"""An authorizer that goes so soon after another came was replaced."""

DECIDES: tuple[int, ...] = (HOLD + 1, UNDEPLOYED_MINUTES + 1, GONE_MINUTES + 2)
"""Minutes after a change at which something is decided, whatever else comes."""

NOT_DEPLOYED = "not_deployed"
DELETED = frozenset({"api_deleted", "stage_deleted"})
_TOUCHED = 2000
_PARTS = 50

Group = tuple[str, str, str, str, str]
"""Account, region, API, stage ("" all) and subtype."""


@dataclass(slots=True)
class Part:
    """One setting that is not as it should be. minute: since when. call: what was asked for, and on what."""

    what: str
    name: str
    before: Before
    after: Value
    minute: int
    at_us: int
    severity: str
    confidence: float
    actor: str = ""
    tool: str = ""
    call: str = ""
    resource: str = ""

    def to_json(self) -> JSON:
        return {**asdict(self), "before": _packed(self.before)}

    @classmethod
    def from_json(cls, value: JSON) -> Part:
        stored = cast(dict[str, Any], value)
        return cls(**{**stored, "before": _unpacked(stored["before"])})


@dataclass(slots=True)
class Standing:
    """parts: those that still stand. told: all that ever did. detected_us: None as long as it is not told."""

    group: Group
    start: int
    hold: int = HOLD
    detected_us: int | None = None
    end: int | None = None
    parts: dict[str, Part] = field(default_factory=dict)
    told: dict[str, Part] = field(default_factory=dict)
    changed: bool = False

    @property
    def due(self) -> int:
        """The minute that decides."""
        return min((part.minute for part in self.parts.values()), default=self.start) + self.hold

    def to_json(self) -> JSON:
        return {
            "group": list(self.group),
            "start": self.start,
            "hold": self.hold,
            "detected_us": self.detected_us,
            "end": self.end,
            "parts": {key: part.to_json() for key, part in self.parts.items()},
            "told": {key: part.to_json() for key, part in self.told.items()},
        }

    @classmethod
    def from_json(cls, value: JSON) -> Standing:
        stored = dict(cast(dict[str, Any], value))
        for name in ("parts", "told"):
            stored[name] = {key: Part.from_json(part) for key, part in stored[name].items()}
        return cls(**{**stored, "group": tuple(stored["group"])})


class Risks:
    """State: what stands, values that events brought since the last inventory, and when stages were called."""

    def __init__(self, state: JSON, context: Context) -> None:
        known = cast(dict[str, Any], state or {})
        self.clock: int | None = known.get("clock")
        self.touched: dict[str, list[Any]] = {key: list(value) for key, value in known.get("touched", {}).items()}
        self.called: dict[str, int] = dict(known.get("called", {}))
        self.made: dict[str, int] = dict(known.get("made", {}))
        standing = (Standing.from_json(one) for one in known.get("standing", []))
        self.standing: dict[Group, Standing] = {one.group: one for one in standing}
        self.over: list[Standing] = []
        self.context = context
        self.versions = sorted(
            (one for one in context.versions if one.at is not None), key=lambda one: (one.at, one.account, one.region)
        )
        self.quiet = False

    def dump(self) -> JSON:
        touched = dict(sorted(self.touched.items(), key=lambda item: (item[1][1], item[0]))[-_TOUCHED:])
        return {
            "clock": self.clock,
            "touched": cast(JSON, touched),
            "called": cast(JSON, dict(sorted(self.called.items()))),
            "made": cast(JSON, dict(sorted(self.made.items()))),
            "standing": [one.to_json() for _, one in sorted(self.standing.items())],
        }

    def step(self, block: Block) -> list[Standing]:
        """Take a block; what changed in it and is worth telling."""
        end = block.first + block.minutes
        first = block.first if self.clock is None else self.clock
        for minute, thing in self._things(None if self.clock is None else first, end):
            self._advance(minute)
            self.quiet = minute < first
            if isinstance(thing, Version):
                self._compare(thing, minute)
            else:
                self._event(thing, minute, block)
        self._advance(end)
        self.quiet = False
        self._calls(block)
        self.clock = max(end, first)
        changed = [one for one in (*self.over, *self.standing.values()) if one.changed]
        self.over = []
        for one in changed:
            one.changed = False
        return sorted(changed, key=lambda one: (one.start, one.group))

    def _things(self, first: int | None, end: int) -> Iterator[tuple[int, ChangeEvent | Version]]:
        """Events and versions of the minutes first (None: from ever) … end - 1, by time."""
        listed: list[tuple[Any, int, str, ChangeEvent | Version]] = [
            (one.change.at, int(one.service == "config"), one.id, one) for one in self.context.events
        ]  # who did it is known by the call, so that comes first
        listed += [(one.at, 2, f"{one.account} {one.region}", one) for one in self.versions]
        for at, _, _, thing in sorted(listed, key=lambda item: item[:3]):
            minute = epoch_minute(at)
            if minute < end and (first is None or minute >= first):
                yield minute, thing

    # What is known

    def _known(self, subject: Subject, minute: int) -> Before:
        stored = self.touched.get("\x1f".join(subject))
        version = self._version(subject, minute)
        if stored is not None and (version is None or version.at is None or stored[1] >= epoch_minute(version.at)):
            return cast(Value, stored[0])
        return UNKNOWN if version is None else version.value(subject)

    def _version(self, subject: Subject, minute: int) -> Version | None:
        return before(self.versions, subject.account, subject.region, minute_at(minute))

    def _by_hand(self, event: ChangeEvent, api: str) -> bool:
        """Do changes of this API wait for a deployment?"""
        detail = event.detail if isinstance(event.detail, dict) else {}
        return "restApiId" in detail or any(api in one.deployed_by_hand for one in self.context.versions)

    # What happens

    def _event(self, event: ChangeEvent, minute: int, block: Block) -> None:
        effect = effect_of(event)
        api = event.change.resource.partition("/")[0]
        for asked in effect.asked:
            self._set(asked, minute, event, block)
        place = (event.account or "", event.region or "", api, "", NOT_DEPLOYED)
        if effect.deployed:
            self._close(place, minute)
        elif effect.content and self._by_hand(event, api):
            part = self._part(Asked(Subject(*place[:4], "content", event.id), event.name), UNKNOWN, minute, event)
            self._stand(place, part, UNDEPLOYED_MINUTES)

    def _set(self, asked: Asked, minute: int, event: ChangeEvent | None, block: Block | None) -> None:
        subject, value = asked.subject, self._effective(asked, minute)
        old = self._known(subject, minute)
        if isinstance(old, Unknown):
            old = asked.before
        self.touched["\x1f".join(subject)] = [value, minute]
        if subject.what == "auth" and subject.name.endswith("/OPTIONS"):
            return  # browsers ask so before they ask: it is never guarded
        if subject.what == "authorizer" and self._replaced(subject, value, minute):
            return
        key = f"{subject.what}\x1f{subject.name}"
        mine = next(
            (one for one in self.standing.values() if one.group[:4] == subject[:4] and key in one.parts),
            None,
        )
        if mine is not None:
            if risk_of(subject.what, mine.parts[key].before, value) is None:
                self._put_back(mine, key, minute)
            elif mine.parts[key].after != value:
                mine.parts[key].after = mine.told[key].after = value
                mine.changed = True
            return
        risk = risk_of(subject.what, old, value, made=asked.made)
        if subject.what in ("stage", "api") and value is None:
            self._gone(subject, minute)
        if risk is None:
            return
        part = self._part(replace(asked, value=value), old, minute, event)
        part.severity, part.confidence = risk.severity.value, risk.confidence
        if risk.subtype in DELETED:
            part.severity = self._missed(subject, minute, block).value
        self._stand((*subject[:4], risk.subtype), part, HOLD)

    def _effective(self, asked: Asked, minute: int) -> Value:
        """A method without a limit of its own has that of its stage."""
        subject = asked.subject
        if asked.value is not None or subject.what not in ("rate", "burst") or subject.name == EVERY_METHOD:
            return asked.value
        whole = self._known(subject._replace(name=EVERY_METHOD), minute)
        return None if isinstance(whole, Unknown) else whole

    def _part(self, asked: Asked, old: Before, minute: int, event: ChangeEvent | None) -> Part:
        subject = asked.subject
        part = Part(subject.what, subject.name, old, asked.value, minute, minute * MINUTE_US, Severity.LOW.value, 0.9)
        if event is not None:
            change = event.change
            part.at_us = round(change.at.timestamp() * 1e6)
            if event.service != "config":  # which tells what and when, and nobody
                part.actor, part.tool = change.actor, tool_of(event.user_agent, change.actor)
            part.call, part.resource = change.what, change.resource
        return part

    def _replaced(self, subject: Subject, value: Value, minute: int) -> bool:
        """Note a new authorizer; is the one that goes replaced by one that just came?"""
        api = "\x1f".join(subject[:3])
        if value is not None:
            self.made[api] = minute
            return True
        return minute - self.made.get(api, -REPLACED_MINUTES - 1) <= REPLACED_MINUTES

    def _compare(self, version: Version, minute: int) -> None:
        """What a newer inventory says otherwise than what was known."""
        place = (version.account, version.region)
        old = before(self.versions, *place, version.at) if version.at is not None else None
        standing = [
            Subject(*one.group[:4], part.what, part.name)
            for one in self.standing.values()
            if one.group[:2] == place
            for part in one.parts.values()
            if part.what != "content"
        ]
        differs: list[Subject] = []
        if old is not None:
            both = {**old.settings, **version.settings}
            differs = [one for one in both if old.settings.get(one) != version.settings.get(one)]
        for subject in sorted({*standing, *differs}):
            value = version.value(subject)
            if not isinstance(value, Unknown) and subject.what not in ("content", "deployed"):
                was = self._known(subject, minute)
                if isinstance(was, Unknown) or was != value or subject in standing:
                    self._set(Asked(subject, value), minute, None, None)
        if old is not None:
            self._drifted(old, version, minute)
        for key, (_, touched_at) in list(self.touched.items()):
            if tuple(key.split("\x1f")[:2]) == place and touched_at < minute:
                del self.touched[key]

    def _drifted(self, old: Version, version: Version, minute: int) -> None:
        """What was configured differs and what is live does not; or something went live."""
        for subject, value in sorted(version.settings.items()):
            was = old.settings.get(subject)
            group = (*subject[:3], "", NOT_DEPLOYED)
            if subject.what == "deployed" and was not in (None, value):
                self._close(group, minute)
            elif subject.what == "content" and was not in (None, value) and subject.api in version.deployed_by_hand:
                live = [one for one in version.settings if one.what == "deployed" and one.api == subject.api]
                if group not in self.standing and all(old.settings.get(o) == version.settings[o] for o in live):
                    asked = Asked(subject._replace(name="inventory"), "seen in the inventory")
                    self._stand(group, self._part(asked, UNKNOWN, minute, None), UNDEPLOYED_MINUTES)

    # What stands

    def _stand(self, group: Group, part: Part, hold: int) -> None:
        if self.quiet:
            return
        one = self.standing.get(group)
        if one is None:
            one = self.standing[group] = Standing(group, part.minute, hold)
        key = f"{part.what}\x1f{part.name}"
        if len(one.told) < _PARTS or key in one.told:
            one.parts[key] = one.told[key] = part
            one.changed = True

    def _put_back(self, one: Standing, key: str, minute: int) -> None:
        del one.parts[key]
        one.changed = True
        if one.detected_us is None:
            one.told.pop(key, None)
        if not one.parts:
            self._close(one.group, minute)

    def _close(self, group: Group, minute: int) -> None:
        one = self.standing.pop(group, None)
        if one is not None and one.detected_us is not None:
            one.end, one.changed = max(minute, one.start + 1), True
            self.over.append(one)

    def _gone(self, subject: Subject, minute: int) -> None:
        """Whatever was wrong with a stage or an API that is no more is over."""
        for group in [one for one in self.standing if one[:3] == subject[:3]]:
            if subject.what == "api" or group[3] == subject.stage:
                self._close(group, minute)

    def _advance(self, minute: int) -> None:
        """Tell what is decided by the minutes before this one."""
        for one in list(self.standing.values()):
            if one.detected_us is None and one.due < minute:
                one.start = min(part.minute for part in one.parts.values())
                one.detected_us = (one.due + 1) * MINUTE_US + CLOSE_US
                one.changed = True
            if one.group[4] in DELETED and one.start + GONE_MINUTES < minute:
                self._close(one.group, one.start + GONE_MINUTES)

    # Who called

    def _calls(self, block: Block) -> None:
        grid = block.stage_grid
        for key, line in zip(grid.keys, grid.counts("n"), strict=True):
            busy = line.nonzero()[0]
            if len(busy):
                self.called[f"{key[2]}\x1f{key[3]}"] = block.first + int(busy[-1])

    def _missed(self, subject: Subject, minute: int, block: Block | None) -> Severity:
        """Deleting what was called within a day is worse than deleting what nobody calls."""
        head = f"{subject.api}\x1f"
        wanted = f"{head}{subject.stage}" if subject.what == "stage" else None
        last = [at for key, at in self.called.items() if key == wanted or (wanted is None and key.startswith(head))]
        if block is not None:
            grid = block.stage_grid
            for key, line in zip(grid.keys, grid.counts("n"), strict=True):
                if key[2] == subject.api and subject.stage in ("", key[3]):
                    busy = line[: max(minute - block.first + 1, 0)].nonzero()[0]
                    last += [block.first + int(busy[-1])] if len(busy) else []
        if not last:
            return Severity.MEDIUM
        return Severity.HIGH if minute - max(last) <= GONE_MINUTES else Severity.LOW


def _packed(value: Before) -> JSON:
    return ["unknown"] if isinstance(value, Unknown) else value


def _unpacked(value: JSON) -> Before:
    return UNKNOWN if isinstance(value, list) else cast(Value, value)
