from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gatewatch.app import build_app
from gatewatch.settings import Settings


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/none", "/api/v1/findings/x/y/z", "/api/v2/findings"])
def test_an_unknown_api_path_is_a_problem_and_never_the_dashboard(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["title"] == "Not Found"


def test_a_wrong_method_is_405_and_names_the_right_ones(client: TestClient) -> None:
    answer = client.post("/api/v1/findings", json={})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"
    for path, right in (
        ("findings/actions", "POST"),
        ("suppressions/preview", "POST"),
        ("suppressions/x", "DELETE"),
        ("users/x", "PATCH"),
    ):
        assert client.options(f"/api/v1/{path}").headers["allow"] == right, path


def test_each_path_of_the_description_answers_and_is_described_once(client: TestClient) -> None:
    described = client.get("/api/openapi.json").json()
    paths = described["paths"]
    assert {"/healthz", "/readyz", "/api/v1/findings", "/api/v1/findings/{id}", "/api/v1/users"} <= set(paths)
    for path, operations in paths.items():
        if "get" in operations and "/events/" not in path:  # these go on until the client goes
            # 400 and 422: what is asked about must be given
            assert client.get(path.replace("{id}", "x")).status_code in {200, 400, 404, 422}, path


def test_a_store_that_cannot_be_opened_is_503_but_the_process_lives(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the directory should be")
    with TestClient(build_app(Settings(data_dir=tmp_path / "data")), base_url="http://localhost") as client:
        assert client.get("/healthz").status_code == 200
        ready = client.get("/readyz")
        assert (ready.status_code, ready.headers["retry-after"]) == (503, "5")
        assert str(tmp_path / "data") in ready.json()["detail"]
        assert client.get("/api/v1/findings").status_code == 503


def test_a_bug_is_a_problem_without_our_insides(settings: Settings) -> None:
    app = build_app(settings)

    def broken() -> None:
        raise RuntimeError("secret insides")

    app.state.opened = broken
    with TestClient(app, base_url="http://localhost") as client:
        answer = client.get("/api/v1/blind")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
