"""The engine: runs formats, which are data, over blocks of lines in DuckDB. No Python per line on the happy path.

A block's lines become rows of a table (canonical columns, see frames.REQUESTS) by one pass per format that the sample
shows. What no pass reads is bisected out: blank, too long, glued records, bare dashes, formats that the sample
did not show, and last the slow reader, line by line. Every row ends in exactly one outcome.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gatewatch.frames import REQUESTS
from ingest import slow
from ingest.block import LINE_LIMIT, Block, Rows, block_of_records
from ingest.envelopes import GLUED, glued_records
from ingest.formats.infer import check_timed, choose
from ingest.formats.model import Format
from ingest.hints import Hint
from ingest.outcome import Chosen, Reading
from ingest.repeats import places_of, repeating, sound
from ingest.runner import Runner

SAMPLE = 100
_FEW = 64  # leftovers that are not worth a further pass of the engine
_REST = 200
"""So many lines that fit no skeleton are read one by one sooner than DuckDB has planned to walk them."""
_PASSES = 12
_CHOSEN = 256
_NO_RECORDS: Mapping[int, list[bytes]] = MappingProxyType({})
_SHAPE_CHARS = 1 << 14
"""How much of a line tells its shape: a Firehose object can be one line of thousands of records."""

_JSON_KEY = re.compile(r'"([^"\\]{1,64})"\s*:')
_BARE_DASH = re.compile(rb'(":\s*)-(\s*[,}\]])')
_BARE_NAN = re.compile(rb'(":\s*)(?:NaN|-?Infinity)(\s*[,}\]])')


class Engine:
    """One DuckDB connection with one thread; use one a process."""

    def __init__(
        self, columns: Sequence[str], hash_key: bytes, *, lean: bool = False, memory_limit: str = "400MB"
    ) -> None:
        """lean: leave out what only the raw request needs (ids and paths) where the format gives something better."""
        self.lean = lean
        self._chosen: dict[tuple[frozenset[tuple[str, ...]], str | None, Hint], list[Format]] = {}
        self.columns = tuple(name for name in REQUESTS.names if name in set(columns))
        self.key = hash_key.hex()
        self._runner = Runner(self.columns, self.key, lean=lean, memory_limit=memory_limit)
        self.connection = self._runner.connection

    def close(self) -> None:
        self._runner.close()

    def read(self, block: Block, chosen: Chosen) -> Reading:
        """Parse a block. UsageError when the format that the user named has no time, and the block has none either."""
        if chosen.explicit is not None and "x.event_time" not in block.side:
            check_timed(chosen.explicit)
        reading = Reading(block, len(block), [self._runner.schema.empty_table()])
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
        shapes = frozenset(tuple(_JSON_KEY.findall(line, 0, _SHAPE_CHARS)) for line in lines)
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
        places = places_of(found, reading.formats)
        cut = self._runner.cut(found, chosen.hint, lines, lambda form: sound(form, places))
        if cut is None:
            good, doubtful = self._walk(block, numbers, found, chosen, reading, lines, block.odd)
        else:
            fitting, table = cut
            good, doubtful = self._keep(table, reading), _NO_ROWS
            if len(block) - len(fitting) > _REST:
                rest = np.setdiff1d(np.arange(len(block)), fitting, assume_unique=True)
                left = pa.table(
                    {
                        "rn": pa.array(numbers[rest].astype(np.int32)),
                        "line": block.lines_at(rest),
                        **{name: column.take(pa.array(rest)) for name, column in block.side.items()},
                    }
                )
                more, doubtful = self._walk(block, numbers, found, chosen, reading, left, lambda: block.odd()[rest])
                good = np.concatenate([good, more])
        if len(doubtful):
            self._slowly(block, doubtful.tolist(), here, chosen, reading, [found])
            good = np.concatenate([good, numbers[doubtful]])
        failed = np.setdiff1d(numbers, good, assume_unique=True) if len(good) < len(numbers) else _NO_ROWS
        return failed if here is None else np.flatnonzero(np.isin(here, failed))

    def _walk(
        self,
        block: Block,
        numbers: Rows,
        found: Format,
        chosen: Chosen,
        reading: Reading,
        lines: pa.Table,
        odd: Callable[[], npt.NDArray[np.bool_]],
    ) -> tuple[Rows, Rows]:
        """Read lines of the block by walking them; the numbers of those read, and the rows that one must doubt."""
        table = self._runner.run(found, chosen.hint, lines, lambda: pa.array(odd()))
        read, doubtful = self._believed(block, numbers, found, table, reading)
        return self._keep(read, reading), doubtful

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
        read: _Read = {}
        unread = self._one_by_one(block, rows, here, reading, formats, several, read)
        for heads, some in _by_file(reading, unread, rows, here):
            lines = [block.raw(row).decode("utf-8", "replace") for row in [*heads, *some[:SAMPLE]]]
            own = [found for found in choose(lines, chosen.explicit, self._stages(chosen)) if found not in formats]
            if own:
                self._one_by_one(block, some, here, reading, own, several, read)
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
            done = self._runner.judge(found, chosen.hint, table)
            self._keep(done, reading)
            for number, reason in zip(done.column("rn").to_pylist(), done.column("reason").to_pylist(), strict=True):
                if reason is not None:
                    reading.rejected[number] = reason

    @staticmethod
    def _one_by_one(
        block: Block,
        rows: Sequence[int],
        here: Rows | None,
        reading: Reading,
        formats: Sequence[Format],
        several: Mapping[int, list[bytes]],
        read: _Read,
    ) -> list[int]:
        """Read rows into `read` and tell blank and rejected ones; returns those that none of the formats reads."""
        unread = []
        for row in rows:
            number = row if here is None else int(here[row])
            text = block.raw(row).decode("utf-8", "replace")
            records = several.get(row)
            result = slow.read_line(formats, text) if records is None else slow.read_alone(formats, text, records)
            reading.rejected.pop(number, None)  # by formats tried before
            if result.reason in slow.EMPTY:
                reading.blank.append(number)
                reading.heads[number] = result.reason
                continue
            if result.format is None or result.reason is not None or result.rest is not None:
                # What is left behind a record would have been split off had it been one: nothing is dropped in silence.
                reason = result.reason or ("trailing_text" if result.rest else "no_format")
                reading.rejected[number] = reason
                if reason in _OF_NO_FORMAT:
                    unread.append(row)
                continue
            entry = read.setdefault(result.format.name, (result.format, [], [], []))
            entry[1].append(number)
            entry[2].append(result.variables)
            entry[3].append(row)
        return unread


_OF_NO_FORMAT = frozenset({"no_format", "not_json"})

_Read = dict[str, tuple[Format, list[int], list[Mapping[str, str | None]], list[int]]]
"""By format: the rows read one by one, as the reading numbers them, their variables, and as the block numbers them."""

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


def _by_file(
    reading: Reading, unread: Sequence[int], rows: Sequence[int], here: Rows | None
) -> list[tuple[list[int], list[int]]]:
    """(heads of CSV, unread rows) of each file, where there are several: a long one may have told all of the sample."""
    if len(reading.block.origins) < 2:
        return []
    first = [origin.row for origin in reading.block.origins]
    by_file: dict[int, tuple[list[int], list[int]]] = {}

    def place(row: int) -> tuple[list[int], list[int]]:
        number = row if here is None else int(here[row])
        at = int(np.searchsorted(first, reading.split_from.get(number, number), side="right"))
        return by_file.setdefault(at, ([], []))

    for row in unread:
        place(row)[1].append(row)
    for row in rows:
        if reading.heads.get(row if here is None else int(here[row])) == "csv_header":
            place(row)[0].append(row)
    return [(heads, some) for heads, some in by_file.values() if some]


def _sample(block: Block) -> list[str]:
    """Up to SAMPLE lines from all over the block."""
    count = len(block)
    if count <= SAMPLE:
        rows = list(range(count))
    else:
        rows = np.unique(np.linspace(0, count - 1, SAMPLE).astype(np.int64)).tolist()
    lines = (block.raw(row)[:LINE_LIMIT].decode("utf-8", "replace") for row in rows)
    return [line for line in lines if line.strip()]
