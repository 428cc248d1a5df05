"""Minutes and requests for evidence cards: from what a scan has in memory, and from the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detect.evidence import dressed
from gatewatch.frames.executions import refined
from gatewatch.frames.schema import TIME
from gatewatch.frames.selecting import EVERY_API
from gatewatch.records import Finding, Selection
from gatewatch.recounting import judged
from gatewatch.store.executions import with_executions
from gatewatch.store.findings import stored_finding
from gatewatch.store.reading import select_requests
from gatewatch.store.state import State

Requests = Callable[[Sequence[Selection], int], list[pa.Table]]


@dataclass(frozen=True, slots=True)
class Scanned:
    """Tables that are sorted by minute (frames.merge), what reads raw requests back, and EXECUTIONS to refine them."""

    minutes_table: pa.Table
    clients_table: pa.Table
    read_back: Requests
    executions: pa.Table | None = None

    def minutes(self, asked: Selection) -> pa.Table:
        return _of_place(_between(self.minutes_table, asked), asked)

    def clients(self, asked: Selection) -> pa.Table:
        return _of_place(_between(self.clients_table, asked), asked)

    def requests(self, asked: Sequence[Selection], limit: int) -> list[pa.Table]:
        return [refined(one, self.executions) for one in self.read_back(asked, limit)] if asked else []


@dataclass(frozen=True, slots=True)
class Stored:
    """The rows of a store's lake."""

    state: State

    def minutes(self, asked: Selection) -> pa.Table:
        api = None if asked.api == EVERY_API else asked.api
        return _of_place(judged(self.state, asked.since, asked.until, api=api, stage=asked.stage)[0], asked)

    def clients(self, asked: Selection) -> pa.Table:
        api = None if asked.api == EVERY_API else asked.api
        return _of_place(judged(self.state, asked.since, asked.until, api=api, stage=asked.stage)[1], asked)

    def requests(self, asked: Sequence[Selection], limit: int) -> list[pa.Table]:
        return [with_executions(self.state, select_requests(self.state, one, limit=limit)) for one in asked]


def with_cards(state: State, findings: Sequence[Finding]) -> list[Finding]:
    """The findings with their evidence cards; what is said as before keeps the card that it has."""
    with state.read() as session:
        before = {one.id: stored_finding(session, one.id) for one in findings}
    fresh = [one for one in findings if not _same(one, before[one.id])]
    made = {one.id: one for one in dressed(fresh, Stored(state))}
    out = []
    for one in findings:
        stored = before[one.id]
        card = made[one.id].evidence.card if one.id in made or stored is None else stored.evidence.card
        out.append(replace(one, evidence=replace(one.evidence, card=card)))
    return out


def _same(one: Finding, stored: Finding | None) -> bool:
    """Was this said before, word for word but for the card's parts that are filled in here?"""
    if stored is None:
        return False
    bare = {name: value for name, value in stored.evidence.card.items() if name in one.evidence.card}
    told = replace(stored, detected_at=one.detected_at, evidence=replace(stored.evidence, card=bare))
    return told == one


def _between(table: pa.Table, asked: Selection) -> pa.Table:
    """The slice of a table sorted by minute."""
    minute = table.column("minute").cast(pa.int64())
    edges = pa.array([asked.since, asked.until], TIME).cast(pa.int64()).to_numpy()
    first, last = np.searchsorted(minute.to_numpy(), edges, side="left").tolist()
    return table.slice(first, max(last - first, 0))


def _of_place(table: pa.Table, asked: Selection) -> pa.Table:
    """Rows that all conditions hold for, copied once: the first ones alone often hold for nearly the whole table."""
    masks = [
        pc.equal(table.column(name), value)
        for name in ("account", "region", "stage")
        if (value := getattr(asked, name)) is not None
    ]
    if asked.api != EVERY_API:
        masks.append(pc.equal(table.column("api"), asked.api))
    if asked.routes:
        masks.append(pc.is_in(table.column("route"), pa.array(asked.routes)))
    if asked.reject_causes and "reject_cause" in table.column_names:
        masks.append(pc.is_in(table.column("reject_cause"), pa.array(asked.reject_causes)))
    return table.filter(reduce(pc.and_, masks)) if masks else table
