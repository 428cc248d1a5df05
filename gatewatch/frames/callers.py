"""The hash by which `clients_k` of MINUTES knows a caller: an API key, else a principal, else an address."""

from __future__ import annotations

from collections.abc import Sequence

from gatewatch.frames.inprocess import in_process

KEY, PRINCIPAL, ADDRESS = range(3)
"""What a caller is named by, the best first."""


def caller_hash_sql(text: str, rank: int) -> str:
    """DuckDB expression of the 32-bit hash of a caller; text: an expression, NULL gives no NULL."""
    return f"(hash({text}, {rank}) & 4294967295)"


def key_hashes(keys: Sequence[str]) -> list[int]:
    """The hashes of callers with these API key ids, in their order."""
    if not keys:
        return []
    with in_process(threads=1) as connection:
        query = f"SELECT list_transform(?::VARCHAR[], lambda k: {caller_hash_sql('k', KEY)})"
        row = connection.execute(query, [list(keys)]).fetchone()
        return [int(value) for value in row[0]] if row else []
