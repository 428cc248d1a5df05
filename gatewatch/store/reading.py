"""Questions about the lake, answered by DuckDB from the segments that the manifest lists, and from nothing else.

Each call takes the manifest in one read, drops the segments outside its time, and has a connection of its own to a
database that can read the lake's folder only. Times are [since, until). Values are bound; names are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import func, select

from gatewatch.errors import StoreError
from gatewatch.frames import CLIENTS, COVERAGE, MINUTES, REQUESTS
from gatewatch.frames.inprocess import asking, in_process
from gatewatch.frames.schema import TIME
from gatewatch.frames.selecting import condition_sql, selected
from gatewatch.records import Selection
from gatewatch.store.lake import Segment
from gatewatch.store.manifest import covered, segments
from gatewatch.store.models import SegmentRow
from gatewatch.store.packed import SHAPES, column_sql, unpack
from gatewatch.store.request_fields import CLIENT_ID_SQL
from gatewatch.store.state import State

THREADS = 2
MEMORY_LIMIT = "1GB"
MAX_ROWS = 10_000
FILES_AT_ONCE = 16

REQUESTS_READ = REQUESTS.append(pa.field("client_id", pa.string()))

IDENTITIES = pa.schema([("at", TIME), ("extended_request_id", pa.string()), ("request_id", pa.string())])


def read_minutes(
    state: State,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    api: str | None = None,
    stage: str | None = None,
) -> pa.Table:
    """MINUTES rows of every batch, not merged: see frames.merge_minutes."""
    return _table(state, "minutes", MINUTES, "minute", since, until, {"api": api, "stage": stage})


def read_clients(
    state: State,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    api: str | None = None,
    stage: str | None = None,
) -> pa.Table:
    """CLIENTS rows of every batch, not merged: see frames.merge_clients."""
    return _table(state, "clients", CLIENTS, "minute", since, until, {"api": api, "stage": stage})


def identities(state: State, since: datetime | None = None, until: datetime | None = None) -> pa.Table:
    """at, extended_request_id and request_id of all requests, to recognise repetitions."""
    return _table(state, "requests", IDENTITIES, "at", since, until, {})


def read_requests(
    state: State,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    api: str | None = None,
    stage: str | None = None,
    route: str | None = None,
    reject_cause: str | None = None,
    client_ip: str | None = None,
    status_min: int | None = None,
    status_max: int | None = None,
    limit: int = 200,
    newest_first: bool = True,
) -> pa.Table:
    """At most `limit` (10,000) requests in the order of their time: REQUESTS and client_id."""
    limit = max(0, min(limit, MAX_ROWS))
    equal = {"api": api, "stage": stage, "route": route, "reject_cause": reject_cause, "client_ip": client_ip}
    condition, values = _condition("at", since, until, equal)
    if status_min is not None:
        condition += " AND status >= $status_min"
        values["status_min"] = status_min
    if status_max is not None:
        condition += " AND status <= $status_max"
        values["status_max"] = status_max
    with state.read() as session:
        listed = segments(session, "requests", since, until)
    listed.sort(key=lambda segment: segment.max_at if newest_first else segment.min_at, reverse=newest_first)
    found = REQUESTS_READ.empty_table()
    order = [("at", "descending" if newest_first else "ascending")]
    with _lake(state) as connection:
        while listed and limit and not _enough(found, limit, listed[0], newest_first):
            some, listed = listed[:FILES_AT_ONCE], listed[FILES_AT_ONCE:]
            more = _ask(
                connection,
                state,
                {"rows": Rows(some)},
                REQUESTS,
                f"SELECT *, {CLIENT_ID_SQL} AS client_id FROM ({{rows}}) WHERE {condition} "
                f'ORDER BY "at" {"DESC" if newest_first else "ASC"} LIMIT {limit:d}',
                values,
            ).cast(REQUESTS_READ)
            found = pa.concat_tables([found, more]).sort_by(order).slice(0, limit)
    return found.combine_chunks()


def select_requests(state: State, asked: Selection, *, limit: int = MAX_ROWS) -> pa.Table:
    """The first `limit` requests, by time and then id, that a selection asks for: columns of REQUESTS."""
    limit = max(0, min(limit, MAX_ROWS))
    with state.read() as session:
        listed = segments(session, "requests", asked.since, asked.until)
    listed.sort(key=lambda segment: segment.min_at)
    found = REQUESTS.empty_table()
    order = [("at", "ascending"), ("extended_request_id", "ascending"), ("request_id", "ascending")]
    with _lake(state) as connection:
        while listed and limit and not _enough(found, limit, listed[0], newest_first=False):
            some, listed = listed[:FILES_AT_ONCE], listed[FILES_AT_ONCE:]
            more = _ask(
                connection,
                state,
                {"rows": Rows(some)},
                REQUESTS,
                f"SELECT * FROM ({{rows}}) WHERE {braced(condition_sql(asked))} "
                f'ORDER BY "at", extended_request_id NULLS LAST, request_id NULLS LAST LIMIT {limit:d}',
                {},
            ).cast(REQUESTS)
            found = pa.concat_tables([found, more]).sort_by(order).slice(0, limit)
    return found.combine_chunks()


def braced(text: str) -> str:
    """Braces of a route are no place for a value."""
    return text.replace("{", "{{").replace("}", "}}")


def _enough(found: pa.Table, limit: int, following: Segment, newest_first: bool) -> bool:
    """No segment from `following` on can hold a row that belongs into a full answer."""
    if found.num_rows < limit:
        return False
    worst: datetime = found.column("at")[-1].as_py()
    return following.max_at < worst if newest_first else following.min_at > worst


def stream_requests(
    state: State,
    since: datetime | None = None,
    until: datetime | None = None,
    columns: Sequence[str] | None = None,
    *,
    asked: Selection | None = None,
) -> Iterator[pa.RecordBatch]:
    """All requests, segment by segment in the order of their first rows; a few MiB in memory at a time.

    asked: only those of the selection, which needs all columns.
    """
    schema = REQUESTS if columns is None else pa.schema([REQUESTS.field(name) for name in columns])
    with state.read() as session:
        listed = segments(session, "requests", since, until)
    for segment in listed:
        path = state.lake.path(segment.path)
        try:
            with pq.ParquetFile(path) as file:
                packed = {field.name for shape in SHAPES if shape.column in schema.names for field in shape.fields}
                wanted = [name for name in {*schema.names, "at", *packed} if name in file.schema_arrow.names]
                for batch in file.iter_batches(batch_size=32_768, columns=wanted):
                    kept = conform(_within(pa.Table.from_batches([batch]), since, until), schema)
                    yield from (kept if asked is None else selected(kept, asked)).to_batches()
        except (OSError, pa.ArrowInvalid) as error:
            raise StoreError(f"{path}: a segment that the manifest lists cannot be read: {error}") from error


def _within(table: pa.Table, since: datetime | None, until: datetime | None) -> pa.Table:
    at = table.column("at")
    if since is not None:
        table = table.filter(pc.greater_equal(at, pa.scalar(since, TIME)))
        at = table.column("at")
    if until is not None:
        table = table.filter(pc.less(at, pa.scalar(until, TIME)))
    return table


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table of a segment with exactly these columns: one that an older segment lacks is NULL."""
    table = unpack(table)
    columns = [
        table.column(field.name).cast(field.type)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def coverage(state: State, since: datetime | None = None, until: datetime | None = None) -> pa.Table:
    """COVERAGE: when each source delivered, merged and cut to [since, until)."""
    with state.read() as session:
        rows = covered(session, since, until)
    return pa.table([[row[place] for row in rows] for place in range(3)], schema=COVERAGE)


def asked(
    state: State,
    kind: str,
    schema: pa.Schema,
    query: str,
    values: Mapping[str, object],
    since: datetime | None = None,
    until: datetime | None = None,
) -> pa.Table:
    """The answer to `query`, in which {rows} are the rows of a kind's segments that may reach into [since, until)."""
    with state.read() as session:
        listed = segments(session, kind, since, until)
    return of_segments(state, listed, schema, query, values)


def of_segments(
    state: State,
    listed: Sequence[Segment],
    schema: pa.Schema,
    query: str,
    values: Mapping[str, object],
    *,
    named: bool = False,
    numbered: bool = False,
    beside: Mapping[str, pa.Table] = MappingProxyType({}),
) -> pa.Table:
    """The same for segments that somebody chose.

    named: {rows} have `segment`, the place of theirs in `listed`. numbered: they have `row_place`, theirs in it.
    beside: further tables that `query` names.
    """
    places = {"file_index": "segment"} if named else {}
    places |= {"file_row_number": "row_place"} if numbered else {}
    with _lake(state) as connection:
        return _ask(connection, state, {"rows": Rows(listed)}, schema, query, values, places, beside)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of segments, of requests only those of [since, until) if that is given.

    A segment that lies in this time as a whole is read without a look at the times in it, which take long to decode.
    """

    listed: Sequence[Segment]
    since: datetime | None = None
    until: datetime | None = None

    def parts(self) -> list[tuple[list[Segment], str]]:
        """Segments, and the condition on their rows."""
        if self.since is None or self.until is None:
            return [(list(self.listed), "TRUE")]
        cut: dict[bool, list[Segment]] = {False: [], True: []}
        for one in self.listed:
            if one.max_at >= self.since and one.min_at < self.until:
                cut[one.min_at < self.since or one.max_at >= self.until].append(one)
        return [(cut[False], "TRUE"), (cut[True], during(self.since, self.until))]


def during(since: datetime, until: datetime) -> str:
    """The condition on requests of [since, until)."""
    begin, end = (f"TIMESTAMPTZ '{at.astimezone(UTC).isoformat()}'" for at in (since, until))
    return f'"at" >= {begin} AND "at" < {end}'


def of_rows(
    state: State,
    sources: Mapping[str, Rows],
    schema: pa.Schema,
    query: str,
    values: Mapping[str, object],
    *,
    numbered: bool = False,
    beside: Mapping[str, pa.Table] = MappingProxyType({}),
) -> pa.Table:
    """The answer to `query`, in which {name} are the rows of the source of this name; else as `of_segments`."""
    places = {"file_row_number": "row_place"} if numbered else {}
    with _lake(state) as connection:
        return _ask(connection, state, sources, schema, query, values, places, beside)


def among(query: str, values: Mapping[str, object] = MappingProxyType({}), /, **tables: pa.Table) -> pa.Table:
    """The answer to `query` about tables, by their names."""
    with asking("tables", partial(in_process, threads=THREADS)) as connection:
        for name, table in tables.items():
            connection.register(name, table)
        return connection.sql(query, params=dict(values)).to_arrow_table()


def between(time: str, since: datetime | None, until: datetime | None) -> tuple[str, dict[str, object]]:
    """A condition on a column of times, and the values that it names; without bounds it is always true."""
    return _condition(time, since, until, {})


def bounds(state: State) -> tuple[datetime, datetime] | None:
    """Times of the first and the last request; None when there is none."""
    with state.read() as session:
        first, last = session.execute(
            select(func.min(SegmentRow.min_at), func.max(SegmentRow.max_at)).where(SegmentRow.kind == "requests")
        ).one()
    return None if first is None or last is None else (first, last)


def stored_rows(state: State) -> int:
    """How many requests are stored."""
    with state.read() as session:
        return session.execute(select(func.sum(SegmentRow.rows)).where(SegmentRow.kind == "requests")).scalar_one() or 0


def _table(
    state: State,
    kind: str,
    schema: pa.Schema,
    time: str,
    since: datetime | None,
    until: datetime | None,
    equal: Mapping[str, str | None],
) -> pa.Table:
    with state.read() as session:
        listed = segments(session, kind, since, until)
    if not listed:
        return schema.empty_table()
    condition, values = _condition(time, since, until, equal)
    with _lake(state) as connection:
        query = f"SELECT * FROM ({{rows}}) WHERE {condition}"
        return _ask(connection, state, {"rows": Rows(listed)}, schema, query, values).cast(schema)


def _condition(
    time: str, since: datetime | None, until: datetime | None, equal: Mapping[str, str | None]
) -> tuple[str, dict[str, object]]:
    parts, values = ["TRUE"], dict[str, object]()
    if since is not None:
        parts.append(f'"{time}" >= $since')
        values["since"] = since
    if until is not None:
        parts.append(f'"{time}" < $until')
        values["until"] = until
    for name, value in equal.items():
        if value is not None:
            parts.append(f'"{name}" = ${name}')
            values[name] = value
    return " AND ".join(parts), values


def _ask(
    connection: duckdb.DuckDBPyConnection,
    state: State,
    sources: Mapping[str, Rows],
    schema: pa.Schema,
    query: str,
    values: Mapping[str, object],
    places: Mapping[str, str] = MappingProxyType({}),
    beside: Mapping[str, pa.Table] = MappingProxyType({}),
    *,
    alone: bool = False,
) -> pa.Table:
    """The answer to `query`, in which {name} are a source's rows with the columns of `schema`, absent ones NULL.

    places: columns that DuckDB makes up for each row, and our names of them. beside: further tables, by name. alone:
    nobody else uses the database.
    """
    packed = [field for shape in SHAPES if shape.column in schema.names for field in shape.fields]
    # The empty table gives the columns that older segments lack; hive columns of the path are not ours.
    made = [pa.field(name, pa.int64()) for name in places]
    connection.register("no_rows", pa.schema([*schema, *packed, *made]).empty_table())
    for name, table in beside.items():
        connection.register(name, table)
    names = ", ".join(column_sql(name) if packed else f'"{name}"' for name in schema.names)
    names += "".join(f", {name}::BIGINT AS {ours}" for name, ours in places.items())
    columns = ", ".join(["*", *places])

    def rows_of(source: Rows) -> str:
        selects = ["SELECT * FROM no_rows"]
        for listed, condition in source.parts():
            if listed:
                paths = ", ".join(_text(_no_glob(str(state.lake.path(segment.path)))) for segment in listed)
                files = f"read_parquet([{paths}], union_by_name = true, hive_partitioning = false)"
                selects.append(f"SELECT {columns} FROM {files} WHERE {condition}")
        return f"SELECT {names} FROM ({' UNION ALL BY NAME '.join(selects)})"

    asked = query.format(**{name: rows_of(source) for name, source in sources.items()})
    try:
        return connection.sql(asked, params=dict(values)).to_arrow_table()
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        text = str(error).splitlines()[0]
        raise StoreError(f"{state.lake.root}: a segment that the manifest lists cannot be read: {text}") from error
    except duckdb.OutOfMemoryException as error:
        if not alone:  # others asked at the same time
            with _opened(state.lake.root) as own:
                return _ask(own, state, sources, schema, query, values, places, beside, alone=True)
        raise StoreError(f"the question needs more than {MEMORY_LIMIT} of memory; ask for a shorter time") from error


@contextmanager
def _lake(state: State) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that can read the lake's folder, and no other file, address or extension."""
    with asking(f"lake {state.lake.root}", partial(_opened, state.lake.root)) as connection:
        yield connection


def _opened(root: Path) -> duckdb.DuckDBPyConnection:
    connection = in_process(threads=THREADS, memory_limit=MEMORY_LIMIT)
    # A segment never changes. Its rows are in the system's cache already: no second copy of them here.
    connection.execute("SET GLOBAL parquet_metadata_cache = true")
    connection.execute("SET GLOBAL enable_external_file_cache = false")
    # Asked for a pattern, DuckDB checks the pattern itself and then what it found.
    folders = ", ".join(_text(folder) for folder in {str(root), _no_glob(str(root))})
    connection.execute(f"SET allowed_directories = [{folders}]")
    connection.execute("SET temp_directory = ''")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _no_glob(path: str) -> str:
    """DuckDB reads *, ? and [ in a file's name as a pattern; each in brackets stands for itself."""
    return re.sub(r"[*?\[]", lambda found: f"[{found.group()}]", path)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
