"""DuckDB inside our processes keeps quiet."""

from __future__ import annotations

import subprocess
import sys

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
