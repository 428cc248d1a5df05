"""The hash by which `clients_k` of MINUTES knows a caller: an API key, else a principal, else an address."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gatewatch.frames.inprocess import asking, in_process

KEY, PRINCIPAL, ADDRESS = range(3)
"""What a caller is named by, the best first."""


def caller_hash_sql(text: str, rank: int | str) -> str:
    """DuckDB expression of the 32-bit hash of a caller; text, rank (INTEGER): expressions, NULL gives no NULL."""
    return f"(hash({text}, {rank}) & 4294967295)"


def key_hashes(keys: Sequence[str]) -> list[int]:
    """The hashes of callers with these API key ids, in their order."""
    return caller_hashes(keys, KEY)


def caller_hashes(names: Sequence[str], rank: int) -> list[int]:
    """The hashes of callers that are known by these names, in their order; rank: KEY, PRINCIPAL or ADDRESS."""
    if not names:
        return []
    with asking("one thread", partial(in_process, threads=1)) as connection:
        query = f"SELECT list_transform(?::VARCHAR[], lambda k: {caller_hash_sql('k', rank)})"
        row = connection.execute(query, [list(names)]).fetchone()
        return [int(value) for value in row[0]] if row else []
