"""A log file that is dropped onto the page: in parts, through the whole application."""

from __future__ import annotations

import base64
import gzip
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gatewatch.app import build_app, uploads
from gatewatch.roles import Role
from gatewatch.settings import Settings
from gatewatch.store.state import open_state
from tests.people import NAMES, add_people, csrf, log_in

URL = "/api/v1/uploads"
SAMPLE = Path(__file__).parent.parent / "sample_logs" / "apigw_json" / "apigw-rest-json.log"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(build_app(settings), base_url="http://localhost:8080") as opened:
        yield opened


def part(data: bytes, **more: object) -> dict[str, object]:
    return {"data": base64.b64encode(data).decode(), "name": "access.log", **more}


def left(settings: Settings) -> list[str]:
    return os.listdir(settings.data_dir / "uploads")


def test_parts_become_the_lines_that_ingest_would_read_and_leave_no_file(
    client: TestClient, settings: Settings
) -> None:
    data = gzip.compress(SAMPLE.read_bytes())
    first = client.post(URL, json=part(data[:100])).json()
    assert first["received"] == 100
    assert left(settings) == [first["upload"]]
    done = client.post(URL, json=part(data[100:], upload=first["upload"], last=True)).json()
    counts = done["accounting"]
    assert counts["lines"] == len(SAMPLE.read_text().splitlines())
    assert counts["accepted"] > 0
    assert (done["looked"], done["problems"]) == (True, [])
    assert left(settings) == []
    again = client.post(URL, json=part(data, last=True)).json()
    assert (again["accounting"]["accepted"], again["read_before"]) == (0, True)
    (line,) = [one for one in client.get("/api/v1/audit").json()["events"] if one["detail"]["accepted"]]
    assert (line["action"], line["detail"]["name"]) == ("logs.upload", "access.log")


def test_what_is_no_log_says_so_without_naming_our_folder(client: TestClient, settings: Settings) -> None:
    done = client.post(URL, json=part(b"no log at all\n", last=True))
    assert done.json()["accounting"]["accepted"] == 0
    assert str(settings.data_dir) not in done.text


def test_only_so_much_is_taken_and_kept(
    client: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST", 150)
    first = client.post(URL, json=part(b"x" * 100)).json()["upload"]
    refused = client.post(URL, json=part(b"x" * 100, upload=first))
    assert (refused.status_code, left(settings)) == (413, [])
    assert "gatewatch ingest" in refused.json()["detail"]
    assert client.post(URL, json=part(b"x", upload=first)).status_code == 409
    assert client.post(URL, json=part(b"x", upload="../../etc/passwd")).status_code == 422
    assert client.post(URL, json={"data": "no base64!"}).status_code == 422

    stale = client.post(URL, json=part(b"x")).json()["upload"]
    long_ago = time.time() - uploads.FORGOTTEN_S - 1
    os.utime(settings.data_dir / "uploads" / stale, (long_ago, long_ago))
    fresh = client.post(URL, json=part(b"x")).json()["upload"]
    assert left(settings) == [fresh]


def test_a_viewer_brings_no_data(client: TestClient, settings: Settings) -> None:
    state = open_state(settings)
    add_people(state)
    state.close()
    log_in(client, NAMES[Role.VIEWER])
    assert client.post(URL, json=part(b"x"), headers=csrf(client)).status_code == 403
