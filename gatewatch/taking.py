"""Takes log lines that come as bytes instead of as files: what is pushed to us, and pages that a source asks for.

One thread reads and commits. What waits when it is free becomes one batch for each source, so that a commit is shared
by all that wait for it; who handed something over learns that it is durable, or why not.
"""

from __future__ import annotations

import logging
import os
import queue
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from gatewatch.asides import Asides
from gatewatch.errors import GatewatchError, LeaseLost, StoreError
from gatewatch.hashkey import hash_key
from gatewatch.keeping import Kept, LakeWriter, commit_result
from gatewatch.store.batches import Position, abandon_batch, lease_batch, note_checkpoints, sweep_expired
from gatewatch.store.inventories import current_digests, current_inventory
from gatewatch.store.pushes import known_pushes
from gatewatch.store.state import State
from ingest.block import Block, block_of
from ingest.envelopes import Unwrapped, joined
from ingest.hints import hint_of
from ingest.inputs import apis_of
from ingest.pool import Repetitions
from ingest.prefixes import unprefixed
from ingest.scan import chosen_formats
from ingest.work import Config, FileCount, Result, Task, take_block

log = logging.getLogger(__name__)

BATCH_BYTES = 64 << 20
"""Text of one batch (design.md D3)."""

WAITING_BYTES = 192 << 20
"""Text that may wait to be taken; beyond it senders are told to come back."""

_TRIES = 3


class Busy(StoreError):
    """More waits than fits into memory; nothing of what was refused is kept."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Log lines that become durable together.

    source, file: what the accounting calls them. text: lines; events: what was wrapped (envelopes, pages).
    key: by which the same delivery is known when it comes again; None: by its requests only.
    checkpoints: places that move in the same transaction. place: a path-like text that hints at an API.
    covered: intervals that the source has delivered whole; None: from the first to the last of its lines.
    """

    source: str
    file: str
    text: bytes = b""
    events: Unwrapped | None = None
    key: str | None = None
    checkpoints: Mapping[str, Position] = field(default_factory=dict)
    covered: Sequence[tuple[datetime, datetime]] | None = None
    place: str = ""

    @property
    def size(self) -> int:
        return len(self.text) + (0 if self.events is None else sum(map(len, self.events.records)))


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch's lines: those of the delivery that is asked about, and of others beside it.

    again: it was in the store already.
    """

    lines: FileCount = field(default_factory=FileCount)
    again: bool = False


class Taker:
    """Reads deliveries and commits them. Use one a process, and only in one thread at a time."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._kept = Kept(state)
        self._repetitions = Repetitions(self._kept)
        self._config = Config(
            hash_key(state.settings), chosen_formats(None, None, _unheard), LakeWriter(state.lake.root)
        )
        self._engine = self._config.engine()
        self._known: list[str] = []
        self._apis = apis_of(None)
        self._asides: dict[str, Asides] = {}
        self._number = 0
        self._holder = f"{socket.gethostname()}:{os.getpid()}"
        sweep_expired(state)

    def close(self) -> None:
        self._engine.close()

    def take(self, deliveries: Sequence[Delivery]) -> Taken:
        """Make the deliveries of one source durable, in one transaction. GatewatchError: nothing of them was kept."""
        for last in range(_TRIES):
            try:
                return self._take(deliveries)
            except LeaseLost:
                if last == _TRIES - 1:
                    raise
        raise AssertionError

    def _take(self, deliveries: Sequence[Delivery]) -> Taken:
        keys = [one.key for one in deliveries if one.key is not None]
        with self._state.read() as session:
            known = known_pushes(session, keys) if keys else set()
            digests = current_digests(session)
            if digests != self._known:
                inventory = current_inventory(session)
                self._config = replace(self._config, chosen=chosen_formats(None, inventory, _unheard))
                self._apis, self._known = apis_of(inventory), digests
        new: dict[object, Delivery] = {}
        for number, one in enumerate(deliveries):
            if one.key not in known:
                new.setdefault(number if one.key is None else one.key, one)
        if not new:
            return Taken(again=True)
        return self._commit(list(new.values()))

    def _commit(self, deliveries: Sequence[Delivery]) -> Taken:
        self._kept.look()
        source = deliveries[0].source
        blocks = list(_blocks(deliveries))
        if not blocks and all(one.key is None for one in deliveries):
            self._note(deliveries)
            return Taken()
        self._number += 1
        batch = lease_batch(self._state, source, self._holder)
        self._kept.mine(batch.id)
        now = datetime.now(UTC)
        task = Task(self._number, (), batch.id, source, int(now.timestamp() * 1000))
        result = Result(task)
        try:
            for number, block in enumerate(blocks):
                chosen = replace(self._config.chosen, hint=hint_of(deliveries[0].place, self._apis))
                take_block(
                    self._engine,
                    self._config,
                    chosen,
                    task,
                    block,
                    number,
                    result,
                    lambda asked: self._repetitions.ask(task.number, asked),
                    _nothing,
                )
            if result.executions.requests:
                asides = self._asides.setdefault(source, Asides(self._state))
                asides.keep(result.executions, source=source, now=now)
            told = [one.covered for one in deliveries if one.covered is not None]
            if len(told) == len(deliveries):
                result.covered = [interval for several in told for interval in several]
            commit_result(
                self._state,
                batch.id,
                result,
                {stream: place for one in deliveries for stream, place in one.checkpoints.items()},
                now=datetime.now(UTC),
                pushes=[one.key for one in deliveries if one.key is not None],
            )
        except BaseException:
            self._repetitions.failed(task.number)
            with suppress(GatewatchError):  # its lease runs out by itself
                abandon_batch(self._state, batch.id)
            raise
        self._repetitions.settled(task.number)
        whole = FileCount()
        for count in result.files.values():
            whole.add(count)
        return Taken(whole)

    def _note(self, deliveries: Sequence[Delivery]) -> None:
        """Places and coverage without a line: no batch is needed for them."""
        places = {stream: place for one in deliveries for stream, place in one.checkpoints.items()}
        covered = [interval for one in deliveries for interval in one.covered or ()]
        note_checkpoints(self._state, deliveries[0].source, places, datetime.now(UTC), coverage=covered)


