"""Adds a table to the lake as segments of a batch of its own, with the place that its source has come to."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from gatewatch.store.batches import Position, abandon_batch, commit_batch, lease_batch, note_checkpoints
from gatewatch.store.lake import publish_segment
from gatewatch.store.state import State

_DAY_US = 86_400_000_000


def append(
    state: State,
    kind: str,
    table: pa.Table,
    *,
    source: str,
    now: datetime,
    checkpoints: Mapping[str, Position] | None = None,
) -> None:
    """Keep the rows (column `at`), and move the checkpoints (by stream), in one transaction. No rows are fine."""
    if not table.num_rows:
        note_checkpoints(state, source, checkpoints or {}, now)
        return
    batch = lease_batch(state, source, f"{socket.gethostname()}:{os.getpid()}")
    try:
        segments = [
            publish_segment(state.lake.root, kind, batch.id, number, part, first, last)
            for number, (part, first, last) in enumerate(_days(table))
        ]
        commit_batch(
            state,
            batch.id,
            segments=segments,
            checkpoints=checkpoints or {},
            outcomes={},
            reject_counts={},
            dead_letters=[],
            coverage=[],
            now=now,
        )
    except BaseException:
        abandon_batch(state, batch.id)  # leaves a committed one as it is
        raise


def _days(table: pa.Table) -> Iterator[tuple[pa.Table, datetime, datetime]]:
    """The rows of each day, with the times of the first and the last: old days can go without the new ones."""
    ordered = table.sort_by("at")
    at = ordered.column("at").cast(pa.int64()).to_numpy()
    begins = np.flatnonzero(np.append(True, np.diff(at // _DAY_US) > 0)).tolist()
    for begin, end in zip(begins, [*begins[1:], len(at)], strict=True):
        first, last = (
            datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(at[place])) for place in (begin, end - 1)
        )
        yield ordered.slice(begin, end - begin), first, last
