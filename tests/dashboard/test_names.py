"""APIs are shown by the inventory's names, and their ids stay beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dashboard.data import Reader
from dashboard.names import names_of
from dashboard.pages import finding, findings, overview
from dashboard.view import View
from gatewatch.settings import Settings
from gatewatch.store.inventories import save_inventory
from gatewatch.store.state import open_state
from tests.dashboard.pages.conftest import find, texts
from tests.dashboard.world import END, fill
from tests.store.builders import a_finding

INVENTORY = {"restApis": [{"id": "shop4f2k1", "name": "shop"}, {"id": "legacy9"}]}


def test_a_name_stands_before_the_id_and_an_api_without_one_is_its_id() -> None:
    names = names_of(INVENTORY)  # type: ignore[arg-type]
    assert names.place("shop4f2k1", "prod", "GET /items") == "shop · shop4f2k1 / prod · GET /items"
    assert names.place("legacy9", None) == "legacy9"
    assert names_of(None).api("shop4f2k1") == "shop4f2k1"


def test_a_title_names_the_api_and_no_part_of_a_longer_word() -> None:
    names = names_of({"restApis": [{"id": "shop4f2k1", "name": r"shop\1"}]})
    one = replace(a_finding(), api="shop4f2k1", title="shop4f2k1/prod is slow, shop4f2k1x and my-shop4f2k1 are not")
    assert names.titled(one).title == r"shop\1/prod is slow, shop4f2k1x and my-shop4f2k1 are not"


def test_every_page_shows_names_as_soon_as_the_inventory_has_them(tmp_path: Path) -> None:
    state = open_state(Settings(data_dir=tmp_path / "data"))
    found = fill(state)
    reader = Reader(lambda: state, lambda: END)
    assert "shop4f2k1 / prod" in texts(overview.render(reader, "", View()))
    with state.begin() as session:
        save_inventory(session, INVENTORY, source="test", now=END)  # type: ignore[arg-type]
    assert "shop · shop4f2k1 / prod" in texts(overview.render(reader, "", View()))
    slow = found[0]
    told = texts(finding.render(reader, slow.id, View()))
    assert any("shop · shop4f2k1" in one for one in told)
    (grid,) = find(findings.render(reader, "", View()), "AgGrid")
    assert "shop · shop4f2k1" in str(grid.rowData), grid.rowData
    state.close()
