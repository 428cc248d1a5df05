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


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["--days", "nan"], "'nan' is not a number that can be used"),
        (["--rate", "nan"], "'nan' is not a number that can be used"),
        (["--days", "0.0001"], "less than a minute"),
        (["--end", "0001-01-01T00:00:00Z"], "between the years 2000 and 2100"),
        (["--end", "2000-01-03", "--days", "3"], "between the years 2000 and 2100"),
        (["--end", "999999w"], "before the year 1"),
        (["--end", "0001-01-01T00:00:00+12:00"], "before the year 1"),
        (["--end", "9999-12-31T23:59:59Z"], "between the years 2000 and 2100"),
    ],
)
@pytest.mark.parametrize("name", ["simulate", "demo"])
def test_what_makes_no_world_is_refused_in_a_line_and_nothing_is_written(
    name: str, asked: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name == "demo" and asked[0] == "--days" and "nan" not in asked:
        says = "not in the range"
    out = tmp_path / "world"
    where = [str(out)] if name == "simulate" else ["--dir", str(out), "--no-serve"]
    assert main([name, *where, *asked]) == 2
    assert says in capsys.readouterr().err
    assert not out.exists()


def test_a_scenario_that_fits_nowhere_is_told_though_all_else_is_quiet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["simulate", str(tmp_path / "world"), "-q", "--days", "1", "--apis", "3", "--rate", "0.1"]
    assert main([*asked, "--workers", "1", "--scenario", "never_called", "--scenario", "new_monitor"]) == 0
    told = capsys.readouterr().err
    assert "never_called is not in this world" in told
    assert "new_monitor" not in told
