"""A block: the text of one or more pieces as an Arrow column of lines, with where each line came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from mmap import mmap

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingest.compiled import Compiled, loaded

LINE_LIMIT = 1 << 20
"""Longest line that is read, in bytes; longer ones are rejected as too_long."""

_QUOTE = 34
_NEWLINE = 10
_STEP = 1 << 18  # newlines are looked for in steps that stay in the cache: a third faster than in one go

Text = bytes | mmap
"""A file's text: mapped when a plain file is one block, so that it is never copied."""

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Origin:
    """The lines from row `row` on are of this file; the first of them is line `line` at byte `offset` of its text."""

    row: int
    file: str
    line: int
    offset: int


@dataclass(slots=True)
class Block:
    """Lines and their origin.

    texts: one after the other they are the block's text; starts: where in it each row begins, and the end.
    lines: a string a row, its line end included. side: variables that an envelope told about each row.
    number: row -> line number of its file, counted from its origin's row, when rows are not lines (records split out
    of one line, events of an envelope); None: row i of an origin is its line i. stood: where each row began in the file
    when something was taken off the lines; None: `starts`.
    """

    texts: Sequence[Text]
    starts: Rows
    origins: Sequence[Origin]
    lines: pa.ChunkedArray
    side: Mapping[str, pa.Array] = field(default_factory=dict)
    number: Rows | None = None
    envelopes: int = 0
    stood: Rows | None = None
    _quotes: Rows | None = field(default=None, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def edges(self) -> Rows:
        """Where each row begins in the text as it came, and the end."""
        return self.starts if self.stood is None else self.stood

    @property
    def size(self) -> int:
        """Bytes of text."""
        return int(self.edges[-1])

    def whole(self, row: int) -> bytes:
        """The bytes of one row with its line end."""
        begin, end = int(self.starts[row]), int(self.starts[row + 1])
        for text in self.texts:
            if begin < len(text):
                return text[begin:end]
            begin, end = begin - len(text), end - len(text)
        return b""

    def raw(self, row: int) -> bytes:
        """The bytes of one row, without its line end."""
        return self.whole(row).rstrip(b"\r\n")

    def origin(self, row: int) -> tuple[str, int, int, int]:
        """File, line number (from 1), byte offset in the file's text, and length of one row."""
        first = [origin.row for origin in self.origins]
        origin = self.origins[int(np.searchsorted(first, row, side="right")) - 1]
        line = row - origin.row if self.number is None else int(self.number[row])
        offset = origin.offset + int(self.edges[row] - self.edges[origin.row])
        return origin.file, origin.line + line, offset, len(self.raw(row))

    def rows_of(self, file: str) -> range:
        """The rows of one file: files stand in a block one after the other, each once."""
        edges = [*(origin.row for origin in self.origins), len(self)]
        return next(
            (range(edges[at], edges[at + 1]) for at, origin in enumerate(self.origins) if origin.file == file), range(0)
        )

    def rows_by_file(self, rows: Rows) -> dict[str, int]:
        """How many of these rows each file has."""
        first = np.array([origin.row for origin in self.origins])
        counts = np.bincount(np.searchsorted(first, rows, side="right") - 1, minlength=len(first))
        out: dict[str, int] = {}
        for origin, count in zip(self.origins, counts.tolist(), strict=True):
            out[origin.file] = out.get(origin.file, 0) + count
        return out

    def part(self, rows: Rows) -> Block:
        """The block of only these rows (copied); row i of it is `rows[i]` here: for a second try with other means."""
        text = b"".join(self.whole(row) for row in rows.tolist())
        starts = np.concatenate([_ZERO, np.cumsum(np.diff(self.starts)[rows])])
        side = {name: column.take(pa.array(rows)) for name, column in self.side.items()}
        return Block([text], starts, (), self.lines_at(rows), side)

    def quotes(self) -> Rows:
        """How many double quotes each row has; counted once, in steps that stay in the cache."""
        if self._quotes is not None:
            return self._quotes
        found = []
        row = base = 0
        room = np.empty(_STEP, dtype=bool)
        for text in self.texts:
            data = np.frombuffer(text, dtype=np.uint8)
            end = int(np.searchsorted(self.starts, base + len(data)))
            while row < end:
                after = max(int(np.searchsorted(self.starts, self.starts[row] + _STEP)), row + 1)
                after = min(after, end)
                begins = self.starts[row:after] - base
                step = data[begins[0] : int(self.starts[after]) - base]
                if len(step) > len(room):  # a long line
                    room = np.empty(len(step), dtype=bool)
                signs = np.equal(step, _QUOTE, out=room[: len(step)]).view(np.uint8)
                counted = np.add.reduceat(signs, begins - begins[0], dtype=np.uint8)
                if int(counted.sum()) != np.count_nonzero(signs):  # more than 255 in one line
                    counted = np.add.reduceat(signs, begins - begins[0], dtype=np.int64)
                found.append(counted)
                row = after
            base += len(data)
        self._quotes = np.concatenate(found) if found else _ZERO[:0]
        return self._quotes

    def odd(self) -> npt.NDArray[np.bool_]:
        """Whether a row has another number of double quotes than most have."""
        quotes = self.quotes()
        return np.asarray(quotes != np.bincount(quotes).argmax()) if len(quotes) else np.zeros(0, dtype=bool)

    def lines_at(self, rows: Rows) -> pa.ChunkedArray:
        """These rows of `lines`. Arrow's own `take` would put all chunks together first, which copies the block."""
        taken: list[pa.Array] = []
        first = taken_rows = 0
        places = np.empty(len(rows), dtype=np.int64)
        for chunk in self.lines.chunks:
            here = np.flatnonzero((rows >= first) & (rows < first + len(chunk)))
            if len(here):
                places[here] = np.arange(len(here)) + taken_rows
                taken.append(chunk.take(pa.array(rows[here] - first)))
                taken_rows += len(here)
            first += len(chunk)
        together = pa.chunked_array(taken, pa.string())
        return together if bool((rows[1:] > rows[:-1]).all()) else together.take(pa.array(places))


_ALONE = 4 << 20  # texts of this size or more are not copied together
_ZERO = np.zeros(1, dtype=np.int64)


def block_of(
    texts: Sequence[tuple[str, int, int, Text]],
) -> Block:
    """One block of the texts of several files: (file, line number of the first line, byte offset, text)."""
    ended = [text if text[-1:] in (b"\n", b"") else text[:] + b"\n" for _, _, _, text in texts]
    parts: list[Text] = []
    small: list[Text] = []
    for text in ended:
        if len(text) < _ALONE:
            small.append(text)
            continue
        parts += [_joined(small)] if small else []
        parts.append(text)
        small = []
    parts += [_joined(small)] if small or not parts else []
    starts, lines = _lines(parts)
    ends = np.cumsum([len(text) for text in ended])
    rows = [0, *np.searchsorted(starts, ends[:-1]).tolist()]
    origins = tuple(Origin(row, file, line, offset) for row, (file, line, offset, _) in zip(rows, texts, strict=True))
    return Block(parts, starts, origins, lines)


def _joined(texts: Sequence[Text]) -> Text:
    return texts[0] if len(texts) == 1 else b"".join(texts)


def _lines(parts: Sequence[Text]) -> tuple[Rows, pa.ChunkedArray]:
    starts, lines, base = [_ZERO], [], 0
    for part in parts:
        found, ascii_only = line_starts(part)
        lines.append(lines_of(part, found, ascii_only=ascii_only))
        starts.append(found[1:] + base)
        base += len(part)
    return np.concatenate(starts), pa.chunked_array(lines, pa.string())


def line_starts(text: Text) -> tuple[Rows, bool]:
    """Where each line begins, and the end of the last: n + 1 positions for text that ends with a newline.

    And whether the text is pure ASCII, which comes nearly free here.
    """
    data = np.frombuffer(text, dtype=np.uint8)
    if (compiled := loaded()) is not None:
        return _compiled_starts(data, compiled)
    return counted_starts(data)


def _compiled_starts(data: npt.NDArray[np.uint8], compiled: Compiled) -> tuple[Rows, bool]:
    room = max(len(data) // 256, 1024)
    found, high = [_ZERO], np.zeros(1, dtype=np.uint8)
    at = 0
    while at < len(data):
        starts = np.empty(room, dtype=np.int64)
        count = compiled.lines(data.ctypes.data, len(data), at, starts.ctypes.data, room, high.ctypes.data)
        found.append(starts[:count])
        if count < room:
            break
        at = int(starts[-1])
    return np.concatenate(found), not high[0]


def counted_starts(data: npt.NDArray[np.uint8]) -> tuple[Rows, bool]:
    """`line_starts` where nothing is compiled."""
    found = [_ZERO]
    ascii_only = True
    room = np.empty(_STEP, dtype=bool)  # used again and again: fresh memory costs more than looking
    for at in range(0, len(data), _STEP):
        step = data[at : at + _STEP]
        ends = _newlines(np.equal(step, _NEWLINE, out=room[: len(step)]))
        ends += at + 1
        found.append(ends)
        ascii_only = ascii_only and _ascii(step)
    return np.concatenate(found), ascii_only


def _newlines(signs: npt.NDArray[np.bool_]) -> Rows:
    """Where they are set: eight bytes are passed over at a time, which halves the time for lines of a usual length."""
    words = len(signs) // 8
    some = np.flatnonzero(signs[: words * 8].view(np.uint64) != 0)
    if len(some) * 4 > words:  # short lines
        return np.flatnonzero(signs)
    inside = np.flatnonzero(signs[: words * 8].reshape(words, 8)[some])
    ends = (some[inside >> 3] << 3) + (inside & 7)
    return np.concatenate([ends, np.flatnonzero(signs[words * 8 :]) + words * 8])


def _ascii(step: npt.NDArray[np.uint8]) -> bool:
    """No byte has its high bit set; looked at eight bytes at a time."""
    words = len(step) // 8 * 8
    high = np.bitwise_or.reduce(step[:words].view(np.uint64)) & np.uint64(0x8080808080808080)
    return not high and not (step[words:] > 127).any()


def lines_of(text: Text, starts: Rows, *, ascii_only: bool) -> pa.Array:
    """The lines as an Arrow string column: zero-copy when the text is UTF-8, with U+FFFD for stray bytes if not."""
    if not ascii_only:
        try:
            bytes(text).decode()
        except UnicodeDecodeError:
            lines = [text[begin:end].decode("utf-8", "replace") for begin, end in pairwise(starts)]
            return pa.array(lines, pa.string())
    offsets = starts.astype(np.int32)
    return pa.StringArray.from_buffers(len(starts) - 1, pa.py_buffer(offsets), pa.py_buffer(text))


def block_of_records(
    records: Sequence[bytes],
    *,
    origins: Sequence[Origin],
    number: Rows,
    side: Mapping[str, pa.Array] | None = None,
    envelopes: int = 0,
) -> Block:
    """A block whose rows are records that were taken out of something else; `number` tells the line each stood in."""
    # Joined in one go, the last newline included: a second copy of a block's text would be felt.
    text = b"\n".join([record.replace(b"\n", b" ") for record in records] + ([b""] if records else []))
    starts, lines = _lines([text])
    return Block([text], starts, origins, lines, side or {}, number, envelopes)
