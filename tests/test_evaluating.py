"""However the data came, and in however many ticks, the findings are those of one run over all of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gatewatch import evaluating
from gatewatch.evaluating import Seen, _changed_from, evaluate
from gatewatch.ingesting import ingest_paths
from gatewatch.jobs import tick
from gatewatch.records import JSON
from gatewatch.settings import Settings
from gatewatch.store.findings import FindingFilter, list_blind, list_findings
from gatewatch.store.lake import added
from gatewatch.store.state import State, open_state
from tests.conftest import SMALL_END, SmallWorld
from tests.store.builders import a_finding

NOW = SMALL_END + timedelta(minutes=10)


@pytest.fixture(scope="module")
def logs(small_world: SmallWorld) -> Path:
    return small_world.logs


@pytest.fixture(scope="module")
def ingested(small_store: Path) -> Path:
    """All logs in one store; tests work on copies."""
    return small_store


@pytest.fixture(scope="module")
def at_once(ingested: Path, tmp_path_factory: pytest.TempPathFactory) -> list[JSON]:
    """What one tick over everything says."""
    folder = tmp_path_factory.mktemp("at_once") / "data"
    shutil.copytree(ingested, folder)
    state = open_state(Settings(data_dir=folder))
    tick(state, state.settings, NOW)
    said = everything(state)
    state.close()
    return said


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = open_state(Settings(data_dir=tmp_path / "data"))
    yield opened
    opened.close()


def everything(state: State) -> list[JSON]:
    """Findings and blind spots as they stand, without the ids and moments of when they were first said."""
    with state.read() as session:
        found = list_findings(session, FindingFilter(), limit=1000).items
        blind = list_blind(session)
    out: list[JSON] = []
    for stored in found:
        out.append({**stored.finding.to_json(), "state": "resolved" if stored.finding.end else "open"})
    return sorted([*out, *(one.to_json() for one in blind)], key=lambda one: json.dumps(one, sort_keys=True))


def test_many_ticks_say_what_one_says(ingested: Path, at_once: list[JSON], tmp_path: Path) -> None:
    shutil.copytree(ingested, tmp_path / "copy")
    state = open_state(Settings(data_dir=tmp_path / "copy"))
    for back in (1570, 900, 400, 179, 121, 61, 60, 13, 3, 0):  # the first with a quarter of an hour to look at
        tick(state, state.settings, NOW - timedelta(minutes=back))
    assert everything(state) == at_once
    state.close()


def test_late_files_amend_what_was_said(logs: Path, at_once: list[JSON], state: State) -> None:
    """The files of one API come hours late, and in two parts."""
    late = sorted(path for path in (logs / "firehose" / "amazon-apigateway-shop").rglob("*") if path.is_file())
    others = [str(path) for path in logs.rglob("*") if path.is_file() and path not in late]
    ingest_paths(state, others, workers=1)
    tick(state, state.settings, NOW)
    assert everything(state) != at_once
    for part in (late[len(late) // 2 :], late[: len(late) // 2]):
        ingest_paths(state, [str(path) for path in part], workers=1)
        tick(state, state.settings, NOW)
    with state.read() as session:
        found = {stored.finding.id: stored.finding for stored in list_findings(session, FindingFilter()).items}
    for one in at_once:
        assert isinstance(one, dict)
        if "id" in one:
            assert found[str(one["id"])].to_json()["evidence"] == one["evidence"]


def test_a_tick_that_follows_reads_only_what_is_new(
    ingested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ingested, tmp_path / "copy")
    state = open_state(Settings(data_dir=tmp_path / "copy"))
    tick(state, state.settings, NOW - timedelta(minutes=70))
    read: list[datetime] = []
    real = evaluating.judged  # type: ignore[attr-defined]  # watched where it is used

    def watched(state: State, since: datetime, until: datetime) -> object:
        read.append(since)
        return real(state, since, until)

    monkeypatch.setattr(evaluating, "judged", watched)
    tick(state, state.settings, NOW - timedelta(minutes=60))
    assert len(read) == 1
    assert read[0] >= NOW - timedelta(hours=4)
    state.close()


def test_a_minute_that_follows_costs_a_minute_and_says_the_same(
    ingested: Path, at_once: list[JSON], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ingested, tmp_path / "copy")
    state = open_state(Settings(data_dir=tmp_path / "copy"))
    tick(state, state.settings, NOW - timedelta(minutes=75))
    read: list[datetime] = []
    real = evaluating.judged  # type: ignore[attr-defined]  # watched where it is used

    def watched(state: State, since: datetime, until: datetime) -> object:
        read.append(since)
        return real(state, since, until)

    monkeypatch.setattr(evaluating, "judged", watched)
    for back in (74, 73, 30):
        before = NOW - timedelta(minutes=back)
        tick(state, state.settings, before)
    assert read[1] == NOW - timedelta(minutes=74 + 2)
    assert read[2] == NOW - timedelta(minutes=73 + 2)
    # What was looked at but not kept is looked at again.
    evaluate(state, state.settings, NOW - timedelta(minutes=20))
    tick(state, state.settings, NOW - timedelta(minutes=10))
    assert read[-1] < NOW - timedelta(minutes=60)
    tick(state, state.settings, NOW)
    assert everything(state) == at_once
    state.close()


def test_what_came_late_within_the_hour_is_told_by_the_minute() -> None:
    hour, ten, five = "2026-06-09T12:00:00+00:00", "2026-06-09T12:10:00+00:00", "2026-06-09T12:05:00+00:00"
    at = datetime.fromisoformat("2026-06-09T12:12:00+00:00")
    one, two = f"{1:032x}", f"{2:032x}"
    before = Seen("k", at, {hour: one}, {}, recent={ten: one})
    since = at - timedelta(days=1)
    later = Seen("k", at + timedelta(minutes=1), {hour: added([one, two])}, {}, recent={ten: one, five: two})
    assert _changed_from(before, later, since) == datetime.fromisoformat(five)
    # Where not all of the hour is known by the minute, it is the hour.
    assert _changed_from(replace(before, recent={}), later, since) == datetime.fromisoformat(hour)


def test_another_budget_looks_at_everything_again(ingested: Path, tmp_path: Path) -> None:
    shutil.copytree(ingested, tmp_path / "copy")
    settings = Settings(data_dir=tmp_path / "copy")
    state = open_state(settings)
    assert tick(state, settings, NOW).looked
    assert not tick(state, settings, NOW).looked
    assert tick(state, settings.model_copy(update={"false_alarms_per_week": 0.2}), NOW).looked
    state.close()


def test_findings_come_back_from_a_checkpoint_as_they_were() -> None:
    finding = a_finding(end=SMALL_END + timedelta(microseconds=123), caveat="x")
    body = evaluating.Checkpoint(SMALL_END, {"one": {"clock": 1}}, {finding.id: finding}).dump()
    back = evaluating._read_checkpoint(SMALL_END, body)
    assert back.said == {finding.id: finding}
    assert back.states == {"one": {"clock": 1}}
