"""Log groups whose events belong together by request: execution logs, and the spans of Transaction Search.

What is said of a request comes in several events that mix with those of others, some of them late. So a look reads
some minutes again, puts together what belongs together, and gives each request with all that is known of it; one that
is told again counts as it was told last. A request is of the window in which its first event is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import orjson
import pyarrow as pa

from gatewatch.errors import SourceError, UsageError
from gatewatch.records import JSON
from ingest.aws.loggroups import named
from ingest.executions import Executions, owner_of, place_of
from ingest.sources.model import Beside, Clients, Place, World
from ingest.traces import traces_of

SPANS_GROUP = "aws/spans"

SETTLE_MS = 60_000
"""Of the newest events more is on its way."""

LATE_MS = 180_000
"""So much is read again: events come so late, and requests take so long."""

LEAD_MS = 60_000
"""Before a window, so that a request which began there is known to be none of it."""

WINDOW_MS = 900_000
FIRST_MS = 3_600_000
MOST_BYTES = 64 << 20
"""Text of one window; with more of it the window is made shorter."""

LEAST_MS = 60_000
PAGE_EVENTS = 10_000

Event = tuple[int, str]


class Fold(Protocol):
    """Puts the events of a window together. What began in [since, until) ms is given."""

    def __call__(self, events: list[Event], since: int, until: int) -> Beside: ...


class Gathered:
    """location: the group's name or ARN."""

    def __init__(self, clients: Clients, location: str, fold: Fold) -> None:
        self._clients = clients
        self._group = location.removesuffix(":*")
        self._fold = fold
        self._named: dict[str, str] = {}

    def look(self, world: World) -> Iterator[Beside]:
        now = int(world.now.timestamp() * 1000)
        place, end = world.known([self._group]).get(self._group), now - SETTLE_MS
        start = end - FIRST_MS if place is None else place.offset - LATE_MS
        length = WINDOW_MS
        while start < end:
            stop = min(start + length, end)
            events = self._events(start - LEAD_MS, min(stop + LATE_MS, now))
            if events is None:
                if stop - start <= LEAST_MS:
                    world.failed(f"{self._group}: more than {MOST_BYTES >> 20} MiB in a minute were left out")
                    events = []
                else:
                    length = max(length // 4, LEAST_MS)
                    continue
            found = self._fold(events, start, stop)
            yield Beside(found.spans, found.executions, {self._group: Place(stop)})
            start = stop
            if world.enough():
                return

    def _events(self, start: int, stop: int) -> list[Event] | None:
        """All events of [start, stop), each once; None: too many."""
        self._named = self._named or named(self._clients, self._group)
        asked: dict[str, Any] = {**self._named, "startTime": max(start, 0), "endTime": stop - 1, "limit": PAGE_EVENTS}
        client, tokens, found, size = self._clients("logs"), set[str](), dict[object, Event](), 0
        while True:
            answer = client.filter_log_events(**asked)
            for event in answer.get("events", ()):
                message, at = event.get("message"), event.get("timestamp")
                if isinstance(message, str) and isinstance(at, int):
                    ident = event.get("eventId") or (event.get("logStreamName"), at, message)
                    if ident not in found:
                        found[ident] = (at, message)
                        size += len(message)
            if size > MOST_BYTES:
                return None
            token = answer.get("nextToken")
            if not token:
                return list(found.values())
            if token in tokens:
                raise SourceError(
                    f"{self._group}: CloudWatch Logs gives the same page again; the next look begins anew"
                )
            tokens.add(token)
            asked["nextToken"] = token


def gathered(clients: Clients, location: str, options: Mapping[str, JSON]) -> Gathered | None:
    """The source of a group that holds no access logs; None: it may hold some. UsageError: an option is of no use."""
    place = place_of(location)
    name = _name(location)
    if place is None and name != SPANS_GROUP:
        return None
    unused = {"late_minutes", "since_hours"} & set(options)
    if unused:
        raise UsageError(f"{', '.join(sorted(unused))}: of no use for {name}")
    return Gathered(clients, location, spans if place is None else _ExecutionLog(location, place))


def brings(kind: str, location: str) -> str | None:
    """What a source brings instead of lines of access logs; None: it brings lines.

    >>> brings("cloudwatch_logs", "aws/spans"), brings("cloudwatch_logs", "/aws/apigateway/orders")
    ('traces', None)
    """
    if kind in ("cloudtrail", "eventbridge"):
        return "changes"
    if is_spans(kind, location):
        return "traces"
    return "causes" if kind == "cloudwatch_logs" and place_of(location) is not None else None


def beside_logs(kind: str, location: str) -> bool:
    """Whether a source brings changes, traces or causes instead of lines of access logs."""
    return brings(kind, location) is not None


def is_spans(kind: str, location: str) -> bool:
    """Whether a source is the log group of Transaction Search."""
    return kind == "cloudwatch_logs" and _name(location) == SPANS_GROUP


def _name(location: str) -> str:
    return location.removesuffix(":*").rpartition(":log-group:")[2] or location


class _ExecutionLog:
    def __init__(self, group: str, place: tuple[str, str]) -> None:
        self._where = place
        self._account, self._region = owner_of(group)

    def __call__(self, events: list[Event], since: int, until: int) -> Beside:
        together = Executions(*self._where, self._account, self._region)
        for at, message in events:
            together.take(at, message)
        return Beside(executions=together.table(since=since, until=until))


def spans(events: list[Event], since: int, until: int) -> Beside:
    """Traces whose first span is of [since, until)."""
    first: dict[str, int] = {}
    records: dict[str, list[dict[str, JSON]]] = {}
    for at, message in events:
        try:
            record = orjson.loads(message)
        except orjson.JSONDecodeError:
            continue
        trace = record.get("traceId") if isinstance(record, dict) else None
        if isinstance(trace, str):
            first[trace] = min(first.get(trace, at), at)
            records.setdefault(trace, []).append(record)
    chosen = [record for trace, listed in records.items() if since <= first[trace] < until for record in listed]
    found: pa.Table = traces_of(chosen).table
    return Beside(spans=found)
