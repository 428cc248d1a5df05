"""DuckDB inside our process, as everything here wants it."""

from __future__ import annotations

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
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    return connection
