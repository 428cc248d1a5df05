from __future__ import annotations

import pytest

from dashboard import listing
from dashboard.data import Reader
from dashboard.pages import findings
from dashboard.view import View, view_of
from tests.dashboard.pages.conftest import find, texts


def titles(reader: Reader, view: View) -> list[str]:
    grids = find(findings.render(reader, "", view), "AgGrid")
    return [row["title"].split()[0] for grid in grids for row in grid.rowData]


@pytest.mark.parametrize(
    ("view", "first_words"),
    [
        (View(), ["p95", "Credential", "Nothing", "One"]),
        (View(severity="high"), ["p95", "Credential"]),
        (View(state="resolved"), ["One"]),
        (View(state="open", kind="dead_api"), ["Nothing"]),
        (View(api="shop4f2k1"), ["p95", "One"]),
        (View(q="p95"), ["p95"]),
        (View(range="1h"), ["p95", "Credential", "Nothing"]),
        (View(q="nothing has this"), []),
    ],
)
def test_the_filters_of_the_address_hold(reader: Reader, view: View, first_words: list[str]) -> None:
    assert titles(reader, view) == first_words


def test_a_cursor_that_somebody_typed_leads_to_the_first_page(reader: Reader) -> None:
    assert titles(reader, View(cursor="nonsense")) == titles(reader, View())


def test_pages_are_joined_by_links(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE_ROWS", 3)
    page = findings.render(reader, "", View())
    (older,) = [link.href for link in find(page, "Link") if link.children == ["Next page"]]
    assert len(titles(reader, view_of(older.partition("?")[2]))) == 1


def test_a_line_tells_how_it_went_who_and_how_sure(reader: Reader) -> None:
    (grid,) = find(findings.render(reader, "", View(severity="critical")), "AgGrid")
    (line,) = grid.rowData
    assert line["trend"].startswith("data:image/svg+xml,")
    assert line["count"] == "308 rejections/min"
    assert line["affected"] == "250 addresses, 91 principals, API key k1"
    assert (line["sure"], line["owner"], line["lasted"]) == ("90 %", "–", "goes on")


def test_who_may_only_look_selects_nothing_and_exports_all_the_same(reader: Reader) -> None:
    page = findings.render(reader, "", View(f=("kind != dead_api",)))
    (grid,) = find(page, "AgGrid")
    assert "rowSelection" not in grid.dashGridOptions  # nobody is known here
    links = [one.href for one in find(page, "A")]
    assert any("format=parquet" in link and "where=kind+%21%3D+dead_api" in link for link in links)
    assert "Detector: not Dead API" in texts(page)


def test_a_group_is_a_line(reader: Reader) -> None:
    said = texts(findings.render(reader, "", View(tab="kind")))
    assert {"Newest start", "Latency", "Dead API"} <= set(said)


def test_no_fitting_finding_says_why_and_what_to_do(reader: Reader, nothing: Reader) -> None:
    assert "No finding fits these filters" in texts(findings.render(reader, "", View(q="nothing has this")))
    assert "No findings yet" in texts(findings.render(nothing, "", View()))
    calm = findings.nothing(View(), known=True)
    assert "Look at 30 days" in texts(calm)


def test_conditions_can_be_typed_and_what_there_is_is_offered(reader: Reader) -> None:
    page = findings.render(reader, "", View())
    offered = [one.value for one in find(page, "Option")]
    assert "severity = critical" in offered
    assert "route = " in offered


def test_what_is_listed_can_be_asked_for_outside_of_the_page(reader: Reader) -> None:
    page = findings.render(reader, "", View(severity="high", state="open", api="login8a2"))
    call, command = (one for one in (getattr(one, "data-copy", "") for one in find(page, "Button")) if one)
    assert "/api/v1/findings?severity=high&api=login8a2&state=open&since=" in call
    assert command.startswith("gatewatch findings list --since 2026-")
    assert "--api login8a2 --state acknowledged --state escalating" in command
    assert command.endswith("--where 'severity >= high'")
