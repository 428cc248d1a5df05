"""A query that was bound once answers of the table it is asked of."""

from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pytest

from gatewatch.frames.inprocess import in_process
from ingest.asking import Asking

DOUBLED = "SELECT 2 * n AS n FROM {lines}"


@pytest.fixture
def asking() -> Iterator[Asking]:
    with in_process(threads=1) as connection:
        yield Asking(connection)


def test_each_table_is_answered_for_itself(asking: Asking) -> None:
    for numbers in ([1, 2], [], [3], list(range(5000))):
        table = pa.table({"n": pa.array(numbers, pa.int64())})
        assert asking.ask(DOUBLED, table).column("n").to_pylist() == [2 * number for number in numbers]


def test_queries_have_tables_of_different_columns(asking: Asking) -> None:
    assert asking.ask(DOUBLED, pa.table({"n": [1]})).to_pylist() == [{"n": 2}]
    assert asking.ask("SELECT upper(text) AS t FROM {lines}", pa.table({"text": ["a"]})).to_pylist() == [{"t": "A"}]
    asking.clear()
    assert asking.ask("SELECT n || '!' AS n FROM {lines}", pa.table({"n": ["x"]})).to_pylist() == [{"n": "x!"}]


def test_a_query_that_failed_can_be_asked_again(asking: Asking) -> None:
    query = "SELECT CASE WHEN n < 0 THEN error('negative') ELSE n END AS n FROM {lines}"
    for _ in range(2):
        with pytest.raises(duckdb.InvalidInputException, match="negative"):
            asking.ask(query, pa.table({"n": [-1]}))
        assert asking.ask(query, pa.table({"n": [1]})).to_pylist() == [{"n": 1}]
