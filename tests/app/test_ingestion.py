"""The listener that takes data: keys only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gatewatch.access.current import current
from gatewatch.access.tokens import create_token, revoke
from gatewatch.app.ingestion import build_ingest_app
from gatewatch.app.serve import host_and_port
from gatewatch.errors import UsageError
from gatewatch.roles import Scope, Via, Who
from gatewatch.settings import Settings
from gatewatch.store.state import State, open_state
from tests.people import add_people

CLI = Who("test", None, Via.CLI)
PATHS = ("/", "/ingest/firehose", "/v1/traces", "/login", "/api/v1/findings", "/_dash-layout", "/docs", "/metrics")


async def take(request: Request) -> Response:
    who = current()
    assert who is request.state.who
    return JSONResponse({"bytes": len(await request.body()), "who": who.name if who else None})


async def broken(request: Request) -> Response:
    raise RuntimeError("secret insides")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = open_state(Settings(data_dir=tmp_path / "data"))
    add_people(opened)
    yield opened
    opened.close()


def token(state: State, *scopes: Scope) -> str:
    with state.begin() as session:
        return create_token(session, CLI, "x", scopes, now=datetime.now(UTC))[1].text


@pytest.fixture
def client(state: State) -> Iterator[TestClient]:
    endpoints = (Route("/ingest/test", take, methods=["POST"]), Route("/ingest/broken", broken, methods=["POST"]))
    app = build_ingest_app(state.settings, endpoints=endpoints)
    with TestClient(app, base_url="http://taker.example", raise_server_exceptions=False) as opened:
        yield opened


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_without_a_key_everything_is_401_but_whether_it_lives(client: TestClient) -> None:
    for path in PATHS:
        for method in ("GET", "POST", "OPTIONS", "HEAD"):
            assert client.request(method, path).status_code == 401, path
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/healthz").headers["x-content-type-options"] == "nosniff"


def test_a_key_that_may_ingest_comes_through_by_either_header(client: TestClient, state: State) -> None:
    key = token(state, Scope.INGEST)
    for headers in (bearer(key), {"X-Amz-Firehose-Access-Key": key}):
        answer = client.post("/ingest/test", content=b"x" * 10, headers=headers)
        assert answer.json() == {"bytes": 10, "who": "token x"}
    for path in PATHS:
        assert client.get(path, headers=bearer(key)).status_code == 404
    assert client.get("/ingest/test", headers=bearer(key)).status_code == 405


@pytest.mark.parametrize("scope", [Scope.READ, Scope.WRITE, Scope.ADMIN])
def test_a_key_of_another_scope_is_refused(client: TestClient, state: State, scope: Scope) -> None:
    assert client.post("/ingest/test", headers=bearer(token(state, scope))).status_code == 403


def test_wrong_revoked_and_expired_keys_are_refused(client: TestClient, state: State) -> None:
    key = token(state, Scope.INGEST)
    wrong = [
        bearer(key[:-1]),
        bearer(key.swapcase()),
        bearer(""),
        {"Authorization": key},
        {"Authorization": f"Basic {key}"},
        {"X-Amz-Firehose-Access-Key": key[:-2]},
        {"X-Amz-Firehose-Access-Key": f"Bearer {key}"},
        {**bearer(key), "X-Amz-Firehose-Access-Key": key},
        {"Cookie": f"gw={key}"},
        {"X-Api-Key": key},
    ]
    for headers in wrong:
        answer = client.post("/ingest/test", headers=headers)
        assert (answer.status_code, "www-authenticate" in answer.headers) == (401, True), headers
        assert key not in answer.text
    assert client.post(f"/ingest/test?key={key}").status_code == 401
    with state.begin() as session:
        revoke(session, CLI, key.split("_")[1], now=datetime.now(UTC))
    assert client.post("/ingest/test", headers=bearer(key)).status_code == 401
    other = token(state, Scope.INGEST)
    with state.begin() as session:
        past = (datetime.now(UTC) - timedelta(days=1)).replace(tzinfo=None)
        session.execute(text("UPDATE api_token SET expires_at = :past"), {"past": past})
    assert client.post("/ingest/test", headers=bearer(other)).status_code == 401


def test_guessing_is_slowed_down(client: TestClient) -> None:
    wrong = bearer(f"gw_{'a' * 10}_{'b' * 43}")
    answers = [client.post("/ingest/test", headers=wrong).status_code for _ in range(22)]
    assert answers[:19] == [401] * 19
    assert answers[-1] == 429
    assert client.post("/ingest/test").status_code == 429


def test_whose_key_is_right_does_not_wait_for_what_others_guess(client: TestClient, state: State) -> None:
    """Firehose's addresses are those of all its customers, and behind a proxy all senders have one."""
    known, new = token(state, Scope.INGEST), token(state, Scope.INGEST)
    assert client.post("/ingest/test", headers=bearer(known)).status_code == 200
    for _ in range(22):
        client.post("/ingest/test", headers=bearer(f"gw_{'a' * 10}_{'b' * 43}"))
    assert client.post("/ingest/test", headers=bearer(new)).status_code == 429  # nobody knows yet that it is right
    assert client.post("/ingest/test", headers=bearer(known)).status_code == 200
    with state.begin() as session:
        revoke(session, CLI, known.split("_")[1], now=datetime.now(UTC))
    assert client.post("/ingest/test", headers=bearer(known)).status_code == 401
    assert client.post("/ingest/test", headers=bearer(known)).status_code == 429


def test_a_mistake_of_ours_tells_nothing(client: TestClient, state: State) -> None:
    answer = client.post("/ingest/broken", headers=bearer(token(state, Scope.INGEST)))
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_a_store_that_is_away_is_503(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no directory")
    with TestClient(build_ingest_app(Settings(data_dir=tmp_path / "data"))) as away:
        assert away.post("/ingest/test", headers=bearer(f"gw_{'a' * 10}_{'b' * 43}")).status_code == 503


@pytest.mark.parametrize(
    ("given", "found"),
    [("127.0.0.1:8081", ("127.0.0.1", 8081)), ("[::1]:0", ("[::1]", 0)), (":9000", ("0.0.0.0", 9000))],
)
def test_an_address_is_host_and_port(given: str, found: tuple[str, int]) -> None:
    assert host_and_port(given) == found


@pytest.mark.parametrize("given", ["", "8081", "localhost", "a:b", "::1:80", "127.0.0.1:99999", "x:-1"])
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"):
        host_and_port(given)


def test_serve_opens_it_beside_the_pages(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    state = open_state(settings)
    key = token(state, Scope.INGEST)
    state.close()
    process = subprocess.Popen(
        [sys.executable, "-m", "gatewatch", "serve", "--port", "0", "--ingest-listen", "127.0.0.1:0"],
        env={**os.environ, "GATEWATCH_DATA_DIR": str(tmp_path / "data")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert process.stdout is not None
        said = process.stderr.readline()
        assert said.startswith("gatewatch takes data at http://127.0.0.1:"), said
        taking, pages = said.split()[-1], process.stdout.readline().split()[-1]
        with httpx.Client(transport=httpx.HTTPTransport(retries=20)) as patient:
            assert patient.post(f"{taking}/ingest/other", headers=bearer(key)).status_code == 404
            assert patient.post(f"{taking}/ingest/firehose").status_code == 401
            assert patient.get(f"{taking}/api/v1/findings", headers=bearer(key)).status_code == 404
            assert patient.get(f"{pages}/api/v1/findings", headers=bearer(key)).status_code == 403
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
