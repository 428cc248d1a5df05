"""The whole as people start it: `serve` with its two processes, and what stands before every route."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from gatewatch.app import build_app, serve
from gatewatch.app.guard import policy
from gatewatch.app.hosts import host_name
from gatewatch.errors import UsageError
from gatewatch.settings import Settings


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(build_app(Settings(data_dir=tmp_path / "data")), base_url="http://localhost:8080") as opened:
        yield opened


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:9", "LOCALHOST.", "127.0.0.1"])
def test_names_of_this_machine_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io:8080", "[", "", "10.0.0.1"]
)
def test_any_other_host_is_refused_whatever_the_path(client: TestClient, host: str) -> None:
    for path in ("/", "/healthz", "/api/v1/findings", "/_dash-layout"):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 421
        assert "localhost" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/", "/findings", "/findings/abc", "/docs", "/redoc", "/openapi.json", "/x/y"])
def test_every_page_address_leads_to_the_dashboard(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert "_dash-config" in answer.text


def test_unknown_api_paths_and_files_stay_unknown(client: TestClient) -> None:
    for path in ("/api/none", "/assets/none.js", "/_dash-nothing", "/assets/../app.py"):
        assert client.get(path).status_code in {404} or path.startswith("/assets/..")
    assert client.post("/findings", json={}).status_code == 405


def test_every_answer_has_the_security_headers(client: TestClient) -> None:
    for path in ("/", "/api/v1/findings", "/api/none", "/assets/gatewatch.css", "/_dash-layout"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert "cache-control" in headers
        directives = headers["content-security-policy"]
        script = re.search(r"script-src ([^;]*)", directives)
        assert script is not None
        assert "unsafe" not in script[1]
        assert "default-src 'none'" in directives


def test_a_callback_from_another_site_or_of_another_type_is_refused(client: TestClient) -> None:
    path = "/_dash-update-component"
    assert client.post(path, json={}, headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.post(path, json={}, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.post(path, content="{}", headers={"Content-Type": "text/plain"}).status_code == 415
    assert client.post(path, content="{}", headers={"Content-Type": "application/jsonx"}).status_code == 415


def test_host_names_are_read_without_port_and_brackets() -> None:
    assert [host_name(text) for text in ("a:1", "[::1]:8080", "[0:0:0:0:0:0:0:1]", "A.", "[")] == [
        "a",
        "::1",
        "::1",
        "a",
        "",
    ]
    assert policy(["'sha256-x'"]).count("'sha256-x'") == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.com"])
def test_another_address_than_loopback_is_refused_in_one_line(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageError, match="no login") as told:
        serve(Settings(data_dir=tmp_path / "data", host=host))
    assert told.value.exit_code == 2
    assert "\n" not in str(told.value)
    assert not (tmp_path / "data").exists()


@contextmanager
def served(tmp_path: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`gatewatch serve` in a process of its own; (process, address)."""
    environment = {**os.environ, "GATEWATCH_DATA_DIR": str(tmp_path / "data"), "PYTHONWARNINGS": "default"}
    process = subprocess.Popen(
        [sys.executable, "-m", "gatewatch", "serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("gatewatch is at http://127.0.0.1:"), (line, process.poll())
        yield process, line.split()[-1]
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def children_of(parent: int) -> dict[int, str]:
    """Processes started by `parent`, with their command lines."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            stat = (folder / "stat").read_text()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        fields = stat.rsplit(") ", 1)[1].split()
        if int(fields[1]) == parent and fields[0] != "Z":
            found[int(folder.name)] = command
    return found


def child(parent: int, role: str) -> int:
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        for number, command in children_of(parent).items():
            if f"gatewatch.app.child {role}" in command:
                return number
        time.sleep(0.05)
    raise AssertionError(f"no {role} process")


def gone(process: int, within: float) -> bool:
    give_up = time.monotonic() + within
    while time.monotonic() < give_up:
        try:
            if (Path("/proc") / str(process) / "stat").read_text().rsplit(") ", 1)[1].startswith("Z"):
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def ready(address: str) -> bool:
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        try:
            if httpx.get(f"{address}/readyz").status_code == 200:
                return True
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    return False


def test_a_web_process_that_dies_is_started_again_and_a_term_signal_ends_all_with_0(tmp_path: Path) -> None:
    with served(tmp_path) as (process, address):
        assert ready(address)
        first = child(process.pid, "web")
        os.kill(first, signal.SIGKILL)
        assert gone(first, 5)
        web, worker = child(process.pid, "web"), child(process.pid, "worker")
        assert web != first
        assert ready(address)  # at the same address
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=15)
        assert process.returncode == 0, err
        assert time.monotonic() - begun < 10
        assert gone(web, 1)
        assert gone(worker, 1)
        assert "Traceback" not in out + err
        assert "the web process ended (signal SIGKILL)" in err
        assert "next: open http://127.0.0.1:" in err


def test_no_process_stays_when_serve_is_killed(tmp_path: Path) -> None:
    with served(tmp_path) as (process, _):
        web, worker = child(process.pid, "web"), child(process.pid, "worker")
        process.kill()
        process.wait()
        assert gone(web, 12)
        assert gone(worker, 12)


def test_an_address_in_use_is_one_line_and_exit_2(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        second = subprocess.run(
            [sys.executable, "-m", "gatewatch", "serve", "--port", str(taken.getsockname()[1])],
            capture_output=True,
            text=True,
            env={**os.environ, "GATEWATCH_DATA_DIR": str(tmp_path / "other")},
            check=False,
        )
    assert second.returncode == 2
    assert second.stderr.count("\n") == 1
    assert "in use" in second.stderr
