"""The timeline of configuration changes: whoever tells of an event, and however often, it stands there once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from gatewatch.records import Change, ChangeEvent
from gatewatch.store.models import ChangeRow, key_of

_AT_ONCE = 500


def save_changes(session: Session, events: Sequence[ChangeEvent], *, source: str, now: datetime) -> int:
    """Add the events that are not there yet; how many there were. What is there stays as it is."""
    new = {key_of(event.id): event for event in events}
    keys = sorted(new)
    for begin in range(0, len(keys), _AT_ONCE):
        part = keys[begin : begin + _AT_ONCE]
        for key in session.scalars(select(ChangeRow.key).where(ChangeRow.key.in_(part))):
            del new[key]
    rows = [
        {
            "key": key,
            "event_id": event.id,
            "at": event.change.at,
            "what": event.change.what,
            "actor": event.change.actor,
            "resource": event.change.resource,
            "service": event.service,
            "name": event.name,
            "account": event.account,
            "region": event.region,
            "user_agent": event.user_agent,
            "detail": event.detail,
            "source": source,
            "stored_at": now,
        }
        for key, event in sorted(new.items())
    ]
    if rows:  # another writer may have brought one of them meanwhile
        dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
        session.connection().execute(dialect.insert(ChangeRow).on_conflict_do_nothing(), rows)
    return len(rows)


def changes(session: Session, since: datetime | None = None, until: datetime | None = None) -> list[ChangeEvent]:
    """Events of [since, until) in the order of time."""
    question = select(ChangeRow).where(*_between(since, until))
    found = [
        ChangeEvent(
            row.event_id,
            Change(row.at, row.what, row.actor, row.resource),
            row.service,
            row.name,
            row.account,
            row.region,
            row.user_agent,
            row.detail,
        )
        for row in session.scalars(question)
    ]
    return sorted(found, key=lambda one: (one.change.at, one.change.what, one.change.resource, one.id))


def change_keys(
    session: Session, since: datetime | None = None, until: datetime | None = None
) -> list[tuple[datetime, str]]:
    """(time, key) of the events of [since, until): what tells whether there are new ones."""
    question = select(ChangeRow.at, ChangeRow.key).where(*_between(since, until))
    return sorted((row.at, row.key) for row in session.execute(question))


def _between(since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    conditions = []
    if since is not None:
        conditions.append(ChangeRow.at >= since)
    if until is not None:
        conditions.append(ChangeRow.at < until)
    return conditions
