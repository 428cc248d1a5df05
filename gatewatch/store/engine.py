"""Makes the SQLAlchemy engine, and says which database errors another try can mend."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError

from gatewatch.errors import StoreError, UsageError

BUSY_SECONDS = 30

_RETRY_STATES = frozenset({"40001", "40P01", "55P03", "57P01", "57P02", "57P03"})
_SQLITE_RETRY = frozenset({5, 6})  # SQLITE_BUSY, SQLITE_LOCKED


def make_engine(url: str, *, patient: bool = False) -> Engine:
    """An engine with our guarantees set: durable commits, UTC, time-outs. patient: without time-outs, to migrate.

    The engine's option `writes=True` makes a SQLite transaction begin with the write lock.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise UsageError("database_url is not a database URL") from None
    if parsed.drivername in {"postgres", "postgresql"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    backend = parsed.get_backend_name()
    if backend not in {"sqlite", "postgresql"}:
        raise UsageError(f"database_url: {backend!r} is not supported; use sqlite or postgresql")
    try:
        if backend == "sqlite":
            # No parameters in errors: they are attacker text, and may hold what must not reach a log.
            engine = create_engine(parsed, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS})
            event.listen(engine, "connect", _sqlite_settings)
            event.listen(engine, "begin", _sqlite_begin)
            return engine
        options = "-c timezone=UTC -c synchronous_commit=on"
        if not patient:
            options += f" -c statement_timeout={4 * BUSY_SECONDS}s -c lock_timeout={BUSY_SECONDS}s"
            options += f" -c idle_in_transaction_session_timeout={10 * BUSY_SECONDS}s"
        return create_engine(
            parsed,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_recycle=1800,
            connect_args={"options": options, "connect_timeout": 10},
        )
    except (NoSuchModuleError, ImportError) as error:
        raise UsageError(f"database_url: no driver for {parsed.drivername!r}: {error}") from None


def _sqlite_settings(connection: Any, record: Any) -> None:  # noqa: ARG001
    connection.isolation_level = None  # transactions begin where we say so, not where the driver guesses
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    _write_ahead(cursor)
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "journal_size_limit=67108864"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _write_ahead(cursor: Any) -> None:
    """Turn a new database to WAL. SQLite does not wait for the lock that this takes, whatever its time-out says."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _SQLITE_RETRY or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return


def _sqlite_begin(connection: Connection) -> None:
    # A transaction that reads first and writes later would fail with SQLITE_BUSY at once, whatever the time-out.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def can_retry(error: DBAPIError) -> bool:
    """The whole transaction may succeed when done again."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _SQLITE_RETRY
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return state in _RETRY_STATES or state.startswith("08")
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def is_full(error: DBAPIError) -> bool:
    """The disk under the database has no room."""
    return "disk is full" in str(error.orig) or getattr(error.orig, "sqlstate", None) == "53100"


@contextmanager
def told(where: str) -> Iterator[None]:
    """Turns the errors of a database that is full, broken, busy or away into StoreErrors that name `where`."""
    try:
        yield
    except DBAPIError as error:
        text = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
        if is_full(error):
            raise StoreError(f"{where}: the disk is full; make room, then run the same again") from error
        if can_retry(error) or isinstance(error, OperationalError) or text.startswith("file is not a database"):
            raise StoreError(f"{where}: the database does not answer as it should: {text}") from error
        raise
