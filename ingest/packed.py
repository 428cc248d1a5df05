"""Tables of counts on their way to the parent: most of their numbers are 0, nearly all others small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class Packed:
    """A table on its way to the parent, or waiting there, in a third of its size (compressed: in a sixth)."""

    rows: int
    schema: pa.Schema
    data: bytes

    @classmethod
    def of(cls, table: pa.Table, *, compressed: bool = False) -> Packed:
        told = {
            field.name: column
            for field, whole in zip(table.schema, table.columns, strict=True)
            if (column := _narrow(whole)) is not None
        }
        sink = pa.BufferOutputStream()
        small = pa.table(told)
        options = pa.ipc.IpcWriteOptions(compression="lz4" if compressed else None)
        with pa.ipc.new_stream(sink, small.schema, options=options) as writer:
            writer.write_table(small)
        return cls(len(table), table.schema, sink.getvalue().to_pybytes())

    def table(self) -> pa.Table:
        told = pa.ipc.open_stream(self.data).read_all()
        there = dict(zip(told.column_names, told.columns, strict=True))
        zeros = {field.type: _nothing(field.type, self.rows) for field in self.schema if field.name not in there}
        columns = [
            there[field.name].cast(field.type) if field.name in there else zeros[field.type] for field in self.schema
        ]
        return pa.table(columns, schema=self.schema)


def _narrow(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """The column with numbers as small as they are; None for one of zeros (nearly all reject causes are)."""
    if pa.types.is_list(column.type):
        values = column.type.value_type
        kind = _smallest(values, _highest(pc.list_flatten(column))) if pa.types.is_int32(values) else values
        return column if kind == values else column.cast(pa.list_(kind))
    if not pa.types.is_int64(column.type) or column.null_count:
        return column
    highest = _highest(column)
    return column.cast(_smallest(column.type, highest)) if highest != 0 else None


def _highest(values: pa.ChunkedArray) -> int | None:
    """The highest number; 0 when there are none, None when one is negative."""
    span = pc.min_max(values).as_py()
    return (span["max"] or 0) if (span["min"] or 0) >= 0 else None


def _smallest(kind: pa.DataType, highest: int | None) -> pa.DataType:
    """The type of least size that holds the numbers from 0 to `highest`; `kind` when there is none."""
    fitting = (small for small, room in _ROOM if highest is not None and highest < room)
    return next(fitting, kind)


_ROOM = ((pa.uint8(), 1 << 8), (pa.uint16(), 1 << 16), (pa.int32(), 1 << 31))


def _nothing(kind: pa.DataType, rows: int) -> pa.Array:
    return pa.array(np.zeros(rows, dtype=np.int64), kind)
