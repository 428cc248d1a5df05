"""Actions, suppressions, filters and tags over HTTP."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from gatewatch.roles import Role
from gatewatch.store.audit import audit_events
from gatewatch.store.findings import save_findings
from gatewatch.store.state import State
from tests.people import NAMES, add_people, csrf, log_in
from tests.store.builders import AT, a_finding

ONE, TWO = a_finding("a"), a_finding("b", api="shop")


@pytest.fixture(autouse=True)
def there(state: State) -> None:
    with state.begin() as session:
        save_findings(session, [ONE, TWO], now=AT)


def act(
    client: TestClient, body: dict[str, object], finding_id: str = ONE.id, **headers: str
) -> tuple[int, dict[str, object]]:
    answer = client.post(f"/api/v1/findings/{finding_id}/actions", json=body, headers=headers)
    return answer.status_code, answer.json()


def test_an_action_answers_with_the_finding_and_what_it_allows_next(client: TestClient) -> None:
    status, body = act(client, {"action": "acknowledge", "note": "<b>mine</b>"})
    assert status == 200
    finding = body["finding"]
    assert isinstance(finding, dict)
    assert (finding["state"], finding["revision"]) == ("acknowledged", 1)
    assert "unacknowledge" in finding["allowed"]
    events = client.get(f"/api/v1/findings/{ONE.id}").json()["events"]
    assert events[-1]["note"] == "<b>mine</b>"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"action": "unsnooze"}, 409, "new cannot be unsnoozed"),
        ({"action": "suppress", "note": "x"}, 409, "which reason"),
        ({"action": "snooze", "until": "2026-06-09T12:00:00"}, 422, "zone"),
        ({"action": "explode"}, 422, "action"),
        ({"action": "acknowledge", "more": 1}, 422, "more"),
    ],
)
def test_what_is_not_allowed_is_a_problem(client: TestClient, body: dict[str, object], status: int, said: str) -> None:
    got, problem = act(client, body)
    assert got == status
    assert said in str(problem["detail"])


def test_a_repeated_request_with_the_same_key_acts_once(client: TestClient, state: State) -> None:
    body: dict[str, object] = {"action": "comment", "note": "once"}
    answers = [act(client, body, **{"Idempotency-Key": "k1"}) for _ in range(2)]
    assert answers[0] == answers[1]
    assert act(client, {"action": "comment", "note": "other"}, **{"Idempotency-Key": "k1"})[0] == 409
    with state.read() as session:
        assert [one.action for one in audit_events(session)] == ["finding.comment"]


def test_tags_spare_reading_again_and_refuse_to_act_on_what_has_changed(client: TestClient) -> None:
    for path in ("/api/v1/findings", f"/api/v1/findings/{ONE.id}"):
        tag = client.get(path).headers["etag"]
        again = client.get(path, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
    assert act(client, {"action": "acknowledge"}, **{"If-Match": tag})[0] == 200
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 200
    status, problem = act(client, {"action": "resolve"}, **{"If-Match": tag})
    assert (status, problem["status"]) == (412, 412)
    assert act(client, {"action": "resolve"}, **{"If-Match": "x"})[0] == 400


def test_all_that_fit_are_hidden_and_shown_again(client: TestClient) -> None:
    url, where = "/api/v1/findings/actions", ["api = shop"]
    wish = {"action": "suppress", "why": "planned", "note": "load test", "where": where}
    assert client.post(url, json={**wish, "dry_run": True}).json()["would"] == [TWO.id]
    ahead = client.post("/api/v1/suppressions/preview", json={"where": where}).json()
    assert (ahead["problems"], ahead["newest"]) == (1, [TWO.id])
    done = client.post(url, json=wish).json()
    assert (done["done"], done["refused"]) == ([TWO.id], [])
    shown = [one["id"] for one in client.get("/api/v1/findings").json()["findings"]]
    everything = client.get("/api/v1/findings", params={"state": "all"}).json()["findings"]
    assert (shown, len(everything)) == ([ONE.id], 2)
    [stored] = client.get("/api/v1/suppressions").json()["suppressions"]
    assert (stored["where"], stored["hiding"], stored["unused_days"]) == (where, 1, None)
    assert client.delete(f"/api/v1/suppressions/{stored['id']}").json()["released"] == [TWO.id]
    assert client.delete(f"/api/v1/suppressions/{stored['id']}").status_code == 404
    assert client.post(url, json={**wish, "where": ["nonsense = 1"]}).status_code == 400


def test_conditions_filter_the_list(client: TestClient) -> None:
    found = client.get("/api/v1/findings", params={"where": ["api in shop,x", "severity >= low"]}).json()["findings"]
    assert [one["id"] for one in found] == [TWO.id]
    wrong = client.get("/api/v1/findings", params={"where": "severity >> low"})
    assert (wrong.status_code, wrong.headers["content-type"]) == (400, "application/problem+json")


def test_a_viewer_may_look_and_not_act(client: TestClient, state: State) -> None:
    add_people(state)
    log_in(client, NAMES[Role.VIEWER])
    headers = csrf(client)
    assert client.get("/api/v1/suppressions").status_code == 200
    assert act(client, {"action": "acknowledge"}, **headers)[0] == 403
    bulk = client.post("/api/v1/findings/actions", json={"action": "resolve", "where": ["api = shop"]}, headers=headers)
    assert bulk.status_code == 403


def test_feedback_shows_what_it_would_change_and_changes_it(client: TestClient) -> None:
    path = f"/api/v1/findings/{ONE.id}/feedback"
    ahead = client.get(f"{path}/effect", params={"verdict": "false_positive"}).json()
    assert (ahead["required_before"], ahead["required_after"]) == (0, 12.8)
    assert client.put(path, json={"verdict": "false_positive", "note": "a scanner"}).json() == ahead
    assert client.get(f"{path}/effect").json()["required_after"] == 0
    assert client.put("/api/v1/findings/none/feedback", json={"verdict": None}).status_code == 404
    assert client.put(path, json={"verdict": "maybe"}).status_code == 422
