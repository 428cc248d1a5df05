"""What keeps the store small: old data removed as the settings say, small files joined, what nobody reads unlinked."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from gatewatch.errors import UsageError
from gatewatch.evaluating import history
from gatewatch.settings import Settings
from gatewatch.store import outbox
from gatewatch.store.compact import compact
from gatewatch.store.notices import drop_groups
from gatewatch.store.pushes import forget_pushes
from gatewatch.store.retention import cutoffs, expired, remove
from gatewatch.store.state import State
from gatewatch.unfinished import Unfinished

log = logging.getLogger(__name__)

KEEP_ALERTS = timedelta(days=90)
"""How long the delivery log and groups of alerts stay in which nothing happens."""


def limits(settings: Settings, now: datetime) -> dict[str, datetime]:
    """Kind of segment -> moment before which it is not kept; UsageError when detectors would lose their history."""
    needed = history(settings).days + 1
    if settings.keep_rollups_days is not None and settings.keep_rollups_days < needed:
        raise UsageError(f"keep_rollups_days: detectors look back {needed} days (dead_after_days); keep at least these")
    return cutoffs(settings, now)


def keep_house(state: State, settings: Settings, now: datetime) -> None:
    """Remove what is too old, then join what is small."""
    gone = expired(state, limits(settings, now))
    remove(state, gone)
    for one in gone:
        log.info("removed", extra={"kind": one.kind, "segments": len(one.paths), "until": one.until.isoformat()})
    state.run(lambda session: forget_pushes(session, now))
    state.run(lambda session: outbox.forget(session, now - KEEP_ALERTS))
    state.run(lambda session: drop_groups(session, now - KEEP_ALERTS))
    Unfinished(settings.data_dir).sweep()
    done = compact(state)
    log.info("compacted", extra={"before": done.before, "after": done.after, "swept": done.swept})
