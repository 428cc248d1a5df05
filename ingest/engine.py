"""The engine: runs formats, which are data, over blocks of lines in DuckDB. No Python per line on the happy path.

A block's lines become rows of a table (canonical columns, see frames.REQUESTS) by one pass per format that the sample
shows. What no pass reads is bisected out: blank, too long, glued records, bare dashes, formats that the sample
did not show, and last the slow reader, line by line. Every row ends in exactly one outcome.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import duckdb
import numpy as np
import pyarrow as pa

from gatewatch.frames import REQUESTS, visible_mask
from ingest import slow
from ingest.block import LINE_LIMIT, Block, Rows, block_of_records
from ingest.book import Book, Work
from ingest.canonical import canonical_columns, given, reason_sql
from ingest.combinations import combination_sql, place_sql
from ingest.envelopes import GLUED, glued_records
from ingest.formats.infer import check_timed, choose
from ingest.formats.model import Format
from ingest.hints import Hint
from ingest.queries import (
    JUDGED,
    PLACES,
    RECORD,
    SANE,
    SERIES_SQL,
    UNKEPT,
    WHO,
    WORKED,
    aliases,
    client_sql,
    event_id_sql,
    identity_sql,
    occurring,
    quoted_name,
    quoted_text,
    raw_sql,
)
from ingest.repeats import repeating

SAMPLE = 200
_FEW = 64  # leftovers that are not worth a further pass of the engine
_PASSES = 12
_ALL_ROWS = 1 << 24  # a batch of a result: more rows than a block has
_CHOSEN = 256
_NO_RECORDS: Mapping[int, list[bytes]] = MappingProxyType({})
_JSON_KEY = re.compile(r'"([^"\\]{1,64})"\s*:')
_BARE_DASH = re.compile(rb'(":\s*)-(\s*[,}\]])')
_BARE_NAN = re.compile(rb'(":\s*)(?:NaN|-?Infinity)(\s*[,}\]])')


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
        if len(self.tables) == 1:
            return self.tables[0]
        return pa.concat_tables(self.tables).sort_by("rn")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the user, the inventory and the path say about formats, API and stage. heads: of CSV files whose first line
    stands in an earlier block."""

    explicit: str | None = None
    stages: tuple[Format, ...] = ()
    hint: Hint = field(default_factory=Hint)
    heads: tuple[str, ...] = ()


