"""Arrow batches as JSON lines, CSV or Parquet, piece by piece: what `gatewatch export` and the API's exports write.

No cell is a formula to a spreadsheet or a command to a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from alerts.render.csv import FORMULA, csv_cell
from alerts.render.json import json_text

FORMS: tuple[str, ...] = ("jsonl", "csv", "parquet")

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_ROWS = 16384


def pieces(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    form: str,
    *,
    head: Mapping[str, str] | None = None,
    count: Callable[[int], object] = int,
) -> Iterator[bytes]:
    """The batches (columns of the first one, else of `schema`) in a form of FORMS.

    head: what it is: `#` lines of CSV, a first object `export` of JSON lines, Parquet's metadata.
    count: told the rows of each piece.
    """
    if form == "parquet":
        yield from _parquet(batches, schema, head, count)
        return
    if head is not None:
        lines = "".join(f"# {csv_cell(name)}: {csv_cell(value)}\n" for name, value in head.items())
        yield (lines if form == "csv" else json_text({"export": dict(head)}) + "\n").encode()
    first = True
    for batch in batches:
        for start in range(0, batch.num_rows, _ROWS):
            part = pa.Table.from_batches([batch.slice(start, _ROWS)])
            yield _json_lines(part) if form == "jsonl" else _csv(part, head=first)
            first = False
            count(part.num_rows)
    if form == "csv" and first:
        yield _csv(schema.empty_table(), head=True)


def write_batches(batches: Iterable[pa.RecordBatch], schema: pa.Schema, form: str, out: BinaryIO) -> int:
    """Write the batches and return the number of rows."""
    rows = 0

    def count(more: int) -> None:
        nonlocal rows
        rows += more

    for piece in pieces(batches, schema, form, count=count):
        out.write(piece)
    return rows


class _Pipe:
    """A file that is only written to; what was written is taken out piece by piece."""

    closed = False

    def __init__(self) -> None:
        self._held: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._held.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def taken(self) -> bytes:
        out = b"".join(self._held)
        self._held.clear()
        return out


def _parquet(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    head: Mapping[str, str] | None,
    count: Callable[[int], object],
) -> Iterator[bytes]:
    pipe = _Pipe()
    writer: pq.ParquetWriter | None = None

    def begun(columns: pa.Schema) -> pq.ParquetWriter:
        if head is not None:
            columns = columns.with_metadata(dict(head))
        return pq.ParquetWriter(pa.PythonFile(pipe, mode="w"), columns, compression="zstd")

    for batch in batches:
        writer = writer or begun(batch.schema)
        writer.write_batch(batch)
        count(batch.num_rows)
        yield pipe.taken()
    (writer or begun(schema)).close()
    yield pipe.taken()


def _json_lines(table: pa.Table) -> bytes:
    """One object a row; what is NULL is left out."""
    columns = [name for name in table.column_names if table.column(name).null_count < table.num_rows]
    listed = [_iso(table.column(name)).to_pylist() for name in columns]
    lines = []
    for values in zip(*listed, strict=True):
        row = {name: value for name, value in zip(columns, values, strict=True) if value is not None}
        lines.append(json_text(row))
    return "".join(line + "\n" for line in lines).encode() if columns else b"{}\n" * table.num_rows


def _csv(table: pa.Table, *, head: bool) -> bytes:
    sink = pa.BufferOutputStream()
    cells = {name: _cells(table.column(name)) for name in table.column_names}
    pacsv.write_csv(pa.table(cells), sink, pacsv.WriteOptions(include_header=head, quoting_style="needed"))
    return bytes(sink.getvalue())


def _cells(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Cells that no spreadsheet takes for a formula and no terminal for a command; lists become JSON."""
    if pa.types.is_list(column.type):
        return pa.chunked_array(
            [[None if value is None else json_text(value) for value in column.to_pylist()]], pa.string()
        )
    column = _iso(column)
    if not pa.types.is_string(column.type):
        return column
    plain = pc.replace_substring_regex(column, r"[\x00-\x1f\x7f-\x{9f}\p{Cf}\x{2028}\x{2029}]", "\ufffd")
    return pc.replace_substring_regex(plain, rf"^(\s*[{re.escape(FORMULA)}])", r"'\1")


def _iso(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times as ISO 8601 in UTC, with a fraction only where the clock gave one."""
    if not pa.types.is_timestamp(column.type):
        return column
    utc = column.cast(pa.timestamp("us", "UTC"))
    whole = pc.strftime(utc.cast(pa.timestamp("s", "UTC"), safe=False), _TIME)
    exact = pc.strftime(utc.cast(pa.timestamp("ms", "UTC"), safe=False), _TIME)
    return pc.if_else(pc.equal(pc.add(pc.millisecond(utc), pc.microsecond(utc)), 0), whole, exact)
