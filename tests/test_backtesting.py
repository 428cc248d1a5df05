"""One engine: batch, stream cut at random, restarted stream, backtest, scan, SQLite and PostgreSQL say the same."""

from __future__ import annotations

import itertools
import json
import random
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from detect.model import Context
from detect.run import cut, detect, fold, frames_of
from gatewatch import backtesting
from gatewatch.backtesting import backtest, difference, range_of
from gatewatch.cli import main
from gatewatch.ingesting import ingest_paths
from gatewatch.jobs import tick
from gatewatch.records import JSON, Finding
from gatewatch.settings import Settings
from gatewatch.store.findings import FindingFilter, list_findings
from gatewatch.store.reading import coverage, read_clients, read_minutes
from gatewatch.store.state import State, open_state
from tests.incidents import incident_lines
from tests.store.postgres import server

NOW = datetime(2026, 6, 10, 2, 0, tzinfo=UTC) + timedelta(minutes=10)

Said = set[tuple[str, datetime, str]]
"""(fingerprint, detected_at, id)"""


def said(findings: list[Finding]) -> Said:
    return {(one.fingerprint, one.detected_at, one.id) for one in findings}


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hourly files of one API."""
    folder = tmp_path_factory.mktemp("logs")
    by_hour: dict[int, list[str]] = {}
    for line in incident_lines():
        by_hour.setdefault(int(json.loads(line)["requestTimeEpoch"]) // 3_600_000, []).append(line)
    for hour, lines in by_hour.items():
        (folder / f"{hour}.log").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def stored(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    """A store with the logs, evaluated once."""
    state = open_state(Settings(data_dir=tmp_path_factory.mktemp("stored") / "data"))
    ingest_paths(state, [str(logs)], workers=1)
    tick(state, state.settings, NOW)
    yield state
    state.close()


def findings_of(state: State) -> list[Finding]:
    with state.read() as session:
        return [one.finding for one in list_findings(session, FindingFilter(), limit=1000).items]


def whole_range(state: State) -> tuple[datetime, datetime]:
    known = range_of(state)
    assert known is not None
    return known


def test_a_backtest_says_what_the_ticks_said(stored: State) -> None:
    known = whole_range(stored)
    found = backtest(stored, [Context(settings=stored.settings)], *known)
    told = difference(findings_of(stored), found.runs[0].findings)
    assert (told.new, told.gone, told.changed) == ([], [], [])
    assert len(told.same) >= 4
    assert found.apis == 1
    assert found.requests == len(incident_lines())


@pytest.mark.parametrize("seed", range(2))
def test_slices_cut_at_random_and_restarts_change_nothing(
    stored: State, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    known = whole_range(stored)
    monkeypatch.setattr(backtesting, "SLICE_ROWS", rng.randrange(1, 5000))
    monkeypatch.setattr(backtesting, "SLICE_HOURS", rng.randrange(1, 24))
    found = backtest(stored, [Context(settings=stored.settings)], *known)
    assert said(found.runs[0].findings) == said(findings_of(stored))
    # And a stream that is cut to the minute, each part with states that went through a file.
    minutes, clients, intervals = (read(stored) for read in (read_minutes, read_clients, coverage))
    whole = detect(minutes, clients, intervals, Context(settings=stored.settings))
    first, last = (int(at.timestamp() // 60) for at in known)
    edges = sorted({first, last, *(rng.randrange(first, last) for _ in range(12))})
    states: dict[str, JSON] = {}
    stream: dict[str, Finding] = {}
    for begin, end in itertools.pairwise(edges):
        part = frames_of(minutes, clients, intervals, begin, end)
        findings, _, states = fold(cut(part), Context(settings=stored.settings), json.loads(json.dumps(states)))
        stream |= {finding.id: finding for finding in findings}
    from detect.conclude import conclude

    told = conclude(list(stream.values()), states, known[1], Context(settings=stored.settings))
    assert told == whole.findings
    assert said(told) == said(findings_of(stored))


def test_shuffled_lines_and_files_say_the_same(stored: State, logs: Path, tmp_path: Path) -> None:
    rng = random.Random(7)
    for file in logs.iterdir():
        lines = file.read_text().splitlines()
        rng.shuffle(lines)
        (tmp_path / f"{rng.random()}.log").write_text("\n".join(lines) + "\n")
    state = open_state(Settings(data_dir=tmp_path / "data"))
    shuffled = [str(path) for path in tmp_path.glob("*.log")]
    rng.shuffle(shuffled)
    for name in shuffled:
        ingest_paths(state, [name], workers=1)
    tick(state, state.settings, NOW)
    assert said(findings_of(state)) == said(findings_of(stored))
    state.close()


def test_a_scan_says_what_the_store_says(
    stored: State, logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    assert main(["scan", str(logs), "-o", "out.json"]) == 1
    found = json.loads((tmp_path / "out.json").read_text())["findings"]
    scanned = {(one["fingerprint"], datetime.fromisoformat(one["detected_at"]), one["id"]) for one in found}
    assert scanned == said(findings_of(stored))


def test_postgresql_says_what_sqlite_says(stored: State, logs: Path, tmp_path: Path) -> None:
    with server() as running:
        running.create("gatewatch")
        url = SecretStr(running.url("gatewatch"))
        state = open_state(Settings(data_dir=tmp_path / "data", database_url=url))
        ingest_paths(state, [str(logs)], workers=1)
        for back in (300, 61, 0):
            tick(state, state.settings, NOW - timedelta(minutes=back))
        assert said(findings_of(state)) == said(findings_of(stored))
        replayed = backtest(state, [Context(settings=state.settings)], *whole_range(state))
        assert said(replayed.runs[0].findings) == said(findings_of(stored))
        state.close()


@pytest.fixture
def copy(stored: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store's folder, for commands."""
    shutil.copytree(stored.settings.data_dir, tmp_path / "data")
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    got = main(["backtest", *arguments])
    out, err = capsys.readouterr()
    assert got == code, err
    assert "Traceback" not in err
    return out, err


