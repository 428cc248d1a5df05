"""`gatewatch scan` and `parse` on real files: shapes, filters, exit codes, and bad input."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gatewatch.cli import main
from tests.cli.test_store_commands import some_lines
from tests.conftest import SMALL_END, SmallWorld
from tests.ingest.lines import a_line

COUNTS = ("accepted", "rejected", "blank", "duplicate")


@pytest.fixture(scope="module")
def world(small_world: SmallWorld) -> SmallWorld:
    return small_world


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def scan(capsys: pytest.CaptureFixture[str], *arguments: str, code: int) -> tuple[str, str]:
    capsys.readouterr()
    got = main(["scan", *arguments])
    out, err = capsys.readouterr()
    assert got == code, err
    assert "Traceback" not in err
    return out, err


def report(capsys: pytest.CaptureFixture[str], *arguments: str, code: int) -> dict[str, Any]:
    out, _ = scan(capsys, *arguments, "--format", "json", code=code)
    found: dict[str, Any] = json.loads(out)
    return found


def test_the_json_has_the_documented_shape_names_every_incident_and_no_other_and_touches_no_data(
    world: SmallWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beside = ("--changes", str(world.changes), "--metrics", str(world.folder / "metrics.jsonl"))
    found = report(capsys, str(world.logs), "--inventory", str(world.inventory), *beside, code=1)
    assert list(found) == ["schema_version", "findings", "accounting", "blind", "errors", "passed_over", "coverage"]
    assert found["schema_version"] == 1
    assert found["accounting"]["lines"] == world.written.lines == sum(found["accounting"][name] for name in COUNTS)
    assert found["accounting"]["changes"] > 5
    assert found["errors"] == []
    for finding in found["findings"]:
        assert {"id", "kind", "subtype", "severity", "score", "confidence", "title", "api_id", "stage"} <= set(finding)
        assert {"start", "end", "detected_at", "entities", "cause", "evidence", "remedy"} <= set(finding)
    assert not (tmp_path / "data").exists()

    seen = {(finding["kind"], finding["api_id"]) for finding in found["findings"] if finding["severity"] != "info"}
    # On a first day nobody can tell an outage from an evening.
    known = (SMALL_END - timedelta(days=0.1)).isoformat()
    told = [one for one in world.labels["incidents"] if one["kind"] != "dead_api" or one["start"] > known]
    assert len(told) == len(world.labels["incidents"]) - 1
    planted = {(incident["kind"], incident["api_id"]) for incident in told}
    assert len(planted) >= 7
    assert {kind for kind, _ in planted} == {
        "auth_failure_spike",
        "throttling_abuse",
        "dead_api",
        "latency_outlier",
    }
    assert {pair for pair in seen if pair[0] != "data_quality"} == planted


def test_filters_choose_findings_and_leave_the_accounting(
    world: SmallWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = str(world.logs / "cloudwatch" / "access-logs-accounts")
    whole = report(capsys, logs, "--exit-zero", code=0)
    assert whole["findings"]
    none = report(capsys, logs, "--api", "absent", code=0)
    assert none["findings"] == []
    assert none["accounting"] == whole["accounting"]
    one = report(capsys, logs, "--detector", "auth_failure_spike", code=1)
    assert {finding["kind"] for finding in one["findings"]} == {"auth_failure_spike"}
    early = report(capsys, logs, "--detector", "auth_failure_spike", "--until", "2026-06-08T14:00Z", code=0)
    assert early["findings"] == []


def test_files_are_written_by_suffix_beside_the_table(
    world: SmallWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = str(world.logs / "cloudwatch" / "access-logs-accounts")
    outputs = ("-o", "a.json", "-o", "b.jsonl", "-o", "c.csv", "-o", "d.txt")
    out, err = scan(capsys, logs, *outputs, code=1)
    assert out == ""
    found = json.loads((tmp_path / "a.json").read_text())["findings"]
    assert [json.loads(line)["id"] for line in (tmp_path / "b.jsonl").read_text().splitlines()] == [
        f["id"] for f in found
    ]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "c.csv").read_text())))
    assert [row["id"] for row in rows] == [f["id"] for f in found]
    assert found[0]["title"] in (tmp_path / "d.txt").read_text()
    assert "next: " in err
    table, _ = scan(capsys, logs, "--color", "never", code=1)
    assert "\x1b" not in table
    assert max(map(len, table.splitlines())) <= 120


def test_a_result_that_cannot_be_written_is_said_before_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    for target in ("out.xlsx", "absent/out.json", "."):
        scan(capsys, "nothing", "-o", target, code=2)


def test_standard_input_is_a_path(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Stdin:
        buffer = io.BytesIO(gzip.compress(some_lines(500).encode()))

    monkeypatch.setattr(sys, "stdin", Stdin)
    assert report(capsys, "-", code=0)["accounting"]["accepted"] == 500
    Stdin.buffer = io.BytesIO(gzip.compress(some_lines(4000).encode())[:-400])
    assert report(capsys, "-", code=3)["errors"] == ["stdin: the gzip file is cut off; nothing of this file was kept"]
    Stdin.buffer = io.BytesIO(some_lines(2).encode())
    assert main(["parse", "-"]) == 0
    assert {json.loads(line)["file"] for line in capsys.readouterr().out.splitlines()} == {"stdin"}


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("cut.gz", gzip.compress(some_lines(4000).encode())[:-400], "cut.gz"),
        ("picture.log", b"\x89PNG\r\n\x1a\n" + bytes(64), "PNG picture"),
        ("binary.log", b"abc\0def" * 10, "binary"),
    ],
)
def test_a_bad_file_is_named_and_the_good_ones_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, complaint: str
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "good.log").write_text(some_lines(100))
    (tmp_path / "logs" / name).write_bytes(content)
    out, err = scan(capsys, "logs", "--format", "json", code=3)
    found = json.loads(out)
    assert found["accounting"]["accepted"] >= 100
    assert any(complaint in error for error in found["errors"])
    assert complaint in err


def test_what_stands_beside_the_logs_is_passed_over_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "good.log").write_text(some_lines(100))
    beside = {
        "README.md": b"# Logs of 2026-06-09\n\nOne file.\n",
        "asn.csv": b"network,asn\n192.0.2.0/24,64500\n",
        "inventory.json": b'{\n "restApis": []\n}\n',
        "labels.json": b'[{"kind": "dead_api", "start": "2026-06-09T12:00:00Z"}]',
        "metrics.jsonl": b'{"Namespace": "AWS/ApiGateway", "MetricName": "Count", "Timestamps": [], "Values": []}\n',
        "overview.png": b"\x89PNG\r\n\x1a\n" + bytes(64),
    }
    for name, content in beside.items():
        (tmp_path / "logs" / name).write_bytes(content)
    out, err = scan(capsys, "logs", "--format", "json", code=0)
    found = json.loads(out)
    assert found["errors"] == []
    assert (found["accounting"]["files"], found["accounting"]["lines"]) == (1, 100)
    for name in beside:
        assert any(f"/{name}: " in text for text in found["passed_over"])
        assert f"passed over: logs/{name}: " in err
    (tmp_path / "logs" / "good.log").unlink()
    out, err = scan(capsys, "logs", "--format", "json", code=3)
    assert json.loads(out)["errors"] == ["the data are partial: no log files were found"]
    assert err.count("no log files were found") == 1


def test_partial_data_stand_in_the_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "many.log").write_text(some_lines(100) + "broken {\n" * 50)
    assert report(capsys, "many.log", code=3)["errors"] == ["the data are partial: 33.3 % of the lines were rejected"]


def test_nothing_to_read_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "blank.log").write_text("\n\n")
    (tmp_path / "prose.log").write_text("this is\nno log\nat all\n")
    for path, complaint in (
        ("empty", "holds no files"),
        ("absent", "no such file"),
        ("blank.log", "not one line"),
        ("prose.log", "none of its 3 lines could be read"),
    ):
        _, err = scan(capsys, path, code=3)
        assert complaint in err


def test_many_rejects_are_partial_data_and_few_are_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "few.log").write_text(some_lines(1000) + "broken {\n")
    (tmp_path / "many.log").write_text(some_lines(1000) + "broken {\n" * 50)
    assert report(capsys, "few.log", code=0)["accounting"]["rejected"] == 1
    _, err = scan(capsys, "many.log", code=3)
    assert "4.8 % of the lines were rejected" in err


def test_a_bad_document_or_option_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.log").write_text(some_lines(10))
    (tmp_path / "bad.json").write_text('{"restApis": [}')
    for arguments in (
        ("--inventory", "bad.json"),
        ("--changes", "absent.json"),
        ("--log-format", "no-such-format"),
        ("--severity", "huge"),
        ("--detector", "unknown"),
        ("--since", "never"),
        ("--format", "pdf"),
    ):
        _, err = scan(capsys, "a.log", *arguments, code=2)
        assert err.startswith("gatewatch: ")
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("$context.requestTime $context.path", "no $context.status"),
        ("$context.status $context.path", "neither $context.requestTimeEpoch nor $context.requestTime"),
        ('{"status":"$context.status"', "looks like JSON, but is not valid"),
        ('{"at":"$context.requestTimeEpoch","s":"$context.status","w":"$context.stage"}', "none of its 10 lines"),
    ],
)
def test_a_template_by_which_no_line_can_be_read_is_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], template: str, why: str
) -> None:
    (tmp_path / "a.log").write_text(some_lines(10))
    _, err = scan(capsys, "a.log", "--log-format", template, code=3)
    assert why in err
    assert "Traceback" not in err


def test_low_coverage_is_code_four(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = "".join(f'203.0.113.7 - - [09/Jun/2026:12:{m:02d}:00 +0000] "GET /x HTTP/1.1" 200 5\n' for m in range(60))
    (tmp_path / "bare.log").write_text(bare)
    scan(capsys, "bare.log", "--min-coverage", "100", code=4)
    scan(capsys, "bare.log", "--min-coverage", "0", code=0)


def test_parse_tells_of_every_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.log").write_text(some_lines(30) + "\nbroken {\n" + some_lines(1))
    assert main(["parse", "a.log"]) == 0
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["line"] for row in rows] == list(range(1, 34))
    assert [row["outcome"] for row in rows[29:32]] == ["accepted", "blank", "rejected"]
    assert {rows[0]["outcome"], rows[32]["outcome"]} == {"accepted", "duplicate"}
    assert rows[31]["reason"]
    assert rows[0]["route"] == "GET /pets"
    assert "format: " in err
    assert main(["parse", "absent.log"]) == 3
    (tmp_path / "prose.log").write_text("nothing\n")
    assert main(["parse", "prose.log"]) == 3


def test_parse_of_a_tree_of_small_files_tells_each_by_its_own_name_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Small files are read together; one that is cut off costs only itself."""
    for number in range(40):
        folder = tmp_path / "logs" / f"2026/06/{number % 4:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        text = some_lines(3).replace('"a1"', f'"a{number:03d}"').replace("ToAM", f"To{number:03d}")
        text += "broken {\n" if number == 7 else ""
        (folder / f"{number}.log").write_text(text)
    whole = gzip.compress(some_lines(50).encode())
    (tmp_path / "logs/2026/06/00/cut.gz").write_bytes(whole[:-20])
    assert main(["parse", "logs"]) == 3
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    told = {(Path(row["file"]).stem, row["line"]): row["outcome"] for row in rows}
    assert len(told) == len(rows) == 121
    assert [key for key, outcome in told.items() if outcome == "rejected"] == [("7", 4)]
    assert {row["api"] for row in rows if Path(row["file"]).stem == "11"} == {"a011"}
    assert "cut.gz: the gzip file is cut off" in err


