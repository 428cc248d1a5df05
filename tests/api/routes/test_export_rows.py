from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from gatewatch.app import build_app
from gatewatch.settings import Settings
from gatewatch.store.state import State
from tests.store.builders import AT, minutes, put, requests

RANGE = {"since": "2026-06-09T12:00:00Z", "until": "2026-06-09T13:00:00Z"}


def export(client: TestClient, what: str, form: str, **query: Any) -> Response:
    answer = client.get(f"/api/v1/export/{what}", params={**RANGE, "format": form, **query})
    assert answer.status_code == 200, answer.text
    assert f'filename="gatewatch-{what}-' in answer.headers["content-disposition"]
    return answer


def rows_of(answer: Response, form: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(what the head says, the rows)."""
    if form == "parquet":
        file = pq.ParquetFile(io.BytesIO(answer.content))
        told = {name.decode(): value.decode() for name, value in file.schema_arrow.metadata.items()}
        return told, file.read().to_pylist()
    lines = answer.text.splitlines()
    if form == "jsonl":
        return json.loads(lines[0])["export"], [json.loads(line) for line in lines[1:]]
    told = dict(line.removeprefix("# ").split(": ", 1) for line in lines if line.startswith("# "))
    return told, list(csv.DictReader(line for line in lines if not line.startswith("# ")))


@pytest.fixture
def many(state: State) -> None:
    for batch in range(3):
        rows = [
            {
                "at": AT + timedelta(seconds=n),
                "status": 500 if n % 4 == 0 else 200,
                "request_id": f"b{batch}-{n}",
                "client_ip": "192.0.2.7",
                "path": "=cmd()",
            }
            for n in range(200)
        ]
        rolled = [{"minute": AT + timedelta(minutes=n), "n": 10, "route": "GET /a"} for n in range(4)]
        put(state, tables=[("requests", requests(rows)), ("minutes", minutes(rolled))], lines=1, file=f"{batch}.log")


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_all_matching_requests_come_with_what_they_are(client: TestClient, many: None, form: str) -> None:
    head, rows = rows_of(export(client, "requests", form, where=["status >= 500"]), form)
    assert (head["export"], head["since"], head["where"]) == ("requests", RANGE["since"], "status >= 500")
    assert {row["request_id"] for row in rows} == {f"b{batch}-{n}" for batch in range(3) for n in range(0, 200, 4)}
    assert len(rows) == 150
    assert rows[0]["path"] == ("'=cmd()" if form == "csv" else "=cmd()")


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_minutes_are_merged(client: TestClient, many: None, form: str) -> None:
    head, rows = rows_of(export(client, "minutes", form, where=["route = GET /a"]), form)
    assert head["export"] == "minutes"
    assert [int(row["n"]) for row in rows] == [30] * 4
    wrong = client.get("/api/v1/export/minutes", params={**RANGE, "where": "status >= 500"})
    assert (wrong.status_code, "rollups have no status" in wrong.json()["detail"]) == (400, True)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_nothing_is_an_export_too(client: TestClient, state: State, form: str) -> None:
    for what in ("requests", "minutes"):
        _, rows = rows_of(export(client, what, form), form)
        assert rows == []
    assert export(client, "requests", "jsonl", about=False).text == ""


def test_privacy_holds_in_exports(tmp_path: Path, state: State, many: None) -> None:
    hidden = Settings(data_dir=tmp_path / "data", privacy="truncate")
    with TestClient(build_app(hidden), base_url="http://localhost:8080") as client:
        for form in ("csv", "jsonl", "parquet"):
            _, rows = rows_of(export(client, "requests", form), form)
            assert {row["client_ip"] for row in rows} == {"192.0.2.0/24"}


def test_too_many_exports_at_once_are_told_to_wait(client: TestClient, state: State) -> None:
    running: list[str] = client.app.state.exports  # type: ignore[attr-defined]
    export(client, "requests", "csv")
    assert running == []
    running += ["one", "two", "three"]
    answer = client.get("/api/v1/export/requests", params=RANGE)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
