"""A limit that is not there yet, replayed on the calls that were: who would be refused, how often, since when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dashboard.data import Reader
from dashboard.summing import Grid, grid_of, scope_of
from dashboard.view import View, Window
from gatewatch.store.demand import arrivals
from gatewatch.whatif import Ints, Mask, bucket_refuses, for_each, window_refuses

MOST_CALLS = 300_000
MOST_HIT = 40
WINDOWS_S = (60, 120, 300, 600)
"""Of a WAF rate rule (aws-facts.md 8)."""

LEAST_WAF = 10


class Per(StrEnum):
    """Who shares a limit."""

    STAGE = "stage"
    ROUTE = "route"
    CALLER = "caller"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class Proposed:
    """A limit of a stage: calls a second, and at once. ADDRESS: `rate` calls in `burst` seconds, as a WAF rate rule."""

    api: str
    stage: str | None
    per: Per
    rate: float
    burst: int


@dataclass(frozen=True, slots=True)
class Hit:
    client_id: str | None
    asked: int
    refused: int
    first_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """since: from when on calls were replayed, which is later than the range when there were too many.

    now: how many a limit refused then. whole_seconds: the logs tell no parts of seconds, nor the order within one.
    """

    proposed: Proposed
    since: datetime
    until: datetime
    cut: bool
    calls: int
    refused: int
    now: int
    callers: int
    hit: list[Hit]
    callers_hit: int
    first_at: datetime | None
    grid: Grid
    series: Mapping[str, list[float]]
    whole_seconds: bool

    @property
    def share(self) -> float:
        return self.refused / self.calls if self.calls else float("nan")


WOULD, DID = "would be refused", "were refused then"


def outcome(reader: Reader, view: View, window: Window, proposed: Proposed) -> Outcome:
    """Replay it on the last calls of the window."""
    state = reader.store()
    scope = scope_of(window, view, api=proposed.api, stage=proposed.stage)
    calls, since = arrivals(state, scope, limit=MOST_CALLS)
    at_us = calls.column("at").cast(pa.int64()).to_numpy()
    refused = refusals(calls, at_us, proposed)
    cut = calls.column("cut").to_numpy(zero_copy_only=False).astype(bool)
    grid = grid_of(state, window)
    clients, codes = coded(calls.column("client_id"))
    counts = np.bincount(codes, weights=refused, minlength=len(clients)).astype(np.int64)
    asked = np.bincount(codes, minlength=len(clients))
    order = np.lexsort((-asked, -counts))[: min(MOST_HIT, int((counts > 0).sum()))]
    first = np.full(len(clients), -1, dtype=np.int64)
    places = np.flatnonzero(refused)[::-1]
    first[codes[places]] = at_us[places]
    return Outcome(
        proposed=proposed,
        since=since,
        until=window.until,
        cut=since > window.since,
        calls=len(calls),
        refused=int(refused.sum()),
        now=int(cut.sum()),
        callers=len(clients),
        hit=[Hit(clients[place], int(asked[place]), int(counts[place]), _at(int(first[place]))) for place in order],
        callers_hit=int((counts > 0).sum()),
        first_at=_at(int(at_us[np.argmax(refused)])) if refused.any() else None,
        grid=grid,
        series={WOULD: _line(grid, at_us[refused], since), DID: _line(grid, at_us[cut], since)},
        whole_seconds=bool(len(at_us)) and not bool((at_us % 1_000_000).any()),
    )


def refusals(calls: pa.Table, at_us: Ints, proposed: Proposed) -> Mask:
    """Which calls the limit refuses."""

    def bucket(mine: Ints) -> Mask:
        return bucket_refuses(mine, proposed.rate, proposed.burst)

    def rule(mine: Ints) -> Mask:
        return window_refuses(mine, int(proposed.rate), proposed.burst)

    if proposed.per is Per.STAGE:
        return bucket(at_us)
    name = {Per.ROUTE: "route", Per.CALLER: "client_id", Per.ADDRESS: "client_ip"}[proposed.per]
    values, codes = coded(calls.column(name))
    refused = for_each(codes, at_us, rule if proposed.per is Per.ADDRESS else bucket)
    # What has no name in the logs cannot have a limit of its own.
    nameless = [place for place, value in enumerate(values) if value is None]
    return refused & ~np.isin(codes, nameless) if proposed.per is not Per.ROUTE else refused


def coded(column: pa.ChunkedArray) -> tuple[list[str | None], Ints]:
    """(the different values, for each row the place of its own)."""
    encoded = pc.dictionary_encode(column.combine_chunks(), null_encoding="encode")
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _line(grid: Grid, at_us: Ints, since: datetime) -> list[float]:
    """How many a bucket; NaN before what was replayed."""
    first, size = int(grid.at[0].timestamp()) * 1_000_000, int(grid.size / timedelta(microseconds=1))
    n = np.bincount((at_us - first) // size, minlength=len(grid.at)).astype(np.float64)[: len(grid.at)]
    known = np.array([start + grid.size > since for start in grid.at]) & (grid.delivered | (n > 0))
    line: list[float] = np.where(known, n, np.nan).tolist()
    return line


def _at(us: int) -> datetime:
    return datetime.fromtimestamp(us / 1_000_000, UTC)


def steps(top: float) -> tuple[float, float]:
    """(largest value, step) of a slider that reaches `top` in some two hundred steps."""
    sizes: Sequence[float] = (0.1, 0.5, 1, 5, 10, 50, 100, 500, 1000)
    step = next((size for size in sizes if top / size <= 200), 1000)
    return max(step * round(top / step + 0.5), step * 10), step
