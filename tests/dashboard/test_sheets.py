from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.components import table
from dashboard.exported import SHEETS
from dashboard.sheets import Part, Sheet, Wish, arranged, bar, grouped_table, matcher, ordered, told, wish_of
from dashboard.view import View, view_of
from gatewatch.records import Severity

AT = datetime(2026, 6, 9, 12, tzinfo=UTC)
ROWS: list[dict[str, Any]] = [
    {"who": "orders", "n": 5, "share": 0.25, "at": AT, "risk": Severity.LOW},
    {"who": "Billing and more", "n": 50, "share": None, "at": AT.replace(hour=13), "risk": Severity.CRITICAL},
    {"who": None, "n": 7, "share": float("nan"), "at": None, "risk": None},
    {"who": "orders", "n": 1, "share": 0.01, "at": AT, "risk": Severity.HIGH},
]


def part(name: str, **more: Any) -> Part[dict[str, Any]]:
    return Part(name, lambda row: row[name], **more)


SHEET: Sheet[dict[str, Any]] = Sheet(
    "people",
    (
        part("who", head="Caller", groups=True),
        part("n", head="Requests", adds=True),
        part("share"),
        part("at"),
        part("risk", groups=True),
    ),
    lambda reader, pathname, view: ROWS,
)


def found(text: str) -> list[int]:
    fits = matcher(SHEET, text)
    return [row["n"] for row in ROWS if fits(row)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("orders", [5, 1]),
        ("ORDERS", [5, 1]),
        ("n > 5", [50, 7]),
        ("Requests >= 5 and caller = orders", [5]),
        ("requests=7", [7]),
        ("share > 5 %", [5]),
        ("share = -", [50, 7]),
        ("who != orders", [50, 7]),
        ("who ~ bill", [50]),
        ("who !~ o", [7]),
        ("at > 2026-06-09T12:30Z", [50]),
        ("risk = high", [1]),
        ("> 5", []),
        ("n > many", []),
        ("nowhere = 5", []),
        ("", [5, 50, 7, 1]),
    ],
)
def test_rows_fit_by_text_and_by_conditions(text: str, expected: list[int]) -> None:
    assert found(text) == expected


def test_what_is_not_known_comes_last_whichever_way() -> None:
    assert [row["n"] for row in ordered(ROWS, lambda row: row["share"], down=False)] == [1, 5, 50, 7]
    assert [row["n"] for row in ordered(ROWS, lambda row: row["share"], down=True)] == [5, 1, 50, 7]
    assert [row["n"] for row in ordered(ROWS, lambda row: row["risk"], down=True)] == [50, 1, 5, 7]
    assert [row["n"] for row in ordered(ROWS, lambda row: row["who"], down=False)] == [50, 5, 1, 7]


def test_groups_add_up_what_adds_up() -> None:
    shown = arranged(SHEET, ROWS, Wish(by="who"))
    assert [(one.value, one.rows, one.sums) for one in shown.groups or ()] == [
        ("orders", 2, (6.0,)),
        ("Billing and more", 1, (50.0,)),
        (None, 1, (7.0,)),
    ]
    most = arranged(SHEET, ROWS, Wish(by="who", sort="n", down=True))
    assert [one.sums[0] for one in most.groups or ()] == [50, 7, 6]
    drawn = str(grouped_table(shown, View()))
    assert "people.find:who = orders" in drawn
    assert "people.find:who = -" in drawn
    assert "people.find:who = Billing" not in drawn, "its condition would be read as two"


def test_pages_hold_every_row_once_in_the_order_asked_for() -> None:
    rows: list[dict[str, Any]] = [
        {"who": str(n), "n": n % 7, "share": None, "at": None, "risk": None} for n in range(45)
    ]
    pages = [arranged(SHEET, rows, Wish(sort="n", down=True, page=page), rows=10) for page in range(5)]
    together = [row for page in pages for row in page.items]
    assert together == sorted(rows, key=lambda row: -row["n"])
    assert {page.fitting for page in pages} == {45}
    assert arranged(SHEET, rows, Wish(page=99), rows=10).items == rows[40:], "a page that is not there is the last"


def test_the_address_says_what_is_asked_and_other_tables_keep_theirs() -> None:
    view = view_of("?t=people.sort:-n&t=people.find:who+%3D+a:b&t=other.by:x&t=people.page:2&t=nonsense")
    wish = wish_of(view, "people")
    assert wish == Wish("n", True, "who = a:b", None, 2)
    after = view_of(view.search(t=told(view, "people", Wish(by="who"))))
    assert (wish_of(after, "people"), wish_of(after, "other")) == (Wish(by="who"), Wish(by="x"))


@given(st.lists(st.text(max_size=40), max_size=5), st.text(max_size=40))
def test_any_address_and_any_filter_give_some_answer(texts: list[str], find: str) -> None:
    wish = wish_of(View(t=(*texts, *(f"people.{text}" for text in texts), f"people.find:{find}")), "people")
    shown = arranged(SHEET, ROWS, wish)
    assert shown.fitting <= len(ROWS)
    tools = bar(shown)
    assert (tools is None) == (wish == Wish()), "a few rows need no tools, but a filter can always be taken back"
    if tools is not None:
        json.loads(tools.to_plotly_json()["props"]["data-sheet"])


def test_names_of_tables_and_columns_can_stand_in_an_address_and_a_condition() -> None:
    for name, sheet in SHEETS.items():
        assert sheet.name == name
        parts = [one.name for one in sheet.parts]
        assert len({*parts}) == len(parts)
        for one in sheet.parts:
            assert one.name.isidentifier(), one.name
            assert not any(sign in one.title for sign in "<>=!~"), one.title


# ---- every table of the dashboard

WHOLE = {
    "table",  # of components: all of its rows are on the page, and its heads sort them there
    "folded",
    "twin",
    "pairs",
}
"""What draws a table that holds all of its rows."""


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    root = Path(__file__).parents[2] / "dashboard"
    for file in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                yield str(file.relative_to(root)), name, node


def test_no_table_is_cut_without_a_server_that_orders_all_of_it() -> None:
    """Whoever shows the first rows of something only, shows a sheet; a cut in a plain table is not allowed."""
    cut = []
    for file, name, node in calls():
        if name not in ("table", "folded"):
            continue
        for one in node.args[1:2]:
            if isinstance(one, ast.Subscript) and isinstance(one.slice, ast.Slice):
                cut.append((file, node.lineno))
    assert cut == []


def test_every_sheet_stands_on_a_page_with_its_file() -> None:
    written = {
        name: {ast.unparse(arg).strip("'") for _, called, node in calls() if called == name for arg in node.args[:1]}
        for name in ("export_button",)
    }
    named = written["export_button"] - {"sheet.name", "table.name"}
    assert named | {"offenders", "victims"} | {one for one in SHEETS if one.startswith("caller-")} == {*SHEETS}


def test_heads_of_a_plain_table_sort_it_and_those_of_a_sheet_name_their_part() -> None:
    drawn = table(["A", "B"], [["1", "2"]], caption="c", sheet="people", sorts=["who", ""], order="-who")
    frame = drawn.to_plotly_json()["props"]["children"].to_plotly_json()["props"]
    assert (frame["data-table"], frame["data-order"]) == ("people", "-who")
    heads = frame["children"][1].children.children
    assert [one.to_plotly_json()["props"].get("data-part") for one in heads] == ["who", None]
