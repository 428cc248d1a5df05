"""`gatewatch findings …` as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gatewatch.cli import main
from gatewatch.settings import Settings
from gatewatch.store.findings import save_findings
from gatewatch.store.state import open_state
from tests.store.builders import AT, a_finding

ONE, TWO = a_finding("a"), a_finding("b", api="shop")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    state = open_state(Settings(data_dir=tmp_path / "data"))
    with state.begin() as session:
        save_findings(session, [ONE, TWO], now=AT)
    state.close()


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    got = main(("findings", *arguments))
    out, err = capsys.readouterr()
    assert got == code, err
    return out if code == 0 else err


def test_a_finding_is_acknowledged_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "ack", ONE.id, "--note", "mine\x1b[2J").split() == [ONE.id]
    run(capsys, "assign", ONE.id, "--to", "otto")
    shown = run(capsys, "show", ONE.id)
    for word in ("acknowledged", "assign by", "otto", "acknowledge by"):
        assert word in shown
    assert "\x1b[2J" not in shown
    assert "acknowledged cannot be unsnoozed" in run(capsys, "unsnooze", ONE.id, code=2)
    assert "no finding has the id" in run(capsys, "ack", "nothing", code=2)
    assert "by their ids, or with --where" in run(capsys, "ack", code=2)


def test_what_is_suppressed_is_listed_only_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--where", "api = shop", "--why", "planned", "--note", "load test", "--for", "30d")
    assert "1 findings of 1 problems, 1 of them open" in run(capsys, "suppress", *options, "--preview")
    run(capsys, "suppress", *options)
    assert [one["id"] for one in json.loads(run(capsys, "list", "--format", "json"))["findings"]] == [ONE.id]
    assert len(json.loads(run(capsys, "list", "--show-suppressed", "--format", "json"))["findings"]) == 2
    [stored] = json.loads(run(capsys, "suppressions", "--format", "json"))["suppressions"]
    assert stored["note"] == "load test"
    assert "no suppressions" in run(capsys, "suppressions", "--unused-days", "30")
    run(capsys, "suppressions", "--end", stored["id"])
    assert len(json.loads(run(capsys, "list", "--where", "api ~ SHOP", "--format", "json"))["findings"]) == 1


def test_a_snooze_by_filter(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(run(capsys, "snooze", "--where", "severity >= low", "--for", "8h").split()) == 2
    assert "snoozed" in run(capsys, "list")
    assert "only one of them" in run(capsys, "snooze", ONE.id, "--for", "8h", "--until", "2030-01-01", code=2)


def test_feedback_says_what_it_changes(capsys: pytest.CaptureFixture[str]) -> None:
    assert "required score 0 -> 12.8" in run(capsys, "feedback", ONE.id, "--false", "--dry-run")
    assert "required score 0 -> 12.8" in run(capsys, "feedback", ONE.id, "--false", "--note", "a scanner")
    assert "required score 12.8 -> 0" in run(capsys, "feedback", ONE.id, "--none")
    assert "say --true" in run(capsys, "feedback", ONE.id, code=2)
