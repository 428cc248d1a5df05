"""Minutes in, findings out: rollup, the folds of all detectors, and one finding a cause."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from detect.conclude import conclude
from detect.grid import MINUTE_US, micros
from detect.model import DETECTORS, Block, Context, epoch_minute, minute_at
from gatewatch.frames import merge_clients, rollup
from gatewatch.records import JSON, Blind, Finding

BLOCK_ROWS = 3_000_000
"""Cells (route series × minutes) of one block: bounds memory; any cut gives the same findings."""


@dataclass(frozen=True, slots=True)
class Detection:
    """findings: one a cause, by start. blind: what could not be judged. states: by detector, to go on from."""

    findings: list[Finding]
    blind: list[Blind]
    states: dict[str, JSON] = field(default_factory=dict)


def detect(
    minutes: pa.Table,
    clients: pa.Table,
    coverage: pa.Table,
    context: Context,
    *,
    states: Mapping[str, JSON] | None = None,
    since: datetime | None = None,
    only: Collection[str] | None = None,
) -> Detection:
    """Run every detector (only: these) over the minutes (MINUTES, CLIENTS, COVERAGE of any number of batches).

    states: of an earlier call; the minutes it has seen are passed over. since: first minute to look at, when earlier.
    The last minute is that of the last row or of the end of the coverage, whichever is later.
    """
    states = dict(states or {})
    span = _span(minutes, coverage, states, since)
    if span is None:
        return Detection([], [], states)
    blocks = list(cut(frames_of(minutes, clients, coverage, *span)))
    found, blind, states = fold(blocks, context, states, only)
    return Detection(conclude(found, states, minute_at(span[1]), context), blind, states)


def frames_of(minutes: pa.Table, clients: pa.Table, coverage: pa.Table, start: int, stop: int) -> Block:
    """One block of all minutes start … stop - 1 (since the epoch)."""
    first, last = minute_at(start), minute_at(stop)

    def part(table: pa.Table) -> pa.Table:
        column = table.column("minute")
        inside = pc.and_(pc.greater_equal(column, pa.scalar(first)), pc.less(column, pa.scalar(last)))
        return table.filter(inside)

    mine = part(minutes)
    return Block(
        first,
        last,
        rollup(mine, by_route=False),
        rollup(mine, by_route=True),
        merge_clients(part(clients)).to_pandas(),
        coverage.to_pandas(),
    )


def cut(block: Block, *, every: int | None = None) -> Iterator[Block]:
    """The same minutes in several blocks of `every` minutes, by default as many as fit BLOCK_ROWS."""
    if every is None:
        routes = len(block.routes[["api", "stage", "route"]].drop_duplicates()) if len(block.routes) else 1
        every = max(60, BLOCK_ROWS // max(routes, 1))
    if block.minutes <= every:
        yield block
        return
    frames = (block.stages, block.routes, block.clients)
    at = [micros(frame["minute"]) // MINUTE_US for frame in frames]
    order = [np.argsort(column, kind="stable") for column in at]
    frames = tuple(frame.iloc[rows] for frame, rows in zip(frames, order, strict=True))  # type: ignore[assignment]
    at = [column[rows] for column, rows in zip(at, order, strict=True)]
    for begin in range(block.first, block.first + block.minutes, every):
        end = min(begin + every, block.first + block.minutes)
        parts = [
            frame.iloc[int(np.searchsorted(column, begin)) : int(np.searchsorted(column, end))]
            for frame, column in zip(frames, at, strict=True)
        ]
        yield Block(minute_at(begin), minute_at(end), parts[0], parts[1], parts[2], block.coverage)


def between(block: Block, first: int, stop: int) -> Block:
    """The minutes first … stop - 1 (since the epoch) of a block."""
    frames = []
    for frame in (block.stages, block.routes, block.clients):
        minute = micros(frame["minute"]) // MINUTE_US
        frames.append(frame[(minute >= first) & (minute < stop)])
    return replace(
        block, start=minute_at(first), end=minute_at(stop), stages=frames[0], routes=frames[1], clients=frames[2]
    )


def fold(
    blocks: Iterable[Block], context: Context, states: Mapping[str, JSON], only: Collection[str] | None = None
) -> tuple[list[Finding], list[Blind], dict[str, JSON]]:
    """Every detector over the blocks, in their order. Findings by id as they stood last."""
    found: dict[str, Finding] = {}
    blind: list[Blind] = []
    after: dict[str, JSON] = dict(states)
    blocks = list(blocks)
    for name in DETECTORS if only is None else [name for name in DETECTORS if name in only]:
        one = DETECTORS[name]()
        state = after.get(name)
        state = one.start() if state is None else cast(dict[str, JSON], state)["state"]
        mine: list[Blind] = []
        for block in blocks:
            state, findings, mine = one.step(state, block, context)
            found.update({finding.id: finding for finding in findings})
        after[name] = {"clock": blocks[-1].first + blocks[-1].minutes, "state": state}
        blind += mine
    ordered = sorted(found.values(), key=lambda finding: (finding.start, finding.kind, finding.id))
    return ordered, blind, after


def _span(
    minutes: pa.Table, coverage: pa.Table, states: Mapping[str, JSON], since: datetime | None
) -> tuple[int, int] | None:
    """First minute to look at and the one after the last."""
    ends = []
    begins = []
    if minutes.num_rows:
        times = pc.min_max(minutes.column("minute")).as_py()
        begins.append(epoch_minute(times["min"]))
        ends.append(epoch_minute(times["max"]) + 1)
    if coverage.num_rows and (last := pc.max(coverage.column("end")).as_py()) is not None:
        ends.append(epoch_minute(pd.Timestamp(last).to_pydatetime()))
    clocks = [cast(int, cast(dict[str, JSON], state)["clock"]) for state in states.values()]
    if clocks:
        begins = [max(clocks)]
    elif since is not None and begins:
        begins = [max(epoch_minute(since), begins[0])]
    if not begins or not ends or begins[0] >= max(ends):
        return None
    return begins[0], max(ends)
