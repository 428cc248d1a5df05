"""Joins ingest and store: paths -> batches in the lake and the state, exactly once.

A batch is leased before its first file is written; its segments and one transaction follow (design.md D3). Files that
the checkpoints say are done are passed over; a plain file that grew goes on where it was left.
"""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from gatewatch.asides import Asides
from gatewatch.errors import SourceError
from gatewatch.hashkey import hash_key
from gatewatch.keeping import Kept, LakeWriter, commit_result
from gatewatch.store.batches import (
    Position,
    abandon_batch,
    checkpoints,
    lease_batch,
    note_checkpoints,
    renew_batch,
    sweep_expired,
)
from gatewatch.store.state import State
from ingest.files import LogFile, Piece, group, split
from ingest.inputs import STDIN, inputs
from ingest.outcome import Chosen
from ingest.pool import Repetitions, run
from ingest.reading import beginning, unpacked
from ingest.scan import Accounting, Progress, chosen_formats, workers_for
from ingest.work import Config, FileCount, Result, Task

_HEAD = 1024  # bytes that recognise a file which was appended to


@dataclass(slots=True)
class IngestResult:
    """What one run did. passed_over: files that were done already. batches: committed. no_logs: see ScanResult.

    executions: refused requests of which lines of execution logs named a cause.
    """

    accounting: Accounting = field(default_factory=Accounting)
    errors: list[str] = field(default_factory=list)
    guessed: list[str] = field(default_factory=list)
    no_logs: list[str] = field(default_factory=list)
    passed_over: int = 0
    batches: int = 0
    executions: int = 0


def ingest_paths(
    state: State,
    paths: Sequence[str],
    *,
    source: str = "files",
    log_format: str | None = None,
    inventory: Mapping[str, object] | None = None,
    workers: int = 0,
    progress: Progress | None = None,
    exclude: Iterable[str] = (),
) -> IngestResult:
    """Read all paths into the store. What cannot be read stands in `errors`; the others go on."""
    sweep_expired(state)
    result = IngestResult()
    with inputs(paths, inventory, exclude, all_logs=log_format is not None) as found:
        result.errors, result.no_logs = found.errors, found.no_logs
        known = checkpoints(state, source)
        seen = _Seen(known)
        starts = {file.name: seen.start(file) for file in found.files}
        note_checkpoints(state, source, seen.renamed, datetime.now(UTC))
        todo = [file for file in found.files if starts[file.name] is not None]
        result.passed_over = len(found.files) - len(todo)
        places = {name: start for name, start in starts.items() if start is not None}
        pieces = (piece for file in todo for piece in split(file, start=places[file.name].offset, growing=True))
        chosen = chosen_formats(log_format, inventory, result.guessed.append)
        _read(state, source, result, todo, pieces, places, chosen, _file_place, workers, progress)
    return result


def ingest_objects(
    state: State,
    files: Sequence[LogFile],
    begun: Mapping[str, Position],
    *,
    source: str,
    inventory: Mapping[str, object] | None = None,
) -> IngestResult:
    """Read local copies of immutable objects, each a stream that is called by the file's name.

    begun: what is known of each: its offset and lines are gone on from, size and fingerprint are kept.
    """
    result = IngestResult()
    places = {file.name: _Place(begun[file.name].offset, begun[file.name].lines) for file in files}
    pieces = (piece for file in files for piece in split(file, start=places[file.name].offset))
    chosen = chosen_formats(None, inventory, result.guessed.append)

    def place(piece: Piece, lines: int) -> tuple[str, Position]:
        end = piece.file.size if piece.end is None else piece.end
        return piece.file.name, replace(begun[piece.file.name], offset=end, lines=lines, done=piece.last)

    _read(state, source, result, files, pieces, places, chosen, place, 0, None)
    return result


