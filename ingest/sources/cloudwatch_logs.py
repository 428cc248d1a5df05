"""CloudWatch Logs by FilterLogEvents: a window of event time again and again, each event once by its id.

Events come late: the gateway stamps them, CloudWatch shows them seconds or minutes after. So a look goes back behind
the place by as much as events were late lately (their ingestionTime tells), and each LATE_MINUTES one goes back far
enough that no event which is at most so late can be missed. Ids of what was given in that span are remembered.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gatewatch.errors import SourceError, UsageError
from gatewatch.records import JSON
from ingest.aws.loggroups import named
from ingest.envelopes import Unwrapped
from ingest.sources.gathered import gathered
from ingest.sources.model import Clients, Events, Place, Source, World, source

SETTLE_S = 5
"""Events of the last seconds are left for the next look: most of them are still on their way."""

LATE_MINUTES = 15
FIRST_HOURS = 24
LEAST_BACK_MS = 60_000
WINDOW_MS = 3_600_000
"""Event time of one pass; a long time without looks is read in several, each of which is kept."""

LEAST_WINDOW_MS = 60_000
CALLS_A_WINDOW = 60
"""With more calls a pass is made shorter: at one a second others wait so long."""

PAGE_EVENTS = 10_000
PART_BYTES = 8 << 20
"""Text that is given at once."""


@dataclass(slots=True)
class _Part:
    """What was read and is not given yet. ids: of its events, with their times."""

    events: Unwrapped = field(default_factory=Unwrapped)
    ids: dict[int, int] = field(default_factory=dict)
    size: int = 0


@source("cloudwatch_logs")
def cloudwatch_logs(clients: Clients, location: str, options: Mapping[str, JSON]) -> Source:
    """A log group: of access logs, of a stage's execution logs, or `aws/spans`."""
    if not location or len(location) > 2048:
        raise UsageError("a log group is named by its name or its ARN")
    return gathered(clients, location, options) or CloudWatchLogs(clients, location, options)


class CloudWatchLogs:
    """location: a log group's name or ARN. Options: late_minutes, and since_hours for the first look."""

    def __init__(self, clients: Clients, location: str, options: Mapping[str, JSON]) -> None:
        self._clients = clients
        self._group = location.removesuffix(":*")
        self._late_ms = _whole(options, "late_minutes", LATE_MINUTES) * 60_000
        self._first_ms = _whole(options, "since_hours", FIRST_HOURS) * 3_600_000
        self._seen: dict[int, int] = {}  # hash of an event's id -> its time
        self._back_ms = self._late_ms
        self._far_at = 0  # when it last looked back as far as it goes
        self._lateness = 0
        self._from: int | None = None
        self._length = WINDOW_MS
        self._left: tuple[int, int] | None = None  # where a look stopped early, and up to when no event was to come
        self._named: dict[str, str] = {}

    @property
    def name(self) -> str:
        """The group's name without the ARN around it."""
        return self._group.partition(":log-group:")[2] if self._group.startswith("arn:") else self._group

    @property
    def owner(self) -> str | None:
        """The account, when the ARN says it."""
        return self._group.split(":")[4] if self._group.startswith("arn:") else None

    def look(self, world: World) -> Iterator[Events]:
        now = int(world.now.timestamp() * 1000)
        end = now - SETTLE_S * 1000
        place = world.known([self._group]).get(self._group)
        far = place is not None and now - self._far_at >= self._late_ms
        if self._from is None:  # where the first look begins, which may take several
            self._from = now - self._first_ms
        begin = self._from if place is None else place.offset
        # Twice: an event of just behind the last far look may come at its latest just before this one.
        back = 0 if place is None else 2 * self._late_ms if far else self._back_ms
        if self._left is not None and self._left[0] == begin:
            back, far = max(begin - self._left[1], 0), False
        self._left = None
        start, sure = begin - back, begin - back
        while start < end:
            length = self._length
            stop = end if end - begin <= length else min(max(start, begin) + length, end)
            whole = yield from self._window(start, stop, world)
            if whole:
                start = begin = stop
                sure = now - self._late_ms
            if start < end and (world.enough() or not whole):
                self._left = begin, sure
                return
        if far or place is None:
            self._far_at = now
            self._back_ms, self._lateness = min(max(2 * self._lateness, LEAST_BACK_MS), self._late_ms), 0
        oldest = end - 2 * self._late_ms - WINDOW_MS // 4
        self._seen = {one: at for one, at in self._seen.items() if at >= oldest}

    def _window(self, start: int, stop: int, world: World) -> Generator[Events, None, bool]:
        """All events of [start, stop); the place moves with the last of them. False: it is too long for one look."""
        self._named = self._named or named(self._clients, self._group)
        asked: dict[str, Any] = {**self._named, "startTime": start, "endTime": stop - 1, "limit": PAGE_EVENTS}
        client, tokens, part = self._clients("logs"), set[str](), _Part()
        for calls in itertools.count(1):
            answer = client.filter_log_events(**asked)
            for event in answer.get("events", ()):
                self._take(event, part)
            token = answer.get("nextToken")
            if not token:
                break
            if token in tokens:
                raise SourceError(f"{self.name}: CloudWatch Logs gives the same page again; the next look begins anew")
            tokens.add(token)
            asked["nextToken"] = token
            if part.size >= PART_BYTES:
                yield self._given(part)
                self._kept(part)
                part = _Part()
            if calls >= CALLS_A_WINDOW and self._length > LEAST_WINDOW_MS and world.enough():
                self._length = max(self._length // 4, LEAST_WINDOW_MS)
                return False
        if calls > CALLS_A_WINDOW:
            self._length = max(self._length // 2, LEAST_WINDOW_MS)
        elif calls < CALLS_A_WINDOW // 4:
            self._length = min(self._length * 2, WINDOW_MS)
        covered = (datetime.fromtimestamp(start / 1000, UTC), datetime.fromtimestamp(stop / 1000, UTC))
        yield self._given(part, {self._group: Place(stop)}, [covered])
        self._kept(part)
        return True

    def _take(self, event: Mapping[str, Any], part: _Part) -> None:
        message, at, ident = event.get("message"), event.get("timestamp"), event.get("eventId")
        if not isinstance(message, str) or not isinstance(at, int):
            return
        arrived = event.get("ingestionTime")
        if isinstance(arrived, int):
            self._lateness = max(self._lateness, arrived - at)
        key = hash((ident, at) if ident else (event.get("logStreamName"), at, message))
        if key in self._seen or key in part.ids:
            return
        part.ids[key] = at
        record = message.rstrip("\n").encode("utf-8", "replace")
        part.size += len(record)
        delivered = str(arrived) if isinstance(arrived, int) else None
        part.events.add(
            len(part.events.records), record, str(ident) if ident else None, str(at), delivered, self.owner, self.name
        )

    def _given(
        self,
        part: _Part,
        places: Mapping[str, Place] | None = None,
        covered: list[tuple[datetime, datetime]] | None = None,
    ) -> Events:
        return Events(self.name, part.events, places or {}, covered or (), f"/{self.name}/log")

    def _kept(self, part: _Part) -> None:
        self._seen.update(part.ids)


def _whole(options: Mapping[str, JSON], name: str, default: int) -> int:
    value = options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 24 * 365:
        raise UsageError(f"{name} is a whole number above 0")
    return value
