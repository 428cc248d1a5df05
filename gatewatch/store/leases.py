"""Leases, and runs of jobs: who may do a thing, by the database's clock.

A lease is a row, not a lock: it outlives a broken connection and ends by itself. Its epoch grows with every change of
holder; a job checks the epoch in each transaction it writes (`require`), so one that was frozen past its lease
cannot write after its successor.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from gatewatch.errors import LeaseLost
from gatewatch.store.models import JobRunRow, LeaseRow
from gatewatch.store.state import State, db_now

KEEP_RUNS = timedelta(days=30)


def acquire(state: State, name: str, holder: str, ttl: float) -> int | None:
    """The epoch, when `holder` has the lease for `ttl` seconds from now; None when another has it.

    A holder that asks again before the end keeps its epoch.
    """

    def take(session: Session) -> int | None:
        now = db_now(session)
        until = now + timedelta(seconds=ttl)
        values = {"name": name, "holder": holder, "epoch": 1, "expires_at": until}
        if _insert_new(session, LeaseRow, values):
            return 1
        row = session.execute(select(LeaseRow).where(LeaseRow.name == name).with_for_update()).scalar_one()
        if row.expires_at > now:
            if row.holder != holder:
                return None
        else:
            row.epoch += 1
        row.holder, row.expires_at = holder, until
        return row.epoch

    return state.run(take)


def renew(state: State, name: str, holder: str, epoch: int, ttl: float) -> bool:
    """Put off the end; False when the lease was taken by another. Do so after a third of the time."""

    def put_off(session: Session) -> bool:
        row = session.execute(select(LeaseRow).where(LeaseRow.name == name).with_for_update()).scalar_one_or_none()
        if row is None or (row.holder, row.epoch) != (holder, epoch):
            return False
        row.expires_at = db_now(session) + timedelta(seconds=ttl)
        return True

    return state.run(put_off)


def release(state: State, name: str, holder: str, epoch: int) -> None:
    """Give the lease back, so that another need not wait for its end. Nothing happens when it was lost."""

    def give_back(session: Session) -> None:
        row = session.execute(select(LeaseRow).where(LeaseRow.name == name).with_for_update()).scalar_one_or_none()
        if row is not None and (row.holder, row.epoch) == (holder, epoch):
            row.expires_at = db_now(session) - timedelta(microseconds=1)

    state.run(give_back)


def require(session: Session, name: str, epoch: int) -> None:
    """LeaseLost unless the lease still has this epoch; holds off a successor until the transaction ends."""
    found = session.execute(select(LeaseRow.epoch).where(LeaseRow.name == name).with_for_update()).scalar_one_or_none()
    if found != epoch:
        raise LeaseLost(f"lease {name!r} was taken by another worker")


def claim_run(state: State, job: str, scheduled_for: datetime, holder: str) -> bool:
    """True for exactly one caller for each scheduled time of a job."""
    tried = False

    def claim(session: Session) -> bool:
        nonlocal tried
        again, tried = tried, True
        now = db_now(session)
        session.execute(
            delete(JobRunRow).where(JobRunRow.job == job, JobRunRow.scheduled_for < scheduled_for - KEEP_RUNS)
        )
        values = {"job": job, "scheduled_for": scheduled_for, "holder": holder, "started_at": now}
        if _insert_new(session, JobRunRow, values):
            return True
        row = session.get(JobRunRow, (job, scheduled_for))
        # An earlier try of this call may have been committed although its connection broke.
        return again and row is not None and row.holder == holder and row.finished_at is None

    return state.run(claim)


def finish_run(state: State, job: str, scheduled_for: datetime, error: str | None = None) -> None:
    """Note that a run ended, and how."""

    def finish(session: Session) -> None:
        row = session.get(JobRunRow, (job, scheduled_for))
        if row is not None:
            row.finished_at, row.error = db_now(session), None if error is None else error[:2000]

    state.run(finish)


def last_run(session: Session, job: str) -> tuple[datetime, str | None] | None:
    """(finished at, error) of the run of a job that ended last."""
    row = session.execute(
        select(JobRunRow.finished_at, JobRunRow.error)
        .where(JobRunRow.job == job, JobRunRow.finished_at.is_not(None))
        .order_by(JobRunRow.finished_at.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None or row.finished_at is None else (row.finished_at, row.error)


def _insert_new(session: Session, model: type[LeaseRow] | type[JobRunRow], values: dict[str, object]) -> bool:
    """Insert the row; False when its key is there."""
    key = LeaseRow.name if model is LeaseRow else JobRunRow.job
    if session.get_bind().dialect.name == "sqlite":
        added = session.execute(sqlite.insert(model).values(values).on_conflict_do_nothing().returning(key))
    else:
        added = session.execute(postgresql.insert(model).values(values).on_conflict_do_nothing().returning(key))
    return added.scalar() is not None