def _read(
    state: State,
    source: str,
    result: IngestResult,
    files: Sequence[LogFile],
    pieces: Iterable[Piece],
    places: Mapping[str, _Place],
    chosen: Chosen,
    place: Callable[[Piece, int], tuple[str, Position]],
    workers: int,
    progress: Progress | None,
) -> None:
    """Read the pieces and commit them in their order. place: of a piece and the lines up to its end."""
    if progress is not None:
        progress.total(sum(file.size - places[file.name].offset * (file.kind == "plain") for file in files))
    run_ = _Run(state, source, result, progress, {name: one.lines for name, one in places.items()}, place)
    config = Config(hash_key(state.settings), chosen, LakeWriter(state.lake.root))
    count = workers_for(files, workers or state.settings.workers)
    tasks = run_.tasks(group(pieces))
    try:
        for done in run(tasks, config, workers=count, repetitions=Repetitions(Kept(state)), told=run_.told):
            run_.commit(done)
    finally:
        run_.abandon()
    result.accounting.add(run_.files.values())
    result.errors += [text for file, count in run_.files.items() if (text := count.unreadable(file))]


@dataclass(frozen=True, slots=True)
class _Place:
    """offset: bytes of the text (of the file itself, when it is plain) that were read."""

    offset: int = 0
    lines: int = 0


class _Seen:
    """What was read of files, found again by path or, when a file was moved, copied or packed, by its content.

    renamed: stream -> position of files that turned out to be done under another name.
    """

    def __init__(self, known: Mapping[str, Position]) -> None:
        self._known = known
        self.renamed: dict[str, Position] = {}
        self._by_head: dict[str, list[Position]] = {}
        for position in known.values():
            self._by_head.setdefault(position.fingerprint.rpartition(":")[0], []).append(position)
        self._lengths = sorted({int(head.partition(":")[0]) for head in self._by_head if head}, reverse=True)

    def start(self, file: LogFile) -> _Place | None:
        """Where to go on, or None when the file is done."""
        position = self._known.get(_stream(file))
        if position is not None:
            if position.size == file.size and position.mtime_ns == file.mtime_ns and position.done:
                return None
            if _holds(file, position):
                return self._after(file, [position])
        # A new file, or another one under the name of a file that was renamed.
        moved = [
            position
            for length in self._lengths
            if length <= file.size
            for position in self._by_head.get(_head(file.path, length), ())
            if _holds(file, position)
        ]
        if not moved and file.kind in PACKED and self._lengths:
            place, lines = self._packed(file)
        elif moved:
            place, lines = self._after(file, moved), max(position.lines for position in moved)
        else:
            return _Place()
        if place is None:  # known by another name, which the next file may take
            end = _fingerprint(file.path, file.size)
            self.renamed[_stream(file)] = Position(file.size, lines, file.size, file.mtime_ns, True, end)
        return place

    def _packed(self, file: LogFile) -> tuple[_Place | None, int]:
        """Where to go on in a file whose text was read before it was packed, as logrotate does it; lines read of it.

        Only a text that begins like one of those is unpacked for it.
        """
        try:
            head = beginning(file, _HEAD)
            alike = [
                position
                for length in self._lengths
                if length <= len(head)
                for position in self._by_head.get(_head_of(head[:length]), ())
            ]
            ends = {position.offset: position for position in alike}
            size, tails = _tails(unpacked(file), ends) if ends else (0, {})
        except SourceError:
            return _Place(), 0  # said when it is read
        held = [ends[at] for at, tail in tails.items() if tail == ends[at].fingerprint.rpartition(":")[2]]
        if not held:
            return _Place(), 0
        furthest = max(held, key=lambda position: position.offset)
        return None if furthest.offset == size else _Place(furthest.offset, furthest.lines), furthest.lines

    def _after(self, file: LogFile, positions: Sequence[Position]) -> _Place | None:
        furthest = max(positions, key=lambda position: position.offset)
        if file.size == furthest.offset and furthest.done:
            return None
        return _Place(furthest.offset, furthest.lines) if file.kind == "plain" else _Place()


PACKED = frozenset({"gzip", "zstd"})


def _tails(chunks: Iterable[bytes], ends: Iterable[int]) -> tuple[int, dict[int, str]]:
    """How long the text is, and the digest of the last bytes before each of these places in it."""
    waiting = sorted(ends)
    found: dict[int, str] = {}
    size, held = 0, b""
    for chunk in chunks:
        held = held[-_HEAD:] + chunk
        begin = size + len(chunk) - len(held)
        size += len(chunk)
        while waiting and waiting[0] <= size:
            end = waiting.pop(0)
            found[end] = _digest(held[max(end - _HEAD, 0) - begin : end - begin])
    return size, found


