from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pyarrow.parquet as pq
from fastapi.testclient import TestClient

from gatewatch.records import Severity
from gatewatch.store.findings import save_findings
from gatewatch.store.state import State
from tests.store.builders import AT, a_finding, put, requests

MANY = 450


def fill(state: State) -> None:
    found = [
        a_finding(
            id=f"f{n}",
            fingerprint=f"p{n}",
            title="=1+1" if n == 7 else f"number {n}",
            severity=Severity.HIGH if n % 3 else Severity.LOW,
            start=AT - timedelta(minutes=n),
        )
        for n in range(MANY)
    ]
    with state.begin() as session:
        save_findings(session, found, now=AT)


def test_all_findings_that_fit_come_with_what_was_asked_for_before_them(client: TestClient, state: State) -> None:
    fill(state)
    wish = {"where": "severity >= high", "sort": "start"}
    answer = client.get("/api/v1/export/findings", params=wish)
    assert answer.headers["content-type"].startswith("text/csv")
    assert 'filename="findings.csv"' in answer.headers["content-disposition"]
    head = [line for line in answer.text.splitlines() if line.startswith("# ")]
    assert "# where: severity >= high" in head
    rows = list(csv.DictReader(io.StringIO(answer.text.split("\n", len(head))[-1])))
    assert [row["id"] for row in rows] == [f"f{n}" for n in reversed(range(MANY)) if n % 3]
    assert "'=1+1" in [row["title"] for row in rows]

    bare = client.get("/api/v1/export/findings", params=wish | {"format": "jsonl", "about": "false"}).text.splitlines()
    assert [json.loads(line)["id"] for line in bare] == [row["id"] for row in rows]
    told = client.get("/api/v1/export/findings", params=wish | {"format": "jsonl"}).text.splitlines()
    assert json.loads(told[0])["export"]["where"] == "severity >= high"
    assert len(told) == len(bare) + 1

    file = pq.read_table(io.BytesIO(client.get("/api/v1/export/findings", params=wish | {"format": "parquet"}).content))
    assert file.num_rows == len(rows)
    assert file.schema.metadata[b"where"] == b"severity >= high"
    assert client.get("/api/v1/export/findings", params={"where": "colour = red"}).status_code == 400


def test_all_requests_behind_a_finding_and_no_others(client: TestClient, state: State) -> None:
    one = a_finding(start=AT, end=AT + timedelta(minutes=10))
    mine = {"api": one.api, "stage": one.stage, "route": one.route, "status": 429}
    put(
        state,
        tables=[
            (
                "requests",
                requests(
                    [{**mine, "at": AT + timedelta(seconds=n), "request_id": f"r{n}"} for n in range(300)]
                    + [{**mine, "at": AT, "status": 200, "request_id": "fine"}]
                    + [{**mine, "at": AT + timedelta(hours=1), "request_id": "later"}]
                ),
            )
        ],
    )
    with state.begin() as session:
        save_findings(session, [one], now=AT)
    path = f"/api/v1/export/findings/{one.id}/requests"
    answer = client.get(path)
    assert f"# finding: {one.id}" in answer.text
    rows = list(csv.DictReader(line for line in answer.text.splitlines() if not line.startswith("#")))
    assert {row["request_id"] for row in rows} == {f"r{n}" for n in range(300)}
    file = pq.read_table(io.BytesIO(client.get(path, params={"format": "parquet"}).content))
    assert file.num_rows == 300
    assert file.schema.metadata[b"finding"] == one.id.encode()
    assert client.get("/api/v1/export/findings/none/requests").status_code == 404
