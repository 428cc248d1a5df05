"""Labels of a simulated world in the charts: shown, hidden, and never markup."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from dashboard.data import Reader
from dashboard.figures import band_figure, label_sentence, sparkline
from dashboard.labels import Label, labels_of, marks, read_labels
from dashboard.pages import finding, overview
from dashboard.view import View, Window
from gatewatch.settings import Settings
from gatewatch.store.state import open_state
from tests.conftest import SmallWorld
from tests.dashboard.pages.conftest import find, texts
from tests.dashboard.world import END, HOSTILE, fill, findings

ATTACK = Label(
    "credential_stuffing", "moderate", "auth_failure_spike", "login8a2", "prod", None,
    END - timedelta(hours=2), END - timedelta(minutes=40), "Many addresses, few tries each.",
)  # fmt: skip
CROWD = Label(
    "flash_crowd", None, None, "shop4f2k1", "prod", None, END - timedelta(hours=5), None, "More of everything."
)


@pytest.fixture
def labelled(tmp_path: Path) -> Iterator[Reader]:
    state = open_state(Settings(data_dir=tmp_path / "data"))
    fill(state)
    yield Reader(lambda: state, lambda: END, lambda: (ATTACK, CROWD))
    state.close()


def test_the_simulators_file_is_read(small_world: SmallWorld) -> None:
    found = read_labels(small_world.folder / "labels.json")
    assert len(found) == len(small_world.labels["incidents"]) + len(small_world.labels["benign"])
    assert {one.kind for one in found if not one.harmless} >= {"auth_failure_spike", "dead_api"}
    assert [one.start for one in found] == sorted(one.start for one in found)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"incidents": [{}], "benign": []}', '{"incidents": 1, "benign": 2}'])
def test_what_is_no_labels_file_gives_none(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "labels.json").write_text(text)
    assert read_labels(tmp_path / "labels.json") == ()
    assert "labels cannot be read" in caplog.text
    assert read_labels(None) == ()
    assert read_labels(tmp_path / "absent.json") == ()


def test_marks_are_shares_of_the_window_and_harmless_ones_lie_below() -> None:
    window = Window(END - timedelta(hours=4), END, stale=False)
    assert marks([ATTACK, CROWD], window) == [(0.0, 1.0, True), (0.5, pytest.approx(1 - 40 / 240), False)]
    assert marks([ATTACK], Window(END + timedelta(hours=1), END + timedelta(hours=2), stale=False)) == []
    assert unquote(sparkline([1, 2, 3], marks=[(0.5, 1.0, False)])).count("<rect") == 1


def test_the_overview_tells_what_is_going_on_until_it_is_hidden(labelled: Reader) -> None:
    shown = texts(overview.render(labelled, "", View()))
    assert "What is really going on" in shown
    assert "credential stuffing, moderate" in shown
    assert "Many addresses, few tries each." in shown
    shaded = [image for image in find(overview.render(labelled, "", View()), "Img") if "shaded" in image.alt]
    assert len(shaded) == 2
    hidden = texts(overview.render(labelled, "", View(labels="off")))
    assert "credential stuffing, moderate" not in hidden
    assert "What is really going on" in hidden  # the switch stays
    one = texts(overview.render(labelled, "", View(api="shop4f2k1")))
    assert "flash crowd" in one
    assert "credential stuffing, moderate" not in one


def test_without_labels_there_is_no_switch(labelled: Reader) -> None:
    plain = Reader(labelled._opened, lambda: END)
    assert "What is really going on" not in texts(overview.render(plain, "", View()))
    assert not find(overview.render(plain, "", View()), "SegmentedControl")


def test_the_chart_of_a_finding_shades_the_labels_of_its_api(labelled: Reader) -> None:
    attack = next(one for one in findings(END, hostile=True) if one.kind == "auth_failure_spike")
    page = finding.render(labelled, attack.id, View())
    assert any("Labelled as simulated: credential stuffing, moderate" in text for text in texts(page))
    (figure,) = (store.data for store in find(page, "Store") if isinstance(store.data, dict) and "layout" in store.data)
    assert [shape["type"] for shape in figure["layout"]["shapes"]].count("rect") == 1
    hidden = finding.render(labelled, attack.id, View(labels="off"))
    assert not any("Labelled as simulated" in text for text in texts(hidden))
    assert len(find(hidden, "SegmentedControl")) == 1


def test_a_label_is_never_markup() -> None:
    attack = findings(END, hostile=False)[1]
    for text in HOSTILE:
        evil = dataclasses.replace(ATTACK, name=text, level=text)
        drawn: Any = json.dumps(band_figure(attack, [evil]).plain(), default=str)
        assert "<img" not in drawn
        assert "<script" not in drawn
        assert "<a " not in drawn
        assert "\x1b" not in label_sentence([evil], attack.evidence.series)


def test_labels_come_and_go_with_their_file(tmp_path: Path, small_world: SmallWorld) -> None:
    path = tmp_path / "labels.json"
    labels = labels_of(path)
    assert labels() == ()
    path.write_bytes((small_world.folder / "labels.json").read_bytes())
    assert labels() == read_labels(path)
    assert labels()
    path.unlink()
    assert labels() == ()
