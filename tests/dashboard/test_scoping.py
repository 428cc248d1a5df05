from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pyarrow.compute as pc
import pytest

from dashboard.data import Reader
from dashboard.data_apis import apis
from dashboard.exploring import explore
from dashboard.exported import SHEETS
from dashboard.exports import csv_text
from dashboard.inventoried import inventory_of
from dashboard.listing import listing
from dashboard.scoping import inside, tagged, tags, texts
from dashboard.summing import scope_of
from dashboard.view import View, view_of
from gatewatch.records import JSON
from gatewatch.settings import Settings
from gatewatch.store.findings import save_findings
from gatewatch.store.groups import caller_sums, minute_sums
from gatewatch.store.inventories import save_inventory
from gatewatch.store.request_fields import REQUEST_FIELDS
from gatewatch.store.state import open_state
from gatewatch.where import parse
from tests.store.builders import AT, a_finding, minutes, put, requests

PLACES: tuple[tuple[str | None, str | None, str, str | None, int], ...] = (
    ("111111111111", "eu-west-1", "orders", "prod", 5),
    ("111111111111", "us-east-1", "orders", "dev", 7),
    ("222222222222", "eu-west-1", "billing", "v1", 11),
    ("222222222222", "eu-west-1", "billing", None, 13),
)
INVENTORY: dict[str, JSON] = {
    "accountId": "111111111111",
    "region": "eu-west-1",
    "restApis": [
        {
            "id": "orders",
            "name": "orders",
            "tags": {"team": "shop", "env": "test"},
            "stages": [
                {"stageName": "prod", "tags": {"env": "prod"}},
                {"stageName": "dev"},
            ],
        },
        {"id": "billing", "name": "billing", "tags": {"env": "prod"}, "stages": [{"stageName": "v1"}]},
    ],
}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    state = open_state(Settings(data_dir=tmp_path_factory.mktemp("scoping") / "data"))
    rows, raw = [], []
    for account, region, api, stage, n in PLACES:
        place = {"account": account, "region": region, "api": api, "stage": stage, "route": "GET /"}
        rows.append({"minute": AT, "n": n, "s2xx": n, **place})
        raw += [{"at": AT + timedelta(seconds=number), "client_ip": "192.0.2.1", **place} for number in range(n)]
    put(state, tables=[("minutes", minutes(rows)), ("requests", requests(raw))], lines=len(raw))
    found = [
        a_finding(api=api, stage=stage, account=account, region=region, fingerprint=f"{number}", id=f"f-{number}")
        for number, (account, region, api, stage, _) in enumerate(PLACES)
    ]
    with state.begin() as session:
        save_findings(session, found, now=AT)
        save_inventory(session, INVENTORY, source="test", now=AT)
    yield Reader(lambda: state, lambda: AT + timedelta(minutes=1))
    state.close()


CASES = {
    "": {5, 7, 11, 13},
    "?account=111111111111": {5, 7},
    "?region=eu-west-1": {5, 11, 13},
    "?region=eu-west-1&account=111111111111": {5},
    "?tag=env%3Dprod": {5, 11, 13},
    "?tag=env%3Dtest": {7},
    "?tag=team%3Dshop": {5, 7},
    "?tag=env%3Dprod&api=billing": {11, 13},
    "?tag=env%3Dnobody": set(),
    "?account=333": set(),
}


@pytest.mark.parametrize("search", CASES)
def test_the_scope_holds_for_minutes_requests_callers_lists_and_files(reader: Reader, search: str) -> None:
    view = reader.resolved(view_of(search))
    window = reader.window(view)
    assert window is not None
    scope = scope_of(window, view)
    by_place = minute_sums(reader.store(), scope, ("account", "region", "api", "stage"))
    assert {*by_place.column("n").to_pylist()} == CASES[search]
    explored = explore(reader, view)
    assert explored is not None
    assert explored.problems == []
    assert explored.heat is not None
    assert pc.sum(caller_sums(reader.store(), scope).column("n")).as_py() == (sum(CASES[search]) or None)
    found = explore(reader, view_of(view.search(tab="counts")))
    assert found is not None
    text = csv_text(reader, SHEETS["stages"], "/limits", view)
    assert sum(line.startswith(("orders", "billing")) for line in text.splitlines()) == len(CASES[search])


@pytest.mark.parametrize("search", CASES)
def test_requests_of_the_explorer_are_those_of_the_scope(reader: Reader, search: str) -> None:
    view = reader.resolved(view_of(search))
    found = explore(reader, view)
    assert found is not None
    assert len(found.rows) == sum(CASES[search])
    for text in texts(view):
        assert str(parse(text, REQUEST_FIELDS)) == text, "what the page copies is a condition of the API"


@pytest.mark.parametrize("search", CASES)
def test_findings_are_those_of_the_scope(reader: Reader, search: str) -> None:
    view = reader.resolved(view_of(search))
    places = {(account, region, api, stage): n for account, region, api, stage, n in PLACES}
    found = listing(reader, view).page.items
    shown = {(one.finding.account, one.finding.region, one.finding.api, one.finding.stage) for one in found}
    assert {places[key] for key in shown} == CASES[search]


def test_a_scope_that_nothing_knows_says_so(reader: Reader) -> None:
    said = [str(one) for one in reader.nowhere(reader.resolved(view_of("?tag=env%3Dnobody&account=333")))]
    assert len(said) == 2
    assert "account 333" in said[0]
    assert "env=nobody" in said[1]
    assert reader.nowhere(reader.resolved(view_of("?tag=env%3Dprod&region=us-east-1"))) == []


def test_tags_are_those_of_the_inventory_environments_first_and_a_stage_overrules_its_api(reader: Reader) -> None:
    known = inventory_of(INVENTORY)
    assert tags(known) == ["env=prod", "env=test", "team=shop"]
    assert tagged(known, "env=prod") == ("orders/", "orders/prod", "billing/", "billing/v1")
    assert tagged(known, "env=test") == ("orders/", "orders/dev")
    assert reader.scopes(View()).tags == tags(known)
    assert reader.scopes(View()).accounts == ["111111111111", "222222222222"]


def test_the_scope_is_kept_from_page_to_page(reader: Reader) -> None:
    view = reader.resolved(view_of("?account=111111111111&region=eu-west-1&tag=team%3Dshop"))
    assert view_of(view.kept().search()) == view_of(view.search())
    assert "places" not in view.search()
    listed = apis(reader, view)
    assert listed is not None
    assert [(one.api, one.stage) for one in listed.rows] == [("orders", "prod")]
    assert inside(view, "orders", "prod", account="111111111111", region="eu-west-1")
    assert not inside(view, "orders", "dev", region="us-east-1")
    assert not inside(view, "billing", "v1")
