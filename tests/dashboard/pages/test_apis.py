from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from plotly.utils import PlotlyJSONEncoder

from dashboard.data import Reader
from dashboard.data_apis import Life, apis
from dashboard.pages import apis as page
from dashboard.view import View
from gatewatch.settings import Settings
from gatewatch.store.state import open_state
from tests.dashboard.estate import declare
from tests.dashboard.pages.conftest import find, texts
from tests.dashboard.world import END, fill


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """The world with an inventory beside it."""
    state = open_state(Settings(data_dir=tmp_path_factory.mktemp("apis") / "data"))
    fill(state)
    declare(state, END)
    yield Reader(lambda: state, lambda: END)
    state.close()


def rows(reader: Reader, view: View) -> dict[str, Any]:
    found = apis(reader, view)
    assert found is not None
    return {one.api: one for one in found.rows}


def test_what_is_declared_and_what_is_called_stand_in_one_list(estate: Reader) -> None:
    found = rows(estate, View())
    assert {name: one.life for name, one in found.items() if not name.startswith("gone")} == {
        "login8a2": Life.LIVE,
        "shop4f2k1": Life.LIVE,
        "legacy9": Life.ZOMBIE,
        "never77": Life.NEVER,
    }
    shop = found["shop4f2k1"]
    assert (shop.owner, shop.auth, shop.routes_called, shop.routes_declared) == (
        "storefront",
        ("Lambda authorizer", "API key"),
        1,
        2,
    )
    assert shop.open_findings == 1
    assert found["never77"].n == 0
    assert found["login8a2"].p95_ms == pytest.approx(260, rel=0.02)


def test_what_the_logs_do_not_give_is_not_known_rather_than_zero(estate: Reader) -> None:
    legacy = rows(estate, View())["legacy9"]
    assert legacy.p95_ms != legacy.p95_ms
    assert legacy.callers != legacy.callers
    assert legacy.routes_declared is None
    assert "not known: needs $context.identity.apiKeyId" in legacy.unknown["callers"]
    said = " ".join(texts(page.render(estate, "", View())))
    assert "needs $context.identity.apiKeyId" in said


def test_worst_first_and_each_number_leads_on(estate: Reader) -> None:
    (grid,) = find(page.render(estate, "", View(range="7d")), "AgGrid")
    first = grid.rowData[0]
    assert first["name"] == "Login · login8a2 / prod"
    assert first["href"] == "/apis/login8a2?range=7d&stage=prod"
    assert first["links"]["findings"] == "/findings?range=7d&api=login8a2&stage=prod&state=open"
    assert first["text"]["errors"] == "0.41 %"
    never = next(row for row in grid.rowData if row["id"].startswith("never77"))
    assert never["links"] == {"requests": "", "findings": ""}


def test_search_and_scope_narrow_the_list(estate: Reader) -> None:
    assert list(rows(estate, View(q="IDENTITY"))) == ["login8a2"]
    assert list(rows(estate, View(api="legacy9"))) == ["legacy9"]
    said = texts(page.render(estate, "", View(q="no such thing")))
    assert "No API fits" in said


def test_without_an_inventory_it_says_what_cannot_be_told(reader: Reader) -> None:
    found = rows(reader, View())
    assert found["legacy9"].life is Life.LIVE
    assert found["legacy9"].auth is None
    assert any(text.startswith("No inventory is known") for text in texts(page.render(reader, "", View())))


def test_an_empty_store_says_what_to_do(nothing: Reader) -> None:
    assert "No APIs yet" in texts(page.render(nothing, "", View()))


def test_an_inventory_alone_shows_what_is_declared(nothing: Reader) -> None:
    declare(nothing.store(), END)
    found = rows(nothing, View())
    assert {one.life for one in found.values()} == {Life.NEVER}


def test_ids_of_strangers_stay_in_their_place(estate: Reader) -> None:
    made = json.dumps(page.render(estate, "", View()), cls=PlotlyJSONEncoder)
    assert "/apis/gone%3Cimg%20src%3Dx" in made
    assert len(made) < 300_000
