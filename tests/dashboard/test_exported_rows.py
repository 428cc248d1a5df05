"""Tables of rows: requests behind a finding, networks and places of refusals, the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from dashboard.data import Reader
from dashboard.exported import SHEETS
from dashboard.sheets import arranged, wish_of
from dashboard.view import View
from gatewatch.privacy import Privacy
from gatewatch.records import Kind
from gatewatch.settings import Settings
from gatewatch.store.findings import FindingFilter, list_findings
from gatewatch.store.state import State, open_state
from tests.dashboard.world import END, fill
from tests.store.builders import clients, put

ADDRESSES = [f"203.0.{place // 200}.{place % 200}" for place in range(2000)]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    opened = open_state(Settings(data_dir=tmp_path_factory.mktemp("rows") / "data"))
    fill(opened)
    rows = [
        {"minute": END, "api": "login8a2", "route": f"GET /r{place % 60}", "reject_cause": "expired_credential"}
        | {"client_ip": one, "n": 1 + place % 7}
        for place, one in enumerate(ADDRESSES)
    ]
    put(opened, file="more.log", tables=[("clients", clients(rows))])
    yield opened
    opened.close()


def rows_of(state: State, name: str, path: str, view: View, privacy: Privacy | None = None) -> list[Any]:
    reader = Reader(lambda: state, lambda: END + timedelta(minutes=1), tuple, privacy)
    return list(SHEETS[name].read(reader, path, view) or ())


def test_networks_and_places_hold_every_refusal_not_the_first_ones(state: State) -> None:
    view = View(range="1h", api="login8a2")
    networks = rows_of(state, "networks", "/auth", view)
    assert sum(one.addresses for one in networks) >= len(ADDRESSES)
    assert len([one for one in networks if one.name.startswith("203.0.")]) == 10
    places = rows_of(state, "places", "/auth", view)
    assert len({one.route for one in places if one.route.startswith("GET /r")}) == 60
    found = arranged(SHEETS["places"], places, wish_of(View(t=("places.sort:-refused", "places.find:/r5")), "places"))
    numbers = [one.n for one in found.items]
    assert numbers == sorted(numbers, reverse=True)
    assert all("/r5" in one.route for one in found.items)


def test_networks_are_masked_as_everywhere(state: State) -> None:
    shown = rows_of(state, "networks", "/auth", View(range="1h"), Privacy("hash", lambda: b"k" * 32))
    assert shown
    assert not [one.name for one in shown if one.name.startswith("203.0.")]


def test_requests_of_a_finding_come_all_and_of_none_there_are_none(state: State) -> None:
    reader = Reader(lambda: state, lambda: END)
    with state.read() as session:
        wish = FindingFilter(kind=Kind.AUTH_FAILURE_SPIKE.value)
        spike = list_findings(session, wish, limit=1).items[0]
    detail = reader.finding(spike.finding.id)
    assert detail is not None
    rows = rows_of(state, "requests", f"/findings/{spike.finding.id}", View())
    assert len(rows) == detail.every_request > 0
    assert rows_of(state, "requests", "/findings/none", View()) == []


def test_the_audit_log_is_for_admins_alone(state: State) -> None:
    assert SHEETS["audit"].read(Reader(lambda: state, lambda: END), "/settings", View()) is None