def _stream(file: LogFile) -> str:
    """What a file's checkpoint is called. Each standard input is a stream of its own: the next one is another text."""
    return f"stdin {_fingerprint(file.path, file.size)}" if file.name == STDIN else os.path.abspath(file.path)


def _holds(file: LogFile, position: Position) -> bool:
    """Whether the file begins with all that was read then."""
    long_enough = file.size >= position.offset if file.kind == "plain" else file.size == position.offset
    return long_enough and _fingerprint(file.path, position.offset) == position.fingerprint


def _fingerprint(path: str, offset: int) -> str:
    """The first and the last bytes before `offset`: log lines have times and ids, so these tell contents apart."""
    with open(path, "rb") as handle:
        handle.seek(max(offset - _HEAD, 0))
        last = handle.read(min(offset, _HEAD))
    return f"{_head(path, min(offset, _HEAD))}:{_digest(last)}"


def _head(path: str, length: int) -> str:
    with open(path, "rb") as handle:
        return _head_of(handle.read(length))


def _head_of(text: bytes) -> str:
    return f"{len(text)}:{_digest(text)}"


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:24]


def _file_place(piece: Piece, lines: int) -> tuple[str, Position]:
    file = piece.file
    end = file.size if piece.end is None else piece.end
    return _stream(file), Position(end, lines, file.size, file.mtime_ns, piece.last, _fingerprint(file.path, end))


class _Run:
    """The batches under way in one run: leases them, renews them, commits them in order."""

    def __init__(
        self,
        state: State,
        source: str,
        result: IngestResult,
        progress: Progress | None,
        lines: Mapping[str, int],
        place: Callable[[Piece, int], tuple[str, Position]],
    ) -> None:
        """lines: file -> how many of its lines were read before. place: see _read."""
        self.state = state
        self.source = source
        self.result = result
        self.progress = progress
        self.holder = f"{socket.gethostname()}:{os.getpid()}"
        self.open: dict[int, str] = {}
        self.files: dict[str, FileCount] = {}
        self.lines = dict(lines)
        self.place = place
        self.asides = Asides(state)
        self._renewed = time.monotonic()

    def tasks(self, groups: Iterable[list[Piece]]) -> Iterator[Task]:
        for number, pieces in enumerate(groups):
            batch = lease_batch(self.state, self.source, self.holder)
            self.open[number] = batch.id
            yield Task(number, tuple(pieces), batch.id, self.source)

    def told(self, size: int, lines: int, accepted: int) -> None:
        if self.progress is not None:
            self.progress.advance(size, lines, accepted)
        if time.monotonic() - self._renewed > self.state.settings.lease_seconds / 3:
            self._renewed = time.monotonic()
            for batch in self.open.values():
                renew_batch(self.state, batch)

    def commit(self, done: Result) -> None:
        batch = self.open[done.task.number]
        self.result.errors += done.errors
        self.result.guessed += [text for text in done.guessed if text not in self.result.guessed]
        self.result.no_logs += [f"{file}: {passed.why}" for file, passed in done.passed.items()]
        self.result.executions += self.asides.keep(done.executions, source=self.source, now=datetime.now(UTC))
        if not done.files and not done.passed:
            abandon_batch(self.state, batch)
        else:
            lines = {file: count.lines for file, count in done.files.items()}
            lines |= {file: passed.lines for file, passed in done.passed.items()}
            before = {
                piece.file.name: self.lines.get(piece.file.name, 0) if piece.offset or piece.skip else 0
                for piece in done.task.pieces
            }
            ends = {name: before[name] + count for name, count in lines.items()}
            positions = dict(
                self.place(piece, ends[piece.file.name]) for piece in done.task.pieces if piece.file.name in lines
            )
            commit_result(self.state, batch, done, positions, now=datetime.now(UTC), before=before)
            self.lines.update(ends)
            for path, count in done.files.items():
                self.files.setdefault(path, FileCount()).add(count)
            self.result.batches += 1
        del self.open[done.task.number]

    def abandon(self) -> None:
        """Give back what was leased and not committed (interrupt, error): its files go now instead of by expiry."""
        for batch in self.open.values():
            abandon_batch(self.state, batch)
        self.open.clear()
