"""What was freed is given back, where the system has a way."""

from __future__ import annotations

import subprocess
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


@pytest.mark.skipif(not Path("/proc/self/statm").exists() or sys.platform != "linux", reason="no /proc here")
def test_memory_that_is_kept_serves_the_next_task_until_it_is_given_back() -> None:
    """In a process of its own: what malloc is told cannot be taken back."""
    script = """
import numpy as np
from gatewatch.memory import give_back, keep
from tests.test_memory import MIB, resident
keep()
np.ones(200 * MIB, dtype=np.uint8)
held = resident()
give_back()
print(held - resident())
"""
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 150 * MIB