class Engine:
    """One DuckDB connection with one thread; use one a process."""

    def __init__(
        self, columns: Sequence[str], hash_key: bytes, *, lean: bool = False, memory_limit: str = "400MB"
    ) -> None:
        """lean: leave out what only the raw request needs (ids and paths) where the format gives something better."""
        self.lean = lean
        self._broken = False
        self._chosen: dict[tuple[frozenset[tuple[str, ...]], str | None, Hint], list[Format]] = {}
        self._places = Book([*PLACES, "series"])
        self._causes = Book(JUDGED)
        self.columns = tuple(name for name in REQUESTS.names if name in set(columns))
        self.key = hash_key.hex()
        self.connection = duckdb.connect(config={"threads": "1", "memory_limit": memory_limit})
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute("SET preserve_insertion_order = false")

    def close(self) -> None:
        self.connection.close()

    def read(self, block: Block, chosen: Chosen) -> Reading:
        """Parse a block. UsageError when the format that the user named has no time, and the block has none either."""
        if chosen.explicit is not None and "x.event_time" not in block.side:
            check_timed(chosen.explicit)
        reading = Reading(block, len(block), [self.schema.empty_table()])
        too_long = np.flatnonzero(np.diff(block.starts) > LINE_LIMIT)
        rows: Rows | None = None
        if len(too_long):
            rows = np.setdiff1d(np.arange(len(block)), too_long)
            self._too_long(block, too_long, reading, chosen)
        self._passes(block, rows, chosen, reading, tried=[])
        reading.tables = [table for table in reading.tables if len(table)] or reading.tables[:1]
        return reading

    def _too_long(self, block: Block, rows: Rows, reading: Reading, chosen: Chosen) -> None:
        for row in rows.tolist():
            text = block.whole(row)
            if GLUED.search(text) and text.lstrip()[:1] == b"{":
                self._records(*_split({row: list(glued_records(text))}), chosen, reading, tried=[])
            else:
                reading.rejected[row] = "too_long"

    def _passes(
        self,
        block: Block,
        rows: Rows | None,
        chosen: Chosen,
        reading: Reading,
        tried: list[Format],
        base: Rows | None = None,
    ) -> None:
        """Run formats over rows of `block` until nothing is left; `base`: row of `block` -> row of the reading."""
        current, here = (block, base) if rows is None else (block.part(rows), rows if base is None else base[rows])
        for _ in range(_PASSES):
            if len(current) == 0:
                return
            fresh = [found for found in self._choose(_sample(current), chosen) if found not in tried]
            if not fresh:
                break
            failed = self._pass(current, fresh[0], chosen, reading, here)
            tried.append(fresh[0])
            if len(failed) < len(current):
                reading.formats.append(fresh[0])
            if len(failed) == 0:
                return
            if len(failed) < len(current):
                here = failed if here is None else here[failed]
                current = current.part(failed)
            if len(failed) <= _FEW:
                break
        self._leftover(current, here, chosen, reading, tried)

    def _choose(self, lines: list[str], chosen: Chosen) -> list[Format]:
        """`choose`, asked once for lines of JSON objects with the same sets of keys."""
        if not all(line.startswith("{") for line in lines):
            return choose([*chosen.heads, *lines], chosen.explicit, self._stages(chosen))
        shapes = frozenset(tuple(_JSON_KEY.findall(line)) for line in lines)
        key = (shapes, chosen.explicit, chosen.hint)
        if key not in self._chosen:
            if len(self._chosen) >= _CHOSEN:
                self._chosen.clear()
            self._chosen[key] = choose(lines, chosen.explicit, self._stages(chosen))
        return self._chosen[key]

    def _stages(self, chosen: Chosen) -> list[Format]:
        if not chosen.hint.sure:
            return list(chosen.stages)
        return [found for found in chosen.stages if found.api in (None, chosen.hint.api)]

    def _pass(self, block: Block, found: Format, chosen: Chosen, reading: Reading, here: Rows | None) -> Rows:
        """Read the block with one format; returns the rows (of this block) that it could not read."""
        numbers = np.arange(len(block)) if here is None else here
        lines = pa.table({"rn": pa.array(numbers.astype(np.int32)), "line": block.lines, **block.side})
        self.connection.register("lines", lines)
        try:
            table = self._run(found, frozenset(block.side), chosen)
        finally:
            self.connection.unregister("lines")
        read, doubtful = self._believed(block, numbers, found, table, reading)
        good = self._keep(read, reading)
        if len(doubtful):
            self._slowly(block, doubtful.tolist(), here, chosen, reading, [found])
            good = np.concatenate([good, numbers[doubtful]])
        failed = np.setdiff1d(numbers, good, assume_unique=True) if len(good) < len(numbers) else _NO_ROWS
        return failed if here is None else np.flatnonzero(np.isin(here, failed))

    def _believed(
        self, block: Block, numbers: Rows, found: Format, table: pa.Table, reading: Reading
    ) -> tuple[pa.Table, Rows]:
        """The table without the lines that nobody should believe at a glance, and the rows of these in the block."""
        if found.family != "json":
            return table, _NO_ROWS
        reason = table.column("reason")
        read = table if reason.null_count == len(table) else table.filter(reason.is_null())
        rows = np.sort(np.asarray(read.column("rn").to_numpy(), dtype=np.int64))
        doubtful = repeating(block, np.searchsorted(numbers, rows), found, reading.formats, self.connection)
        if not len(doubtful):
            return table, doubtful
        believed = ~np.isin(table.column("rn").to_numpy(), numbers[doubtful])
        return table.filter(pa.array(believed)), doubtful

    def _keep(self, table: pa.Table, reading: Reading) -> Rows:
        """Add the rows that were read to the reading; returns their row numbers."""
        reason = table.column("reason")
        good = table if reason.null_count == len(table) else table.filter(reason.is_null())
        reading.tables.append(good.drop_columns("reason"))
        return np.asarray(good.column("rn").to_numpy(), dtype=np.int64)

    def _run(self, found: Format, side: frozenset[str], chosen: Chosen, read: frozenset[str] | None = None) -> pa.Table:
        """Run a format over `lines`; read: over `slow_rows`, which has these variables already."""
        variables = read if read is not None else frozenset(found.fields) | side | aliases(side)
        kind = found.api_type or chosen.hint.api_type
        constants = {
            name: value
            for name, value in (
                ("account", found.account),
                ("region", found.region),
                ("api", found.api or chosen.hint.api),
                ("stage", found.stage or chosen.hint.stage),
                ("api_type", kind.value if kind else None),
            )
            if value is not None
        }
        known = canonical_columns(variables, constants, self.key)
        columns = [name for name in self.columns if name not in WORKED]
        lean = self.lean
        refused = "\"status\" >= '4'" if "status" in variables else "false"
        inner = ", ".join(
            # `scan` keeps who it was for refused requests only.
            f"CASE WHEN {refused} THEN {known[name]} END AS {name}"
            if lean and name in WHO
            else f"{known[name]} AS {quoted_name(name)}"
            for name in columns
        )
        places = {name: known[name] for name in PLACES}
        judged = {name: known[name] for name in JUDGED}
        telling_place = occurring(variables, places.values())
        telling_cause = occurring(variables, judged.values())
        # A whole record is an identity only when its time is precise and nothing was left out of it.
        precise = not lean and bool({"requestTimeEpoch", "x.time"} & variables)
        kept = ", ".join(quoted_name(name) for name in columns if name != UNKEPT or not lean)  # `at` is a keyword
        client = client_sql(variables)
        reason = f"CASE WHEN {SANE} THEN NULL ELSE 'unread' END" if read is None else "reason"
        told = "" if read is None else f", {reason_sql(variables)} AS reason"
        outer = (
            f'SELECT rn, {kept}, (epoch_us("at") // 60000000)::INTEGER AS minute, client, '
            f"{identity_sql(RECORD if precise else [])} AS identity, "
            f"{visible_mask(given(variables, constants))}::UBIGINT AS visible, event_id, place, "
            f"CASE WHEN status >= 400 THEN cause END AS cause, {reason} AS reason "
            f"FROM (SELECT rn, unmet, {inner}, {client} AS client, {event_id_sql(variables)} AS event_id, "
            f"hash({quoted_text(found.name)}, {quoted_text(repr(constants))}, {place_sql(telling_place)}) AS place, "
            f"CASE WHEN {refused} THEN hash({quoted_text(found.name)}, {combination_sql(telling_cause)}) END AS cause"
            f"{told} "
        )
        used = occurring(variables, [inner, client, told]) | telling_place | telling_cause

        def source(relation: str, *, careful: bool) -> str:
            if read is not None:
                return f"SELECT *, false AS unmet FROM {relation}"
            return raw_sql(found, side, used, careful=careful, lines=relation)

        lines = "lines" if read is None else "slow_rows"

        def worker(expressions: Mapping[str, str], more: str = "") -> Work:
            def work(rows: Rows) -> pa.Table:
                self.connection.register("wanted", pa.table({"rn": pa.array(rows.astype(np.int32))}))
                some = f"(SELECT * FROM {lines} WHERE rn IN (SELECT rn FROM wanted))"
                listed = ", ".join(f"{value} AS {name}" for name, value in expressions.items())
                table = self._table(f"SELECT *{more} FROM (SELECT rn, {listed} FROM ({source(some, careful=True)}))")
                self.connection.unregister("wanted")
                return table

            return work

        table = self._query(lambda careful: f"{outer} FROM ({source(lines, careful=careful)}))", found)
        table = self._places.fill(table, "place", worker(places, f", {SERIES_SQL} AS series"))
        table = self._causes.fill(table, "cause", worker(judged))
        return table.select([*self.schema.names, "reason"])

    def _query(self, query: Callable[[bool], str], found: Format) -> pa.Table:
        """Run the query, at first in the way that a malformed JSON line stops."""
        if found.family == "json" and not self._broken:
            try:
                return self._table(query(False))
            except duckdb.InvalidInputException:
                self._broken = True  # where there is one malformed line, more will follow
        return self._table(query(True))

    def _table(self, query: str) -> pa.Table:
        """Straight to Arrow: a temporary table would cost a third more, for statistics that nobody reads.

        A reader, because a relation (`connection.sql`) binds the query twice and reads its text in Python.
        """
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Arrow output on a DB-API result")  # the copy is cheaper than binding
            reader: pa.RecordBatchReader = self.connection.execute(query).to_arrow_reader(_ALL_ROWS)
            return reader.read_all()

    @property
    def schema(self) -> pa.Schema:
        """Of Reading.accepted."""
        kept = [
            pa.field(name, pa.dictionary(pa.int32(), pa.string())) if name in WORKED else REQUESTS.field(name)
            for name in self.columns
            if name != UNKEPT or not self.lean
        ]
        return pa.schema([pa.field("rn", pa.int32()), *kept, *MEASURES])

    def _leftover(self, block: Block, here: Rows | None, chosen: Chosen, reading: Reading, tried: list[Format]) -> None:
        """The rows that no pass could read, by ever slower means."""
        dashed: list[tuple[int, list[bytes]]] = []
        several: dict[int, list[bytes]] = {}
        slowly: list[int] = []
        for row in range(len(block)):
            text = block.raw(row)
            number = row if here is None else int(here[row])
            if not text.strip():
                reading.blank.append(number)
            elif text.lstrip()[:1] == b"{" and GLUED.search(text) and len(records := list(glued_records(text))) > 1:
                several[row] = records
            elif (
                text.lstrip()[:1] == b"{"
                and (mended := _BARE_NAN.sub(rb'\1"-"\2', _BARE_DASH.sub(rb'\1"-"\2', text))) != text
            ):
                dashed.append((row, [mended]))
            else:
                slowly.append(row)
        if len(dashed) > _FEW:
            mended_block = block_of_records(
                [records[0] for _, records in dashed],
                origins=(),
                number=np.zeros(0, dtype=np.int64),
                side={name: column.take(pa.array([row for row, _ in dashed])) for name, column in block.side.items()},
            )
            base = np.array([row if here is None else int(here[row]) for row, _ in dashed], dtype=np.int64)
            self._passes(mended_block, None, chosen, reading, tried=[], base=base)
        else:
            slowly += [row for row, _ in dashed]
        alone = _alone(reading, list(several), slowly + [row for row, _ in dashed], here) if several else set()
        glued = {row if here is None else int(here[row]): several[row] for row in several if row not in alone}
        several = {row: several[row] for row in alone}
        if glued:
            split, parents = _split(glued)
            glued.clear()
            self._records(split, parents, chosen, reading, tried=[])
        self._slowly(block, sorted([*slowly, *alone]), here, chosen, reading, tried, several)

    def _records(
        self, records: Block, parents: Sequence[int], chosen: Chosen, reading: Reading, tried: list[Format]
    ) -> None:
        """Read records that were glued together in one row, as rows of their own behind the block's rows."""
        # New row numbers behind all others; the rows that held the records count no longer.
        first = _RECORD_ROWS + len(reading.split_from)
        base = np.arange(first, first + len(records))
        reading.rows += len(records) - len(set(parents))
        reading.split_from.update(zip(base.tolist(), parents, strict=True))
        self._passes(records, None, chosen, reading, tried, base=base)

    def _slowly(
        self,
        block: Block,
        rows: list[int],
        here: Rows | None,
        chosen: Chosen,
        reading: Reading,
        tried: list[Format],
        several: Mapping[int, list[bytes]] = _NO_RECORDS,
    ) -> None:
        """Line by line; a format that only these lines show is inferred from them. several: see slow.read_alone."""
        formats = (
            tried
            + [found for found in self._stages(chosen) if found not in tried]
            + [
                found
                for found in choose(
                    [block.raw(row).decode("utf-8", "replace") for row in rows[:SAMPLE]],
                    chosen.explicit,
                    self._stages(chosen),
                )
                if found not in tried
            ]
            if rows
            else []
        )
        read: dict[str, tuple[Format, list[int], list[Mapping[str, str | None]], list[int]]] = {}
        for row in rows:
            number = row if here is None else int(here[row])
            text = block.raw(row).decode("utf-8", "replace")
            records = several.get(row)
            result = slow.read_line(formats, text) if records is None else slow.read_alone(formats, text, records)
            if result.reason in slow.EMPTY:
                reading.blank.append(number)
                reading.heads[number] = result.reason
                continue
            if result.format is None or result.reason is not None or result.rest is not None:
                # What is left behind a record would have been split off had it been one: nothing is dropped in silence.
                reading.rejected[number] = result.reason or ("trailing_text" if result.rest else "no_format")
                continue
            entry = read.setdefault(result.format.name, (result.format, [], [], []))
            entry[1].append(number)
            entry[2].append(result.variables)
            entry[3].append(row)
        for found, numbers, variables, places in read.values():
            if found not in reading.formats:
                reading.formats.append(found)
            names = sorted({name for one in variables for name in one} | set(found.fields))
            table = pa.table(
                {
                    "rn": pa.array(numbers, pa.int32()),
                    **{name: pa.array([one.get(name) for one in variables], pa.string()) for name in names},
                    **{name: column.take(pa.array(places)) for name, column in block.side.items() if name not in names},
                }
            )
            self.connection.register("slow_rows", table)
            done = self._run(found, frozenset(), chosen, read=frozenset(table.column_names) - {"rn"})
            self.connection.unregister("slow_rows")
            self._keep(done, reading)
            for number, reason in zip(done.column("rn").to_pylist(), done.column("reason").to_pylist(), strict=True):
                if reason is not None:
                    reading.rejected[number] = reason


