from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from plotly.utils import PlotlyJSONEncoder

from dashboard.annotations import sentence
from dashboard.data import Reader
from dashboard.pages import api as page
from dashboard.view import View
from gatewatch.privacy import Privacy
from gatewatch.records import Change, ChangeEvent, Severity
from gatewatch.settings import Settings
from gatewatch.store.changes import save_changes
from gatewatch.store.findings import save_findings
from gatewatch.store.state import open_state
from tests.dashboard.estate import declare
from tests.dashboard.pages.conftest import find, texts
from tests.dashboard.world import END, HOSTILE, fill

DAY = View()


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    state = open_state(Settings(data_dir=tmp_path_factory.mktemp("api") / "data"))
    fill(state)
    declare(state, END)
    events = [
        ChangeEvent(str(n), Change(END - timedelta(hours=ago), what, who, on), "apigateway", what)
        for n, (ago, what, who, on) in enumerate(
            [
                (2, "UpdateStage", "ann", "shop4f2k1/prod"),
                (3, "UpdateFunctionCode", HOSTILE[0], "shop-authorizer"),
                (900, "CreateDeployment", "ann", "shop4f2k1"),
                (1, "UpdateStage", "ann", "other1"),
            ]
        )
    ]
    with state.begin() as session:
        save_changes(session, events, source="test", now=END)
    yield Reader(lambda: state, lambda: END)
    state.close()


def shown(reader: Reader, quoted: str, tab: str | None = None, *, api: str | None = None) -> list[str]:
    return texts(page.render(reader, quoted, View(tab=tab, api=api)))


def test_every_tab_opens_for_every_api_and_is_small(estate: Reader) -> None:
    for api in ("shop4f2k1", "login8a2", "legacy9", "never77"):
        for tab in page.TABS:
            made = json.dumps(page.render(estate, api, View(tab=tab)), cls=PlotlyJSONEncoder)
            assert len(made) < 300_000, (api, tab)


def test_traffic_has_each_chart_with_its_sentence_and_table(estate: Reader) -> None:
    made = page.render(estate, "login8a2", DAY)
    said = texts(made)
    assert any(text.startswith("Credential stuffing") for text in said)
    sentence = next(text for text in said if "of them 2xx answered; the most at" in text)
    twins = [one.data["caption"] for one in find(made, "Table") if getattr(one, "data", None)]
    assert sentence in twins
    assert len(twins) == len(find(made, "Graph")) == 2


def test_a_gap_is_no_calm(estate: Reader) -> None:
    made = page.render(estate, "login8a2", DAY)
    twin = next(one for one in find(made, "Table") if "2xx answered" in getattr(one, "data", {}).get("head", ()))
    assert [row[1] for row in twin.data["body"] if row[0].endswith("03:15")] == ["–"]


def test_routes_beside_what_is_declared(estate: Reader) -> None:
    made = page.render(estate, "shop4f2k1", View(tab="routes"))
    (grid,) = find(made, "AgGrid")
    (row,) = grid.rowData
    assert (row["route"], row["declared"]) == ("GET /items/{id}", "Lambda authorizer + API key")
    assert "DELETE /items/{id}" in texts(made)
    assert row["links"]["throttled"].startswith("/findings?api=shop4f2k1&kind=throttling_abuse&q=GET+")


def test_consumers_are_named_by_the_best_identity_and_masked_as_asked(estate: Reader) -> None:
    (grid,) = find(page.render(estate, "login8a2", View(tab="consumers")), "AgGrid")
    assert {row["kind"] for row in grid.rowData} == {"principal"}
    assert sum(row["requests"] for row in grid.rowData) == 400
    state = estate.store()
    hidden = Reader(lambda: state, lambda: END, privacy=Privacy("hash", lambda: b"k" * 32))
    (masked,) = find(page.render(hidden, "login8a2", View(tab="consumers")), "AgGrid")
    assert all(row["who"].startswith("id-") for row in masked.rowData)


