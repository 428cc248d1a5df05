"""Segments that the manifest lists no longer: taken out in a transaction, unlinked once nobody can be reading them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from gatewatch.errors import StoreError
from gatewatch.store.models import RemovedSegmentRow, SegmentRow
from gatewatch.store.state import State, db_now

GRACE = timedelta(hours=1)
"""A reader takes the list and then opens the files: so long they stay."""

_AT_ONCE = 500  # names in one question; databases bound their number


def retire(session: Session, paths: Sequence[str]) -> None:
    """Take these segments out of the manifest, all or none; StoreError when somebody else did so with one of them."""
    now = db_now(session)
    for begin in range(0, len(paths), _AT_ONCE):
        some = list(paths[begin : begin + _AT_ONCE])
        found = session.scalars(select(SegmentRow.path).where(SegmentRow.path.in_(some)).with_for_update()).all()
        if len(found) != len(some):
            raise StoreError("segments were joined or removed by somebody else meanwhile")
        session.execute(delete(SegmentRow).where(SegmentRow.path.in_(some)))
        session.execute(insert(RemovedSegmentRow), [{"path": path, "removed_at": now} for path in some])


def sweep_retired(state: State, grace: timedelta = GRACE) -> int:
    """Unlink what was taken out longer ago than `grace`; how many files. May be killed and repeated anywhere."""
    with state.read() as session:
        before = db_now(session) - grace
        paths = list(session.scalars(select(RemovedSegmentRow.path).where(RemovedSegmentRow.removed_at <= before)))
    for path in paths:
        state.lake.remove(path)
    for begin in range(0, len(paths), _AT_ONCE):
        state.run(partial(_forget, paths=paths[begin : begin + _AT_ONCE]))
    return len(paths)


def _forget(session: Session, paths: Sequence[str]) -> None:
    session.execute(delete(RemovedSegmentRow).where(RemovedSegmentRow.path.in_(paths)))