_NO_ROWS = np.zeros(0, dtype=np.int64)
_RECORD_ROWS = 1 << 28
"""Row numbers from here on are records that were split out of one line."""


def _split(glued: Mapping[int, list[bytes]]) -> tuple[Block, list[int]]:
    """The records of rows that hold several as a block of their own, and the row of each."""
    records = [record for several in glued.values() for record in several]
    parents = [row for row, several in glued.items() for _ in several]
    return block_of_records(records, origins=(), number=np.zeros(0, dtype=np.int64)), parents


def _alone(reading: Reading, several: Sequence[int], others: Sequence[int], here: Rows | None) -> set[int]:
    """The rows in `several`, which hold more than one record, of files most of whose lines hold one.

    others: further rows of the leftover that hold one.
    """

    def numbers(rows: Sequence[int]) -> Rows:
        plain = np.array(rows, dtype=np.int64)
        return plain if here is None else here[plain]

    read = [np.asarray(table.column("rn").to_numpy(), dtype=np.int64) for table in reading.tables]
    single = np.concatenate([*read, numbers(others)])
    single = single[single < _RECORD_ROWS]
    mine = numbers(several)
    if not len(mine) or mine.max() >= _RECORD_ROWS:
        return set()
    singles, gluings = reading.block.rows_by_file(single), reading.block.rows_by_file(mine)
    alone = {file for file, count in gluings.items() if singles[file] > count}
    return {row for row, number in zip(several, mine.tolist(), strict=True) if reading.block.origin(number)[0] in alone}


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


def _sample(block: Block) -> list[str]:
    """Up to SAMPLE lines from all over the block."""
    count = len(block)
    if count <= SAMPLE:
        rows = list(range(count))
    else:
        rows = np.unique(np.linspace(0, count - 1, SAMPLE).astype(np.int64)).tolist()
    lines = (block.raw(row)[:LINE_LIMIT].decode("utf-8", "replace") for row in rows)
    return [line for line in lines if line.strip()]
