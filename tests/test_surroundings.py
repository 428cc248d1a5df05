"""Inventory, changes, metrics and traces in the store: live findings are those of a scan with the same files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from detect.model import Context
from gatewatch.backtesting import backtest, range_of
from gatewatch.cli import main
from gatewatch.cli.inputs import Beside, keep_beside, read_beside
from gatewatch.ingesting import ingest_paths
from gatewatch.jobs import tick
from gatewatch.settings import Settings
from gatewatch.store.findings import FindingFilter, list_blind, list_findings
from gatewatch.store.inventories import snapshots
from gatewatch.store.state import State, open_state
from tests.conftest import BESIDE, SMALL_END, TinyWorld

NOW = SMALL_END + timedelta(minutes=10)


def beside_of(folder: Path, *names: str) -> Beside:
    paths = {name: str(folder / BESIDE[name]) for name in names}
    given = {name: [paths[name]] if name in paths else [] for name in ("changes", "metrics", "traces")}
    return read_beside({"inventory": paths.get("inventory"), **given})


@pytest.fixture(scope="module")
def ingested(tiny_world: TinyWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("surroundings") / "data"
    state = open_state(Settings(data_dir=folder))
    beside = beside_of(tiny_world.folder, "inventory")
    ingest_paths(state, [str(tiny_world.folder / "logs")], workers=1, inventory=beside.inventory)
    state.close()
    return folder


@pytest.fixture
def state(ingested: Path, tmp_path: Path) -> Iterator[State]:
    shutil.copytree(ingested, tmp_path / "data")
    opened = open_state(Settings(data_dir=tmp_path / "data"))
    yield opened
    opened.close()


def said(document: Any) -> list[tuple[str, ...]]:
    """What makes a finding what it is, with what was found out about its cause."""
    return sorted(
        (
            one["fingerprint"] if "fingerprint" in one else one["id"],
            one["subtype"],
            one["severity"],
            one["cause"],
            one.get("layer") or "",
            one["start"],
            json.dumps(one["changes"], sort_keys=True),
            one["caveat"] or "",
        )
        for one in document
    )


def stored(state: State) -> tuple[list[Any], list[Any]]:
    with state.read() as session:
        found = list_findings(session, FindingFilter(), limit=1000).items
        return [one.finding.to_json() for one in found if one.state.value != "retracted"], [
            one.to_json() for one in list_blind(session)
        ]


def test_what_comes_later_and_in_parts_is_taken_up_and_the_same_again_is_nothing_new(
    tiny_world: TinyWorld, state: State
) -> None:
    scanned = tiny_world.scanned
    whole = beside_of(tiny_world.folder, *BESIDE)
    assert whole.points is not None
    tick(state, state.settings, NOW)
    assert said(stored(state)[0]) != said(scanned["findings"])
    assert any(one["changes"] for one in scanned["findings"])
    half = whole.points.num_rows // 2
    order = whole.points.take(list(range(0, half * 2, 2)) + list(range(1, half * 2, 2)) + [whole.points.num_rows - 1])
    parts = (
        Beside(events=whole.events[1::2], points=order.slice(0, half)),
        Beside(whole.inventory, whole.events[::2], points=order.slice(half // 2), spans=whole.spans),
    )
    for part in parts:
        keep_beside(state, part, source="files", now=NOW)
        tick(state, state.settings, NOW)
    findings, blind = stored(state)
    assert said(findings) == said(scanned["findings"])
    assert sorted(map(str, blind)) == sorted(map(str, scanned["blind"]))
    again = keep_beside(state, whole, source="others", now=NOW + timedelta(minutes=1))
    assert str(again) == "nothing new"
    assert not tick(state, state.settings, NOW).looked
    with state.read() as session:
        assert len(snapshots(session)) == 1

    known = range_of(state)
    assert known is not None
    (run,) = backtest(state, [Context(settings=state.settings)], *known).runs
    assert said(one.to_json() for one in run.findings) == said(scanned["findings"])


def test_documents_alone_can_be_ingested(
    tiny_world: TinyWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "data"))
    documents = [str(tiny_world.folder / BESIDE[name]) for name in ("inventory", "changes")]
    ingest = ("ingest", "--inventory", documents[0], "--changes", documents[1])
    assert main(list(ingest)) == 0
    assert "kept: a new inventory, " in capsys.readouterr().err
    assert main(list(ingest)) == 0
    assert "kept: nothing new" in capsys.readouterr().err
    assert main(["ingest"]) == 2
