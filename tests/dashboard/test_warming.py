"""Pages that are drawn for nobody after a start leave in memory what the first visitor would wait for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from dash import Dash

from dashboard.app import build_dashboard
from dashboard.data import Reader
from dashboard.frame import drawers
from dashboard.guests import guests_of
from dashboard.view import View, view_of
from dashboard.warming import Warming, warmed
from gatewatch.settings import Settings
from gatewatch.store.coarse import COARSE
from gatewatch.store.findings import save_findings
from gatewatch.store.sampled import KEPT
from gatewatch.store.state import State, open_state
from tests.store.builders import AT, a_finding, minutes, put, requests


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """SQLite is enough: what is kept is of the lake."""
    opened = open_state(Settings(data_dir=tmp_path / "data"))
    put(opened, tables=[("requests", requests([{}, {}])), ("minutes", minutes([{}]))], lines=2)
    yield opened
    opened.close()


def dashboard(state: State) -> Dash:
    dash = build_dashboard(lambda: state, lambda: AT)
    drawers(dash)["settings"]("", view_of(""))  # nothing to gather there
    return dash


def kept(state: State) -> list[str]:
    """Shapes of which something of this lake is in memory."""
    known = [*COARSE._known, *KEPT._known]
    return sorted({shape.split("\0")[-1] for shape, _ in known if shape.startswith(str(state.lake.root))})


def test_every_page_is_drawn_ahead_once_there_is_much_to_read(state: State) -> None:
    dash = dashboard(state)
    assert kept(state) == []
    assert warmed(dash, lambda: state, threading.Event(), worth=2) == 2 * len(drawers(dash))
    assert {"sums", "latency", "callers"} <= set(kept(state))


def test_who_comes_goes_first(state: State) -> None:
    dash, stop, done = dashboard(state), threading.Event(), []
    guests_of(dash).came()
    ahead = threading.Thread(target=lambda: done.append(warmed(dash, lambda: state, stop, worth=2)))
    ahead.start()
    ahead.join(0.5)
    assert ahead.is_alive()
    assert kept(state) == []  # somebody was here a moment ago
    stop.set()
    ahead.join(10)
    assert done == [0]
    assert guests_of(dash).gone(threading.Event(), rest_s=0.0)


def test_little_data_and_a_server_that_stops_need_nothing_ahead(state: State) -> None:
    dash, stop = dashboard(state), threading.Event()
    assert warmed(dash, lambda: state, stop) == 0
    stop.set()
    assert warmed(dash, lambda: state, stop, worth=2) == 0
    assert kept(state) == []


def test_a_store_that_cannot_be_read_stops_nothing(state: State, tmp_path: Path) -> None:
    def closed() -> State:
        return open_state(Settings(data_dir=tmp_path / "none"), create=False)

    assert warmed(dashboard(state), closed, threading.Event(), worth=2) == 0


def test_the_thread_has_ended_before_the_store_is_closed(state: State) -> None:
    begun, go_on, done = threading.Event(), threading.Event(), []
    dash = dashboard(state)

    def opened() -> State:
        begun.set()
        go_on.wait(10)
        done.append("opened")
        return state

    warming = Warming(dash, opened, worth=2)
    warming.start()
    assert begun.wait(10)
    threading.Timer(0.2, go_on.set).start()
    warming.close()
    assert done == ["opened"]
    assert "warming" not in [one.name for one in threading.enumerate()]
    assert kept(state) == [], "no page was begun once it had to stop"


def test_a_server_that_ends_before_it_began_starts_none(state: State) -> None:
    warming = Warming(dashboard(state), lambda: state, worth=2)
    warming.close()
    warming.start()
    assert kept(state) == []


def test_spans_of_findings_are_read_again_once_a_finding_changed(state: State) -> None:
    reader, view = Reader(lambda: state, lambda: AT + timedelta(hours=1)), View()
    for number in range(2):
        with state.begin() as session:
            save_findings(session, [a_finding(f"GET /{number}")], now=AT)
        for _ in range(2):
            found = reader.beside(view)
            assert found is not None
            assert len(found.episodes) == number + 1
