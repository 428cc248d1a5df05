"""Raw requests read back from scanned files: the first by time, whatever holds them, within bounds."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from pathlib import Path

import pytest

from gatewatch.records import Selection
from ingest import readback
from ingest.scan import scanning
from tests.ingest.lines import START, a_line

API = "a1b2c3d4e5"


def asked(minutes: int, lasts: int = 10, **more: object) -> Selection:
    since = START + timedelta(minutes=minutes)
    return Selection(since, since + timedelta(minutes=lasts), **{"api": API, **more})  # type: ignore[arg-type]


def ids(folder: Path, *questions: Selection, limit: int = 5, workers: int = 1) -> list[list[str]]:
    with scanning([str(folder)], workers=workers) as (_, back):
        return [table.column("extended_request_id").to_pylist() for table in back.requests(questions, limit)]


def expected(numbers: range) -> list[str]:
    return [f"Xt{number:012d}=" for number in numbers]


@pytest.fixture(scope="module", params=["one", "hourly", "packed"])
def logs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten hours of a request a second, as one file, as one a quarter of an hour, and packed; beside another API's."""
    folder = tmp_path_factory.mktemp(request.param)
    lines = [a_line(number, status=500 if number % 100 == 0 else 200) for number in range(36_000)]
    others = [a_line(number + 10**6, second=number, apiId="other") for number in range(0, 36_000, 60)]
    (folder / "z-other.log").write_text("\n".join(others) + "\n")
    if request.param == "one":
        (folder / "a.log").write_text("\n".join(lines) + "\n")
        return folder
    for at in range(0, len(lines), 900):
        text = "\n".join(lines[at : at + 900]) + "\n"
        if request.param == "hourly":
            (folder / f"{at:06d}.log").write_text(text)
        else:
            (folder / f"{at:06d}.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def test_the_first_by_time_come_back(logs: Path) -> None:
    wrong = [f"Xt{number:012d}=" for number in range(30_000, 30_600, 100)]
    early, late, errors, none = ids(logs, asked(0), asked(500), asked(500, status_min=500), asked(9000), limit=5)
    assert early == expected(range(5))
    assert late == expected(range(30_000, 30_005))
    assert errors == wrong[:5]
    assert none == []


def test_other_apis_and_stages_are_told_apart(logs: Path) -> None:
    other, stage = ids(logs, asked(60, api="other"), asked(60, stage="test"))
    assert len(other) == 5
    assert stage == []


def test_two_processes_give_the_same(logs: Path) -> None:
    assert ids(logs, asked(500), workers=2) == ids(logs, asked(500))


def test_reading_is_bounded(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readback, "BYTES_EACH", 1)
    monkeypatch.setattr(readback, "BYTES", 2)
    found = ids(logs, *(asked(60 * hour) for hour in range(9)))
    assert sum(bool(one) for one in found) <= 2


def test_a_file_that_is_gone_costs_only_its_examples(tmp_path: Path) -> None:
    for name, start in (("a", 0), ("b", 600)):
        rows = [a_line(number) for number in range(start, start + 600)]
        (tmp_path / f"{name}.log").write_text("\n".join(rows) + "\n")
    with scanning([str(tmp_path)], workers=1) as (_, back):
        (tmp_path / "a.log").unlink()
        first, second = back.requests([asked(0), asked(10)], 5)
    assert len(first) == 0
    assert len(second) == 5


def test_every_column_comes_back_and_a_request_once(tmp_path: Path) -> None:
    line = a_line(1, status=401, principalId="somebody", path="/pets/7", errorType="UNAUTHORIZED")
    (tmp_path / "a.log").write_text(f"{line}\n{line}\n" + a_line(2) + "\n")
    with scanning([str(tmp_path)], workers=1) as (_, back):
        (table,) = back.requests([asked(0, status_min=400)], 5)
    (row,) = table.to_pylist()
    assert row["path"] == "/pets/7"
    assert row["principal"] == "somebody"
    assert row["request_id"] == json.loads(line)["requestId"]
