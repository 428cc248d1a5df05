"""Minutes in, findings out: rollup, the folds of all detectors, and one finding a cause."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from detect import codec
from detect.conclude import conclude
from detect.grid import MINUTE_US, micros
from detect.model import DETECTORS, Block, Context, epoch_minute, minute_at
from gatewatch.frames import CLIENTS, COVERAGE, MINUTES, merge_clients, stage_and_route_frames
from gatewatch.memory import give_back
from gatewatch.records import JSON, Blind, Finding, Kind

_DAY = 24 * 60

BLOCK_ROWS = 3_000_000
"""Cells (route series × minutes) of one block: bounds memory; any cut gives the same findings."""

ANSWERED = 10
"""Minutes after the last change that a scan looks at: what was put back at once is no news."""

BESIDE: frozenset[str] = frozenset({"config_change"})
"""Detectors that need no minutes: they go on where the logs end."""

SLICE_ROWS = 60_000
"""Rows of minutes whose frames are made at a time: about 600 bytes a row, twice while they are made."""


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
    The last minute is that of the last row or of the end of the coverage, whichever is later. Without states, lines
    that are further apart than `dead_after_days` are judged as if they were logs of their own.
    """
    states = dict(states or {})
    span = _span(minutes, coverage, states, since)
    changed = [one.change.at for one in context.events]
    if span is None and not changed:
        return Detection([], [], states)
    if span is None:
        span = epoch_minute(min(changed)), epoch_minute(min(changed))
    ended: list[Finding] = []
    if not states:
        hole = round(context.settings.dead_after_days * _DAY)
        *earlier, newest = _stretches(minutes, *span, hole)
        if earlier:
            ended, states = _ended(minutes, clients, coverage, context, earlier, newest[0], only)
        span = newest
    slices = _slices(minutes, clients, *span)
    blocks = (block for part in slices for block in cut(frames_of(part[0], part[1], coverage, part[2], part[3])))
    found, blind, states = fold(blocks, context, states, only)
    if changed:
        last = max(changed) + timedelta(minutes=ANSWERED)
        more, states = beside(context, states, span[1], epoch_minute(last), only)
        found = [*{one.id: one for one in (*found, *more)}.values()]
    return Detection([*ended, *conclude(found, states, minute_at(span[1]), context)], blind, states)


def _ended(
    minutes: pa.Table,
    clients: pa.Table,
    coverage: pa.Table,
    context: Context,
    stretches: Iterable[tuple[int, int]],
    until: int,
    only: Collection[str] | None,
) -> tuple[list[Finding], dict[str, JSON]]:
    """What was found in stretches that long holes end, each judged for itself; and states of what needs no minutes.

    Whatever went on at the end of a stretch ends with it; what seemed dead there is judged by the last stretch alone.
    """
    found: list[Finding] = []
    mine = set(DETECTORS if only is None else only) - BESIDE
    first = until
    for start, stop in stretches:
        first = min(first, start)
        blocks = (
            block
            for part in _slices(minutes, clients, start, stop)
            for block in cut(frames_of(part[0], part[1], coverage, part[2], part[3]))
        )
        told, _, states = fold(blocks, context, {}, mine)
        at = minute_at(stop)
        found += [
            one if one.end is not None else replace(one, end=at)
            for one in conclude(told, states, at, context)
            if one.end is not None or one.kind is not Kind.DEAD_API
        ]
    told, states = beside(context, {}, first, until, only)
    return [*found, *conclude(told, states, minute_at(until), context)], states


def beside(
    context: Context, states: Mapping[str, JSON], begin: int, until: int, only: Collection[str] | None = None
) -> tuple[list[Finding], dict[str, JSON]]:
    """What detectors say that need no minutes, of the minutes before `until` (since the epoch) that have none.

    begin: from where on, for those without a state.
    """
    found: list[Finding] = []
    after = dict(states)
    for name in sorted(BESIDE if only is None else BESIDE & set(only)):
        stored = cast(dict[str, JSON] | None, after.get(name))
        first = begin if stored is None else cast(int, stored["clock"])
        if first >= until:
            continue
        block = frames_of(MINUTES.empty_table(), CLIENTS.empty_table(), COVERAGE.empty_table(), first, until)
        told, _, after = fold([block], context, after, {name})
        found += told
    return found, after


