"""A log file that is dropped onto the page: in parts, through the whole application."""

from __future__ import annotations

import base64
import gzip
import os
import resource
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from fastapi.testclient import TestClient

from gatewatch import unfinished
from gatewatch.app import build_app
from gatewatch.errors import StoreError
from gatewatch.housekeeping import keep_house
from gatewatch.roles import Role
from gatewatch.settings import Settings
from gatewatch.store.state import open_state
from gatewatch.unfinished import Crowded, Unfinished, Unknown
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
    monkeypatch.setattr(unfinished, "MOST_FILE", 150)
    first = client.post(URL, json=part(b"x" * 100)).json()["upload"]
    refused = client.post(URL, json=part(b"x" * 100, upload=first))
    assert (refused.status_code, left(settings)) == (413, [])
    assert "gatewatch ingest" in refused.json()["detail"]
    assert client.post(URL, json=part(b"x", upload=first)).status_code == 409
    assert client.post(URL, json=part(b"x", upload="../../etc/passwd")).status_code == 422
    assert client.post(URL, json={"data": "no base64!"}).status_code == 422

    stale = client.post(URL, json=part(b"x")).json()["upload"]
    long_ago = time.time() - unfinished.FORGOTTEN_S - 1
    os.utime(settings.data_dir / "uploads" / stale, (long_ago, long_ago))
    fresh = client.post(URL, json=part(b"x")).json()["upload"]
    assert left(settings) == [fresh]


def an_id(n: int) -> str:
    return f"{n:032x}"


def test_so_many_are_under_way_and_the_quiet_give_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [time.time()]
    kept = Unfinished(tmp_path, lambda: now[0])
    for n in range(unfinished.MOST):
        kept.add(an_id(n), b"part", first=True)
        os.utime(kept.path(an_id(n)), (now[0] - 10 + n, now[0] - 10 + n))
    with pytest.raises(Crowded, match="8 other files"):
        kept.add(an_id(99), b"x", first=True)
    assert kept.add(an_id(3), b"more", first=False) == 8  # who is under way goes on
    kept.whole(an_id(0))  # is being read: keeps its place however long that takes
    now[0] += unfinished.QUIET_S + 2
    kept.add(an_id(99), b"x", first=True)
    with pytest.raises(Unknown):
        kept.add(an_id(1), b"x", first=False)
    assert len(list((tmp_path / "uploads").iterdir())) == unfinished.MOST

    monkeypatch.setattr(unfinished, "MOST_BYTES", 40)
    now[0] = time.time()
    with pytest.raises(Crowded):
        kept.add(an_id(3), b"x" * 20, first=False)
    now[0] += unfinished.FORGOTTEN_S + 100
    assert kept.sweep() == unfinished.MOST


def test_a_file_is_read_once_however_often_its_last_part_comes(tmp_path: Path) -> None:
    kept = Unfinished(tmp_path)
    kept.add(an_id(1), b"all of it", first=True)
    assert kept.whole(an_id(1)).read_bytes() == b"all of it"
    for again in (kept.whole, lambda one: kept.add(one, b"x", first=False)):
        with pytest.raises(Unknown):
            again(an_id(1))


def test_half_a_part_is_not_kept(tmp_path: Path) -> None:
    kept = Unfinished(tmp_path)
    kept.add(an_id(1), b"x" * 4096, first=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, before := resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    try:
        with pytest.raises(StoreError, match="too large"):
            kept.add(an_id(1), b"y" * 4096, first=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, before))
    assert list((tmp_path / "uploads").iterdir()) == []


def test_too_many_are_429_and_housekeeping_sweeps(client: TestClient, settings: Settings) -> None:
    for _ in range(unfinished.MOST):
        assert client.post(URL, json=part(b"x")).status_code == 200
    refused = client.post(URL, json=part(b"x"))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    long_ago = time.time() - unfinished.FORGOTTEN_S - 1
    for name in left(settings):
        os.utime(settings.data_dir / "uploads" / name, (long_ago, long_ago))
    state = open_state(settings)
    keep_house(state, settings, datetime.now(UTC))
    state.close()
    assert left(settings) == []


def test_a_viewer_brings_no_data(client: TestClient, settings: Settings) -> None:
    state = open_state(settings)
    add_people(state)
    state.close()
    log_in(client, NAMES[Role.VIEWER])
    assert client.post(URL, json=part(b"x"), headers=csrf(client)).status_code == 403


def test_a_short_file_is_shown_over_its_own_time(client: TestClient) -> None:
    done = client.post(URL, json=part(SAMPLE.read_bytes(), last=True)).json()
    asked = dict(parse_qsl(urlsplit(done["page"]).query))
    since, until = (datetime.fromisoformat(asked[name]) for name in ("from", "to"))
    assert since < until < since + timedelta(hours=12)
