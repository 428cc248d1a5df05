"""What was freed is given back, where the system has a way."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pytest

from gatewatch.memory import give_back

MIB = 1 << 20


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not Path("/proc/self/statm").exists() or sys.platform != "linux", reason="no /proc here")
def test_freed_memory_leaves_the_process() -> None:
    small = [bytearray(1000) for _ in range(200_000)]
    kept = small[::1000]
    arrow = pa.array([0] * 1000).take(pa.array([5] * 20_000_000, pa.int32()))
    before = resident()
    del small, arrow
    give_back()
    assert before - resident() > 100 * MIB
    assert len(kept) == 200
