"""What happens when a page cannot be made: the old content stays, and it is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dash import Dash
from fastapi.testclient import TestClient

from dashboard.frame import Nav, Place, _enter, places, shell
from gatewatch.app import build_app
from gatewatch.settings import Settings


def show(client: TestClient, page: str, path: str, *, sent: object = None) -> tuple[int, dict[str, object]]:
    """Run a page's callback as the browser does."""
    client.get("/")
    output = f"..{page}-drawn.data...{page}-busy.children.."
    wanted = next(one for one in client.get("/_dash-dependencies").json() if one["output"] == output)
    inputs = [{**one, "value": sent or {"pathname": path, "search": "", "turn": 1}} for one in wanted["inputs"]]
    body = {
        "output": wanted["output"],
        "outputs": [{"id": f"{page}-drawn", "property": "data"}, {"id": f"{page}-busy", "property": "children"}],
        "inputs": inputs,
        "state": [{**one, "value": None} for one in wanted["state"]],
        "changedPropIds": [],
        "parsedChangedPropsIds": [],
    }
    answer = client.post("/_dash-update-component", json=body)
    return answer.status_code, answer.json() if answer.content else {}


def test_a_page_is_shown_and_the_banner_goes(tmp_path: Path) -> None:
    with TestClient(build_app(Settings(data_dir=tmp_path / "data")), base_url="http://localhost") as client:
        status, body = show(client, "overview", "/")
    assert status == 200
    assert "No requests yet" in json.dumps(body["response"])
    assert "All times are UTC" in json.dumps(body["sideUpdate"])


def test_a_store_that_is_away_leaves_the_old_content_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a directory")
    with TestClient(build_app(Settings(data_dir=tmp_path / "data")), base_url="http://localhost") as client:
        status, body = show(client, "overview", "/")
    assert status == 200
    assert "overview-drawn" not in body.get("response", {})  # type: ignore[operator]
    assert "Cannot read the data" in json.dumps(body["sideUpdate"])


def test_a_page_that_is_asked_for_another_changes_nothing(tmp_path: Path) -> None:
    with TestClient(build_app(Settings(data_dir=tmp_path / "data")), base_url="http://localhost") as client:
        status, body = show(client, "overview", "/findings")
    assert status in {200, 204}
    assert "overview-drawn" not in body.get("response", {})  # type: ignore[operator]


@pytest.mark.parametrize("sent", ["x", [1], {"pathname": ["/"], "search": {"a": 1}}])
def test_an_address_of_another_shape_is_no_page_and_no_failure(tmp_path: Path, sent: object) -> None:
    with TestClient(build_app(Settings(data_dir=tmp_path / "data")), base_url="http://localhost") as client:
        status, body = show(client, "findings", "/findings", sent=sent)
    assert status in {200, 204}
    assert "findings-drawn" not in body.get("response", {})  # type: ignore[operator]


def test_pages_stand_in_the_navigation_in_their_order_and_no_key_leads_to_two() -> None:
    dash = Dash("test_frame", add_log_handler=False)
    _enter(dash, Place("late", "Late", "/late", Nav(20, "l", "latency")))
    _enter(dash, Place("first", "First", "/", Nav(10, "f", "overview")))
    assert [one.name for one in places(dash)] == ["first", "late"]
    written = json.dumps(shell(places(dash)).to_plotly_json(), default=lambda one: one.to_plotly_json())
    assert written.index('"data-go": "f"') < written.index('"data-go": "l"')
    with pytest.raises(ValueError, match=r"'late' and 'latest' have the same key"):
        _enter(dash, Place("latest", "Latest", "/latest", Nav(30, "l", "latency")))
