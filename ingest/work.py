"""One unit of work: a list of pieces -> rollups and (for the lake) segments. The same in a pool or in this process."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gatewatch.errors import SourceError
from gatewatch.frames import REQUESTS
from gatewatch.frames.executions import refined
from ingest.beside import no_access_log
from ingest.block import Block, Origin, Rows, Text, block_of
from ingest.engine import Engine
from ingest.envelopes import Unwrapped, is_envelope, joined, unwrap
from ingest.executions import Executions
from ingest.files import Piece
from ingest.formats.infer import describe
from ingest.formats.shapes import csv_header
from ingest.outcome import Chosen, Reading
from ingest.packed import Packed
from ingest.prefixes import unprefixed
from ingest.reading import texts
from ingest.rollup import ROLLUP_COLUMNS, Question, question, roll, without
from ingest.secrets import redacted_line
from ingest.setaside import set_aside

LETTERS = 500
"""Rejected lines whose text one unit of work keeps; the counts are exact beyond it."""

LETTER_BYTES = 4096

_HEAD_BYTES = 8192
_LOOKED_AT = 1000  # lines that tell whether an unread file was a log

Repeated = npt.NDArray[np.bool_]
Ask = Callable[[Question], Repeated]
"""Identities of a block -> which of them were seen before."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A rejected line: where it stood (line from 1, byte offset in the file's text) and its first bytes."""

    file: str
    line: int
    offset: int
    length: int
    reason: str
    sha256: str
    body: bytes


@dataclass(slots=True)
class FileCount:
    """Outcomes of one file's lines; bytes: of its text."""

    lines: int = 0
    accepted: int = 0
    rejected: int = 0
    blank: int = 0
    duplicate: int = 0
    bytes: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def unreadable(self, file: str) -> str | None:
        """One line that says so when not a single line of the file could be read."""
        if not self.rejected or self.accepted or self.duplicate:
            return None
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(self.reasons.items()))
        return f"{file}: none of its {self.rejected:,} lines could be read ({reasons}); is it an access log?"

    def add(self, other: FileCount) -> None:
        self.lines += other.lines
        self.accepted += other.accepted
        self.rejected += other.rejected
        self.blank += other.blank
        self.duplicate += other.duplicate
        self.bytes += other.bytes
        for reason, count in other.reasons.items():
            self.reasons[reason] = self.reasons.get(reason, 0) + count


@dataclass(frozen=True, slots=True)
class Task:
    """number orders results; batch and source name what goes to the lake. arrived_ms: of lines that have no time."""

    number: int
    pieces: tuple[Piece, ...]
    batch: str = ""
    source: str = ""
    arrived_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """A file that turned out to be no log; lines: how many it has."""

    why: str
    lines: int


@dataclass(slots=True)
class Result:
    """What a task came to. minutes, clients: one table a block, packed. segments: as the writer made them.

    places: first and last minute of each (account, API, stage); spans: those of each file, since the epoch; both only
    where nothing is kept. passed: files that are no logs; they stand in neither `files` nor `letters`.
    executions: what lines of execution logs said, which are counted nowhere.
    """

    task: Task
    minutes: list[Packed] = field(default_factory=list)
    clients: list[Packed] = field(default_factory=list)
    segments: list[object] = field(default_factory=list)
    files: dict[str, FileCount] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    guessed: list[str] = field(default_factory=list)
    covered: list[tuple[datetime, datetime]] = field(default_factory=list)
    places: dict[tuple[str | None, ...], tuple[datetime, datetime]] = field(default_factory=dict)
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    passed: dict[str, Passed] = field(default_factory=dict)
    executions: Executions = field(default_factory=Executions)


class Writer(Protocol):
    """Takes a block's tables to the lake; made in gatewatch.ingesting, sent to the worker processes."""

    def write(
        self, kind: str, table: pa.Table, task: Task, number: int, min_at: datetime, max_at: datetime
    ) -> object: ...


_NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Config:
    """What every task of a run has in common. writer None: nothing is kept (`scan`).

    executions: EXECUTIONS whose causes count for requests that tell none.
    """

    hash_key: bytes
    chosen: Chosen
    writer: Writer | None = None
    executions: pa.Table | None = None

    def engine(self) -> Engine:
        lean = self.writer is None and self.executions is None  # requests are joined with these by their ids
        columns = ROLLUP_COLUMNS if lean else REQUESTS.names
        kept = [name for name in columns if name not in {"source", "batch"}]
        return Engine(kept, self.hash_key, lean=lean)