def test_the_command_compares_with_the_store(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run(capsys, "--format", "json")
    document = json.loads(out)
    assert document["compared"] == "stored"
    assert document["new"] == document["gone"] == document["changed"] == []
    assert document["same"] == len(document["findings"]) >= 4
    assert "0 new, 0 gone, 0 changed" in err
    table, _ = run(capsys)
    assert "auth_failure_spike" in table


def test_another_setting_is_compared_with_the_one_in_force(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets = ("--set", "false_alarms_per_week=1e-9")
    document = json.loads(run(capsys, *sets, "--format", "json")[0])
    assert document["settings"] == {"false_alarms_per_week": {"before": 0.1, "after": 1e-9}}
    assert document["compared"] == "settings"
    assert document["gone"] or document["changed"]
    for one in document["changed"]:
        assert one["fields"]
    one_kind = json.loads(run(capsys, *sets, "--detector", "throttling_abuse", "--format", "json")[0])
    assert {one["kind"] for one in one_kind["findings"]} == {"throttling_abuse"}
    assert one_kind["counts"]["before"]["throttling_abuse"] == 1


def test_a_part_of_the_range_gives_its_findings(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole: list[dict[str, Any]] = json.loads(run(capsys, "--format", "json")[0])["findings"]
    late = json.loads(run(capsys, "--since", "2026-06-09T21:00Z", "--format", "json")[0])
    expected = {one["id"] for one in whole if one["end"] is None or one["end"] > "2026-06-09T21:00:00Z"}
    assert {one["id"] for one in late["findings"]} == expected != set()
    assert len(expected) < len(whole)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--set", "nonsense"), "write KEY=VALUE"),
        (("--set", "false_alarm_per_week=1"), "did you mean 'false_alarms_per_week'"),
        (("--set", "false_alarms_per_week=-1"), "greater than 0"),
        (("--set", "false_alarms_per_week=much"), "valid number"),
        (("--detector", "none"), "choose from"),
        (("--since", "2027-01-01"), "nothing is stored between"),
        (("-o", "absent/x.json"), "does not exist"),
    ],
)
def test_wrong_use_is_said(
    copy: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], complaint: str
) -> None:
    assert complaint in run(capsys, *arguments, code=2)[1]


def test_an_empty_store_has_nothing_to_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "data"))
    open_state(Settings(data_dir=tmp_path / "data")).close()
    assert "nothing to replay" in run(capsys, code=2)[1]


def test_an_interrupt_leaves_nothing_behind(
    copy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def contents() -> dict[str, bytes]:
        return {
            str(path): path.read_bytes() for path in copy.rglob("*") if path.is_file() and "state.db-" not in path.name
        }

    run(capsys)  # what the store tidies up when it is opened and closed is done
    before = contents()
    real = backtesting.fold  # type: ignore[attr-defined]  # watched where it is used

    def interrupted(*arguments: Any) -> Any:
        real(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(backtesting, "fold", interrupted)
    _, err = run(capsys, "-o", "out.json", code=130)
    assert "interrupted" in err
    assert contents() == before
