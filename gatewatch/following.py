"""Looks at registered sources: what they give is kept, with its place, before they are asked for more."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gatewatch.connecting import Accounts
from gatewatch.errors import GatewatchError, UsageError, mistake
from gatewatch.ingesting import ingest_objects, ingest_paths
from gatewatch.records import JSON
from gatewatch.settings import Settings
from gatewatch.store.batches import Position, checkpoints, note_checkpoints
from gatewatch.store.changes import save_changes
from gatewatch.store.connections import AwsConnection, connections
from gatewatch.store.executions import save_executions
from gatewatch.store.sources import Source
from gatewatch.store.spans import save_spans
from gatewatch.store.state import State
from gatewatch.taking import Delivery, Taker
from ingest.aws.pace import Ended
from ingest.aws.problems import explained
from ingest.aws.spending import on_behalf_of
from ingest.inputs import apis_of
from ingest.sources.model import SOURCES, Beside, Clients, Events, Objects, Place, Told, World
from ingest.sources.model import Source as Fetcher

log = logging.getLogger(__name__)

FILES = "files"
"""The kind of source that is a folder."""

Opener = Callable[[Source], Clients]
"""Gives a source the clients of its account and region."""

DEFAULT = "default"
"""The connection of sources that name none: the standard chain of credentials."""


@dataclass(slots=True)
class Looked:
    """What one look at a source brought. errors: what could not be read, one line each."""

    accepted: int = 0
    rejected: int = 0
    duplicate: int = 0
    errors: list[str] = field(default_factory=list)


class Follower:
    """Keeps sources between looks: what they remember saves calls, and may be lost. For one thread."""

    def __init__(
        self,
        state: State,
        opener: Opener,
        settled: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """settled: called at the end of each look."""
        self._state = state
        self._opener = opener
        self._settled = settled
        self._clock = clock
        self._made: dict[tuple[str, str, str, str], Fetcher] = {}
        self._taker: Taker | None = None

    def close(self) -> None:
        if self._taker is not None:
            self._taker.close()

    def look(
        self,
        source: Source,
        now: datetime,
        inventory: Mapping[str, JSON] | None = None,
        *,
        patience_s: float = math.inf,
    ) -> Looked:
        """Keep what is new in a source. What cannot be looked at stands in `errors`; nothing is raised for it.

        patience_s: after so long it stops where the next look can go on, for others wait.
        """
        looked = Looked()
        until = self._clock() + patience_s
        if source.kind == FILES:
            found = ingest_paths(self._state, [source.location], source=source.name, inventory=inventory)
            looked.accepted, looked.errors = found.accounting.accepted, found.errors
            looked.rejected, looked.duplicate = found.accounting.rejected, found.accounting.duplicate
            return looked
        try:
            with self._paid(), explained(_where(source)), on_behalf_of("logs"), _folder(self._state) as folder:
                known, apis = self._known(source), apis_of(inventory)
                world = World(
                    known, now, Path(folder), looked.errors.append, apis, enough=lambda: self._clock() >= until
                )
                self._fetch(source, world, inventory, looked)
        except Ended:
            log.info("a look ends early", extra={"source": source.name})
        except GatewatchError as error:
            looked.errors.append(str(error))
        except Exception as error:  # the edge of a source: the others go on, whatever is wrong with this one
            log.exception("a source broke", extra={"source": source.name})
            looked.errors.append(f"{source.name}: {mistake(error)}")
        return looked

    @contextmanager
    def _paid(self) -> Iterator[None]:
        """What a look costs stands in the ledger when it ends, however it ends."""
        try:
            yield
        finally:
            self._settled()

    def _fetch(self, source: Source, world: World, inventory: Mapping[str, JSON] | None, looked: Looked) -> None:
        key = (source.name, source.kind, source.location, repr(sorted(source.options.items())))
        fetcher = self._made.get(key)
        if fetcher is None:
            fetcher = self._made[key] = make(source.kind, self._opener(source), source.location, source.options)
        for got in fetcher.look(world):
            if isinstance(got, Events):
                self._events(source, got, looked)
            elif isinstance(got, Told):
                self._changes(source, got, world.now, looked)
            elif isinstance(got, Beside):
                self._beside(source, got, world.now, looked)
            else:
                self._objects(source, got, inventory, world.now, looked)

    def _changes(self, source: Source, got: Told, now: datetime, looked: Looked) -> None:
        """First the changes, then the places: cut off between them, they are told again, and known by their ids."""
        if got.events:
            looked.accepted += self._state.run(
                lambda session: save_changes(session, got.events, source=source.name, now=now)
            )
        passed = {stream: _position(place) for stream, place in got.passed.items()}
        note_checkpoints(self._state, source.name, passed, now)

    def _beside(self, source: Source, got: Beside, now: datetime, looked: Looked) -> None:
        """One kind, with its place. accepted: rows that are new, or say more than before."""
        places = {stream: _position(place) for stream, place in got.places.items()}
        for table, save in ((got.spans, save_spans), (got.executions, save_executions)):
            if table is not None:
                looked.accepted += save(self._state, table, source=source.name, now=now, checkpoints=places)

    def _events(self, source: Source, got: Events, looked: Looked) -> None:
        self._taker = self._taker or Taker(self._state)
        places = {stream: _position(place) for stream, place in got.places.items()}
        delivery = Delivery(source.name, got.file, b"", got.events, None, places, got.covered, got.hint)
        taken = self._taker.take([delivery])
        looked.accepted += taken.lines.accepted
        looked.rejected += taken.lines.rejected
        looked.duplicate += taken.lines.duplicate

    def _objects(
        self, source: Source, got: Objects, inventory: Mapping[str, JSON] | None, now: datetime, looked: Looked
    ) -> None:
        passed = {stream: _position(place) for stream, place in got.passed.items()}
        note_checkpoints(self._state, source.name, passed, now)
        if not got.files:
            return
        begun = {stream: _position(place) for stream, place in got.places.items()}
        found = ingest_objects(self._state, got.files, begun, source=source.name, inventory=inventory)
        looked.accepted += found.accounting.accepted
        looked.rejected += found.accounting.rejected
        looked.duplicate += found.accounting.duplicate
        looked.errors += found.errors

    def _known(self, source: Source) -> Callable[[Sequence[str]], Mapping[str, Place]]:
        def known(streams: Sequence[str]) -> Mapping[str, Place]:
            found = checkpoints(self._state, source.name, streams)
            return {stream: _place(position) for stream, position in found.items()}

        return known


def make(kind: str, clients: Clients, location: str, options: Mapping[str, JSON]) -> Fetcher:
    """A source of this kind. UsageError says what is wrong with kind, location or options."""
    maker = SOURCES.get(kind)
    if maker is None:
        raise UsageError(f"no kind of source is called {kind!r}; there are {', '.join([FILES, *SOURCES])}")
    return maker(clients, location, options)


def _where(source: Source) -> str:
    """Its name, and the region that it names."""
    told = source.location.split(":")[3] if source.location.startswith("arn:") else None
    region = source.options.get("region") or told
    return f"{source.name} {region}" if region else source.name


def _folder(state: State) -> tempfile.TemporaryDirectory[str]:
    """Ours alone, in the data directory, gone at the end."""
    root = state.settings.data_dir / "tmp"
    root.mkdir(mode=0o700, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=root, prefix=f"objects-{os.getpid()}-")


def _position(place: Place) -> Position:
    return Position(place.offset, place.lines, place.size, 0, place.done, place.mark)


def _place(position: Position) -> Place:
    return Place(position.offset, position.fingerprint, position.size, position.lines, position.done)


def follower_of(state: State, settings: Settings, accounts: Accounts | None = None) -> Follower:
    """A follower whose calls are paid for and paced as the settings say; with those of others by their accounts."""
    accounts = accounts or Accounts(state, settings)
    return Follower(state, opener(state, accounts), accounts.ledger.flush)


def opener(state: State, accounts: Accounts) -> Opener:
    """Clients by the connection and region that a source's options name; an ARN's region goes before the default."""

    def opened(source: Source) -> Clients:
        name = source.options.get("connection")
        with state.read() as session:
            known = {one.name: one for one in connections(session)}
        if name is not None and name not in known:
            raise UsageError(f"source {source.name}: there is no AWS connection {name!r}")
        nobody = AwsConnection(DEFAULT, None, None, None, (), (), source.created_at)
        aws = accounts.open(nobody if name is None else known[str(name)])
        told = source.location.split(":")[3] if source.location.startswith("arn:") else None
        region = str(source.options.get("region") or told or aws.regions[0])
        with contextlib.suppress(GatewatchError):  # then each call says what is wrong
            _ = aws.account  # who calls in the same account shares its pace, whatever the connection is called
        return lambda service: aws.client(service, region)

    return opened
