"""Answers of `gatewatch.store.groups` as rows of Python: by group, or as a line over the buckets of a window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dashboard.traffic import bucket_starts, covered, covered_share
from dashboard.view import View, Window
from detect.sight import VARIABLES
from gatewatch.errors import UsageError
from gatewatch.frames import quantiles_ms, visible_columns
from gatewatch.store.groups import Scope
from gatewatch.store.reading import coverage
from gatewatch.store.state import State
from gatewatch.where import Term, parse

Floats = npt.NDArray[np.float64]
Key = tuple[str | None, ...]


def scope_of(window: Window, view: View, **more: Any) -> Scope:
    """The minutes that a view is about."""
    given: dict[str, Any] = {"api": view.api, "stage": view.stage, "route": route_of(view)}
    given |= {"account": view.account, "region": view.region, "places": view.places} | more
    return Scope(window.since, window.until, **given)


def route_of(view: View) -> str | None:
    """The one route that the view's conditions ask for (`route = GET /pets`)."""
    for text in view.f:
        try:
            term = parse(text)
        except UsageError:
            continue
        if (term.field, term.op, len(term.values)) == ("route", "=", 1):
            return str(term.values[0])
    return None


def route_term(route: str) -> str:
    """The condition that `route_of` reads."""
    return str(Term("route", "=", (route,)))


def by_key(table: pa.Table, names: Sequence[str]) -> dict[Key, dict[str, Any]]:
    """The rows of a table by the values of these columns."""
    return {tuple(row[name] for name in names): row for row in table.to_pylist()}


def quantiles_by(
    table: pa.Table, names: Sequence[str], quantiles: Sequence[float] = (0.95,)
) -> dict[Key, tuple[float, ...]]:
    """Of the answer of `minute_histograms`: latencies in ms by group. Groups without any latency are not in it."""
    n, values = quantiles_ms(table.column("b").combine_chunks(), table.column("c").combine_chunks(), quantiles)
    keys = list(zip(*(table.column(name).to_pylist() for name in names), strict=True)) if names else [()] * len(table)
    return {key: tuple(values[row].tolist()) for row, key in enumerate(keys) if n[row]}


@dataclass(frozen=True, slots=True)
class Grid:
    """The buckets of a window. delivered: some source delivered in it, else a missing row is unknown and not 0.

    covered: the share of the window in which one did.
    """

    at: list[datetime]
    size: timedelta
    delivered: npt.NDArray[np.bool_]
    covered: float

    @property
    def minutes(self) -> int:
        return int(self.size.total_seconds()) // 60

    def places(self, table: pa.Table) -> npt.NDArray[np.int64]:
        """For each row with a `bucket` the number of its bucket."""
        first, step = int(self.at[0].timestamp()) * 1_000_000, int(self.size.total_seconds()) * 1_000_000
        places: npt.NDArray[np.int64] = (table.column("bucket").cast(pa.int64()).to_numpy() - first) // step
        return places

    def line(self, table: pa.Table, column: str) -> Floats:
        """A column summed into the buckets; NaN where nothing was delivered."""
        sums = np.zeros(len(self.at))
        if table.num_rows:
            np.add.at(sums, self.places(table), table.column(column).fill_null(0).to_numpy().astype(np.float64))
        return np.where(self.delivered | (sums > 0), sums, np.nan)

    def lines(self, table: pa.Table, names: Mapping[str, str]) -> dict[str, list[float]]:
        """column -> name as name -> line."""
        return {name: self.line(table, column).tolist() for column, name in names.items()}

    def quantiles(self, table: pa.Table, quantiles: Sequence[float]) -> list[list[float]]:
        """Of `minute_histograms` with a step and no other group: one line a quantile, NaN where none was logged."""
        out = np.full((len(quantiles), len(self.at)), np.nan)
        if table.num_rows:
            n, values = quantiles_ms(table.column("b").combine_chunks(), table.column("c").combine_chunks(), quantiles)
            known = n > 0
            out[:, self.places(table)[known]] = values[known].T
        lines: list[list[float]] = out.tolist()
        return lines


def grid_of(state: State, window: Window, *, coarser: int = 1) -> Grid:
    """coarser: so many of the window's buckets in one."""
    size = timedelta(minutes=window.bucket_minutes * coarser)
    starts = bucket_starts(window.since, window.until, size)
    told = coverage(state, window.since, window.until)
    return Grid(starts, size, covered(told, starts, size), covered_share(told, window.since, window.until))


def needs(visible: int | None, *columns: str) -> str | None:
    """`needs $context.x` when none of these columns is in the logs; None when one is."""
    seen = visible_columns(visible or 0)
    if any(column in seen for column in columns):
        return None
    return "not known: needs " + " or ".join(VARIABLES.get(column, f"$context.{column}") for column in columns)
