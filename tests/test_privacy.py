"""What is shown of people when the operator wants less of them shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from alerts.model import alert_of
from alerts.payload import payload_of
from gatewatch.access.tokens import create_token
from gatewatch.app import build_app
from gatewatch.privacy import Privacy, privacy_of
from gatewatch.records import Entities, Evidence
from gatewatch.roles import Role, Scope, Via, Who
from gatewatch.settings import Settings
from gatewatch.store.finding_events import add_event
from gatewatch.store.findings import FindingFilter, list_findings, save_findings
from gatewatch.store.state import State, open_state
from tests.dashboard.conftest import Running
from tests.dashboard.world import fill
from tests.people import NAMES, add_people, csrf, log_in
from tests.store.builders import AT, a_finding, put, requests

KEY = b"k"
PEOPLE = ("203.0.113.", "bob@example.org", "2001:db8:1:2::9")


def masking(mode: str) -> Privacy:
    return Privacy(mode, lambda: KEY)


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [
        ("truncate", "203.0.113.77", "203.0.113.0/24"),
        ("truncate", "2001:db8:1:2:3::9", "2001:db8:1::/48"),
        ("off", "203.0.113.77", "203.0.113.77"),
        ("truncate", "", ""),
    ],
)
def test_addresses_are_cut_to_their_network(mode: str, before: str, after: str) -> None:
    assert masking(mode).address(before) == after


def test_hashes_are_the_same_for_the_same_value_and_key_only() -> None:
    one = masking("hash")
    assert one.address("203.0.113.77") == one.address("203.0.113.77") != one.address("203.0.113.78")
    assert one.address("203.0.113.77").startswith("ip-")
    assert one.address("2001:db8::1") == one.address("2001:0db8::0001")
    assert one.name("bob") != Privacy("hash", lambda: b"other").name("bob")
    assert one.name("bob").startswith("id-")
    assert one.address("bob") == one.name("bob")


def test_sentences_lose_addresses_and_known_names_and_nothing_else() -> None:
    one = masking("truncate")
    said = (
        "From 203.0.113.7, [2001:db8::1] and ::ffff:1.2.3.4 as bob@example.org at 12:30:15 with curl/8.5.0 on 1.2.3.4.5"
    )
    shown = one.text(said, {"bob@example.org", "as"})
    assert shown.startswith("From 203.0.113.0/24, [2001:db8::/48] and 1.2.3.0/24 as id-")
    assert "bob@example.org" not in shown
    assert shown.endswith("at 12:30:15 with curl/8.5.0 on 1.2.3.4.5")
    assert one.text("10 % of 1.5 M requests, GET /v1/{id}, $context.error.responseType") == (
        "10 % of 1.5 M requests, GET /v1/{id}, $context.error.responseType"
    )
    assert one.text("a" * 100_000 + ":" * 1000).startswith("aaa")


@pytest.mark.parametrize("mode", ["truncate", "hash"])
def test_nothing_of_a_finding_tells_who(mode: str) -> None:
    bob = "bob@example.org"
    whole = a_finding(
        "x",
        AT,
        title=f"{bob} from 203.0.113.7",
        remedy=f"Talk to {bob}, block 203.0.113.7",
        caveat=f"or is it 2001:db8:1:2::9? {bob}",
        entities=Entities(ips=("203.0.113.7", "203.0.113.8"), principals=(bob,), user_agents=(f"agent of {bob}",)),
        evidence=Evidence(
            1.0,
            1.0,
            "x",
            f"{bob} did it",
            {"top": {bob: 3}, "list": [bob, "203.0.113.9"], "n": 3},
            card={
                "count": {"caller": "carol@example.org"},
                "top": [{"dimension": "principal", "value": "dave@example.org", "n": 1}],
                "requests": [
                    {"client_ip": "203.0.113.7", "principal": "erin@example.org", "path": "/u/erin@example.org"}
                ],
                "reproduce": {"sql": "WHERE principal = 'carol@example.org' OR ip = '203.0.113.7'"},
            },
        ),
    )
    shown = json.dumps(masking(mode).finding(whole).to_json())
    for name in (*PEOPLE[1:], "carol", "dave", "erin", "203.0.113.7", "203.0.113.8", "203.0.113.9"):
        assert name not in shown, name
    assert masking("off").finding(whole) is whole
    assert shown.count("id-") > 8


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("privacy")
    return Settings(data_dir=folder / "data", privacy="hash", hash_key=SecretStr("key"), requests_per_second=10_000)


@pytest.fixture(scope="module")
def state(settings: Settings) -> Iterator[State]:
    opened = open_state(settings)
    fill(opened, hostile=False)
    add_people(opened)
    yield opened
    opened.close()


def test_the_api_shows_masked_and_reveals_to_operators_who_stand_in_the_audit_log(
    settings: Settings, state: State
) -> None:
    clients = {}
    for role, name in NAMES.items():
        clients[role.value] = TestClient(build_app(settings), base_url="http://localhost:8080")
        log_in(clients[role.value], name)
    viewer, operator, admin = clients["viewer"], clients["operator"], clients["admin"]
    listed = viewer.get("/api/v1/findings?kind=auth_failure_spike")
    identity = listed.json()["findings"][0]["id"]
    for path in ("/api/v1/findings", f"/api/v1/findings/{identity}", f"/api/v1/findings/{identity}/requests"):
        for client in (viewer, admin):
            answer = client.get(path)
            assert answer.status_code == 200
            assert "203.0.113." not in answer.text, path
    assert '"client_ip":"ip-' in viewer.get(f"/api/v1/findings/{identity}/requests").text
    reveal = f"/api/v1/findings/{identity}/reveal"
    assert viewer.post(reveal, json={}, headers=csrf(viewer)).status_code == 403
    whole = operator.post(reveal, json={}, headers=csrf(operator)).json()
    assert whole["entities"]["ips"][0].startswith("203.0.113.")
    assert whole["requests"][0]["client_ip"].startswith("203.0.113.")
    assert operator.post("/api/v1/findings/none/reveal", json={}, headers=csrf(operator)).status_code == 404
    events = admin.get("/api/v1/audit?action=finding.reveal").json()["events"]
    assert [(event["actor"], event["target"]) for event in events] == [("otto", identity)]


def test_pages_and_alerts_show_masked(settings: Settings, state: State) -> None:
    from dashboard.data import Reader
    from dashboard.pages import finding as page
    from dashboard.view import View
    from gatewatch.store.findings import list_findings
    from tests.dashboard.pages.conftest import texts

    reader = Reader(lambda: state, lambda: AT, privacy=privacy_of(settings))
    with state.read() as session:
        stored = [one.finding for one in list_findings(session).items]
    for one in stored:
        shown = " ".join(texts(page.render(reader, one.id, View())))
        rows = repr(
            [grid.rowData for grid in page.render(reader, one.id, View())._traverse() if hasattr(grid, "rowData")]
        )
        assert "203.0.113." not in shown + rows
        assert "203.0.113." not in json.dumps(payload_of(alert_of("new", one), settings))
    assert any("203.0.113." in json.dumps(one.to_json()) for one in stored)


def test_the_key_of_the_data_directory_is_used_when_none_is_set(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", privacy="hash")
    open_state(settings).close()
    first = privacy_of(settings).address("203.0.113.7")
    assert first == privacy_of(settings).address("203.0.113.7")
    assert (tmp_path / "data" / "hash.key").exists()


def test_no_route_shows_a_viewer_who_it_was(settings: Settings, state: State) -> None:
    """Every GET route of the description, with its filters empty: what is added is looked at, too."""
    with state.read() as session:
        finding = list_findings(session, FindingFilter(kind="auth_failure_spike"), limit=1).items[0].finding
    viewer = TestClient(build_app(settings), base_url="http://localhost:8080")
    log_in(viewer, NAMES[Role.VIEWER])
    people = {*finding.entities.ips, *finding.entities.principals} - {finding.route}
    assert any(one.startswith("203.0.113.") for one in people)
    document = viewer.get("/api/openapi.json").json()
    looked = 0
    for path, operations in document["paths"].items():
        if "get" not in operations or "text/event-stream" in operations["get"]["responses"]["200"]["content"]:
            continue
        wanted = {one["name"]: one for one in operations["get"].get("parameters", ()) if one["in"] == "query"}
        span = {"since": (finding.start - timedelta(hours=6)).isoformat(), "until": AT.isoformat()}
        tries: list[dict[str, str]] = [{}, {name: value for name, value in span.items() if name in wanted}]
        for name in ("by", "group_by", "field", "dimension", "columns", "fields"):
            if name in wanted:
                tries += [{**tries[1], name: value} for value in ("client_ip", "principal", "client_id", "user_agent")]
        for query in tries:
            answer = viewer.get(re.sub(r"\{\w+\}", finding.id, path), params=query)
            looked += answer.status_code == 200
            for one in people:
                assert one not in answer.text, (path, query)
    assert looked > 15


def stored_with_names(state: State, identity: str) -> str:
    """A finding and a comment that name people, and a request of theirs; the finding's id."""
    bob = "bob@example.org"
    made = a_finding(
        identity, AT, title=f"{bob} from 203.0.113.7", entities=Entities(ips=("203.0.113.7",), principals=(bob,))
    )
    with state.begin() as session:
        save_findings(session, [made], now=AT)
        add_event(session, made.id, "comment", actor="otto", note=f"it is {bob} at 203.0.113.7", now=AT)
    row = {"client_ip": "203.0.113.7", "principal": bob, "path": f"/users/{bob}", "request_id": identity}
    put(state, tables=[("requests", requests([row]))], lines=1, file=identity)
    return made.id


