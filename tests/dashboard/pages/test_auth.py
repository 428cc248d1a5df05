from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from dash.development.base_component import Component
from hypothesis import given
from hypothesis import strategies as st
from plotly.utils import PlotlyJSONEncoder

from dashboard.data import Reader
from dashboard.data_api import blind as of_api
from dashboard.data_auth import auth, network_of
from dashboard.pages import api as api_page
from dashboard.pages import auth as page
from dashboard.refusals import AUTH, LANES, SCOPES
from dashboard.view import View
from detect.catalog import CODES
from gatewatch.frames import bucket_of, visible_mask
from gatewatch.privacy import Privacy
from gatewatch.records import AUTH_CAUSES, THROTTLE_SCOPES, Blind, Kind
from gatewatch.settings import Settings
from gatewatch.store.findings import save_blind
from gatewatch.store.state import open_state
from tests.dashboard.estate import declare
from tests.dashboard.pages.conftest import find, texts
from tests.dashboard.world import END, HOSTILE, fill
from tests.store.builders import clients, minutes, put

DAY = View()


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """The world with an inventory, a guarded route, and who was refused there."""
    state = open_state(Settings(data_dir=tmp_path_factory.mktemp("auth") / "data"))
    fill(state)
    declare(state, END)
    at = END - timedelta(minutes=30)
    guarded = {
        "minute": at,
        "api": "shop4f2k1",
        "stage": "prod",
        "route": "DELETE /items/{id}",
        "n": 100,
        "s2xx": 80,
        "s4xx": 12,
        "c_authorizer_deny": 12,
        "c_authorizer_error": 8,
        "visible": visible_mask(["status", "authorizer_latency_ms", "error_type", "client_ip"]),
        "authorizer_b": [-1, bucket_of(40), bucket_of(400)],
        "authorizer_c": [50, 38, 2],
    }
    who = [
        {"reject_cause": "authorizer_deny", "client_ip": "203.0.113.7", "principal": HOSTILE[0], "n": 9},
        {"reject_cause": "expired_credential", "client_ip": "203.0.113.9", "principal": HOSTILE[0], "n": 1},
        {"reject_cause": "authorizer_error", "client_ip": "2001:db8:7::1", "api_key_id": "k1", "n": 8},
        {"reject_cause": "throttle", "client_ip": "198.51.100.1", "n": 99},
    ]
    rows = [
        {"minute": at, "api": "shop4f2k1", "route": "DELETE /items/{id}", "user_agent": "curl", **one} for one in who
    ]
    put(state, file="b.log", tables=[("minutes", minutes([guarded])), ("clients", clients(rows))], lines=100)
    yield Reader(lambda: state, lambda: END)
    state.close()


def grids(made: Component) -> list[dict[str, object]]:
    (grid,) = find(made, "AgGrid")
    rows: list[dict[str, object]] = grid.rowData
    return rows


def test_every_cause_limit_and_kind_of_finding_has_its_word() -> None:
    assert set(SCOPES) == set(THROTTLE_SCOPES)
    assert {one.subtype for one in CODES if one.kind is Kind.AUTH_FAILURE_SPIKE} == set(LANES)
    assert set(AUTH) >= AUTH_CAUSES


def test_causes_callers_and_networks_add_up(refused: Reader) -> None:
    found = auth(refused, View(api="shop4f2k1"))
    assert found is not None
    assert [(one.cause, one.n, one.callers) for one in found.causes] == [
        ("authorizer_deny", 9, 1),
        ("authorizer_error", 8, 1),
        ("expired_credential", 1, 1),
    ]
    first, second = found.who
    assert (first.n, first.top, first.addresses) == (10, "authorizer_deny", 2)
    assert (second.client_id, second.n) == ("key:k1", 8)
    assert found.networks == [("203.0.113.0/24", 10, 2), ("2001:db8:7::/48", 8, 1)]


