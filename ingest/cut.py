"""Lines of JSON that are one text around their values, as a template of API Gateway makes them, cut by a little C.

A line that fits such a skeleton is not parsed: its values stand where the skeleton says. That takes a fifth of the time
of any JSON reader here. The library is built by whoever builds the package and has a C compiler (hatch_build.py);
without it, and for every line that does not fit to the byte, there is the JSON reader, with the same outcome.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
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


def cut(lines: pa.ChunkedArray, form: Skeleton, paths: Collection[str]) -> tuple[Rows, pa.Table]:
    """The rows that fit, ascending, and their values at those of these paths that the skeleton has."""
    library = loaded()
    assert library is not None
    names = [path for path in form.paths if path in paths]
    places = {name: place for place, name in enumerate(names)}
    column = np.array([places.get(path, -1) for path in form.paths], dtype=np.int32)
    edges = np.cumsum([0, *map(len, form.literals)]).astype(np.int32)
    bare = np.array(form.bare, dtype=np.uint8)
    literals = b"".join(form.literals)
    rows: list[Rows] = [np.zeros(0, dtype=np.int64)]
    tables: list[pa.Table] = []
    first = 0
    for chunk in lines.chunks:
        room = len(chunk)
        _, offsets, data = chunk.buffers()
        if not room or data is None:
            continue
        views = np.empty((len(names), room, 16), dtype=np.uint8)
        fitting = np.empty(room, dtype=np.int32)
        count = library.cut(
            data.address,
            offsets.address + 4 * chunk.offset,
            room,
            literals,
            edges.ctypes.data,
            len(form.paths),
            bare.ctypes.data,
            column.ctypes.data,
            views.ctypes.data,
            room,
            fitting.ctypes.data,
        )
        rows.append(fitting[:count].astype(np.int64) + first)
        columns = [
            pa.Array.from_buffers(pa.string_view(), count, [None, pa.py_buffer(view[:count].data), data])
            for view in views
        ]
        tables.append(pa.table(columns, names=names))
        first += room
    schema = pa.schema([(name, pa.string_view()) for name in names])
    return np.concatenate(rows), pa.concat_tables([schema.empty_table(), *tables])
