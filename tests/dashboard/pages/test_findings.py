from __future__ import annotations

from dataclasses import replace

import pytest

from dashboard.data import Reader
from dashboard.names import Names
from dashboard.pages import findings
from dashboard.view import View
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


def test_pages_are_joined_by_links(reader: Reader) -> None:
    window, page = reader.findings(View(), limit=3)
    assert window is not None
    older = [
        link for link in find(findings.body(page, View(), Names(), known=True), "Link") if link.children == "Older"
    ]
    assert len(older) == 1
    _, rest = reader.findings(replace(View(), cursor=page.next_cursor), limit=3)
    assert len(rest.items) == 1


def test_no_fitting_finding_says_why_and_what_to_do(reader: Reader, nothing: Reader) -> None:
    assert "No finding fits these filters" in texts(findings.render(reader, "", View(q="nothing has this")))
    assert "No findings yet" in texts(findings.render(nothing, "", View()))
    calm = findings.nothing(View(), known=True)
    assert "Look at 30 days" in texts(calm)