def test_latency_that_is_not_logged_says_which_field_is_missing(estate: Reader) -> None:
    assert "Needs $context.responseLatency." in shown(estate, "legacy9", "latency")
    said = shown(estate, "shop4f2k1", "latency")
    assert "Needs $context.integrationLatency." in said
    assert "GET /items/{id}" in said


def test_changes_are_those_of_the_api_and_of_what_it_uses(estate: Reader) -> None:
    said = shown(estate, "shop4f2k1", "changes")
    assert "3 in this range, 1 in the 90 days before" in said
    assert "shop-authorizer" in said
    assert "other1" not in said
    assert "No change is known" in shown(estate, "never77", "changes")


def test_settings_say_what_is_declared_and_what_cannot_be_seen(estate: Reader) -> None:
    said = shown(estate, "shop4f2k1", "settings")
    assert "100/s, burst 200" in said
    assert "storefront" in said
    assert any("$context.error.responseType" in text for text in said)
    assert "no latency in the log" in shown(estate, "legacy9", "settings")


def test_an_api_that_nobody_knows_says_so(estate: Reader, nothing: Reader) -> None:
    assert "There is no such API" in shown(estate, "no%2Fsuch")
    assert "There is no such API" in shown(nothing, "login8a2")


def test_an_id_of_a_stranger_is_found_by_its_quoted_name(estate: Reader) -> None:
    said = shown(estate, "gone%3Cimg%20src%3Dx%20onerror%3D")
    assert "There is no such API" in said or any(text.startswith("Nothing calls") for text in said)


def test_another_api_in_the_scope_is_said_with_the_way_there(estate: Reader) -> None:
    said = shown(estate, "shop4f2k1", api="legacy9")
    assert any("another API is chosen" in text for text in said)
    assert "Open Legacy · legacy9" in said


def test_a_route_has_the_same_tabs(estate: Reader) -> None:
    (grid,) = find(page.render(estate, "login8a2", View(tab="routes")), "AgGrid")
    assert grid.rowData[0]["href"] == "/apis/login8a2?f=route+%3D+POST+%2Flogin"
    none = View(f=("route = GET /none",))
    assert "No request in this range" in texts(page.render(estate, "login8a2", none))
    for tab in page.TABS:
        said = texts(page.render(estate, "login8a2", View(tab=tab, f=("route = POST /login", "nonsense"))))
        assert "POST /login" in said
        assert "All routes" in said


@pytest.mark.parametrize("api", ["shop4f2k1", "legacy9"])
def test_its_charts_are_marked_with_what_happened_to_it_alone(estate: Reader, api: str) -> None:
    mine, everything = (estate.beside(view) for view in (View(api=api), DAY))
    assert mine is not None
    assert everything is not None
    marked = [f"Marked:{one.partition('Marked:')[2]}" for one in shown(estate, api) if "Marked:" in one]
    assert set(marked) == {sentence(mine.notes)}
    assert sentence(mine.notes) != sentence(everything.notes)


def test_the_worst_open_finding_is_shown_however_many_newer_ones_there_are(tmp_path: Path) -> None:
    state = open_state(Settings(data_dir=tmp_path / "data"))
    first = next(one for one in fill(state) if one.api == "login8a2")
    old = replace(first, id="a" * 20, fingerprint="a", title="The old one", severity=Severity.CRITICAL)
    newer = [
        replace(
            first,
            id=f"b{n:019}",
            fingerprint=f"b{n}",
            title="A newer one",
            severity=Severity.LOW,
            start=first.start + timedelta(minutes=n),
        )
        for n in range(130)
    ]
    with state.begin() as session:
        save_findings(session, [old, *newer], now=END)
    said = shown(Reader(lambda: state, lambda: END), "login8a2")
    assert any(text.startswith("The old one") for text in said)
    state.close()
