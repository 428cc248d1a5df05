"""Backtests that somebody asked for: they wait, run one at a time, and end with a result, an error, or cancelled."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, defer

from gatewatch.errors import UsageError
from gatewatch.records import JSON, iso
from gatewatch.roles import Who
from gatewatch.store import audit
from gatewatch.store.models import BacktestRow

MOST_WAITING = 20
MOST_TRIES = 3
KEPT = timedelta(days=30)
KEPT_RUNS = 200


class Phase(StrEnum):
    """aborted: the worker stopped while it ran, MOST_TRIES times."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ABORTED = "aborted"


UNDER_WAY = (Phase.WAITING, Phase.RUNNING)


@dataclass(frozen=True, slots=True)
class StoredBacktest:
    """asked: what to do, as JSON. minutes of of_minutes (0: not known yet) are replayed, history included."""

    id: str
    asked: dict[str, JSON]
    author: str
    phase: Phase
    minutes: int
    of_minutes: int
    requests: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    cancelled: bool

    def to_json(self) -> dict[str, JSON]:
        share = 1.0 if self.phase is Phase.DONE else min(self.minutes / self.of_minutes, 1.0) if self.of_minutes else 0
        return {
            "id": self.id,
            "asked": self.asked,
            "author": self.author,
            "state": self.phase.value,
            "cancel_asked": self.cancelled,
            "progress": {
                "share": round(share, 4),
                "minutes": self.minutes,
                "of_minutes": self.of_minutes,
                "requests": self.requests,
            },
            "created_at": iso(self.created_at),
            "started_at": None if self.started_at is None else iso(self.started_at),
            "finished_at": None if self.finished_at is None else iso(self.finished_at),
            "error": self.error,
        }


def add_backtest(session: Session, who: Who, asked: dict[str, JSON], *, now: datetime) -> StoredBacktest:
    """Ask for one. UsageError when MOST_WAITING wait already. What is old is forgotten."""
    waiting = select(func.count()).select_from(BacktestRow).where(BacktestRow.state.in_(UNDER_WAY))
    if session.execute(waiting).scalar_one() >= MOST_WAITING:
        raise UsageError(f"{MOST_WAITING} backtests are under way already; wait, or cancel one")
    _forget(session, now)
    row = BacktestRow(
        id=secrets.token_hex(8),
        asked=asked,
        author=who.name,
        state=Phase.WAITING.value,
        cancelled=False,
        tries=0,
        minutes=0,
        of_minutes=0,
        requests=0,
        created_at=now,
    )
    session.add(row)
    audit.note(session, who, "backtest.add", row.id, now=now, detail=asked)
    session.flush()
    return _stored(row)


def backtests(session: Session, limit: int = 50) -> list[StoredBacktest]:
    """The newest first."""
    question = select(BacktestRow).options(defer(BacktestRow.result))
    order = (BacktestRow.created_at.desc(), BacktestRow.id)
    return [_stored(row) for row in session.scalars(question.order_by(*order).limit(limit))]


def backtest_with(session: Session, backtest_id: str) -> StoredBacktest | None:
    row = session.get(BacktestRow, backtest_id, options=[defer(BacktestRow.result)])
    return None if row is None else _stored(row)


def result_of(session: Session, backtest_id: str) -> dict[str, JSON] | None:
    """What it said; None before it is done."""
    found = session.execute(select(BacktestRow.result).where(BacktestRow.id == backtest_id)).scalar()
    assert found is None or isinstance(found, dict)
    return found


def cancel(session: Session, who: Who, backtest_id: str, *, now: datetime) -> StoredBacktest | None:
    """Ask it to stop: one that waits stops at once, one that runs a little later. UsageError when it is over.

    None: there is no such backtest.
    """
    row = session.get(BacktestRow, backtest_id, with_for_update=True)
    if row is None:
        return None
    if row.state not in UNDER_WAY:
        raise UsageError(f"it is over: {row.state}")
    row.cancelled = True
    if row.state == Phase.WAITING:
        row.state, row.finished_at = Phase.CANCELLED.value, now
    audit.note(session, who, "backtest.cancel", backtest_id, now=now)
    session.flush()
    return _stored(row)


def any_under_way(session: Session) -> bool:
    """Whether there is something to do; looks without locking."""
    return session.execute(select(BacktestRow.id).where(BacktestRow.state.in_(UNDER_WAY)).limit(1)).scalar() is not None


def take(session: Session, now: datetime) -> StoredBacktest | None:
    """The next one to run, which runs from now on. Only the holder of their lease may ask: what runs is an orphan."""
    for row in session.scalars(select(BacktestRow).where(BacktestRow.state == Phase.RUNNING.value)):
        if row.cancelled:
            row.state, row.finished_at = Phase.CANCELLED.value, now
        elif row.tries >= MOST_TRIES:
            row.state, row.finished_at = Phase.ABORTED.value, now
            row.error = f"the worker stopped while it ran, {row.tries} times"
        else:
            row.state = Phase.WAITING.value
    session.flush()
    waiting = select(BacktestRow).where(BacktestRow.state == Phase.WAITING.value)
    following = session.scalars(waiting.order_by(BacktestRow.created_at, BacktestRow.id).limit(1)).first()
    if following is None:
        return None
    following.state, following.started_at = Phase.RUNNING.value, now
    following.tries += 1
    following.minutes = following.of_minutes = following.requests = 0
    session.flush()
    return _stored(following)


def progress(session: Session, backtest_id: str, minutes: int, of_minutes: int, requests: int) -> bool:
    """Note how far it is; False when somebody wants it to stop."""
    row = session.get(BacktestRow, backtest_id)
    if row is None or row.cancelled:
        return False
    row.minutes, row.of_minutes, row.requests = minutes, of_minutes, requests
    return True


def give_back(session: Session, backtest_id: str) -> None:
    """It waits again, and this try does not count: the worker was told to stop."""
    row = session.get(BacktestRow, backtest_id)
    if row is not None and row.state == Phase.RUNNING:
        row.state = Phase.WAITING.value
        row.tries -= 1


def finish(
    session: Session,
    backtest_id: str,
    phase: Phase,
    *,
    now: datetime,
    result: dict[str, JSON] | None = None,
    error: str | None = None,
) -> None:
    row = session.get(BacktestRow, backtest_id)
    if row is not None:
        row.state, row.finished_at, row.result = phase.value, now, result
        row.error = None if error is None else error[:2000]


def _forget(session: Session, now: datetime) -> None:
    newest = select(BacktestRow.id).order_by(BacktestRow.created_at.desc()).limit(KEPT_RUNS)
    over = BacktestRow.state.not_in(UNDER_WAY)
    session.execute(delete(BacktestRow).where(over, BacktestRow.created_at < now - KEPT))
    session.execute(delete(BacktestRow).where(over, BacktestRow.id.not_in(newest)))


def _stored(row: BacktestRow) -> StoredBacktest:
    assert isinstance(row.asked, dict)
    return StoredBacktest(
        row.id,
        row.asked,
        row.author,
        Phase(row.state),
        row.minutes,
        row.of_minutes,
        row.requests,
        row.created_at,
        row.started_at,
        row.finished_at,
        row.error,
        row.cancelled,
    )
