import uuid

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewatch.frames import REQUESTS
from gatewatch.store.packed import SHAPES, column_sql, pack, unpack

UUIDS = st.one_of(st.none(), st.uuids().map(str))
TRACES = st.one_of(st.none(), st.binary(min_size=16, max_size=16).map(lambda b: f"1-{b.hex()[:8]}-{b.hex()[8:]}"))


def a_table(requests: list[str | None], traces: list[str | None]) -> pa.Table:
    rows = len(requests)
    columns = {field.name: pa.nulls(rows, field.type) for field in REQUESTS}
    columns["request_id"] = pa.array(requests, pa.string())
    columns["trace_id"] = pa.array(traces, pa.string())
    return pa.table(columns, schema=REQUESTS)


def both_ways(table: pa.Table) -> tuple[pa.Table, pa.Table]:
    packed = pack(table)
    with duckdb.connect() as connection:
        connection.register("packed", packed)
        names = ", ".join(map(column_sql, ["request_id", "trace_id"]))
        return unpack(packed), connection.sql(f"SELECT {names} FROM packed").to_arrow_table()


@given(st.lists(st.tuples(UUIDS, TRACES), max_size=30))
def test_ids_come_back_as_they_were(rows: list[tuple[str | None, str | None]]) -> None:
    table = a_table([request for request, _ in rows], [trace for _, trace in rows])
    arrow, sql = both_ways(table)
    assert arrow.equals(table)
    assert sql.equals(table.select(["request_id", "trace_id"]))


@pytest.mark.parametrize("odd", ["GQIVriFLIAMEMsA=", str(uuid.UUID(int=255)).upper(), "x" * 36, "0" * 36, "é" * 18, ""])
def test_one_odd_id_leaves_the_column_as_text(odd: str) -> None:
    table = a_table([str(uuid.UUID(int=7)), odd], [None, None])
    packed = pack(table)
    assert packed.column("request_id").to_pylist() == [str(uuid.UUID(int=7)), odd]
    assert packed.column("request_id_16").null_count == 2
    assert both_ways(table)[0].equals(table)


def test_a_usual_segment_holds_no_text_of_ids() -> None:
    packed = pack(a_table([str(uuid.UUID(int=7))], ["1-65a52098-000000000000000000000001"]))
    for shape in SHAPES:
        assert packed.column(shape.column).null_count == 1
        assert packed.column(shape.packed).null_count == 0
