"""Lines of JSON that are one text around their values, as a template of API Gateway makes them, cut by a little C.

A line that fits such a skeleton is not parsed: its values stand where the skeleton says. That takes a fifth of the time
of any JSON reader here. The library is built by whoever builds the package and has a C compiler (hatch_build.py);
without it, and for every line that does not fit to the byte, there is the JSON reader, with the same outcome.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingest.block import Rows
from ingest.compiled import loaded
from ingest.jsonline import Path, Tree, parse_path, path_text

_TEXT = re.compile(r'"([^"\\\x00-\x1f]*)"')
_NUMBER = re.compile(r"-?[1-9][0-9]{0,14}|0")
_COLON = re.compile(r"[ \t]*:[ \t]*")
_COMMA = re.compile(r"[ \t]*,[ \t]*")
_OPEN = re.compile(r"\{[ \t]*")
_CLOSE = re.compile(r"[ \t]*\}")
_DEEPEST = 8
_MOST = 512  # values of a line


@dataclass(frozen=True, slots=True)
class Skeleton:
    """literals: the texts before, between and behind the values. paths: of the values, as DuckDB writes them.

    bare: whether a value is a whole number without quotes.
    """

    literals: tuple[bytes, ...]
    paths: tuple[str, ...]
    bare: tuple[bool, ...]

    def gives(self, paths: Iterable[str]) -> bool:
        """Whether these paths lead to values of it, or to nothing; not into a value, nor to an object of values."""
        mine = [parse_path(path) for path in self.paths]
        leaves, inner = set(mine), {path[:length] for path in mine for length in range(1, len(path))}
        for path in map(parse_path, paths):
            before = (path[:length] for length in range(1, len(path)))
            if any(isinstance(step, int) for step in path) or path in inner or not leaves.isdisjoint(before):
                return False
        return True

    def tree(self) -> Tree:
        """An object with its keys."""
        root: dict[str, Tree] = {}
        for path in map(parse_path, self.paths):
            here = root
            for step in path[:-1]:
                inner = here.setdefault(str(step), {})
                assert isinstance(inner, dict)
                here = inner
            here[str(path[-1])] = ""
        return root


class _Other(Exception):
    """A line that no skeleton is made of."""


def skeleton(line: str) -> Skeleton | None:
    """Of a line that is an object of plain texts, whole numbers and such objects, each key once; else None."""
    parts = _Parts(line)
    try:
        end = parts.object(0, ())
    except _Other:
        return None
    if end != len(line.rstrip("\r\n")) or not parts.paths or len(parts.paths) > _MOST:
        return None
    literals = (*parts.literals, line[parts.begun : end].encode())
    return Skeleton(literals, tuple(parts.paths), tuple(parts.bare))


class _Parts:
    def __init__(self, line: str) -> None:
        self.line = line
        self.begun = 0  # where the literal that goes on begins
        self.literals: list[bytes] = []
        self.paths: list[str] = []
        self.bare: list[bool] = []

    def object(self, at: int, above: Path) -> int:
        """Take the object that begins here; where it ends."""
        if len(above) > _DEEPEST:
            raise _Other
        at = self._behind(_OPEN, at)
        keys: set[str] = set()
        while True:
            found = _TEXT.match(self.line, at)
            if found is None or found[1].lower() in keys:  # the JSON reader tells keys apart regardless of case
                raise _Other
            keys.add(found[1].lower())
            at = self._value(self._behind(_COLON, found.end()), (*above, found[1]))
            if (more := _COMMA.match(self.line, at)) is None:
                return self._behind(_CLOSE, at)
            at = more.end()

    def _value(self, at: int, path: Path) -> int:
        if self.line[at : at + 1] == "{":
            return self.object(at, path)
        quoted = _TEXT.match(self.line, at)
        number = _NUMBER.match(self.line, at) if quoted is None else None
        found = quoted or number
        name = path_text(path)
        if found is None or name is None:
            raise _Other
        begin, end = found.span(1) if quoted is not None else found.span()
        self.literals.append(self.line[self.begun : begin].encode())
        self.begun = end
        self.paths.append(name)
        self.bare.append(quoted is None)
        return found.end()

    def _behind(self, sign: re.Pattern[str], at: int) -> int:
        found = sign.match(self.line, at)
        if found is None:
            raise _Other
        return found.end()


def usual(lines: Iterable[str]) -> Skeleton | None:
    """The skeleton of more than half of these lines."""
    some = list(lines)
    counts = Counter(map(skeleton, some))
    found, count = counts.most_common(1)[0] if counts else (None, 0)
    return found if count * 2 > len(some) else None


@dataclass(frozen=True, slots=True)
class Cuts:
    """What is wanted of lines, by JSON paths: those that the skeleton does not have lead to nothing.

    texts: as they stand. whole: only lines fit in which a whole number stands there, or nothing (see `tells_whole`).
    instants: the same, of 13 digits and always there. always, undeclared, declared: what makes the column PLACE: a hash
    of the values at `always`, and of those at `undeclared` where nothing stands at `declared`; no column without.
    """

    texts: frozenset[str]
    whole: frozenset[str] = frozenset()
    instants: frozenset[str] = frozenset()
    always: frozenset[str] = frozenset()
    undeclared: frozenset[str] = frozenset()
    declared: frozenset[str] = frozenset()

    @property
    def paths(self) -> frozenset[str]:
        """Of the columns."""
        return self.texts | self.whole | self.instants


PLACE = "#place"
ABSENT = -1
"""A whole number that is not there, or negative."""

_WHOLE = re.compile(r"(?:-?[1-9][0-9]{0,14}|0|-)?")
_INSTANT = re.compile(r"[1-9][0-9]{12}")
_BARE, _IS_WHOLE, _IS_INSTANT = 1, 2, 4  # as in cut.c
_ALWAYS, _UNDECLARED, _DECLARES = 1, 2, 4
_SECRET = os.urandom(16)  # nobody can write paths that meet in a hash
_TRIED = 256  # lines that tell how much room texts need


def tells_whole(values: Iterable[str]) -> bool:
    """Whether all of them are whole numbers, or absent."""
    return all(map(_WHOLE.fullmatch, values))


def tells_instants(values: Iterable[str]) -> bool:
    """Whether all of them are milliseconds since the epoch, in 13 digits."""
    return all(map(_INSTANT.fullmatch, values))


def cut(lines: pa.ChunkedArray, form: Skeleton, wanted: Cuts) -> tuple[Rows, pa.Table]:
    """The rows that fit, ascending, and their values: text, int64 where whole numbers are wanted, PLACE uint64."""
    columns = [path for path in form.paths if path in wanted.paths]
    fields = [pa.field(path, pa.string() if path in wanted.texts else pa.int64()) for path in columns]
    if wanted.always:
        fields.append(pa.field(PLACE, pa.uint64()))
    rows: list[Rows] = [np.zeros(0, dtype=np.int64)]
    tables = [pa.schema(fields).empty_table()]
    first = 0
    cutter = _Cutter(form, wanted, columns)
    for chunk in lines.chunks:
        for fitting, table in cutter.chunk(chunk, tables[0].schema):
            rows.append(fitting.astype(np.int64) + first)
            tables.append(table)
        first += len(chunk)
    return np.concatenate(rows), pa.concat_tables(tables)


class _Cutter:
    """Calls cut.c for one chunk after the other."""

    def __init__(self, form: Skeleton, wanted: Cuts, columns: Sequence[str]) -> None:
        library = loaded()
        assert library is not None
        self.cut = library.cut
        self.columns = columns
        self.literals = b"".join(form.literals)
        self.edges = np.cumsum([0, *map(len, form.literals)]).astype(np.int32)
        self.numbers = [path not in wanted.texts for path in columns]
        places = {path: place for place, path in enumerate(columns)}
        self.column = np.array([places.get(path, -1) for path in form.paths], dtype=np.int32)
        self.kind = np.array(
            [
                _BARE * bare
                | _IS_WHOLE * (path in wanted.whole or path in wanted.instants)
                | _IS_INSTANT * (path in wanted.instants)
                for path, bare in zip(form.paths, form.bare, strict=True)
            ],
            dtype=np.uint8,
        )
        self.part = np.array(
            [
                _ALWAYS * (path in wanted.always)
                | _UNDECLARED * (path in wanted.undeclared)
                | _DECLARES * (path in wanted.declared)
                for path in form.paths
            ],
            dtype=np.uint8,
        )
        self.placed = bool(wanted.always)
        # Values are hashed as they stand in the line, so those of another order must not be the same.
        hashed = repr([(path, part) for path, part in zip(form.paths, self.part.tolist(), strict=True) if part])
        self.key = np.frombuffer(blake2b(hashed.encode(), digest_size=16, key=_SECRET).digest(), dtype=np.uint64)
        self.widths: list[float] = []  # mean size of each column's texts, once some are known

    def chunk(self, lines: pa.Array, schema: pa.Schema) -> Iterator[tuple[npt.NDArray[np.int32], pa.Table]]:
        """The rows of an Arrow string column that fit and their values, in as many parts as there is room for."""
        _, offsets, data = lines.buffers()
        if not len(lines) or data is None:
            return
        edges = np.frombuffer(offsets, dtype=np.int32)[lines.offset : lines.offset + len(lines) + 1]
        longest = int(np.diff(edges).max())
        at = np.zeros(1, dtype=np.int64)
        while (begin := int(at[0])) < len(lines):
            end = len(lines) if self.widths else min(begin + _TRIED, len(lines))
            text, count = int(edges[end] - edges[begin]), end - begin
            room = np.full(len(self.columns), text, dtype=np.int64)  # no more can stand there
            if self.widths:
                # A line always has room: else nobody would get beyond it.
                room = np.minimum(room, np.array(self.widths) * 1.5 * count + longest).astype(np.int64)
            ends = [np.zeros(0 if number else count + 1, dtype=np.int32) for number in self.numbers]
            texts = [
                np.empty(0 if number else size, dtype=np.uint8)
                for number, size in zip(self.numbers, room.tolist(), strict=True)
            ]
            numbers = [np.empty(count if number else 0, dtype=np.int64) for number in self.numbers]
            places = np.empty(count if self.placed else 0, dtype=np.uint64)
            fitting = np.empty(count, dtype=np.int32)
            fit = self.cut(
                data.address,
                edges.ctypes.data,
                end,
                at.ctypes.data,
                self.literals,
                self.edges.ctypes.data,
                len(self.column),
                self.kind.ctypes.data,
                self.column.ctypes.data,
                _addresses(ends),
                _addresses(texts),
                room.ctypes.data,
                _addresses(numbers),
                self.part.ctypes.data,
                self.key.ctypes.data,
                places.ctypes.data if self.placed else None,
                fitting.ctypes.data,
            )
            sizes = [0 if number else int(edge[fit]) for number, edge in zip(self.numbers, ends, strict=True)]
            if fit:
                self.widths = [size / fit for size in sizes]
            values = [
                pa.array(whole[:fit])
                if number
                else pa.StringArray.from_buffers(fit, pa.py_buffer(edge[: fit + 1]), pa.py_buffer(text_[:size]))
                for number, whole, edge, text_, size in zip(self.numbers, numbers, ends, texts, sizes, strict=True)
            ]
            if self.placed:
                values.append(pa.array(places[:fit]))
            yield fitting[:fit], pa.Table.from_arrays(values, schema=schema)


def _addresses(arrays: Sequence[npt.NDArray[Any]]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
