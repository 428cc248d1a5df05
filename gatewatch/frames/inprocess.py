"""DuckDB inside our process, as everything here wants it."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb


def in_process(*, threads: int | None = None, memory_limit: str | None = None) -> duckdb.DuckDBPyConnection:
    """A connection to an empty database in memory; times are UTC, and nothing is ever drawn on somebody's screen.

    threads: None: one a core. In a process that was started with `python -c`, as those of a pool are, DuckDB takes
    itself for an interactive shell and shows a progress bar for what lasts longer than two seconds.
    """
    config: dict[str, str | bool | int | float | list[str]] = {}
    if threads is not None:
        config["threads"] = threads
    if memory_limit is not None:
        config["memory_limit"] = memory_limit
    connection = duckdb.connect(config=config)
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    return connection


MOST_OPEN = 4
"""Databases that stay open for further questions."""

_OPEN: OrderedDict[str, duckdb.DuckDBPyConnection] = OrderedDict()
_LOCK = threading.Lock()


@contextmanager
def asking(name: str, opened: Callable[[], duckdb.DuckDBPyConnection]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the database of this process that goes by `name`; `opened` makes it when it is not there.

    To make a database takes some 20 ms of CPU, a connection to one takes one. What is registered is seen by the
    connection alone, and gone with it. A database that DuckDB itself declares broken is made anew for whoever is next.
    """
    with _LOCK:
        database = _OPEN.get(name)
        if database is None:
            database = _OPEN[name] = opened()
        _OPEN.move_to_end(name)
        while len(_OPEN) > MOST_OPEN:
            _OPEN.popitem(last=False)  # connections to it keep it alive
        connection = database.cursor()
    try:
        yield connection
    except (duckdb.FatalException, duckdb.InternalException):
        with _LOCK:
            if _OPEN.get(name) is database:
                del _OPEN[name]
        raise
    finally:
        connection.close()


_PARENTS: list[object] = []


def _forget() -> None:
    """A process that was forked off has none of the threads that its parent's databases need, not even to end them."""
    global _LOCK, _OPEN
    _PARENTS.append(_OPEN)
    _LOCK, _OPEN = threading.Lock(), OrderedDict()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
