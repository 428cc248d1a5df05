"""Deliveries that were pushed to us: their keys, remembered for as long as a sender may try again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from gatewatch.store.models import PushRow, key_of

REMEMBERED = timedelta(days=3)
"""Firehose tries again for at most two hours, and keeps for a day what it could not deliver."""


def known_pushes(session: Session, keys: Sequence[str]) -> set[str]:
    """Those of the keys that are in the store."""
    by_key = {key_of(key): key for key in keys}
    return {by_key[found] for found in session.scalars(select(PushRow.key).where(PushRow.key.in_(list(by_key))))}


def note_pushes(session: Session, keys: Sequence[str], *, batch_id: str, now: datetime) -> bool:
    """Remember the keys; False when one of them is there already."""
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    hashed = sorted({key_of(key) for key in keys})
    rows = [{"key": key, "batch_id": batch_id, "at": now} for key in hashed]
    session.connection().execute(dialect.insert(PushRow).on_conflict_do_nothing(), rows)
    mine = session.scalars(select(PushRow.key).where(PushRow.key.in_(hashed), PushRow.batch_id == batch_id))
    return len(set(mine)) == len(rows)


def forget_pushes(session: Session, now: datetime) -> None:
    """Drop the keys that no sender comes back for."""
    session.execute(delete(PushRow).where(PushRow.at < now - REMEMBERED))