def _blocks(deliveries: Sequence[Delivery]) -> Iterator[Block]:
    """Plain lines as one block, events as another; in each a file stands once."""
    texts: dict[str, list[bytes]] = {}
    events: dict[str, Unwrapped] = {}
    for one in deliveries:
        if one.text:
            texts.setdefault(one.file, []).append(one.text if one.text.endswith(b"\n") else one.text + b"\n")
        if one.events is not None and (one.events.records or one.events.broken):
            _add(events.setdefault(one.file, Unwrapped()), one.events)
    if events:
        yield joined([(file, 1, 0, several) for file, several in events.items()])
    if texts:
        yield unprefixed(block_of([(file, 1, 0, b"".join(parts)) for file, parts in texts.items()]))


def _add(whole: Unwrapped, more: Unwrapped) -> None:
    whole.records += more.records
    whole.number += more.number
    whole.event_id += more.event_id
    whole.event_time += more.event_time
    whole.delivered += more.delivered
    whole.owner += more.owner
    whole.group += more.group
    whole.envelopes += more.envelopes
    whole.broken += more.broken


class Counter:
    """Where deliveries are handed over: they wait here for the one thread that takes them."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._waiting: queue.SimpleQueue[tuple[Delivery, Future[Taken]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._bytes = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="taker", daemon=True)
        self._thread.start()

    def hand_over(self, delivery: Delivery) -> Future[Taken]:
        """The future ends when the delivery is durable, or with the error that kept it from it. Busy: come back."""
        with self._lock:
            if self._closed:
                raise Busy("the process is ending")
            if self._bytes and self._bytes + delivery.size > WAITING_BYTES:
                raise Busy("more waits to be written than fits")
            self._bytes += delivery.size
            future: Future[Taken] = Future()
            self._waiting.put((delivery, future))
        return future

    def close(self) -> None:
        """Take what waits, then end."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        taker: Taker | None = None
        try:
            while (several := self._next()) is not None:
                try:
                    taker = taker or Taker(self._state)
                except GatewatchError as error:
                    self._failed(several, error)
                    continue
                by_source: dict[str, list[tuple[Delivery, Future[Taken]]]] = {}
                for one in several:
                    by_source.setdefault(one[0].source, []).append(one)
                for mine in by_source.values():
                    self._take(taker, mine)
        finally:
            if taker is not None:
                taker.close()

    def _next(self) -> list[tuple[Delivery, Future[Taken]]] | None:
        """All that waits, as much as a batch holds; None at the end."""
        first = self._waiting.get()
        if first is None:
            return None
        several, size = [first], first[0].size
        while size < BATCH_BYTES:
            try:
                more = self._waiting.get_nowait()
            except queue.Empty:
                break
            if more is None:
                self._waiting.put(None)  # the end comes after what is in hand
                break
            several.append(more)
            size += more[0].size
        return several

    def _take(self, taker: Taker, several: list[tuple[Delivery, Future[Taken]]]) -> None:
        try:
            taken = taker.take([delivery for delivery, _ in several])
        except GatewatchError as error:
            self._failed(several, error)
        except Exception as error:  # a mistake of ours with one of them must not keep the others out
            log.exception("a delivery could not be read", extra={"source": several[0][0].source[:200]})
            if len(several) == 1:
                self._failed(several, error)
            for one in several if len(several) > 1 else ():
                self._take(taker, [one])
        else:
            self._leave(several)
            for _, future in several:
                future.set_result(taken)

    def _failed(self, several: list[tuple[Delivery, Future[Taken]]], error: Exception) -> None:
        self._leave(several)
        for _, future in several:
            future.set_exception(error)

    def _leave(self, several: list[tuple[Delivery, Future[Taken]]]) -> None:
        with self._lock:
            self._bytes -= sum(delivery.size for delivery, _ in several)


def _unheard(text: str) -> None:
    log.info("a template cannot be used", extra={"why": text})


def _nothing(size: int, lines: int, accepted: int) -> None:
    del size, lines, accepted
