"""What is no request of the dashboard's own scripts is refused as such, and never a server error."""

from __future__ import annotations

import json
from pathlib import Path

import plotly
import pytest
from fastapi.testclient import TestClient

from gatewatch.app import build_app
from gatewatch.settings import Settings

CALLBACK = "/_dash-update-component"


def good(client: TestClient) -> dict[str, object]:
    client.get("/")
    wanted = next(one for one in client.get("/_dash-dependencies").json() if "overview-drawn.data" in one["output"])
    places = [one.rpartition(".") for one in wanted["output"].strip(".").split("...")]
    inputs = [{**one, "value": None} for one in wanted["inputs"]]
    return {
        "output": wanted["output"],
        "outputs": [{"id": name, "property": prop} for name, _, prop in places],
        "inputs": inputs,
        "state": [{**one, "value": None} for one in wanted["state"]],
        "changedPropIds": [],
    }


@pytest.mark.parametrize(
    "change",
    [
        {"output": "none.children"},
        {"output": ["x"]},
        {"output": None},
        {"outputs": None},
        {"outputs": [1]},
        {"outputs": {"id": 7, "property": "data"}},
        {"outputs": {"id": '{"name":["MATCH"],"type":"export-file"}', "property": "data"}},
        {"outputs": {"id": "overview-drawn"}},
        {"inputs": []},
        {"inputs": [1, 2, 3, 4]},
        {"inputs": {}},
        {"state": [{"id": "x", "property": "y"}]},
        {"changedPropIds": [{}]},
        {"changedPropIds": None},
    ],
    ids=str,
)
def test_a_callback_that_no_page_sends_is_400(tmp_path: Path, change: dict[str, object]) -> None:
    with TestClient(build_app(Settings(data_dir=tmp_path / "data")), base_url="http://localhost") as client:
        body = good(client)
        assert client.post(CALLBACK, json=body).status_code == 200
        answer = client.post(CALLBACK, json={**body, **change})
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


def test_what_is_no_json_object_is_400_and_unknown_files_are_404(tmp_path: Path) -> None:
    with TestClient(build_app(Settings(data_dir=tmp_path / "data")), base_url="http://localhost") as client:
        client.get("/")
        headers = {"Content-Type": "application/json"}
        for body in (b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"[" * 5000, json.dumps({"output": 1}).encode()):
            assert client.post(CALLBACK, content=body, headers=headers).status_code == 400
        for path in ("dash/none.js", "nobody/x.js", "dash/deps/%2e%2e/%2e%2e/dash.py"):
            assert client.get(f"/_dash-component-suites/{path}").status_code == 404


def test_a_page_that_outlived_a_restart_goes_on(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    with TestClient(build_app(settings), base_url="http://localhost") as client:
        body = good(client)
    with TestClient(build_app(settings), base_url="http://localhost") as client:
        assert client.post(CALLBACK, json=body).status_code == 200


def test_files_of_the_components_come_whole(tmp_path: Path) -> None:
    path = "/_dash-component-suites/plotly/package_data/plotly.min.js"
    file = Path(str(plotly.__file__)).parent / "package_data" / "plotly.min.js"
    with TestClient(build_app(Settings(data_dir=tmp_path / "data")), base_url="http://localhost") as client:
        answer = client.get(path)
        assert answer.content == file.read_bytes()
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        head = client.head(path)
        assert (head.content, head.headers["content-length"]) == (b"", str(file.stat().st_size))
