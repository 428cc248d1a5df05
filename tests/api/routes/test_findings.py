from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from gatewatch.access.current import LOCAL
from gatewatch.access.tokens import create_token
from gatewatch.api.kept import Kept
from gatewatch.api.routes.findings import FIELDS
from gatewatch.records import JSON, Entities, Evidence, Kind, Severity
from gatewatch.roles import Scope
from gatewatch.settings import Settings
from gatewatch.store.findings import save_findings
from gatewatch.store.state import State
from tests.store.builders import AT, a_finding, put, requests


def save(state: State, *findings: object) -> None:
    with state.begin() as session:
        save_findings(session, findings, now=AT)  # type: ignore[arg-type]


def ids(client: TestClient, **query: str | int) -> list[str]:
    answer = client.get("/api/v1/findings", params=query)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["findings"]]


def test_findings_have_the_shape_of_scan_and_what_the_store_knows(client: TestClient, state: State) -> None:
    finding = a_finding(entities=Entities(ips=("192.0.2.1",), user_agents=("curl/8 é",)))
    save(state, finding)
    body = client.get("/api/v1/findings").json()
    assert body["schema_version"] == 1
    assert body["next_cursor"] is None
    (one,) = body["findings"]
    assert {key: one[key] for key in finding.to_json()} == finding.to_json()
    assert one["occurrences"] == 1


def test_half_a_character_from_a_log_line_is_answered_as_a_replacement(client: TestClient, state: State) -> None:
    save(state, a_finding(entities=Entities(user_agents=("curl\ud83d\x00",))))
    (one,) = client.get("/api/v1/findings").json()["findings"]
    assert one["entities"]["userAgents"] == ["curl\ufffd\x00"]


def test_filters_keep_what_they_name(client: TestClient, state: State) -> None:
    low = a_finding(id="low", fingerprint="f1", severity=Severity.LOW, api="a1", stage="dev", end=None)
    high = a_finding(
        id="high",
        fingerprint="f2",
        severity=Severity.HIGH,
        kind=Kind.DEAD_API,
        api="a2",
        route="GET /x",
        start=AT + timedelta(hours=1),
        end=AT + timedelta(hours=2),
        title="100% odd_name",
    )
    save(state, low, high)
    assert ids(client) == ["high", "low"]
    assert ids(client, severity="medium") == ["high"]
    assert ids(client, kind="dead_api") == ["high"]
    assert ids(client, api="a1") == ["low"]
    assert ids(client, stage="dev") == ["low"]
    assert ids(client, route="GET /x") == ["high"]
    assert ids(client, state="open") == ["low"]
    assert ids(client, state="resolved") == ["high"]
    assert ids(client, q="100% ODD") == ["high"]
    assert ids(client, q="1%d") == []
    assert ids(client, until="2026-06-09T12:30:00Z") == ["low"]
    assert ids(client, since="2026-06-09T16:30:00+02:00") == ["low"]


