"""The mark of all findings, which each commit that changes one moves: whether an answer that is kept is still true.

Triggers move it (migration 0012), so no way of writing forgets it; what comes in of logs does not move it.
"""

from __future__ import annotations

import sqlite3
import threading

from sqlalchemy import Engine, text

from gatewatch.errors import StoreError
from gatewatch.store.engine import told

_QUESTION = "SELECT mark FROM finding_mark"


class Version:
    """Call it for the mark, which costs microseconds on SQLite, and a question on PostgreSQL.

    An answer about findings that was made after a mark was taken holds as long as the mark is the same. StoreError.
    """

    def __init__(self, engine: Engine, where: str) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._where = where
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def __call__(self) -> int:
        if self._engine.dialect.name != "sqlite":
            with told(self._where), self._engine.connect() as connection:
                return int(connection.execute(text(_QUESTION)).scalar_one())
        with self._lock:
            try:
                if self._connection is None:
                    database = str(self._engine.url.database)
                    self._connection = sqlite3.connect(database, check_same_thread=False, isolation_level=None)
                return int(self._connection.execute(_QUESTION).fetchone()[0])
            except sqlite3.Error as error:
                raise StoreError(f"{self._where}: the database does not answer as it should: {error}") from error

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
