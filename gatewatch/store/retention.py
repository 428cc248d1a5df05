"""Takes what is older than it should be kept out of the store: whole hours of a source, first from the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from gatewatch.settings import Settings
from gatewatch.store.manifest import hour_of, sourced_segments
from gatewatch.store.models import SegmentRow
from gatewatch.store.retired import retire
from gatewatch.store.state import State

_HOUR = timedelta(hours=1)
_RAW = ("requests", "spans", "executions")
_ROLLUPS = ("minutes", "clients", "metrics")


@dataclass(frozen=True, slots=True)
class Expired:
    """Segments of one kind that are too old. until: the last moment in them."""

    kind: str
    paths: tuple[str, ...]
    rows: int
    bytes: int
    until: datetime


def cutoffs(settings: Settings, now: datetime) -> dict[str, datetime]:
    """Kind -> moment before which it is not kept; without those that are kept for ever."""
    days = dict.fromkeys(_RAW, settings.keep_requests_days) | dict.fromkeys(_ROLLUPS, settings.keep_rollups_days)
    return {kind: now - timedelta(days=kept) for kind, kept in days.items() if kept is not None}


def expired(state: State, before: Mapping[str, datetime]) -> list[Expired]:
    """What would go: hours of a source all of whose segments of the kind ended before the kind's moment."""
    found = []
    for kind, moment in sorted(before.items()):
        with state.read() as session:
            listed = sourced_segments(session, SegmentRow.kind == kind, SegmentRow.min_at < moment + _HOUR)
        kept = {(source, hour_of(segment)) for source, segment in listed if segment.max_at >= moment}
        gone = [segment for source, segment in listed if (source, hour_of(segment)) not in kept]
        if gone:
            found.append(
                Expired(
                    kind,
                    tuple(segment.path for segment in gone),
                    sum(segment.rows for segment in gone),
                    sum(segment.bytes for segment in gone),
                    max(segment.max_at for segment in gone),
                )
            )
    return found


def remove(state: State, gone: list[Expired]) -> None:
    """Take them out of the manifest; their files go later (retired.sweep_retired)."""
    for one in gone:
        state.run(partial(retire, paths=one.paths))
