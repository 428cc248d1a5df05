"""Holds the lake against the manifest: files that are missing, changed or too many, and rollups that do not add up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from gatewatch.errors import StoreError
from gatewatch.frames.inprocess import in_process
from gatewatch.store.lake import KINDS, Segment
from gatewatch.store.manifest import hour_of, sourced_segments
from gatewatch.store.models import BatchRow, RemovedSegmentRow
from gatewatch.store.state import State


@dataclass(slots=True)
class Verified:
    """problems: one line each."""

    segments: int = 0
    rows: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)


def verify(state: State, *, quick: bool = False) -> Verified:
    """Look at every segment. quick: sizes only, neither checksums nor sums.

    May run beside ingest: what is being written, and what waits to be unlinked, is no problem.
    """
    found = Verified()
    with state.read() as session:
        listed = sourced_segments(session)
        retired = set(session.scalars(select(RemovedSegmentRow.path)))
        open_batches = set(
            session.scalars(
                select(BatchRow.id).where(BatchRow.state.in_(["leased", "abandoned"]), BatchRow.swept_at.is_(None))
            )
        )
        known = set(session.scalars(select(BatchRow.id)))
    whole: list[tuple[str, Segment]] = []
    for source, segment in listed:
        found.segments += 1
        found.rows += segment.rows
        found.bytes += segment.bytes
        problem = _problem(state, segment, quick=quick)
        if problem is None:
            whole.append((source, segment))
        else:
            found.problems.append(f"{segment.path}: {problem}")
    names = {segment.path for _, segment in listed} | retired
    for path in _files(state):
        batch = path.rpartition("/")[2].partition("-")[0]
        # A batch that is not known yet began after the manifest was read.
        if path not in names and batch in known and batch not in open_batches:
            found.problems.append(f"{path}: no line of the manifest names it")
        elif path not in names and batch not in known and not _just_made(state, batch):
            found.problems.append(f"{path}: no batch of this store wrote it")
    if not quick and not found.problems:
        found.problems += _sums(state, whole)
    return found


def _problem(state: State, segment: Segment, *, quick: bool) -> str | None:
    path = state.lake.path(segment.path)
    try:
        size = path.stat().st_size
    except OSError as error:
        return f"missing ({error.strerror or error})"
    if size != segment.bytes:
        return f"{size:,} bytes instead of {segment.bytes:,}"
    if not quick:
        try:
            if state.lake.sha256(path) != segment.sha256:
                return "its content is not what was written (checksum)"
        except StoreError as error:
            return f"cannot be read: {error}"
    return None


def _files(state: State) -> Iterator[str]:
    for kind in KINDS:
        top = state.lake.root / kind
        for folder, _, names in os.walk(top):
            for name in sorted(names):
                yield os.path.relpath(os.path.join(folder, name), state.lake.root).replace(os.sep, "/")


def _just_made(state: State, batch_id: str) -> bool:
    with state.read() as session:
        return session.get(BatchRow, batch_id) is not None


def _sums(state: State, listed: list[tuple[str, Segment]]) -> Iterator[str]:
    """Hours of a source whose minutes do not add up to its requests; hours whose requests are not kept say nothing."""
    requests: dict[tuple[str, datetime], int] = {}
    minutes: dict[tuple[str, datetime], list[str]] = {}
    for source, segment in listed:
        hour = (source, hour_of(segment))
        if segment.kind == "requests":
            requests[hour] = requests.get(hour, 0) + segment.rows
        elif segment.kind == "minutes":
            minutes.setdefault(hour, []).append(str(state.lake.path(segment.path)))
    with in_process(threads=2) as connection:
        for (source, at), count in requests.items():
            told = 0
            for path in minutes.get((source, at), []):
                row = connection.execute("SELECT coalesce(sum(n), 0)::BIGINT FROM read_parquet(?)", [path]).fetchone()
                told += row[0] if row else 0
            if told != count:
                yield f"{source} {at:%Y-%m-%dT%H:00Z}: minutes tell of {told:,} requests, there are {count:,}"
