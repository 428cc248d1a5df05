"""Checkpoints of the detectors' states: a tick goes on from the newest; late data replays from the one before it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from gatewatch.store.models import DetectorStateRow

VERSION = 1
"""Grows when states of older programs can no longer be read; those are then not found."""


def load_state(session: Session, name: str, *, version: int = VERSION) -> tuple[datetime, bytes] | None:
    """The newest state: (it knows all minutes before this, its bytes)."""
    row = session.execute(
        select(DetectorStateRow.at, DetectorStateRow.body)
        .where(DetectorStateRow.name == name, DetectorStateRow.version == version)
        .order_by(DetectorStateRow.at.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.at, row.body)


def save_state(session: Session, name: str, at: datetime, body: bytes, *, version: int = VERSION) -> None:
    """Keep a state. Later ones came from a history that is no longer true (this is a replay), and go."""
    session.execute(delete(DetectorStateRow).where(DetectorStateRow.name == name, DetectorStateRow.at >= at))
    session.add(DetectorStateRow(name=name, at=at, version=version, body=body))
    session.flush()


def states_before(
    session: Session, name: str, at: datetime, *, limit: int = 1, version: int = VERSION
) -> list[tuple[datetime, bytes]]:
    """States that know nothing at or after `at`, newest first: where a replay of `at` begins."""
    rows = session.execute(
        select(DetectorStateRow.at, DetectorStateRow.body)
        .where(DetectorStateRow.name == name, DetectorStateRow.at <= at, DetectorStateRow.version == version)
        .order_by(DetectorStateRow.at.desc())
        .limit(limit)
    )
    return [(row.at, row.body) for row in rows]


def forget_states(session: Session, name: str, before: datetime) -> None:
    """Drop the states that no replay needs: all older than the newest one at or before `before`."""
    newest = (
        select(func.max(DetectorStateRow.at))
        .where(DetectorStateRow.name == name, DetectorStateRow.at <= before)
        .scalar_subquery()
    )
    session.execute(delete(DetectorStateRow).where(DetectorStateRow.name == name, DetectorStateRow.at < newest))
