"""`gatewatch simulate` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gatewatch.cli import main


def test_a_world_is_written_with_its_labels(tmp_path: Path) -> None:
    out = tmp_path / "world"
    end = "2026-05-28T20:00:00Z"
    asked = ["simulate", str(out), "--days", "0.2", "--apis", "3", "--rate", "1", "--seed", "4", "--end", end]
    assert main([*asked, "--workers", "1", "--scenario", "flash_crowd"]) == 0
    labels = json.loads((out / "labels.json").read_text())
    assert labels["end"] == end
    assert labels["seed"] == 4
    assert len(labels["apis"]) == 3
    assert any((out / "logs").rglob("*.gz"))


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    assert main(["simulate", str(tmp_path)]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_an_unknown_scenario_is_named_with_those_that_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", str(tmp_path / "x"), "--scenario", "no_such"]) == 2
    assert "flash_crowd" in capsys.readouterr().err
