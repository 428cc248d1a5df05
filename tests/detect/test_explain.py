"""Why nothing was raised: below by how much, too young, blind, held back, folded, or no data; and what was raised."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from detect.explain import STATES, Answer, Explanation, explain
from detect.model import DETECTORS, Context
from detect.run import between, cut, fold, frames_of
from detect.watching import Watch
from gatewatch.cli import main
from gatewatch.records import Kind
from tests.incidents import ATTACK, OUTAGE, SLOW, THROTTLE, incident_lines
from tests.ingest.lines import START, a_line

API = "a1b2c3d4e5"


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    (folder / "a.log").write_text("\n".join(incident_lines()) + "\n")
    return folder


@pytest.fixture(scope="module")
def block(logs: Path) -> Any:
    from ingest.scan import scan_paths

    scanned = scan_paths([str(logs / "a.log")], workers=1)
    first = int(START.timestamp() // 60)
    return frames_of(scanned.minutes, scanned.clients, scanned.coverage, first, first + 14 * 60)


def ask(block: Any, at: timedelta, **more: Any) -> Explanation:
    return explain(cut(block), Context(), START + at, more.pop("api", API), **more)


def of(found: Explanation, kind: Kind) -> list[Answer]:
    return [answer for answer in found.answers if answer.kind is kind]


def test_every_detector_answers_and_a_calm_moment_is_quiet(block: Any) -> None:
    found = ask(block, timedelta(hours=5))
    assert {answer.kind for answer in found.answers} == set(Kind)
    assert all(answer.state in STATES for answer in found.answers)
    for kind in Kind:
        # A silence of so young a stage cannot be judged: no answer of the kind may hide that.
        assert of(found, kind)[0].state in ({"warming_up"} if kind is Kind.DEAD_API else {"quiet", "below"})
        assert of(found, kind)[0].sentence
    refused = of(found, Kind.AUTH_FAILURE_SPIKE)[0]
    assert refused.look is not None
    unmet = [check for check in refused.look.checks if not check.met]
    assert unmet
    assert all(check.value < check.need for check in unmet if check.need != 1.0)
    assert "needed" in refused.sentence


@pytest.mark.parametrize(
    ("at", "kind"),
    [
        (ATTACK + timedelta(minutes=15), Kind.AUTH_FAILURE_SPIKE),
        (THROTTLE + timedelta(minutes=15), Kind.THROTTLING_ABUSE),
        (SLOW + timedelta(minutes=25), Kind.LATENCY_OUTLIER),
        (OUTAGE + timedelta(minutes=15), Kind.DEAD_API),
    ],
)
def test_what_was_raised_is_said(block: Any, at: timedelta, kind: Kind) -> None:
    answer = of(ask(block, at), kind)[0]
    assert answer.state in {"raised", "folded"}
    assert answer.finding is not None
    assert answer.finding.kind is kind


def test_before_it_was_noticed_the_answer_says_that_it_came(block: Any) -> None:
    found = of(ask(block, OUTAGE + timedelta(minutes=1)), Kind.DEAD_API)
    answer = next(one for one in found if one.series == "good answers")
    assert answer.state in {"below", "quiet"}
    assert "expected requests missed" in answer.sentence
    assert "It was raised" in answer.sentence


def test_throttling_waits_for_callers_that_back_off(block: Any) -> None:
    states = {}
    for minute in range(8):
        answer = of(ask(block, THROTTLE + timedelta(minutes=minute)), Kind.THROTTLING_ABUSE)[0]
        states[minute] = answer
    held = [answer for answer in states.values() if answer.state == "held_back"]
    assert held or states[1].state in {"raised", "below"}
    assert states[7].state in {"raised", "folded"}


def test_a_young_stage_is_warming_up(block: Any) -> None:
    found = ask(block, timedelta(minutes=4))
    auth = of(found, Kind.AUTH_FAILURE_SPIKE)[0]
    assert auth.state == "warming_up"
    assert "can tell in" in auth.sentence
    assert of(found, Kind.DEAD_API)[0].state == "warming_up"


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    from ingest.scan import scan_paths

    drop = ("responseLatency", "integrationLatency", "errorType")
    rows = [json.loads(a_line(number)) for number in range(4000)]
    (tmp_path / "a.log").write_text(
        "".join(json.dumps({k: v for k, v in row.items() if k not in drop}) + "\n" for row in rows)
    )
    scanned = scan_paths([str(tmp_path / "a.log")], workers=1)
    first = int(START.timestamp() // 60)
    data = frames_of(scanned.minutes, scanned.clients, scanned.coverage, first, first + 66)
    found = ask(data, timedelta(minutes=60))
    slow = of(found, Kind.LATENCY_OUTLIER)
    assert [answer.state for answer in slow] == ["blind"]
    assert "$context.responseLatency" in slow[0].missing
    auth = of(found, Kind.AUTH_FAILURE_SPIKE)
    assert auth[0].state == "blind"
    assert auth[0].sentence.startswith("Sees less")
    assert len(auth) > 1


def test_what_is_not_there_is_said(block: Any) -> None:
    assert {answer.state for answer in ask(block, timedelta(hours=5), api="other").answers} == {"not_seen"}
    assert {answer.state for answer in ask(block, timedelta(hours=5), stage="test").answers} == {"not_seen"}
    assert {answer.state for answer in ask(block, timedelta(days=9)).answers} == {"no_data"}


def test_a_stage_without_a_call_since_the_checkpoint_is_known_from_before(block: Any) -> None:
    first, middle = block.first, block.first + 300
    _, _, states = fold([between(block, first, middle)], Context(), {})
    later = between(block, middle, middle + 60)
    silent = replace(later, **{name: getattr(later, name).iloc[:0] for name in ("stages", "routes", "clients")})
    found = explain([silent], Context(), START + timedelta(minutes=330), API, states=states)
    assert {answer.stage for answer in found.answers} == {"prod"}
    assert "not_seen" not in {answer.state for answer in found.answers}
    assert of(found, Kind.DEAD_API)[-1].look is not None


def test_a_route_narrows_what_is_judged_by_route(block: Any) -> None:
    found = of(ask(block, timedelta(hours=5), route="GET /r1"), Kind.LATENCY_OUTLIER)
    assert {answer.series for answer in found} <= {"GET /r1", "all routes", "timeout"}
    assert "GET /r1" in {answer.series for answer in found}


def test_a_watch_changes_nothing(block: Any) -> None:
    minute = int((START + ATTACK + timedelta(minutes=3)).timestamp() // 60)
    for name in DETECTORS:
        plain = DETECTORS[name]().step(None, block, Context())
        watched = DETECTORS[name]().step(None, block, Context(watch=Watch(minute, API)))
        assert json.dumps(plain[0]) == json.dumps(watched[0])
        assert plain[1:] == watched[1:]


def test_conditions_that_are_all_met_are_an_alarm(block: Any) -> None:
    """The checks are those of the decision: due exactly when it is hot."""
    due = 0
    for minutes in range(0, 30, 3):
        at = START + ATTACK + timedelta(minutes=minutes)
        watch = Watch(int(at.timestamp() // 60), API)
        DETECTORS["auth_failure_spike"]().step(None, block, Context(watch=watch))
        for look in watch.looks:
            if look.due:
                due += 1
                assert look.raised is not None or look.waits is not None
    assert due > 3


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(["explain", *arguments]) == code, capsys.readouterr().err
    return capsys.readouterr().out


def test_files_and_the_store_are_explained_alike(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    assert main(["ingest", str(logs / "a.log")]) == 0
    at = ("--at", "2026-06-09T22:20Z", "--api", API, "--format", "json")
    files = json.loads(run(capsys, *at, "--logs", str(logs / "a.log")))
    assert json.loads(run(capsys, *at)) == files
    assert main(["tick"]) == 0
    ticked = json.loads(run(capsys, *at))  # from a checkpoint
    assert ticked == files
    assert {answer["kind"] for answer in files["answers"]} == {kind.value for kind in Kind}
    late = ("--at", "2026-06-10T01:30Z", "--api", API, "--format", "json")
    assert json.loads(run(capsys, *late)) == json.loads(run(capsys, *late, "--logs", str(logs / "a.log")))
    table = run(capsys, "--at", "2026-06-09T22:20Z", "--api", API)
    assert "latency_outlier" in table
    assert "\x1b" not in table


def test_wrong_use_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "--at", "never", "--api", "x"]) == 2
    assert main(["explain", "--api", "x"]) == 2
    assert "not a time" in capsys.readouterr().err
    assert datetime.now(UTC) > START
