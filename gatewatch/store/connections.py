"""The AWS accounts that we may read, and how far each of their sources was read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from gatewatch.records import JSON
from gatewatch.store.models import AwsConnectionRow, AwsPollRow


@dataclass(frozen=True, slots=True)
class AwsConnection:
    """sources: what is asked for there (`inventory`, `metrics`, `traces`, `changes`, `keys`)."""

    name: str
    profile: str | None
    role_arn: str | None
    external_id: str | None
    regions: tuple[str, ...]
    sources: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Poll:
    """The last try. ok_at: the last that went well. error: one line when the last did not."""

    connection: str
    region: str
    source: str
    cursor: JSON
    tried_at: datetime
    ok_at: datetime | None
    error: str | None


def save_connection(session: Session, one: AwsConnection) -> None:
    """Add a connection, or change the one of this name."""
    row = session.get(AwsConnectionRow, one.name)
    if row is None:
        row = AwsConnectionRow(name=one.name, created_at=one.created_at)
        session.add(row)
    row.profile, row.role_arn, row.external_id = one.profile, one.role_arn, one.external_id
    row.regions, row.sources = list(one.regions), list(one.sources)


def connections(session: Session) -> list[AwsConnection]:
    """All, by name."""
    return [
        AwsConnection(
            row.name,
            row.profile,
            row.role_arn,
            row.external_id,
            tuple(cast(list[str], row.regions)),
            tuple(cast(list[str], row.sources)),
            row.created_at,
        )
        for row in session.scalars(select(AwsConnectionRow).order_by(AwsConnectionRow.name))
    ]


def remove_connection(session: Session, name: str) -> bool:
    """Forget a connection and how far it was read; what it brought stays. False: there is none of this name."""
    row = session.get(AwsConnectionRow, name)
    if row is None:
        return False
    session.execute(delete(AwsPollRow).where(AwsPollRow.connection == name))
    session.delete(row)
    return True


def polls(session: Session) -> list[Poll]:
    """How each source of each connection and region stands."""
    rows = session.scalars(select(AwsPollRow).order_by(AwsPollRow.connection, AwsPollRow.region, AwsPollRow.source))
    return [
        Poll(row.connection, row.region, row.source, row.cursor, row.tried_at, row.ok_at, row.error) for row in rows
    ]


def poll_of(session: Session, connection: str, region: str, source: str) -> Poll | None:
    row = session.get(AwsPollRow, (connection, region, source))
    if row is None:
        return None
    return Poll(row.connection, row.region, row.source, row.cursor, row.tried_at, row.ok_at, row.error)


def note_poll(
    session: Session,
    connection: str,
    region: str,
    source: str,
    *,
    now: datetime,
    cursor: JSON = None,
    error: str | None = None,
) -> None:
    """How a try ended. cursor None, or an error: it goes on where it was."""
    row = session.get(AwsPollRow, (connection, region, source))
    if row is None:
        row = AwsPollRow(connection=connection, region=region, source=source, cursor=None, ok_at=None)
        session.add(row)
    row.tried_at, row.error = now, error
    if error is None:
        row.ok_at = now
        if cursor is not None:
            row.cursor = cursor