@pytest.mark.parametrize("mode", ["truncate", "hash", "off"])
def test_both_live_streams_show_what_the_lists_show(tmp_path: Path, mode: str) -> None:
    settings = Settings(data_dir=tmp_path / "data", privacy=mode, hash_key=SecretStr("key"))
    state = open_state(settings)
    with state.begin() as session:
        maker = Who("alice", Role.ADMIN, Via.CLI)
        token = create_token(session, maker, "t", [Scope.READ], now=datetime.now(UTC))[1].text
    asked: dict[str, Any] = {"headers": {"Authorization": f"Bearer {token}"}, "timeout": 90}
    with Running(settings) as address:
        with httpx.stream("GET", f"{address}/api/v1/events/requests?seconds=80", **asked) as tail:
            lines = tail.iter_lines()
            while not next(lines).startswith(": beat"):  # it has looked, and knows what is old
                pass
            identity = stored_with_names(state, "x1")
            request = next(line for line in lines if line.startswith("data:"))
        asked["headers"]["Last-Event-ID"] = "0"
        with httpx.stream("GET", f"{address}/api/v1/events/findings?seconds=80", **asked) as news:
            told = (line for line in news.iter_lines() if line.startswith("data:"))
            findings = [next(told), next(told)]
        page = httpx.get(f"{address}/api/v1/findings/{identity}", **asked).text
        listed = httpx.get(f"{address}/api/v1/requests?since={AT - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}", **asked).text
    state.close()
    assert [json.loads(one[5:])["transition"] for one in findings] == ["new", "comment"]
    (live,) = json.loads(request[5:])["requests"]
    assert live == json.loads(listed)["requests"][0]
    for said in (request, *findings, page, listed):
        for secret in ("bob@example.org", "203.0.113.7"):
            assert (secret in said) == (mode == "off"), (secret, said)
    if mode != "off":
        shown = privacy_of(settings)
        assert (live["client_ip"], live["principal"]) == (shown.address("203.0.113.7"), shown.name("bob@example.org"))
