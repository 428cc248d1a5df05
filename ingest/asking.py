"""Queries that are asked of one table after the other: bound once, which takes a fifth of such a query's time."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa

_ALL_ROWS = 1 << 24  # a batch of a result: more rows than a block has


class _Current:
    """What DuckDB reads under a name: the table that is there when it asks."""

    def __init__(self, table: pa.Table) -> None:
        self.table: pa.Table | None = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        assert self.table is not None
        return self.table.__arrow_c_stream__(requested_schema)


class Asking:
    """Each query with the tables that it is asked of, which have one schema a query."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._bound: dict[str, tuple[_Current, duckdb.DuckDBPyRelation]] = {}

    def ask(self, query: str, table: pa.Table) -> pa.Table:
        """query: with `{lines}` where it names the table."""
        if query in self._bound:
            current, relation = self._bound[query]
            current.table = table
        else:
            current, name = _Current(table), f"asked_{len(self._bound)}"
            self._connection.register(name, current)
            relation = self._connection.sql(query.replace("{lines}", name))
            self._bound[query] = current, relation
        try:
            return relation.to_arrow_table(_ALL_ROWS)
        finally:
            current.table = None  # a block's text is not kept until the next

    def clear(self) -> None:
        for number in range(len(self._bound)):
            self._connection.unregister(f"asked_{number}")
        self._bound.clear()