def test_an_authorizer_with_what_it_said_and_how_long_it_took(refused: Reader) -> None:
    found = auth(refused, View(api="shop4f2k1", range="1h"))
    assert found is not None
    (one,) = found.authorizers
    assert (one.doc.name, one.routes, one.failed) == ("tokens", 2, 8)
    assert one.p95_ms == pytest.approx(40, rel=0.02)
    assert one.n > 100
    assert 0 < one.ran_share < 1
    assert "shop-authorizer" in texts(page.render(refused, "", View(api="shop4f2k1", range="1h")))


def test_attacks_stand_in_another_lane_than_storms(refused: Reader) -> None:
    made = page.render(refused, "", DAY)
    said = texts(made)
    assert "Findings in this range: 1 × attack." in said
    assert any(text.startswith("Credential stuffing against") for text in said)


def test_the_stack_has_its_sentence_its_table_and_its_command(refused: Reader) -> None:
    made = page.render(refused, "", DAY)
    said = texts(made)
    sentence = next(text for text in said if " refusals, " in text and "the most at" in text)
    assert sentence in [one.data["caption"] for one in find(made, "Table") if getattr(one, "data", None)]
    assert any(text.startswith("gatewatch export requests") and "mtls_failure" in text for text in said)
    assert len(find(made, "Graph")) == 2


def test_what_the_logs_do_not_tell_is_said(refused: Reader) -> None:
    said = texts(page.render(refused, "", View(api="login8a2")))
    assert any("needs $context.error.responseType" in text for text in said)
    assert "Who was refused is not known" in said
    assert any(text.startswith("Needs $context.identity.sourceIp") for text in said)


def test_what_a_stage_lacks_is_not_said_of_its_api_again(tmp_path: Path) -> None:
    state = open_state(Settings(data_dir=tmp_path / "data"))
    fill(state)
    lacks = [
        Blind(Kind.AUTH_FAILURE_SPIKE, "1", "eu-west-1", "legacy9", stage, "refusals are not seen", ("status",))
        for stage in ("v1", None)
    ]
    with state.begin() as session:
        save_blind(session, lacks)
    reader = Reader(lambda: state, lambda: END)
    found = auth(reader, View())
    assert found is not None
    assert [one.stage for one in found.blind] == ["v1"]
    assert [one.stage for one in of_api(reader, "legacy9")] == ["v1"]
    state.close()


def test_people_are_masked_as_asked_and_no_link_names_them(refused: Reader) -> None:
    state = refused.store()
    hidden = Reader(lambda: state, lambda: END, privacy=Privacy("hash", lambda: b"k" * 32))
    made = page.render(hidden, "", View(api="shop4f2k1"))
    whole = json.dumps(made, cls=PlotlyJSONEncoder)
    assert "203.0.113" not in whole
    assert HOSTILE[0] not in json.loads(json.dumps([row["who"] for row in grids(made)]))
    assert [row["who"] for row in grids(made)][1] == "partner-one · k1"


def test_it_is_a_tab_of_the_api_too_and_small(refused: Reader) -> None:
    for made in (
        api_page.render(refused, "shop4f2k1", View(tab="auth")),
        page.render(refused, "", View(range="30d")),
    ):
        assert len(json.dumps(made, cls=PlotlyJSONEncoder)) < 300_000
        assert "Why requests were refused" in texts(made)


def test_empty_times_and_stores_say_so(refused: Reader, nothing: Reader) -> None:
    assert "No requests yet" in texts(page.render(nothing, "", DAY))
    assert "No request in this range" in texts(page.render(refused, "", View(api="never77")))


def test_networks_of_addresses_of_all_kinds() -> None:
    assert network_of("::ffff:203.0.113.9") == "203.0.113.0/24"
    assert network_of(HOSTILE[1]) == HOSTILE[1]


@given(st.ip_addresses().map(str) | st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){3}\n?", fullmatch=True))
def test_networks_are_those_of_the_standard_library(address: str) -> None:
    try:
        one = ipaddress.ip_address(address)
    except ValueError:
        assert network_of(address) == address
        return
    one = getattr(one, "ipv4_mapped", None) or one
    network = ipaddress.ip_network((one, 24 if one.version == 4 else 48), strict=False)
    assert network_of(address) == str(network)
