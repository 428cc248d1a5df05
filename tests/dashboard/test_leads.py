from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dash
import pytest

from dashboard.data import Reader
from dashboard.leads import api_href, caller_href, caller_page, requests_copies, requests_href, requests_link
from dashboard.view import View, Window
from gatewatch.privacy import Privacy
from gatewatch.settings import Settings
from gatewatch.store.state import open_state
from tests.dashboard.pages.conftest import texts

NOW = datetime(2026, 6, 9, 12, tzinfo=UTC)
ASKED = View(range="7d", api="a/1", kind="dead_api", f=("route = GET /x",))


def test_no_link_leads_to_a_page_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dash, "page_registry", {})
    assert requests_href(ASKED, "status >= 400") is None
    assert requests_link("7", ASKED) == "7"
    monkeypatch.setattr(dash, "page_registry", {"e": {"path": "/explorer", "path_template": None}})
    assert requests_href(ASKED, "status >= 400") == "/explorer?range=7d&api=a%2F1&f=status+%3E%3D+400"


def test_no_link_names_somebody_who_is_masked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dash, "page_registry", {"e": {"path": "/explorer", "path_template": None}})
    state = open_state(Settings(data_dir=tmp_path / "data"))
    seen = Reader(lambda: state, lambda: NOW)
    hidden = Reader(lambda: state, lambda: NOW, privacy=Privacy("truncate"))
    assert caller_href(seen, "ip:192.0.2.1", View()) == "/explorer?f=client_id+%3D+ip%3A192.0.2.1"
    assert caller_href(hidden, "ip:192.0.2.1", View()) is None
    assert caller_href(seen, None, View()) is None
    state.close()


def test_the_same_is_asked_of_the_api_and_by_a_command() -> None:
    window = Window(NOW - timedelta(hours=1), NOW, False)
    said = texts(requests_copies(window, ASKED, "reject_cause = throttle"))
    assert any(
        text.startswith("GET /api/v1/requests?since=2026-06-09T11%3A00%3A00Z")
        and text.endswith("&where=api+%3D+a%2F1&where=reject_cause+%3D+throttle")
        for text in said
    )
    command = next(text for text in said if text.startswith("gatewatch export requests"))
    assert "--api a/1" in command
    assert command.endswith(" --where 'reject_cause = throttle' -o requests.csv")


def test_the_address_of_an_api_keeps_time_and_leaves_filters() -> None:
    assert api_href("a/1?#", ASKED, "auth", stage="p") == "/apis/a%2F1%3F%23?range=7d&stage=p&tab=auth"
    assert api_href("a1", ASKED, route="GET /x") == "/apis/a1?range=7d&f=route+%3D+GET+%2Fx"


def test_a_caller_leads_to_its_page_where_an_address_can_name_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(dash, "page_registry", {"c": {"path": "/caller", "path_template": None}})
    state = open_state(Settings(data_dir=tmp_path / "data"))
    seen = Reader(lambda: state, lambda: NOW)
    hidden = Reader(lambda: state, lambda: NOW, privacy=Privacy("truncate"))
    state.close()
    assert caller_page(seen, "key:<k&1>", View(range="7d")) == "/caller?range=7d&sel=key%3A%3Ck%261%3E"
    for nobody in (None, "", "principal:half \ud83d", "principal:" + "x" * 500):
        assert caller_page(seen, nobody, View()) == ""
    assert caller_page(hidden, "ip:192.0.2.1", View()) == ""
