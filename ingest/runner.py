"""Runs plans in DuckDB: one connection with one thread; the books of combinations, and how much care lines need."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import duckdb
import numpy as np
import pyarrow as pa

from gatewatch.frames import REQUESTS
from gatewatch.frames.inprocess import in_process
from ingest.asking import Asking
from ingest.block import Rows
from ingest.book import Book, Work
from ingest.byrow import by_row
from ingest.canonical import UNTRUSTED
from ingest.canonical_row import judged_row, place_row
from ingest.compiled import loaded
from ingest.cut import PLACE, Skeleton, cut
from ingest.formats.model import Format
from ingest.forms import Form, likely_form
from ingest.hints import Hint
from ingest.outcome import MEASURES
from ingest.plan import Asked, Plan, plan_of
from ingest.queries import JUDGED, PLACES, SERIES_SQL, UNKEPT, WORKED, Care

_ALL_ROWS = 1 << 24  # a batch of a result: more rows than a block has
_PLANS = 256
_LOOKED_AT = 16  # lines that tell what most look like
_NEARLY_ALL = 0.98  # of the lines: fewer that fit make one ask why
_BY_ROW = 500
"""New combinations, and lines read one by one: in Python they are worked out sooner than DuckDB has planned the SQL."""

_ROWS: Mapping[tuple[str, ...], Callable[..., dict[str, str | None]]] = {PLACES: place_row, JUDGED: judged_row}


class Runner:
    """Reads lines with one format after the other."""

    def __init__(self, columns: Sequence[str], key: str, *, lean: bool, memory_limit: str) -> None:
        """columns: of REQUESTS. key: for hashing secrets, hexadecimal. lean: see Engine."""
        self.columns = columns
        self.key = key
        self.lean = lean
        self.connection = in_process(threads=1, memory_limit=memory_limit)
        self.connection.execute("SET preserve_insertion_order = false")
        self._care: dict[str, Care] = {}
        self._trusting = True
        self._plans: dict[tuple[object, ...], Plan] = {}
        self._forms: dict[str, Form] = {}
        self._asking = Asking(self.connection)
        self._places = Book([*PLACES, "series"])
        self._causes = Book(JUDGED)

    def close(self) -> None:
        self.connection.close()

    def run(self, found: Format, hint: Hint, lines: pa.Table, odd: Callable[[], pa.Array]) -> pa.Table:
        """The rows that the format reads: `rn`, the columns, MEASURES, and `reason` for what is not accepted.

        lines: `rn`, `line`, and variables that an envelope told. odd(): see Block.odd.
        """
        return self._run(Asked(found, frozenset(lines.column_names) - {"rn", "line"}, hint), lines, odd)

    def judge(self, found: Format, hint: Hint, rows: pa.Table) -> pa.Table:
        """The same for rows that were read already: `rn` and the format's variables."""
        asked = Asked(found, frozenset(), hint, frozenset(rows.column_names) - {"rn"})
        if len(rows) <= _BY_ROW:
            return by_row(self._plan(asked), rows, self.schema, self.key, self.table_of)
        return self._run(asked, rows, lambda: pa.nulls(len(rows), pa.bool_()))

    def cut(
        self, found: Format, hint: Hint, lines: pa.Table, sound: Callable[[Skeleton], bool]
    ) -> tuple[Rows, pa.Table] | None:
        """The rows (of `lines`) that are one text around their values, and what `run` gives of them.

        None when fewer than half are, or when it cannot be done so. sound: whether lines of that skeleton are to be
        believed at a glance.
        """
        asked = Asked(found, frozenset(lines.column_names) - {"rn", "line"}, hint)
        plan = self._plan(asked)
        if plan.paths is None or loaded() is None:
            return None
        cut_ = self._fitting(found, lines.column("line"), plan, sound)
        if cut_ is None:
            return None
        rows, values, form = cut_
        asked = replace(asked, whole=form.whole, placed=PLACE in values.column_names)
        beside = lines.drop_columns("line")
        if len(rows) < len(lines):
            beside = beside.take(pa.array(rows))
        for name in values.column_names:
            beside = beside.append_column(name, values.column(name))
        while True:
            plan = self._plan(asked)
            try:
                table = self._asking.ask(plan.cut(values.column_names), beside)
                break
            except duckdb.InvalidInputException as error:
                if UNTRUSTED not in str(error) or not self._trusting:
                    raise
                self._trusting = False
        return rows, self._worked(plan, table, lines)

    def _fitting(
        self, found: Format, lines: pa.ChunkedArray, plan: Plan, sound: Callable[[Skeleton], bool]
    ) -> tuple[Rows, pa.Table, Form] | None:
        """With the form that served last; else with what most lines of a sample are. None: fewer than half fit."""
        for form in self._likely(found, lines):
            served = self._served(lines, plan, form, sound)
            fit = 0 if served is None else len(served[0])
            if form.whole and not form.settled and fit < _NEARLY_ALL * len(lines):
                # Are it numbers that are now and then none?
                as_text = self._served(lines, plan, form.as_text(), sound)
                if as_text is not None and len(as_text[0]) > fit:
                    served = as_text
                elif served is not None:
                    served = (*served[:2], form.as_settled())
            if served is not None:
                self._forms[found.name] = served[2]
                return served
        return None

    def _likely(self, found: Format, lines: pa.ChunkedArray) -> Iterator[Form]:
        if found.name in self._forms:
            yield self._forms[found.name]
        some = np.unique(np.linspace(0, len(lines) - 1, _LOOKED_AT).astype(np.int64)).tolist()
        form = likely_form([lines[row].as_py() for row in some], found)
        if form is not None:
            yield form

    def _served(
        self, lines: pa.ChunkedArray, plan: Plan, form: Form, sound: Callable[[Skeleton], bool]
    ) -> tuple[Rows, pa.Table, Form] | None:
        if not form.skeleton.gives(plan.paths or ()) or not sound(form.skeleton):
            return None
        numbered = self._plan(replace(plan.asked, whole=form.whole))
        rows, values = cut(lines, form.skeleton, form.cuts(numbered))
        return (rows, values, form) if len(rows) * 2 > len(lines) else None

    def _run(self, asked: Asked, lines: pa.Table, odd: Callable[[], pa.Array]) -> pa.Table:
        self.connection.register("lines", lines)
        try:
            plan, table = self._rows(asked, lines, odd)
        finally:
            self.connection.unregister("lines")
        return self._worked(plan, table, lines)

    def _worked(self, plan: Plan, table: pa.Table, lines: pa.Table) -> pa.Table:
        """With the columns that the books fill."""
        table = self._places.fill(table, "place", self._worker(plan, PLACES, lines))
        table = self._causes.fill(table, "cause", self._worker(plan, JUDGED, lines))
        return table.select([*self.schema.names, "reason"])

    def _rows(self, asked: Asked, lines: pa.Table, odd: Callable[[], pa.Array]) -> tuple[Plan, pa.Table]:
        """At first in the way that a malformed line or a secret stops: where there is one, more will follow."""
        name = asked.found.name
        while True:
            plan, care = self._plan(asked), self._care.get(name, Care.NONE)
            if care == Care.ODD:
                self.connection.register("lines", lines.append_column("odd", odd()))
            try:
                return plan, self.table(plan.rows(care))
            except duckdb.InvalidInputException as error:
                if UNTRUSTED in str(error) and self._trusting:
                    self._trusting = False
                elif care < Care.EACH and asked.read is None:
                    self._care[name] = Care(care + 1)
                else:
                    raise

    def _plan(self, asked: Asked) -> Plan:
        asked = replace(asked, trusting=self._trusting)
        plan = self._plans.get(asked.key)
        if plan is None:
            if len(self._plans) >= _PLANS:
                self._plans.clear()
                self._care.clear()
                self._forms.clear()
                self._asking.clear()
            plan = self._plans[asked.key] = plan_of(asked, self.columns, self.key, lean=self.lean)
        return plan

    def _worker(self, plan: Plan, columns: tuple[str, ...], lines: pa.Table) -> Work:
        by_row = _ROWS[columns]
        typed = pa.schema([("rn", pa.int32()), *((name, pa.string()) for name in columns)])

        def work(rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Table:
            chosen = np.isin(lines.column("rn").to_numpy(), rows)
            self.connection.register("wanted", lines.filter(pa.array(chosen)))
            if len(rows) > _BY_ROW:
                table = self.table(plan.combinations(columns))
            else:
                absent = dict.fromkeys(plan.variables)
                told = self.table(plan.told(columns)).to_pylist()
                table = pa.Table.from_pylist(
                    [{"rn": row["rn"], **by_row(absent | row, plan.constants)} for row in told], schema=typed
                )
            self.connection.unregister("wanted")
            return self._with_series(table) if columns == PLACES else table

        return work

    def _with_series(self, table: pa.Table) -> pa.Table:
        return self.table_of(table, f"*, {SERIES_SQL} AS series")

    @property
    def schema(self) -> pa.Schema:
        """Of the rows that are accepted."""
        kept = [
            pa.field(name, pa.dictionary(pa.int32(), pa.string())) if name in WORKED else REQUESTS.field(name)
            for name in self.columns
            if name != UNKEPT or not self.lean
        ]
        return pa.schema([pa.field("rn", pa.int32()), *kept, *MEASURES])

    def table_of(self, rows: pa.Table, listed: str) -> pa.Table:
        """These expressions of rows."""
        self.connection.register("given", rows)
        try:
            return self.table(f"SELECT {listed} FROM given")
        finally:
            self.connection.unregister("given")

    def table(self, query: str) -> pa.Table:
        """Straight to Arrow: a temporary table would cost a third more, for statistics that nobody reads.

        A reader, because a relation (`connection.sql`) binds the query twice and reads its text in Python.
        """
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Arrow output on a DB-API result")  # the copy is cheaper than binding
            reader: pa.RecordBatchReader = self.connection.execute(query).to_arrow_reader(_ALL_ROWS)
            return reader.read_all()
