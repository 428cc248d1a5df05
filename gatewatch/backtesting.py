"""Backtests: the detectors over a stored range as if it were live, with the settings in force and with others.

The same blocks, folds and conclusions as a tick and a scan; only nothing is kept. The range is read in slices of some
hours, so that months fit into memory, and before it a history that the baselines learn from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from detect.conclude import conclude
from detect.model import Block, Context, epoch_minute
from detect.run import beside, cut, fold, frames_of
from gatewatch.evaluating import history
from gatewatch.records import JSON, Blind, Finding, Kind
from gatewatch.recounting import judged
from gatewatch.store.feedback import required_scores
from gatewatch.store.manifest import segments
from gatewatch.store.reading import coverage
from gatewatch.store.state import State
from gatewatch.surroundings import surrounded, with_spans
from gatewatch.verdicts import believed

SLICE_ROWS = 2_000_000
SLICE_HOURS = 24
_HOUR = timedelta(hours=1)

Told = Callable[[int, int], None]
"""Called after each slice with its minutes and requests."""

COMPARED: tuple[str, ...] = ("severity", "subtype", "cause", "layer", "start", "end", "detected_at")
"""Fields of a finding whose difference makes it a changed one."""


@dataclass(slots=True)
class Replayed:
    """What one run says: all findings, and what it could not judge."""

    findings: list[Finding] = field(default_factory=list)
    blind: list[Blind] = field(default_factory=list)
    states: dict[str, JSON] = field(default_factory=dict)


@dataclass(slots=True)
class Backtest:
    """runs: one for each context. requests, apis: of the range without its history."""

    since: datetime
    until: datetime
    runs: list[Replayed]
    requests: int = 0
    apis: int = 0

    @property
    def api_weeks(self) -> float:
        return self.apis * ((self.until - self.since) / timedelta(weeks=1))


@dataclass(frozen=True, slots=True)
class Change:
    """A finding before and after, and the fields that differ."""

    before: Finding
    after: Finding
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """New, gone, changed and unchanged findings, each by start."""

    new: list[Finding]
    gone: list[Finding]
    changed: list[Change]
    same: list[Finding]


def backtest(
    state: State,
    contexts: Sequence[Context],
    since: datetime,
    until: datetime,
    *,
    only: Collection[str] | None = None,
    told: Told | None = None,
) -> Backtest:
    """Run the detectors (only: these) over [since, until) with each context. Nothing is written.

    What a context does not say of inventory, changes, metrics and spans, the store says; and what people said of
    findings counts as it does for a tick.

    Of the findings those are given that a live service would have raised, or had open, in the range.
    """
    out = Backtest(since, until, [Replayed() for _ in contexts])
    said: list[dict[str, Finding]] = [{} for _ in contexts]
    apis: set[tuple[str | None, ...]] = set()
    begin = since - _history(contexts)
    contexts = [surrounded(state, context, begin, until, history=begin) for context in contexts]
    with state.read() as session:
        required = required_scores(session)
    for block in stored_blocks(state, begin, until):
        for place, (run, context) in enumerate(zip(out.runs, contexts, strict=True)):
            found, run.blind, run.states = fold(cut(block), context, run.states, only)
            said[place] |= {finding.id: finding for finding in found}
        requests = 0
        if block.end > since:
            requests = int(block.stages["n"].sum())
            apis |= {key[:3] for key in block.stage_grid.keys}
        out.requests += requests
        if told is not None:
            told(block.minutes, requests)
    out.apis = len(apis)
    for run, context, mine in zip(out.runs, contexts, said, strict=True):
        later, run.states = beside(context, run.states, epoch_minute(begin), epoch_minute(until), only)
        mine |= {finding.id: finding for finding in later}
        context = with_spans(state, context, mine.values(), until)
        whole = believed(conclude(list(mine.values()), run.states, until, context), required)
        run.findings = [one for one in whole if one.detected_at >= since or one.end is None or one.end > since]
    return out


def minutes_to_replay(state: State, contexts: Sequence[Context], since: datetime, until: datetime) -> int:
    """How many minutes a backtest of the range goes through, its history included."""
    begin = since - _history(contexts)
    return sum(int((end - start) / timedelta(minutes=1)) for start, end in _slices(state, begin, until))


def _history(contexts: Sequence[Context]) -> timedelta:
    """Time before the range that is replayed, too: baselines are as old as they would have been."""
    return max(history(context.settings) for context in contexts)


def stored_blocks(state: State, since: datetime, until: datetime) -> Iterator[Block]:
    """The stored minutes of [since, until) as blocks in the order of time, from the first that there is."""
    # Whole, not slice by slice: a short pause between two intervals is none, wherever a slice ends.
    intervals = coverage(state, since, until)
    for start, end in _slices(state, since, until):
        minutes, clients = judged(state, start, end)
        yield frames_of(minutes, clients, intervals, epoch_minute(start), epoch_minute(end))


def _slices(state: State, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """Neighbouring stretches of whole hours with about SLICE_ROWS rows each, a day at most."""
    with state.read() as session:
        listed = segments(session, "minutes", since, until)
    if not listed:
        return []
    first = max(since, min(segment.min_at for segment in listed)).replace(second=0, microsecond=0)
    last = min(until, max(segment.max_at for segment in listed) + timedelta(minutes=1)).replace(second=0, microsecond=0)
    rows: dict[datetime, int] = {}
    for segment in listed:
        hour = segment.min_at.replace(minute=0, second=0, microsecond=0)
        rows[hour] = rows.get(hour, 0) + segment.rows
    out: list[tuple[datetime, datetime]] = []
    begin = first
    while begin < last:
        end, total = begin.replace(minute=0) + _HOUR, rows.get(begin.replace(minute=0), 0)
        while end < last and end - begin < _HOUR * SLICE_HOURS and total + rows.get(end, 0) <= SLICE_ROWS:
            total += rows.get(end, 0)
            end += _HOUR
        out.append((begin, min(end, last)))
        begin = min(end, last)
    return out


def difference(before: Sequence[Finding], after: Sequence[Finding]) -> Difference:
    """Findings of one problem (fingerprint) that overlap in time are the same one."""
    left = sorted(before, key=lambda one: (one.start, one.id))
    new, changed, same = [], [], []
    for one in sorted(after, key=lambda one: (one.start, one.id)):
        old = next((other for other in left if other.fingerprint == one.fingerprint and _touch(one, other)), None)
        if old is None:
            new.append(one)
            continue
        left.remove(old)
        fields = tuple(name for name in COMPARED if getattr(old, name) != getattr(one, name))
        if fields:
            changed.append(Change(old, one, fields))
        else:
            same.append(one)
    return Difference(new, left, changed, same)


def _touch(one: Finding, other: Finding) -> bool:
    return (one.end is None or one.end >= other.start) and (other.end is None or other.end >= one.start)


def by_kind(findings: Sequence[Finding]) -> dict[Kind, int]:
    counts = dict.fromkeys(Kind, 0)
    for one in findings:
        counts[one.kind] += 1
    return counts


def range_of(state: State) -> tuple[datetime, datetime] | None:
    """First minute of the store, and the one after the last; None when it is empty."""
    with state.read() as session:
        listed = segments(session, "minutes")
    if not listed:
        return None
    last = max(segment.max_at for segment in listed) + timedelta(minutes=1)
    return min(segment.min_at for segment in listed), last.replace(second=0, microsecond=0)
