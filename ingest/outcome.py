"""What is asked of the engine, and what became of a block."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from ingest.block import Block
from ingest.formats.model import Format
from ingest.hints import Hint

MEASURES = pa.schema(
    [
        ("minute", pa.int32()),
        ("series", pa.uint64()),
        ("client", pa.uint64()),
        ("identity", pa.uint64()),
        ("visible", pa.uint64()),
        ("event_id", pa.string()),
    ]
)
"""minute: since the epoch. series: hash of the text keys of a MINUTES row. client: 32-bit hash of the caller.
identity: see IDENTITY_SQL. visible: frames.visible_mask of the format. event_id: of an envelope."""


@dataclass(slots=True)
class Reading:
    """What became of a block. accepted: the rows that were read, in order of `rn`.

    Its columns: rn (row of the block), the engine's columns of frames.REQUESTS, and of MEASURES.
    rejected: row -> reason. blank: the rows that say nothing; heads: the reason of those that are not white space.
    split_from: rows made by splitting rows that were several glued records -> the row they stood in; each record counts
    as a line of its own.
    """

    block: Block
    rows: int
    tables: list[pa.Table] = field(default_factory=list)
    rejected: dict[int, str] = field(default_factory=dict)
    blank: list[int] = field(default_factory=list)
    heads: dict[int, str] = field(default_factory=dict)
    formats: list[Format] = field(default_factory=list)
    split_from: dict[int, int] = field(default_factory=dict)

    @property
    def accepted(self) -> pa.Table:
        return self.tables[0] if len(self.tables) == 1 else self.together.sort_by("rn")

    @property
    def together(self) -> pa.Table:
        """`accepted` in any order: putting a few rows that were read on their own between the others copies all."""
        return pa.concat_tables(self.tables)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the user, the inventory and the path say about formats, API and stage. heads: of CSV files whose first line
    stands in an earlier block."""

    explicit: str | None = None
    stages: tuple[Format, ...] = ()
    hint: Hint = field(default_factory=Hint)
    heads: tuple[str, ...] = ()
