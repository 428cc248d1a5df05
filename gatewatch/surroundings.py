"""What the store knows beside the traffic (inventory, changes, metrics, spans), put in and given to detectors."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pyarrow as pa

from detect import executed, layers
from detect.asked import SERVICES
from detect.changes import AFTER, BEFORE
from detect.configuration import Version, version_of
from detect.meter import name_left, unknown_names
from detect.model import Context
from gatewatch.records import JSON, Change, ChangeEvent, Finding, Kind
from gatewatch.store.changes import changes, save_changes
from gatewatch.store.coarse import api_list
from gatewatch.store.executions import read_executions, save_executions
from gatewatch.store.inventories import current_inventory, save_inventory, snapshot_document, snapshots
from gatewatch.store.manifest import has_segments
from gatewatch.store.points import read_metrics, save_points
from gatewatch.store.spans import read_spans, save_spans
from gatewatch.store.state import Session, State

_UNJUDGED = timedelta(days=1)
"""Counts of so long before the first minute may wait to be judged: the longest period of CloudWatch."""

MOST_VERSIONS = 60
"""Inventories that are compared: the newest."""

_READ: dict[tuple[str, datetime], Version] = {}
"""Settings of versions that were read already: a version never changes, and every tick looks at the same ones."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What was new: a version of the inventory, changes, datapoints, rows of spans and of execution logs."""

    inventory: bool = False
    changes: int = 0
    points: int = 0
    spans: int = 0
    executions: int = 0

    def __str__(self) -> str:
        said = ["a new inventory"] if self.inventory else []
        counts = (
            ("changes", self.changes),
            ("datapoints", self.points),
            ("rows of traces", self.spans),
            ("refused requests of execution logs", self.executions),
        )
        said += [f"{n:,} {name}" for name, n in counts if n]
        return ", ".join(said) or "nothing new"


def keep(
    state: State,
    *,
    now: datetime,
    source: str,
    inventory: Mapping[str, JSON] | None = None,
    events: Sequence[ChangeEvent] = (),
    points: pa.Table | None = None,
    spans: pa.Table | None = None,
    executions: pa.Table | None = None,
) -> Kept:
    """Put documents into the store. The same again changes nothing."""
    version = None
    if inventory is not None:
        version = state.run(lambda session: save_inventory(session, inventory, source=source, now=now))
    added = state.run(lambda session: save_changes(session, events, source=source, now=now)) if events else 0
    return Kept(
        version is not None,
        added,
        0 if points is None else save_points(state, points, source=source, now=now),
        0 if spans is None else save_spans(state, spans, source=source, now=now),
        0 if executions is None else save_executions(state, executions, source=source, now=now),
    )


def known_inventory(state: State) -> dict[str, JSON] | None:
    """What is there now, by the newest inventories; None when there was never one."""
    with state.read() as session:
        return current_inventory(session)


def surrounded(
    state: State,
    context: Context,
    since: datetime,
    until: datetime,
    *,
    history: datetime,
    known_until: datetime | None = None,
) -> Context:
    """The context with what the store knows where it says nothing itself; of spans see `with_spans`.

    since: the first minute that is folded. history: the begin of all that findings may be about. known_until: where
    changes and inventories go on beyond the minutes.
    """
    last = max(until + AFTER, known_until or until)
    with state.read() as session:
        if context.inventory is None:
            context = replace(context, inventory=current_inventory(session))
        if not context.versions:
            context = replace(context, versions=settings_versions(session, history, last))
        if not context.changes:
            events = changes(session, history - BEFORE, last)
            context = replace(context, changes=causes(events), events=settings_of(events))
        counted = has_segments(session, "metrics")
    if context.metrics is None and counted:
        context = replace(context, metrics=read_metrics(state, since - _UNJUDGED, until, known_since=history))
    metrics = context.metrics
    if metrics is not None and unknown_names(metrics, context.inventory):
        apis = {one.api for one in api_list(state) if one.api is not None}
        context = replace(context, metrics=name_left(metrics, context.inventory, apis))
    return context


def settings_of(events: Sequence[ChangeEvent]) -> list[ChangeEvent]:
    """The events that ask for settings of APIs; the details of all others need no memory."""
    return [event for event in events if event.service in SERVICES]


def causes(events: Sequence[ChangeEvent]) -> list[Change]:
    """The changes among the events: an alarm tells of something, it is the cause of nothing."""
    return [event.change for event in events if event.service != "cloudwatch"]


def settings_versions(session: Session, since: datetime, until: datetime) -> list[Version]:
    """The settings of the inventories of [since, until), and of those that were there at its begin, by time."""
    listed = [one for one in snapshots(session) if one.taken_at < until]
    old = {(one.account, one.region): one for one in listed if one.taken_at < since}
    wanted = [*old.values(), *(one for one in listed if one.taken_at >= since)][-MOST_VERSIONS:]
    out = []
    for one in wanted:
        key = (one.digest, one.taken_at)
        if key not in _READ:
            document = snapshot_document(session, one.id)
            if document is None:
                continue
            _READ[key] = version_of(document, one.taken_at)
        out.append(_READ[key])
    for key in list(_READ)[: max(len(_READ) - 2 * MOST_VERSIONS, 0)]:
        del _READ[key]
    return sorted(out, key=lambda one: (one.at or until, one.account, one.region))


def with_spans(
    state: State, context: Context, findings: Collection[Finding], until: datetime, *, since: datetime | None = None
) -> Context:
    """The context with the stored spans and execution logs that these findings, and all from `since` on, are explained
    with. What it has of its own stays as it is.
    """
    context = _with_executions(state, context, findings, until, since)
    starts = [one.start for one in findings if one.kind is Kind.LATENCY_OUTLIER]
    starts += [] if since is None else [since]
    if context.spans is not None or not starts:
        return context
    return replace(context, spans=read_spans(state, min(starts) - layers.BEFORE, until))


def _with_executions(
    state: State, context: Context, findings: Collection[Finding], until: datetime, since: datetime | None
) -> Context:
    starts = [one.start for one in findings if one.kind in executed.ABOUT]
    starts += [] if since is None else [since]
    if context.executions is not None or not starts:
        return context
    with state.read() as session:
        if not has_segments(session, "executions"):
            return context
    return replace(context, executions=read_executions(state, min(starts), until))
