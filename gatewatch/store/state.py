"""Opens the store, and runs transactions on it."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session as Session

from gatewatch.errors import StoreError
from gatewatch.settings import Settings
from gatewatch.store.disk import Disk
from gatewatch.store.engine import can_retry, is_full, make_engine, told
from gatewatch.store.lake import Lake, Segment
from gatewatch.store.migrate import prepare
from gatewatch.store.version import Version

T = TypeVar("T")

RETRY_SECONDS = 15.0
"""How long `run` goes on trying; a busy SQLite has waited for its own time-out before each try."""


class State:
    """An open store. Share it between threads; close it at the end."""

    def __init__(self, engine: Engine, lake: Lake, settings: Settings) -> None:
        self.engine = engine
        self.lake = lake
        self.settings = settings
        self.disk = Disk(settings.data_dir, settings.disk_warn_percent / 100, settings.disk_stop_percent / 100)
        self.where = str(settings.data_dir) if engine.dialect.name == "sqlite" else "PostgreSQL"
        self.version = Version(engine, self.where)
        self._writes = engine.execution_options(writes=True)
        self._reads = engine
        if engine.dialect.name == "postgresql":
            # One snapshot for all questions of a read, as SQLite gives by itself.
            self._reads = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """One write transaction, committed at the end. StoreError when the database is full, busy or away."""
        with told(self.where), Session(self._writes, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One snapshot to read from."""
        with told(self.where), Session(self._reads, expire_on_commit=False) as session, session.begin():
            yield session

    def run(self, fn: Callable[[Session], T], *, brings_data: bool = False) -> T:
        """`fn` in one write transaction, done again when it lost against another or the database went away.

        A connection that breaks during COMMIT leaves open whether it happened: `fn` must find out or not mind.
        brings_data: a full disk refuses it; any other transaction gets the reserve (disk.py) and is done again.
        """
        give_up = time.monotonic() + RETRY_SECONDS
        wait = 0.02
        while True:
            try:
                with Session(self._writes, expire_on_commit=False) as session, session.begin():
                    return fn(session)
            except DBAPIError as error:
                if is_full(error) and not brings_data and self.disk.release():
                    continue
                if not can_retry(error) or time.monotonic() + wait > give_up:
                    with told(self.where):
                        raise
            time.sleep(wait * (0.5 + secrets.randbelow(1000) / 1000))
            wait = min(wait * 2, 2.0)

    def db_now(self, session: Session) -> datetime:
        """The database's clock: what leases are measured with, whatever the hosts' clocks say."""
        return db_now(session)

    def request_segments(self) -> list[Segment]:
        """The `requests` segments that count."""
        from gatewatch.store.manifest import segments

        with self.read() as session:
            return segments(session, "requests")

    def close(self) -> None:
        self.version.close()
        self.engine.dispose()


def db_now(session: Session) -> datetime:
    """The database's clock, aware UTC; not frozen by the transaction."""
    if session.get_bind().dialect.name == "sqlite":
        value = session.execute(text("SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')")).scalar_one()
        return datetime.fromisoformat(str(value))
    at: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    return at.astimezone(UTC)


def open_state(settings: Settings, *, create: bool = True) -> State:
    """The store of these settings: data directory 0700, files 0600, an empty database brought up to date.

    create False: StoreError when there is no store yet. SchemaError when the database is newer than this program,
    or older and with data in it.
    """
    make_directories(settings, create=create)
    engine = make_engine(settings.state_url)
    try:
        with told(str(settings.data_dir) if engine.dialect.name == "sqlite" else "PostgreSQL"):
            prepare(engine, settings)
    except BaseException:
        engine.dispose()
        raise
    return State(engine, Lake(settings.data_dir / "lake"), settings)


def make_directories(settings: Settings, *, create: bool = True) -> None:
    """The data directory, the lake's root and (for SQLite) the empty database file, closed to other users."""
    root = settings.data_dir
    database = root / "state.db"
    mine = settings.database_url is None
    if not create and not (database if mine else root / "lake").exists():
        raise StoreError(
            f"{root}: no gatewatch data here; `gatewatch ingest` or GATEWATCH_DATA_DIR makes or names them"
        )
    try:
        for directory in (root, root / "lake"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if directory.stat().st_uid == os.geteuid():
                directory.chmod(0o700)
        if mine:
            # SQLite gives its -wal and -shm files the rights of the database file.
            os.close(os.open(database, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreError(f"{root}: cannot be used as data directory: {error.strerror or error}") from error