def blocks(pieces: Sequence[Piece], first_lines: dict[str, int], failed: Callable[[str, str], None]) -> Iterator[Block]:
    """The blocks of the pieces: small texts together, envelopes unwrapped; a file that fails costs only itself.

    first_lines: file -> line number of the piece's first line; failed(file, reason) is called for what was lost.
    """
    waiting: list[tuple[str, int, int, Text]] = []
    wrapped: list[tuple[str, int, int, Unwrapped]] = []
    for piece in pieces:
        path = piece.file.name
        line, offset = first_lines.get(path, 1), piece.offset + piece.skip
        if len(pieces) == 1:
            for text in texts(piece):
                block = _block(path, line, offset, text)
                yield block
                line += len(block) if block.number is None else text[:].count(b"\n")
                offset += len(text)
            return
        try:
            several = list(texts(piece))
            whole = several[0] if len(several) == 1 else b"".join(several)
        except SourceError as error:
            failed(path, str(error))
            continue
        if is_envelope(whole):
            wrapped.append((path, line, offset, unwrap(whole[:])))
        elif whole:
            waiting.append((path, line, offset, whole))
    if wrapped:
        yield joined(wrapped)
    if waiting:
        yield unprefixed(block_of(waiting))


def heads_of(pieces: Sequence[Piece]) -> tuple[str, ...]:
    """The head lines of CSV files whose pieces begin further on."""
    found: dict[str, None] = {}
    for piece in pieces:
        if piece.offset:
            with contextlib.suppress(OSError), open(piece.file.path, "rb") as handle:
                if head := csv_head(handle.readline(_HEAD_BYTES)):
                    found[head] = None
    return tuple(found)


def csv_head(line: bytes) -> str | None:
    """The line when it is the head of a CSV file."""
    text = line[:_HEAD_BYTES].decode("utf-8", "replace").strip("\ufeff \t\r\n")
    return text if csv_header(text) else None


def _block(path: str, line: int, offset: int, text: Text) -> Block:
    if is_envelope(text):
        return joined([(path, line, offset, unwrap(text[:]))])
    return unprefixed(block_of([(path, line, offset, text)]))


def work(engine: Engine, config: Config, task: Task, ask: Ask, told: Callable[[int, int, int], None]) -> Result:
    """Do a task. told(bytes, lines, accepted) after each block. SourceError of a lone file becomes its error."""
    result = Result(task)
    lost: set[str] = set()

    def failed(file: str, reason: str) -> None:
        result.errors.append(reason)
        result.files.pop(file, None)
        lost.add(file)

    number = 0
    heads = heads_of(task.pieces)
    try:
        for block in blocks(task.pieces, {}, failed):
            if number == 0 and not heads and (head := csv_head(block.raw(0) if len(block) else b"")):
                heads = (head,)
            for piece in task.pieces if number == 0 else ():
                if piece.file.name not in lost:  # else it would count as read
                    result.files.setdefault(piece.file.name, FileCount())
            chosen = replace(config.chosen, hint=task.pieces[0].file.hint, heads=heads)
            take_block(engine, config, chosen, task, block, number, result, ask, told)
            number += 1
    except SourceError as error:
        return Result(task, errors=[str(error)])
    packed = [piece.file.size for piece in task.pieces if piece.file.kind != "plain"]
    if packed:  # how far it is through packed files is only known when they are through
        told(sum(piece.file.size for piece in task.pieces), 0, 0)
    return result


def take_block(
    engine: Engine,
    config: Config,
    chosen: Chosen,
    task: Task,
    block: Block,
    number: int,
    result: Result,
    ask: Ask,
    told: Callable[[int, int, int], None],
) -> None:
    """Read the `number`-th block of a task, roll it up, write it where something is kept, and count its lines."""
    reading = engine.read(block, chosen)
    for found in reading.formats:
        text = describe(found)
        if text not in result.guessed:
            result.guessed.append(text)
    aside = set_aside(reading, result.executions, task.arrived_ms)
    read = reading.together  # put together anew each time
    asked = question(read)
    accepted, duplicates = without(read, ask(asked)) if len(asked.identities) else (read, _NONE)
    counts = _counts(reading, duplicates, aside)
    if config.chosen.explicit is None:
        result.passed |= _no_logs(task, block, counts)
    for file, count in counts.items():
        if file in result.passed:
            result.files.pop(file, None)
        else:
            result.files.setdefault(file, FileCount()).add(count)
    room = LETTERS - len(result.letters)
    result.letters += [letter for letter in letters(reading, room, engine.key) if letter.file not in result.passed]
    # The counts by file and the table must tell the same story: no line may vanish between them.
    told_of = sum(count.accepted for count in counts.values())
    assert told_of == len(accepted), (told_of, len(accepted))
    if len(accepted):
        rolled = roll(refined(accepted, config.executions), engine.connection)
        span = pc.min_max(accepted.column("at")).as_py()
        min_at, max_at = span["min"], span["max"]
        result.covered.append((min_at, max_at))
        if config.writer is None:
            _note_places(rolled.minutes, result.places)
            _note_spans(reading, accepted, result.spans)
            result.minutes.append(Packed.of(rolled.minutes))
            result.clients.append(Packed.of(rolled.clients))
        else:
            for kind, table in (("requests", accepted), ("minutes", rolled.minutes), ("clients", rolled.clients)):
                if len(table):
                    result.segments.append(config.writer.write(kind, table, task, number, min_at, max_at))
    plain = all(piece.file.kind == "plain" for piece in task.pieces)
    told(block.size if plain else 0, reading.rows, len(accepted))


