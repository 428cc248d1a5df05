"""Raw requests read back from files that were scanned: a scan keeps sums only, and a finding wants to show a few.

Which unit of work held which stage at which time is remembered; of these only the first few that a question touches
are read again, with every column. The work is bounded however many questions there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pyarrow as pa

from gatewatch.errors import SourceError
from gatewatch.frames import REQUESTS
from gatewatch.frames.selecting import EVERY_API, selected
from gatewatch.records import Selection
from ingest.engine import Engine
from ingest.files import Piece
from ingest.work import Config, Task, blocks, heads_of

TASKS_EACH = 8
"""Units of work that are looked into for one question."""

BYTES_EACH = 32 << 20
"""Text that is read back for one question; and as much for each of eight questions in all, some two seconds."""

BYTES = 8 * BYTES_EACH
FILES_AT_ONCE = 8

_COLUMNS = [name for name in REQUESTS.names if name not in {"source", "batch"}]
_ORDER = [("at", "ascending"), ("extended_request_id", "ascending"), ("request_id", "ascending")]


@dataclass(slots=True)
class Place:
    """The minutes of one stage in one unit of work."""

    task: Task
    account: str | None
    api: str | None
    stage: str | None
    first: datetime
    last: datetime


@dataclass(slots=True)
class ReadBack:
    """Answers questions for raw requests as long as the files are there (standard input: until the scan is closed).

    spans: first and last minute (since the epoch) by unit of work and file.
    """

    config: Config
    places: list[Place] = field(default_factory=list)
    spans: dict[tuple[int, str], tuple[int, int]] = field(default_factory=dict)

    def requests(self, asked: Sequence[Selection], limit: int) -> list[pa.Table]:
        """For each question the first `limit` requests by time, as far as the bounds reach; columns of REQUESTS."""
        questions, used = [_Question(one, limit) for one in asked], 0
        engine = Engine(_COLUMNS, self.config.hash_key)
        try:
            for question in questions:
                for task in self._tasks(question.asked):
                    if not question.done and used < BYTES:
                        before = question.used
                        self._read(engine, task, question)
                        used += question.used - before
        finally:
            engine.close()
        return [question.found for question in questions]

    def _tasks(self, asked: Selection) -> list[Task]:
        """The first units of work that may hold some of them."""
        hits: dict[int, Place] = {}
        for place in sorted(self.places, key=lambda place: (place.first, place.task.number)):
            if asked.api not in (EVERY_API, place.api) or (asked.stage or place.stage) != place.stage:
                continue
            if (asked.account or place.account) != place.account:
                continue
            if place.first < asked.until and place.last + timedelta(minutes=1) > asked.since:
                hits.setdefault(place.task.number, place)
        return [place.task for place in hits.values()][:TASKS_EACH]

    def _read(self, engine: Engine, task: Task, question: _Question) -> None:
        """Read the files of a unit of work that may answer the question, in the order of their time."""
        pieces = self._pieces(task, question.asked)
        chosen = replace(self.config.chosen, hint=task.pieces[0].file.hint, heads=heads_of(task.pieces))
        for start in range(0, len(pieces), FILES_AT_ONCE):
            some = pieces[start : start + FILES_AT_ONCE]
            try:
                for block in blocks(some, {}, lambda _file, _why: None):
                    question.took(block.size, engine.read(block, chosen).accepted)
                    if question.done:
                        return
            except SourceError:
                continue  # it was read a moment ago; a file that is gone only costs its examples

    def _pieces(self, task: Task, asked: Selection) -> list[Piece]:
        since, until = (int(at.timestamp() // 60) for at in (asked.since, asked.until))
        found = []
        for piece in task.pieces:
            first, last = self.spans.get((task.number, piece.file.name), (since, until))
            if first <= until and last >= since:
                found.append((first, piece.file.name, piece.offset, piece))
        return [piece for *_, piece in sorted(found, key=lambda one: one[:3])]


@dataclass(slots=True)
class _Question:
    """One selection, and what was found of it. used: bytes read for it."""

    asked: Selection
    limit: int
    found: pa.Table = field(default_factory=REQUESTS.empty_table)
    used: int = 0

    @property
    def done(self) -> bool:
        return len(self.found) >= self.limit or self.used >= BYTES_EACH

    def took(self, size: int, rows: pa.Table) -> None:
        self.used += size
        more = _whole(selected(rows, self.asked))
        self.found = _first(pa.concat_tables([self.found, more]), self.limit)


def _whole(rows: pa.Table) -> pa.Table:
    columns = [
        rows.column(field.name).cast(field.type) if field.name in rows.column_names else pa.nulls(len(rows), field.type)
        for field in REQUESTS
    ]
    return pa.table(columns, schema=REQUESTS)


def _first(rows: pa.Table, limit: int) -> pa.Table:
    """The first by time, a request once."""
    rows = rows.sort_by(_ORDER)
    seen: set[tuple[object, ...]] = set()
    kept = []
    names = ("at", "extended_request_id", "request_id", "client_ip", "path")
    for place, key in enumerate(zip(*(rows.column(name).to_pylist() for name in names), strict=True)):
        if key not in seen:
            seen.add(key)
            kept.append(place)
        if len(kept) >= limit:
            break
    return rows.take(pa.array(kept, pa.int64()))
