"""`gatewatch demo`: one command from nothing to findings, and hands off everything that is not its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gatewatch.cli import main


def test_it_ends_with_findings_and_can_be_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "mine"))
    monkeypatch.setenv("GATEWATCH_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("GATEWATCH_SLACK_WEBHOOK_URL", "http://127.0.0.1:1/hook")
    demo = ("demo", "--no-serve", "--end", "2026-06-09T12:00Z", "--no-progress", "--days", "0.5", "--rate", "0.3")
    assert main(demo) == 0, capsys.readouterr().err
    assert not (tmp_path / "mine").exists()
    assert main(demo) == 0, capsys.readouterr().err
    monkeypatch.delenv("GATEWATCH_DATABASE_URL")
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / ".demo" / "data"))
    capsys.readouterr()
    assert main(["findings", "list", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["findings"]
    labels = json.loads((tmp_path / ".demo" / "labels.json").read_text())
    going_on = {incident["kind"] for incident in labels["incidents"] if incident["end"] is None}
    assert going_on == {"auth_failure_spike", "throttling_abuse", "dead_api", "latency_outlier"}
    assert len(labels["apis"]) >= 8
    assert "auth_failure_spike" in {finding["kind"] for finding in found}
    told = [json.loads(line) for line in (tmp_path / ".demo" / "alerts.jsonl").read_text().splitlines()]
    assert told
    assert {one["finding_id"] for one in told} <= {finding["id"] for finding in found}
    assert main(["silences", "list", "--all", "--format", "json"]) == 0
    held = json.loads(capsys.readouterr().out)["silences"]
    assert len(held) == 2
    assert main(["findings", "show", found[0]["id"]]) == 0
    assert found[0]["title"] in capsys.readouterr().out


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "precious.log").touch()
    assert main(["demo", "--dir", str(tmp_path), "--no-serve"]) == 2
    assert "no demo's folder" in capsys.readouterr().err
    assert (tmp_path / "logs" / "precious.log").exists()
