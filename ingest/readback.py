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
from ingest.work import Config, Task, blocks, heads_of

TASKS_EACH = 3
"""Units of work (a block of some MiB, or a packed file) that are read for one question."""

BYTES = 256 << 20
"""Text that is read back in all, some two seconds."""

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
    """Answers questions for raw requests as long as the files are there (standard input: until the scan is closed)."""

    config: Config
    places: list[Place] = field(default_factory=list)

    def requests(self, asked: Sequence[Selection], limit: int) -> list[pa.Table]:
        """For each question the first `limit` requests by time, as far as the bounds reach; columns of REQUESTS."""
        found = [REQUESTS.empty_table() for _ in asked]
        wanted: dict[int, list[int]] = {}
        tasks: dict[int, Task] = {}
        for number, one in enumerate(asked):
            for task in self._tasks(one):
                tasks[task.number] = task
                wanted.setdefault(task.number, []).append(number)
        budget = BYTES
        engine = Engine(_COLUMNS, self.config.hash_key)
        try:
            for place in sorted(wanted):
                budget -= self._read(engine, tasks[place], asked, wanted[place], found, limit, budget)
                if budget <= 0:
                    break
        finally:
            engine.close()
        return found

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

    def _read(
        self,
        engine: Engine,
        task: Task,
        asked: Sequence[Selection],
        numbers: list[int],
        found: list[pa.Table],
        limit: int,
        budget: int,
    ) -> int:
        """Read a unit of work for the questions `numbers`; how many bytes of text that took."""
        used = 0
        open_ = list(numbers)
        heads = heads_of(task.pieces)
        chosen = replace(self.config.chosen, hint=task.pieces[0].file.hint, heads=heads)
        try:
            for block in blocks(task.pieces, {}, lambda _file, _why: None):
                rows = engine.read(block, chosen).accepted
                used += block.size
                for number in list(open_):
                    more = _whole(selected(rows, asked[number]))
                    found[number] = _first(pa.concat_tables([found[number], more]), limit)
                    if len(found[number]) >= limit:
                        open_.remove(number)
                if not open_ or used >= budget:
                    break
        except SourceError:
            pass  # it was read a moment ago; a file that is gone only costs its examples
        return used


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