def test_pages_join_without_gap_or_repetition(client: TestClient, state: State) -> None:
    save(state, *(a_finding(id=f"n{i}", fingerprint=f"f{i}", start=AT + timedelta(minutes=i // 2)) for i in range(9)))
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query: dict[str, str | int] = {"limit": 2} if cursor is None else {"limit": 2, "cursor": cursor}
        body = client.get("/api/v1/findings", params=query).json()
        seen += [one["id"] for one in body["findings"]]
        cursor = body["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(f"n{i}" for i in range(9))
    assert seen == ids(client)


def test_a_time_without_zone_is_refused_and_says_what_to_write(client: TestClient) -> None:
    answer = client.get("/api/v1/findings", params={"since": "2026-06-09T12:00:00"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    body = answer.json()
    assert body["detail"].startswith("since: a time needs its zone")
    number = client.get("/api/v1/findings", params={"since": "1780000000"})
    assert number.status_code == 422
    assert number.json()["detail"].startswith("since: a time is written like")
    assert set(body) == {"type", "title", "status", "detail", "errors"}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"limit": 0}, 422),
        ({"limit": 201}, 422),
        ({"kind": "nonsense"}, 422),
        ({"severity": "awful"}, 422),
        ({"state": "gone"}, 422),
        ({"cursor": "!!"}, 400),
        ({"cursor": "AAAA"}, 400),
        ({"api": "x" * 513}, 422),
    ],
)
def test_wrong_parameters_are_problems(client: TestClient, query: dict[str, str | int], status: int) -> None:
    answer = client.get("/api/v1/findings", params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_one_finding_comes_with_its_history(client: TestClient, state: State) -> None:
    save(state, a_finding(id="one"))
    body = client.get("/api/v1/findings/one").json()
    assert body["id"] == "one"
    assert [event["transition"] for event in body["events"]] == ["new"]
    assert client.get("/api/v1/findings/two").status_code == 404


def test_the_requests_behind_a_finding_are_those_of_its_scope_and_time(client: TestClient, state: State) -> None:
    finding = a_finding(
        id="one", kind=Kind.AUTH_FAILURE_SPIKE, api="a1", stage="prod", route=None, end=AT + timedelta(minutes=9)
    )
    save(state, finding)
    rows = [
        {"at": AT + timedelta(minutes=1), "status": 401, "request_id": "in"},
        {"at": AT + timedelta(minutes=2), "status": 200, "request_id": "fine"},
        {"at": AT + timedelta(minutes=1), "status": 401, "request_id": "elsewhere", "api": "a2"},
        {"at": AT + timedelta(minutes=9), "status": 401, "request_id": "as it had ended"},
        {"at": AT + timedelta(minutes=30), "status": 401, "request_id": "later"},
    ]
    put(state, tables=[("requests", requests(rows))], lines=5)
    body = client.get("/api/v1/findings/one/requests").json()
    assert [row["request_id"] for row in body["requests"]] == ["in"]
    assert body["requests"][0]["at"] == "2026-06-09T12:01:00Z"
    assert client.get("/api/v1/findings/two/requests").status_code == 404


def test_the_requests_behind_refusals_by_a_limit_are_those_refusals(client: TestClient, state: State) -> None:
    save(state, a_finding(id="one", kind=Kind.THROTTLING_ABUSE, api="a1", stage="prod", route=None, end=None))
    rows = [
        {"at": AT + timedelta(minutes=minute), "status": status, "request_id": str(status)}
        for minute, status in enumerate((429, 404, 401, 500), 1)
    ]
    put(state, tables=[("requests", requests(rows))], lines=4)
    behind = client.get("/api/v1/findings/one/requests").json()["requests"]
    assert [row["request_id"] for row in behind] == ["429"]
    exported = client.get("/api/v1/export/findings/one/requests?format=jsonl&about=false").text.splitlines()
    assert [json.loads(line)["request_id"] for line in exported if "request_id" in line] == ["429"]


def test_the_requests_behind_refusals_of_credentials_are_those_of_its_causes(client: TestClient, state: State) -> None:
    card: dict[str, JSON] = {"shown": {"reject_causes": ["unknown_key", "disabled_key"]}}
    evidence = Evidence(1.0, 0.0, "refused requests", "", {}, card=card)
    save(
        state, a_finding(id="one", kind=Kind.AUTH_FAILURE_SPIKE, api="a1", stage="prod", route=None, evidence=evidence)
    )
    rows = [
        {"at": AT + timedelta(minutes=1), "status": 403, "reject_cause": cause, "request_id": cause}
        for cause in ("unknown_key", "bad_request", "waf")
    ]
    put(state, tables=[("requests", requests(rows))], lines=3)
    behind = client.get("/api/v1/findings/one/requests").json()["requests"]
    assert [row["request_id"] for row in behind] == ["unknown_key"]
    exported = client.get("/api/v1/export/findings/one/requests?format=jsonl&about=false").text.splitlines()
    assert [json.loads(line)["request_id"] for line in exported if "request_id" in line] == ["unknown_key"]


def test_every_order_pages_through_all_findings_once(client: TestClient, state: State) -> None:
    levels = list(Severity)
    save(
        state,
        *(
            a_finding(str(i), AT + timedelta(minutes=i % 4), severity=levels[i % 3], score=float(i * 7 % 5))
            for i in range(9)
        ),
    )
    ranks = {level.value: level.rank for level in levels}
    for sort, value in (("severity", lambda one: ranks[one["severity"]]), ("score", lambda one: one["score"])):
        for order in (sort, f"-{sort}"):
            seen: list[dict[str, object]] = []
            query: dict[str, str | int] = {"limit": 2, "sort": order}
            while True:
                body = client.get("/api/v1/findings", params=query).json()
                seen += body["findings"]
                if body["next_cursor"] is None:
                    break
                query["cursor"] = body["next_cursor"]
            assert len({one["id"] for one in seen}) == len(seen) == 9
            values = [value(one) for one in seen]
            assert values == sorted(values, reverse=order.startswith("-"))
            other = client.get("/api/v1/findings", params={"cursor": query["cursor"], "sort": "updated"})
            assert other.status_code == 400


def test_only_the_fields_that_are_asked_for_come(client: TestClient, state: State) -> None:
    save(state, a_finding(layer="backend"))
    [one] = client.get("/api/v1/findings").json()["findings"]
    assert set(one) == FIELDS
    [one] = client.get("/api/v1/findings", params={"fields": "title, severity"}).json()["findings"]
    assert set(one) == {"id", "title", "severity"}
    wrong = client.get("/api/v1/findings", params={"fields": "title,password"})
    assert (wrong.status_code, "'password' is not one of" in wrong.json()["detail"]) == (422, True)


def test_a_list_from_rows_is_what_its_findings_tell_one_by_one(client: TestClient, state: State) -> None:
    odd = a_finding(
        "odd", start=AT + timedelta(microseconds=1500), end=AT + timedelta(hours=1), layer="backend", caveat="?"
    )
    save(state, a_finding("plain"), odd)
    for one in client.get("/api/v1/findings").json()["findings"]:
        alone = client.get(f"/api/v1/findings/{one['id']}").json()
        assert {name: alone[name] for name in one} == one
        assert set(alone) - set(one) == {"events", "schema_version"}


def test_an_answer_that_is_kept_is_never_older_than_the_last_commit(client: TestClient, state: State) -> None:
    save(state, a_finding("one"))
    (first,) = ids(client)
    tag = client.get("/api/v1/findings").headers["etag"]
    assert client.get("/api/v1/findings", headers={"If-None-Match": tag}).status_code == 304
    acted = client.post(f"/api/v1/findings/{first}/actions", json={"action": "acknowledge", "note": "x"})
    assert acted.status_code == 200
    again = client.get("/api/v1/findings", headers={"If-None-Match": tag})
    assert (again.status_code, again.json()["findings"][0]["state"]) == (200, "acknowledged")
    assert client.get("/api/v1/findings/facets").json()["total"] == 1
    save(state, a_finding("two"))  # by another connection
    assert len(ids(client)) == 2
    assert client.get("/api/v1/findings/facets").json()["total"] == 2


def test_what_is_kept_is_answered_again_while_logs_come_in_and_only_to_those_who_may_see_it(
    client: TestClient, state: State, settings: Settings
) -> None:
    save(state, a_finding("one"))
    assert len(ids(client)) == 1
    memory: Kept = client.app.state.kept  # type: ignore[attr-defined]
    memory.put("/api/v1/findings?", state.version(), b'{"findings":[{"id":"kept"}]}', '"tag"')
    put(state, tables=[("requests", requests([{}]))], lines=1)
    assert ids(client) == ["kept"]
    assert client.get("/api/v1/findings", headers={"If-None-Match": '"other", W/"tag"'}).status_code == 304
    assert client.get("/api/v1/findings", headers={"Authorization": "Bearer gw_no_token"}).status_code == 401
    with state.begin() as session:
        _, made = create_token(session, LOCAL, "firehose", [Scope.INGEST], now=datetime.now(UTC))
    assert client.get("/api/v1/findings", headers={"Authorization": f"Bearer {made.text}"}).status_code == 403
    save(state, a_finding("two"))
    assert len(ids(client)) == 2


def test_the_mark_of_a_database_that_is_broken_is_no_kept_answer(client: TestClient, state: State) -> None:
    save(state, a_finding("one"))
    assert len(ids(client)) == 1
    with state.begin() as session:
        session.execute(text("DROP TABLE finding_mark"))
    answer = client.get("/api/v1/findings")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")


def test_facets_count_what_the_list_shows(client: TestClient, state: State) -> None:
    save(
        state,
        a_finding("a", api="a1"),
        a_finding("b", api="a2", stage=None, severity=Severity.HIGH),
        a_finding("c", api="a2", end=AT + timedelta(hours=1)),
    )
    body = client.get("/api/v1/findings/facets").json()
    assert body["total"] == 3
    assert body["facets"]["api"] == [{"value": "a2", "count": 2}, {"value": "a1", "count": 1}]
    assert body["facets"]["stage"] == [{"value": "prod", "count": 2}, {"value": None, "count": 1}]
    open_ones = client.get(
        "/api/v1/findings/facets", params={"state": "open", "where": "api = a2", "fields": "severity"}
    )
    assert open_ones.json()["facets"] == {"severity": [{"value": "high", "count": 1}]}
    assert client.get("/api/v1/findings/facets", params={"fields": "evidence"}).status_code == 422


def test_groups_say_how_many_are_open_and_which_is_the_worst(client: TestClient, state: State) -> None:
    one = a_finding(id="a", fingerprint="1", api="x", severity=Severity.LOW, end=None)
    two = a_finding(id="b", fingerprint="2", api="x", severity=Severity.HIGH, start=AT, end=AT + timedelta(hours=1))
    three = a_finding(id="c", fingerprint="3", api="y", severity=Severity.LOW, end=None)
    save(state, one, two, three)
    body = client.get("/api/v1/findings/groups", params={"by": "api"}).json()
    shown = [(group["value"], group["count"], group["open"], group["worst"]) for group in body["groups"]]
    assert shown == [("x", 2, 1, "high"), ("y", 1, 1, "low")]
    (only,) = client.get("/api/v1/findings/groups", params={"by": "api", "where": "api = y"}).json()["groups"]
    assert only["value"] == "y"
    assert client.get("/api/v1/findings/groups", params={"by": "title"}).status_code == 422
