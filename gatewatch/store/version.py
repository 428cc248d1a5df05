"""A mark of the database that changes with every commit of anybody: whether an answer that is kept is still true."""

from __future__ import annotations

import sqlite3
import threading

from sqlalchemy import Engine, text


class Version:
    """Call it for the mark, which costs microseconds on SQLite, and a question on PostgreSQL.

    An answer that was made after a mark was taken holds as long as the mark is the same.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def __call__(self) -> str:
        if self._engine.dialect.name != "sqlite":
            with self._engine.connect() as connection:
                return str(connection.execute(text("SELECT pg_current_snapshot()::text")).scalar_one())
        with self._lock:
            if self._connection is None:
                # One of its own, which never writes: SQLite tells a connection of the commits of others only.
                self._connection = sqlite3.connect(str(self._engine.url.database), check_same_thread=False)
            return str(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