def test_hostile_text_reaches_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.log").write_text(some_lines(20, path="/\\u001b[2J\\u202e\\u009b") + "\x1b]0;x\x07\n")
    assert main(["parse", "a.log"]) == 0
    out, err = capsys.readouterr()
    assert not {"\x1b", "\u202e", "\x9b", "\x07"} & set(out + err)


def test_an_input_is_never_overwritten_and_own_files_in_the_tree_are_no_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    text = "".join(a_line(number) + "\n" for number in range(5))
    (tmp_path / "logs" / "a.log").write_text(text)
    (tmp_path / "logs" / "inventory.json").write_text('{"restApis": []}')
    assert main(["scan", "logs/a.log", "-o", "logs/a.log"]) == 2
    assert (tmp_path / "logs" / "a.log").read_text() == text
    for _ in range(2):
        assert main(["scan", "logs", "--inventory", "logs/inventory.json", "-o", "logs/out.json"]) == 0
    capsys.readouterr()


def test_what_may_not_be_read_or_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "logs" / "closed").mkdir(parents=True)
    (tmp_path / "logs" / "good.log").write_text(some_lines(10))
    (tmp_path / "logs" / "secret.log").write_text(some_lines(10))
    (tmp_path / "logs" / "secret.log").chmod(0)
    (tmp_path / "logs" / "closed").chmod(0)
    (tmp_path / "fixed").mkdir(mode=0o500)
    # Root may read everything, unless it gives that right away.
    without = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"] if os.geteuid() == 0 else []
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    def run(*arguments: str) -> tuple[int, list[str]]:
        command = [*without, sys.executable, "-m", "gatewatch", *arguments, "-q"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr.splitlines()

    code, said = run("scan", "logs", "--format", "json")
    assert code == 3
    assert said == [
        "gatewatch: logs/closed: Permission denied",
        "gatewatch: logs/secret.log: Permission denied",
        "gatewatch: the data are partial: 2 sources could not be read whole",
    ]
    assert run("scan", "logs/closed")[1][:-1] == ["gatewatch: logs/closed: Permission denied"]
    code, said = run("scan", "logs/good.log", "-o", "fixed/out.json")
    assert (code, len(said)) == (2, 1)
    assert "fixed/out.json: cannot be written" in said[0]
    (tmp_path / "logs" / "closed").chmod(0o700)