def _no_logs(task: Task, block: Block, counts: Mapping[str, FileCount]) -> dict[str, Passed]:
    """The files of which nothing was read and nothing looks like a log."""
    found: dict[str, Passed] = {}
    whole = {  # all of their text is in this block
        piece.file.name
        for piece in task.pieces
        if piece.offset + piece.skip == 0 and piece.last and (piece.file.kind == "plain" or len(task.pieces) > 1)
    }
    for file, count in counts.items():
        if file not in whole or count.accepted or count.duplicate or not count.rejected:
            continue
        rows = block.rows_of(file)[:_LOOKED_AT]
        why = no_access_log(file, (block.raw(row) for row in rows))
        if why is not None:
            found[file] = Passed(why, count.lines)
    return found


def _note_places(minutes: pa.Table, places: dict[tuple[str | None, ...], tuple[datetime, datetime]]) -> None:
    keys = ["account", "api", "stage"]
    grouped = minutes.select([*keys, "minute"]).group_by(keys).aggregate([("minute", "min"), ("minute", "max")])
    for row in grouped.to_pylist():
        key, first, last = tuple(row[name] for name in keys), row["minute_min"], row["minute_max"]
        old = places.get(key, (first, last))
        places[key] = min(old[0], first), max(old[1], last)


def _note_spans(reading: Reading, accepted: pa.Table, spans: dict[str, tuple[int, int]]) -> None:
    origins = reading.block.origins
    rows = _home(reading)(np.asarray(accepted.column("rn").to_numpy(), dtype=np.int64))
    minute = np.asarray(accepted.column("minute").to_numpy(), dtype=np.int64)
    file = np.searchsorted(np.array([origin.row for origin in origins], dtype=np.int64), rows, side="right") - 1
    order = np.argsort(file, kind="stable")
    found, starts = np.unique(file[order], return_index=True)
    lowest, highest = (ufunc.reduceat(minute[order], starts) for ufunc in (np.minimum, np.maximum))
    for place, first, last in zip(found.tolist(), lowest.tolist(), highest.tolist(), strict=True):
        name = origins[place].file
        old = spans.get(name, (first, last))
        spans[name] = min(old[0], first), max(old[1], last)


def _counts(reading: Reading, duplicates: npt.NDArray[np.int64], aside: Sequence[int]) -> dict[str, FileCount]:
    """Outcomes by file; the four outcomes add up to the rows read, without those that were set aside."""
    block = reading.block
    files = block.rows_by_file(np.arange(len(block)))
    out = {file: FileCount(lines=count) for file, count in files.items()}
    sizes = [*block.origins, Origin(len(block), "", 0, 0)]
    for origin, after in pairwise(sizes):
        out[origin.file].bytes += int(block.edges[after.row] - block.edges[origin.row])
    home = _home(reading)
    split_rows, parents = np.array(list(reading.split_from.keys())), np.array(list(reading.split_from.values()))
    if len(split_rows):
        for file, count in block.rows_by_file(parents).items():
            out[file].lines += count
        for file, count in block.rows_by_file(np.unique(parents)).items():
            out[file].lines -= count
    for file, count in block.rows_by_file(np.array(aside, dtype=np.int64)).items():
        out[file].lines -= count
    for reason in sorted(set(reading.rejected.values())):
        rows = home(np.array([row for row, why in reading.rejected.items() if why == reason], dtype=np.int64))
        for file, count in block.rows_by_file(rows).items():
            if count:
                out[file].rejected += count
                out[file].reasons[reason] = out[file].reasons.get(reason, 0) + count
    for file, count in block.rows_by_file(home(np.array(reading.blank, dtype=np.int64))).items():
        out[file].blank += count
    for file, count in block.rows_by_file(home(duplicates)).items():
        out[file].duplicate += count
    for found in out.values():
        found.accepted = found.lines - found.rejected - found.blank - found.duplicate
    return out


def _home(reading: Reading) -> Callable[[Rows], Rows]:
    """Rows of split-out records -> the row of the block that held them; other rows as they are."""
    if not reading.split_from:
        return lambda rows: rows
    return lambda rows: np.array([reading.split_from.get(row, row) for row in rows.tolist()], dtype=np.int64)


def letters(reading: Reading, room: int, key: str) -> Iterable[Letter]:
    """The first rejected lines of a reading, in order, their secrets replaced by a hash with `key`."""
    for row in sorted(reading.rejected)[: max(room, 0)]:
        held_in = reading.split_from.get(row, row)
        file, line, offset, length = reading.block.origin(held_in)
        body = reading.block.raw(held_in)
        shown = redacted_line(body[:LETTER_BYTES].decode("utf-8", "replace"), key)
        yield Letter(
            file,
            line,
            offset,
            length,
            reading.rejected[row],
            hashlib.sha256(body).hexdigest(),
            shown.encode()[:LETTER_BYTES],
        )
