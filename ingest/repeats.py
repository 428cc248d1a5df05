"""Lines whose JSON has a key twice, or in another object: a client closed a string and wrote keys of its own.

No template of API Gateway has a key twice, so such a line must not be believed. Every key that somebody adds brings
quotes with it: only lines with more of them than others are looked at, and one look at the keys settles it. Counting
quotes costs less than a tenth of reading the line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import duckdb
import numpy as np
import pyarrow as pa

from ingest.block import Block, Rows
from ingest.cut import Skeleton
from ingest.formats.model import Format
from ingest.jsonline import Path, decode, moved, parse_path, path_text

_SAMPLE = 256
_NOWHERE: frozenset[str] = frozenset()


def repeating(
    block: Block, rows: Rows, found: Format, others: Sequence[Format], connection: duckdb.DuckDBPyConnection
) -> Rows:
    """Those of these rows (valid JSON, read with `found`) in which a variable's key comes twice, or in a wrong place.

    others: further formats of the block; one with all the keys of `found` and more may be what the line was.
    """
    if not len(rows):
        return rows
    places = places_of(found, others)
    quotes = block.quotes()[rows]
    least = quotes.min()
    more = quotes > least
    usual = rows[~more]
    sample = usual[np.unique(np.linspace(0, len(usual) - 1, _SAMPLE).astype(np.int64))]
    if len(_repeated(block, sample, places, connection)):
        return _repeated(block, rows, places, connection)
    return _repeated(block, rows[more], places, connection) if more.any() else rows[:0]


@lru_cache(maxsize=256)
def sound(form: Skeleton, places: frozenset[str]) -> bool:
    """Whether lines of this skeleton, which has no key twice, have no variable's key in a wrong place."""
    return not moved(form.tree(), [parse_path(place) for place in sorted(places)])


def places_of(found: Format, others: Sequence[Format]) -> frozenset[str]:
    """Where variables stand, those of formats included that have all keys of `found` and more."""
    mine = _places(found)
    return mine.union(*(theirs for other in others if (theirs := _places(other)) > mine))


def _places(found: Format) -> frozenset[str]:
    return frozenset(path for paths in found.fields.values() for path in paths) if found.family == "json" else _NOWHERE


def _repeated(block: Block, rows: Rows, places: Iterable[str], connection: duckdb.DuckDBPyConnection) -> Rows:
    if not len(rows):
        return rows
    lines = pa.table({"row": pa.array(rows), "line": block.lines_at(rows)})
    connection.register("doubtful", lines)
    paths = [parse_path(place) for place in sorted(places)]
    inner = list(_objects(paths))
    looked_at = ["json_keys(line)", *(f"json_keys(line, {_text(path)})" for path in inner)]
    structure = "json_structure(line)::VARCHAR" if inner else "NULL"
    # Attackers aside there are few sets of keys, so that grouping comes before looking.
    listed = ", ".join(f"{one} AS k{i}" for i, one in enumerate(looked_at))
    query = f"SELECT list(row) AS rows, {structure} AS shape, {listed} FROM doubtful GROUP BY ALL"
    groups = connection.execute(query).fetchall()
    connection.unregister("doubtful")
    bad: list[int] = []
    for several, shape, *keys in groups:
        twice = any(one and len(one) > len(set(one)) for one in keys)
        if twice or (shape is not None and moved(decode(shape)[0], paths)):
            bad += several
    return np.sort(np.array(bad, dtype=np.int64))


def _objects(paths: Iterable[Path]) -> Iterable[str]:
    """The paths of the objects within the line's that hold variables."""
    inner: dict[str, None] = {}
    for path in paths:
        for length in range(1, len(path)):
            if isinstance(path[length], str) and (text := path_text(path[:length])) is not None:
                inner[text] = None
    return inner


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
