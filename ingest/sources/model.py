"""What a source is: something that is looked at again and again, and gives what is new since what is kept.

A source fetches; it neither parses nor keeps. Whoever takes what it gives commits the places together with the lines,
and only then asks for more: what was not committed is given again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from gatewatch.records import JSON, ChangeEvent
from gatewatch.registry import Registry
from ingest.envelopes import Unwrapped
from ingest.files import LogFile
from ingest.hints import Known

Clients = Callable[[str], Any]
"""Service -> boto3 client of the source's account and region."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a stream was read: bytes or milliseconds; mark tells versions of it apart. done: to its end."""

    offset: int = 0
    mark: str = ""
    size: int = 0
    lines: int = 0
    done: bool = True


@dataclass(frozen=True, slots=True)
class Objects:
    """Local copies of objects; file.name is the object's address and its stream. places: to go on from, and marks.

    passed: streams of which nothing is to be read. Who takes them may remove the copies only when asking for more.
    """

    files: Sequence[LogFile]
    places: Mapping[str, Place]
    passed: Mapping[str, Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Events:
    """Log events, and what is known when they are kept: places by stream, and intervals that were delivered whole."""

    file: str
    events: Unwrapped
    places: Mapping[str, Place] = field(default_factory=dict)
    covered: Sequence[tuple[datetime, datetime]] = ()
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """Changes for the timeline; passed: streams that are kept with them."""

    events: Sequence[ChangeEvent]
    passed: Mapping[str, Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Beside:
    """What tells more of requests: SPANS of whole traces, EXECUTIONS. places: kept with them."""

    spans: pa.Table | None = None
    executions: pa.Table | None = None
    places: Mapping[str, Place] = field(default_factory=dict)


Fetched = Objects | Events | Told | Beside


@dataclass(frozen=True, slots=True)
class World:
    """What a source needs of us. known: places of streams that are kept. failed: a line about what cannot be read now.

    folder: for local copies, ours alone. apis: of the inventory, by id and name. enough: whether others wait for their
    turn by now; then a look that is not at its end stops where the next can go on.
    """

    known: Callable[[Sequence[str]], Mapping[str, Place]]
    now: datetime
    folder: Path
    failed: Callable[[str], None]
    apis: Mapping[str, Known] = field(default_factory=dict)
    enough: Callable[[], bool] = lambda: False


class Source(Protocol):
    """A registered source while the process lives; what it remembers may be lost at any time."""

    def look(self, world: World) -> Iterator[Fetched]:
        """What is new, in parts that are kept one by one. SourceError: it cannot be looked at now."""
        ...


class Maker(Protocol):
    """UsageError says what is wrong with the location or an option."""

    def __call__(self, clients: Clients, location: str, options: Mapping[str, JSON]) -> Source: ...


SOURCES: Registry[Maker] = Registry("ingest.sources")
source = SOURCES.register
