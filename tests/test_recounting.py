"""What an execution log says counts, in whichever order it comes: a scan, the store's minutes and evidence agree."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gatewatch.evidencing import Stored
from gatewatch.frames import merge_clients, merge_minutes
from gatewatch.ingesting import ingest_paths
from gatewatch.records import Selection
from gatewatch.recounting import judged
from gatewatch.settings import Settings
from gatewatch.store.reading import read_minutes
from gatewatch.store.state import State, open_state
from ingest.scan import scan_paths
from tests.ingest.test_setaside import AT, GROUP, access, envelope, ident, said

SINCE = datetime.fromtimestamp(AT / 1000, UTC) - timedelta(hours=1)
UNTIL = SINCE + timedelta(hours=2)


@pytest.fixture(name="state")
def _state(tmp_path: Path) -> Any:
    opened = open_state(Settings(data_dir=tmp_path / "data"))
    yield opened
    opened.close()


@pytest.fixture(name="files")
def _files(tmp_path: Path) -> tuple[str, str]:
    """Access logs of eight refused and two answered requests, and what the gateway said of six."""
    folder = tmp_path / "logs"
    folder.mkdir()
    lines = [access(n) for n in range(8)] + [access(n, 200) for n in (8, 9)]
    denied = ["Starting authorizer: z4nj0a for request: r", "Incoming identity: ****er"]
    events = [event for n in range(5) for event in said(n)]
    events += said(5, *denied, f"Unauthorized request: {ident(5)}", "Method completed with status: 403")
    (folder / "access.log").write_text("".join(f"{line}\n" for line in lines))
    (folder / "why.json").write_text(json.dumps(envelope(GROUP, events)))
    return str(folder / "access.log"), str(folder / "why.json")


def counted(minutes: Any, clients: Any) -> tuple[dict[str, int], dict[tuple[str, str | None], int]]:
    """Counts that are not zero, and refused requests by cause and scope."""
    told: dict[str, int] = {}
    for row in merge_minutes(minutes).to_pylist():
        for name, value in row.items():
            if name == "n" or name[:2] in ("c_", "t_"):
                told[name] = told.get(name, 0) + value
    by: dict[tuple[str, str | None], int] = {}
    for row in merge_clients(clients).to_pylist():
        assert row["n"] > 0
        key = (row["reject_cause"], row["throttle_scope"])
        by[key] = by.get(key, 0) + row["n"]
    return {name: value for name, value in told.items() if value}, by


def test_counts_are_the_same_whatever_comes_first(files: tuple[str, str], tmp_path: Path) -> None:
    logs, why = files
    scanned = scan_paths([logs, why], workers=1)
    expected = counted(scanned.minutes, scanned.clients)
    assert expected[0]["n"] == 10
    assert expected[0]["t_plan"] == 5
    assert expected[1]["throttle", "plan"] == 5
    plain = scan_paths([logs], workers=1)
    assert counted(plain.minutes, plain.clients) != expected
    for number, order in enumerate(([logs, why], [why, logs])):
        state = open_state(Settings(data_dir=tmp_path / str(number)))
        for path in order:
            assert ingest_paths(state, [path]).errors == []
        assert counted(*judged(state, SINCE, UNTIL)) == expected
        assert counted(*judged(state, SINCE, UNTIL, api="a1b2c3d4e5", stage="prod")) == expected
        other = counted(*judged(state, SINCE, UNTIL, api="another000"))
        assert other == ({}, {})
        asked = Selection(SINCE, UNTIL, "a1b2c3d4e5", stage="prod")
        shown = Stored(state)
        assert counted(shown.minutes(asked), shown.clients(asked)) == expected
        state.close()


def test_without_execution_logs_nothing_is_looked_for(files: tuple[str, str], state: State) -> None:
    ingest_paths(state, [files[0]])
    assert judged(state, SINCE, UNTIL)[0].equals(read_minutes(state, SINCE, UNTIL))
