"""Requests that a Selection asks for: as SQL, for DuckDB and for a person, and from a table in memory."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from functools import partial

import pyarrow as pa

from gatewatch.frames.inprocess import asking, in_process
from gatewatch.frames.schema import REQUESTS
from gatewatch.records import BOUNDS, Selection, iso

EVERY_API = "(all)"
_CALLERS = ("client_ip", "principal", "api_key_id")


def text_sql(value: str) -> str:
    """A text literal of SQL; the only way for values to get into a query's text."""
    return "'" + value.replace("'", "''").replace("\0", "") + "'"


def condition_sql(asked: Selection) -> str:
    """The condition on columns of REQUESTS, with its values as literals."""
    parts = [f"\"at\" >= TIMESTAMPTZ '{iso(asked.since)}'", f"\"at\" < TIMESTAMPTZ '{iso(asked.until)}'"]
    for name in ("account", "region", "stage"):
        value = getattr(asked, name)
        if value is not None:
            parts.append(f"{name} = {text_sql(value)}")
    if asked.api != EVERY_API:
        parts.append(f"api = {text_sql(asked.api)}")
    if asked.routes:
        parts.append(f"route IN ({', '.join(map(text_sql, asked.routes))})")
    if asked.reject_causes:
        parts.append(f"reject_cause IN ({', '.join(map(text_sql, asked.reject_causes))})")
    if asked.except_causes:
        parts.append(f"(reject_cause IS NULL OR reject_cause NOT IN ({', '.join(map(text_sql, asked.except_causes))}))")
    if asked.caller is not None:
        parts.append("(" + " OR ".join(f"{name} = {text_sql(asked.caller)}" for name in _CALLERS) + ")")
    for name, column, sign in (
        ("status_min", "status", ">="),
        ("status_max", "status", "<="),
        ("latency_min_ms", "latency_ms", ">="),
        ("authorizer_min_ms", "authorizer_latency_ms", ">="),
    ):
        value = getattr(asked, name)
        if value is not None:
            parts.append(f"{column} {sign} {value!r}")
    return " AND ".join(parts)


def count_sql(asked: Selection, relation: str = "'requests.parquet'") -> str:
    """The question how many they are, over a table with the columns of REQUESTS (`gatewatch export requests`)."""
    return f"SELECT count(*) AS observed FROM {relation} WHERE {condition_sql(asked)}"


def export_command(asked: Selection) -> str:
    """The command that writes them to requests.parquet, for a shell."""
    options = [("since", [iso(asked.since)]), ("until", [iso(asked.until)])]
    options += [("api", [asked.api])] if asked.api != EVERY_API else []
    options += [
        (name, [value]) for name in ("account", "region", "stage") if (value := getattr(asked, name)) is not None
    ]
    options += [("route", list(asked.routes)), ("reject-cause", list(asked.reject_causes))]
    options += [("except-cause", list(asked.except_causes))]
    options += [("caller", [asked.caller])] if asked.caller is not None else []
    for name in BOUNDS:
        value = getattr(asked, name)
        if value is not None:
            options.append((name.replace("_", "-"), [f"{value:g}"]))
    words = [f"--{name} {shlex.quote(value)}" for name, values in options for value in values]
    return f"gatewatch export requests {' '.join(words)} -o requests.parquet"


def selected(table: pa.Table, asked: Selection) -> pa.Table:
    """The rows of a REQUESTS table that are asked for, in their order; columns that it lacks count as NULL."""
    missing = [field for field in REQUESTS if field.name not in table.column_names]
    whole = table
    for field in missing:
        whole = whole.append_column(field, pa.nulls(len(table), field.type))
    with asking("one thread", partial(in_process, threads=1)) as connection:
        connection.register("requests", whole)
        found = connection.sql(f"SELECT * FROM requests WHERE {condition_sql(asked)}").to_arrow_table()
    return found.select(table.column_names).cast(table.schema)


def count(tables: Iterable[pa.Table], asked: Selection) -> int:
    """How many rows of the tables are asked for."""
    return sum(len(selected(table, asked)) for table in tables)
