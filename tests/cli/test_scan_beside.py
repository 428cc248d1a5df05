"""`scan` with what stands beside the logs: metrics and traces are read, used, and bad ones are said."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gatewatch.cli import main
from tests.ingest.lines import START, a_line


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def some_logs(folder: Path, *, minutes: int = 120, kept: float = 1.0) -> None:
    """Six requests a minute; of each ten the first ten × kept are logged."""
    lines = [a_line(number, second=10 * number) for number in range(6 * minutes) if number % 10 < 10 * kept]
    (folder / "a.log").write_text("".join(line + "\n" for line in lines))


def a_count(minutes: int = 120, **more: Any) -> str:
    times = [(START + timedelta(minutes=minute)).isoformat() for minute in range(minutes)]
    dimensions = [{"Name": "ApiName", "Value": "orders"}, {"Name": "Stage", "Value": "prod"}]
    series = {"Namespace": "AWS/ApiGateway", "MetricName": "Count", "Dimensions": dimensions, "Period": 60}
    return json.dumps({**series, "Stat": "Sum", "Timestamps": times, "Values": [6.0] * minutes, **more})


def scan(capsys: pytest.CaptureFixture[str], *arguments: str, code: int) -> tuple[dict[str, Any], str]:
    capsys.readouterr()
    got = main(["scan", "a.log", *arguments, "--format", "json"])
    out, err = capsys.readouterr()
    assert got == code, err
    return json.loads(out) if out else {}, err


def test_coverage_is_printed_and_decides_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    some_logs(tmp_path, kept=0.7)
    (tmp_path / "metrics.jsonl").write_text(a_count() + "\n")
    found, err = scan(capsys, "--metrics", "metrics.jsonl", "--min-coverage", "90", code=4)
    (one,) = found["coverage"]
    assert (one["api_id"], one["stage"]) == ("a1b2c3d4e5", "prod")
    assert one["percent"] == pytest.approx(70, abs=1)
    assert "coverage of a1b2c3d4e5 is 7" in err
    assert [finding["subtype"] for finding in found["findings"]] == ["coverage_low"]
    assert found["accounting"]["metrics"] == 1
    scan(capsys, "--metrics", "metrics.jsonl", "--min-coverage", "60", code=1)


def test_whole_logs_are_no_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    some_logs(tmp_path)
    (tmp_path / "metrics.jsonl").write_text(a_count() + "\n")
    found, _ = scan(capsys, "--metrics", "metrics.jsonl", code=0)
    assert found["findings"] == []
    assert found["coverage"][0]["percent"] == 100


def test_traces_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    some_logs(tmp_path)
    at = START.timestamp()
    segment = {
        "id": "a",
        "name": "orders/prod",
        "origin": "AWS::ApiGateway::Stage",
        "start_time": at,
        "end_time": at + 1,
    }
    segment["resource_arn"] = "arn:aws:apigateway:eu-west-1::/restapis/a1b2c3d4e5/stages/prod"
    trace = {"Id": "1-5-6", "Segments": [{"Id": "a", "Document": json.dumps(segment)}]}
    (tmp_path / "traces.jsonl").write_text(json.dumps(trace) + "\n")
    found, err = scan(capsys, "--traces", "traces.jsonl", code=0)
    assert found["accounting"]["traces"] == 1
    assert "1 requests through a stage" in err


def test_the_execution_log_names_the_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two hours of calm, then a caller that is refused once a second for ten minutes."""
    lines = [a_line(number, second=10 * number) for number in range(720)]
    events = []
    for number in range(720, 720 + 600):
        refused = json.loads(a_line(number, second=7200 + number - 720))
        lines.append(json.dumps(refused | {"status": "429", "errorType": "THROTTLED", "ip": "203.0.113.9"}))
        at = int(START.timestamp() * 1000) + (7200 + number - 720) * 1000
        plan = "Key throttle limit exceeded for Usage Plan ID nn, Stage prod. Limit: 5.00 Burst: 10"
        for text in (f"Extended Request Id: {refused['extendedRequestId']}", plan, "Method completed with status: 429"):
            events.append({"timestamp": at, "message": f"({refused['requestId']}) {text}"})
    (tmp_path / "a.log").write_text("".join(line + "\n" for line in lines))
    name = "API-Gateway-Execution-Logs_a1b2c3d4e5__prod.json"
    (tmp_path / name).write_text(json.dumps({"events": events}))
    found, err = scan(capsys, "--executions", name, code=1)
    assert "executions: 1,800 lines, 600 refused requests with a cause" in err
    (one,) = [finding for finding in found["findings"] if finding["kind"] == "throttling_abuse"]
    told = one["evidence"]["facts"]["execution_log"]
    assert set(told["scopes"]) == {"plan"}
    assert "The execution log names a usage plan's rate" in one["evidence"]["sentence"]
    pinned = one["evidence"]["card"]["requests"]
    assert {row["throttle_scope"] for row in pinned if row["status"] == 429} == {"plan"}


@pytest.mark.parametrize("option", ["--metrics", "--traces"])
def test_a_bad_record_among_many_is_said_and_many_make_the_data_partial(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    some_logs(tmp_path)
    good = a_count(1) if option == "--metrics" else json.dumps({"Id": "x", "Segments": []})
    (tmp_path / "few.jsonl").write_text((good + "\n") * 300 + "{cut\n")
    found, err = scan(capsys, option, "few.jsonl", code=0)
    assert found["accounting"][f"{option[2:]}_rejected"] == 1
    assert "few.jsonl: line 301: not JSON" in err
    (tmp_path / "many.jsonl").write_text((good + "\n") * 30 + "{cut\n" * 9)
    found, err = scan(capsys, option, "many.jsonl", code=3)
    assert "many.jsonl: line 31: not JSON" in found["errors"][0]
    assert "and 4 more" in err
    (tmp_path / "none.jsonl").write_text('{"a": 1}\n')
    _, err = scan(capsys, option, "none.jsonl", code=2)
    assert "none.jsonl: line 1: no " in err