def frames_of(minutes: pa.Table, clients: pa.Table, coverage: pa.Table, start: int, stop: int) -> Block:
    """One block of all minutes start … stop - 1 (since the epoch)."""
    stages, routes = stage_and_route_frames(_within(minutes, start, stop))
    return Block(
        minute_at(start),
        minute_at(stop),
        stages,
        routes,
        merge_clients(_within(clients, start, stop)).to_pandas(),
        coverage.to_pandas(),
    )


def _stretches(minutes: pa.Table, start: int, stop: int, hole: int) -> list[tuple[int, int]]:
    """[start, stop) without what lies between minutes that are further apart than `hole` minutes.

    Nothing that is known of an API says anything after so long without a line of any; and files that hold some days of
    several years would be walked for every minute between them.
    """
    at = np.unique(micros(minutes.column("minute").to_pandas()) // MINUTE_US)
    at = at[(at >= start) & (at < stop)]
    cuts = np.flatnonzero(np.diff(at) > hole)
    begins = [start, *(int(at[place + 1]) for place in cuts)]
    ends = [*(int(at[place]) + 1 for place in cuts), stop]
    return list(zip(begins, ends, strict=True))


def _slices(
    minutes: pa.Table, clients: pa.Table, start: int, stop: int
) -> Iterator[tuple[pa.Table, pa.Table, int, int]]:
    """The tables of consecutive spans of minutes, each of about SLICE_ROWS rows of minutes: frames take much memory."""
    at = micros(minutes.column("minute").to_pandas()) // MINUTE_US - start
    rows = np.cumsum(np.bincount(at[(at >= 0) & (at < stop - start)], minlength=stop - start))
    begin = start
    while begin < stop:
        before = int(rows[begin - start - 1]) if begin > start else 0
        end = start + int(np.searchsorted(rows, before + SLICE_ROWS, side="right"))
        end = min(max(end, begin + 60), stop)
        yield _within(minutes, begin, end), _within(clients, begin, end), begin, end
        begin = end


def _within(table: pa.Table, start: int, stop: int) -> pa.Table:
    """The rows of the minutes start … stop - 1 (since the epoch)."""
    column = table.column("minute")
    at = column.cast(pa.int64()).to_numpy()
    if (at[1:] >= at[:-1]).all():  # as a scan gives them: nothing has to be copied
        low, high = np.searchsorted(at, [start * MINUTE_US, stop * MINUTE_US]).tolist()
        return table.slice(low, high - low)
    first, last = pa.scalar(minute_at(start)), pa.scalar(minute_at(stop))
    return table.filter(pc.and_(pc.greater_equal(column, first), pc.less(column, last)))


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
    blocks: Iterable[Block],
    context: Context,
    states: Mapping[str, JSON],
    only: Collection[str] | None = None,
    *,
    live: bool = False,
) -> tuple[list[Finding], list[Blind], dict[str, JSON]]:
    """Every detector over the blocks, in their order. Findings as they stood last, blind spots of the last block.

    live: the states that are given may live, those that come back do (detect.codec), and the given ones are used up.
    """
    found: dict[str, Finding] = {}
    blind: dict[str, list[Blind]] = {}
    after: dict[str, JSON] = dict(states)
    detectors = {name: DETECTORS[name]() for name in DETECTORS if only is None or name in only}
    context = replace(context, live=True)
    for block in blocks:
        for name, one in detectors.items():
            state = after.get(name)
            state = one.start() if state is None else cast(dict[str, JSON], state)["state"]
            state, findings, blind[name] = one.step(state, block, context)
            found.update({finding.id: finding for finding in findings})
            after[name] = cast(JSON, {"clock": block.first + block.minutes, "state": state})
        del block
        give_back()
    if not live:
        after = {name: codec.settled(state) if name in detectors else state for name, state in after.items()}
    ordered = sorted(found.values(), key=lambda finding: (finding.start, finding.kind, finding.id))
    return ordered, [one for mine in blind.values() for one in mine], after


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
