"""From what ingest made of lines to the store: segments written beside, what is there already, and the commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gatewatch.errors import SourceError
from gatewatch.frames import REQUESTS
from gatewatch.frames.inprocess import in_process
from gatewatch.store.batches import DeadLetter, Outcomes, Position, Segment, commit_batch
from gatewatch.store.lake import publish_segment
from gatewatch.store.manifest import newer_segments
from gatewatch.store.packed import column_sql, pack
from gatewatch.store.state import State
from ingest.identity import Identities
from ingest.queries import IDENTITY_SQL, RECORD
from ingest.work import Result, Task


@dataclass(frozen=True, slots=True)
class LakeWriter:
    """Writes a block's tables as segments of its batch; runs in the worker processes."""

    root: Path

    def write(self, kind: str, table: pa.Table, task: Task, number: int, min_at: datetime, max_at: datetime) -> Segment:
        kept = _stored(table, task) if kind == "requests" else table
        return publish_segment(self.root, kind, task.batch, number, kept, min_at, max_at)


def _stored(accepted: pa.Table, task: Task) -> pa.Table:
    """Accepted rows as rows of REQUESTS. An envelope's event id stands in for an extended request id."""
    columns: dict[str, pa.Array | pa.ChunkedArray] = {name: accepted.column(name) for name in accepted.column_names}
    events = columns["event_id"]
    if events.null_count < len(events):
        named = pc.binary_join_element_wise(pa.scalar("event:"), events, "")
        columns["extended_request_id"] = pc.coalesce(columns["extended_request_id"], named)
    columns["source"] = pa.repeat(pa.scalar(task.source), len(accepted))
    columns["batch"] = pa.repeat(pa.scalar(task.batch), len(accepted))
    return pack(pa.table({name: columns[name] for name in REQUESTS.names}))


def commit_result(
    state: State,
    batch: str,
    done: Result,
    checkpoints: Mapping[str, Position],
    *,
    now: datetime,
    before: Mapping[str, int] | None = None,
    pushes: Sequence[str] = (),
) -> None:
    """Make a leased batch count, with what became of each line.

    before: file -> lines that were read of it earlier. pushes: see commit_batch.
    """
    earlier = before or {}
    commit_batch(
        state,
        batch,
        segments=[segment for segment in done.segments if isinstance(segment, Segment)],
        checkpoints=checkpoints,
        outcomes={
            path: Outcomes(count.lines, count.accepted, count.rejected, count.blank, count.duplicate, count.bytes)
            for path, count in done.files.items()
        },
        reject_counts={
            (path, reason): lines for path, count in done.files.items() for reason, lines in count.reasons.items()
        },
        dead_letters=[
            DeadLetter(
                letter.file,
                letter.line + earlier.get(letter.file, 0),
                letter.offset,
                letter.length,
                letter.reason,
                letter.sha256,
                letter.body,
            )
            for letter in done.letters
        ],
        coverage=done.covered,
        now=now,
        pushes=pushes,
    )


class Kept:
    """Identities of requests that the lake holds already, loaded by segment when a batch reaches into its time."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._newest = 0
        self._mine: set[str] = set()
        self._segments: list[Segment] = []
        self.look()

    def look(self) -> None:
        """Take notice of segments that came since the last look, whoever brought them."""
        with self._state.read() as session:
            self._newest, found = newer_segments(session, "requests", self._newest)
        self._segments += [segment for segment in found if _batch_of(segment) not in self._mine]
        self._mine.clear()

    def mine(self, batch: str) -> None:
        """What this batch writes is known already: its identities were asked about here."""
        self._mine.add(batch)

    def __call__(self, first_s: float, last_s: float) -> Iterator[Identities]:
        reached = [segment for segment in self._segments if _within(segment, first_s, last_s)]
        self._segments = [segment for segment in self._segments if segment not in reached]
        record = ", ".join(f'"{name}"' for name in RECORD)
        names = ", ".join(map(column_sql, RECORD))
        expression = IDENTITY_SQL.format(otherwise=f"ELSE hash({record})")
        while reached:
            segment = reached.pop(0)
            path = self._state.lake.root / segment.path
            if not path.exists():  # joined with others since the manifest was read, long ago
                reached = [one for one in self._state.request_segments() if _within(one, first_s, last_s)]
                if segment in reached:
                    raise SourceError(f"{path}: a segment of the lake is missing; `gatewatch db verify` tells more")
                continue
            try:
                with in_process(threads=1) as connection:
                    columns = connection.execute(
                        f"SELECT {expression} AS identity FROM "
                        f"(SELECT {names}, NULL::VARCHAR AS event_id FROM read_parquet(?))",
                        [str(path)],
                    ).fetchnumpy()
            except duckdb.IOException as error:
                raise SourceError(f"{path}: a segment of the lake cannot be read: {error}") from None
            yield np.asarray(columns["identity"], dtype=np.uint64)


def _batch_of(segment: Segment) -> str:
    return segment.path.rpartition("/")[2].partition("-")[0]


def _within(segment: Segment, first_s: float, last_s: float) -> bool:
    return segment.min_at.timestamp() <= last_s and segment.max_at.timestamp() >= first_s
