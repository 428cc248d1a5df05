"""The tests' own PostgreSQL: its programs run from a copy too, as they must when the environment is root's alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.store.postgres import copied, installations


def test_a_copy_of_the_wheels_programs_finds_its_libraries(tmp_path: Path) -> None:
    binaries = copied(installations()[0], tmp_path)
    assert tmp_path in binaries.parents
    said = subprocess.run([binaries / "initdb", "--version"], check=True, capture_output=True, text=True, env={})
    assert "PostgreSQL" in said.stdout
