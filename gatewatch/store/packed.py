"""Request and trace ids in 16 bytes instead of 36 letters: half of what a request needs in the lake is random ids.

A trace id begins with its time: kept in a column of its own, that shrinks to nearly nothing. A segment's column is
packed when all of its ids have the usual shape, a lower-case UUID or an X-Ray trace id; else it stays as text. Readers
see text either way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the 32 hexadecimal digits stand in the text, and what stands between them."""

    column: str
    model: str  # `0` for a digit, else the letter itself
    lead: int = 0  # leading digits that go into a column of their own, as a number

    @property
    def packed(self) -> str:
        return f"{self.column}_{16 - self.lead // 2}"

    @property
    def number(self) -> str | None:
        return f"{self.column}_lead" if self.lead else None

    @property
    def fields(self) -> list[pa.Field]:
        """The further columns of a segment."""
        packed = pa.field(self.packed, pa.binary(16 - self.lead // 2))
        return [packed] if self.number is None else [packed, pa.field(self.number, pa.uint32())]

    @property
    def digits(self) -> list[int]:
        return [place for place, letter in enumerate(self.model) if letter == "0"]

    @property
    def sql(self) -> str:
        """The text of the packed column, in DuckDB."""
        digits = f"lower(hex({self.packed}))"
        if self.number is not None:
            digits = f"(printf('%0{self.lead}x', {self.number}) || {digits})"
        parts, digit = [], 1
        for run in re.findall("0+|[^0]+", self.model):
            if run[0] == "0":
                parts.append(f"substr({digits}, {digit}, {len(run)})")
                digit += len(run)
            else:
                parts.append(f"'{run}'")
        return " || ".join(parts)


UUID = Shape("request_id", "00000000-0000-0000-0000-000000000000")
TRACE = Shape("trace_id", "1-00000000-000000000000000000000000", lead=8)
SHAPES = (UUID, TRACE)

_NIBBLE = np.full(256, 255, dtype=np.uint8)
_NIBBLE[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = np.arange(16, dtype=np.uint8)
_LETTER = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


def column_sql(name: str) -> str:
    """DuckDB expression of a column of REQUESTS over a segment's columns."""
    for shape in SHAPES:
        if name == shape.column:
            return f"coalesce({name}, CASE WHEN {shape.packed} IS NOT NULL THEN {shape.sql} END) AS {name}"
    return f'"{name}"'


def pack(requests: pa.Table) -> pa.Table:
    """A table of REQUESTS -> the columns of a segment."""
    for shape in SHAPES:
        column = requests.column(shape.column)
        packed = _packed(column, shape)
        if packed is None:
            for field in shape.fields:
                requests = requests.append_column(field, pa.nulls(len(requests), field.type))
            continue
        place = requests.column_names.index(shape.column)
        requests = requests.set_column(place, shape.column, pa.nulls(len(requests), pa.string()))
        for field, values in zip(shape.fields, packed, strict=True):
            requests = requests.append_column(field, values)
    return requests


def unpack(requests: pa.Table) -> pa.Table:
    """The columns of a segment (or some of them) -> with the packed ones as text, and without them."""
    for shape in SHAPES:
        if shape.packed not in requests.column_names:
            continue
        packed = requests.column(shape.packed)
        if packed.null_count < len(packed) and shape.column in requests.column_names:
            place = requests.column_names.index(shape.column)
            number = None if shape.number is None else requests.column(shape.number).combine_chunks()
            requests = requests.set_column(place, shape.column, _text(packed.combine_chunks(), number, shape))
        requests = requests.drop_columns([field.name for field in shape.fields])
    return requests


def _packed(column: pa.ChunkedArray, shape: Shape) -> list[pa.Array] | None:
    """None when a value has another shape, or none has any."""
    values = column.combine_chunks()
    valid = values.is_valid()
    known = values.drop_null() if values.null_count else values
    width = len(shape.model)
    lengths = np.diff(_offsets(known))
    if not len(known) or not (lengths == width).all():
        return None
    data = _data(known).reshape(-1, width)
    for place, letter in enumerate(shape.model):
        if letter != "0" and not (data[:, place] == ord(letter)).all():
            return None
    nibbles = _NIBBLE[data[:, shape.digits]]
    if nibbles.max() > 15:
        return None
    packed = np.ascontiguousarray((nibbles[:, ::2] << 4) | nibbles[:, 1::2])
    lead = shape.lead // 2
    rest = np.ascontiguousarray(packed[:, lead:])
    arrays = [pa.FixedSizeBinaryArray.from_buffers(pa.binary(16 - lead), len(known), [None, pa.py_buffer(rest)])]
    if lead:
        arrays.append(pa.array(np.ascontiguousarray(packed[:, :lead]).view(">u4")[:, 0].astype(np.uint32)))
    if not values.null_count:
        return arrays
    present = np.asarray(valid.to_numpy(zero_copy_only=False))
    places = pa.array(np.cumsum(present) - 1, mask=~present)
    return [array.take(places) for array in arrays]


def _text(packed: pa.FixedSizeBinaryArray, number: pa.Array | None, shape: Shape) -> pa.Array:
    valid = np.asarray(packed.is_valid().to_numpy(zero_copy_only=False))
    known = packed.drop_null()
    raw = np.frombuffer(b"".join(known.to_pylist()), dtype=np.uint8).reshape(len(known), 16 - shape.lead // 2)
    if number is not None:
        lead = number.drop_null().to_numpy().astype(">u4").view(np.uint8).reshape(len(known), 4)
        raw = np.concatenate([lead, raw], axis=1)
    letters = np.tile(np.frombuffer(shape.model.encode(), dtype=np.uint8), (len(known), 1))
    digits = np.empty((len(known), 32), dtype=np.uint8)
    digits[:, ::2], digits[:, 1::2] = _LETTER[raw >> 4], _LETTER[raw & 15]
    letters[:, shape.digits] = digits
    offsets = np.arange(len(known) + 1, dtype=np.int32) * len(shape.model)
    text = pa.StringArray.from_buffers(len(known), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(letters)))
    return text.take(pa.array(np.cumsum(valid) - 1, mask=~valid))


def _offsets(values: pa.StringArray) -> npt.NDArray[np.int32]:
    offsets = np.frombuffer(values.buffers()[1], dtype=np.int32)
    return offsets[values.offset : values.offset + len(values) + 1]


def _data(values: pa.StringArray) -> Bytes:
    offsets = _offsets(values)
    return np.frombuffer(values.buffers()[2], dtype=np.uint8)[offsets[0] : offsets[-1]]
