"""`gatewatch evaluate` on real files and a pipe."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from gatewatch.cli import main
from tests.evaluation.builders import a_claim, an_incident, finding_document, labels, labels_document, oracle

TRUTH = labels(an_incident(), an_incident("i2", hours=200, kind="latency_outlier", level="subtle"))


@pytest.fixture
def world(tmp_path: Path) -> Path:
    (tmp_path / "labels.json").write_text(json.dumps(labels_document(TRUTH)))
    found = [finding_document(claim) for claim in oracle(TRUTH)]
    (tmp_path / "found.json").write_text(json.dumps({"schema_version": 1, "findings": found}, indent=2))
    (tmp_path / "found.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found))
    (tmp_path / "none.jsonl").write_text("")
    return tmp_path


def evaluate(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    got = main(["evaluate", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert got == code, err
    assert "Traceback" not in err
    return out, err


def report(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(evaluate(capsys, *arguments, "--format", "json")[0])
    return document


@pytest.mark.parametrize("name", ["found.json", "found.jsonl"])
def test_an_oracle_scores_one_in_either_format(world: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    got = report(capsys, world / "labels.json", world / name)
    assert got["everything"]["recall"] == got["precision"] == got["everything"]["subtype"] == 1.0
    assert got["everything"]["f1"] == 1.0
    assert got["false_alarms"]["count"] == 0
    assert [row["found"] for row in got["incidents"]] == [True, True]
    assert [row["fate"] for row in got["findings"]] == ["hit", "hit"]
    assert got["at_shuffled_times"]["recall"] < 0.5


def test_findings_come_from_a_pipe(
    world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (world / "found.json").read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(body)))
    assert report(capsys, world / "labels.json", "-")["everything"]["recall"] == 1.0


def test_the_table_shows_groups_luck_misses_and_false_alarms(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stray = a_claim(TRUTH.incidents[0], id="stray", start=TRUTH.start, end=TRUTH.start + 60, detected=TRUTH.start + 60)
    rows = [finding_document(a_claim(TRUTH.incidents[0], delay=120)), finding_document(stray)]
    (world / "some.json").write_text(json.dumps({"findings": rows}))
    out, _ = evaluate(capsys, world / "labels.json", world / "some.json", "--list")
    assert "at shuffled times" in out
    assert "\nsubtle " in out
    assert "2.0 min" in out
    assert "0.50 of 2 alarms" in out
    assert "1 in 4.0 API-weeks" in out
    missed, false = out.split("\nmissed\n")[1].split("\nfalse alarms\n")
    assert "i2" in missed
    assert "stray" in false


def test_no_findings_at_all_are_judged(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    got = report(capsys, world / "labels.json", world / "none.jsonl")
    assert got["everything"]["recall"] == 0.0
    assert got["precision"] is None


def test_grace_can_be_chosen(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    late = a_claim(TRUTH.incidents[0], delay=2 * 3600 + 40 * 60)
    (world / "late.jsonl").write_text(json.dumps(finding_document(late)) + "\n")
    files = (world / "labels.json", world / "late.jsonl")
    assert report(capsys, *files)["everything"]["found"] == 0
    assert report(capsys, *files, "--grace", "60")["everything"]["found"] == 1


@pytest.mark.parametrize(
    ("labels_text", "found_text", "says"),
    [
        ("{", None, "line 1: not JSON"),
        ('{"schema_version": 7}', None, "schema_version: is 7"),
        (None, "", "is empty; give what `gatewatch scan --format json` prints"),
        (None, '{"kind": "dead_api"}\n{"ki', "line 2: not JSON"),
        (None, '[{"kind": "dead_api"}]', "findings[0].start: is missing"),
        (None, "[" * 100_000, "not JSON that can be read"),
    ],
)
def test_a_wrong_document_is_one_line_and_exit_2(
    world: Path, labels_text: str | None, found_text: str | None, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in (("labels.json", labels_text), ("found.json", found_text)):
        if text is not None:
            (world / name).write_text(text)
    out, err = evaluate(capsys, world / "labels.json", world / "found.json", code=2)
    assert out == ""
    assert says in err
    assert err.count("\n") == 1


def test_a_missing_file_and_labels_from_a_pipe_are_refused(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "absent.json" in evaluate(capsys, world / "absent.json", world / "found.json", code=2)[1]
    assert "LABELS" in evaluate(capsys, "-", world / "found.json", code=2)[1]
