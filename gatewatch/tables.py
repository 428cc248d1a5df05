"""Arrow batches as JSON lines, CSV or Parquet, batch by batch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from alerts.render.csv import FORMULA
from alerts.render.json import json_text

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_ROWS = 16384


def write_batches(batches: Iterable[pa.RecordBatch], schema: pa.Schema, form: str, out: BinaryIO) -> int:
    """Write the batches (columns of the first one, else of `schema`) and return the number of rows."""
    if form == "parquet":
        return _parquet(batches, schema, out)
    rows = 0
    for batch in batches:
        for start in range(0, batch.num_rows, _ROWS):
            part = pa.Table.from_batches([batch.slice(start, _ROWS)])
            out.write(_json_lines(part) if form == "jsonl" else _csv(part, head=rows == 0))
            rows += part.num_rows
    if form == "csv" and rows == 0:
        out.write(_csv(schema.empty_table(), head=True))
    return rows


def _parquet(batches: Iterable[pa.RecordBatch], schema: pa.Schema, out: BinaryIO) -> int:
    rows = 0
    writer: pq.ParquetWriter | None = None
    try:
        for batch in batches:
            writer = writer or pq.ParquetWriter(out, batch.schema, compression="zstd")
            writer.write_batch(batch)
            rows += batch.num_rows
        writer = writer or pq.ParquetWriter(out, schema, compression="zstd")
    finally:
        if writer is not None:
            writer.close()
    return rows


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
