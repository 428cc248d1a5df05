"""Answers to changes that came with an idempotency key, kept for a day: asked again, a change is not made again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from gatewatch.errors import UsageError
from gatewatch.records import JSON
from gatewatch.roles import Who
from gatewatch.store.models import AnsweredRow, key_of

KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Answered:
    asked: str
    status: int
    body: dict[str, JSON]


def answered(session: Session, who: Who, key: str, *, now: datetime) -> Answered | None:
    """What this asker was answered under the key in the last day."""
    session.execute(delete(AnsweredRow).where(AnsweredRow.at < now - KEPT))
    row = session.get(AnsweredRow, _key(who, key))
    if row is None:
        return None
    assert isinstance(row.body, dict)
    return Answered(row.asked, row.status, row.body)


def remember(
    session: Session, who: Who, key: str, asked: str, status: int, body: dict[str, JSON], *, now: datetime
) -> None:
    """Keep an answer, in the transaction of the change. UsageError when another one has just used the key."""
    values = {"key": _key(who, key), "asked": asked_digest(asked), "status": status, "body": body, "at": now}
    kind = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    made = session.execute(kind(AnsweredRow).values(values).on_conflict_do_nothing().returning(AnsweredRow.key))
    if made.scalar() is None:
        raise UsageError("the same idempotency key is just being used; ask again")


def asked_digest(asked: str) -> str:
    return blake2b(asked.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _key(who: Who, key: str) -> str:
    return key_of(who.via.value, who.id or who.name, key)
