"""DuckDB inside our processes keeps quiet."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

import duckdb
import pyarrow as pa
import pytest

from gatewatch.frames import inprocess
from gatewatch.frames.inprocess import MOST_OPEN, asking, in_process

# As a pool starts its processes: no file of its own, so that DuckDB believes that somebody types.
_ASKED = """
import duckdb
from gatewatch.frames.inprocess import in_process
for connection in (duckdb.connect(), in_process(threads=1)):
    print(*connection.execute("SELECT current_setting('enable_progress_bar')").fetchone())
"""


def test_no_progress_bar_is_drawn_in_a_process_of_a_pool() -> None:
    done = subprocess.run([sys.executable, "-c", _ASKED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]  # the first: else there is nothing to be kept from


_CURSOR = """
from functools import partial
from gatewatch.frames.inprocess import asking, in_process
with asking("here", partial(in_process, threads=1)) as connection:
    print(*connection.execute("SELECT current_setting('enable_progress_bar'), current_setting('TimeZone')").fetchone())
"""


def test_connections_to_a_database_that_is_shared_are_as_quiet() -> None:
    done = subprocess.run([sys.executable, "-c", _CURSOR], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "UTC"]


def test_a_database_is_made_once_and_what_is_registered_is_seen_by_its_connection_alone() -> None:
    made = []

    def opened() -> duckdb.DuckDBPyConnection:
        made.append(in_process(threads=1))
        return made[-1]

    with asking("tests: alone", opened) as one, asking("tests: alone", opened) as other:
        one.register("numbers", pa.table({"n": [1, 2]}))
        other.register("numbers", pa.table({"n": [40]}))
        assert one.sql("SELECT sum(n) FROM numbers").to_arrow_table().to_pydict() == {"sum(n)": [3]}
        assert other.sql("SELECT sum(n) FROM numbers").to_arrow_table().to_pydict() == {"sum(n)": [40]}
    with asking("tests: alone", opened) as later, pytest.raises(duckdb.CatalogException):
        later.sql("SELECT * FROM numbers")
    assert len(made) == 1


def test_a_database_that_duckdb_declares_broken_is_made_anew() -> None:
    made = []

    def opened() -> duckdb.DuckDBPyConnection:
        made.append(in_process(threads=1))
        return made[-1]

    with pytest.raises(duckdb.FatalException), asking("tests: broken", opened):
        raise duckdb.FatalException("database has been invalidated")
    with asking("tests: broken", opened) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert len(made) == 2


def test_few_databases_stay_open_and_one_in_use_lives_on() -> None:
    with asking("tests: first", partial(in_process, threads=1)) as first:
        for number in range(MOST_OPEN + 1):
            with asking(f"tests: {number}", partial(in_process, threads=1)) as connection:
                connection.execute("SELECT 1")
        assert len(inprocess._OPEN) == MOST_OPEN
        assert first.execute("SELECT 2").fetchone() == (2,)


def test_a_child_that_was_forked_off_opens_its_own() -> None:
    with asking("tests: parent", partial(in_process, threads=2)) as connection:
        connection.execute("SELECT 1")
    child = os.fork()
    if child == 0:
        code = 2
        try:
            with asking("tests: parent", partial(in_process, threads=2)) as connection:
                found = connection.execute("SELECT sum(n) FROM range(3_000_000) AS t(n)").fetchone()
            code = 0 if found == (4_499_998_500_000,) else 1
        finally:
            os._exit(code)  # pytest's own end is the parent's
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
