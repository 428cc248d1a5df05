from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from plotly.utils import PlotlyJSONEncoder

from dashboard.data import Reader
from dashboard.outgoing import moment, outgoing
from dashboard.pages.alerts import render
from dashboard.view import View
from gatewatch.access.current import LOCAL, set_current
from gatewatch.records import Finding, Kind
from gatewatch.roles import Role, Via, Who
from gatewatch.settings import Settings
from gatewatch.store.state import open_state
from tests.alerts.hostile import HOSTILE
from tests.dashboard.operations import ALERTS, add_alerts
from tests.dashboard.pages.conftest import texts
from tests.dashboard.world import END, fill


@dataclass(frozen=True)
class World:
    reader: Reader
    findings: dict[str, Finding]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("alerts")
    (folder / "alerts.yaml").write_text(ALERTS)
    state = open_state(Settings(data_dir=folder / "data", alerts_file=folder / "alerts.yaml"))
    found = fill(state)
    add_alerts(state, END)
    yield World(Reader(lambda: state, lambda: END), {one.kind.value: one for one in found})
    state.close()


@pytest.fixture(autouse=True)
def local() -> Iterator[None]:
    set_current(LOCAL)
    yield
    set_current(None)


def shown(reader: Reader, view: View | None = None) -> str:
    return "\n".join(texts(render(reader, "", view or View())))


def test_the_tree_names_the_findings_that_each_route_took(world: World) -> None:
    found = outgoing(world.reader.store(), View(), END)
    took = {node.way.name: {one.kind for one in node.told} for node in found.nodes}
    assert took["urgent"] == {Kind.AUTH_FAILURE_SPIKE}
    assert took["logins"] == {Kind.AUTH_FAILURE_SPIKE}  # urgent goes on
    assert Kind.LATENCY_OUTLIER in took["route"]
    assert [node.depth for node in found.nodes] == [0, 1, 1]
    assert found.nodes[2].way.group_wait == timedelta(seconds=30)  # from its parent


def test_a_dry_run_says_where_a_finding_goes_and_what_holds_it_back(world: World) -> None:
    attack = world.findings[Kind.AUTH_FAILURE_SPIKE.value]
    text = shown(world.reader, View(sel=attack.id, q="03:00"))
    assert "would be told to hook, pager" in text
    assert "after 15 min: spare" in text
    assert f"gatewatch routes test --finding {attack.id} --at 2026-06-09T03:00" in text
    held = shown(world.reader, View(severity="low", api="shop4f2k1"))
    assert "would be told to nobody then; it is below alert_min_severity (medium)." in held
    night = shown(world.reader, View(severity="high", api="legacy9", q="2026-06-09 23:30"))
    assert "maintenance: weekly restart, until 2026-06-10 06:00 UTC" in night
    day = shown(world.reader, View(severity="high", api="legacy9", q="2026-06-09 12:30"))
    assert "would be told to spare" in day


def test_times_are_read_as_people_write_them() -> None:
    now = datetime(2026, 6, 9, 12, 34, tzinfo=UTC)
    assert moment("", now) == moment(None, now) == now
    assert moment("9:05", now) == datetime(2026, 6, 9, 9, 5, tzinfo=UTC)
    assert moment("now-2h", now) == now - timedelta(hours=2)
    assert moment("2026-06-10T03:00Z", now) == datetime(2026, 6, 10, 3, tzinfo=UTC)
    assert moment("25:00", now) is None
    assert moment("tomorrow-ish", now) is None


def test_a_time_that_is_none_and_a_finding_that_is_none_are_said(world: World) -> None:
    assert "This is no time" in shown(world.reader, View(q="soon"))
    assert "There is no finding with this id" in shown(world.reader, View(sel="nothing"))


def test_channels_say_how_they_do_and_can_be_tried(world: World) -> None:
    text = shown(world.reader, View(tab="channels"))
    assert "works" in text
    assert "never used" in text
    assert "Send test" in text
    set_current(Who("vera", Role.VIEWER, Via.SESSION, id="u1"))
    assert "Send test" not in shown(world.reader, View(tab="channels"))
    assert "New silence" not in shown(world.reader, View(tab="silences"))


def test_silences_hold_are_planned_and_are_made(world: World) -> None:
    text = shown(world.reader, View(tab="silences"))
    for part in ("api shop*, severity low or info", "holds", "planned", "2 h left", "New silence", "weekly restart"):
        assert part in text


def test_the_log_has_what_went_out_and_what_came_back(world: World) -> None:
    text = shown(world.reader, View(tab="log"))
    assert "given up" in text
    assert '"status": 500' in text
    assert "500: nightly load test" in text
    assert text.count("Exchange 1") == 2
    assert "Try again" in text
    only = shown(world.reader, View(tab="log", q="spare"))
    assert only.count("Exchange 1") == 1


def test_a_wrong_file_does_not_hide_what_is_stored(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("route: {chanels: [x]}")
    state = open_state(Settings(data_dir=tmp_path / "data", alerts_file=tmp_path / "wrong.yaml"))
    add_alerts(state, END)
    reader = Reader(lambda: state, lambda: END)
    assert "The alerts file cannot be used" in shown(reader)
    assert "nightly load test" in shown(reader, View(tab="silences"))
    state.close()


def test_an_empty_store_without_channels_says_so(nothing: Reader) -> None:
    assert "No channel is configured: nobody is told of anything" in shown(nothing)
    assert "Nothing was sent yet" in shown(nothing, View(tab="log"))


def test_every_part_stays_small_and_plain(tmp_path: Path) -> None:
    (tmp_path / "alerts.yaml").write_text(ALERTS)
    state = open_state(Settings(data_dir=tmp_path / "data", alerts_file=tmp_path / "alerts.yaml"))
    fill(state)
    for text in HOSTILE:
        add_alerts(state, END, (text.encode(errors="replace").decode().replace("\x00", "") or "x") * 3)
    reader = Reader(lambda: state, lambda: END)
    for tab in (None, "channels", "silences", "log"):
        page = render(reader, "", View(tab=tab))
        assert len(json.dumps(page, cls=PlotlyJSONEncoder)) < 300_000
        assert all(char.isprintable() or char == "\n" for char in "".join(texts(page)))
    state.close()
