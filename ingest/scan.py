"""`scan`: paths -> rollups in memory; nothing is kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from gatewatch.frames import COVERAGE, merge_client_parts, merge_minute_parts
from gatewatch.memory import give_back
from gatewatch.records import JSON
from ingest.executions import Executions
from ingest.files import BLOCK_BYTES, LogFile, Piece, group, split
from ingest.formats.infer import check_explicit
from ingest.formats.template import stage_formats
from ingest.inputs import Inputs, inputs
from ingest.outcome import Chosen
from ingest.packed import Packed
from ingest.pool import Repetitions, run
from ingest.readback import Place, ReadBack
from ingest.work import Config, FileCount, Result, Task

if TYPE_CHECKING:
    from ingest.sources.model import Clients

MERGE_ROWS = 1_000_000
"""Rows that wait unmerged. Beyond it, and beyond twice what the last merge left, they are merged: memory is bounded by
what differs, and the work by a constant share."""


class Progress(Protocol):
    """Who wants to know how far an ingest is."""

    def total(self, size: int) -> None: ...
    def advance(self, size: int, lines: int, accepted: int) -> None: ...
    def note(self, text: str) -> None: ...


@dataclass(slots=True)
class Accounting:
    """Outcomes of all lines: accepted + rejected + blank + duplicate = lines."""

    lines: int = 0
    accepted: int = 0
    rejected: int = 0
    blank: int = 0
    duplicate: int = 0
    files: int = 0
    bytes: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, counts: Iterable[FileCount]) -> None:
        for count in counts:
            self.files += 1
            self.lines += count.lines
            self.accepted += count.accepted
            self.rejected += count.rejected
            self.blank += count.blank
            self.duplicate += count.duplicate
            self.bytes += count.bytes
            for reason, lines in count.reasons.items():
                self.reasons[reason] = self.reasons.get(reason, 0) + lines

    def to_json(self) -> dict[str, JSON]:
        return {
            "lines": self.lines,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "blank": self.blank,
            "duplicate": self.duplicate,
            "files": self.files,
            "bytes": self.bytes,
            "reasons": dict(sorted(self.reasons.items())),
        }


@dataclass(slots=True)
class ScanResult:
    """minutes, clients: merged. errors: what could not be read, one line each. guessed: formats, as a person reads.

    no_logs: files that were passed over and why, one line each. executions: EXECUTIONS of lines among the logs.
    """

    minutes: pa.Table
    clients: pa.Table
    coverage: pa.Table
    accounting: Accounting
    errors: list[str]
    guessed: list[str]
    no_logs: list[str]
    executions: pa.Table


def chosen_formats(
    log_format: str | None, inventory: Mapping[str, object] | None, told: Callable[[str], None]
) -> Chosen:
    """What the user says about formats; UsageError when --log-format cannot be used, told(text): a template cannot."""
    if log_format is not None:
        check_explicit(log_format)
    return Chosen(log_format, tuple(stage_formats(inventory, told)) if inventory is not None else ())


def workers_for(files: Sequence[LogFile], asked: int) -> int:
    """Processes to use: one a core, but a single one for what a block holds (starting more would cost more)."""
    size = sum(file.size if file.kind == "plain" else file.size * 10 for file in files)
    return max(1, min(asked or os.cpu_count() or 1, -(-size // BLOCK_BYTES)))


def scan_paths(
    paths: Sequence[str],
    *,
    log_format: str | None = None,
    inventory: Mapping[str, object] | None = None,
    workers: int = 0,
    hash_key: bytes = b"scan",
    progress: Progress | None = None,
    exclude: Iterable[str] = (),
) -> ScanResult:
    """Read all paths into rollups. What cannot be read stands in `errors`; the others go on."""
    with scanning(
        paths,
        log_format=log_format,
        inventory=inventory,
        workers=workers,
        hash_key=hash_key,
        progress=progress,
        exclude=exclude,
    ) as (result, _):
        return result


@contextmanager
def scanning(
    paths: Sequence[str],
    *,
    log_format: str | None = None,
    inventory: Mapping[str, object] | None = None,
    workers: int = 0,
    hash_key: bytes = b"scan",
    progress: Progress | None = None,
    exclude: Iterable[str] = (),
    clients: Clients | None = None,
    executions: pa.Table | None = None,
) -> Iterator[tuple[ScanResult, ReadBack]]:
    """`scan_paths`, and what reads single requests back from the same files while inside. clients: for s3:// paths.

    executions: EXECUTIONS whose causes count. Where some are found among the logs, all is read once more with them.
    """
    with inputs(paths, inventory, exclude, all_logs=log_format is not None, clients=clients) as found:
        again = False
        if progress is not None:
            progress.total(sum(file.size for file in found.files))
        while True:
            pieces: Iterator[Piece] = (piece for file in found.files for piece in split(file))
            tasks = (Task(number, tuple(several)) for number, several in enumerate(group(pieces)))
            sink = _Sink(found)
            chosen = chosen_formats(log_format, inventory, sink.guessed.append)
            config = Config(hash_key, chosen, executions=executions)
            told = progress.advance if progress is not None and not again else _quiet
            count = workers_for(found.files, workers)
            for result in run(tasks, config, workers=count, repetitions=Repetitions(), told=told):
                sink.take(result)
            said = sink.executions.table()
            if again or not said.num_rows:
                break
            again = True
            executions = said if executions is None else pa.concat_tables([executions, said])
        yield sink.result(), ReadBack(config, sink.places, sink.spans)


def _unpacked(parts: list[Packed]) -> list[pa.Table]:
    """The tables; the list is emptied meanwhile."""
    parts.reverse()
    return [parts.pop().table() for _ in range(len(parts))]


def _quiet(size: int, lines: int, accepted: int) -> None:
    del size, lines, accepted


class _Sink:
    """Gathers results, merging when they grow."""

    def __init__(self, found: Inputs) -> None:
        self.minutes: list[Packed] = []
        self.clients: list[Packed] = []
        self.waiting = 0
        self.merged = 0
        self.files: dict[str, FileCount] = {}
        self.errors = list(found.errors)
        self.no_logs = list(found.no_logs)
        self.guessed: list[str] = []
        self.covered: list[tuple[object, object]] = []
        self.places: list[Place] = []
        self.spans: dict[tuple[int, str], tuple[int, int]] = {}
        self.executions = Executions()

    def take(self, result: Result) -> None:
        for file, count in result.files.items():
            self.files.setdefault(file, FileCount()).add(count)
        self.errors += result.errors
        self.executions.add(result.executions)
        self.no_logs += [f"{file}: {passed.why}" for file, passed in result.passed.items()]
        self.guessed += [text for text in result.guessed if text not in self.guessed]
        self.covered += result.covered
        self.spans |= {(result.task.number, file): span for file, span in result.spans.items()}
        self.places += [Place(result.task, key[0], key[1], key[2], *span) for key, span in result.places.items()]
        self.minutes += result.minutes
        self.clients += result.clients
        self.waiting += sum(table.rows for table in (*result.minutes, *result.clients))
        if self.waiting > max(MERGE_ROWS, 2 * self.merged):
            minutes, clients = self._merge()
            self.minutes, self.clients = [Packed.of(minutes, compressed=True)], [Packed.of(clients, compressed=True)]
            self.merged = self.waiting = len(minutes) + len(clients)

    def _merge(self) -> tuple[pa.Table, pa.Table]:
        minutes, clients = self.minutes, self.clients
        self.minutes, self.clients = [], []
        with ThreadPoolExecutor(1) as beside:  # nobody else has anything to do at the end
            merged = beside.submit(lambda: merge_client_parts(_unpacked(clients)))
            return merge_minute_parts(_unpacked(minutes)), merged.result()

    def result(self) -> ScanResult:
        minutes, clients = self._merge()
        give_back()
        accounting = Accounting()
        accounting.add(self.files.values())
        self.errors += [text for file, count in self.files.items() if (text := count.unreadable(file))]
        coverage = pa.table(
            {
                "source": ["scan"] * len(self.covered),
                "start": [start for start, _ in self.covered],
                "end": [end for _, end in self.covered],
            },
            schema=COVERAGE,
        )
        said = self.executions.table()
        return ScanResult(minutes, clients, coverage, accounting, self.errors, self.guessed, self.no_logs, said)
